/*
 * futex: waiting, waking, moving waiters, time limits, between threads and
 * between processes; the word cleared at exit; robust lists.
 */
#include "tap.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

static _Atomic uint32_t word, other;
static atomic_int woken;

static long
futex(void *at, int op, long value, const void *limit, void *at2, long value3)
{
    return syscall(SYS_futex, at, op, value, limit, at2, value3);
}

static void
test_refusals(void)
{
    struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 };

    word = 5;
    fails(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
    fails(futex(&word, FUTEX_WAIT_PRIVATE, 4, NULL, NULL, 0), EAGAIN);
    is(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
    fails(futex((char *)&word + 1, FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
    fails(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    fails(futex(&word, FUTEX_WAIT, 5, &bad, NULL, 0), EINVAL);
    fails(futex(&word, FUTEX_WAIT, 5, &negative, NULL, 0), EINVAL);
    fails(futex(&word, FUTEX_WAIT, 5, hole(), NULL, 0), EFAULT);
    fails(futex(hole(), FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    fails(futex(KERNEL_POINTER, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    fails(futex(KERNEL_POINTER, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
    fails(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
    fails(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
    fails(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
    fails(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 4), EAGAIN);
    fails(futex(&word, FUTEX_REQUEUE, -1, (void *)1, &other, 0), EINVAL);
}

static void
test_limits(void)
{
    struct timespec limit = { 0, 20000000 }, when;
    int64_t start = now_ns();

    fails(futex(&word, FUTEX_WAIT, 5, &limit, NULL, 0), ETIMEDOUT);
    ok(now_ns() - start >= 20000000, "it waited its time");
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_nsec += 20000000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    start = now_ns();
    fails(futex(&word, FUTEX_WAIT_BITSET, 5, &when, NULL, -1), ETIMEDOUT);
    ok(now_ns() - start >= 19000000, "up to a moment");
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec -= 5;
    fails(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &when,
                NULL, -1), ETIMEDOUT);
}

static void *
wait_on_word(void *argument)
{
    long got = futex(&word, argument ? FUTEX_WAIT_BITSET : FUTEX_WAIT_PRIVATE,
                     0, NULL, NULL, (long)argument);
    woken++;
    return (void *)got;
}

/* Start n threads that wait; return when they do, as far as one can know. */
static void
start_waiters(pthread_t *thread, int n, long mask)
{
    word = 0;
    woken = 0;
    for (int i = 0; i < n; i++)
        pthread_create(&thread[i], NULL, wait_on_word, (void *)mask);
    sleep_ms(20);
}

static int
join_all(pthread_t *thread, int n)
{
    int good = 0;

    for (int i = 0; i < n; i++) {
        void *result;
        pthread_join(thread[i], &result);
        good += result == NULL;
    }
    return good;
}

static void
test_waking(void)
{
    pthread_t thread[6];

    start_waiters(thread, 6, 0);
    is(woken, 0);
    is(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
    while (woken < 2)
        sleep_ms(1);
    sleep_ms(10);
    is(woken, 2);
    is(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 4);
    is(join_all(thread, 6), 6);

    start_waiters(thread, 2, 1);
    is(futex(&word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 2), 0);
    is(futex(&word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 3), 2);
    is(join_all(thread, 2), 2);

    start_waiters(thread, 5, 0);
    is(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &other, 0), 3);
    sleep_ms(10);
    is(woken, 1);
    is(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
    is(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)10, &other, 0), 2);
    is(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
    is(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
    is(join_all(thread, 5), 5);
}

/* A wake is for one waiter at least, whatever number it is given. */
static void
test_wake_count(void)
{
    static const int counts[] = { 0, -1, INT32_MIN };
    pthread_t thread[ARRAY_LEN(counts)];

    start_waiters(thread, ARRAY_LEN(counts), 0);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        long n;
        while ((n = futex(&word, i ? FUTEX_WAKE_PRIVATE : FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG,
                          counts[i], NULL, NULL, -1)) == 0 && woken <= (int)i)
            sleep_ms(1);
        ok(n == 1, "a wake of %d threads wakes one", counts[i]);
    }
    word = 1;
    futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    is(join_all(thread, ARRAY_LEN(counts)), ARRAY_LEN(counts));
}

static void
test_processes(void)
{
    _Atomic uint32_t *shared = shared_pages(1);

    pid_t pid = tap_fork();
    if (pid == 0) {
        while (*shared == 0)
            futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
        *shared = 2;
        futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
        _exit(0);
    }
    sleep_ms(10);
    *shared = 1;
    futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
    while (*shared != 2)
        futex(shared, FUTEX_WAIT, 1, NULL, NULL, 0);
    is(tap_wait(pid), 0);

    /* The same word of a file at another address is the same futex. */
    put_file("word", "\0\0\0\0", 4, 0600);
    int fd = open("word", O_RDWR);
    ftruncate(fd, PAGE);
    _Atomic uint32_t *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                               fd, 0);
    _Atomic uint32_t *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                               fd, 0);
    pid = tap_fork();
    if (pid == 0)
        _exit(futex(a, FUTEX_WAIT, 0, NULL, NULL, 0) != 0);
    while (futex(b, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
        sleep_ms(1);
    is(tap_wait(pid), 0);
    /* Private memory after a fork is not. */
    word = 0;
    pid = tap_fork();
    if (pid == 0) {
        struct timespec limit = { 0, 30000000 };
        _exit(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0) != -1 ||
              errno != ETIMEDOUT);
    }
    sleep_ms(10);
    is(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
    is(tap_wait(pid), 0);
    close(fd);
}

static void
on_signal(int number)
{
    (void)number;
}

static void
test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    pid_t me = getpid();

    sigaction(SIGUSR1, &action, NULL);
    word = 0;
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        kill(me, SIGUSR1);
        _exit(0);
    }
    fails(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
    tap_wait(pid);
    signal(SIGUSR1, SIG_DFL);
}

/* A lock's holder dies; the kernel marks the word and wakes a waiter. */
static struct {
    struct robust_list_head head;
    struct robust_list      lock;
    _Atomic uint32_t        word;
} *robust;

static void
test_robust(void)
{
    struct robust_list_head *head;
    size_t size;

    robust = shared_pages(1);
    pid_t pid = tap_fork();
    if (pid == 0) {
        robust->head.list.next = &robust->lock;
        robust->lock.next = &robust->head.list;
        robust->head.futex_offset = (char *)&robust->word -
                                    (char *)&robust->lock;
        robust->word = getpid() | FUTEX_WAITERS;
        syscall(SYS_set_robust_list, &robust->head, sizeof(robust->head));
        sleep_ms(20);
        _exit(0);
    }
    uint32_t seen;
    while (!((seen = robust->word) & FUTEX_OWNER_DIED))
        if (seen)
            futex(&robust->word, FUTEX_WAIT, seen, NULL, NULL, 0);
        else
            sleep_ms(1);
    ok((seen & FUTEX_TID_MASK) == 0 || (seen & FUTEX_TID_MASK) ==
       (uint32_t)pid, "the word tells: %x", seen);
    is(tap_wait(pid), 0);
    fails(syscall(SYS_set_robust_list, &robust->head, 5), EINVAL);
    is(syscall(SYS_get_robust_list, 0, &head, &size), 0);
    is(size, sizeof(struct robust_list_head));
    fails(syscall(SYS_get_robust_list, 4000000, &head, &size), ESRCH);
    fails(syscall(SYS_get_robust_list, 0, hole(), &size), EFAULT);

    /* A list that leads nowhere, or in circles, harms nobody. */
    for (int how = 0; how < 3; how++) {
        pid = tap_fork();
        if (pid == 0) {
            robust->head.list.next = how == 0 ? hole() : how == 1
                                     ? (void *)KERNEL_POINTER : &robust->lock;
            robust->lock.next = &robust->lock;
            syscall(SYS_set_robust_list, &robust->head, sizeof(robust->head));
            _exit(0);
        }
        is(tap_wait(pid), 0);
    }
}

/* However a file is numbered, no memory of another kind is taken for it. */
static void
test_own_words(void)
{
    int fd = memfd_create("word", 0), taken = 0;

    works(ftruncate(fd, PAGE));
    _Atomic uint32_t *in_file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(futex((void *)in_file, FUTEX_WAIT, 0, NULL, NULL, 0) != 0);
    sleep_ms(50);
    for (int i = 0; i < 500; i++) {
        _Atomic uint32_t *shared = shared_pages(1);
        taken += futex((void *)shared, FUTEX_WAKE, 1, NULL, NULL, 0);
        munmap((void *)shared, PAGE);
    }
    is(taken, 0);
    long n;
    while ((n = futex((void *)in_file, FUTEX_WAKE, 1, NULL, NULL, 0)) == 0)
        sleep_ms(1);
    is(n, 1);
    is(tap_wait(pid), 0);
    munmap((void *)in_file, PAGE);
    close(fd);
}

static void
test_clear_tid(void)
{
    _Atomic uint32_t *shared = shared_pages(1);

    is(syscall(SYS_set_tid_address, shared), syscall(SYS_gettid));
    *shared = 1;
    /* A process that shares the memory exits: its word is cleared. */
    pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_set_tid_address, shared);
        syscall(SYS_exit, 0);
    }
    is(*shared, 0);
    tap_wait(pid);
}

int
main(void)
{
    tap_begin("futex");
    test_refusals();
    test_limits();
    test_waking();
    test_wake_count();
    test_processes();
    test_interrupted();
    test_robust();
    test_own_words();
    test_clear_tid();
    return tap_end();
}
