/*
 * The borders of /proc: what was opened before an exec with other rights, or
 * when its number was another's, tells nothing of what came after; addresses
 * are for those who may trace; the log and physical addresses are root's.
 */
#include "tap.h"

#include <linux/sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#define USER 1000
#define VMPRINT 1001 /* Quire's own call */
#define SECRET "BORDER_SECRET=of_the_new_image"

static char *set_id_argv[] = {"set-id", "sleeper", NULL};
static char *set_id_argv_quick[] = {"set-id", "quick", NULL};
static char *set_id_envp[] = {SECRET, NULL};

static void
become_user(void)
{
    works(setresgid(USER, USER, USER));
    works(setresuid(USER, USER, USER));
    works(prctl(PR_SET_DUMPABLE, 1));
}

/* This program again, as ./set-id, which runs as root for everybody. */
static void
make_set_id(void)
{
    char buf[65536];
    ssize_t n;
    int in = open("/proc/self/exe", O_RDONLY), out = creat("set-id", 0755);

    while ((n = read(in, buf, sizeof(buf))) > 0 && write(out, buf, n) == n)
        ;
    close(in);
    works(fchmod(out, 04755));
    close(out);
}

/* The files of a process that only its tracer may read. */
static const char *const guarded[] = {"environ", "maps", "auxv", "io", "personality", "pagetable",
                                      "roots"};
#define AUXV 2
#define NGUARDED ARRAY_LEN(guarded)

static char auxv[1024]; /* a child's, before */
static ssize_t nauxv;

static int
open_of(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return open(path, O_RDONLY);
}

/* What descriptors from before tell now: an error or the end, or (auxv) what they told before. */
static void
tell_nothing(const int *fds, const char *when)
{
    char buf[16384];

    for (size_t i = 0; i < NGUARDED; i++) {
        if (fds[i] < 0)
            continue;
        ssize_t n = pread(fds[i], buf, sizeof(buf), 0);
        bool old = i == AUXV && n == nauxv && memcmp(buf, auxv, n) == 0;
        ok(n <= 0 || old, "%s: %s tells nothing (%zd)", when, guarded[i], n);
        close(fds[i]);
    }
}

static void
before_set_id_exec(void)
{
    struct gate go, ready;
    int fds[NGUARDED];
    char c, link[64];

    become_user();
    gate_init(&go);
    works(pipe(ready.fd)); /* stays open across exec, as descriptor 9 */
    pid_t child = tap_fork();
    if (child == 0) {
        dup2(ready.fd[1], 9);
        gate_wait(&go);
        execve("./set-id", set_id_argv, set_id_envp);
        _exit(9);
    }
    close(ready.fd[1]);
    for (size_t i = 0; i < NGUARDED; i++)
        fds[i] = open_of(child, guarded[i]);
    nauxv = pread(fds[AUXV], auxv, sizeof(auxv), 0);
    ok(fds[0] >= 0 && fds[1] >= 0 && fds[3] >= 0, "one's own child is open to look at");
    int directory = open_of(child, "fd"), process = open_of(child, ".");
    works(directory);
    gate_open(&go);
    is(read(ready.fd[0], &c, 1), 1); /* the new image runs */
    fails(open_of(child, "environ"), EACCES);
    tell_nothing(fds, "after exec");
    is(readlinkat(directory, "9", link, sizeof(link)), -1);
    fails(openat(directory, "9", O_RDONLY), EACCES);
    is(readlinkat(process, "exe", link, sizeof(link)), -1);
    fails(openat(process, "maps", O_RDONLY), EACCES);
    kill(child, SIGKILL); /* the real user is still ours */
    is(tap_wait(child) >= 0, 1);
    close(directory);
    close(process);
}

/* Does a file of the process show the set-ID image's environment, or that it is mapped? */
static bool
shows_new_image(pid_t pid, const char *name, const char *secret)
{
    char buf[8192];
    int fd = open_of(pid, name);
    ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf));

    close(fd);
    return n > 0 && memmem(buf, n, secret, strlen(secret));
}

/* Another looks all the time while the process becomes a set-ID one. */
static void
while_set_id_exec(void)
{
    int64_t end = now_ns() + 2000000000;
    int shown = 0, nexecs = 0, status;

    become_user();
    while (now_ns() < end && !shown) {
        pid_t child = tap_fork();
        if (child == 0) {
            dup2(1, 9);
            execve("./set-id", set_id_argv_quick, set_id_envp);
            _exit(9);
        }
        while (waitpid(child, &status, WNOHANG) == 0)
            shown += shows_new_image(child, "environ", SECRET) ||
                     shows_new_image(child, "maps", "/set-id");
        nexecs++;
    }
    ok(!shown, "%d set-ID programs began unseen", nexecs);
}

/* As root: a process with this very number. */
static pid_t
fork_as(pid_t number)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};

    return syscall(SYS_clone3, &args, sizeof(args));
}

static void
number_of_another(void)
{
    static struct gate dead, reborn;
    pid_t *number = shared_pages(1);
    int fds[NGUARDED], status, comm, process;

    gate_init(&dead);
    gate_init(&reborn);
    pid_t user = tap_fork();
    if (user == 0) {
        tap_failures = 0;
        become_user();
        pid_t child = tap_fork();
        if (child == 0) {
            for (;;)
                pause();
        }
        for (size_t i = 0; i < NGUARDED; i++)
            fds[i] = open_of(child, guarded[i]);
        nauxv = pread(fds[AUXV], auxv, sizeof(auxv), 0);
        comm = open_of(child, "comm");
        process = open_of(child, ".");
        kill(child, SIGKILL);
        tap_wait(child);
        *number = child;
        gate_open(&dead);
        gate_wait(&reborn);
        tell_nothing(fds, "another has the number");
        char c;
        fails(pread(comm, &c, 1, 0), ESRCH);
        fails(openat(process, "comm", O_RDONLY), ESRCH);
        int again = open_of(child, "comm");
        ok(again >= 0 && read(again, &c, 1) == 1, "whose own files are there");
        _exit(tap_failures != 0);
    }
    gate_wait(&dead);
    pid_t child = fork_as(*number);
    if (child == 0) {
        alarm(TAP_SECONDS);
        setenv("BORDER_SECRET", "of_the_other", 1);
        for (;;)
            pause();
    }
    is(child, *number);
    gate_open(&reborn);
    status = tap_wait(user);
    is(status, 0);
    kill(child, SIGKILL);
    tap_wait(child);
}

/* Field `n` of /proc/PID/stat, counted as proc(5) does. */
static unsigned long
stat_field(pid_t pid, int n)
{
    char text[2048], *at;
    int fd = open_of(pid, "stat");
    ssize_t length = read(fd, text, sizeof(text) - 1);

    close(fd);
    text[length < 0 ? 0 : length] = 0;
    at = strrchr(text, ')') + 1;
    for (int i = 3; i < n; i++)
        at = strchr(at + 1, ' ');
    return strtoul(at + 1, NULL, 10);
}

static void
addresses_in_stat(void)
{
    static const int hidden[] = {28, 29, 30, 35, 45, 46, 47, 48, 49, 50, 51, 52};
    char wchan[8];

    ok(stat_field(getpid(), 28) > 4096 && stat_field(1, 28) > 4096, "root sees where stacks are");
    become_user();
    ok(stat_field(getpid(), 28) > 4096 && stat_field(getpid(), 48) > 4096, "a user its own");
    is(stat_field(1, 26), 1);
    is(stat_field(1, 27), 1);
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        ok(stat_field(1, hidden[i]) == 0, "field %d of another's stat is 0", hidden[i]);
    int fd = open_of(1, "wchan");
    ok(read(fd, wchan, sizeof(wchan)) == 1 && wchan[0] == '0', "wchan of another is 0");
}

static uid_t
owner_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) ? (uid_t)-1 : st.st_uid;
}

static void
owner_when_not_dumpable(void)
{
    become_user();
    is(owner_of("/proc/self/environ"), USER);
    is(owner_of("/proc/self/fd"), USER);
    works(prctl(PR_SET_DUMPABLE, 0));
    is(owner_of("/proc/self/environ"), 0);
    is(owner_of("/proc/self/maps"), 0);
    is(owner_of("/proc/self/fd"), 0);
    is(owner_of("/proc/self/task"), USER);
    is(owner_of("/proc/self/."), USER);
    fails(open("/proc/self/environ", O_RDONLY), EACCES);
    works(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    works(open("/proc/self/maps", O_RDONLY));
    works(prctl(PR_SET_DUMPABLE, 1));
    is(owner_of("/proc/self/environ"), USER);
}

/* Quire's own files: no physical address for a user. On Linux they are not there. */
static void
physical_addresses(void)
{
    static char text[1 << 16];

    become_user();
    int fd = open("/proc/self/pagetable", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = 0;
    ok(fd < 0 || n > 100, "a user may see the shape of its own tree");
    int told = 0;
    for (char *at = text; (at = strstr(at, " pa 0x")); at++)
        told += strtoul(at + 6, NULL, 16) != 0;
    for (char *at = text; (at = strstr(at, "pte 0x")); at++)
        told += (strtoul(at + 6, NULL, 16) >> 10 & ((1UL << 44) - 1)) != 0;
    is(told, 0);
    fd = open("/proc/self/roots", O_RDONLY);
    ok(fd < 0 || (read(fd, text, 1) < 0 && errno == EPERM), "but not where its roots are");
    ok(open("/proc/frames", O_RDONLY) < 0, "nor the frames' owners");
    ok(syscall(VMPRINT) < 0 && (errno == EPERM || errno == ENOSYS), "nor write to the console");
}

static void
set_restriction(const char *value)
{
    int fd = open("/proc/sys/kernel/dmesg_restrict", O_WRONLY);

    is(write(fd, value, 1), 1);
    close(fd);
}

/* A knob that root opened is root's to turn, at each write. */
static void
knobs_of_root(void)
{
    char old[16] = "", host[65] = "";
    int knob = open("/proc/sys/vm/swappiness", O_RDWR);
    int name = open("/proc/sys/kernel/hostname", O_RDWR);
    int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
    ssize_t n = read(knob, old, sizeof(old));

    works(n);
    works(read(name, host, sizeof(host)));
    is(pwrite(knob, old, n, 0), n);
    become_user();
    fails(pwrite(knob, old, n, 0), EPERM);
    fails(pwrite(name, host, strlen(host), 0), EPERM);
    fails(write(drop, "1", 1), EPERM);
}

static void
log_refused(void)
{
    char buf[256];

    become_user();
    fails(syscall(SYS_syslog, 3, buf, sizeof(buf)), EPERM);
    fails(syscall(SYS_syslog, 10, NULL, 0), EPERM);
    fails(open("/dev/kmsg", O_RDONLY), EPERM);
}

static void
log_allowed(void)
{
    char buf[256];

    become_user();
    works(syscall(SYS_syslog, 3, buf, sizeof(buf)));
    works(syscall(SYS_syslog, 10, NULL, 0));
    works(open("/dev/kmsg", O_RDONLY));
    fails(syscall(SYS_syslog, 2, buf, sizeof(buf)), EPERM);
    fails(syscall(SYS_syslog, 5, NULL, 0), EPERM);
    fails(open("/proc/kmsg", O_RDONLY), EACCES);
    fails(open("/proc/sysrq-trigger", O_WRONLY), EACCES);
}

/* A child that reads the log for ever, once it waits. */
static pid_t
log_reader(int fd)
{
    char buf[8192], path[32], state = 0;
    pid_t pid = tap_fork();

    if (pid == 0)
        for (;;)
            if (read(fd, buf, sizeof(buf)) == 0)
                _exit(1);
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    while (state != 'S' && state != 'D') {
        int stat = open(path, O_RDONLY);
        ssize_t n = read(stat, buf, sizeof(buf) - 1);

        buf[n > 0 ? n : 0] = 0;
        if (n <= 0 || sscanf(buf, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z')
            break;
        close(stat);
        usleep(1000);
    }
    return pid;
}

/* Two processes read one open file of the log: the second can be killed while the first waits. */
static void
readers_of_log_end(void)
{
    int fd = open("/dev/kmsg", O_RDONLY);

    works(lseek(fd, 0, SEEK_END));
    pid_t first = log_reader(fd), second = log_reader(fd);
    works(kill(second, SIGKILL));
    is(tap_wait(second), SIGKILL);
    works(kill(first, SIGKILL));
    is(tap_wait(first), SIGKILL);
    close(fd);
}

static void
whose_log(void)
{
    struct stat st;

    if (stat("/dev/kmsg", &st)) {
        tap_skip("no /dev/kmsg here");
        return;
    }
    readers_of_log_end();
    set_restriction("1");
    tap_child(log_refused);
    set_restriction("0");
    tap_child(log_allowed);
    set_restriction("1");
}

/* Messages about user faults: ten in five seconds. */
static void
flood_of_faults(void)
{
    static char log[1 << 17];
    char mark[32];
    int64_t start = now_ns();

    snprintf(mark, sizeof(mark), "fl%d", getpid());
    pid_t flooder = tap_fork();
    if (flooder == 0) {
        prctl(PR_SET_NAME, mark);
        for (int i = 0; i < 100; i++) {
            pid_t child = fork();
            if (child == 0)
                *(volatile int *)hole() = 1;
            tap_wait(child);
        }
        _exit(0);
    }
    is(tap_wait(flooder), 0);
    int64_t seconds = (now_ns() - start) / 1000000000;
    ssize_t n = syscall(SYS_syslog, 3, log, sizeof(log) - 1);
    log[n < 0 ? 0 : n] = 0;
    int told = 0;
    strcat(mark, "[");
    for (char *at = log; (at = strstr(at, mark)); at++)
        told++;
    ok(told <= 10 * (seconds / 5 + 2), "%d messages about 100 faults in %d s", told, (int)seconds);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sleeper") == 0) {
        alarm(TAP_SECONDS);
        if (write(9, "x", 1) == 1)
            for (;;)
                pause();
        return 1;
    }
    if (argc > 1)
        return 0;
    tap_begin("procborder");
    make_set_id();
    tap_child(before_set_id_exec);
    tap_child(while_set_id_exec);
    number_of_another();
    tap_child(addresses_in_stat);
    tap_child(owner_when_not_dumpable);
    tap_child(physical_addresses);
    tap_child(knobs_of_root);
    whose_log();
    flood_of_faults();
    return tap_end();
}
