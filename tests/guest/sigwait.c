/*
 * Signals and calls that wait: EINTR and SA_RESTART, sigsuspend, pause,
 * sigtimedwait, and who may send what to whom.
 */
#include "tap.h"
#include <poll.h>
#include <sys/select.h>

static volatile sig_atomic_t count;

static void
on_signal(int number)
{
    (void)number;
    count++;
}

static void
handle(int number, int flags)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

    sigaction(number, &action, NULL);
    count = 0;
}

/* A child that sends number to us after ms, then does its second part. */
static pid_t
signal_after(int ms, int number, void (*then)(void))
{
    pid_t parent = getpid(), pid = tap_fork();

    if (pid == 0) {
        sleep_ms(ms);
        kill(parent, number);
        if (then) {
            sleep_ms(ms);
            then();
        }
        _exit(0);
    }
    return pid;
}

static int pipe_fd[2];

static void
write_byte(void)
{
    write(pipe_fd[1], "x", 1);
}

static void
test_interrupted_read(void)
{
    char c = 0;
    pid_t pid;

    pipe(pipe_fd);
    handle(SIGUSR1, 0);
    pid = signal_after(20, SIGUSR1, NULL);
    fails(read(pipe_fd[0], &c, 1), EINTR);
    is(count, 1);
    tap_wait(pid);
    handle(SIGUSR1, SA_RESTART);
    pid = signal_after(20, SIGUSR1, write_byte);
    is(read(pipe_fd[0], &c, 1), 1);
    is(count, 1);
    tap_wait(pid);
    /* An ignored signal interrupts nothing. */
    signal(SIGUSR1, SIG_IGN);
    pid = signal_after(20, SIGUSR1, write_byte);
    is(read(pipe_fd[0], &c, 1), 1);
    tap_wait(pid);
    /* Nor does stopping and going on. */
    handle(SIGCONT, SA_RESTART);
    pid_t reader = tap_fork();
    if (reader == 0)
        _exit(read(pipe_fd[0], &c, 1) != 1);
    sleep_ms(10);
    kill(reader, SIGSTOP);
    int status;
    waitpid(reader, &status, WUNTRACED);
    kill(reader, SIGCONT);
    write_byte();
    is(tap_wait(reader), 0);
    signal(SIGCONT, SIG_DFL);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static void
test_interrupted_write(void)
{
    static char block[8192];
    size_t total = 0;
    ssize_t n;

    pipe(pipe_fd);
    fcntl(pipe_fd[1], F_SETFL, O_NONBLOCK);
    while ((n = write(pipe_fd[1], block, 4096)) > 0)
        total += n;
    fcntl(pipe_fd[1], F_SETFL, 0);
    handle(SIGUSR1, 0);
    pid_t pid = signal_after(20, SIGUSR1, NULL);
    fails(write(pipe_fd[1], block, 4096), EINTR);
    tap_wait(pid);
    /* A part written counts, even interrupted. */
    read(pipe_fd[0], block, 4096);
    pid = signal_after(20, SIGUSR1, NULL);
    is(write(pipe_fd[1], block, 8192), 4096);
    tap_wait(pid);
    is(total, 65536);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

/* These fail with EINTR with SA_RESTART as well. */
static void
test_never_restarted(void)
{
    struct timespec t = { 10, 0 }, left = { 0, 0 };
    pid_t pid;

    handle(SIGUSR1, SA_RESTART);
    pid = signal_after(20, SIGUSR1, NULL);
    fails(nanosleep(&t, &left), EINTR);
    ok(left.tv_sec == 9 && left.tv_nsec > 0, "nanosleep tells what is left");
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    is(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left), EINTR);
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    fails(poll(NULL, 0, 10000), EINTR);
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    fails(select(0, NULL, NULL, NULL, &(struct timeval){ 10, 0 }), EINTR);
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    fails(pause(), EINTR);
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    sigset_t set;
    sigemptyset(&set);
    fails(sigsuspend(&set), EINTR);
    tap_wait(pid);
    pid = signal_after(20, SIGUSR1, NULL);
    sigaddset(&set, SIGUSR2);
    fails(sigtimedwait(&set, NULL, &t), EINTR);
    tap_wait(pid);
    is(count, 7);
}

static void
test_sigsuspend(void)
{
    sigset_t block, old, empty;

    handle(SIGUSR1, 0);
    sigemptyset(&empty);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, &old);
    raise(SIGUSR1);
    is(count, 0);
    fails(sigsuspend(&empty), EINTR);
    is(count, 1);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    ok(sigismember(&now, SIGUSR1), "the mask is back after sigsuspend");
    /* A signal still blocked in the temporary mask does not end it. */
    handle(SIGUSR2, 0);
    pid_t pid = signal_after(10, SIGUSR2, NULL);
    raise(SIGUSR1);
    fails(sigsuspend(&block), EINTR);
    is(count, 1);
    tap_wait(pid);
    sigprocmask(SIG_SETMASK, &old, NULL);
    is(count, 2);
    fails(syscall(SYS_rt_sigsuspend, hole(), 8), EFAULT);
    fails(syscall(SYS_rt_sigsuspend, &empty, 7), EINVAL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void
test_sigtimedwait(void)
{
    sigset_t set, old;
    siginfo_t info;
    struct timespec t = { 0, 20000000 }, bad = { 0, 1000000000 },
                    negative = { -1, 0 };

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    int64_t start = now_ns();
    fails(sigtimedwait(&set, &info, &t), EAGAIN);
    ok(now_ns() - start >= 20000000, "it waited its 20 ms");
    fails(sigtimedwait(&set, &info, &bad), EINVAL);
    fails(sigtimedwait(&set, &info, &negative), EINVAL);
    pid_t pid = signal_after(10, SIGUSR1, NULL);
    is(sigwaitinfo(&set, &info), SIGUSR1);
    is(info.si_code, SI_USER);
    is(info.si_pid, pid);
    tap_wait(pid);
    int number = 0;
    raise(SIGUSR1);
    is(sigwait(&set, &number), 0);
    is(number, SIGUSR1);
    fails(syscall(SYS_rt_sigtimedwait, hole(), &info, &t, 8), EFAULT);
    fails(syscall(SYS_rt_sigtimedwait, &set, &info, hole(), 8), EFAULT);
    fails(syscall(SYS_rt_sigtimedwait, &set, &info, &t, 16), EINVAL);
    raise(SIGUSR1);
    fails(syscall(SYS_rt_sigtimedwait, &set, hole(), &t, 8), EFAULT);
    sigprocmask(SIG_SETMASK, &old, NULL);
    ok(1, "the signal was consumed though it could not be told");
}

static void
test_kill(void)
{
    pid_t pid, parent = getpid();
    union sigval value = { 0 };
    siginfo_t info = { 0 };

    is(kill(getpid(), 0), 0);
    is(kill(0, 0), 0);
    is(kill(1, 0), 0);
    fails(kill(getpid(), 65), EINVAL);
    fails(kill(getpid(), -1), EINVAL);
    fails(kill(4000000, 0), ESRCH);
    fails(kill(-4000000, 0), ESRCH);
    fails(kill(INT32_MIN, 0), ESRCH);
    fails(sigqueue(4000000, 0, value), ESRCH);
    fails(syscall(SYS_tgkill, getpid(), 4000000, 0), ESRCH);
    fails(syscall(SYS_tgkill, 1, getpid(), 0), ESRCH);
    fails(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
    fails(syscall(SYS_tgkill, getpid(), 0, 0), EINVAL);
    fails(syscall(SYS_tkill, 0, 0), EINVAL);
    fails(syscall(SYS_tkill, -1, 0), EINVAL);
    fails(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, hole()), EFAULT);
    info.si_code = SI_USER;
    fails(syscall(SYS_rt_sigqueueinfo, 1, SIGUSR1, &info), EPERM);

    /* A zombie can be signalled, to no effect. */
    pid = tap_fork();
    if (pid == 0)
        _exit(5);
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    is(kill(pid, SIGKILL), 0);
    is(tap_wait(pid), 5 << 8);
    fails(kill(pid, 0), ESRCH);

    /* A process group gets it in every member. */
    pid_t group = 0, member[3];
    for (int i = 0; i < 3; i++) {
        member[i] = tap_fork();
        if (member[i] == 0)
            for (;;)
                pause();
        if (!group)
            group = member[i];
        setpgid(member[i], group);
    }
    is(kill(-group, SIGTERM), 0);
    int died = 0;
    for (int i = 0; i < 3; i++)
        died += tap_wait(member[i]) == SIGTERM;
    is(died, 3);
    fails(kill(-group, 0), ESRCH);
    is(getpid(), parent);
}

static pid_t root_child;

static void
unprivileged(void)
{
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    fails(kill(1, 0), EPERM);
    fails(kill(1, SIGTERM), EPERM);
    fails(kill(root_child, SIGKILL), EPERM);
    fails(kill(-root_child, SIGKILL), EPERM);
    fails(kill(root_child, SIGCONT), EPERM);
    fails(kill(4000000, SIGKILL), ESRCH);
    is(kill(getpid(), 0), 0);
    pid_t pid = tap_fork();
    if (pid == 0)
        for (;;)
            pause();
    is(kill(pid, SIGKILL), 0);
    is(tap_wait(pid), SIGKILL);
}

int
main(void)
{
    tap_begin("sigwait");
    test_interrupted_read();
    test_interrupted_write();
    test_never_restarted();
    test_sigsuspend();
    test_sigtimedwait();
    test_kill();
    root_child = tap_fork();
    if (root_child == 0) {
        setsid();
        for (;;)
            pause();
    }
    while (getsid(root_child) != root_child)
        sleep_ms(1);
    tap_child(unprivileged);
    kill(root_child, SIGKILL);
    is(tap_wait(root_child), SIGKILL);
    return tap_end();
}
