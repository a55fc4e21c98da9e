/*
 * poll, ppoll, select and pselect6: what is ready, for how long they wait,
 * what wakes them, and their signal masks.
 */
#include "tap.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>

static volatile sig_atomic_t count;

static void
on_signal(int number)
{
    (void)number;
    count++;
}

static void
test_poll(void)
{
    int fd[2], file = open("file", O_CREAT | O_RDWR, 0600);

    pipe(fd);
    struct pollfd p[5] = {
        { fd[0], POLLIN, 99 }, { fd[1], POLLOUT, 99 },
        { file, POLLIN | POLLOUT, 99 }, { -1, POLLIN, 99 },
        { 999, POLLIN, 99 },
    };
    is(poll(p, 5, 0), 3);
    is(p[0].revents, 0);
    is(p[1].revents, POLLOUT);
    is(p[2].revents, POLLIN | POLLOUT);
    is(p[3].revents, 0);
    is(p[4].revents, POLLNVAL);
    is(poll(p, 1, 0), 0);
    is(poll(NULL, 0, 0), 0);
    int64_t start = now_ns();
    is(poll(p, 1, 30), 0);
    int64_t took = now_ns() - start;
    ok(took >= 30000000 && took < 20000000000, "poll waited its 30 ms");
    start = now_ns();
    is(poll(NULL, 0, 20), 0);
    ok(now_ns() - start >= 20000000, "with nothing to watch too");
    fails(poll(hole(), 1, 0), EFAULT);
    fails(poll(KERNEL_POINTER, 1, 0), EFAULT);
    struct rlimit limit = { 4, 1024 }, old;
    getrlimit(RLIMIT_NOFILE, &old);
    limit.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    fails(poll(p, 5, 0), EINVAL);
    setrlimit(RLIMIT_NOFILE, &old);
    close(fd[0]);
    close(fd[1]);
    close(file);
}

static void
test_waking(void)
{
    int fd[2];
    char c;

    pipe(fd);
    struct pollfd p = { fd[0], POLLIN, 0 };
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(20);
        write(fd[1], "x", 1);
        sleep_ms(20);
        _exit(0);
    }
    close(fd[1]);
    is(poll(&p, 1, -1), 1);
    is(p.revents, POLLIN);
    read(fd[0], &c, 1);
    is(poll(&p, 1, -1), 1);
    is(p.revents, POLLHUP);
    tap_wait(pid);
    close(fd[0]);

    /* One event wakes every process that waits for it. */
    pid_t waiter[3];
    pipe(fd);
    for (int i = 0; i < 3; i++) {
        waiter[i] = tap_fork();
        if (waiter[i] == 0) {
            p.fd = fd[0];
            _exit(poll(&p, 1, -1) != 1);
        }
    }
    sleep_ms(10);
    write(fd[1], "x", 1);
    for (int i = 0; i < 3; i++)
        is(tap_wait(waiter[i]), 0);
    close(fd[0]);
    close(fd[1]);
}

static void
test_ppoll(void)
{
    struct timespec t = { 0, 10000000 }, bad = { 0, -1 }, none = { 0, 0 };
    sigset_t block, empty, now;

    signal(SIGUSR1, on_signal);
    sigemptyset(&empty);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    is(ppoll(NULL, 0, &t, NULL), 0);
    fails(ppoll(NULL, 0, &bad, NULL), EINVAL);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    count = 0;
    fails(ppoll(NULL, 0, NULL, &empty), EINTR);
    is(count, 1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    ok(sigismember(&now, SIGUSR1), "the mask is as before");
    raise(SIGUSR1);
    fails(ppoll(NULL, 0, &t, &empty), EINTR);
    is(count, 2);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    /* With a signal blocked for the time being, the wait is whole. */
    struct timespec wait = { 0, 30000000 };
    pid_t me = getpid(), pid = tap_fork();
    if (pid == 0) {
        sleep_ms(5);
        kill(me, SIGUSR1);
        _exit(0);
    }
    is(ppoll(NULL, 0, &wait, &block), 0);
    tap_wait(pid);
    is(count, 3);
    fails(syscall(SYS_ppoll, NULL, 0, &none, &empty, 4), EINVAL);
    fails(syscall(SYS_ppoll, NULL, 0, &none, hole(), 8), EFAULT);
    /* The raw call leaves what was not waited. */
    struct timespec left = { 10, 0 };
    int fd[2];
    pipe(fd);
    struct pollfd p = { fd[1], POLLOUT, 0 };
    is(syscall(SYS_ppoll, &p, 1, &left, NULL, 8), 1);
    ok(left.tv_sec == 9 || left.tv_sec == 10, "what is left of the time");
    close(fd[0]);
    close(fd[1]);
}

static void
test_select(void)
{
    int fd[2];
    fd_set r, w, e;
    struct timeval t = { 0, 0 };

    pipe(fd);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    FD_SET(fd[0], &r);
    FD_SET(fd[1], &w);
    FD_SET(fd[0], &e);
    is(select(fd[1] + 1, &r, &w, &e, &t), 1);
    ok(!FD_ISSET(fd[0], &r) && FD_ISSET(fd[1], &w) && !FD_ISSET(fd[0], &e),
       "only writing is possible");
    write(fd[1], "x", 1);
    FD_SET(fd[0], &r);
    FD_SET(fd[1], &w);
    is(select(fd[1] + 1, &r, &w, NULL, NULL), 2);
    FD_SET(fd[1], &w);
    is(select(fd[1], &r, &w, NULL, &t), 1);     /* fd[1] is out of range */
    FD_ZERO(&r);
    FD_SET(fd[0], &r);
    close(fd[1]);
    char c;
    read(fd[0], &c, 1);
    is(select(fd[0] + 1, &r, NULL, NULL, &t), 1);       /* end of file */
    FD_ZERO(&r);
    FD_SET(20, &r);
    fails(select(21, &r, NULL, NULL, &t), EBADF);
    is(select(0, NULL, NULL, NULL, &t), 0);
    fails(select(-1, NULL, NULL, NULL, &t), EINVAL);
    t.tv_usec = 20000;
    int64_t start = now_ns();
    is(select(0, NULL, NULL, NULL, &t), 0);
    ok(now_ns() - start >= 20000000, "select waited");
    is(t.tv_usec, 0);
    struct timespec bad = { -1, 0 };
    fails(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &bad, NULL), EINVAL);
    fails(syscall(SYS_pselect6, 10, hole(), NULL, NULL, NULL, NULL), EFAULT);
    close(fd[0]);
}

static void
test_pselect(void)
{
    sigset_t block, empty;
    struct timespec t = { 10, 0 };

    sigemptyset(&empty);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    count = 0;
    fails(pselect(0, NULL, NULL, NULL, &t, &empty), EINTR);
    is(count, 1);
    /* Ready descriptors come before pending signals. */
    int fd[2];
    fd_set w;
    pipe(fd);
    FD_ZERO(&w);
    FD_SET(fd[1], &w);
    raise(SIGUSR1);
    is(pselect(fd[1] + 1, NULL, &w, NULL, &t, &empty), 1);
    is(count, 1);                       /* and then the signal still waits */
    sigprocmask(SIG_SETMASK, &empty, NULL);
    is(count, 2);
    close(fd[0]);
    close(fd[1]);
}

int
main(void)
{
    tap_begin("poll");
    test_poll();
    test_waking();
    test_ppoll();
    test_select();
    test_pselect();
    return tap_end();
}
