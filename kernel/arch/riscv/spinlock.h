/*
 * Spinlocks: test-and-set. No queue, so nobody waits for a turn that belongs
 * to a hart whose host thread does not run: with ticket locks, four harts on
 * two cores of an emulator spent minutes passing turns to sleepers.
 *
 * The kernel runs with interrupts disabled (see hart.h), so a spinlock never
 * needs to disable them, and interrupt handlers may take any spinlock. Do not
 * sleep, touch user memory or take a mutex while holding one.
 *
 * Every lock has a class name. Debug builds record the order in which classes
 * are taken and panic on a cycle, on recursion, and on sleeping with a
 * spinlock held (see lockcheck.h). Two locks of one class are taken together
 * only with spin_lock_nested(), whose caller says what orders them.
 */
#ifndef QUIRE_ARCH_SPINLOCK_H
#define QUIRE_ARCH_SPINLOCK_H

#include "arch/riscv/lockcheck.h"
#include "lib/atomic.h"
#include "lib/hostile.h"
#include "lib/types.h"

struct spinlock {
    uint32_t locked; /* (atomic) */
    LOCKCHECK_FIELDS
};

#define SPINLOCK_INIT(class_name) {.locked = 0, LOCKCHECK_INIT(class_name)}

/* Make a lock of class `name` (a string constant), free. */
static inline void
spin_init(struct spinlock *lock, const char *name)
{
    *lock = (struct spinlock){.locked = 0};
    lockcheck_init(&lock->check, name);
}

/* Wait until the lock is free, and take it; the slow half of spin_lock(). */
void spin_wait(struct spinlock *lock);

static inline void
spin_lock_nested(struct spinlock *lock, unsigned depth)
{
    lockcheck_acquire(&lock->check, depth, LOCKCHECK_SPIN);
    if (unlikely(__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE)))
        spin_wait(lock);
    lockcheck_acquired(&lock->check, LOCKCHECK_SPIN);
}

static inline void
spin_lock(struct spinlock *lock)
{
    spin_lock_nested(lock, 0);
}

/* Take the lock if it is free; says whether it did. */
static inline bool
spin_trylock(struct spinlock *lock)
{
    if (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
        return false;
    lockcheck_acquire_try(&lock->check, LOCKCHECK_SPIN);
    return true;
}

static inline void
spin_unlock(struct spinlock *lock)
{
    lockcheck_release(&lock->check, LOCKCHECK_SPIN);
    store_release(&lock->locked, 0);
    hostile_delay();
}

static inline bool
spin_is_locked(const struct spinlock *lock)
{
    return __atomic_load_n(&lock->locked, __ATOMIC_RELAXED);
}

static inline void
spin_unlock_scope(struct spinlock **lock)
{
    spin_unlock(*lock);
}

/* Hold a spinlock to the end of the enclosing block. */
#define SCOPED_SPIN(lock)                                                                          \
    struct spinlock *CONCAT(scoped_spin_, __LINE__)                                                \
        __attribute__((cleanup(spin_unlock_scope), unused)) = (spin_lock(lock), (lock))

#endif
