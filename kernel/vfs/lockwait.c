/*
 * Requests for advisory locks that wait.
 *
 * Each file has its own mutex and lists; files have nothing to do with each
 * other. A request that finds a lock in its way (its obstacle) waits for just
 * that lock:
 *
 *      lock held  <-- waiters: request, request, ...
 *
 * and is woken when that lock goes, shrinks or changes its type. If several
 * waiters want what excludes each other, only the first is woken, and the
 * others wait behind its request: were all woken, all but one would find it in
 * their way again. A request that has to wait once more passes those behind it
 * on, so what a request waits for is a lock held or a request just woken, never
 * a chain.
 *
 * A POSIX owner deadlocks if the owner it would wait for waits, over any number
 * of steps, for it. All waiting POSIX requests therefore stand in one hash table
 * by owner, the graph; who waits for what changes under graph_lock alone, so a
 * request leaves the graph in the moment in which its obstacle goes, not when
 * its thread runs again. The search gives up after a few steps, as Linux's does:
 * the threads of a circle that is not found sleep until a signal comes.
 *
 * Lock order: file_locks.lock, graph_lock. A request's structure is its waiting
 * thread's; after it was woken, or gave up, that thread takes file_locks.lock
 * before it frees it, so holders of that lock may use the requests they woke.
 */
#include "vfs/locks_internal.h"

#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/hash.h"
#include "sched/thread.h"

#define GRAPH_BUCKETS 1024
#define MOST_STEPS 10   /* of the search for a deadlock, from owner to owner: as Linux */
#define MOST_PROBES 256 /* of a bucket in one step */

static struct spinlock graph_lock = SPINLOCK_INIT("lock graph");
static struct list graph[GRAPH_BUCKETS]; /* (G) */

void
locks_init(void)
{
    for (size_t i = 0; i < GRAPH_BUCKETS; i++)
        list_init(&graph[i]);
}

static struct list *
bucket_of(const void *owner)
{
    return &graph[hash64_pair((uint64_t)owner, 0) % GRAPH_BUCKETS];
}

/* graph_lock held. */
static void
block(struct file_lock *want, struct file_lock *obstacle)
{
    want->blocker = obstacle;
    list_add_tail(&obstacle->waiters, &want->wait_link);
    if (want->kind == KIND_POSIX)
        list_add_tail(bucket_of(want->owner), &want->graph_link);
}

/* graph_lock held. */
static void
unblock(struct file_lock *want)
{
    want->blocker = NULL;
    list_del(&want->wait_link);
    list_del(&want->graph_link);
}

/* Let a request that waits no more look again. graph_lock held. */
static void
wake(struct file_lock *want)
{
    store_release(&want->woken, true);
    thread_wake(want->thread, false);
}

/* What one of owner's requests waits for, or NULL. graph_lock held. */
static struct file_lock *
obstacle_of(const void *owner)
{
    struct file_lock *request;
    unsigned probes = 0;

    LIST_FOREACH(request, bucket_of(owner), graph_link) {
        if (request->owner == owner)
            return request->blocker;
        if (++probes == MOST_PROBES)
            break;
    }
    return NULL;
}

/* Would want's owner close a circle if it waited for obstacle? graph_lock held. */
static bool
would_deadlock(const struct file_lock *want, const struct file_lock *obstacle)
{
    if (want->kind != KIND_POSIX)
        return false;
    for (unsigned steps = 0; steps < MOST_STEPS; steps++) {
        if (obstacle->kind != KIND_POSIX)
            return false;
        obstacle = obstacle_of(obstacle->owner);
        if (!obstacle)
            return false;
        if (obstacle->owner == want->owner)
            return true;
    }
    return false;
}

void
lock_release_waiters(struct file_lock *lock)
{
    struct file_lock *ahead = NULL;

    for (unsigned n = 0;; preempt_every(&n, LOCKS_AT_ONCE)) {
        SCOPED_SPIN(&graph_lock);
        struct file_lock *waiter = LIST_FIRST(&lock->waiters, struct file_lock, wait_link);
        if (!waiter)
            return;
        unblock(waiter);
        if (ahead && lock_conflict(ahead, waiter)) {
            block(waiter, ahead);
        } else {
            wake(waiter);
            ahead = waiter;
        }
    }
}

void
lock_pass_on(struct file_lock *from, struct file_lock *to)
{
    for (unsigned n = 0;; preempt_every(&n, LOCKS_AT_ONCE)) {
        SCOPED_SPIN(&graph_lock);
        struct file_lock *waiter = LIST_FIRST(&from->waiters, struct file_lock, wait_link);
        if (!waiter)
            return;
        unblock(waiter);
        if (lock_conflict(to, waiter) && !would_deadlock(waiter, to))
            block(waiter, to);
        else
            wake(waiter);
    }
}

int
lock_wait_behind(struct file_locks *locks, struct file_lock *want, struct file_lock *obstacle)
{
    lock_pass_on(want, obstacle);
    spin_lock(&graph_lock);
    bool deadlock = would_deadlock(want, obstacle);
    if (!deadlock) {
        want->woken = false;
        block(want, obstacle);
    }
    spin_unlock(&graph_lock);
    if (deadlock)
        return -EDEADLK;

    mutex_unlock(&locks->lock);
    int error = sleep_unless(&want->woken, DEADLINE_NEVER, WAIT_INTERRUPTIBLE);
    mutex_lock(&locks->lock);
    spin_lock(&graph_lock);
    bool waits = want->blocker;
    if (waits)
        unblock(want);
    spin_unlock(&graph_lock);
    return error && waits ? -ERESTARTSYS : 0;
}
