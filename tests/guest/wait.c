/*
 * wait4 and waitid: which children they wait for, what they tell, and what
 * they refuse.
 */
#include "tap.h"
#include <sys/resource.h>
#include <sys/prctl.h>

/* A child that exits with code at once. */
static pid_t
quick_child(int code)
{
    pid_t pid = tap_fork();

    if (pid == 0)
        _exit(code);
    return pid;
}

/* A child that sleeps until it is killed. */
static pid_t
sleeping_child(void)
{
    pid_t pid = tap_fork();

    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static long
raw_waitid(int type, pid_t id, void *info, int options, void *usage)
{
    return syscall(SYS_waitid, type, id, info, options, usage);
}

static void
test_statuses(void)
{
    int status = -1;
    pid_t pid = quick_child(0);

    is(wait4(pid, &status, 0, NULL), pid);
    is(status, 0);
    pid = quick_child(300);
    is(waitpid(pid, &status, 0), pid);
    is(status, (300 & 255) << 8);
    pid = quick_child(-1);
    is(waitpid(-1, &status, 0), pid);
    is(status, 255 << 8);

    const int killers[] = { SIGKILL, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE,
                                   SIGALRM, SIGRTMAX };
    for (size_t i = 0; i < ARRAY_LEN(killers); i++) {
        pid = sleeping_child();
        works(kill(pid, killers[i]));
        is(waitpid(pid, &status, 0), pid);
        is(status, killers[i]);
    }
    struct rlimit none = { 0, RLIM_INFINITY };
    getrlimit(RLIMIT_CORE, &none);
    none.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &none);
    pid = tap_fork();
    if (pid == 0)
        abort();
    is(waitpid(pid, &status, 0), pid);
    is(status & 0x7f, SIGABRT);
}

static void
test_no_hang(void)
{
    int status = 1234;
    pid_t pid = sleeping_child();

    is(waitpid(pid, &status, WNOHANG), 0);
    is(status, 1234);
    is(waitpid(-1, &status, WNOHANG), 0);
    is(waitpid(0, &status, WNOHANG), 0);
    is(waitpid(-getpgrp(), &status, WNOHANG), 0);
    kill(pid, SIGKILL);
    is(waitpid(-getpgrp(), &status, 0), pid);
    is(status, SIGKILL);
    fails(waitpid(-1, &status, WNOHANG), ECHILD);
}

static void
test_refusals(void)
{
    int status;
    pid_t pid;

    fails(waitpid(-1, &status, 0), ECHILD);
    fails(waitpid(1, &status, 0), ECHILD);
    fails(waitpid(getpid(), &status, 0), ECHILD);
    fails(waitpid(4000000, &status, 0), ECHILD);
    fails(waitpid(-4000000, &status, 0), ECHILD);
    fails(waitpid(-1, &status, 0x10000000 | WNOHANG), EINVAL);
    fails(waitpid(-1, &status, WEXITED), EINVAL);
    fails(waitpid(-1, &status, WNOWAIT), EINVAL);
    fails(waitpid(INT32_MIN, &status, 0), ESRCH);

    /* The child is gone even when its status could not be told. */
    pid = quick_child(0);
    fails(wait4(pid, hole(), 0, NULL), EFAULT);
    fails(waitpid(pid, &status, 0), ECHILD);
    pid = quick_child(0);
    fails(syscall(SYS_wait4, pid, &status, 0, KERNEL_POINTER), EFAULT);
    fails(waitpid(pid, &status, 0), ECHILD);
    pid = quick_child(0);
    is(wait4(pid, NULL, 0, NULL), pid);
}

static void
test_which(void)
{
    pid_t a = quick_child(1), b = sleeping_child(), c;
    int status;

    c = tap_fork();
    if (c == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    while (getpgid(c) != c)
        sleep_ms(1);
    is(waitpid(-1, &status, 0), a);
    fails(waitpid(a, &status, 0), ECHILD);
    is(waitpid(-c, &status, WNOHANG), 0);
    kill(c, SIGTERM);
    is(waitpid(-c, &status, 0), c);
    is(status, SIGTERM);
    fails(waitpid(-c, &status, 0), ECHILD);
    kill(b, SIGKILL);
    is(waitpid(0, &status, 0), b);

    /* A grandchild is not ours. */
    struct gate gate;
    gate_init(&gate);
    int fd[2];
    pipe(fd);
    a = tap_fork();
    if (a == 0) {
        b = sleeping_child();
        write(fd[1], &b, sizeof(b));
        gate_wait(&gate);
        kill(b, SIGKILL);
        _exit(tap_wait(b) != SIGKILL);
    }
    read(fd[0], &b, sizeof(b));
    fails(waitpid(b, &status, WNOHANG), ECHILD);
    gate_open(&gate);
    is(tap_wait(a), 0);
    gate_close(&gate);
    close(fd[0]);
    close(fd[1]);
}

static void
test_stops(void)
{
    int status = 0;
    pid_t pid = sleeping_child();

    /* SIGTSTP and SIGTTIN stop no orphaned group, and ours may be one. */
    setpgid(pid, pid);
    kill(pid, SIGSTOP);
    is(waitpid(pid, &status, WUNTRACED), pid);
    is(status, SIGSTOP << 8 | 0x7f);
    is(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    is(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
    kill(pid, SIGCONT);
    is(waitpid(pid, &status, WCONTINUED), pid);
    is(status, 0xffff);
    ok(WIFCONTINUED(status), "WIFCONTINUED");
    is(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);

    kill(pid, SIGTSTP);
    is(waitpid(pid, &status, WUNTRACED | WCONTINUED), pid);
    is(status, SIGTSTP << 8 | 0x7f);
    /* Without WUNTRACED a stopped child is no news. */
    kill(pid, SIGCONT);
    is(waitpid(pid, &status, WCONTINUED), pid);
    kill(pid, SIGTTIN);
    sleep_ms(20);
    is(waitpid(pid, &status, WNOHANG), 0);
    is(waitpid(pid, &status, WNOHANG | WUNTRACED), pid);
    is(status, SIGTTIN << 8 | 0x7f);
    /* Killed while stopped. */
    kill(pid, SIGKILL);
    is(waitpid(pid, &status, WUNTRACED), pid);
    is(status, SIGKILL);
}

static void
test_waitid(void)
{
    siginfo_t info;
    pid_t pid = quick_child(9);

    memset(&info, 0x55, sizeof(info));
    is(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    is(info.si_signo, SIGCHLD);
    is(info.si_errno, 0);
    is(info.si_code, CLD_EXITED);
    is(info.si_pid, pid);
    is(info.si_uid, getuid());
    is(info.si_status, 9);
    is(waitid(P_ALL, 0, &info, WEXITED), 0);
    is(info.si_pid, pid);
    fails(waitid(P_PID, pid, &info, WEXITED), ECHILD);

    pid = sleeping_child();
    memset(&info, 0x55, sizeof(info));
    is(waitid(P_PID, pid, &info, WEXITED | WNOHANG), 0);
    is(info.si_signo, 0);
    is(info.si_pid, 0);
    kill(pid, SIGSTOP);
    is(waitid(P_PGID, getpgrp(), &info, WSTOPPED), 0);
    is(info.si_code, CLD_STOPPED);
    is(info.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    is(waitid(P_PGID, 0, &info, WCONTINUED), 0);
    is(info.si_code, CLD_CONTINUED);
    is(info.si_status, SIGCONT);
    kill(pid, SIGTERM);
    is(waitid(P_PID, pid, &info, WEXITED), 0);
    is(info.si_code, CLD_KILLED);
    is(info.si_status, SIGTERM);
    is(info.si_pid, pid);
}

static void
test_waitid_refusals(void)
{
    siginfo_t info;
    struct rusage usage;

    memset(&info, 0xff, sizeof(info));
    fails(raw_waitid(P_ALL, 0, &info, WEXITED, NULL), ECHILD);
    ok(info.si_signo == 0 && info.si_pid == 0, "an error says in the structure that there is none");
    memset(&info, 0xff, sizeof(info));
    fails(raw_waitid(P_ALL, 0, &info, 0, NULL), EINVAL);
    ok(info.si_signo == 0 && info.si_pid == 0, "also one of arguments");
    fails(raw_waitid(P_ALL, 0, hole(), WEXITED, NULL), EFAULT);
    fails(raw_waitid(P_ALL, 0, &info, WNOHANG, NULL), EINVAL);
    fails(raw_waitid(P_ALL, 0, &info, WEXITED | 0x100, NULL), EINVAL);
    fails(raw_waitid(17, 1, &info, WEXITED, NULL), EINVAL);
    fails(raw_waitid(P_PID, 0, &info, WEXITED, NULL), EINVAL);
    fails(raw_waitid(P_PID, -5, &info, WEXITED, NULL), EINVAL);
    fails(raw_waitid(P_PGID, -5, &info, WEXITED, NULL), EINVAL);
    pid_t pid = quick_child(0);
    fails(raw_waitid(P_PID, pid, hole(), WEXITED, NULL), EFAULT);
    fails(raw_waitid(P_PID, pid, &info, WEXITED, NULL), ECHILD);
    pid = quick_child(0);
    fails(raw_waitid(P_PID, pid, &info, WEXITED, hole()), EFAULT);
    pid = quick_child(2);
    is(raw_waitid(P_PID, pid, NULL, WEXITED, &usage), 0);
}

static void
test_usage(void)
{
    struct rusage usage, before, after;
    int status;

    getrusage(RUSAGE_CHILDREN, &before);
    pid_t pid = tap_fork();
    if (pid == 0) {
        int64_t end = now_ns() + 60000000;
        char *p = pages(512);
        while (now_ns() < end)
            for (int i = 0; i < 512; i++)
                p[i * PAGE]++;
        _exit(0);
    }
    memset(&usage, 0x55, sizeof(usage));
    is(wait4(pid, &status, 0, &usage), pid);
    long us = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
              usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    ok(us >= 10000 && us < 10000000, "the child used %ld us of CPU", us);
    ok(usage.ru_maxrss >= 2048, "its memory peaked at %ld KiB",
       usage.ru_maxrss);
    ok(usage.ru_minflt >= 512, "it took %ld minor faults", usage.ru_minflt);
    getrusage(RUSAGE_CHILDREN, &after);
    us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
         after.ru_utime.tv_usec - before.ru_utime.tv_usec +
         (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
         after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    ok(us >= 10000, "RUSAGE_CHILDREN grew by %ld us", us);
}

static volatile sig_atomic_t chld_count;
static siginfo_t chld_info;

static void
on_child(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    chld_count++;
    chld_info = *info;
}

static void
test_sigchld(void)
{
    struct sigaction action = { .sa_sigaction = on_child,
                                .sa_flags = SA_SIGINFO };
    int status;

    sigaction(SIGCHLD, &action, NULL);
    pid_t pid = quick_child(4);
    is(tap_wait(pid), 4 << 8);
    is(chld_count, 1);
    is(chld_info.si_pid, pid);
    is(chld_info.si_code, CLD_EXITED);
    is(chld_info.si_status, 4);
    is(chld_info.si_uid, getuid());

    pid = sleeping_child();
    kill(pid, SIGSTOP);
    while (waitpid(pid, &status, WUNTRACED) < 0)
        ;
    /* The status may be there a moment before the signal. */
    while (chld_info.si_code != CLD_STOPPED)
        sleep_ms(1);
    is(chld_info.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    while (waitpid(pid, &status, WCONTINUED) < 0)
        ;
    while (chld_info.si_code != CLD_CONTINUED)
        sleep_ms(1);
    is(chld_info.si_pid, pid);
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
    chld_count = 0;
    kill(pid, SIGSTOP);
    is(waitpid(pid, &status, WUNTRACED), pid);
    sleep_ms(5);
    is(chld_count, 0);
    kill(pid, SIGKILL);
    is(tap_wait(pid), SIGKILL);
    is(chld_count, 1);
    is(chld_info.si_code, CLD_KILLED);
    is(chld_info.si_status, SIGKILL);
}

static void
test_autoreap(void)
{
    int status;
    struct sigaction action = { .sa_sigaction = on_child,
                                .sa_flags = SA_SIGINFO | SA_NOCLDWAIT };

    signal(SIGCHLD, SIG_IGN);
    pid_t pid = quick_child(0);
    fails(waitpid(pid, &status, 0), ECHILD);
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++)
        sleep_ms(1);                    /* its number goes a moment later */
    fails(kill(pid, 0), ESRCH);
    quick_child(0);
    quick_child(0);
    fails(waitpid(-1, &status, 0), ECHILD);

    chld_count = 0;
    sigaction(SIGCHLD, &action, NULL);
    pid = quick_child(0);
    do {
        errno = 0;
    } while (waitpid(pid, &status, 0) < 0 && errno == EINTR);
    is(errno, ECHILD);
    is(chld_count, 1);
    signal(SIGCHLD, SIG_DFL);
    pid = quick_child(0);
    while (kill(pid, 0) == 0 && waitpid(pid, &status, WNOHANG) == 0)
        ;
    fails(waitpid(pid, &status, 0), ECHILD);
}

static void
on_alarm(int number)
{
    (void)number;
}

static void
test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_alarm };
    int status;
    pid_t me = getpid(), sleeper = sleeping_child();

    sigaction(SIGUSR1, &action, NULL);
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(30);
        kill(me, SIGUSR1);
        _exit(0);
    }
    fails(waitpid(sleeper, &status, 0), EINTR);
    is(tap_wait(pid), 0);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    pid = tap_fork();
    if (pid == 0) {
        sleep_ms(30);
        kill(me, SIGUSR1);
        sleep_ms(30);
        kill(sleeper, SIGKILL);
        _exit(0);
    }
    is(waitpid(sleeper, &status, 0), sleeper);
    is(tap_wait(pid), 0);
}

int
main(void)
{
    tap_begin("wait");
    test_statuses();
    test_no_hang();
    test_refusals();
    test_which();
    test_stops();
    test_waitid();
    test_waitid_refusals();
    test_usage();
    test_sigchld();
    test_autoreap();
    test_interrupted();
    return tap_end();
}
