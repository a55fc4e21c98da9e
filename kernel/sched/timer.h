/*
 * Timers: run a function at a time, to the nanosecond the clock allows.
 *
 * Each hart keeps its timers in a tree by deadline and programs its one
 * hardware timer for the first; a hart with none takes no tick. The function
 * runs in the timer interrupt, must not sleep, and may set its timer again.
 *
 * A timer goes by the time since boot or by the wall clock. The wall clock is
 * the time since boot plus an offset; when it is set, the timers that go by
 * it are due earlier or later from that moment on.
 */
#ifndef QUIRE_SCHED_TIMER_H
#define QUIRE_SCHED_TIMER_H

#include "arch/riscv/clock.h"
#include "lib/rbtree.h"
#include "lib/types.h"

struct timer {
    struct rbnode node;
    uint64_t deadline; /* ns since boot, or of the wall clock */
    void (*fn)(struct timer *timer);
    uint32_t hart;
    bool armed;
    bool wall;
};

void timer_init(struct timer *timer, void (*fn)(struct timer *timer));
/* Arm (or re-arm) for `deadline`; in the past: at once. */
void timer_set(struct timer *timer, uint64_t deadline);
/* The same for a time of the wall clock, ns since 1970. */
void timer_set_wall(struct timer *timer, uint64_t time);
/*
 * The wall clock was set: it is the time since boot plus `offset` from here
 * on. The caller sees to it that calls do not overlap.
 */
void timers_wall_set(uint64_t offset);
/* In an interrupt from another hart: program the hardware timer if that hart changed what it is for. */
void timer_reprogram(void);
/* Disarm, and wait until fn is not running. True if it was armed. */
bool timer_cancel(struct timer *timer);

/* Empty queues, and the timer interrupt. Called by sched_init(). */
void timers_init(void);

#endif
