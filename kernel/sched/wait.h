/*
 * Waiting for something to become true.
 *
 * A wait queue lists threads (and poll entries) to be told of an event. The
 * pattern, with the condition guarded by some spinlock:
 *
 *      spin_lock(&thing->lock);
 *      while (!thing->ready) {
 *          int error = wait_on(&thing->waiters, &thing->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER);
 *          if (error) { spin_unlock(&thing->lock); return error; }
 *      }
 *      ... lock held, condition true ...
 *
 * and whoever makes it true, with the same lock held: wake_all(&thing->waiters).
 * wait_on() lists the thread before it lets the lock go, so no wake is lost.
 *
 * A wake tells some entries at once. If a queue has more of them, a kernel thread tells the
 * rest soon after (wakerest.c), for the waker holds spinlocks.
 */
#ifndef QUIRE_SCHED_WAIT_H
#define QUIRE_SCHED_WAIT_H

#include "arch/riscv/spinlock.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/refcount.h"
#include "lib/types.h"

struct thread;
struct wait_entry;
struct wake_rest;

struct waitq {
    struct spinlock lock;
    bool counted;        /* constant: the queue of a struct shared_waitq */
    struct list entries; /* guarded by lock */
    struct wake_rest *rest; /* guarded by lock: a wake that has not told all; NULL: none */
};

/*
 * A queue that may be needed longer than what it tells of: each entry on it holds a
 * reference. waitq_shared() makes one with one reference, its lock of class `name`;
 * NULL: memory is out.
 */
struct shared_waitq {
    struct waitq queue;
    struct refcount refs; /* (A) */
};
struct shared_waitq *waitq_shared(const char *name);
void waitq_shared_put(struct shared_waitq *shared);

/*
 * One listener. `notify` runs with the queue's lock held, in any context; it
 * must not take locks that are held while waking, and takes no entry off the queue. `key` is
 * what the waker passed (poll's event bits; 0: anything). Returns true if it counts as one
 * woken (for wake_one). It may be told more than once, and of events of wakes before.
 */
struct wait_entry {
    struct list link;
    struct waitq *queue; /* NULL: not listed */
    bool (*notify)(struct wait_entry *entry, uint64_t key, bool sync);
    struct thread *thread;
    bool exclusive; /* wake_one stops after it */
    bool woken;
};

#define WAITQ_INIT(q) {.lock = SPINLOCK_INIT("waitq"), .entries = LIST_INIT((q).entries)}
void waitq_init(struct waitq *queue);
static inline bool
waitq_empty(const struct waitq *queue)
{
    return list_empty(&queue->entries);
}

#define WAIT_UNINTERRUPTIBLE 0
#define WAIT_INTERRUPTIBLE BIT(0) /* -EINTR when a signal comes (callers turn it into -ERESTARTSYS) */
#define WAIT_EXCLUSIVE BIT(1)     /* wake_one() wakes one such waiter */
#define WAIT_WALL BIT(2)          /* the deadline is a time of the wall clock (ns since 1970), which may be set */
#define DEADLINE_NEVER (~0UL)

/*
 * Sleep until woken, letting `lock` go meanwhile; it is held again on return
 * (NULL: no lock). `deadline` in ns since boot. 0: woken, check the condition
 * again; -EINTR; -ETIMEDOUT. No other spinlock held.
 */
int wait_on(struct waitq *queue, struct spinlock *lock, unsigned flags, uint64_t deadline);

/* Wake every waiter / one exclusive waiter and every other / everyone with poll events `key`. */
void wake_all(struct waitq *queue);
void wake_one(struct waitq *queue);
void wake_key(struct waitq *queue, uint64_t key);
/* The same, by a waker that is about to sleep: runs the woken thread on this hart next. */
void wake_key_sync(struct waitq *queue, uint64_t key);
/* The same from a notify of another queue; `depth`, from 1 on, orders queues of one class. */
void wake_key_nested(struct waitq *queue, uint64_t key, bool sync, unsigned depth);

/* Sleep on no queue: until thread_wake(), a deadline or a signal. 0, -ETIMEDOUT, -EINTR. */
int sleep_until(uint64_t deadline, unsigned flags);
/*
 * The same, but do not sleep (0) if *happened is set: whoever wakes sets it first and then
 * calls thread_wake(), so no wake is lost.
 */
int sleep_unless(const bool *happened, uint64_t deadline, unsigned flags);

/* The current thread's work (WORK_WAKES): tell what its wakes have left. No lock held. */
void wake_finish(void);

/* For poll and futex: list and unlist entries by hand. waitq_remove is safe if not listed. */
void waitq_add(struct waitq *queue, struct wait_entry *entry);
void waitq_remove(struct wait_entry *entry);

#endif
