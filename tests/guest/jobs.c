/*
 * Job control: process groups, sessions, stopping and going on, and a
 * controlling terminal where there is one.
 */
#include "tap.h"
#include <sys/ioctl.h>
#include <termios.h>

static pid_t
sleeping_child(void)
{
    pid_t pid = tap_fork();

    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void
finish(pid_t pid)
{
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static void
test_groups(void)
{
    pid_t a = sleeping_child(), b = sleeping_child(), us = getpgrp();

    is(getpgid(0), us);
    is(getpgid(a), us);
    is(setpgid(a, 0), 0);
    is(getpgid(a), a);
    is(setpgid(b, a), 0);
    is(getpgid(b), a);
    is(setpgid(b, b), 0);
    is(setpgid(b, us), 0);
    is(setpgid(b, us), 0);
    is(getpgid(b), us);
    fails(setpgid(a, -1), EINVAL);
    fails(setpgid(a, 4000000), EPERM);
    fails(setpgid(4000000, 0), ESRCH);
    fails(setpgid(-1, 0), EINVAL);
    fails(setpgid(getppid(), 0), ESRCH);
    fails(getpgid(4000000), ESRCH);
    fails(getpgid(-1), ESRCH);
    fails(getsid(4000000), ESRCH);
    is(getsid(a), getsid(0));
    finish(a);
    finish(b);
    fails(getpgid(a), ESRCH);
}

/* A child that has ended has its place in a group until it is waited for. */
static void
test_ended_child(void)
{
    siginfo_t info;
    pid_t pid = tap_fork(), other;

    if (pid == 0)
        _exit(0);
    is(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    is(setpgid(pid, pid), 0);
    is(getpgid(pid), pid);
    other = sleeping_child();
    is(setpgid(other, pid), 0);
    is(kill(-pid, 0), 0);
    is(setpgid(pid, getpgrp()), 0);
    is(getpgid(other), pid);
    finish(other);
    fails(kill(-pid, 0), ESRCH);
    is(tap_wait(pid), 0);
    fails(setpgid(pid, pid), ESRCH);
}

static void
test_exec_forbids(void)
{
    /* After its exec a child's group is its own business. */
    int fd[2];
    char c;
    pipe2(fd, O_CLOEXEC);
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *argv[] = { "jobs", "--sleep", NULL };
        execv("/proc/self/exe", argv);
        _exit(1);
    }
    close(fd[1]);
    read(fd[0], &c, 1);                 /* ends when exec closes the other */
    fails(setpgid(pid, 0), EACCES);
    close(fd[0]);
    finish(pid);
}

static int
session_leader(void)
{
    pid_t me = getpid();
    int good = setsid() == me && getsid(0) == me && getpgrp() == me;

    good &= setsid() == -1 && errno == EPERM;
    good &= setpgid(0, 0) == -1 && errno == EPERM;
    good &= open("/dev/tty", O_RDWR) == -1 && errno == ENXIO;
    pid_t child = sleeping_child();
    good &= getsid(child) == me;
    good &= setpgid(child, child) == 0;
    finish(child);
    return !good;
}

static int
group_leader(void)
{
    setpgid(0, 0);
    return !(setsid() == -1 && errno == EPERM);
}

static void
test_sessions(void)
{
    is(tap_status_of(session_leader), 0);
    is(tap_status_of(group_leader), 0);
    /* A child in another session is out of reach. */
    struct gate done, end;
    gate_init(&done);
    gate_init(&end);
    pid_t pid = tap_fork();
    if (pid == 0) {
        setsid();
        gate_open(&done);
        gate_wait(&end);
        _exit(0);
    }
    gate_wait(&done);
    fails(setpgid(pid, 0), EPERM);
    fails(setpgid(0, pid), EPERM);
    is(getsid(pid), pid);
    gate_open(&end);
    is(tap_wait(pid), 0);
    gate_close(&done);
    gate_close(&end);
}

static void
test_stop(void)
{
    int *counter = shared_pages(1), status, before;

    pid_t pid = tap_fork();
    if (pid == 0)
        for (;;) {
            ++*(volatile int *)counter;
            sleep_ms(1);
        }
    setpgid(pid, pid);
    while (*(volatile int *)counter < 3)
        sleep_ms(1);
    kill(pid, SIGSTOP);
    is(waitpid(pid, &status, WUNTRACED), pid);
    ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "stopped");
    before = *counter;
    sleep_ms(30);
    is(*counter, before);
    /* Signals wait, all but SIGKILL and SIGCONT. */
    kill(pid, SIGTERM);
    sleep_ms(10);
    is(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGCONT);
    is(waitpid(pid, &status, 0), pid);
    is(status, SIGTERM);
}

static volatile sig_atomic_t continued, stops;

static void
on_cont(int number)
{
    continued += number == SIGCONT;
}

static void
on_stop(int number)
{
    stops += number == SIGTSTP;
}

/* SIGCONT goes on even where it is blocked or caught; stop and continue
 * signals cancel one another while pending. */
static int
pending_rules(void)
{
    sigset_t set, now;

    signal(SIGCONT, on_cont);
    signal(SIGTSTP, on_stop);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTSTP);
    raise(SIGCONT);
    sigpending(&now);
    if (sigismember(&now, SIGTSTP) || !sigismember(&now, SIGCONT))
        return 1;
    raise(SIGTSTP);
    sigpending(&now);
    if (!sigismember(&now, SIGTSTP) || sigismember(&now, SIGCONT))
        return 2;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    if (stops != 1 || continued != 0)
        return 3;
    signal(SIGTSTP, SIG_IGN);
    raise(SIGTSTP);
    return 0;
}

static void
test_continue(void)
{
    int status;

    is(tap_status_of(pending_rules), 0);
    pid_t pid = tap_fork();
    if (pid == 0) {
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGSTOP);
        _exit(7);
    }
    is(waitpid(pid, &status, WUNTRACED), pid);
    ok(WIFSTOPPED(status), "SIGSTOP cannot be blocked");
    kill(pid, SIGCONT);
    is(tap_wait(pid), 7 << 8);
}

/* A group whose last link to its session's shell goes while a member is
 * stopped gets SIGHUP and SIGCONT. */
static void
test_orphaned_group(void)
{
    int fd[2];
    char result = 0;

    pipe(fd);
    pid_t shell = tap_fork();
    if (shell == 0) {
        setsid();
        pid_t job = tap_fork();
        if (job == 0) {
            setpgid(0, 0);
            pid_t member = tap_fork();
            if (member == 0) {
                signal(SIGHUP, on_cont);
                raise(SIGSTOP);
                write(fd[1], "c", 1);
                _exit(0);
            }
            int status;
            waitpid(member, &status, WUNTRACED);
            _exit(WIFSTOPPED(status) ? 0 : 1);
        }
        close(fd[1]);
        _exit(tap_wait(job));
    }
    close(fd[1]);
    is(tap_wait(shell), 0);
    is(read(fd[0], &result, 1), 1);
    is(result, 'c');
    close(fd[0]);
}

/* SIGTSTP and its like do not stop a group that nobody could continue. */
static int
orphan_is_not_stopped(void)
{
    setsid();
    raise(SIGTSTP);
    raise(SIGTTIN);
    raise(SIGTTOU);
    return 0;
}

/* With a terminal of our own: foreground and background. */
static void
test_terminal(void)
{
    int tty = open("/dev/tty", O_RDWR), status;

    if (tty < 0 || tcgetsid(tty) != getsid(0)) {
        tap_skip("no controlling terminal");
        return;
    }
    pid_t front = tcgetpgrp(tty);
    ok(front > 0, "the terminal has a foreground group, %d", front);
    fails(tcsetpgrp(tty, 4000000), ESRCH);
    fails(tcsetpgrp(tty, -1), EINVAL);
    signal(SIGTTOU, SIG_IGN);
    pid_t pid = sleeping_child();
    setpgid(pid, pid);
    is(tcsetpgrp(tty, pid), 0);
    is(tcgetpgrp(tty), pid);
    is(tcsetpgrp(tty, front), 0);
    finish(pid);

    /* A background job that reads stops. */
    signal(SIGTTOU, SIG_DFL);
    pid = tap_fork();
    if (pid == 0) {
        char c;
        setpgid(0, 0);
        while (tcgetpgrp(tty) == getpgrp())
            sleep_ms(1);
        signal(SIGTTIN, SIG_DFL);
        read(tty, &c, 1);
        _exit(0);
    }
    setpgid(pid, pid);
    is(waitpid(pid, &status, WUNTRACED), pid);
    ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN,
       "a background read stops with SIGTTIN: %x", status);
    finish(pid);
    pid = tap_fork();
    if (pid == 0) {
        char c;
        setpgid(0, 0);
        signal(SIGTTIN, SIG_IGN);
        _exit(!(read(tty, &c, 1) == -1 && errno == EIO));
    }
    is(tap_wait(pid), 0);
    /* And one that changes the terminal. */
    pid = tap_fork();
    if (pid == 0) {
        struct termios mode;
        setpgid(0, 0);
        tcgetattr(tty, &mode);
        tcsetattr(tty, TCSANOW, &mode);
        _exit(0);
    }
    is(waitpid(pid, &status, WUNTRACED), pid);
    ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU,
       "a background tcsetattr stops with SIGTTOU: %x", status);
    finish(pid);
    close(tty);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--sleep"))
        for (;;)
            pause();
    tap_begin("jobs");
    test_groups();
    test_ended_child();
    test_exec_forbids();
    test_sessions();
    test_stop();
    test_continue();
    test_orphaned_group();
    is(tap_status_of(orphan_is_not_stopped), 0);
    test_terminal();
    return tap_end();
}
