/*
 * epoll among others: epolls that watch epolls, several threads at one epoll,
 * exclusive watchers, signal masks, and poll on an epoll.
 */
#include "tap.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int
control(int ep, int op, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event e = { .events = events, .data.u64 = data };

    return epoll_ctl(ep, op, fd, &e);
}

static int
wait_now(int ep)
{
    struct epoll_event e;

    return epoll_wait(ep, &e, 1, 0);
}

static int
ready(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void
test_chain(void)
{
    int event = eventfd(0, EFD_NONBLOCK), ep[4];
    uint64_t value = 1;

    for (int i = 0; i < 4; i++) {
        ep[i] = epoll_create1(0);
        is(control(ep[i], EPOLL_CTL_ADD, i ? ep[i - 1] : event, EPOLLIN, i), 0);
    }
    is(wait_now(ep[3]), 0);
    is(ready(ep[3]), 0);
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        write(event, &value, 8);
        _exit(0);
    }
    struct pollfd p = { ep[3], POLLIN, 0 };
    is(poll(&p, 1, -1), 1);             /* through four epolls */
    is(p.revents, POLLIN);
    tap_wait(pid);
    for (int i = 0; i < 4; i++)
        is(wait_now(ep[i]), 1);
    read(event, &value, 8);
    for (int i = 3; i >= 0; i--)
        is(wait_now(ep[i]), 0);
    is(ready(ep[3]), 0);

    fails(control(ep[0], EPOLL_CTL_ADD, ep[3], EPOLLIN, 0), ELOOP);
    fails(control(ep[2], EPOLL_CTL_ADD, ep[3], EPOLLIN, 0), ELOOP);
    is(control(ep[1], EPOLL_CTL_DEL, ep[0], 0, 0), 0);
    is(control(ep[0], EPOLL_CTL_ADD, ep[3], EPOLLIN, 0), 0);    /* no circle now */
    for (int i = 0; i < 4; i++)
        close(ep[i]);
    close(event);
}

/* It has no position, and no bytes at one. */
static void
test_no_bytes(void)
{
    int ep = epoll_create1(0);
    char byte;

    fails(read(ep, &byte, 1), EINVAL);
    fails(write(ep, &byte, 1), EINVAL);
    fails(pread(ep, &byte, 1, 0), ESPIPE);
    fails(pwrite(ep, &byte, 1, 0), ESPIPE);
    is(lseek(ep, 5, SEEK_SET), 0);
    close(ep);
}

static void
test_depth(void)
{
    int ep[20], n = 0;

    ep[0] = epoll_create1(0);
    errno = 0;
    while (n < 19) {
        ep[++n] = epoll_create1(0);
        if (control(ep[n], EPOLL_CTL_ADD, ep[n - 1], EPOLLIN, 0) < 0)
            break;
    }
    is(errno, ELOOP);
    ok(n >= 4 && n < 10, "%d epolls in a row are too many", n + 1);
    while (n >= 0)
        close(ep[n--]);
}

static void
test_edges_through(void)
{
    int event = eventfd(0, 0), inner = epoll_create1(0), outer = epoll_create1(0);
    uint64_t value = 1;

    control(inner, EPOLL_CTL_ADD, event, EPOLLIN, 0);
    control(outer, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLET, 0);
    is(wait_now(outer), 0);
    write(event, &value, 8);
    is(wait_now(outer), 1);
    is(wait_now(outer), 0);             /* an edge of the inner one */
    is(wait_now(inner), 1);
    write(event, &value, 8);
    is(wait_now(outer), 1);
    /* The inner one goes while it is watched. */
    close(inner);
    is(wait_now(outer), 0);
    close(event);
    close(outer);
}

struct sleeper {
    pthread_t thread;
    int ep;
    int result;
    volatile int done;
    struct epoll_event event;
};

static void *
sleep_in_epoll(void *arg)
{
    struct sleeper *s = arg;

    s->result = epoll_wait(s->ep, &s->event, 1, 5000);
    s->done = 1;
    return NULL;
}

static void
test_threads(void)
{
    struct sleeper s[4] = { 0 };
    int event = eventfd(0, 0), ep = epoll_create1(0), woken = 0;
    uint64_t value = 1;

    control(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, 5);
    for (int i = 0; i < 4; i++) {
        s[i].ep = ep;
        pthread_create(&s[i].thread, NULL, sleep_in_epoll, &s[i]);
    }
    /* Each edge wakes one; a thread may be late for one, so there are more than four. */
    for (int i = 0; i < 200 && !(s[0].done && s[1].done && s[2].done && s[3].done); i++) {
        sleep_ms(20);
        write(event, &value, 8);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(s[i].thread, NULL);
        woken += s[i].result == 1 && s[i].event.data.u64 == 5;
    }
    is(woken, 4);
    close(ep);

    /* A descriptor that another thread closes while this one waits for it. */
    struct sleeper one = { .ep = epoll_create1(0) };
    control(one.ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLONESHOT, 0);
    is(wait_now(one.ep), 1);
    pthread_create(&one.thread, NULL, sleep_in_epoll, &one);
    sleep_ms(10);
    close(event);
    sleep_ms(10);
    event = eventfd(1, 0);
    control(one.ep, EPOLL_CTL_ADD, event, EPOLLIN, 77);
    pthread_join(one.thread, NULL);
    is(one.result, 1);
    is(one.event.data.u64, 77);
    close(event);
    close(one.ep);
}

static void
test_exclusive(void)
{
    struct sleeper s[3] = { 0 };
    int fd[2], woken = 0, ep = epoll_create1(0);
    char c;

    pipe(fd);
    fails(control(ep, EPOLL_CTL_ADD, fd[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), EINVAL);
    fails(control(ep, EPOLL_CTL_ADD, fd[0], EPOLLPRI | EPOLLEXCLUSIVE, 0), EINVAL);
    is(control(ep, EPOLL_CTL_ADD, fd[0], EPOLLIN | EPOLLEXCLUSIVE, 0), 0);
    fails(control(ep, EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
    fails(control(ep, EPOLL_CTL_MOD, fd[0], EPOLLIN, 0), EINVAL);
    int inner = epoll_create1(0);
    fails(control(ep, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
    close(inner);
    close(ep);

    for (int i = 0; i < 3; i++) {
        s[i].ep = epoll_create1(0);
        control(s[i].ep, EPOLL_CTL_ADD, fd[0], EPOLLIN | EPOLLEXCLUSIVE, 0);
        pthread_create(&s[i].thread, NULL, sleep_in_epoll, &s[i]);
    }
    sleep_ms(30);
    write(fd[1], "x", 1);
    for (int i = 0; i < 200 && !(s[0].done || s[1].done || s[2].done); i++)
        sleep_ms(20);
    woken = s[0].done + s[1].done + s[2].done;
    ok(woken >= 1, "one event wakes at least one of three (%d)", woken);
    for (int i = 0; i < 200 && !(s[0].done && s[1].done && s[2].done); i++) {
        read(fd[0], &c, 1);
        write(fd[1], "x", 1);           /* the others, one by one */
        sleep_ms(20);
    }
    woken = 0;
    for (int i = 0; i < 3; i++) {
        pthread_join(s[i].thread, NULL);
        woken += s[i].result == 1;
    }
    is(woken, 3);
    for (int i = 0; i < 3; i++)
        close(s[i].ep);
    close(fd[0]);
    close(fd[1]);
}

static volatile sig_atomic_t count;

static void
on_signal(int number)
{
    (void)number;
    count++;
}

static void
test_masks(void)
{
    int ep = epoll_create1(0), event = eventfd(1, 0);
    struct epoll_event e;
    sigset_t block, empty, now;

    signal(SIGUSR1, on_signal);
    sigemptyset(&empty);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    fails(epoll_pwait(ep, &e, 1, -1, &empty), EINTR);
    is(count, 1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    ok(sigismember(&now, SIGUSR1), "the mask is as before");
    raise(SIGUSR1);
    is(epoll_pwait(ep, &e, 1, 0, &empty), 0);   /* no wait, no interruption */
    is(count, 1);
    control(ep, EPOLL_CTL_ADD, event, EPOLLIN, 0);
    is(epoll_pwait(ep, &e, 1, -1, &empty), 1);  /* events come first */
    sigprocmask(SIG_SETMASK, &empty, NULL);
    is(count, 2);
    control(ep, EPOLL_CTL_DEL, event, 0, 0);
    pid_t me = getpid(), pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        kill(me, SIGUSR1);
        _exit(0);
    }
    struct sigaction restart = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigaction(SIGUSR1, &restart, NULL);
    fails(epoll_wait(ep, &e, 1, -1), EINTR);    /* never restarted */
    tap_wait(pid);
    fails(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &empty, 4), EINVAL);
    fails(syscall(SYS_epoll_pwait, ep, &e, 1, 0, hole(), 8), EFAULT);

    struct timespec t = { 0, 15000000 }, bad = { 0, 1000000000 };
    int64_t start = now_ns();
    is(syscall(SYS_epoll_pwait2, ep, &e, 1, &t, NULL, 0), 0);
    ok(now_ns() - start >= 15000000, "epoll_pwait2 waits its nanoseconds");
    fails(syscall(SYS_epoll_pwait2, ep, &e, 1, &bad, NULL, 0), EINVAL);
    fails(syscall(SYS_epoll_pwait2, ep, &e, 1, hole(), NULL, 0), EFAULT);
    close(ep);
    close(event);
}

/* poll in a thread, of a descriptor that another thread closes. */
static void *
poll_two(void *arg)
{
    int *fd = arg;
    struct pollfd p[2] = { { fd[0], POLLIN, 0 }, { fd[1], POLLIN, 0 } };

    return (void *)(long)(poll(p, 2, 2000) == 1 && p[0].revents == 0 && p[1].revents == POLLIN);
}

static void
test_close_during_poll(void)
{
    int fd[2] = { eventfd(0, 0), eventfd(0, 0) };
    uint64_t value = 1;
    pthread_t thread;
    void *result;
    int copy = dup(fd[0]);

    pthread_create(&thread, NULL, poll_two, fd);
    sleep_ms(10);
    close(copy);
    write(fd[1], &value, 8);
    pthread_join(thread, &result);
    ok(result, "poll in a process of two threads");
    close(fd[0]);
    close(fd[1]);
}

/*
 * One file under many numbers, in many epolls. How far a change of it goes is looked at once
 * for each new watch above, not once for each number: else this takes minutes.
 */
static void
test_many_numbers(void)
{
    struct epoll_event event = { .events = EPOLLIN };
    int file = eventfd(0, 0), inner = epoll_create1(0), outer = epoll_create1(0);
    int number[400], epoll[40], good = 1;

    for (size_t i = 0; i < ARRAY_LEN(number); i++)
        number[i] = dup(file);
    for (size_t i = 0; i <= ARRAY_LEN(epoll); i++) {
        int at = i < ARRAY_LEN(epoll) ? (epoll[i] = epoll_create1(0)) : inner;
        for (size_t k = 0; k < ARRAY_LEN(number); k++)
            good &= epoll_ctl(at, EPOLL_CTL_ADD, number[k], &event) == 0;
    }
    ok(good, "%zu watches of one file", (ARRAY_LEN(epoll) + 1) * ARRAY_LEN(number));
    for (int i = 0; i < 100; i++)
        good &= epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event) == 0 &&
                epoll_ctl(outer, EPOLL_CTL_DEL, inner, &event) == 0;
    ok(good, "an epoll above one of them, a hundred times");
    for (size_t i = 0; i < ARRAY_LEN(number); i++)
        close(number[i]);
    for (size_t i = 0; i < ARRAY_LEN(epoll); i++)
        close(epoll[i]);
    close(file); /* the last: it goes from all that still watch it */
    is(epoll_wait(inner, &event, 1, 0), 0);
    close(inner);
    close(outer);
}

int
main(void)
{
    tap_begin("epolls");
    test_many_numbers();
    test_chain();
    test_depth();
    test_no_bytes();
    test_edges_through();
    test_threads();
    test_exclusive();
    test_masks();
    test_close_during_poll();
    return tap_end();
}
