/*
 * The buddy allocator.
 *
 * A block of 2^order frames starts at a multiple of its size, and its buddy
 * is the block that differs from it in that one bit of the frame's index. A
 * request takes the smallest free block that is large enough and halves it
 * until it fits; a freed block joins its buddy as long as that one is free
 * and whole. Free blocks of each order are on a list, linked through the
 * descriptor of their first frame, which is marked FRAME_HEAD.
 *
 * At boot nearly all RAM is whole blocks of the highest order. Filling in 1024
 * descriptors for each would be most of the time that booting takes, so such
 * blocks are only bits in a map, `fresh`, and their descriptors are filled in
 * when they are first taken. Nobody looks at them before: a buddy below the
 * highest order always lies in the same block.
 */
#include "mem/buddy.h"
#include "lib/bitmap.h"
#include "lib/string.h"

#define MAX_BLOCKS (DIRECT_SIZE / LARGEST_SIZE)

struct spinlock buddy_lock = SPINLOCK_INIT("frames");
uint64_t buddy_nfree;

static struct list free_blocks[FRAME_MAX_ORDER + 1];
static uint64_t fresh[BITMAP_WORDS(MAX_BLOCKS)];
static size_t next_fresh; /* no block below is fresh */

void
buddy_init(void)
{
    for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
        list_init(&free_blocks[order]);
}

static void
insert(struct frame *frame, unsigned order, uint8_t flags)
{
    frame->refs = 0;
    frame->state = frame_state(order, FRAME_FREE, FRAME_HEAD | flags);
    list_add_head(&free_blocks[order], &frame->link);
}

/* A fresh block, its descriptors filled in; NULL if there is none. */
static struct frame *
take_fresh(void)
{
    size_t block = bitmap_next_set(fresh, nframes >> FRAME_MAX_ORDER, next_fresh);
    next_fresh = block;
    if (block == nframes >> FRAME_MAX_ORDER)
        return NULL;
    bitmap_clear(fresh, block);
    struct frame *frame = &frames[block << FRAME_MAX_ORDER];
    memset(frame, 0, LARGEST_FRAMES * sizeof(*frame));
    return frame;
}

struct frame *
buddy_take(unsigned order)
{
    struct frame *frame;
    unsigned junked = 0;
    unsigned found = order;

    while (found <= FRAME_MAX_ORDER && list_empty(&free_blocks[found]))
        found++;
    if (found <= FRAME_MAX_ORDER) {
        frame = LIST_ENTRY(free_blocks[found].next, struct frame, link);
        list_del(&frame->link);
    } else {
        frame = take_fresh();
        if (!frame)
            return NULL;
        found = FRAME_MAX_ORDER;
    }
    if (found == order)
        junked = frame->flags & FRAME_JUNKED;
    while (found > order) {
        found--;
        insert(frame + (1UL << found), found, 0);
    }
    frame->state = frame_state(order, FRAME_CACHED, FRAME_HEAD | junked);
    buddy_nfree -= 1UL << order;
    return frame;
}

void
buddy_give(struct frame *frame, unsigned order)
{
    uint64_t index = frame - frames;
    uint8_t flags = order == 0 ? frame->flags & FRAME_JUNKED : 0;

    buddy_nfree += 1UL << order;
    while (order < FRAME_MAX_ORDER) {
        struct frame *buddy = &frames[index ^ (1UL << order)];
        uint32_t state = __atomic_load_n(&buddy->state, __ATOMIC_RELAXED);
        state &= ~frame_state(0, 0, FRAME_JUNKED);
        if (state != frame_state(order, FRAME_FREE, FRAME_HEAD))
            break;
        list_del(&buddy->link);
        buddy->state = frame_state(0, FRAME_FREE, 0);
        frames[index].state = frame_state(0, FRAME_FREE, 0);
        flags = 0;
        index &= ~(1UL << order);
        order++;
    }
    insert(&frames[index], order, flags);
}

void
buddy_give_run(uint64_t index, uint64_t n)
{
    while (n > 0) {
        unsigned order = 0;
        while (order < FRAME_MAX_ORDER && !(index & (1UL << order)) && n >= 2UL << order)
            order++;
        buddy_give(&frames[index], order);
        index += 1UL << order;
        n -= 1UL << order;
    }
}

void
buddy_give_fresh(uint64_t index)
{
    buddy_nfree += LARGEST_FRAMES;
    bitmap_set(fresh, index >> FRAME_MAX_ORDER);
}

bool
buddy_is_fresh(uint64_t index)
{
    return bitmap_test(fresh, index >> FRAME_MAX_ORDER);
}
