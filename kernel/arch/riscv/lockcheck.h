/*
 * The lock checker of debug builds.
 *
 * Every lock belongs to a class, named by a string. Whenever a lock of class
 * B is taken while one of class A is held, the checker notes "A before B"; if
 * the notes ever form a cycle, two threads could deadlock, and the checker
 * panics naming the classes, even if this time nothing went wrong. It also
 * panics on taking a lock that its holder already holds and on sleeping while
 * a spinlock is held. In release builds all of it compiles to nothing.
 *
 * Spinlocks held are counted by hart, mutexes by thread.
 */
#ifndef QUIRE_ARCH_LOCKCHECK_H
#define QUIRE_ARCH_LOCKCHECK_H

#include "lib/types.h"

enum lockcheck_kind {
    LOCKCHECK_SPIN,
    LOCKCHECK_MUTEX,
};

#ifdef DEBUG

struct lockcheck {
    const char *name;
    uint16_t class_index; /* 0: not yet looked up */
    void *holder;         /* hart (spinlock) or thread (mutex) that holds it */
};

/* The mutexes that a thread holds; hart->mutexes_held is the current thread's. */
struct lockcheck_held {
    uint32_t count;
    uint16_t wanted; /* class of the lock that the thread waits for */
    struct lockcheck *held[8];
};

#define LOCKCHECK_FIELDS struct lockcheck check;
#define LOCKCHECK_INIT(class_name) .check = {.name = (class_name)}

void lockcheck_init(struct lockcheck *check, const char *name);
/* Before waiting for the lock. `depth` tells apart ordered locks of one class. */
void lockcheck_acquire(struct lockcheck *check, unsigned depth, enum lockcheck_kind kind);
/* Once it is taken. */
void lockcheck_acquired(struct lockcheck *check, enum lockcheck_kind kind);
/* After a successful try, which cannot deadlock and so notes no order. */
void lockcheck_acquire_try(struct lockcheck *check, enum lockcheck_kind kind);
/* Before the lock is let go; panics if the caller does not hold it. */
void lockcheck_release(struct lockcheck *check, enum lockcheck_kind kind);
/* A read section (vfs/deferred.h) begins or ends on this hart; it must not nest. */
void lockcheck_reading(bool begins);
/* Panic if a spinlock is held or in a read section: the caller is about to sleep or touch user memory. */
void lockcheck_may_sleep(const char *what);

#else

struct lockcheck {
};
struct lockcheck_held {
};
#define LOCKCHECK_FIELDS struct lockcheck check;
#define LOCKCHECK_INIT(class_name) .check = {}
#define lockcheck_init(check, name) ((void)(check), (void)(name))
#define lockcheck_acquire(check, depth, kind) ((void)(check), (void)(depth))
#define lockcheck_acquired(check, kind) ((void)(check))
#define lockcheck_acquire_try(check, kind) ((void)(check))
#define lockcheck_release(check, kind) ((void)(check))
#define lockcheck_reading(begins) ((void)(begins))
#define lockcheck_may_sleep(what) ((void)(what))

#endif
#endif
