/*
 * Time since boot, and the one timer each hart has.
 */
#ifndef QUIRE_ARCH_CLOCK_H
#define QUIRE_ARCH_CLOCK_H

#include "lib/types.h"

#define NSEC_PER_SEC 1000000000UL
#define NSEC_PER_MSEC 1000000UL
#define NSEC_PER_USEC 1000UL

/* Nanoseconds since boot; never goes back, the same on all harts. */
uint64_t clock_now(void);
/* Have this hart's timer interrupt at `deadline` (ns since boot); ~0: never. */
void clock_set_deadline(uint64_t deadline);
/* From machine.timebase. */
void clock_init(void);
/* Let user mode read the time CSR on this hart. */
void clock_init_hart(void);
/* False if some hart does not have that (scounteren.TM is hardwired to 0). */
extern bool clock_user_readable;
/* Time since boot is clock_scale(rdtime() - clock_base, clock_mult, clock_shift), in the vDSO too. */
extern uint64_t clock_mult, clock_base;
extern uint32_t clock_shift;

static inline uint64_t
clock_scale(uint64_t ticks, uint64_t mult, uint32_t shift)
{
    return (uint64_t)((unsigned __int128)ticks * mult >> shift);
}

/*
 * The other way: the fewest ticks for which clock_scale() gives nsec or more; ~0 if they do
 * not fit 64 bits. It is exact, for a timer that fires early by any part of the time since
 * boot fires again and again until that part has passed. shift is CLOCK_SHIFT, mult at most
 * CLOCK_MULT_MAX.
 */
#define CLOCK_SHIFT 24
#define CLOCK_MULT_MAX (1UL << 39)
static inline uint64_t
clock_unscale(uint64_t nsec, uint64_t mult, uint32_t shift)
{
    uint64_t whole = nsec / mult, rest = nsec % mult, ticks;

    if (whole >> (64 - shift) ||
        __builtin_add_overflow(whole << shift, ((rest << shift) + mult - 1) / mult, &ticks))
        return ~0UL;
    return ticks;
}

#endif
