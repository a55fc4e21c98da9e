/*
 * Reading without locks, and freeing late.
 *
 * The walk over names reads dentries, inodes and mounts that nobody keeps
 * from going away. So whoever takes such a thing out of the tree frees its
 * memory only when every hart that may have been reading has stopped:
 *
 *      reader                          remover
 *          read_enter();                   unlink the thing
 *          follow pointers, read           deferred_free(&thing->deferred, fn);
 *          read_leave();                   ... fn(&thing->deferred), later
 *
 * A reader does not sleep between enter and leave, and the kernel is not
 * preemptible, so one counter a hart tells: odd while it reads. What was
 * unlinked before a hart's counter was seen even, or seen to change, cannot
 * be known to that hart any more. Things wait in batches, one gathering and
 * one ripening for each hart; a batch that is full finds the one before it
 * ripe, in practice always.
 */
#ifndef QUIRE_VFS_DEFERRED_H
#define QUIRE_VFS_DEFERRED_H

#include "arch/riscv/hart.h"
#include "arch/riscv/lockcheck.h"
#include "lib/atomic.h"
#include "lib/hostile.h"
#include "lib/types.h"

/* Embedded in what is freed late. */
struct deferred {
    struct deferred *next;
    void (*fn)(struct deferred *deferred);
};

struct read_counter {
    uint64_t count; /* odd: this hart reads */
} __cacheline;
extern struct read_counter read_counters[MAX_HARTS];

/* From here to read_leave(), nothing that can be reached is freed. Does not nest; do not sleep. */
static inline void
read_enter(void)
{
    uint64_t *count = &read_counters[this_hart()->index].count;
    store_relaxed(count, *count + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    lockcheck_reading(true);
    hostile_delay();
}

static inline void
read_leave(void)
{
    uint64_t *count = &read_counters[this_hart()->index].count;
    hostile_delay();
    lockcheck_reading(false);
    store_release(count, *count + 1);
}

/*
 * Call fn(deferred) when no reader can hold a pointer to it any more, on this hart, from
 * this or a later call. fn must not sleep or take locks that callers of this may hold.
 * Not between read_enter() and read_leave().
 */
void deferred_free(struct deferred *deferred, void (*fn)(struct deferred *deferred));
/* Free what this hart has waiting, now. Returns how many. When memory is short. */
size_t deferred_flush(void);

#endif
