/*
 * signalfd: what a read tells of each kind of signal, waiting, poll and epoll,
 * and who reads when several processes or threads could.
 */
#include "tap.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static sigset_t set;
static struct signalfd_siginfo info;

static void
on_signal(int number)
{
    (void)number;
}

static int
block(int fd, int flags)
{
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(fd, &set, flags);
}

static void
test_kinds(void)
{
    int fd = block(-1, SFD_NONBLOCK);
    union sigval value = { .sival_int = 12345 };

    works(fd);
    is(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(3);
    struct pollfd p = { fd, POLLIN, 0 };
    is(poll(&p, 1, -1), 1);
    is(read(fd, &info, sizeof(info)), sizeof(info));
    is(info.ssi_signo, SIGCHLD);
    is(info.ssi_code, CLD_EXITED);
    is(info.ssi_pid, pid);
    is(info.ssi_status, 3);
    tap_wait(pid);

    is(sigqueue(getpid(), SIGRTMIN, value), 0);
    is(sigqueue(getpid(), SIGRTMIN, value), 0);
    is(read(fd, &info, sizeof(info)), sizeof(info));
    is(info.ssi_signo, SIGRTMIN);
    is(info.ssi_code, SI_QUEUE);
    is(info.ssi_int, 12345);
    is(info.ssi_pid, getpid());
    is(info.ssi_uid, getuid());
    is(read(fd, &info, sizeof(info)), sizeof(info));
    fails(read(fd, &info, sizeof(info)), EAGAIN);

    raise(SIGUSR1);
    raise(SIGUSR1);                             /* waits once */
    is(read(fd, &info, sizeof(info)), sizeof(info));
    is(info.ssi_code, SI_TKILL);
    fails(read(fd, &info, sizeof(info)), EAGAIN);

    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM,
                              .sigev_value.sival_int = 99 };
    struct itimerspec t = { { 0, 0 }, { 0, 1000000 } };
    is(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    is(timer_settime(timer, 0, &t, NULL), 0);
    is(poll(&p, 1, 1000), 1);
    is(read(fd, &info, sizeof(info)), sizeof(info));
    is(info.ssi_code, SI_TIMER);
    is(info.ssi_int, 99);
    timer_delete(timer);

    fails(read(fd, &info, sizeof(info) - 1), EINVAL);
    fails(write(fd, &info, sizeof(info)), EINVAL);
    raise(SIGUSR1);
    fails(read(fd, hole(), sizeof(info)), EFAULT);
    fails(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
    fails(syscall(SYS_signalfd4, -1, hole(), 8, 0), EFAULT);
    fails(signalfd(-1, &set, 0x100), EINVAL);
    fails(signalfd(999, &set, 0), EBADF);
    close(fd);
}

static void *
read_one(void *arg)
{
    struct signalfd_siginfo mine;

    return (void *)(long)(read(*(int *)arg, &mine, sizeof(mine)) == sizeof(mine) &&
                          mine.ssi_signo == SIGUSR1);
}

static void
test_waiting(void)
{
    int fd = block(-1, 0);
    pid_t me = getpid(), pid = tap_fork();
    pthread_t thread;
    void *result;

    if (pid == 0) {
        sleep_ms(10);
        kill(me, SIGUSR1);
        _exit(0);
    }
    is(read(fd, &info, sizeof(info)), sizeof(info));    /* it waited */
    is(info.ssi_signo, SIGUSR1);
    is(info.ssi_pid, pid);
    is(info.ssi_code, SI_USER);
    tap_wait(pid);
    read(fd, &info, sizeof(info));                      /* SIGCHLD */

    pthread_create(&thread, NULL, read_one, &fd);
    sleep_ms(10);
    kill(me, SIGUSR1);
    pthread_join(thread, &result);
    ok(result, "a thread that waits gets it");
    pthread_create(&thread, NULL, read_one, &fd);
    sleep_ms(10);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, &result);
    ok(result, "and what is sent to it alone");

    /* A signal that is not in the set interrupts the wait. */
    struct sigaction catch = { .sa_handler = on_signal };
    sigaction(SIGUSR2, &catch, NULL);
    pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        kill(me, SIGUSR2);
        sleep_ms(100);
        _exit(0);
    }
    fails(read(fd, &info, sizeof(info)), EINTR);
    tap_wait(pid);
    read(fd, &info, sizeof(info));
    close(fd);
}

/* A child reads its own signals from its parent's descriptor. */
static void
test_inherited(void)
{
    int fd = block(-1, SFD_NONBLOCK);

    raise(SIGUSR1);
    pid_t pid = tap_fork();
    if (pid == 0) {
        if (read(fd, &info, sizeof(info)) != -1 || errno != EAGAIN)
            _exit(1);
        raise(SIGUSR1);
        _exit(read(fd, &info, sizeof(info)) != sizeof(info) || info.ssi_pid != (uint32_t)getpid());
    }
    is(tap_wait(pid), 0);
    is(read(fd, &info, sizeof(info)), sizeof(info));
    is(info.ssi_pid, getpid());
    while (read(fd, &info, sizeof(info)) > 0)
        ;
    close(fd);
}

static void
test_epoll(void)
{
    int fd = block(-1, SFD_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

    is(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
    is(epoll_wait(ep, &e, 1, 0), 0);
    raise(SIGUSR1);
    is(epoll_wait(ep, &e, 1, 0), 1);
    read(fd, &info, sizeof(info));
    is(epoll_wait(ep, &e, 1, 0), 0);
    pid_t me = getpid(), pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        kill(me, SIGRTMIN);
        _exit(0);
    }
    is(epoll_wait(ep, &e, 1, 5000), 1);
    tap_wait(pid);
    close(fd);
    raise(SIGUSR1);
    is(epoll_wait(ep, &e, 1, 0), 0);
    close(ep);
}

/*
 * An epoll is told of signals to the process that had it watch the file, and of no
 * other's. The item stays when that process has gone.
 */
static void
test_epoll_of_another(void)
{
    int fd = block(-1, SFD_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

    while (read(fd, &info, sizeof(info)) > 0)
        ;
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0);
    is(tap_wait(pid), 0);
    fails(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), EEXIST);
    while (read(fd, &info, sizeof(info)) > 0)
        ; /* SIGCHLD */
    epoll_wait(ep, &e, 1, 0); /* Linux tells of the end of that process */
    raise(SIGUSR1);
    is(epoll_wait(ep, &e, 1, 0), 0);
    is(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e), 0); /* it is asked, not told */
    is(epoll_wait(ep, &e, 1, 0), 1);
    is(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), 0);
    is(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
    is(epoll_wait(ep, &e, 1, 0), 1);
    is(read(fd, &info, sizeof(info)), sizeof(info));
    close(fd);
    close(ep);
}

int
main(void)
{
    tap_begin("signalfd");
    test_kinds();
    test_waiting();
    test_inherited();
    test_epoll();
    test_epoll_of_another();
    return tap_end();
}
