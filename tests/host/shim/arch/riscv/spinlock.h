/*
 * For host tests: a lock between threads, which gives way while it waits.
 */
#ifndef QUIRE_ARCH_SPINLOCK_H
#define QUIRE_ARCH_SPINLOCK_H

#include <sched.h>

#include "lib/types.h"

struct spinlock {
    bool held;
};

#define SPINLOCK_INIT(class_name) {.held = false}

static inline void
spin_init(struct spinlock *lock, const char *name)
{
    lock->held = false;
}

static inline bool
spin_trylock(struct spinlock *lock)
{
    return !__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE);
}

static inline void
spin_lock(struct spinlock *lock)
{
    while (!spin_trylock(lock))
        sched_yield();
}

static inline void
spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
}

static inline void
spin_unlock_scope(struct spinlock **lock)
{
    spin_unlock(*lock);
}

#define SCOPED_SPIN(lock)                                                                          \
    struct spinlock *CONCAT(scoped_spin_, __LINE__)                                                \
        __attribute__((cleanup(spin_unlock_scope), unused)) = (spin_lock(lock), (lock))

#endif
