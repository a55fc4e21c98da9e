/*
 * The table of rights: see rights.h. Arguments name subjects; none: all.
 */
#include "rights.h"
#include <ftw.h>
#include <grp.h>
#include <pthread.h>
#include <stdarg.h>

const char *const cap_names[CAP_LAST_CAP + 1] = {
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"};

static const char *subject_name;
static char caller_name[128];
static char lines[1 << 16];
static size_t used;

static void
write_all(int fd, const void *what, size_t size)
{
    const char *at = what;

    while (size) {
        ssize_t n = write(fd, at, size);
        if (n <= 0)
            _exit(9);
        at += n;
        size -= (size_t)n;
    }
}

void
flush_lines(void)
{
    write_all(STDOUT_FILENO, lines, used);
    used = 0;
}

const char *
error_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "unknown error";
}

static void
add_line(const char *operation, const char *result)
{
    if (used > sizeof(lines) - 2048)
        flush_lines();
    used += (size_t)snprintf(lines + used, 2048, "%s: %s: %s: %s\n", subject_name, caller_name,
                             operation, result);
}

void
caller(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(caller_name, sizeof(caller_name), format, args);
    va_end(args);
}

long
tried(long result, const char *format, ...)
{
    int error = errno;
    char operation[512], text[32];
    va_list args;

    va_start(args, format);
    vsnprintf(operation, sizeof(operation), format, args);
    va_end(args);
    snprintf(text, sizeof(text), "%ld", result);
    add_line(operation, result < 0 ? error_name(error) : text);
    return result;
}

void
tried_fd(int fd, const char *format, ...)
{
    int error = errno;
    char operation[512];
    va_list args;

    va_start(args, format);
    vsnprintf(operation, sizeof(operation), format, args);
    va_end(args);
    add_line(operation, fd < 0 ? error_name(error) : "open");
    if (fd >= 0)
        close(fd);
}

void
told(const char *operation, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add_line(operation, text);
}

/* Capabilities and credentials. Raw calls: those of the C library change all threads. */

struct capsets
get_caps(pid_t pid, long *result)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, pid};
    struct __user_cap_data_struct d[2] = {};
    long error = syscall(SYS_capget, &header, d);

    if (result)
        *result = error;
    return (struct capsets){d[0].effective | (uint64_t)d[1].effective << 32,
                            d[0].permitted | (uint64_t)d[1].permitted << 32,
                            d[0].inheritable | (uint64_t)d[1].inheritable << 32};
}

long
set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};

    return syscall(SYS_capset, &header, d);
}

static void
must(long result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "rights: %s: %s\n", what, error_name(errno));
        flush_lines();
        _exit(9);
    }
}

void
become(const struct who *who)
{
    gid_t club = CLUB;

    if (who->secure)
        must(prctl(PR_SET_SECUREBITS, who->secure), "securebits");
    if (who->nnp)
        must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    must(syscall(SYS_setgroups, who->member, &club), "setgroups");
    must(syscall(SYS_setresgid, who->uid, who->uid, who->uid), "setresgid");
    if (who->uid && who->caps && !(who->secure & SECBIT_KEEP_CAPS_LOCKED))
        must(prctl(PR_SET_KEEPCAPS, 1), "keepcaps");
    must(syscall(SYS_setresuid, who->uid, who->uid, who->uid), "setresuid");
    if (who->caps != ALL_CAPS || who->uid)
        must(set_caps(who->caps, who->caps, 0), "capset");
    if (who->uid && who->caps && !(who->secure & SECBIT_KEEP_CAPS_LOCKED))
        must(prctl(PR_SET_KEEPCAPS, 0), "keepcaps");
}

/* A caller's process, and its parent, which does what it asks for as root. */

struct request {
    long (*fn)(long arg);
    long arg;
    char path[128];
    unsigned mode, uid, gid;
    bool remove;
};

static int ask = -1, answer = -1; /* in the caller's process */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static long
remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
make(const char *path, unsigned mode, unsigned uid, unsigned gid)
{
    remove_tree(path);
    if (S_ISDIR(mode)) {
        must(mkdir(path, 0700), path);
    } else if (S_ISLNK(mode)) {
        must(symlink(DIR "/target", path), path);
        must(lchown(path, uid, gid), path);
        return;
    } else if (S_ISREG(mode) || !(mode & S_IFMT)) {
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        must(fd, path);
        must(write(fd, "text", 4), path);
        close(fd);
    } else {
        must(mknod(path, (mode & S_IFMT) | 0600, S_ISCHR(mode) ? 0x103 : 0), path);
    }
    must(chown(path, uid, gid), path);
    must(chmod(path, mode & 07777), path);
}

static void
serve(const struct request *request)
{
    if (request->fn)
        request->fn(request->arg);
    else if (request->remove)
        remove_tree(request->path);
    else
        make(request->path, request->mode, request->uid, request->gid);
}

static void
demand(const struct request *request)
{
    char done;

    if (ask < 0) {
        serve(request);
        return;
    }
    write_all(ask, request, sizeof(*request));
    if (read(answer, &done, 1) != 1)
        _exit(9);
}

void
fixture(const char *path, unsigned mode, unsigned uid, unsigned gid)
{
    struct request request = {.mode = mode, .uid = uid, .gid = gid};

    snprintf(request.path, sizeof(request.path), "%s", path);
    demand(&request);
}

void
remove_fixture(const char *path)
{
    struct request request = {.remove = true};

    snprintf(request.path, sizeof(request.path), "%s", path);
    demand(&request);
}

void
by_root(long (*fn)(long), long arg)
{
    demand(&(struct request){.fn = fn, .arg = arg});
}

void
act_as(const struct who *who, void (*fn)(void))
{
    int asks[2], answers[2];
    struct request request;

    flush_lines();
    must(pipe2(asks, O_CLOEXEC), "pipe");
    must(pipe2(answers, O_CLOEXEC), "pipe");
    pid_t pid = fork();
    must(pid, "fork");
    if (pid == 0) {
        close(asks[0]);
        close(answers[1]);
        ask = asks[1];
        answer = answers[0];
        caller("%s", who->name);
        become(who);
        fn();
        flush_lines();
        _exit(0);
    }
    close(asks[1]);
    close(answers[0]);
    while (read(asks[0], &request, sizeof(request)) == sizeof(request)) {
        serve(&request);
        write_all(answers[1], "", 1);
    }
    close(asks[0]);
    close(answers[1]);
    int status;
    waitpid(pid, &status, 0);
    if (status)
        told("the caller ended", "%s %x", who->name, status);
}

struct call {
    void (*fn)(void *);
    void *arg;
};

static void *
begin_thread(void *arg)
{
    struct call *call = arg;
    call->fn(call->arg);
    return NULL;
}

void
in_thread(void (*fn)(void *), void *arg)
{
    struct call call = {fn, arg};
    pthread_t thread;

    if (pthread_create(&thread, NULL, begin_thread, &call) != 0)
        must(-1, "pthread_create");
    pthread_join(thread, NULL);
}

pid_t
sleeper(const struct who *who, void (*before)(void))
{
    int ready[2];
    char byte;

    flush_lines();
    must(pipe2(ready, O_CLOEXEC), "pipe");
    pid_t pid = fork();
    must(pid, "fork");
    if (pid == 0) {
        close(ready[0]);
        become(who);
        if (before)
            before();
        write_all(ready[1], "", 1);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    must(read(ready[0], &byte, 1) - 1, "sleeper");
    close(ready[0]);
    return pid;
}

void
end_sleeper(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void empty_dir(void)
{
    umask(022);
    umount2(DIR, MNT_DETACH);
    remove_tree(DIR);
    must(mkdir(DIR, 0755), DIR);
}

void
subject(const char *name)
{
    subject_name = name;
    empty_dir();
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } all[] = {
        {"ids", ids}, {"caps", caps}, {"execs", execs}, {"procs", procs}, {"files", files}, {"bits", bits}, {"dirs", dirs},
        {"procfs", procfs}, {"knobs", knobs}, {"descriptors", descriptors}, {"mounts", mounts},
        {"machine", machine},
    };

    setgroups(0, NULL);
    umask(022);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        bool wanted = argc == 1;
        for (int n = 1; n < argc; n++)
            wanted |= strcmp(argv[n], all[i].name) == 0;
        if (wanted)
            all[i].fn();
    }
    flush_lines();
    return 0;
}
