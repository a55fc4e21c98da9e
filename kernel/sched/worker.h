/*
 * Work for later: what a holder of spinlocks, or an interrupt, may not do for it takes long.
 * One kernel thread does it, piece by piece.
 */
#ifndef QUIRE_SCHED_WORKER_H
#define QUIRE_SCHED_WORKER_H

#include "lib/list.h"
#include "lib/types.h"

/* Embedded in what it is about, which lives as long as it is queued, and until `fn` has said false. */
struct work {
    struct list link;                /* (the worker's lock) */
    bool queued;                     /* (the worker's lock) */
    bool (*fn)(struct work *work);   /* constant. Does a piece, with no lock held; true: there is more */
};

/* Have work done; nothing if it is queued. Any context; no lock of the scheduler's held. */
void work_queue(struct work *work);
/* Is there a worker? Before that, at boot, no work is done. */
bool worker_runs(void);
/* Make the worker. Boot hart, once. */
void worker_start(void);

#endif
