/*
 * brk and sbrk, and the stack that grows by faulting: nothing is there
 * before it is touched, everything within limits is there after, and beyond
 * them is SIGSEGV.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/resource.h>

static sigjmp_buf back;

static void
on_fault(int number)
{
    siglongjmp(back, number);
}

static int
touch(volatile char *p)
{
    int number = sigsetjmp(back, 1);

    if (number)
        return number;
    *p = *p + 1;
    return 0;
}

static char *
raw_brk(void *to)
{
    return (char *)syscall(SYS_brk, to);
}

static long
resident(void)
{
    long total = 0, pages_here = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%ld %ld", &total, &pages_here) != 2)
        pages_here = 0;
    if (f)
        fclose(f);
    return pages_here;
}

static void
test_brk(void)
{
    char *start = raw_brk(NULL);

    ok(start == raw_brk(NULL), "brk(0) tells the break");
    ok(raw_brk(start + 10 * PAGE) == start + 10 * PAGE, "it grows");
    int zeros = 1;
    for (size_t i = 0; i < 10 * PAGE; i++)
        zeros &= start[i] == 0;
    ok(zeros, "by zeros");
    memset(start, 7, 10 * PAGE);
    ok(raw_brk(start + 5 * PAGE + 1) == start + 5 * PAGE + 1, "it shrinks");
    char *edge = (char *)(((long)start + 6 * PAGE) & -PAGE);
    is(touch(edge - 1), 0);
    is(touch(edge + PAGE), SIGSEGV);
    ok(raw_brk(start + 10 * PAGE) == start + 10 * PAGE, "it grows again");
    is(start[5 * PAGE], 7);
    is(start[9 * PAGE], 0);
    ok(raw_brk(start + 10 * PAGE + 100) == start + 10 * PAGE + 100,
       "by no whole number of pages");
    is(touch(start + 10 * PAGE + 99), 0);
    is(touch((char *)(((long)start + 12 * PAGE) & -PAGE)), SIGSEGV);

    /* What cannot be leaves the break where it is. */
    ok(raw_brk((void *)1) == start + 10 * PAGE + 100, "not below its start");
    ok(raw_brk(LAST_POINTER) == start + 10 * PAGE + 100, "nor at the end");
    ok(raw_brk(KERNEL_POINTER) == start + 10 * PAGE + 100, "nor the kernel");
    ok(raw_brk((void *)(1UL << 60)) == start + 10 * PAGE + 100, "nor beyond");
    ok(raw_brk(start) == start, "back to where it was");
    is(touch((char *)(((long)start + PAGE - 1) & -PAGE)), SIGSEGV);
    ok(raw_brk(start - PAGE) == start - PAGE || raw_brk(NULL) == start,
       "below what libc has taken: done or not, no harm");
    raw_brk(start);
}

static void
test_lazy(void)
{
    char *start = sbrk(0);
    long before = resident();

    ok(sbrk(32 << 20) == start, "32 MiB of heap");
    ok(resident() - before < 100, "cost %ld pages", resident() - before);
    is(touch(start + (16 << 20)), 0);
    ok(resident() - before < 110, "a touch costs a page or so");
    is(touch(start + (32 << 20) - 1), 0);
    for (int i = 0; i < 1000; i++)
        start[i * PAGE] = i;
    ok(resident() - before >= 1000, "1000 touches cost %ld pages",
       resident() - before);
    ok(sbrk(-(32 << 20)) == start + (32 << 20), "given back");
    ok(resident() - before < 100, "leaves %ld pages", resident() - before);
    int good = 1;
    for (int i = 0; i < 200; i++) {
        char *p = sbrk(i * 100 + 1);
        good &= p != (void *)-1 && touch(p + i * 100) == 0;
    }
    ok(good, "200 odd steps up");
    good &= brk(start) == 0;
    ok(good, "and down in one");
}

static void
test_obstacle(void)
{
    char *start = (char *)(((long)sbrk(0) + 2 * PAGE) & -PAGE);

    /* Something mapped in the way stops the break. */
    char *wall = mmap(start + 10 * PAGE, PAGE, PROT_READ,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    ok(wall == start + 10 * PAGE, "a wall above the heap");
    char *now = raw_brk(NULL);
    ok(raw_brk(start + 20 * PAGE) == now, "the break does not pass it");
    ok(raw_brk(start + 5 * PAGE) == start + 5 * PAGE, "but goes up to it");
    munmap(wall, PAGE);
    raw_brk(now);
}

static void
limited_data(void)
{
    struct rlimit limit = { 4 << 20, 4 << 20 };

    works(setrlimit(RLIMIT_DATA, &limit));
    ok(sbrk(8 << 20) == (void *)-1 && errno == ENOMEM, "RLIMIT_DATA");
    ok(sbrk(1 << 20) != (void *)-1, "less is granted");
}

/* Use so many bytes of stack, in frames of a page. */
static int
use_stack(long nbytes)
{
    volatile char block[4000];

    block[0] = block[3999] = 1;
    if (nbytes <= 0)
        return block[0];
    return use_stack(nbytes - 4000) + block[3999] - 1;
}

/* So many bytes below the stack pointer. */
static char *
below(long nbytes)
{
    return (char *)((long)__builtin_frame_address(0) - nbytes);
}

static void
test_stack(void)
{
    is(touch(below(2 << 20)), 0);       /* growth may leap */
    is(use_stack(4 << 20), 1);
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    is(limit.rlim_cur, 8 << 20);
}

static int
overflow(void)
{
    struct rlimit limit = { 0, 0 };

    signal(SIGSEGV, SIG_DFL);
    setrlimit(RLIMIT_CORE, &limit);
    return use_stack(9 << 20);
}

static int
beyond_stack(void)
{
    struct rlimit limit = { 0, 0 };

    signal(SIGSEGV, SIG_DFL);
    setrlimit(RLIMIT_CORE, &limit);
    *(volatile char *)below(9 << 20) = 1;
    return 0;
}

static int
lowered_limit(void)
{
    struct rlimit limit = { 0, 0 };

    signal(SIGSEGV, SIG_DFL);
    setrlimit(RLIMIT_CORE, &limit);
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    return use_stack(2 << 20);
}

static int
raised_limit(void)
{
    struct rlimit limit = { 0, 0 };

    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 12 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    return use_stack(10 << 20);
}

/* The kernel grows the stack too, when a call writes there. */
static void
test_call_grows_stack(void)
{
    int zero = open("/dev/zero", O_RDONLY);

    is(read(zero, below(5 << 20), 10000), 10000);
    close(zero);
}

int
main(void)
{
    tap_begin("heap");
    stack_t other = { .ss_sp = pages(8), .ss_size = 8 * PAGE };
    sigaltstack(&other, NULL);
    struct sigaction action = { .sa_handler = on_fault,
                                .sa_flags = SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    is(tap_status_of(lowered_limit), SIGSEGV);  /* before ours has grown */
    test_brk();
    test_lazy();
    test_obstacle();
    tap_child(limited_data);
    test_stack();
    test_call_grows_stack();
    is(tap_status_of(overflow), SIGSEGV);
    is(tap_status_of(beyond_stack), SIGSEGV);
    is(tap_status_of(raised_limit), 1 << 8);
    return tap_end();
}
