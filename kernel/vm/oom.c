/*
 * Out of memory: what is tried before a process is killed for a fault.
 *
 * A page is wanted now, and there is none. One process that ends gives back enough
 * for many, but takes its time over it; whoever asks meanwhile would be
 * killed as well, for nothing. So as long as the memory of a process that was
 * killed here is still on its way back, others wait for it. Nobody waits who
 * holds a lock: only faults from user mode come here, and one that ends needs no
 * memory to do it. When nobody is ending, what superpages hold untouched is taken
 * back (thin.c), and then it is the turn of the one who asked.
 *
 * The wait has an end, for an address space may have other processes on it, that
 * live on.
 */
#include "arch/riscv/clock.h"
#include "mem/frame.h"
#include "sched/wait.h"
#include "vm/fault.h"
#include "vm/superpage.h"

#define PATIENCE 2000000000UL /* ns */
#define PAUSE 1000000UL       /* ns: how often to look */
#define ENOUGH 64             /* frames: then there is memory again */

/* Address spaces whose process was killed for want of memory, and that are not gone yet. */
static uint32_t nending; /* atomic */

/* Wait until there is memory or nobody is ending. True: the fault may be tried again. */
static bool
wait_for_others(const struct vmspace *vm)
{
    uint64_t start = clock_now();
    bool waited = false;

    while (__atomic_load_n(&nending, __ATOMIC_RELAXED) > 0) {
        if (__atomic_load_n(&vm->ending, __ATOMIC_RELAXED) || vm_end_hook())
            return true; /* we end ourselves, on the way back to user mode */
        if (waited && frame_nfree() >= ENOUGH)
            return true;
        if (clock_now() - start > PATIENCE)
            return false;
        (void)sleep_until(clock_now() + PAUSE, WAIT_UNINTERRUPTIBLE);
        waited = true;
    }
    return waited;
}

bool
vm_oom_retry(struct vmspace *vm)
{
    if (wait_for_others(vm) || vm_thin_others() > 0)
        return true;
    if (!__atomic_exchange_n(&vm->ending, 1, __ATOMIC_RELAXED))
        __atomic_fetch_add(&nending, 1, __ATOMIC_RELAXED);
    return false;
}

void
vm_oom_gone(struct vmspace *vm)
{
    if (vm->ending)
        __atomic_fetch_sub(&nending, 1, __ATOMIC_RELAXED);
}
