/*
 * How long a hart keeps interrupts off (debug builds; see sched/stalls.c).
 *
 * The kernel runs with interrupts off but at a few points (hart.h). Between two of them
 * the hart answers to no timer and to no device. Each way into such a stretch calls
 * stall_begin(), each way out stall_end(). In release builds both are nothing.
 */
#ifndef QUIRE_ARCH_STALLS_H
#define QUIRE_ARCH_STALLS_H

#include "arch/riscv/csr.h"
#include "arch/riscv/hart.h"

#ifdef DEBUG

/* Takes the ticks of the time CSR that interrupts were off for. sched/stalls.c sets it; NULL: not yet. */
extern void (*stall_hook)(uint64_t ticks);

/* Interrupts are off from now on. `from`: the code that runs on here; 0: a trap. */
static inline void
stall_begin(vaddr_t from)
{
    struct hart *hart = this_hart();
    hart->off_from = from;
    hart->off_since = rdtime();
}

/* Interrupts can be taken from now on. */
static inline void
stall_end(void)
{
    if (likely(stall_hook))
        stall_hook(rdtime() - this_hart()->off_since);
}

#else

static inline void
stall_begin(vaddr_t from __unused)
{
}

static inline void
stall_end(void)
{
}

#endif

/* Take the interrupts that wait. */
static inline void
interrupts_window(vaddr_t from)
{
    stall_end();
    interrupts_on();
    interrupts_off();
    stall_begin(from);
}

#endif
