/*
 * Locks on files: flock, POSIX records, and open-file-description records.
 */
#include "tap.h"
#include <sys/file.h>

static int fd;

static int
lock(int on, int how, int type, off_t start, off_t length)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start,
                       .l_len = length };

    return fcntl(on, how, &l);
}

/* Who holds what against a lock like this; type, start, length, pid. */
static struct flock
ask(int type, off_t start, off_t length)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start,
                       .l_len = length };

    if (fcntl(fd, F_GETLK, &l) < 0)
        l.l_type = 99;
    return l;
}

/* In a child: can it have this lock? */
static int
child_may(int type, off_t start, off_t length)
{
    pid_t pid = tap_fork();

    if (pid == 0)
        _exit(lock(fd, F_SETLK, type, start, length) == 0 ? 1
              : errno == EAGAIN ? 0 : 2);
    return WEXITSTATUS(tap_wait(pid));
}

static void
test_records(void)
{
    is(lock(fd, F_SETLK, F_WRLCK, 10, 10), 0);
    is(child_may(F_RDLCK, 10, 1), 0);
    is(child_may(F_RDLCK, 19, 1), 0);
    is(child_may(F_WRLCK, 0, 10), 1);
    is(child_may(F_WRLCK, 20, 0), 1);
    is(child_may(F_WRLCK, 0, 0), 0);
    is(ask(F_WRLCK, 0, 0).l_type, F_UNLCK);     /* our own is not in our way */
    pid_t pid = tap_fork();
    if (pid == 0) {
        struct flock l = ask(F_RDLCK, 0, 0);
        _exit(!(l.l_type == F_WRLCK && l.l_start == 10 && l.l_len == 10 &&
                l.l_pid == getppid() && l.l_whence == SEEK_SET));
    }
    is(tap_wait(pid), 0);

    is(lock(fd, F_SETLK, F_RDLCK, 12, 3), 0);   /* a piece becomes shared */
    is(child_may(F_RDLCK, 12, 3), 1);
    is(child_may(F_RDLCK, 11, 1), 0);
    is(child_may(F_WRLCK, 13, 1), 0);
    is(lock(fd, F_SETLK, F_UNLCK, 13, 1), 0);
    is(child_may(F_WRLCK, 13, 1), 1);
    is(child_may(F_WRLCK, 14, 1), 0);
    is(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
    is(child_may(F_WRLCK, 0, 0), 1);

    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10,
                       .l_len = 5 };
    is(fcntl(fd, F_SETLK, &l), 0);
    is(child_may(F_WRLCK, 90, 5), 0);
    is(child_may(F_WRLCK, 95, 0), 1);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
                        .l_start = 50, .l_len = -10 };
    is(fcntl(fd, F_SETLK, &l), 0);              /* 40 to 49 */
    is(child_may(F_WRLCK, 40, 1), 0);
    is(child_may(F_WRLCK, 50, 1), 1);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
}

static void
test_refusals(void)
{
    int ro = open("file", O_RDONLY), wo = open("file", O_WRONLY);

    fails(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
    fails(lock(wo, F_SETLK, F_RDLCK, 0, 1), EBADF);
    fails(lock(999, F_SETLK, F_RDLCK, 0, 1), EBADF);
    fails(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
    fails(lock(fd, F_SETLK, F_RDLCK, -1, 1), EINVAL);
    fails(lock(fd, F_SETLK, F_RDLCK, 5, -10), EINVAL);
    fails(lock(fd, F_GETLK, F_UNLCK, 0, 1), EINVAL);
    close(ro);
    close(wo);
}

/* Closing any descriptor of the file lets go of all the process's locks. */
static void
test_close_releases(void)
{
    lock(fd, F_SETLK, F_WRLCK, 0, 10);
    is(child_may(F_WRLCK, 0, 1), 0);
    close(open("file", O_RDONLY));
    is(child_may(F_WRLCK, 0, 1), 1);

    /* So does the end of the process. */
    struct gate locked, end;
    gate_init(&locked);
    gate_init(&end);
    pid_t pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 0, 10);
        gate_open(&locked);
        gate_wait(&end);
        _exit(0);
    }
    gate_wait(&locked);
    fails(lock(fd, F_SETLK, F_WRLCK, 0, 10), EAGAIN);
    gate_open(&end);
    tap_wait(pid);
    is(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    gate_close(&locked);
    gate_close(&end);
}

static void
on_signal(int number)
{
    (void)number;
}

static void
test_waiting(void)
{
    struct gate locked;
    int64_t start;
    pid_t me = getpid();

    gate_init(&locked);
    pid_t pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 0, 10);
        gate_open(&locked);
        sleep_ms(40);
        _exit(0);
    }
    gate_wait(&locked);
    start = now_ns();
    is(lock(fd, F_SETLKW, F_WRLCK, 5, 1), 0);
    ok(now_ns() - start > 10000000, "F_SETLKW waited");
    tap_wait(pid);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 0, 10);
        gate_open(&locked);
        sleep_ms(20);
        kill(me, SIGUSR1);
        sleep_ms(20);
        _exit(0);
    }
    gate_wait(&locked);
    fails(lock(fd, F_SETLKW, F_WRLCK, 5, 1), EINTR);
    tap_wait(pid);

    /* Two that wait for each other: one is told. */
    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 1, 1);
        gate_open(&locked);
        int r = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(r == 0 ? 0 : errno == EDEADLK ? 1 : 2);
    }
    gate_wait(&locked);
    sleep_ms(20);
    fails(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    is(tap_wait(pid), 0);
    gate_close(&locked);
}

static void
test_flock(void)
{
    int other = open("file", O_RDWR), copy = dup(fd);

    is(flock(fd, LOCK_SH), 0);
    is(flock(other, LOCK_SH | LOCK_NB), 0);
    fails(flock(fd, LOCK_EX | LOCK_NB), EAGAIN);
    is(flock(other, LOCK_UN), 0);
    is(flock(fd, LOCK_EX | LOCK_NB), 0);
    fails(flock(other, LOCK_SH | LOCK_NB), EAGAIN);
    is(flock(copy, LOCK_EX | LOCK_NB), 0);      /* the same open file */
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(flock(fd, LOCK_UN) != 0);         /* and in a child as well */
    is(tap_wait(pid), 0);
    is(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    is(flock(fd, LOCK_EX | LOCK_NB), 0);
    is(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);    /* the two kinds do not mix */
    close(copy);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    flock(fd, LOCK_UN);
    fails(flock(fd, 0), EINVAL);
    fails(flock(fd, 16), EINVAL);
    fails(flock(999, LOCK_SH), EBADF);
    other = open("file", O_RDONLY);
    is(flock(other, LOCK_EX), 0);               /* needs no right to write */
    close(other);
}

static void
test_ofd(void)
{
    int other = open("file", O_RDWR);

    is(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
    fails(lock(other, F_OFD_SETLK, F_WRLCK, 0, 10), EAGAIN);
    fails(lock(other, F_SETLK, F_WRLCK, 0, 10), EAGAIN);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(lock(fd, F_OFD_SETLK, F_WRLCK, 5, 10) != 0);
    is(tap_wait(pid), 0);
    fails(lock(other, F_OFD_SETLK, F_WRLCK, 14, 1), EAGAIN);
    struct flock l = { .l_type = F_WRLCK, .l_pid = 0 };
    is(fcntl(other, F_OFD_GETLK, &l), 0);
    ok(l.l_type == F_WRLCK && l.l_pid == -1 && l.l_start == 0 && l.l_len == 15,
       "F_OFD_GETLK tells what, not who");
    l = (struct flock){ .l_type = F_UNLCK, .l_start = 3 };
    is(fcntl(fd, F_OFD_GETLK, &l), 0);
    ok(l.l_type == F_WRLCK && l.l_start == 0 && l.l_len == 15, "F_OFD_GETLK of F_UNLCK tells of one's own");
    l = (struct flock){ .l_type = F_UNLCK };
    is(fcntl(other, F_OFD_GETLK, &l), 0);
    is(l.l_type, F_UNLCK);
    l = (struct flock){ .l_type = F_UNLCK };
    fails(fcntl(fd, F_GETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_pid = 1 };
    fails(fcntl(other, F_OFD_SETLK, &l), EINVAL);
    is(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0), 0);
    is(lock(other, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
    close(other);
    is(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
    lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0);
}

int
main(void)
{
    char block[100] = { 0 };

    tap_begin("locks");
    put_file("file", block, 100, 0644);
    fd = open("file", O_RDWR);
    test_records();
    test_refusals();
    test_close_releases();
    test_waiting();
    test_flock();
    test_ofd();
    return tap_end();
}
