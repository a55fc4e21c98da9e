/*
 * Mutexes (mutex.h).
 *
 * owner is 0 (free), a thread (held), a thread with bit 0 (held, and threads
 * wait), or just bit 0 (free, and threads wait: the way in is the slow one).
 * Bit 0 changes only with waiters.lock held, and while it is set, so does the
 * rest.
 *
 * A mutex that is let go is free until the first waiter runs, and a thread
 * that comes meanwhile may take it: a switch for each holder would be slow. A
 * waiter that woke and found it taken is not passed a second time: the next
 * holder lets the mutex go to that waiter, without a moment in which it is
 * free. So each waiter is passed by few, and none waits for ever.
 */
#include "sched/mutex.h"

#include "arch/riscv/panic.h"
#include "lib/atomic.h"
#include "lib/hostile.h"
#include "sched/thread.h"

#define HAS_WAITERS 1UL
#define SPIN_LIMIT 200

void
mutex_init(struct mutex *mutex, const char *name)
{
    mutex->owner = 0;
    waitq_init(&mutex->waiters);
    lockcheck_init(&mutex->check, name);
}

/* A thread that waits, on its own stack. Guarded by waiters.lock. */
struct waiter {
    struct list link;
    struct thread *thread;
    bool passed; /* it woke, and another thread had the mutex */
};

static bool
try_acquire(struct mutex *mutex, uint64_t expected, uint64_t owner)
{
    return __atomic_compare_exchange_n(&mutex->owner, &expected, owner, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/*
 * Wait a little while the owner runs on another hart. The owner's struct may
 * be gone by the time we look; then we read a stale byte of some other object,
 * and at worst spin, or stop spinning, for nothing.
 */
static bool
spin_for(struct mutex *mutex, uint64_t self)
{
    for (unsigned i = 0; i < SPIN_LIMIT; i++) {
        uint64_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
        if (owner == 0 && try_acquire(mutex, 0, self))
            return true;
        if (owner & HAS_WAITERS)
            return false;
        if (owner && !__atomic_load_n(&((struct thread *)owner)->on_hart, __ATOMIC_RELAXED))
            return false;
    }
    return false;
}

static void
lock_slow(struct mutex *mutex)
{
    struct thread *self = current_thread();
    if (spin_for(mutex, (uint64_t)self))
        return;
    struct waiter waiter = {.thread = self};
    spin_lock(&mutex->waiters.lock);
    list_add_tail(&mutex->waiters.entries, &waiter.link);
    for (;;) {
        uint64_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_ACQUIRE);
        uint64_t holder = owner & ~HAS_WAITERS;
        if (holder == 0 || (waiter.passed && holder == (uint64_t)self)) { /* free, or given to it */
            bool alone = list_first(&mutex->waiters.entries) == list_last(&mutex->waiters.entries);
            if (try_acquire(mutex, owner, (uint64_t)self | (alone ? 0 : HAS_WAITERS)))
                break;
            continue;
        }
        if (!(owner & HAS_WAITERS) && !try_acquire(mutex, owner, owner | HAS_WAITERS))
            continue;
        self->interruptible = false;
        __atomic_store_n(&self->state, THREAD_SLEEPING, __ATOMIC_SEQ_CST);
        spin_unlock(&mutex->waiters.lock);
        schedule();
        spin_lock(&mutex->waiters.lock);
        waiter.passed = true; /* unless it is had now */
    }
    list_del(&waiter.link);
    spin_unlock(&mutex->waiters.lock);
}

void
mutex_lock_nested(struct mutex *mutex, unsigned depth)
{
    hostile_switch();
    lockcheck_acquire(&mutex->check, depth, LOCKCHECK_MUTEX);
    if (unlikely(!try_acquire(mutex, 0, (uint64_t)current_thread())))
        lock_slow(mutex);
    lockcheck_acquired(&mutex->check, LOCKCHECK_MUTEX);
}

void
mutex_lock(struct mutex *mutex)
{
    mutex_lock_nested(mutex, 0);
}

bool
mutex_trylock(struct mutex *mutex)
{
    if (!try_acquire(mutex, 0, (uint64_t)current_thread()))
        return false;
    lockcheck_acquire_try(&mutex->check, LOCKCHECK_MUTEX);
    return true;
}

static void
unlock_slow(struct mutex *mutex)
{
    SCOPED_SPIN(&mutex->waiters.lock);
    const struct waiter *first = LIST_FIRST(&mutex->waiters.entries, struct waiter, link);
    uint64_t next = first->passed ? (uint64_t)first->thread : 0;
    store_release(&mutex->owner, next | HAS_WAITERS);
    thread_wake(first->thread, false);
}

void
mutex_unlock(struct mutex *mutex)
{
    lockcheck_release(&mutex->check, LOCKCHECK_MUTEX);
    uint64_t self = (uint64_t)current_thread();
    if (unlikely(!__atomic_compare_exchange_n(&mutex->owner, &self, 0, false, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED)))
        unlock_slow(mutex);
    hostile_switch();
}

bool
mutex_held(const struct mutex *mutex)
{
    return (__atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) & ~HAS_WAITERS) ==
           (uint64_t)current_thread();
}
