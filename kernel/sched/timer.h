/*
 * Timers: run a function at a time, to the nanosecond the clock allows.
 *
 * Each hart keeps its timers in a tree by deadline and programs its one
 * hardware timer for the first; a hart with none takes no tick. The function
 * runs in the timer interrupt, must not sleep, and may set its timer again.
 */
#ifndef QUIRE_SCHED_TIMER_H
#define QUIRE_SCHED_TIMER_H

#include "arch/riscv/clock.h"
#include "lib/rbtree.h"
#include "lib/types.h"

struct timer {
    struct rbnode node;
    uint64_t deadline; /* ns since boot */
    void (*fn)(struct timer *timer);
    uint32_t hart;
    bool armed;
};

void timer_init(struct timer *timer, void (*fn)(struct timer *timer));
/* Arm (or re-arm) for `deadline`; in the past: at once. */
void timer_set(struct timer *timer, uint64_t deadline);
/* Disarm, and wait until fn is not running. True if it was armed. */
bool timer_cancel(struct timer *timer);

/* Empty queues, and the timer interrupt. Called by sched_init(). */
void timers_init(void);

#endif
