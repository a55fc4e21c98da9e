/*
 * Telling the entries of a wait queue: inside sched/ only.
 *
 * A waker holds spinlocks, so it tells WAKE_BATCH entries and no more, those of queues that
 * are woken by its wakes included (an epoll's). The rest is noted at the queue, and a kernel
 * thread tells it in pieces. A thread whose call made the wake helps, before it returns to
 * user mode: what it does next finds all told. The kernel thread tells in the queue's order,
 * and of every event: a wake that comes while there is a rest is added to it, and then told
 * to all.
 *
 * The queue lives as long as it has entries. With the last one the rest goes, too.
 */
#ifndef QUIRE_SCHED_WAKEREST_H
#define QUIRE_SCHED_WAKEREST_H

#include "sched/wait.h"

#define WAKE_BATCH 48
#define WAKE_EVERY (~0U)

/*
 * Tell the entries, in order, until `nexclusive` exclusive ones have woken. The queue's lock
 * is held, and the queue has entries.
 */
void wake_begin(struct waitq *queue, uint64_t key, bool sync, uint32_t nexclusive);
/* Between the two calls, on a hart that runs timers, all wakes together tell what one may. */
void wake_share(bool begin);
/* An entry of a queue that has a rest was taken off. The queue's lock is held. */
void wake_entry_left(struct waitq *queue);

#endif
