/*
 * epoll: adding and removing, level and edge triggering, one shot, waiting,
 * nesting, and what closing does. Skipped on a kernel without it.
 */
#include "tap.h"
#include <sys/epoll.h>

static int ep, fd[2];
static struct epoll_event got[8];

static int
control(int op, int on, uint32_t events, uint64_t data)
{
    struct epoll_event e = { .events = events, .data.u64 = data };

    return epoll_ctl(ep, op, on, &e);
}

static void
test_create(void)
{
    fails(epoll_create1(1), EINVAL);
    fails(epoll_create(0), EINVAL);
    ep = epoll_create1(EPOLL_CLOEXEC);
    works(ep);
    is(fcntl(ep, F_GETFD), FD_CLOEXEC);
    char c;
    fails(read(ep, &c, 1), EINVAL);
    fails(write(ep, &c, 1), EINVAL);
}

static void
test_control(void)
{
    int file = open("file", O_CREAT | O_RDWR, 0600);

    pipe(fd);
    is(control(EPOLL_CTL_ADD, fd[0], EPOLLIN, 7), 0);
    fails(control(EPOLL_CTL_ADD, fd[0], EPOLLIN, 7), EEXIST);
    fails(control(EPOLL_CTL_MOD, fd[1], EPOLLOUT, 8), ENOENT);
    fails(control(EPOLL_CTL_DEL, fd[1], 0, 0), ENOENT);
    fails(control(EPOLL_CTL_ADD, 999, EPOLLIN, 0), EBADF);
    fails(control(EPOLL_CTL_ADD, ep, EPOLLIN, 0), EINVAL);
    fails(control(EPOLL_CTL_ADD, file, EPOLLIN, 0), EPERM);
    fails(control(9, fd[0], EPOLLIN, 0), EINVAL);
    fails(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd[1], hole()), EFAULT);
    fails(syscall(SYS_epoll_ctl, fd[0], EPOLL_CTL_ADD, fd[1], got), EINVAL);
    fails(syscall(SYS_epoll_ctl, 999, EPOLL_CTL_ADD, fd[1], got), EBADF);
    is(control(EPOLL_CTL_ADD, fd[1], EPOLLOUT, 8), 0);
    is(epoll_wait(ep, got, 8, 0), 1);
    ok(got[0].events == EPOLLOUT && got[0].data.u64 == 8, "what is ready");
    is(control(EPOLL_CTL_MOD, fd[1], 0, 9), 0);
    is(epoll_wait(ep, got, 8, 0), 0);
    is(epoll_ctl(ep, EPOLL_CTL_DEL, fd[1], NULL), 0);
    fails(epoll_wait(ep, got, 0, 0), EINVAL);
    fails(epoll_wait(ep, got, -1, 0), EINVAL);
    fails(epoll_wait(fd[0], got, 1, 0), EINVAL);
    fails(epoll_wait(999, got, 1, 0), EBADF);
    close(file);
}

static void
test_triggers(void)
{
    char text[8];

    write(fd[1], "ab", 2);
    is(epoll_wait(ep, got, 8, -1), 1);
    is(epoll_wait(ep, got, 8, -1), 1);          /* level: again and again */
    ok(got[0].events == EPOLLIN && got[0].data.u64 == 7, "with its data");
    is(control(EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLET, 1), 0);
    is(epoll_wait(ep, got, 8, 0), 1);
    is(epoll_wait(ep, got, 8, 0), 0);           /* edge: once */
    write(fd[1], "c", 1);
    is(epoll_wait(ep, got, 8, 0), 1);
    is(epoll_wait(ep, got, 8, 0), 0);
    is(control(EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLONESHOT, 2), 0);
    is(epoll_wait(ep, got, 8, 0), 1);
    write(fd[1], "d", 1);
    is(epoll_wait(ep, got, 8, 0), 0);           /* one shot: armed anew only */
    is(control(EPOLL_CTL_MOD, fd[0], EPOLLIN, 3), 0);
    is(epoll_wait(ep, got, 8, 0), 1);
    is(got[0].data.u64, 3);
    read(fd[0], text, 8);
    is(epoll_wait(ep, got, 8, 0), 0);
}

static void
test_waiting(void)
{
    int64_t start = now_ns();

    is(epoll_wait(ep, got, 8, 20), 0);
    ok(now_ns() - start >= 20000000, "it waited its time");
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        write(fd[1], "x", 1);
        _exit(0);
    }
    is(epoll_wait(ep, got, 8, -1), 1);
    tap_wait(pid);
    fails(epoll_wait(ep, hole(), 8, 0), EFAULT);
    is(epoll_wait(ep, got, 8, 0), 1);           /* and it is still ready */

    /* An epoll in an epoll, or in poll, is ready when it has something. */
    int outer = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.fd = ep };
    is(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e), 0);
    is(epoll_wait(outer, got, 8, 0), 1);
    is(got[0].data.fd, ep);
    e.data.fd = outer;
    fails(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &e), ELOOP);
    close(outer);
}

static void
test_many(void)
{
    int pipes[20][2], seen[20] = { 0 }, n, total = 0;

    for (int i = 0; i < 20; i++) {
        pipe(pipes[i]);
        control(EPOLL_CTL_ADD, pipes[i][0], EPOLLIN, 100 + i);
        write(pipes[i][1], "x", 1);
    }
    control(EPOLL_CTL_DEL, fd[0], 0, 0);
    /* A small buffer sees all of them in turn. */
    for (int round = 0; round < 5; round++) {
        n = epoll_wait(ep, got, 4, 0);
        is(n, 4);
        for (int i = 0; i < n; i++)
            total += seen[got[i].data.u64 - 100]++ == 0;
    }
    is(total, 20);
    for (int i = 0; i < 20; i++) {
        close(pipes[i][1]);
        close(pipes[i][0]);
    }
    is(epoll_wait(ep, got, 8, 0), 0);           /* closed is forgotten */
}

static void
test_closing(void)
{
    int copy;

    control(EPOLL_CTL_ADD, fd[0], EPOLLIN, 5);
    copy = dup(fd[0]);
    close(fd[0]);
    is(epoll_wait(ep, got, 8, 0), 1);           /* the open file lives */
    close(copy);
    is(epoll_wait(ep, got, 8, 0), 0);
    close(fd[1]);
    pipe(fd);
    control(EPOLL_CTL_ADD, fd[0], EPOLLIN, 6);
    close(fd[1]);
    is(epoll_wait(ep, got, 8, 0), 1);
    is(got[0].events, EPOLLHUP);
    close(fd[0]);
    is(close(ep), 0);
}

int
main(void)
{
    tap_begin("epoll");
    int probe = epoll_create1(0);
    if (probe < 0 && errno == ENOSYS) {
        tap_skip("no epoll here");
        return tap_end();
    }
    close(probe);
    test_create();
    test_control();
    test_triggers();
    test_waiting();
    test_many();
    test_closing();
    return tap_end();
}
