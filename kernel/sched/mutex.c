/*
 * Mutexes (mutex.h).
 *
 * owner is 0 (free), a thread (held), a thread with bit 0 (held, and somebody
 * sleeps), or just bit 0 (free, but let the sleepers in through the slow
 * path). Bit 0 changes only with waiters.lock held.
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
    struct wait_entry entry = {.thread = self, .queue = &mutex->waiters};
    spin_lock(&mutex->waiters.lock);
    list_add_tail(&mutex->waiters.entries, &entry.link);
    for (;;) {
        uint64_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
        if ((owner & ~HAS_WAITERS) == 0) {
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
    }
    list_del(&entry.link);
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
    store_release(&mutex->owner, HAS_WAITERS);
    struct wait_entry *first = LIST_FIRST(&mutex->waiters.entries, struct wait_entry, link);
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
