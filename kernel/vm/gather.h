/*
 * What waits for a flush: inside vm/ only.
 *
 * A frame or table that was unmapped may still be reached through a TLB. So
 * whoever unmaps gathers what it took out, and the gather frees it after one
 * flush for all of it:
 *
 *      struct gather gather;
 *      gather_begin(&gather, vm);
 *      leaf_zap(&gather, start, end);
 *      gather_end(&gather);
 *
 * Large ones keep their list in frames of their own; if those cannot be had,
 * a flush comes early. vm->lock held throughout. Other threads may run at each step.
 */
#ifndef QUIRE_VM_GATHER_H
#define QUIRE_VM_GATHER_H

#include "mem/frame.h"
#include "vm/vmspace.h"

#define GATHER_INLINE 48

struct gather_chunk; /* a frame full of frame pointers */

struct gather {
    struct vmspace *vm;
    vaddr_t start, end;     /* what to flush; start >= end: nothing */
    bool tables;            /* tables go too: what harts know of the way to them must be flushed */
    struct frame **frames;  /* where the next frame pointer goes ... */
    unsigned n, capacity;   /* ... and how many are there */
    struct gather_chunk *chunks; /* newest first; the inline array is older than all */
    unsigned ninline;
    struct frame *inline_frames[GATHER_INLINE];
};

void gather_begin(struct gather *gather, struct vmspace *vm);
/* Flush if there is something to flush, then free what was gathered. May be used on. */
void gather_end(struct gather *gather);
/* Make room for more; called by gather_frame(). */
void gather_grow(struct gather *gather);

/* Translations of [va, va + size) have lost rights. */
static inline void
gather_range(struct gather *gather, vaddr_t va, uint64_t size)
{
    if (va < gather->start)
        gather->start = va;
    if (va + size > gather->end)
        gather->end = va + size;
}

/* What is gathered: a frame, or with this bit in its pointer a block. */
#define GATHER_BLOCK BIT(0)

/* Take over a reference to a frame that was unmapped. */
static inline void
gather_frame(struct gather *gather, struct frame *frame)
{
    gather->frames[gather->n++] = frame;
    if (unlikely(gather->n == gather->capacity))
        gather_grow(gather);
}

/* The same for a unit of a block. */
static inline void
gather_block(struct gather *gather, struct frame *head)
{
    gather_frame(gather, (struct frame *)((uintptr_t)head | GATHER_BLOCK));
}

/*
 * pt_isolate() and pt_own() of [start, end), for whoever is about to change
 * what it maps. 0, -ENOMEM.
 */
int gather_isolate(struct gather *gather, vaddr_t start, vaddr_t end);
int gather_own(struct gather *gather, vaddr_t start, vaddr_t end, bool leaves);

/* Unlink the empty tables within [start, end) and gather them. */
void gather_tables(struct gather *gather, vaddr_t start, vaddr_t end);

#endif
