/*
 * eventfd, timerfd and signalfd, each skipped on a kernel without it.
 */
#include "tap.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int
ready(int fd, int events)
{
    struct pollfd p = { fd, events, 0 };

    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void
test_eventfd(void)
{
    uint64_t value = 99;
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0 && errno == ENOSYS) {
        tap_skip("no eventfd here");
        return;
    }
    is(ready(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
    is(read(fd, &value, 8), 8);
    is(value, 3);
    fails(read(fd, &value, 8), EAGAIN);
    value = 5;
    is(write(fd, &value, 8), 8);
    is(write(fd, &value, 8), 8);
    is(read(fd, &value, 8), 8);
    is(value, 10);
    fails(read(fd, &value, 7), EINVAL);
    fails(write(fd, &value, 7), EINVAL);
    value = UINT64_MAX;
    fails(write(fd, &value, 8), EINVAL);
    value = UINT64_MAX - 1;
    is(write(fd, &value, 8), 8);
    is(ready(fd, POLLIN | POLLOUT), POLLIN);
    value = 1;
    fails(write(fd, &value, 8), EAGAIN);
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    is(read(fd, &value, 8), 8);
    is(value, 1);
    is(read(fd, &value, 8), 8);
    fails(read(fd, &value, 8), EAGAIN);
    close(fd);
    fails(eventfd(0, 0x100), EINVAL);

    fd = eventfd(0, 0);
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        value = 42;
        write(fd, &value, 8);
        _exit(0);
    }
    is(read(fd, &value, 8), 8);         /* it waited */
    is(value, 42);
    tap_wait(pid);
    close(fd);
}

static void
test_timerfd(void)
{
    struct itimerspec t = { { 0, 5000000 }, { 0, 10000000 } }, old;
    uint64_t times = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    if (fd < 0 && errno == ENOSYS) {
        tap_skip("no timerfd here");
        return;
    }
    int64_t start = now_ns();
    is(timerfd_settime(fd, 0, &t, NULL), 0);
    int early = ready(fd, POLLIN);
    ok(early == 0 || now_ns() - start >= 10000000, "not ready before its time");
    is(read(fd, &times, 8), 8);
    ok(now_ns() - start >= 10000000 && times >= 1, "the first time");
    sleep_ms(30);
    is(ready(fd, POLLIN), POLLIN);
    is(read(fd, &times, 8), 8);
    ok(times >= 4, "%d more times", (int)times);
    is(timerfd_gettime(fd, &old), 0);
    is(old.it_interval.tv_nsec, 5000000);
    t = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
    is(timerfd_settime(fd, 0, &t, &old), 0);
    sleep_ms(10);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fails(read(fd, &times, 8), EAGAIN);
    fails(read(fd, &times, 4), EINVAL);
    t.it_value.tv_nsec = 1;                     /* long past */
    is(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), 0);
    for (int i = 0; i < 1000 && ready(fd, POLLIN) == 0; i++)
        sleep_ms(1);
    is(read(fd, &times, 8), 8);
    is(times, 1);
    t.it_value.tv_nsec = -1;
    fails(timerfd_settime(fd, 0, &t, NULL), EINVAL);
    fails(timerfd_settime(0, 0, &t, NULL), EINVAL);
    fails(timerfd_create(99, 0), EINVAL);
    fails(timerfd_create(CLOCK_MONOTONIC, 0x100), EINVAL);
    close(fd);
}

static void
test_signalfd(void)
{
    struct signalfd_siginfo info[3];
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &old);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 && errno == ENOSYS) {
        tap_skip("no signalfd here");
        return;
    }
    fails(read(fd, info, sizeof(info)), EAGAIN);
    is(ready(fd, POLLIN), 0);
    raise(SIGUSR2);
    kill(getpid(), SIGUSR1);
    is(ready(fd, POLLIN), POLLIN);
    is(read(fd, info, sizeof(info)), 2 * sizeof(info[0]));
    ok((info[0].ssi_signo == SIGUSR1) != (info[1].ssi_signo == SIGUSR1),
       "both came");
    is(info[0].ssi_pid, getpid());
    sigdelset(&set, SIGUSR1);
    is(signalfd(fd, &set, 0), fd);
    raise(SIGUSR1);
    fails(read(fd, info, sizeof(info)), EAGAIN);
    fails(read(fd, info, 10), EINVAL);
    fails(signalfd(0, &set, 0), EINVAL);
    signal(SIGUSR1, SIG_IGN);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fd);
}

/* What has no name cannot be opened once more, only named. */
static void
test_second_open(void)
{
    char path[64];
    int fd = eventfd(0, 0);

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    fails(open(path, O_RDWR), ENXIO);
    fails(open(path, O_RDONLY | O_TRUNC), ENXIO);
    int named = open(path, O_PATH);
    works(named);
    close(named);
    close(fd);
}

int
main(void)
{
    tap_begin("eventfds");
    test_eventfd();
    test_timerfd();
    test_signalfd();
    test_second_open();
    return tap_end();
}
