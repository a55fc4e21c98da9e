/*
 * Blocks zeroed ahead.
 *
 * To zero 2 MiB takes longer than all else about a superpage fault. A hart with
 * nothing to run does it before it is asked for, a few pages at a time, so that
 * it is never long away from its queue. One hart at a time prepares one block; what
 * is not finished when there is something to run is left for the next.
 *
 * Until it is taken a block is free memory like that in the harts' caches, and
 * counted as that. Nothing is prepared unless there is plenty, and when an
 * allocation finds nothing all are given back.
 */
#include "arch/riscv/spinlock.h"
#include "lib/atomic.h"
#include "mem/block.h"

#define MAX_PREPARED 16
#define PAGES_AT_ONCE 16
#define PLENTY 4 /* free memory, as a part of RAM */

static struct spinlock lock = SPINLOCK_INIT("zeroed blocks");
static struct frame *prepared[MAX_PREPARED]; /* guarded by lock */
static unsigned nprepared;                   /* guarded by lock; read by everybody */

/* The block in work, for whoever has set `working`. */
static uint32_t working; /* atomic */
static struct frame *unfinished;
static unsigned nzeroed; /* its pages */

uint64_t block_nprepared;

static size_t (*next_reclaim)(size_t wanted);

bool
block_prepare_wanted(void)
{
    return __atomic_load_n(&nprepared, __ATOMIC_RELAXED) < MAX_PREPARED &&
           frame_nfree() > nframes_ram / PLENTY && frame_fail_left() == 0;
}

/* Put a finished block where it can be taken. */
static void
finish(void)
{
    SCOPED_SPIN(&lock);
    prepared[nprepared] = unfinished;
    store_relaxed(&nprepared, nprepared + 1);
    unfinished = NULL;
}

bool
block_prepare(void)
{
    if (!block_prepare_wanted() || __atomic_exchange_n(&working, 1, __ATOMIC_ACQUIRE))
        return false;
    if (!unfinished) {
        unfinished = frame_alloc_spare(BLOCK_ORDER, FRAME_CACHED);
        nzeroed = 0;
    }
    bool more = unfinished;
    for (unsigned i = 0; more && i < PAGES_AT_ONCE && nzeroed < BLOCK_FRAMES; i++)
        page_zero(frame_va(&unfinished[nzeroed++]));
    if (more && nzeroed == BLOCK_FRAMES)
        finish();
    store_release(&working, 0);
    return more;
}

static struct frame *
pop(void)
{
    SCOPED_SPIN(&lock);
    if (nprepared == 0)
        return NULL;
    store_relaxed(&nprepared, nprepared - 1);
    return prepared[nprepared];
}

struct frame *
block_alloc_prepared(void)
{
    struct frame *head = NULL;
    if (__atomic_load_n(&nprepared, __ATOMIC_RELAXED) > 0)
        head = pop();
    if (!head)
        return block_alloc_zeroed();
    frame_set_owner(head, FRAME_ANON);
    block_make(head);
    __atomic_fetch_add(&block_nprepared, 1, __ATOMIC_RELAXED);
    return head;
}

static size_t
give_back(struct frame *head)
{
    frame_set_owner(head, FRAME_ANON); /* what is cached is not freed */
    frame_free(head);
    return BLOCK_FRAMES;
}

size_t
block_drain(void)
{
    size_t n = 0;
    struct frame *head;

    while ((head = pop()))
        n += give_back(head);
    if (!__atomic_exchange_n(&working, 1, __ATOMIC_ACQUIRE)) {
        if (unfinished)
            n += give_back(unfinished);
        unfinished = NULL;
        store_release(&working, 0);
    }
    return n;
}

static size_t
reclaim(size_t wanted)
{
    size_t n = block_drain();
    return n >= wanted || !next_reclaim ? n : n + next_reclaim(wanted - n);
}

void
block_init(void)
{
    next_reclaim = frame_reclaim;
    frame_reclaim = reclaim;
}
