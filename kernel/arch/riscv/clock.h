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
/* Multiplier and shift such that ns = ((ticks - clock_base) * mult) >> shift, for the vDSO. */
extern uint64_t clock_mult, clock_base;
extern uint32_t clock_shift;

#endif
