/*
 * Blocks: the 2 MiB behind a superpage.
 *
 * A block is PT_FANOUT frames, together and aligned, that were allocated at
 * once. Each keeps its own descriptor and reference count, so that a leaf of
 * 4 KiB can name it like any other; what makes them a block is a second count
 * in the first one's descriptor, `nunits`:
 *
 *      nunits        references to all of the block: superpage leaves
 *      refs          of each frame: leaves of 4 KiB, and one more for as long
 *                    as nunits is not zero
 *
 * When the last unit goes, each frame loses the block's reference, and those
 * that nobody else names are free (all at once if that is all of them). Splitting a
 * superpage leaf turns one unit into a reference for each frame; with the last
 * unit that is no work at all: the block's references become the leaves'.
 *
 * Only who has a reference can make another. So who has the only unit, and
 * finds no frame with more than the block's reference, is alone.
 *
 * Atomic, no locks needed.
 */
#ifndef QUIRE_MEM_BLOCK_H
#define QUIRE_MEM_BLOCK_H

#include "mem/frame.h"
#include "mem/pagetable.h"

#define BLOCK_FRAMES PT_FANOUT
#define BLOCK_ORDER PT_FANOUT_SHIFT
#define BLOCK_SIZE (PAGE_SIZE * PT_FANOUT)

/* A zeroed block of FRAME_ANON with one unit; NULL if no such piece is free. May be preempted. */
struct frame *block_alloc_zeroed(void);
/* The same, at once if one was zeroed ahead. */
struct frame *block_alloc_prepared(void);
/* Make a block with one unit of an allocated piece of BLOCK_ORDER. */
void block_make(struct frame *head);
/*
 * Harts that idle zero a few blocks ahead (zeroed.c). Do a part of that, some
 * microseconds' worth. False: there are enough, another hart is at it, or memory is
 * wanted for other things. Interrupts are off.
 */
bool block_prepare(void);
/* Are there fewer than there might be? */
bool block_prepare_wanted(void);
/* Give all of them back; returns the number of frames. */
size_t block_drain(void);
/* Have frame_reclaim() call block_drain(). Boot, once. */
void block_init(void);

/* Take another unit. */
void block_get(struct frame *head);
/* Drop a unit; the last one dissolves the block. */
void block_put(struct frame *head);
/* Does the caller, who has a unit, hold the only reference of any kind to any of it? */
bool block_is_sole(struct frame *head);
/* Turn the caller's unit into one reference for each frame. */
void block_break(struct frame *head);

/* Counters for /proc/vmstat (atomic, relaxed). */
extern uint64_t block_nalloc, block_nfailed, block_nbroken;
/* Blocks with units now. */
extern uint64_t block_nlive;
/* Of those allocated, how many were zeroed ahead. */
extern uint64_t block_nprepared;

#endif
