/*
 * /proc: what ps, top, free, uptime, kill, df and libc read, in the form in
 * which they read it.
 */
#include "tap.h"
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>

static char text[65536];

/* The whole of a file, as a string; its length or -1. */
static ssize_t
slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t n, have = 0;

    text[0] = 0;
    if (fd < 0)
        return -1;
    while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
        have += n;
    text[have] = 0;
    close(fd);
    return n < 0 ? -1 : have;
}

/* The number after a name at the start of a line. */
static long
number(const char *name)
{
    char *at = text;
    size_t n = strlen(name);

    while (at) {
        if (!strncmp(at, name, n))
            return strtol(at + n, NULL, 10);
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return -1;
}

static void
test_stat(void)
{
    int pid, ppid, pgrp, session, threads = 0;
    char comm[64], state;
    unsigned long start = 0, vsize = 0;
    long rss = 0;

    works(slurp("/proc/self/stat"));
    int n = sscanf(text, "%d (%63[^)]) %c %d %d %d", &pid, comm, &state, &ppid,
                   &pgrp, &session);
    is(n, 6);
    ok(pid == getpid() && ppid == getppid() && pgrp == getpgrp() &&
       session == getsid(0), "who it is");
    ok(!strcmp(comm, "proc"), "comm is %s", comm);
    is(state, 'R');
    int fields = 2;
    char *at = strrchr(text, ')') + 1;
    for (char *word = strtok(at, " \n"); word; word = strtok(NULL, " \n")) {
        fields++;
        if (fields == 20)
            threads = atoi(word);
        else if (fields == 22)
            start = strtoul(word, NULL, 10);
        else if (fields == 23)
            vsize = strtoul(word, NULL, 10);
        else if (fields == 24)
            rss = strtol(word, NULL, 10);
    }
    is(fields, 52);
    is(threads, 1);
    ok(start > 0 && vsize > 100000 && rss > 10, "started at %lu, %lu bytes, "
       "%ld pages", start, vsize, rss);

    prctl(PR_SET_NAME, "a) (b");
    works(slurp("/proc/self/stat"));
    ok(strstr(text, "(a) (b)") != NULL, "any name: %.30s", text);
    works(slurp("/proc/self/comm"));
    ok(!strcmp(text, "a) (b\n"), "comm");
    prctl(PR_SET_NAME, "proc");
}

static void
test_status(void)
{
    static const char *const names[] = { "Name:", "Umask:", "State:", "Tgid:",
        "Pid:", "PPid:", "Uid:", "Gid:", "FDSize:", "Groups:", "VmPeak:",
        "VmSize:", "VmRSS:", "VmData:", "VmStk:", "VmExe:", "Threads:",
        "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:" };

    signal(SIGUSR1, SIG_IGN);
    works(slurp("/proc/self/status"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *at = strstr(text, names[i]);
        ok(at && (at == text || at[-1] == '\n'), "status has %s", names[i]);
    }
    is(number("Pid:"), getpid());
    is(number("PPid:"), getppid());
    is(number("Uid:"), 0);
    is(number("Threads:"), 1);
    ok(strstr(text, "State:\tR (running)") != NULL, "running");
    ok(number("VmRSS:") > 40, "VmRSS %ld kB", number("VmRSS:"));
    char *ignored = strstr(text, "SigIgn:\t");
    ok(ignored && strtoul(ignored + 8, NULL, 16) & 1 << (SIGUSR1 - 1),
       "what is ignored");
    signal(SIGUSR1, SIG_DFL);
    long size, resident;
    works(slurp("/proc/self/statm"));
    is(sscanf(text, "%ld %ld", &size, &resident), 2);
    ok(size > resident && resident > 10, "statm");
}

static void
test_strings(char **argv)
{
    char link[512], exe[512];
    ssize_t n = slurp("/proc/self/cmdline");

    is(n, strlen(argv[0]) + 1);
    ok(!strcmp(text, argv[0]), "cmdline is %s", text);
    works(slurp("/proc/self/environ"));
    ok(text[0] == 0 || strchr(text, '=') != NULL, "environ");
    n = readlink("/proc/self/exe", link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = 0;
    ok(realpath((char *)getauxval(AT_EXECFN), exe) ? !strcmp(link, exe)
       : link[0] == '/', "exe is %s", link);
    n = readlink("/proc/self/cwd", link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = 0;
    ok(!strcmp(link, tap_directory), "cwd is %s", link);
    n = readlink("/proc/self/root", link, sizeof(link) - 1);
    ok(n == 1 && link[0] == '/', "root is /");
    n = readlink("/proc/self", link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = 0;
    is(atoi(link), getpid());
}

static void
test_descriptors(void)
{
    char path[64], link[128];
    struct stat a, b;
    int fd = open("open", O_CREAT | O_RDWR, 0600), p[2], seen = 0, n = 0;

    write(fd, "contents", 8);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, link, sizeof(link) - 1);
    link[length > 0 ? length : 0] = 0;
    snprintf(text, sizeof(text), "%s/open", tap_directory);
    ok(!strcmp(link, text), "fd leads to %s", link);
    is(lstat(path, &a), 0);
    is(a.st_mode, S_IFLNK | 0700);
    stat(path, &a);
    fstat(fd, &b);
    is(a.st_ino, b.st_ino);
    int again = open(path, O_RDONLY);
    is(read(again, text, 20), 8);       /* a fresh open file */
    close(again);
    unlink("open");
    length = readlink(path, link, sizeof(link) - 1);
    link[length > 0 ? length : 0] = 0;
    ok(strstr(link, "/open (deleted)") != NULL, "and then to %s", link);
    again = open(path, O_RDONLY);
    is(read(again, text, 20), 8);       /* even though the name is gone */
    close(again);
    pipe(p);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
    length = readlink(path, link, sizeof(link) - 1);
    link[length > 0 ? length : 0] = 0;
    ok(!strncmp(link, "pipe:[", 6), "a pipe is %s", link);
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(dir));) {
        n++;
        seen += atoi(e->d_name) == fd && isdigit(e->d_name[0]);
    }
    closedir(dir);
    ok(seen == 1 && n >= 6, "a list of %d", n);
    fails(open("/proc/self/fd/999", O_RDONLY), ENOENT);
    close(fd);
    close(p[0]);
    close(p[1]);
}

static void
test_system(void)
{
    double up, idle;
    unsigned long user, nice, system, rest;

    works(slurp("/proc/meminfo"));
    long total = number("MemTotal:"), unused = number("MemFree:");
    ok(total > 16384 && unused > 0 && unused < total, "%ld kB, %ld free",
       total, unused);
    ok(number("MemAvailable:") > 0 && number("Buffers:") >= 0 &&
       number("Cached:") >= 0 && number("SwapTotal:") == 0 &&
       number("Shmem:") >= 0, "and the rest that free reads");
    works(slurp("/proc/uptime"));
    is(sscanf(text, "%lf %lf", &up, &idle), 2);
    ok(up > 0 && up < 100000, "up %.2f s", up);
    double one, five, fifteen;
    int running, all, last;
    works(slurp("/proc/loadavg"));
    is(sscanf(text, "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running,
              &all, &last), 6);
    works(slurp("/proc/stat"));
    is(sscanf(text, "cpu %lu %lu %lu %lu", &user, &nice, &system, &rest), 4);
    ok(strstr(text, "\ncpu0 ") != NULL, "a line for each hart");
    ok(number("btime ") > 0 && number("processes ") > 0 && number("ctxt ") > 0,
       "btime, processes, ctxt");
    works(slurp("/proc/cpuinfo"));
    ok(strstr(text, "processor") && strstr(text, "rv64"), "cpuinfo");
    works(slurp("/proc/version"));
    ok(strlen(text) > 10, "version: %.20s", text);
    works(slurp("/proc/filesystems"));
    ok(strstr(text, "nodev\ttmpfs\n") && strstr(text, "nodev\tproc\n"),
       "filesystems");
    works(slurp("/proc/mounts"));
    ok(strstr(text, " /proc proc ") != NULL, "mounts");
    works(slurp("/proc/cmdline"));
    ok(text[0] && text[strlen(text) - 1] == '\n', "cmdline ends its line");
    works(slurp("/proc/vmstat"));
    works(slurp("/proc/sys/kernel/hostname"));
    works(slurp("/proc/sys/kernel/osrelease"));
}

static void
test_list(void)
{
    char path[64];
    int self = 0, one = 0;
    pid_t pid = tap_fork();

    if (pid == 0)
        for (;;)
            pause();
    int child = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *e; (e = readdir(dir));) {
        self += atoi(e->d_name) == getpid();
        one += !strcmp(e->d_name, "1");
        child += atoi(e->d_name) == pid;
    }
    closedir(dir);
    ok(self == 1 && one == 1 && child == 1, "each process is listed once");
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    sleep_ms(5);
    works(slurp(path));
    ok(strstr(text, ") S ") != NULL, "a sleeper is S");
    kill(pid, SIGSTOP);
    int status;
    waitpid(pid, &status, WUNTRACED);
    works(slurp(path));
    ok(strstr(text, ") T ") != NULL, "a stopped one T");
    int fd = open(path, O_RDONLY);
    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    works(slurp(path));
    ok(strstr(text, ") Z ") != NULL, "a zombie Z");
    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    is(slurp(path), 0);
    tap_wait(pid);
    fails(slurp(path), ENOENT);
    fails(read(fd, text, 10), ESRCH);
    close(fd);
}

static void
test_refusals(void)
{
    struct stat st;

    fails(open("/proc/4000000", O_RDONLY), ENOENT);
    fails(open("/proc/0", O_RDONLY), ENOENT);
    fails(open("/proc/self/nothing", O_RDONLY), ENOENT);
    fails(open("/proc/new", O_CREAT | O_WRONLY, 0600), ENOENT);
    fails(mkdir("/proc/new", 0755), ENOENT);
    fails(unlink("/proc/meminfo"), EPERM);
    fails(rmdir("/proc/self"), ENOTDIR);
    is(stat("/proc/self/stat", &st), 0);
    is(st.st_mode, S_IFREG | 0444);
    is(st.st_size, 0);
    is(stat("/proc/self/", &st), 0);
    is(st.st_mode, S_IFDIR | 0555);
    /* Reading in small pieces gives the same. */
    int fd = open("/proc/self/status", O_RDONLY);
    char c;
    int n = 0;
    while (read(fd, &c, 1) == 1)
        n++;
    ok(n > 300, "%d bytes, one by one", n);
    is(lseek(fd, 6, SEEK_SET), 6);
    is(read(fd, text, 4), 4);
    ok(!memcmp(text, "proc", 4), "from the middle");
    close(fd);
}

/* In an image of its own: a title over the arguments, which runs into the environment. */
static int
show_title(char **argv)
{
    char *end = argv[1] + strlen(argv[1]);  /* the NUL of the last argument */
    size_t room = end + 1 - argv[0], rest = strlen(end + 1);

    memset(argv[0], 'T', room);
    if (slurp("/proc/self/cmdline") != (ssize_t)(room + rest + 1))
        return 1;
    end[4] = 0;
    if (slurp("/proc/self/cmdline") != (ssize_t)(room + 4) || text[room + 2] == 'T')
        return 2;
    *end = 0;
    return slurp("/proc/self/cmdline") == (ssize_t)room ? 0 : 3;
}

static void
test_names_at_will(void)
{
    char *argv[] = {"a-program", "title", NULL}, *envp[] = {"HERE=is-something", "MORE=1", NULL};
    pid_t pid = tap_fork();

    if (pid == 0) {
        execve("/proc/self/exe", argv, envp);
        _exit(9);
    }
    is(tap_wait(pid), 0);

    put_file("two\nlines \\ of", "x", 1, 0644);
    int fd = open("two\nlines \\ of", O_RDONLY);
    void *p = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
    works(slurp("/proc/self/maps"));
    ok(strstr(text, "/two\\012lines \\ of\n") != NULL, "a name of two lines is on one in maps");
    munmap(p, 1);
    close(fd);
}

static volatile int thread_id;

static void *
sleeper(void *unused)
{
    thread_id = (int)syscall(SYS_gettid);
    while (thread_id)
        usleep(1000);
    return unused;
}

/* A thread is found by its number as a process is, but not listed. */
static void
test_thread_by_number(void)
{
    char path[64], name[16];
    pthread_t thread;
    struct stat st;
    int listed = 0;

    pthread_create(&thread, NULL, sleeper, NULL);
    while (!thread_id)
        usleep(1000);
    int tid = thread_id;
    snprintf(path, sizeof(path), "/proc/%d/status", tid);
    works(slurp(path));
    is(number("Pid:"), tid);
    is(number("Tgid:"), getpid());
    snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", tid, getpid());
    is(stat(path, &st), 0);
    snprintf(name, sizeof(name), "%d", tid);
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(dir));)
        listed |= !strcmp(entry->d_name, name);
    closedir(dir);
    is(listed, 0);
    snprintf(path, sizeof(path), "/proc/%d", tid);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    works(fd);
    thread_id = 0;
    pthread_join(thread, NULL);
    for (int i = 0; i < 1000 && stat(path, &st) == 0; i++)
        usleep(1000); /* it is joined a moment before it is gone */
    fails(stat(path, &st), ENOENT);
    fails(faccessat(fd, "comm", R_OK, 0), ESRCH);
    close(fd);
}

/* Writes to comm and oom_score_adj go to no position; blanks around a number do not count. */
static void
test_writes(void)
{
    char comm[16] = "";
    int fd = open("/proc/self/comm", O_RDWR);

    is(write(fd, "renamed", 7), 7);
    is(read(fd, comm, sizeof(comm)), 8);
    ok(!strcmp(comm, "renamed\n"), "what was written is read, from the beginning");
    close(fd);
    fd = open("/proc/self/oom_score_adj", O_RDWR);
    is(write(fd, " \t7 \n\n", 7), 7);
    is(read(fd, comm, sizeof(comm)), 2);
    ok(!memcmp(comm, "7\n", 2), "a number between blanks");
    fails(write(fd, "", 0) ? -1 : write(fd, "7 7", 3), EINVAL);
    fails(write(fd, " ", 1), EINVAL);
    is(write(fd, "0", 1), 1);
    close(fd);
}

/* The score that /proc/PID/oom_score tells, or -1. */
static long
oom_score(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/oom_score", pid);
    return slurp(path) > 0 ? strtol(text, NULL, 10) : -1;
}

static void
adjust_oom(pid_t pid, int value)
{
    char path[64], number[16];
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    int fd = open(path, O_WRONLY);
    snprintf(number, sizeof(number), "%d", value);
    is(write(fd, number, strlen(number)), (long)strlen(number));
    close(fd);
}

/* Linux's scale: two thirds of 1000, the thousandths of all memory that it has, and oom_score_adj. */
static void
test_oom_score(void)
{
    struct sysinfo info;
    size_t size = 64 << 20;
    pid_t pid = tap_fork();

    if (pid == 0) {
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(p, 1, size);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, NULL, WUNTRACED);
    works(sysinfo(&info));
    long share = (long)(size * 1000 / info.totalram);
    long score = oom_score(pid);
    ok(score >= (1000 + share) * 2 / 3 && score <= (1000 + share + 20) * 2 / 3, "%ld, with %ld thousandths",
       score, share);
    ok(score > oom_score(getpid()), "more than one that has less memory");
    adjust_oom(pid, 600);
    ok(labs(oom_score(pid) - score - 400) <= 2, "600 thousandths more: %ld after %ld", oom_score(pid), score);
    adjust_oom(pid, -1000);
    is(oom_score(pid), 0);
    is(oom_score(1), 0);
    kill(pid, SIGKILL);
    siginfo_t ended;
    works(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT));
    is(oom_score(pid), 0);
    is(tap_wait(pid), SIGKILL);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "title") == 0)
        return show_title(argv);
    tap_begin("proc");
    test_names_at_will();
    test_stat();
    test_oom_score();
    test_status();
    test_strings(argv);
    test_descriptors();
    test_system();
    test_list();
    test_refusals();
    test_thread_by_number();
    test_writes();
    return tap_end();
}
