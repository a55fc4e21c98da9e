/*
 * Gathering: one flush for many unmapped pages (see gather.h).
 */
#include "vm/gather.h"

#include "mem/freeze.h"
#include "mem/pagetable.h"

#define CHUNK_FRAMES ((PAGE_SIZE - 2 * sizeof(uint64_t)) / sizeof(struct frame *))

struct gather_chunk {
    struct gather_chunk *next;
    uint64_t n;
    struct frame *frames[CHUNK_FRAMES];
};

static void
reset(struct gather *gather)
{
    gather->start = ~0UL;
    gather->end = 0;
    gather->tables = false;
    gather->frames = gather->inline_frames;
    gather->n = gather->ninline = 0;
    gather->capacity = GATHER_INLINE;
    gather->chunks = NULL;
}

void
gather_begin(struct gather *gather, struct vmspace *vm)
{
    gather->vm = vm;
    reset(gather);
}

/* Note how many pointers the array in use holds. */
static void
close_array(struct gather *gather)
{
    if (gather->chunks)
        gather->chunks->n = gather->n;
    else
        gather->ninline = gather->n;
}

void
gather_grow(struct gather *gather)
{
    close_array(gather);
    struct gather_chunk *chunk = kalloc();
    if (!chunk) {
        gather_end(gather);
        return;
    }
    chunk->next = gather->chunks;
    gather->chunks = chunk;
    gather->frames = chunk->frames;
    gather->n = 0;
    gather->capacity = CHUNK_FRAMES;
}

/* Frames given back between two preemption points; debug kernels fill and check each. */
#define PUT_BATCH 64

static void
put_frames(struct frame **frames, unsigned n)
{
    unsigned nput = 0;

    for (unsigned i = 0; i < n; i++) {
        preempt_every(&nput, PUT_BATCH);
        if (unlikely((uintptr_t)frames[i] & GATHER_BLOCK))
            block_put((struct frame *)((uintptr_t)frames[i] & ~GATHER_BLOCK));
        else
            frame_put(frames[i]);
    }
}

void
gather_end(struct gather *gather)
{
    close_array(gather);
    if (gather->tables)
        tlb_flush_tables(&gather->vm->mmu);
    else if (gather->start < gather->end)
        tlb_flush_range(&gather->vm->mmu, gather->start, gather->end - gather->start);

    for (struct gather_chunk *chunk = gather->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        put_frames(chunk->frames, chunk->n);
        kfree(chunk);
        preempt_point();
    }
    put_frames(gather->inline_frames, gather->ninline);
    reset(gather);
}

/* Leaves at the bounds were split: what was one translation may be remembered as that. */
static void
note_split(struct gather *gather, vaddr_t start, vaddr_t end)
{
    vaddr_t from = ALIGN_DOWN(start, BLOCK_SIZE), to = ALIGN_UP(end, BLOCK_SIZE);
    gather_range(gather, from, to - from);
}

int
gather_isolate(struct gather *gather, vaddr_t start, vaddr_t end)
{
    bool split = false;
    int error = pt_isolate(gather->vm->mmu.root, start, end - start, &split);
    if (split)
        note_split(gather, start, end);
    return error;
}

int
gather_own(struct gather *gather, vaddr_t start, vaddr_t end, bool leaves)
{
    bool split = false;
    int error = pt_own(gather->vm->mmu.root, start, end - start, leaves, &split);
    if (split)
        note_split(gather, start, end);
    return error;
}

static void
gather_table(void *ctx, paddr_t table)
{
    struct gather *gather = ctx;
    gather->tables = true;
    gather_frame(gather, frame_of(table));
    preempt_point();
}

void
gather_tables(struct gather *gather, vaddr_t start, vaddr_t end)
{
    pt_prune(gather->vm->mmu.root, start, end - start, gather_table, gather);
}
