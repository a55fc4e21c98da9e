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
 * descriptors for each would be most of the time that booting takes, so only
 * the first is, and marked FRAME_FRESH; the others are filled in when the
 * block is first taken. Nobody looks at them before: a buddy below the highest
 * order always lies in the same block.
 */
#include "mem/buddy.h"
#include "lib/string.h"

struct spinlock buddy_lock = SPINLOCK_INIT("frames");
uint64_t buddy_nfree;

static struct list free_blocks[FRAME_MAX_ORDER + 1];

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
    frame->owner = FRAME_FREE;
    frame->order = order;
    frame->flags = FRAME_HEAD | flags;
    list_add_head(&free_blocks[order], &frame->link);
}

struct frame *
buddy_take(unsigned order)
{
    unsigned found = order;
    while (list_empty(&free_blocks[found]))
        if (++found > FRAME_MAX_ORDER)
            return NULL;

    struct frame *frame = LIST_ENTRY(free_blocks[found].next, struct frame, link);
    list_del(&frame->link);
    if (frame->flags & FRAME_FRESH)
        memset(frame + 1, 0, (BLOCK_FRAMES - 1) * sizeof(*frame));
    if (found != order)
        frame->flags = FRAME_HEAD;
    while (found > order) {
        found--;
        insert(frame + (1UL << found), found, 0);
    }
    frame->order = order;
    frame->flags &= FRAME_HEAD | FRAME_JUNKED;
    buddy_nfree -= 1UL << order;
    return frame;
}

void
buddy_give(struct frame *frame, unsigned order)
{
    uint64_t index = frame - frames;
    uint8_t flags = order == 0 ? frame->flags & FRAME_JUNKED : 0;

    buddy_nfree += 1UL << order;
    frame->owner = FRAME_FREE;
    while (order < FRAME_MAX_ORDER) {
        struct frame *buddy = &frames[index ^ (1UL << order)];
        if (!(buddy->flags & FRAME_HEAD) || buddy->owner != FRAME_FREE || buddy->order != order)
            break;
        list_del(&buddy->link);
        buddy->flags = 0;
        frames[index].flags = 0;
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
    buddy_nfree += BLOCK_FRAMES;
    insert(&frames[index], FRAME_MAX_ORDER, FRAME_FRESH);
}
