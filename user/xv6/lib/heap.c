/*
 * sbrk: the heap, page-aligned at its start, with a writable page below it as
 * in xv6 (there the stack is below). The kernel gives its memory lazily.
 *
 * xv6's machine has 128 MiB, and its programs find out how much memory there
 * is by asking for a little until they get no more. So steps below 1 MiB add
 * up to 128 MiB at most; larger steps are bounded by the kernel alone.
 *
 * A lazy heap is a promise, and whoever touches what is not there ends. So
 * once the heap has outgrown every machine, large steps succeed even where
 * the kernel has no more addresses to give: nothing is mapped there.
 */
#include "call.h"
#include "kernel/riscv.h"

#define SMALL_STEP (1L << 20)
#define SMALL_STEPS_MAX (128L << 20)
#define ANY_MACHINE (64L << 30)

static long base;    /* where the heap begins; 0: not asked for yet */
static long top;
static long stepped; /* bytes got in small steps */

static int
begin(void)
{
    long start = PGROUNDUP(linux_call(brk, 0)) + PGSIZE;

    if (linux_call(brk, start) != start)
        return -1;
    base = top = start;
    return 0;
}

static long
move_top(int n)
{
    long old = top;

    if (n == 0)
        return old;
    if (top + n < base || (n > 0 && n < SMALL_STEP && stepped + n > SMALL_STEPS_MAX))
        return -1;
    if (linux_call(brk, top + n) != top + n && top - base < ANY_MACHINE)
        return -1;
    top += n;
    if (n < SMALL_STEP)
        stepped = stepped + n > 0 ? stepped + n : 0;
    return old;
}

char *
sbrk(int n)
{
    if (!base && begin())
        return (char *)xv6_result(SYS_sbrk, -1);
    return (char *)xv6_result(SYS_sbrk, move_top(n));
}

/* All heap is lazy here. */
char *
sbrklazy(int n)
{
    return sbrk(n);
}
