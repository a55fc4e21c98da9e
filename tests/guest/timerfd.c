/*
 * timerfd: the clocks, absolute and relative times, what is left, and a clock
 * that is set.
 */
#include "tap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define CANCEL_ON_SET 2 /* TFD_TIMER_CANCEL_ON_SET */

static int64_t
wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct itimerspec
spec(int64_t first, int64_t interval)
{
    return (struct itimerspec){ { interval / 1000000000, interval % 1000000000 },
                                { first / 1000000000, first % 1000000000 } };
}

static int64_t
left(int fd)
{
    struct itimerspec t;

    timerfd_gettime(fd, &t);
    return t.it_value.tv_sec * 1000000000LL + t.it_value.tv_nsec;
}

static int
ready(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

static void
test_relative(int clock)
{
    int fd = timerfd_create(clock, TFD_NONBLOCK);
    struct itimerspec t = spec(10000000000, 0), old;
    uint64_t times = 0;

    works(fd);
    is(left(fd), 0);
    is(timerfd_settime(fd, 0, &t, NULL), 0);
    ok(left(fd) > 0 && left(fd) <= 10000000000, "what is left");
    fails(read(fd, &times, 8), EAGAIN);
    t = spec(20000000, 0);
    int64_t start = now_ns();
    is(timerfd_settime(fd, 0, &t, NULL), 0);
    is(ready(fd, -1), POLLIN);
    ok(now_ns() - start >= 20000000, "not before its time");
    is(left(fd), 0);
    is(read(fd, &times, 8), 8);
    is(times, 1);
    fails(read(fd, &times, 8), EAGAIN);

    t = spec(5000000000000, 1000000);
    is(timerfd_settime(fd, 0, &t, NULL), 0);
    t = spec(0, 7);
    is(timerfd_settime(fd, 0, &t, &old), 0);
    ok(old.it_value.tv_sec >= 4900 && old.it_value.tv_sec < 5000 && old.it_interval.tv_nsec == 1000000, "the old setting");
    is(left(fd), 0);                            /* off, whatever the interval */
    is(ready(fd, 5), 0);
    close(fd);
}

static void
test_periods(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec t = spec(1000000, 1000000);
    uint64_t times = 0, more = 0;
    int64_t start = now_ns();

    timerfd_settime(fd, 0, &t, NULL);
    sleep_ms(20);
    is(read(fd, &times, 8), 8);
    sleep_ms(20);
    left(fd);                                   /* counts, but does not lose any */
    is(read(fd, &more, 8), 8);
    int64_t passed = (now_ns() - start) / 1000000;
    ok(times >= 19 && more >= 19 && (int64_t)(times + more) <= passed,
       "%d and %d periods in %d ms", (int)times, (int)more, (int)passed);
    /* Level-triggered until it is read; then a new edge at each period. */
    int ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN | EPOLLET };
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    is(epoll_wait(ep, &e, 1, 5000), 1);
    read(fd, &times, 8);
    is(epoll_wait(ep, &e, 1, 5000), 1);
    fails(read(fd, hole(), 8), EFAULT);
    close(ep);
    close(fd);
}

static void
test_absolute(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec t = spec(wall_ns() + 10000000000, 0);
    uint64_t times = 0;

    is(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
    ok(left(fd) > 0 && left(fd) <= 10000000000, "left of an absolute time");
    t = spec(wall_ns() + 20000000, 0);
    is(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
    is(ready(fd, -1), POLLIN);
    ok(wall_ns() >= t.it_value.tv_sec * 1000000000LL + t.it_value.tv_nsec, "not before its time");
    t = spec(wall_ns() - 10500000, 1000000);
    is(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
    is(ready(fd, 5000), POLLIN);
    is(read(fd, &times, 8), 8);
    ok(times >= 11, "%d periods were over already", (int)times);
    fails(timerfd_settime(fd, 8, &t, NULL), EINVAL);
    fails(syscall(SYS_timerfd_settime, fd, 0, hole(), NULL), EFAULT);
    fails(syscall(SYS_timerfd_settime, 999, 8, hole(), NULL), EFAULT);
    fails(timerfd_settime(999, 8, &t, NULL), EINVAL);
    fails(timerfd_settime(999, 0, &t, NULL), EBADF);
    fails(syscall(SYS_timerfd_gettime, fd, hole()), EFAULT);
    fails(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    close(fd);
}

static void
test_clock_is_set(void)
{
    int cancel = timerfd_create(CLOCK_REALTIME, 0), follow = timerfd_create(CLOCK_REALTIME, 0);
    int relative = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec t = spec(wall_ns() + 3600000000000, 0), r = spec(3600000000000, 0);
    struct timespec now;
    uint64_t times;

    timerfd_settime(cancel, TFD_TIMER_ABSTIME | CANCEL_ON_SET, &t, NULL);
    timerfd_settime(follow, TFD_TIMER_ABSTIME, &t, NULL);
    timerfd_settime(relative, 0, &r, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += 3601;
    if (!works(clock_settime(CLOCK_REALTIME, &now)))
        return;
    is(ready(cancel, 5000), POLLIN);
    fails(read(cancel, &times, 8), ECANCELED);
    is(ready(follow, 5000), POLLIN);
    is(read(follow, &times, 8), 8);
    is(times, 1);
    fails(read(relative, &times, 8), EAGAIN);
    now.tv_sec -= 3601;
    is(clock_settime(CLOCK_REALTIME, &now), 0);
    close(cancel);
    close(follow);
    close(relative);
}

int
main(void)
{
    tap_begin("timerfd");
    test_relative(CLOCK_MONOTONIC);
    test_relative(CLOCK_REALTIME);
    test_relative(CLOCK_BOOTTIME);
    test_periods();
    test_absolute();
    test_clock_is_set();
    return tap_end();
}
