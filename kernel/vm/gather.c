/*
 * Gathering: one flush for many unmapped pages (see gather.h).
 */
#include "vm/gather.h"

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
    gather->retired = false;
    reset(gather);
}

void
gather_begin_retired(struct gather *gather, struct vmspace *vm)
{
    gather_begin(gather, vm);
    gather->retired = true;
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

static void
put_frames(struct frame **frames, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        frame_put(frames[i]);
}

void
gather_end(struct gather *gather)
{
    close_array(gather);
    if (gather->tables && !gather->retired)
        tlb_flush_tables(&gather->vm->mmu);
    else if (gather->start < gather->end && !gather->retired)
        tlb_flush_range(&gather->vm->mmu, gather->start, gather->end - gather->start);

    for (struct gather_chunk *chunk = gather->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        put_frames(chunk->frames, chunk->n);
        kfree(chunk);
    }
    put_frames(gather->inline_frames, gather->ninline);
    reset(gather);
}

static void
gather_table(void *ctx, paddr_t table)
{
    struct gather *gather = ctx;
    gather->tables = true;
    gather_frame(gather, frame_of(table));
}

void
gather_tables(struct gather *gather, vaddr_t start, vaddr_t end)
{
    pt_prune(gather->vm->mmu.root, start, end - start, gather_table, gather);
}
