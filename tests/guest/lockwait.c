/*
 * Waiting for locks: what is granted to whom, when a circle is a deadlock and
 * when not; and the ranges that 64 bits allow.
 */
#include "tap.h"
#include <pthread.h>
#include <stdint.h>
#include <sys/file.h>

#define MOST INT64_MAX

static int fd;

static int
lock(int on, int how, int type, off_t start, off_t length)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start,
                       .l_len = length };

    return fcntl(on, how, &l);
}

/* Time for others to begin to wait. */
static void
let_them_wait(void)
{
    sleep_ms(60);               /* a wait that is missed makes a check weaker, not wrong */
}

static void *
take_exclusive(void *file)
{
    return (void *)(long)flock(*(int *)file, LOCK_EX);
}

/* Two threads get one flock by the same open file: it is one lock. */
static void
test_flock_once(void)
{
    int first = open("file", O_RDWR), second = open("file", O_RDWR);
    pthread_t threads[2];
    void *result;

    is(flock(first, LOCK_EX), 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, take_exclusive, &second);
    let_them_wait();
    is(flock(first, LOCK_UN), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &result);
        is((long)result, 0);
    }
    is(flock(second, LOCK_SH | LOCK_NB), 0);
    is(flock(first, LOCK_SH | LOCK_NB), 0);
    is(flock(second, LOCK_UN), 0);
    is(flock(first, LOCK_EX | LOCK_NB), 0);
    close(first);
    close(second);
    fails(flock(999, 0), EINVAL);
    fails(flock(999, LOCK_UN), EBADF);
    is(flock(999, 32 /* LOCK_MAND */), 0);
    int blind = open("file", 3);
    fails(flock(blind, LOCK_SH), EBADF);
    is(flock(blind, LOCK_UN), 0);
    close(blind);
}

/* Hand byte 1 to a waiter who holds byte 2, and at once wait for byte 2. */
static void
test_hand_over(void)
{
    struct gate go, ready;
    int deadlocks = 0, others = 0;

    gate_init(&go);
    gate_init(&ready);
    pid_t pid = tap_fork();
    if (pid == 0) {
        for (int i = 0; i < 120; i++) {
            gate_wait(&go);
            lock(fd, F_SETLKW, F_WRLCK, 2, 1);
            gate_open(&ready);
            if (lock(fd, F_SETLKW, F_WRLCK, 1, 1))
                _exit(1);
            lock(fd, F_SETLK, F_UNLCK, 1, 2);
            gate_open(&ready);
        }
        _exit(0);
    }
    for (int i = 0; i < 120; i++) {
        lock(fd, F_SETLKW, F_WRLCK, 1, 1);
        gate_open(&go);
        gate_wait(&ready);
        sleep_ms(2);
        lock(fd, F_SETLK, F_UNLCK, 1, 1);
        if (lock(fd, F_SETLKW, F_WRLCK, 2, 1))
            errno == EDEADLK ? deadlocks++ : others++;
        lock(fd, F_SETLK, F_UNLCK, 2, 1);
        gate_wait(&ready);
    }
    is(deadlocks, 0);
    is(others, 0);
    is(tap_wait(pid), 0);
    gate_close(&go);
    gate_close(&ready);
}

/* A circle over three processes and two files: one of them is told. */
static void
test_circle(void)
{
    int other = open("other", O_RDWR | O_CREAT, 0600);
    struct gate have[3], all;
    int told = 0, rest = 0;
    pid_t pids[3];

    gate_init(&all);
    for (int i = 0; i < 3; i++) {
        gate_init(&have[i]);
        pids[i] = tap_fork();
        if (pids[i] == 0) {
            int next = (i + 1) % 3;
            lock(i % 2 ? other : fd, F_SETLKW, F_WRLCK, i, 1);
            gate_open(&have[i]);
            gate_wait(&all);
            int error = lock(next % 2 ? other : fd, F_SETLKW, F_WRLCK, next, 1) ? errno : 0;
            _exit(error == EDEADLK ? 2 : error ? 1 : 0);
        }
    }
    for (int i = 0; i < 3; i++)
        gate_wait(&have[i]);
    for (int i = 0; i < 3; i++)
        gate_open(&all);
    for (int i = 0; i < 3; i++) {
        int status = tap_wait(pids[i]);
        told += WEXITSTATUS(status) == 2;
        rest += WEXITSTATUS(status) == 0;
    }
    is(told, 1);
    is(rest, 2);
    close(other);
}

static void
nothing(int signal)
{
    (void)signal;
}

/* Many wait for one byte: each gets it once, also when those before it give up. */
static void
test_many(void)
{
    enum { WAITERS = 24 };
    volatile int *counter = shared_pages(1);
    pid_t pids[WAITERS];
    int gave_up = 0, bad = 0;

    is(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
    for (int i = 0; i < WAITERS; i++) {
        pids[i] = tap_fork();
        if (pids[i] == 0) {
            struct sigaction action = { .sa_handler = nothing };
            sigaction(SIGUSR1, &action, NULL);
            /* Some share, some want another byte of what is held. */
            int type = i % 5 == 4 ? F_RDLCK : F_WRLCK;
            if (lock(fd, F_SETLKW, type, i % 7 == 6 ? 5 : 0, 1))
                _exit(errno == EINTR ? 3 : 1);
            if (type == F_WRLCK && i % 7 != 6) {
                int n = *counter;
                sched_yield();
                *counter = n + 1;
            }
            _exit(0);
        }
    }
    let_them_wait();
    for (int i = 0; i < WAITERS; i += 3)
        kill(pids[i], SIGUSR1);
    is(lock(fd, F_SETLK, F_UNLCK, 8, 2), 0);
    is(lock(fd, F_SETLK, F_UNLCK, 0, 5), 0);
    is(lock(fd, F_SETLK, F_UNLCK, 5, 5), 0);
    int counted = 0;
    for (int i = 0; i < WAITERS; i++) {
        int status = tap_wait(pids[i]);
        int counts = i % 5 != 4 && i % 7 != 6;
        gave_up += WEXITSTATUS(status) == 3;
        bad += !WIFEXITED(status) || WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 2;
        counted += counts && status == 0;
    }
    is(bad, 0);
    is(*counter, counted);
    ok(gave_up <= WAITERS / 3, "%d were interrupted", gave_up);
    is(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
    is(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
}

/* Readers that wait for a writer get the lock together. */
static void
test_readers(void)
{
    struct gate have, end;
    pid_t pids[4];

    gate_init(&have);
    gate_init(&end);
    is(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
    for (int i = 0; i < 4; i++) {
        pids[i] = tap_fork();
        if (pids[i] == 0) {
            int error = lock(fd, F_SETLKW, F_RDLCK, i, 5);
            gate_open(&have);
            gate_wait(&end);
            _exit(error != 0);
        }
    }
    let_them_wait();
    is(lock(fd, F_SETLK, F_RDLCK, 0, 10), 0);   /* a lock that only changes its type */
    for (int i = 0; i < 4; i++)
        gate_wait(&have);
    fails(lock(fd, F_SETLK, F_WRLCK, 2, 1), EAGAIN);
    for (int i = 0; i < 4; i++)
        gate_open(&end);
    for (int i = 0; i < 4; i++)
        is(tap_wait(pids[i]), 0);
    is(lock(fd, F_SETLK, F_WRLCK, 2, 1), 0);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    gate_close(&have);
    gate_close(&end);
}

static void *
wait_for_byte(void *on)
{
    return (void *)(long)(lock(*(int *)on, F_SETLKW, F_WRLCK, 0, 1) ? errno : 0);
}

/* The descriptor is closed while a thread waits for a lock by it: no lock stays. */
static void
test_closed_meanwhile(void)
{
    struct gate have, end;
    pthread_t thread;
    void *result;

    gate_init(&have);
    gate_init(&end);
    pid_t pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 0, 1);
        gate_open(&have);
        gate_wait(&end);
        _exit(0);
    }
    gate_wait(&have);
    int own = open("file", O_RDWR);
    pthread_create(&thread, NULL, wait_for_byte, &own);
    let_them_wait();
    close(own);
    gate_open(&end);
    tap_wait(pid);
    pthread_join(thread, &result);
    is((long)result, EBADF);
    pid = tap_fork();
    if (pid == 0)
        _exit(lock(fd, F_SETLK, F_WRLCK, 0, 1) != 0);
    is(tap_wait(pid), 0);
    gate_close(&have);
    gate_close(&end);
}

/* F_GETLK names the lowest lock in the way, in whatever order they were made. */
static void
test_first_in_the_way(void)
{
    struct gate have, end;

    gate_init(&have);
    gate_init(&end);
    pid_t pid = tap_fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 60, 5);
        lock(fd, F_SETLK, F_RDLCK, 20, 5);
        lock(fd, F_SETLK, F_WRLCK, 40, 5);
        lock(fd, F_SETLK, F_RDLCK, 22, 10);     /* with 20 to 24 */
        gate_open(&have);
        gate_wait(&end);
        _exit(0);
    }
    gate_wait(&have);
    struct flock l = { .l_type = F_WRLCK };
    is(fcntl(fd, F_GETLK, &l), 0);
    is(l.l_start, 20);
    is(l.l_len, 12);
    is(l.l_type, F_RDLCK);
    is(l.l_pid, pid);
    l = (struct flock){ .l_type = F_RDLCK };
    is(fcntl(fd, F_GETLK, &l), 0);
    is(l.l_start, 40);
    gate_open(&end);
    tap_wait(pid);
    l = (struct flock){ .l_type = F_RDLCK, .l_start = 3, .l_len = 4 };
    is(fcntl(fd, F_GETLK, &l), 0);
    ok(l.l_type == F_UNLCK && l.l_start == 3 && l.l_len == 4, "nothing else changes");
    gate_close(&have);
    gate_close(&end);
}

/* Ranges at the ends of what 64 bits can say, by every command. */
static void
test_extremes(void)
{
    static const struct { off_t start, length; int whence, error; } table[] = {
        { INT64_MIN, -5, SEEK_SET, EINVAL }, { INT64_MIN, 5, SEEK_SET, EINVAL },
        { INT64_MIN, 0, SEEK_SET, EINVAL }, { INT64_MIN, INT64_MIN, SEEK_SET, EINVAL },
        { -1, 0, SEEK_SET, EINVAL }, { -1, 5, SEEK_SET, EINVAL }, { 0, -1, SEEK_SET, EINVAL },
        { 1, -1, SEEK_SET, 0 }, { 5, -6, SEEK_SET, EINVAL }, { 5, -5, SEEK_SET, 0 },
        { 0, INT64_MIN, SEEK_SET, EINVAL }, { MOST, INT64_MIN, SEEK_SET, EINVAL },
        { MOST, -MOST, SEEK_SET, 0 }, { MOST, 0, SEEK_SET, 0 }, { MOST, 1, SEEK_SET, 0 },
        { MOST, 2, SEEK_SET, EOVERFLOW }, { MOST, MOST, SEEK_SET, EOVERFLOW },
        { 1, MOST, SEEK_SET, 0 }, { 2, MOST, SEEK_SET, EOVERFLOW }, { 0, MOST, SEEK_SET, 0 },
        { 0, 0, SEEK_CUR, 0 }, { -8, 0, SEEK_CUR, EINVAL }, { MOST, 0, SEEK_CUR, EOVERFLOW },
        { MOST - 7, 0, SEEK_CUR, 0 }, { -7, 0, SEEK_CUR, 0 }, { -7, -1, SEEK_CUR, EINVAL },
        { INT64_MIN, 0, SEEK_END, EINVAL }, { -101, 0, SEEK_END, EINVAL },
        { -100, 0, SEEK_END, 0 }, { MOST, 1, SEEK_END, EOVERFLOW }, { 0, 0, 3, EINVAL },
    };
    static const int commands[] = { F_SETLK, F_SETLKW, F_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
                                    F_OFD_GETLK };
    int own = open("file", O_RDWR), odd = 0;

    lseek(own, 7, SEEK_SET);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        for (size_t c = 0; c < ARRAY_LEN(commands); c++) {
            struct flock l = { .l_type = F_WRLCK, .l_whence = table[i].whence,
                               .l_start = table[i].start, .l_len = table[i].length };
            int error = fcntl(own, commands[c], &l) ? errno : 0;
            if (error != table[i].error)
                ok(0, "row %zu, command %d: %s", i, commands[c], strerrorname_np(error));
            odd += error != table[i].error;
            lock(own, F_SETLK, F_UNLCK, 0, 0);
            lock(own, F_OFD_SETLK, F_UNLCK, 0, 0);
        }
    }
    is(odd, 0);

    /* Errors in their order: the range, the type, the right, the pid. */
    int reader = open("file", O_RDONLY);
    struct flock l = { .l_type = 77, .l_start = -1 };
    fails(fcntl(own, F_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = 77, .l_start = MOST, .l_len = 2 };
    fails(fcntl(own, F_SETLK, &l), EOVERFLOW);
    l = (struct flock){ .l_type = F_WRLCK, .l_pid = 1 };
    fails(fcntl(reader, F_OFD_SETLK, &l), EBADF);
    fails(fcntl(own, F_OFD_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_UNLCK };
    fails(fcntl(own, F_GETLK, &l), EINVAL);
    close(reader);

    /* The last byte and its neighbour are one lock to the end. */
    is(lock(own, F_SETLK, F_WRLCK, MOST, 0), 0);
    is(lock(own, F_SETLK, F_WRLCK, MOST - 1, 1), 0);
    pid_t pid = tap_fork();
    if (pid == 0) {
        struct flock got = { .l_type = F_WRLCK };
        fcntl(fd, F_GETLK, &got);
        _exit(!(got.l_start == MOST - 1 && got.l_len == 0));
    }
    is(tap_wait(pid), 0);
    close(own);
}

int
main(void)
{
    char block[100] = { 0 };

    tap_begin("lockwait");
    put_file("file", block, 100, 0644);
    fd = open("file", O_RDWR);
    test_flock_once();
    test_hand_over();
    test_circle();
    test_many();
    test_readers();
    test_closed_meanwhile();
    test_first_in_the_way();
    test_extremes();
    return tap_end();
}
