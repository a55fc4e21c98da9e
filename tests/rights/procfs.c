/*
 * The table of rights: the files of /proc/PID of processes of several kinds,
 * and /proc/sys by names and by descriptors.
 */
#include "rights.h"

static pid_t target;
static const char *target_name;
static int knob_fd[2]; /* opened by root for reading, for writing */
static const char *knob;
static char value[256];

static const char *const names[] = {
    "auxv", "cgroup", "cmdline", "comm", "cwd", "cwd/", "environ", "exe", "fd", "fd/0", "fdinfo",
    "fdinfo/0", "io", "limits", "maps", "mountinfo", "mounts", "oom_score", "oom_score_adj",
    "personality", "root", "root/", "sessionid", "stat", "statm", "status", "task", "wchan", "",
};

static const char *
outcome(long result)
{
    return result < 0 ? error_name(errno) : "ok";
}

static void
one_name(const char *in, const char *name)
{
    char path[80], line[80], results[5][32], buf[512];
    struct stat st = {0};

    snprintf(path, sizeof(path), in, target, target);
    snprintf(line, sizeof(line), "%s%s of %s", strstr(path, "task") ? "task/TID/" : "", name,
             target_name);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    snprintf(results[0], 32, "%s", outcome(fd));
    snprintf(results[1], 32, "%s", fd < 0 ? "-" : outcome(read(fd, buf, sizeof(buf))));
    close(fd);
    fd = open(path, O_WRONLY);
    snprintf(results[2], 32, "%s", outcome(fd));
    close(fd);
    ssize_t n = readlink(path, buf, sizeof(buf));
    snprintf(results[3], 32, "%s", outcome(n));
    snprintf(results[4], 32, "%s", outcome(lstat(path, &st)));
    if (name[0] && name[strlen(name) - 1] == '/')
        st.st_mode &= S_IFMT; /* of a directory elsewhere */
    told(line, "open r %s read %s open w %s readlink %s lstat %s %o %u:%u", results[0], results[1],
         results[2], results[3], results[4], st.st_mode, st.st_uid, st.st_gid);
}

static long
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    long result = fd < 0 ? -1 : write(fd, text, strlen(text));
    int error = errno;

    close(fd);
    errno = error;
    return result;
}

static void
each_name(void)
{
    char path[64];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        one_name("/proc/%d", names[i]);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (i % 3 == 0 && strcmp(names[i], "task"))
            one_name("/proc/%d/task/%d", names[i]);
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", target);
    tried(write_text(path, "1"), "oom_score_adj 1 of %s", target_name);
    tried(write_text(path, "0"), "oom_score_adj 0 of %s", target_name);
    tried(write_text(path, "-1"), "oom_score_adj -1 of %s", target_name);
    snprintf(path, sizeof(path), "/proc/%d/comm", target);
    tried(write_text(path, "name"), "comm of %s", target_name);
}

static void
undumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}

static void
dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 1);
}

static void
set_id(void)
{
    syscall(SYS_setresuid, ANN, 0, 0);
}

static void
saved_id(void)
{
    syscall(SYS_setresuid, ANN, ANN, 0);
    prctl(PR_SET_DUMPABLE, 1);
}

static void
other_group(void)
{
    syscall(SYS_setresgid, ANN, ANN, CLUB);
    syscall(SYS_setresuid, ANN, ANN, ANN);
    prctl(PR_SET_DUMPABLE, 1);
}

static void
processes(void)
{
    static const struct who callers[] = {
        ROOT, BARE, USER("ann", ANN, true), USER("bob", BOB, true), EVE_WITH(CAP_SYS_PTRACE),
        EVE_WITH(CAP_DAC_OVERRIDE), ANN_WITH(CAP_CHOWN), ANN_WITH(CAP_SYS_RESOURCE),
        ROOT_BUT(CAP_SYS_PTRACE), ROOT_BUT(CAP_DAC_OVERRIDE),
    };
    static const struct {
        const char *name;
        struct who who;
        void (*before)(void);
    } targets[] = {
        {"root", ROOT, dumpable},
        {"root without caps", BARE, dumpable},
        {"root, not dumpable", ROOT, undumpable},
        {"ann", USER("", ANN, true), dumpable},
        {"ann, not dumpable", USER("", ANN, true), undumpable},
        {"ann with CHOWN", ANN_WITH(CAP_CHOWN), dumpable},
        {"ann, effective root", ROOT, set_id},
        {"ann, saved root", ROOT, saved_id},
        {"ann, other group", ROOT, other_group},
    };

    for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
            target_name = targets[t].name;
            target = sleeper(&targets[t].who, targets[t].before);
            act_as(&callers[i], each_name);
            end_sleeper(target);
        }
}

/* A process looks at itself, which it may. */
static void
own(void)
{
    target = getpid();
    target_name = "itself";
    each_name();
    prctl(PR_SET_DUMPABLE, 0);
    target_name = "itself, not dumpable";
    each_name();
}

void
procfs(void)
{
    static const struct who callers[] = {ROOT, BARE, USER("ann", ANN, true)};

    subject("procfs");
    processes();
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
        act_as(&callers[i], own);
}

/* /proc/sys. */

static void
one_knob(void)
{
    char path[80], buf[256];
    struct stat st = {0};

    snprintf(path, sizeof(path), "/proc/sys/%s", knob);
    stat(path, &st);
    snprintf(buf, sizeof(buf), "stat %s", knob);
    told(buf, "%o %u:%u", st.st_mode, st.st_uid, st.st_gid);
    tried(access(path, R_OK), "access r %s", knob);
    tried(access(path, W_OK), "access w %s", knob);
    tried(access(path, X_OK), "access x %s", knob);
    int fd = open(path, O_RDONLY);
    tried(fd < 0 ? -1 : read(fd, buf, sizeof(buf)) > 0, "read %s", knob);
    close(fd);
    tried_fd(open(path, O_WRONLY), "open w %s", knob);
    if (value[0] && st.st_mode & 0200)
        tried(write_text(path, value) < 0 ? -1 : 0, "write %s", knob);
    if (knob_fd[0] >= 0)
        tried(pread(knob_fd[0], buf, sizeof(buf), 0) < 0 ? -1 : 0, "read %s opened by root", knob);
    if (knob_fd[1] >= 0 && value[0])
        tried(pwrite(knob_fd[1], value, strlen(value), 0) < 0 ? -1 : 0, "write %s opened by root", knob);
    tried(chmod(path, 0666), "chmod %s", knob);
    tried(chown(path, ANN, ANN), "chown %s", knob);
    tried(truncate(path, 0), "truncate %s", knob);
}

void
knobs(void)
{
    static const char *const all[] = {
        "fs/file-max", "fs/file-nr", "fs/pipe-max-size", "kernel/cap_last_cap",
        "kernel/core_uses_pid", "kernel/domainname", "kernel/hostname",
        "kernel/ngroups_max", "kernel/osrelease", "kernel/ostype", "kernel/panic",
        "kernel/printk", "kernel/random/boot_id", "kernel/random/entropy_avail",
        "kernel/random/uuid", "kernel/randomize_va_space", "kernel/sysrq", 
        "kernel/version", "vm/drop_caches", 
        "vm/overcommit_memory", "vm/overcommit_ratio", "vm/swappiness", "kernel/dmesg_restrict",
    };
    static const struct who callers[] = {
        ROOT, BARE, USER("ann", ANN, true), EVE_WITH(CAP_DAC_OVERRIDE), EVE_WITH(CAP_SYS_ADMIN),
        {.name = "eve with all but uid 0", .uid = EVE, .caps = ALL_CAPS}, ROOT_BUT(CAP_SYS_ADMIN),
    };
    char path[80];

    subject("knobs");
    for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
        knob = all[k];
        snprintf(path, sizeof(path), "/proc/sys/%s", knob);
        knob_fd[0] = open(path, O_RDONLY);
        knob_fd[1] = open(path, O_WRONLY);
        ssize_t n = knob_fd[0] < 0 ? 0 : read(knob_fd[0], value, sizeof(value) - 1);
        value[n > 0 ? n : 0] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
            act_as(&callers[i], one_knob);
        close(knob_fd[0]);
        close(knob_fd[1]);
    }
}
