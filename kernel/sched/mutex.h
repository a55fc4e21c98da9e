/*
 * Mutexes: locks that sleep.
 *
 * Uncontended lock and unlock are one atomic instruction each. A contender
 * spins while the owner runs on another hart, else sleeps. Not recursive; the
 * thread that took it lets it go. May not be taken in interrupt handlers or
 * with a spinlock held. User memory may be touched with a mutex held, except
 * the address space's own and the page cache's (see vm/usercopy.h).
 */
#ifndef QUIRE_SCHED_MUTEX_H
#define QUIRE_SCHED_MUTEX_H

#include "arch/riscv/lockcheck.h"
#include "sched/wait.h"

struct mutex {
    uint64_t owner; /* (A) struct thread *, bit 0: somebody sleeps */
    struct waitq waiters; /* lists what mutex.c says, no wait_entry */
    LOCKCHECK_FIELDS
};

#define MUTEX_INIT(m, class_name)                                                                  \
    {.owner = 0, .waiters = WAITQ_INIT((m).waiters), LOCKCHECK_INIT(class_name)}

void mutex_init(struct mutex *mutex, const char *name);
void mutex_lock(struct mutex *mutex);
/* The same for a second lock of one class; the caller says what orders them. */
void mutex_lock_nested(struct mutex *mutex, unsigned depth);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
/* True if the current thread holds it. */
bool mutex_held(const struct mutex *mutex);

static inline void
mutex_unlock_scope(struct mutex **mutex)
{
    mutex_unlock(*mutex);
}

/* Hold a mutex to the end of the enclosing block. */
#define SCOPED_LOCK(m)                                                                             \
    struct mutex *CONCAT(scoped_lock_, __LINE__)                                                   \
        __attribute__((cleanup(mutex_unlock_scope), unused)) = (mutex_lock(m), (m))

#endif
