/*
 * The longest stretches for which a hart was kept from something (debug builds).
 */
#ifndef QUIRE_SCHED_STALLS_H
#define QUIRE_SCHED_STALLS_H

#include "lib/types.h"

#define STALL_CALLERS 8
#define STALL_NONE (~0UL) /* of stall.call: no system call */

enum stall_kind {
    STALL_OFF,  /* interrupts were off */
    STALL_HELD, /* another thread should have run */
    NSTALLS,
};

/* One stretch, the longest of its kind that ended in one place during this call. */
struct stall {
    uint64_t nsec;
    uint64_t count;                 /* stretches of STALL_LEAST and more with the same key */
    uint64_t call;                  /* key: the system call's number at its end, or STALL_NONE */
    vaddr_t from;                   /* the preemption point where it began; 0: a trap */
    vaddr_t callers[STALL_CALLERS]; /* return addresses where it ended, the innermost first; 0: no more */
    char name[16];                  /* of the thread in which it ended */
};

#ifdef DEBUG

/* Begin to measure. Boot hart, before the others start. */
void stalls_init(void);
/*
 * A thread that runs on a hart is to give way, since a time in ns since boot. The first
 * such time counts. Any context.
 */
void stall_wanted(uint32_t hart, uint64_t since);
/* The thread that runs here gives way, or need not any more. */
void stall_given(void);
/* Copy the i-th record of a kind; false if there are not so many. */
bool stalls_get(enum stall_kind kind, uint32_t i, struct stall *stall);
/* Forget all. */
void stalls_clear(void);

#else

static inline void
stalls_init(void)
{
}

static inline void
stall_wanted(uint32_t hart __unused, uint64_t since __unused)
{
}

static inline void
stall_given(void)
{
}

#endif
#endif
