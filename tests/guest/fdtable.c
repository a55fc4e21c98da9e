/*
 * The table of descriptors: lowest free number, dup and its kin, flags of
 * descriptors and of open files, limits, ranges, owners.
 */
#include "tap.h"
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4
#endif

static int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
test_lowest(void)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY),
        c = open("/dev/null", O_RDONLY);

    ok(b == a + 1 && c == a + 2, "numbers go up");
    close(a);
    close(b);
    is(open("/dev/null", O_RDONLY), a);
    is(dup(c), b);
    close(a);
    is(fcntl(c, F_DUPFD, 0), a);
    is(fcntl(c, F_DUPFD, c), c + 1);
    close(c + 1);
    for (int i = a; i <= c; i++)
        close(i);
    fails(close(a), EBADF);
    fails(close(-1), EBADF);
    fails(close(INT_MAX), EBADF);
}

static void
test_dup(void)
{
    int a = open("/dev/null", O_RDWR | O_CLOEXEC);

    is(fcntl(a, F_GETFD), FD_CLOEXEC);
    int b = dup(a);
    is(fcntl(b, F_GETFD), 0);
    is(dup2(a, 77), 77);
    is(fcntl(77, F_GETFD), 0);
    is(dup2(77, 77), 77);
    is(dup3(a, 78, O_CLOEXEC), 78);
    is(fcntl(78, F_GETFD), FD_CLOEXEC);
    fails(dup3(a, a, 0), EINVAL);
    fails(dup3(a, 78, 5), EINVAL);
    fails(dup(999), EBADF);
    fails(dup2(999, 80), EBADF);
    ok(!is_open(80), "nothing was opened");
    fails(dup2(999, 999), EBADF);
    fails(dup2(a, -1), EBADF);
    fails(dup2(a, 1 << 30), EBADF);
    fails(dup3(a, -1, 0), EBADF);
    int c = fcntl(a, F_DUPFD_CLOEXEC, 100);
    is(c, 100);
    is(fcntl(c, F_GETFD), FD_CLOEXEC);
    fails(fcntl(a, F_DUPFD, -1), EINVAL);
    fails(fcntl(a, F_DUPFD, 1 << 30), EINVAL);
    fails(fcntl(999, F_DUPFD, 0), EBADF);

    /* What was there before is closed by dup2. */
    int fd[2];
    char x;
    pipe(fd);
    dup2(a, fd[1]);
    is(read(fd[0], &x, 1), 0);
    close(fd[0]);
    close(fd[1]);
    close(77);
    close(78);
    close(a);
    close(b);
    close(c);
}

static void
test_flags(void)
{
    int a = open("file", O_CREAT | O_RDWR, 0600), b = dup(a),
        c = open("file", O_RDONLY);

    is(fcntl(a, F_SETFD, 1), 0);
    is(fcntl(a, F_GETFD), 1);
    is(fcntl(b, F_GETFD), 0);
    is(fcntl(a, F_SETFD, 0xfe), 0);
    is(fcntl(a, F_GETFD), 0);
    is(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK), 0);
    is(fcntl(b, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
    is(fcntl(c, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
    is(fcntl(a, F_SETFL, O_WRONLY | O_CREAT | O_TRUNC), 0);
    is(fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT), O_RDWR);
    int on = 1;
    is(ioctl(a, FIONBIO, &on), 0);
    is(fcntl(b, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    is(ioctl(a, FIOCLEX, 0), 0);
    is(fcntl(a, F_GETFD), 1);
    is(ioctl(a, FIONCLEX, 0), 0);
    is(fcntl(a, F_GETFD), 0);
    fails(ioctl(a, TCGETS, &on), ENOTTY);
    fails(ioctl(a, 0x12345678, &on), ENOTTY);
    fails(ioctl(999, FIONBIO, &on), EBADF);
    fails(ioctl(a, FIONBIO, hole()), EFAULT);
    fails(fcntl(a, 9999, 0), EINVAL);
    fails(fcntl(999, F_GETFL), EBADF);
    write(a, "abc", 3);
    is(lseek(b, 0, SEEK_CUR), 3);
    is(lseek(c, 0, SEEK_CUR), 0);
    close(a);
    close(b);
    close(c);
}

static void
test_close_range(void)
{
    for (int i = 200; i < 210; i++)
        dup2(0, i);
    is(syscall(SYS_close_range, 203, 205, 0), 0);
    ok(is_open(202) && !is_open(203) && !is_open(205) && is_open(206),
       "close_range closes a range");
    is(syscall(SYS_close_range, 206, 207, CLOSE_RANGE_CLOEXEC), 0);
    is(fcntl(206, F_GETFD), FD_CLOEXEC);
    is(fcntl(208, F_GETFD), 0);
    is(syscall(SYS_close_range, 200, ~0U, 0), 0);
    ok(!is_open(200) && !is_open(209), "to the end");
    is(syscall(SYS_close_range, 5000, 6000, 0), 0);
    fails(syscall(SYS_close_range, 10, 9, 0), EINVAL);
    fails(syscall(SYS_close_range, 300, 301, 0x80), EINVAL);
    is(syscall(SYS_close_range, 300, 301, CLOSE_RANGE_UNSHARE), 0);
}

static void
limited(void)
{
    struct rlimit limit = { 20, 40 };
    int fd[2], n = 0, last = -1, got;

    works(setrlimit(RLIMIT_NOFILE, &limit));
    while ((got = dup(0)) >= 0) {
        last = got;
        n++;
    }
    is(errno, EMFILE);
    is(last, 19);
    fails(open("/dev/null", O_RDONLY), EMFILE);
    fails(pipe(fd), EMFILE);
    fails(fcntl(0, F_DUPFD, 0), EMFILE);
    fails(fcntl(0, F_DUPFD, 20), EINVAL);
    fails(dup2(0, 20), EBADF);
    close(19);
    fails(pipe(fd), EMFILE);            /* room for one is not for two */
    is(dup(0), 19);
    is(dup2(1, 19), 19);                /* what is there may be replaced */
    limit.rlim_cur = 41;
    fails(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
    limit.rlim_cur = 30;
    works(setrlimit(RLIMIT_NOFILE, &limit));
    is(dup(0), 20);
    limit.rlim_cur = 5;
    works(setrlimit(RLIMIT_NOFILE, &limit));
    ok(is_open(20), "those beyond a lowered limit stay open");
    fails(dup(0), EMFILE);
    is(close(20), 0);
}

static void
many(void)
{
    struct rlimit limit;
    int good = 1;

    getrlimit(RLIMIT_NOFILE, &limit);
    is(limit.rlim_cur, 1024);
    for (int i = 3; i < 1024; i++)
        good &= dup2(0, i) == i;
    ok(good, "1024 descriptors");
    fails(dup(0), EMFILE);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(!(is_open(1023) && close(1023) == 0 && !is_open(1023)));
    is(tap_wait(pid), 0);
    ok(is_open(1023), "a child's table is its own");
}

static void
grow(void)
{
    struct rlimit limit = { 5000, 5000 };

    works(setrlimit(RLIMIT_NOFILE, &limit));
    is(dup2(0, 4999), 4999);
    is(dup2(0, 2000), 2000);
    ok(is_open(4999) && is_open(2000) && !is_open(3000), "a sparse table");
    fails(dup2(0, 5000), EBADF);
    is(fcntl(0, F_DUPFD, 1999), 1999);
    is(fcntl(0, F_DUPFD, 1999), 2001);
}

/* The C library asks for the owner by F_GETOWN_EX. */
static void
test_owner(void)
{
    int fd = open("/dev/null", O_RDONLY);
    struct f_owner_ex ex = {.type = 3, .pid = getpid()};

    is(fcntl(fd, F_GETOWN), 0);
    is(fcntl(fd, F_SETOWN, getpid()), 0);
    is(fcntl(fd, F_GETOWN), getpid());
    fails(fcntl(fd, F_SETOWN_EX, &ex), EINVAL);
    fails(fcntl(fd, F_SETOWN_EX, KERNEL_POINTER), EFAULT);
    is(fcntl(fd, F_GETOWN_EX, &ex), 0);
    ok(ex.type == F_OWNER_PID && ex.pid == getpid(), "the owner is a process");
    ex = (struct f_owner_ex){.type = F_OWNER_TID, .pid = (int)syscall(SYS_gettid)};
    is(fcntl(fd, F_SETOWN_EX, &ex), 0);
    ex.type = 7;
    is(fcntl(fd, F_GETOWN_EX, &ex), 0);
    is(ex.type, F_OWNER_TID);

    fails(fcntl(fd, F_SETOWN, INT_MIN), EINVAL);
    fails(fcntl(fd, F_SETOWN, 32767), ESRCH);
    fails(fcntl(fd, F_SETOWN, -32767), ESRCH);
    fails(fcntl(fd, F_SETOWN, INT_MAX), ESRCH);
    is(fcntl(fd, F_GETOWN), getpid());

    pid_t pid = tap_fork();
    if (pid == 0)
        pause();
    is(fcntl(fd, F_SETOWN, pid), 0);
    is(fcntl(fd, F_GETOWN), pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    is(fcntl(fd, F_GETOWN), 0);
    close(fd);
}

/* A group's number, negative, may look like what the kernel uses to have a call made again. */
static void
test_owner_is_no_error(void)
{
    int fd = open("/dev/null", O_RDONLY), wrong = 0;

    for (pid_t wanted = 512; wanted <= 516; wanted++) {
        struct { uint64_t flags, pidfd, tid, parent, signal, stack, size, tls, set, nset; } request = {
            .signal = SIGCHLD, .set = (uint64_t)&wanted, .nset = 1};
        long pid = syscall(SYS_clone3, &request, sizeof(request));
        if (pid == 0) {
            alarm(60);
            setpgid(0, 0);
            bool set = syscall(SYS_fcntl, fd, F_SETOWN, -wanted) == 0;
            _exit(!(set && syscall(SYS_fcntl, fd, F_GETOWN) == -1 && errno == wanted));
        }
        if (pid > 0)
            wrong += tap_wait((pid_t)pid) != 0;
        else
            wrong += errno != EEXIST;
    }
    is(wrong, 0);
    close(fd);
}

enum { LOW = 3, HIGH = 60, TOP = 700 };
static volatile int may_close;

static void *
close_low(void *unused)
{
    while (!may_close)
        ;
    for (int fd = LOW; fd < HIGH; fd++) {
        close(fd);
        for (volatile int i = 0; i < 3000; i++)
            ;
    }
    return unused;
}

/* In a process of its own: 0, or 1 if a number that was free was not given though it was the lowest. */
static int
grow_while_closing(void)
{
    pthread_t thread;
    int fd = 0;

    while (fd < HIGH)
        fd = dup(0);
    if (pthread_create(&thread, NULL, close_low, NULL) != 0)
        return 2;
    may_close = 1;
    for (int i = 0; i < TOP; i++)
        dup(0);
    pthread_join(thread, NULL);
    for (fd = LOW; is_open(fd); fd++)
        ;
    return dup(0) != fd;
}

static void
test_lowest_while_growing(void)
{
    int nwrong = 0, n = 0;

    for (int64_t end = now_ns() + 1500000000LL; now_ns() < end || n < 20; n++)
        nwrong += tap_status_of(grow_while_closing) != 0;
    ok(nwrong == 0, "in %d of %d the lowest free number was passed over", nwrong, n);
}

int
main(void)
{
    tap_begin("fdtable");
    test_lowest();
    test_dup();
    test_flags();
    test_close_range();
    test_owner();
    test_owner_is_no_error();
    test_lowest_while_growing();
    tap_child(limited);
    tap_child(many);
    tap_child(grow);
    return tap_end();
}
