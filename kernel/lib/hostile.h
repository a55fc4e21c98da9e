/*
 * Where a hostile scheduler may strike (debug builds).
 *
 * A race needs two harts, or two threads, in the right places within a few
 * instructions. These hooks stand where such windows open and close; with the
 * boot argument hostile=SEED, sched/hostile.c delays the hart there, or gives
 * it to another thread, so that a window which is met once in a day is met
 * within seconds. Without the boot argument a hook is a load and a branch. In
 * release builds it is nothing.
 */
#ifndef QUIRE_LIB_HOSTILE_H
#define QUIRE_LIB_HOSTILE_H

#include "lib/types.h"

#ifdef DEBUG

/* Constant once secondary harts run. NULL: no hostile scheduler. */
extern void (*hostile_delay_hook)(void);
extern void (*hostile_switch_hook)(void);

/* The hart may stop here for up to half a millisecond. Any context. */
static inline void
hostile_delay(void)
{
    if (unlikely(hostile_delay_hook))
        hostile_delay_hook();
}

/*
 * The same, and other threads may run meanwhile, if the state of the thread
 * and of the hart allow it: no spinlock held, not inside a read section, the
 * thread RUNNING. The caller must not rely on staying on its hart.
 */
static inline void
hostile_switch(void)
{
    if (unlikely(hostile_switch_hook))
        hostile_switch_hook();
}

#else

static inline void
hostile_delay(void)
{
}

static inline void
hostile_switch(void)
{
}

#endif
#endif
