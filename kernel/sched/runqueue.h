/*
 * Run queues: which ready thread a hart runs next. Private to sched/.
 *
 * Each hart has a queue of ready threads in a tree, lowest key first. The key
 * is the thread's vruntime: time on a hart in ns, weighted by its nice value,
 * so that who ran least runs next. Real-time threads have keys below all
 * others, by priority, and are not charged. A thread that wakes is not put
 * further back than WAKE_BONUS before the queue's own vruntime, however long
 * it slept.
 *
 * Of two real-time threads of one priority a SCHED_FIFO one runs until it sleeps or
 * yields, and a SCHED_RR one until the tick. Real time does not shut the others out: when
 * nothing else has run for RT_MOST though something waited, the others go first for
 * FAIR_SHARE, so that a program gone wrong can still be stopped (sched(7)).
 */
#ifndef QUIRE_SCHED_RUNQUEUE_H
#define QUIRE_SCHED_RUNQUEUE_H

#include "arch/riscv/clock.h"
#include "arch/riscv/spinlock.h"
#include "lib/rbtree.h"
#include "sched/thread.h"

#define TICK_NSEC (4 * NSEC_PER_MSEC)         /* between ticks of a busy hart */
#define BALANCE_TICK_NSEC (1 * NSEC_PER_MSEC) /* the same while work waits here and harts idle */
#define WAKE_BONUS (3 * NSEC_PER_MSEC)
#define DISTRUST 8 /* see sched.c */
/* Real time has 95 % of a hart on which others wait, as on Linux: 0.95 s, then 0.05 s for them. */
#define RT_MOST (950 * NSEC_PER_MSEC)
#define FAIR_SHARE (50 * NSEC_PER_MSEC)
#define PREEMPT_GRANULARITY (1 * NSEC_PER_MSEC)
#define STEAL_DEPTH 32 /* ready threads that an idle hart looks at in one queue */

/* Guarded by: (Q) lock  (A) atomic  (H) its own hart only */
struct runqueue {
    struct spinlock lock;
    struct rbtree ready;      /* (Q) thread->run_node by run_key */
    uint32_t nready;          /* (Q to write, A to read) */
    struct thread *current;   /* (Q) */
    struct thread *previous;  /* (Q) across swtch(): who just left */
    uint64_t min_vruntime;    /* (Q) never goes back */
    uint64_t rt_since;        /* (Q) when real time took the hart from all others; 0: it has not */
    uint64_t fair_until;      /* (Q) until then others go before real time; 0: they do not */
    uint64_t tick_deadline;   /* (H) when the next tick is due; DEADLINE_NEVER: none */
    uint64_t nswitches;       /* (H) */
    uint64_t idle_nsec;       /* (H) */
    uint64_t user_ticks, system_ticks; /* (H) */
    uint64_t user_told, system_told;   /* (Q) what sched_hart_times() said last */
} __cacheline;

extern struct runqueue runqueues[MAX_HARTS];
extern cpumask_t idle_harts; /* (A) harts that wait for an interrupt, or are about to */

/* This hart's. */
static inline struct runqueue *
this_runqueue(void)
{
    return &runqueues[this_hart()->index];
}

/* Put a READY thread in the tree behind its equals / take it out. Lock held. */
void runqueue_add(struct runqueue *queue, struct thread *thread);
/* The same for the running thread, which has to give way: a SCHED_FIFO one goes before its equals. */
void runqueue_add_preempted(struct runqueue *queue, struct thread *thread);
void runqueue_remove(struct runqueue *queue, struct thread *thread);
/*
 * Make a thread that is in no tree MOVING: from here on its vruntime is
 * relative to no queue's. Lock held.
 */
void runqueue_detach(struct runqueue *queue, struct thread *thread);
/* Make a MOVING thread READY in the terms of a queue; runqueue_add() must follow. Lock held. */
void runqueue_attach(struct runqueue *queue, struct thread *thread);
/* The ready thread with the lowest key, or NULL. Lock held. */
struct thread *runqueue_first(struct runqueue *queue);
/* The ready thread to run next at time now, or NULL: the first, or the first that is not of real time. Lock held. */
struct thread *runqueue_next(struct runqueue *queue, uint64_t now);
/* A thread, or the idle one, takes the hart at time now, or has it. Lock held. */
void runqueue_note_running(struct runqueue *queue, const struct thread *thread, uint64_t now);
/* At a tick: should the running thread give way to a ready one? Lock held. */
bool runqueue_tick_preempts(struct runqueue *queue, const struct thread *self, uint64_t now);
/* The queue that guards a thread, locked. */
struct runqueue *runqueue_lock_of(struct thread *thread);
/* Add the time since ran_since to a running thread's account. Lock held. */
void runqueue_charge(struct runqueue *queue, struct thread *thread, uint64_t now);
/* Would `challenger`, which wakes, do better than `current`? sync: current is about to sleep. */
bool runqueue_preempts(const struct thread *challenger, const struct thread *current, bool sync);

/* The periodic tick of a busy hart (sched/account.c): samples, time slices, balancing. */
void sched_tick(uint64_t now);
/* Program this hart's timer for the earlier of its first timer and its tick. */
void timer_program(void);

#endif
