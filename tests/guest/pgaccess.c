/*
 * pgaccess (user/include/quire.h): which pages were accessed since the last
 * call, after reads, writes, system calls, forks and unmaps, on one hart and
 * while others run; and what it refuses.
 *
 * Quire only.
 */
#include "tap.h"
#include "quire.h"
#include <pthread.h>

static unsigned char bits[PGACCESS_MAX / 8 + 8];

/* The answer for n <= 64 pages as a number; -1: it failed. */
static long
accessed(void *base, int n)
{
    unsigned long word = 0;

    return pgaccess(base, n, &word) ? -1 : (long)word;
}

static void
touch(char *base, int page)
{
    ((volatile char *)base)[page * PAGE]++;
}

static void
look(char *base, int page)
{
    (void)((volatile char *)base)[page * PAGE];
}

static void
test_bits(void)
{
    char *p = pages(40);

    is(accessed(p, 40), 0);             /* lazy: nothing is there yet */
    touch(p, 1);
    touch(p, 2);
    look(p, 30);
    is(accessed(p, 40), 1L << 1 | 1L << 2 | 1L << 30);
    is(accessed(p, 40), 0);
    look(p, 1);                         /* the hart must not remember it */
    is(accessed(p, 40), 1L << 1);
    touch(p, 30);                       /* the zero page becomes a page of its own */
    is(accessed(p + 30 * PAGE + 123, 1), 1);
    is(accessed(p, 40), 0);
    touch(p, 39);
    is(accessed(p, 39), 0);             /* beyond the range: neither told nor cleared */
    is(accessed(p + 39 * PAGE, 1), 1);

    touch(p, 3);
    munmap(p + 3 * PAGE, PAGE);
    is(accessed(p, 40), 0);
    touch(p, 5);
    mprotect(p + 5 * PAGE, PAGE, PROT_NONE);
    is(accessed(p, 40), 1L << 5);
    is(accessed(p, 40), 0);
    mprotect(p + 5 * PAGE, PAGE, PROT_READ);
    look(p, 5);
    is(accessed(p, 40), 1L << 5);

    int fd = open("file", O_RDWR | O_CREAT, 0644);
    works(ftruncate(fd, 8 * PAGE));
    char *file = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    is(accessed(file, 8), 0);
    touch(file, 2);
    look(file, 6);
    is(accessed(file, 8), 1L << 2 | 1L << 6);
    is(accessed(file, 8), 0);
    (void)accessed(p, 40);
    is(pread(fd, p + 7 * PAGE + 100, PAGE, 0), (long)PAGE); /* the kernel's accesses count */
    is(accessed(p, 40), 1L << 7 | 1L << 8);
    close(fd);
}

/* No byte beyond is written, and unused bits are 0; the answer at any offset. */
static void
test_counts(void)
{
    char *p = pages(600);
    int bad = 0;

    for (int n = 0; n <= 600; n += n < 70 ? 1 : 41) {
        for (int first = 0; first + n <= 600; first += 53) {
            for (int i = 0; i < n; i++)
                if (i % 7 == 0 || i % 64 == 63)
                    touch(p, first + i);
            memset(bits, 0xa5, sizeof(bits));
            bad += pgaccess(p + first * PAGE, n, bits) != 0;
            for (int i = 0; i < (n + 7) / 8 * 8; i++)
                bad += (bits[i / 8] >> i % 8 & 1) != (i < n && (i % 7 == 0 || i % 64 == 63));
            bad += bits[(n + 7) / 8] != 0xa5;
        }
    }
    is(bad, 0);
}

static void
test_refused(void)
{
    char *p = pages(3), *last;
    void *top = (void *)(0x4000000000UL - PAGE);

    fails(pgaccess(p, -1, bits), EINVAL);
    fails(pgaccess(p, -2147483647 - 1, bits), EINVAL);
    fails(pgaccess(p, PGACCESS_MAX + 1, bits), EINVAL);
    fails(pgaccess(KERNEL_POINTER, 1, bits), EINVAL);
    fails(pgaccess(LAST_POINTER, 1, bits), EINVAL);
    fails(pgaccess(LAST_POINTER, 0, bits), EINVAL);
    fails(pgaccess(p, 1, NULL), EFAULT);
    fails(pgaccess(p, 1, hole()), EFAULT);
    fails(pgaccess(p, 1, KERNEL_POINTER), EFAULT);
    fails(pgaccess(p, 64, LAST_POINTER), EFAULT);
    fails(pgaccess(p, 1, (void *)USYSCALL), EFAULT);
    works(pgaccess(p, 0, NULL));
    works(pgaccess(top, 1, bits));
    works(pgaccess(NULL, PGACCESS_MAX, bits));
    last = island(1);
    works(pgaccess(p, 16, last + PAGE - 2));
    fails(pgaccess(p, 17, last + PAGE - 2), EFAULT);
    mprotect(last, PAGE, PROT_READ);
    fails(pgaccess(p, 1, last), EFAULT);
}

static char *area;

static int
forked_child(void)
{
    if (accessed(area, 8) != 1L << 1)   /* it begins with its parent's marks */
        return 1;
    look(area, 3);
    touch(area, 4);
    return accessed(area, 8) == (1L << 3 | 1L << 4) ? 0 : 2;
}

static void
test_fork(void)
{
    area = pages(8);
    for (int i = 0; i < 8; i++)
        touch(area, i);
    is(accessed(area, 8), 0xff);
    touch(area, 1);
    is(tap_status_of(forked_child), 0);
    is(accessed(area, 8), 1L << 1);     /* from before the fork; the child's are not ours */
    look(area, 6);
    touch(area, 7);
    is(accessed(area, 8), 1L << 6 | 1L << 7);
}

/* Another hart's memory of a translation must not hide its next access. */
static volatile int stop, turn;

static void *
toucher(void *unused)
{
    (void)unused;
    for (int seen = 0; !stop;) {
        int now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);
        if (now != seen && now > 0) {
            look(area, now % 8);
            seen = now;
            __atomic_store_n(&turn, -now, __ATOMIC_RELEASE);
        }
    }
    return NULL;
}

static void
test_other_hart(void)
{
    pthread_t thread;
    int bad = 0;

    area = pages(8);
    for (int i = 0; i < 8; i++)
        touch(area, i);
    pthread_create(&thread, NULL, toucher, NULL);
    accessed(area, 8);
    int64_t until = now_ns() + 3000000000;
    for (int i = 1; i <= 200 && now_ns() < until; i++) {
        __atomic_store_n(&turn, i, __ATOMIC_RELEASE);
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != -i)
            ;
        bad += accessed(area, 8) != 1L << i % 8;
    }
    stop = 1;
    pthread_join(thread, NULL);
    is(bad, 0);
}

static void *
unsettle(void *base)
{
    while (!stop) {
        char *p = mmap(base, 64 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (int i = 0; i < 64; i += 3)
            touch(p, i);
    }
    return NULL;
}

/* While another hart maps, touches and unmaps the same pages. */
static void
test_race(void)
{
    char *p = pages(64);
    pthread_t thread;
    int bad = 0;

    stop = 0;
    pthread_create(&thread, NULL, unsettle, p);
    for (int i = 0; i < 500; i++)
        bad += (accessed(p, 64) & ~0x9249249249249249L) != 0;
    stop = 1;
    pthread_join(thread, NULL);
    is(bad, 0);
}

static unsigned long
instructions(void)
{
    unsigned long n;

    __asm__ volatile("rdinstret %0" : "=r"(n));
    return n;
}

/* Is instret what it says? An emulator may show the time instead: never thrice the same. */
static int
counts_instructions(void)
{
    unsigned long n[20];

    for (int i = 0; i < 20; i++) {
        unsigned long loops = 1000, before = instructions();
        __asm__ volatile("1: addi %0, %0, -1; bnez %0, 1b" : "+r"(loops));
        n[i] = instructions() - before;
        if (i >= 2 && n[i] == n[i - 1] && n[i] == n[i - 2])
            return n[i] >= 2000 && n[i] < 2010;
    }
    return 0;
}

static void
test_many(void)
{
    char *p = pages(PGACCESS_MAX);
    unsigned long best = ~0UL;
    int good = 1;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PGACCESS_MAX; i++)
            touch(p, i);
        memset(bits, 0, sizeof(bits));
        unsigned long before = instructions();
        good &= pgaccess(p, PGACCESS_MAX, bits) == 0;
        unsigned long n = instructions() - before;
        best = n < best ? n : best;
        for (int i = 0; i < PGACCESS_MAX / 8; i++)
            good &= bits[i] == 0xff;
    }
    ok(good, "%d pages, all accessed", PGACCESS_MAX);
    if (counts_instructions())
        ok(best <= 15UL * PGACCESS_MAX, "%lu.%02lu instructions a page", best / PGACCESS_MAX,
           best % PGACCESS_MAX * 100 / PGACCESS_MAX);
    else
        tap_skip("instret does not count instructions");
    munmap(p, PGACCESS_MAX * PAGE);
}

int
main(void)
{
    tap_begin("pgaccess");
    if (access("/proc/frames", F_OK) < 0) {
        tap_skip("not Quire");
        return tap_end();
    }
    test_bits();
    test_counts();
    test_refused();
    test_fork();
    test_other_hart();
    test_race();
    test_many();
    return tap_end();
}
