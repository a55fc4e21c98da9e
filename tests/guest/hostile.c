/*
 * Calls about memory and processes with arguments that are wrong: negative, huge,
 * misaligned, wrapping, unmapped, read-only, in the kernel's half. Each gives its
 * errno, again and again, while threads on other harts map, protect and unmap in
 * the same address space; and calls that are handed just what those threads are
 * taking away succeed or fail as they may, and nothing else happens.
 */
#include "tap.h"
#include "quire.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define ROUNDS 60               /* or as many as two seconds allow */
#define NSHAKY 96               /* pages that come and go */
#define ALIGNED_LAST ((char *)-PAGE)
#define HUGE_SIZE (1UL << 62)

static char *top;               /* of the user's half */
static char *good;              /* four pages that may be written */
static char *read_only;         /* one */
static char *edge;              /* one, with nothing behind it */
static char *shaky;
static volatile int stop;

/* What went wrong: each place that does is told of once. */
static int nwrong;

static void
differs(int line, const char *call, long got, const char *wanted)
{
    static int told[1000];

    nwrong++;
    if (line < 1000 && !told[line]++)
        ok(0, "line %d, %s: got %ld, %s, not %s", line, call, got, tap_errno_name(errno), wanted);
}

#define expect(call, error) \
    do { \
        errno = 0; \
        long got = (long)(call); \
        if (got != -1 || errno != (error)) \
            differs(__LINE__, #call, got, #error); \
    } while (0)
#define expect_value(call, value) \
    do { \
        errno = 0; \
        long got = (long)(call); \
        if (got != (long)(value)) \
            differs(__LINE__, #call, got, #value); \
    } while (0)
/* Success, or one of these. */
#define expect_maybe(call, error, other) \
    do { \
        errno = 0; \
        long got = (long)(call); \
        if (got == -1 && errno != (error) && errno != (other)) \
            differs(__LINE__, #call, got, #error " or " #other); \
    } while (0)

/* --- what the other threads do ------------------------------------------- */

static void *
shake(void *argument)
{
    uint64_t seed = (uintptr_t)argument * 0x9e3779b97f4a7c15u | 1;

    while (!stop) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        int first = seed % NSHAKY, n = 1 + (seed >> 8) % (NSHAKY - first);
        char *p = shaky + first * PAGE;
        switch (seed >> 20 & 7) {
        case 0:
        case 1:
            munmap(p, n * PAGE);
            break;
        case 2:
            mprotect(p, n * PAGE, PROT_NONE);
            break;
        case 3:
            mprotect(p, n * PAGE, PROT_READ);
            break;
        case 4:
            madvise(p, n * PAGE, MADV_DONTNEED);
            break;
        default:
            mmap(p, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
                 (seed & 1 << 28 ? MAP_POPULATE : 0), -1, 0);
        }
        if ((seed >> 30 & 15) == 0)
            sched_yield();
    }
    return NULL;
}

/* --- exact errors ---------------------------------------------------------- */

static void
bad_mmap(int fd)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    expect(mmap(NULL, 0, PROT_READ, flags, -1, 0), EINVAL);
    expect(mmap(NULL, -1, PROT_READ, flags, -1, 0), ENOMEM);
    expect(mmap(NULL, HUGE_SIZE, PROT_READ, flags, -1, 0), ENOMEM);
    expect(mmap(NULL, (size_t)top, PROT_READ, flags, -1, 0), ENOMEM);
    expect(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    expect(mmap(good + 1, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), EINVAL);
    expect(mmap(KERNEL_POINTER, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), ENOMEM);
    expect(mmap(ALIGNED_LAST, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), ENOMEM);
    expect(mmap(top, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), ENOMEM);
    expect(mmap(top - 64 * PAGE, 65 * PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), ENOMEM);
    expect(mmap(good, -PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), ENOMEM);
    expect(mmap(good, PAGE, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    expect(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    expect(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
    expect(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
    expect(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
}

static void
bad_munmap(void)
{
    expect(munmap(good + 1, PAGE), EINVAL);
    expect(munmap(good, 0), EINVAL);
    expect(munmap(good, -1), EINVAL);
    expect(munmap(good, -PAGE), EINVAL);
    expect(munmap(good, HUGE_SIZE), EINVAL);
    expect(munmap(KERNEL_POINTER, PAGE), EINVAL);
    expect(munmap(ALIGNED_LAST, PAGE), EINVAL);
    expect(munmap(top, PAGE), EINVAL);
    expect_value(munmap(edge + PAGE, PAGE), 0);         /* nothing is there */
}

static void
bad_mprotect(int fd)
{
    void *file = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

    expect(mprotect(good + 1, PAGE, PROT_READ), EINVAL);
    expect(mprotect(good, PAGE, 0x80), EINVAL);
    expect(mprotect(good, -1, PROT_READ), ENOMEM);
    expect(mprotect(good, -PAGE, PROT_READ), ENOMEM);
    expect(mprotect(hole(), PAGE, PROT_READ), ENOMEM);
    expect(mprotect(KERNEL_POINTER, PAGE, PROT_READ), ENOMEM);
    expect(mprotect(ALIGNED_LAST, PAGE, PROT_READ), ENOMEM);
    expect(mprotect(edge, 2 * PAGE, PROT_READ | PROT_WRITE), ENOMEM);
    expect(mprotect(file, PAGE, PROT_READ | PROT_WRITE), EACCES);
    expect_value(mprotect(good, 0, PROT_READ), 0);
    expect_value(mprotect(KERNEL_POINTER, 0, PROT_READ), 0);
    munmap(file, PAGE);
}

static void
bad_mremap(void)
{
    const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

    expect(mremap(good + 1, PAGE, PAGE, 0), EINVAL);
    expect(mremap(good, PAGE, 0, 0), EINVAL);
    expect(mremap(good, PAGE, PAGE, 0x80), EINVAL);
    expect(mremap(good, PAGE, PAGE, MREMAP_FIXED, edge), EINVAL);
    expect(mremap(good, PAGE, PAGE, fixed, good), EINVAL);
    expect(mremap(good, 2 * PAGE, 2 * PAGE, fixed, good + PAGE), EINVAL);
    expect(mremap(good, PAGE, PAGE, fixed, edge + 1), EINVAL);
    expect(mremap(good, PAGE, PAGE, fixed, KERNEL_POINTER), EINVAL);
    expect(mremap(good, PAGE, PAGE, fixed, ALIGNED_LAST), EINVAL);
    expect(mremap(good, PAGE, HUGE_SIZE, fixed, edge), EINVAL);
    expect(mremap(good, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), EINVAL);
    expect(mremap(good, 0, PAGE, MREMAP_MAYMOVE), EINVAL);      /* private */
    expect(mremap(hole(), PAGE, PAGE, 0), EFAULT);
    expect(mremap(edge, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE), EFAULT);
    expect(mremap(good, PAGE, 2 * PAGE, 0), ENOMEM);            /* it would meet the next */
}

static void
bad_madvise(void)
{
    expect(madvise(good + 1, PAGE, MADV_NORMAL), EINVAL);
    expect(madvise(good, PAGE, 12345), EINVAL);
    expect(madvise(good, PAGE, -1), EINVAL);
    expect(madvise(good, -1, MADV_DONTNEED), EINVAL);
    expect(madvise(good, -PAGE, MADV_DONTNEED), EINVAL);
    expect(madvise(hole(), PAGE, MADV_DONTNEED), ENOMEM);
    expect(madvise(edge + PAGE, PAGE, MADV_WILLNEED), ENOMEM);
    expect(madvise(KERNEL_POINTER, PAGE, MADV_DONTNEED), ENOMEM);
    expect_value(madvise(good, 0, MADV_DONTNEED), 0);
}

static void
bad_mincore(void)
{
    expect(mincore(good + 1, PAGE, (void *)edge), EINVAL);
    expect(mincore(hole(), PAGE, (void *)edge), ENOMEM);
    expect(mincore(KERNEL_POINTER, PAGE, (void *)edge), ENOMEM);
    expect(mincore(good, -1, (void *)edge), ENOMEM);
    expect(mincore(good, HUGE_SIZE, (void *)edge), ENOMEM);
    expect(mincore(good, PAGE, NULL), EFAULT);
    expect(mincore(good, PAGE, (void *)read_only), EFAULT);
    expect(mincore(good, PAGE, KERNEL_POINTER), EFAULT);
    expect(mincore(good, 3 * PAGE, LAST_POINTER), EFAULT);
    expect(mincore(good, 3 * PAGE, (void *)(edge + PAGE - 1)), EFAULT);
    expect_value(mincore(good, 0, (void *)edge), 0);
}

static void
bad_msync_and_mlock(void)
{
    expect(msync(good + 1, PAGE, MS_SYNC), EINVAL);
    expect(msync(good, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    expect(msync(good, PAGE, 0x100), EINVAL);
    expect(msync(hole(), PAGE, MS_SYNC), ENOMEM);
    expect(msync(good, -PAGE, MS_SYNC), ENOMEM);
    expect(msync(KERNEL_POINTER, PAGE, MS_ASYNC), ENOMEM);
    expect(mlock(hole(), PAGE), ENOMEM);
    expect(mlock(good, -PAGE), EINVAL);
    expect(mlock(KERNEL_POINTER, PAGE), ENOMEM);
    expect(munlock(hole(), PAGE), ENOMEM);
    expect(munlock(edge, 2 * PAGE), ENOMEM);
    expect(syscall(284 /* mlock2 */, good, PAGE, 2), EINVAL);
    expect(mlockall(0), EINVAL);
    expect(mlockall(0x100), EINVAL);
}

static void
bad_brk(void)
{
    long now = syscall(SYS_brk, 0);

    expect_value(syscall(SYS_brk, 1), now);
    expect_value(syscall(SYS_brk, -1), now);
    expect_value(syscall(SYS_brk, KERNEL_POINTER), now);
    expect_value(syscall(SYS_brk, top), now);
    expect_value(syscall(SYS_brk, HUGE_SIZE), now);
    expect_value(syscall(SYS_brk, good), now);          /* something is on the way */
    expect_value(syscall(SYS_brk, 0), now);
}

static void
bad_processes(void)
{
    static const char *bad_argv[] = { "x", KERNEL_POINTER, NULL };
    static uint64_t args[16];
    siginfo_t info;

    memset(args, 0, sizeof(args));
    expect(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
    expect(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
    expect(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
    expect(syscall(435, args, 8), EINVAL);              /* clone3 */
    expect(syscall(435, args, PAGE + 8), E2BIG);
    expect(syscall(435, KERNEL_POINTER, 88), EFAULT);
    expect(syscall(435, LAST_POINTER, 88), EFAULT);
    expect(syscall(435, edge + PAGE - 40, 88), EFAULT);
    args[12] = 1;
    expect(syscall(435, args, 13 * 8), E2BIG);          /* what no kernel knows */
    args[12] = 0;
    args[5] = (uint64_t)good;                           /* a stack without a size */
    expect(syscall(435, args, 88), EINVAL);
    args[5] = 0;
    args[4] = 65;                                       /* no such signal */
    expect(syscall(435, args, 88), EINVAL);
    expect(execve(KERNEL_POINTER, NULL, NULL), EFAULT);
    expect(execve(edge + PAGE, NULL, NULL), EFAULT);
    expect(execve("/proc/self/exe", KERNEL_POINTER, NULL), EFAULT);
    expect(execve("/proc/self/exe", (void *)bad_argv, NULL), EFAULT);
    expect(execve("/proc/self/exe", NULL, (void *)(edge + PAGE - 4)), EFAULT);
    expect(execve("/proc/self/exe", LAST_POINTER, NULL), EFAULT);
    expect(syscall(SYS_wait4, -1, NULL, 0x10000, NULL), EINVAL);
    expect(syscall(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
    expect(syscall(SYS_waitid, 77, 0, &info, WEXITED, NULL), EINVAL);
    expect(syscall(SYS_waitid, P_ALL, 0, &info, 0, NULL), EINVAL);
    expect(syscall(SYS_set_robust_list, good, 1), EINVAL);
    expect(syscall(SYS_kill, getpid(), 65), EINVAL);
    expect(syscall(SYS_futex, good + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    expect(syscall(SYS_futex, KERNEL_POINTER, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
}

/* A status that cannot be written: the child is reaped all the same. */
static void
bad_wait(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    expect(syscall(SYS_wait4, pid, read_only, 0, NULL), EFAULT);
    expect(syscall(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
}

static void
bad_quire_calls(void)
{
    expect(pgaccess(good, -1, edge), EINVAL);
    expect(pgaccess(good, INT32_MIN, edge), EINVAL);
    expect(pgaccess(good, PGACCESS_MAX + 1, edge), EINVAL);
    expect(pgaccess(KERNEL_POINTER, 1, edge), EINVAL);
    expect(pgaccess(ALIGNED_LAST, 1, edge), EINVAL);
    expect(pgaccess(top - PAGE, 2, edge), EINVAL);
    expect(pgaccess((void *)HUGE_SIZE, 1, edge), EINVAL);
    expect(pgaccess(good, 4, NULL), EFAULT);
    expect(pgaccess(good, 4, hole()), EFAULT);
    expect(pgaccess(good, 4, read_only), EFAULT);
    expect(pgaccess(good, 4, KERNEL_POINTER), EFAULT);
    expect(pgaccess(good, 16, LAST_POINTER), EFAULT);
    expect(pgaccess(good, 16, edge + PAGE - 1), EFAULT);
    expect(pgaccess(good, 4, (void *)USYSCALL), EFAULT);
    expect_value(pgaccess(hole(), 4, edge), 0);
    expect_value(munmap((void *)USYSCALL, PAGE), -1);
    expect_value(mprotect((void *)USYSCALL, PAGE, PROT_READ | PROT_WRITE), -1);
}

/* --- what is being taken away ---------------------------------------------- */

static void
shaky_ranges(char *p, size_t size)
{
    static char vector[NSHAKY];
    void *elsewhere = (void *)0x2000000000;

    expect_maybe(mprotect(p, size, PROT_READ | PROT_WRITE), ENOMEM, ENOMEM);
    expect_maybe(madvise(p, size, MADV_DONTNEED), ENOMEM, ENOMEM);
    expect_maybe(madvise(p, size, MADV_WILLNEED), ENOMEM, ENOMEM);
    expect_maybe(mincore(p, size, (void *)vector), ENOMEM, ENOMEM);
    expect_maybe(msync(p, size, MS_SYNC), ENOMEM, ENOMEM);
    expect_maybe(mlock(p, size), ENOMEM, EAGAIN);
    expect_maybe(munlock(p, size), ENOMEM, ENOMEM);
    expect_maybe(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere), EFAULT, ENOMEM);
    expect_value(munmap(elsewhere, NSHAKY * PAGE), 0);
    if (access("/proc/frames", F_OK) == 0)
        expect_value(pgaccess(p, size / PAGE, vector), 0);
}

static void
shaky_pointers(char *p, int zero, int null, const int pipe[2])
{
    struct iovec v[2] = { { p, PAGE }, { p + 3 * PAGE, 2 * PAGE } };

    expect_maybe(read(zero, p, 3 * PAGE), EFAULT, EFAULT);
    expect_maybe(readv(zero, v, 2), EFAULT, EFAULT);
    expect_maybe(readv(zero, (void *)p, 1), EFAULT, EINVAL);
    expect_maybe(write(null, p, 3 * PAGE), EFAULT, EFAULT);
    if (write(pipe[1], p, 2 * PAGE) > 0)
        expect_maybe(read(pipe[0], p + PAGE, 2 * PAGE), EFAULT, EAGAIN);
    while (read(pipe[0], good, 4 * PAGE) > 0)
        ;
    expect_maybe(uname((void *)(p + PAGE - 100)), EFAULT, EFAULT);
    expect_maybe(getrandom(p + PAGE - 100, 200, 0), EFAULT, EFAULT);
    expect_maybe(mincore(good, 4 * PAGE, (void *)(p + PAGE - 2)), EFAULT, EFAULT);
    expect_maybe(open(p + PAGE - 20, O_RDONLY), EFAULT, ENOENT);
    expect_maybe(syscall(SYS_clock_gettime, CLOCK_REALTIME, p + PAGE - 8), EFAULT, EFAULT);
    if (access("/proc/frames", F_OK) == 0)
        expect_maybe(pgaccess(shaky, NSHAKY, p + PAGE - 6), EFAULT, EFAULT);
}

/* A child begins with what was there just then, and nobody changes it any more. */
static void
shaky_fork(void)
{
    unsigned char before[NSHAKY], after[NSHAKY];
    pid_t pid = fork();

    if (pid == 0) {
        for (int i = 0; i < NSHAKY; i++)
            before[i] = mincore(shaky + i * PAGE, PAGE, after) == 0;
        sched_yield();
        for (int i = 0; i < NSHAKY; i++)
            if (before[i] != (mincore(shaky + i * PAGE, PAGE, after) == 0))
                _exit(1);
        _exit(0);
    }
    expect_value(tap_wait(pid), 0);
}

static void
rounds(void (*one)(int round))
{
    int64_t until = now_ns() + 2000000000;

    nwrong = 0;
    for (int round = 0; round < ROUNDS && !nwrong && (round < 4 || now_ns() < until); round++)
        one(round);
}

static void
exact_round(int round)
{
    int fd = open("/proc/self/exe", O_RDONLY);

    bad_mmap(fd);
    bad_munmap();
    bad_mprotect(fd);
    bad_mremap();
    bad_madvise();
    bad_mincore();
    bad_msync_and_mlock();
    bad_brk();
    bad_processes();
    if (round % 10 == 0)
        bad_wait();
    if (access("/proc/frames", F_OK) == 0)
        bad_quire_calls();
    close(fd);
    for (int i = 0; i < 4; i++)
        expect_value(good[i * PAGE], 'a' + i);          /* no harm was done */
}

static int zero, null, ends[2];

static void
shaky_round(int round)
{
    for (int i = 0; i < 4; i++) {
        int first = (round * 29 + i * 17) % (NSHAKY - 8);
        shaky_ranges(shaky + first * PAGE, (1 + (round + i) % 8) * PAGE);
        shaky_pointers(shaky + first * PAGE, zero, null, ends);
    }
    for (int i = 0; i < 4; i++)
        good[i * PAGE] = 'a' + i;
    if (round % 6 == 0)
        shaky_fork();
}

/* Signals that are caught do not interrupt the bringing in of pages. */
static void
on_tick(int number)
{
    (void)number;
}

static void
test_signals(void)
{
    const size_t size = 16UL << 20;
    struct itimerval often = { { 0, 500 }, { 0, 500 } }, off = { 0 };
    int bad = 0;

    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int round = 0; round < 8; round++) {
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (round & 1)
            madvise(p, size, MADV_NOHUGEPAGE);
        bad += mlock(p, size) != 0;
        munmap(p, size);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    signal(SIGALRM, SIG_DFL);
    alarm(TAP_SECONDS);
    is(bad, 0);
}

static void
prepare(void)
{
    good = island(4);
    for (int i = 0; i < 4; i++)
        good[i * PAGE] = 'a' + i;
    read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* Where nobody's mmap() may put anything behind it. */
    edge = mmap((void *)0x1000000000, PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    shaky = (char *)0x1800000000;
    int bits = 38; /* Sv39; or Sv48, Sv57 */
    while (munmap((void *)(1UL << bits), PAGE) == 0)
        bits += 9;
    top = (char *)(1UL << bits);
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    pipe2(ends, O_NONBLOCK);
}

int
main(void)
{
    pthread_t thread[2];

    tap_begin("hostile");
    prepare();
    test_signals();
    rounds(exact_round);
    is(nwrong, 0);
    for (long i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, shake, (void *)(i + 1));
    rounds(exact_round);
    is(nwrong, 0);
    rounds(shaky_round);
    is(nwrong, 0);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    rounds(exact_round);
    is(nwrong, 0);
    return tap_end();
}
