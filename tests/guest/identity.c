/*
 * What a thread is to others: its credentials while it acts by others, each
 * thread's own, those of a main thread and of a process that have ended; and
 * who claims the number of a group or a session when several want it.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define RACE_NS 2000000000LL

static int
tgkill_(pid_t process, pid_t thread, int sig)
{
    return (int)syscall(SYS_tgkill, process, thread, sig);
}

static pid_t
tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* The line of /proc/PID/status that begins with `key`, or "". */
static const char *
status_line(pid_t pid, const char *key)
{
    static char text[4096];
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *line = strstr(text, key);
    if (!line)
        return "";
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* access(2) judges by the real ids, but that is between it and the caller. */
static void
test_access_is_private(void)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        setresgid(700, 0, 0);
        setresuid(700, 0, 0);
        prctl(PR_SET_DUMPABLE, 1);
        for (;;)
            access("/proc/self/../self/../self", R_OK);
    }
    while (!strstr(status_line(pid, "Uid:"), "700"))
        sched_yield();
    int odd = 0, seen = 0;
    for (int64_t end = now_ns() + RACE_NS; now_ns() < end || seen < 200; seen++)
        if (strcmp(status_line(pid, "Uid:"), "Uid:\t700\t0\t0\t0"))
            odd++;
    is(odd, 0);
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static volatile pid_t rooted;

static void *
stay(void *unused)
{
    rooted = tid();
    for (;;)
        pause();
    return unused;
}

static void
ask_threads(pid_t pid, pid_t thread)
{
    setresuid(800, 800, 800);
    is(kill(pid, 0), 0);
    is(tgkill_(pid, pid, 0), 0);
    fails(tgkill_(pid, thread, 0), EPERM);
    fails(tgkill_(pid, thread, SIGUSR1), EPERM);
    fails(kill(thread, 0), EPERM);
    fails(setpriority(PRIO_PROCESS, thread, 5), EPERM);
    is(setpriority(PRIO_PROCESS, pid, 5), 0);
}

/* Each thread has credentials of its own, and is asked for those. */
static void
each_thread(void)
{
    volatile pid_t *shared = shared_pages(1);
    pid_t pid = tap_fork();

    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, stay, NULL);
        while (!rooted)
            sched_yield();
        syscall(SYS_setresuid, 800, 800, 800); /* of this thread alone */
        *shared = rooted;
        for (;;)
            pause();
    }
    while (!*shared)
        sched_yield();
    ask_threads(pid, *shared);
    is(kill(pid, SIGKILL), 0);
}

static void
wait_for_zombie(pid_t pid)
{
    siginfo_t info;

    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
}

/* A process that has ended is still its user's, until its parent has waited. */
static void
zombies(void)
{
    pid_t own = tap_fork();
    if (own == 0) {
        setresuid(801, 801, 801);
        _exit(0);
    }
    pid_t other = tap_fork();
    if (other == 0)
        _exit(0);
    wait_for_zombie(own);
    wait_for_zombie(other);
    setresuid(801, 801, 801);
    is(kill(own, SIGTERM), 0);
    fails(kill(other, SIGTERM), EPERM);
    is(strncmp(status_line(own, "Uid:"), "Uid:\t801\t801", 12), 0);
    is(tap_wait(own), 0);
    is(tap_wait(other), 0);
}

/* kill(-1) that reaches others but none that it may signal says nothing. */
static void
kill_all(void)
{
    setresuid(802, 802, 802);
    is(kill(-1, 0), 0);
}

static int *leaderless;

static void *
go_on_alone(void *unused)
{
    while (leaderless[1] == 0)
        sched_yield();
    leaderless[0] = tid();
    while (leaderless[2] == 0)
        sched_yield();
    _exit(17);
    return unused;
}

/* The main thread has ended, another goes on: the number is still good for all. */
static void
test_main_thread_ended(void)
{
    struct rlimit limit;
    char path[64], text[512] = "";

    leaderless = shared_pages(1);
    pid_t pid = tap_fork();
    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, go_on_alone, NULL);
        setpriority(PRIO_PROCESS, 0, 3);
        leaderless[1] = 1;
        syscall(SYS_exit, 0);
    }
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    do {
        int fd = open(path, O_RDONLY);
        read(fd, text, sizeof(text) - 1);
        close(fd);
    } while (!leaderless[0] || !strstr(text, ") Z "));
    ok(1, "its state is Z, and the other thread lives");
    is(kill(pid, 0), 0);
    is(tgkill_(pid, pid, 0), 0);
    is(tgkill_(pid, pid, SIGUSR1), 0);
    is(getpriority(PRIO_PROCESS, pid), 3);
    is(sched_getscheduler(pid), SCHED_OTHER);
    is(prlimit(pid, RLIMIT_CORE, NULL, &limit), 0);
    is(waitpid(pid, NULL, WNOHANG), 0);
    leaderless[2] = 1;
    is(WEXITSTATUS(tap_wait(pid)), 17);
}

/* A process counts for RLIMIT_NPROC until it has been waited for. */
static void
zombies_count(void)
{
    struct rlimit two = { 2, 2 };

    setresuid(803, 803, 803);
    setrlimit(RLIMIT_NPROC, &two);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(0);
    wait_for_zombie(pid);
    fails(fork(), EAGAIN);
    tap_wait(pid);
    pid = tap_fork();
    if (pid == 0)
        _exit(0);
    is(tap_wait(pid), 0);
}

/* Become a user and exec. Returns how that went: 7 exec said EAGAIN, 1 it ran. */
static int
become_and_exec(void)
{
    struct rlimit one = { 1, 1 };
    char *argv[] = { "/proc/self/exe", "--exit", NULL };
    pid_t pid = tap_fork();

    if (pid == 0) {
        setrlimit(RLIMIT_NPROC, &one);
        if (setresuid(804, 804, 804) < 0)
            _exit(9);
        execv(argv[0], argv);
        _exit(errno == EAGAIN ? 7 : 8);
    }
    return WEXITSTATUS(tap_wait(pid));
}

/* setuid(2) to a user with too many succeeds, and exec then fails. */
static void
test_exec_over_limit(void)
{
    pid_t others[3];

    for (int i = 0; i < 3; i++)
        if ((others[i] = tap_fork()) == 0) {
            setresuid(804, 804, 804);
            for (;;)
                pause();
        }
    for (int i = 0; i < 3; i++)
        while (!strstr(status_line(others[i], "Uid:"), "804"))
            sched_yield();
    is(become_and_exec(), 7);
    for (int i = 0; i < 3; i++) {
        kill(others[i], SIGKILL);
        tap_wait(others[i]);
    }
    is(become_and_exec(), 1);
}

/* Two threads want to be the leader of the same session. */

static volatile int at_line, results[2];

static void *
second(void *unused)
{
    __atomic_fetch_add(&at_line, 1, __ATOMIC_SEQ_CST);
    while (at_line < 2)
        ;
    results[1] = (int)syscall(SYS_setsid);
    return unused;
}

/* Returns 0: one got it, and its group is found. */
static int
two_leaders(int skew)
{
    pthread_t thread;

    pthread_create(&thread, NULL, second, NULL);
    while (at_line < 1)
        sched_yield();
    __atomic_fetch_add(&at_line, 1, __ATOMIC_SEQ_CST);
    for (volatile int i = 0; i < skew; i++)
        ;
    results[0] = (int)syscall(SYS_setsid);
    pthread_join(thread, NULL);
    return (results[0] > 0) + (results[1] > 0) != 1 || kill(-getpid(), 0) != 0;
}

static void
test_two_leaders(void)
{
    int bad = 0, n = 0;

    for (int64_t end = now_ns() + RACE_NS; (now_ns() < end || n < 20) && !bad; n++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(two_leaders(n % 64 * 8));
        bad += tap_wait(pid) != 0;
    }
    is(bad, 0);
}

/* A child ends and is gone while its parent gives it a group of its own. */
static void
group_of_the_gone(void)
{
    int other = 0, n = 0;

    signal(SIGCHLD, SIG_IGN);
    for (int64_t end = now_ns() + RACE_NS; now_ns() < end || n < 20; n++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        for (volatile int i = 0; i < n % 128 * 64; i++)
            ;
        while (setpgid(pid, pid) == 0)
            setpgid(pid, getpgrp());
        other += errno != ESRCH;
    }
    is(other, 0);
    for (n = 0; n < 40; n++) /* the table of numbers is whole */
        if (fork() == 0)
            _exit(setsid() < 0);
    while (wait(NULL) > 0)
        ;
    is(errno, ECHILD);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--exit"))
        return 1;
    tap_begin("identity");
    test_access_is_private();
    tap_child(each_thread);
    tap_child(zombies);
    tap_child(kill_all);
    test_main_thread_ended();
    tap_child(zombies_count);
    test_exec_over_limit();
    test_two_leaders();
    tap_child(group_of_the_gone);
    return tap_end();
}
