/*
 * Blocks: the 2 MiB behind a superpage (see block.h).
 *
 * A block comes from the allocator as one piece and is divided at once, so
 * that what splits a superpage later cannot fail for want of anything but the
 * table. Mostly nobody does, and the block goes back as the one piece it was.
 */
#include "mem/block.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"

uint64_t block_nalloc, block_nfailed, block_nbroken, block_nlive;

/* Pages to zero between two chances for others to run. */
#define ZERO_BATCH 64

static inline void
tick(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void
block_make(struct frame *head)
{
    frame_split(head);
    head->nunits = 1;
    tick(&block_nalloc);
    tick(&block_nlive);
}

struct frame *
block_alloc_zeroed(void)
{
    struct frame *head = frame_alloc_spare(BLOCK_ORDER, FRAME_ANON);
    if (!head) {
        tick(&block_nfailed);
        return NULL;
    }
    for (unsigned i = 0; i < BLOCK_FRAMES; i++) {
        page_zero(frame_va(&head[i]));
        if (i % ZERO_BATCH == 0)
            preempt_point();
    }
    block_make(head);
    return head;
}

void
block_get(struct frame *head)
{
    __atomic_fetch_add(&head->nunits, 1, __ATOMIC_RELAXED);
}

/* Drop a unit; true if it was the last. */
static inline bool
put_unit(struct frame *head)
{
    uint32_t nunits = __atomic_load_n(&head->nunits, __ATOMIC_ACQUIRE);

    assert(nunits != 0);
    /* One unit is the caller's own: nobody else can change it. */
    if (nunits == 1) {
        head->nunits = 0;
        return true;
    }
    return __atomic_sub_fetch(&head->nunits, 1, __ATOMIC_ACQ_REL) == 0;
}

/* Has every frame one reference, and no more? */
static bool
all_single(const struct frame *head)
{
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        if (__atomic_load_n(&head[i].refs, __ATOMIC_ACQUIRE) != 1)
            return false;
    return true;
}

/*
 * Drop the block's own reference to each frame. Without units, and with no
 * reference but these, nobody is left who could make one.
 */
static void
dissolve(struct frame *head)
{
    if (all_single(head)) {
        frame_join(head, BLOCK_ORDER);
        frame_free(head);
        return;
    }
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        frame_put(&head[i]);
}

void
block_put(struct frame *head)
{
    if (put_unit(head)) {
        __atomic_fetch_sub(&block_nlive, 1, __ATOMIC_RELAXED);
        dissolve(head);
    }
}

bool
block_is_sole(struct frame *head)
{
    return __atomic_load_n(&head->nunits, __ATOMIC_ACQUIRE) == 1 && all_single(head);
}

void
block_break(struct frame *head)
{
    tick(&block_nbroken);
    if (__atomic_load_n(&head->nunits, __ATOMIC_ACQUIRE) == 1) {
        head->nunits = 0; /* and the block's references become the leaves' */
        __atomic_fetch_sub(&block_nlive, 1, __ATOMIC_RELAXED);
        return;
    }
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        frame_get(&head[i]);
    block_put(head);
}
