/*
 * Reference counts.
 *
 * What another thread can reach lives until its last reference is dropped.
 * There are two ways to a new reference:
 *
 *      ref_get()       the caller already holds one, or a lock under which
 *                      one is held: the count is not 0
 *      ref_tryget()    the caller found the object where it does not count
 *                      (a table, a list, another thread's field), under a
 *                      lock or in a read section that keeps its memory: the
 *                      count may be 0, and then the object is not to be used
 *
 * A count that falls to 0 never rises again. A count that is misused (a get
 * at 0, a put at 0, more than REF_MAX references) is a bug that would end in
 * memory used after it was freed, so every build stops there.
 */
#ifndef QUIRE_LIB_REFCOUNT_H
#define QUIRE_LIB_REFCOUNT_H

#include "lib/atomic.h"
#include "lib/hostile.h"
#include "lib/types.h"

#define REF_MAX 0x7fffffffu /* each reference takes at least a word of memory somewhere */

struct refcount {
    uint32_t n; /* (A) */
};

#define REF_INIT(count) {.n = (count)}

/* Stop the machine: the count was `n` when `what` was asked of it. arch/riscv/panic.c. */
void ref_fault(const struct refcount *ref, const char *what, uint32_t n) __noreturn;

/*
 * Debug builds: stop the machine if an object that other threads will reach
 * lies in a kernel stack, where it ends when a function returns. All counted
 * objects are checked; publish() is for other pointers, where they are stored.
 */
#if defined(DEBUG) && !defined(QUIRE_HOST)
void publish_check(const void *object); /* arch/riscv/panic.c */
#else
static inline void
publish_check(const void *object)
{
    (void)object;
}
#endif
#define publish(object) (publish_check(object), (object))

/* Give a new object its first references. No other thread can reach it yet. */
static inline void
ref_init(struct refcount *ref, uint32_t n)
{
    publish_check(ref);
    store_relaxed(&ref->n, n);
}

/* How many references there are, or were a moment ago. */
static inline uint32_t
ref_count(const struct refcount *ref)
{
    return __atomic_load_n(&ref->n, __ATOMIC_ACQUIRE);
}

/* One more reference; the caller knows that there is one already. */
static inline void
ref_get(struct refcount *ref)
{
    publish_check(ref);
    hostile_delay();
    uint32_t old = __atomic_fetch_add(&ref->n, 1, __ATOMIC_RELAXED);

    if (unlikely(old - 1 >= REF_MAX))
        ref_fault(ref, "get", old);
}

/* One more reference, unless there is none left: then false. The object's memory must be safe to touch. */
static inline bool
ref_tryget(struct refcount *ref)
{
    hostile_delay();
    uint32_t old = __atomic_load_n(&ref->n, __ATOMIC_RELAXED);

    do {
        if (old == 0)
            return false;
        if (unlikely(old >= REF_MAX))
            ref_fault(ref, "tryget", old);
    } while (!__atomic_compare_exchange_n(&ref->n, &old, old + 1, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return true;
}

/* Drop a reference. True: it was the last, and the caller must free the object. */
static inline bool
ref_put(struct refcount *ref)
{
    uint32_t old = __atomic_fetch_sub(&ref->n, 1, __ATOMIC_ACQ_REL);

    /* The common case first, by one comparison: a caller that has nothing else to do needs no stack frame for it. */
    if ((int32_t)old > 1) {
        hostile_delay();
        return false;
    }
    if (unlikely(old != 1))
        ref_fault(ref, "put", old);
    hostile_delay();
    return true;
}

/* Drop a reference unless it is the last: then false, and nothing has changed. */
static inline bool
ref_put_unless_last(struct refcount *ref)
{
    hostile_delay();
    uint32_t old = __atomic_load_n(&ref->n, __ATOMIC_RELAXED);

    while (old > 1)
        if (__atomic_compare_exchange_n(&ref->n, &old, old - 1, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return true;
    if (unlikely(old == 0))
        ref_fault(ref, "put", old);
    return false;
}

#endif
