/*
 * Freeing what lock-free readers may still see; deferred.h tells the protocol.
 *
 * Everything here belongs to one hart and is touched by it alone, but for
 * the read counters, which each hart writes for itself and others read.
 */
#include "vfs/deferred.h"

#include "arch/riscv/panic.h"

#define BATCH 48 /* bounds what waits to a few pages a hart */

struct read_counter read_counters[MAX_HARTS];

struct batch {
    struct deferred *first;
    size_t n;
};

static struct {
    struct batch gathering;
    struct batch ripening;
    uint64_t seen[MAX_HARTS]; /* the counters when `ripening` was closed */
} __cacheline limbo[MAX_HARTS];

/* Wait until no hart still reads what it read when `seen` was taken. */
static void
wait_for_readers(const uint64_t *seen)
{
    for (uint32_t i = 0; i < nharts; i++) {
        if (seen[i] % 2 == 0)
            continue;
        while (__atomic_load_n(&read_counters[i].count, __ATOMIC_ACQUIRE) == seen[i])
            __asm__ volatile("nop" ::: "memory");
    }
}

static void
take_counters(uint64_t *seen)
{
    /* Before this fence: the unlinking. After it: what a reader that we miss may see. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < nharts; i++)
        seen[i] = __atomic_load_n(&read_counters[i].count, __ATOMIC_ACQUIRE);
}

static size_t
free_batch(struct batch batch)
{
    for (struct deferred *d = batch.first, *next; d; d = next) {
        next = d->next;
        d->fn(d);
    }
    return batch.n;
}

void
deferred_free(struct deferred *deferred, void (*fn)(struct deferred *deferred))
{
    __typeof__(limbo[0]) *mine = &limbo[this_hart()->index];

    deferred->fn = fn;
    deferred->next = mine->gathering.first;
    mine->gathering.first = deferred;
    if (++mine->gathering.n < BATCH)
        return;

    struct batch ripe = mine->ripening;
    if (ripe.first)
        wait_for_readers(mine->seen);
    mine->ripening = mine->gathering;
    mine->gathering = (struct batch){0};
    take_counters(mine->seen);
    free_batch(ripe);
}

size_t
deferred_flush(void)
{
    __typeof__(limbo[0]) *mine = &limbo[this_hart()->index];
    struct batch ripe = mine->ripening, fresh = mine->gathering;

    assert(read_counters[this_hart()->index].count % 2 == 0);
    mine->ripening = mine->gathering = (struct batch){0};
    take_counters(mine->seen);
    wait_for_readers(mine->seen);
    return free_batch(ripe) + free_batch(fresh);
}
