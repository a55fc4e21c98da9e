/*
 * The buddy allocator: free RAM in blocks of 2^order frames.
 *
 * mem/frame.c is its only user; everybody else calls frame_alloc().
 */
#ifndef QUIRE_MEM_BUDDY_H
#define QUIRE_MEM_BUDDY_H

#include "arch/riscv/spinlock.h"
#include "mem/frame.h"

#define LARGEST_FRAMES (1UL << FRAME_MAX_ORDER)
#define LARGEST_SIZE (LARGEST_FRAMES << PAGE_SHIFT)

extern struct spinlock buddy_lock;
extern uint64_t buddy_nfree; /* frames in the free lists; written with buddy_lock held */

void buddy_init(void);
/*
 * Take a block, splitting a larger one if need be; NULL if there is none. Its
 * owner is FRAME_CACHED for now. buddy_lock held.
 */
struct frame *buddy_take(unsigned order);
/* Free a block and merge it with its free neighbours. buddy_lock held. */
void buddy_give(struct frame *frame, unsigned order);
/* Free n frames from the one at `index`, whose descriptors are filled in. buddy_lock held. */
void buddy_give_run(uint64_t index, uint64_t n);
/*
 * Free the whole block of FRAME_MAX_ORDER at `index`, of whose descriptors
 * none is filled in yet. buddy_lock held.
 */
void buddy_give_fresh(uint64_t index);
/* True if the frame at `index` is free and its descriptor not filled in yet. */
bool buddy_is_fresh(uint64_t index);

#endif
