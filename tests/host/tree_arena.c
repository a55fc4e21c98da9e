/*
 * Frames for a small world (see tree_arena.h). Single frames come from the
 * lower half and blocks from the upper, so that neither runs out for want of
 * the other, and what an operation does depends on nothing but the shape of
 * the trees.
 */
#include "tree_arena.h"

#include "arch/riscv/klog.h"
#include "arch/riscv/panic.h"
#include "mem/framecheck.h"

#define BASE 0x80000000UL
#define JUNK 0x05

static struct arena arena;
static uint8_t memory[ARENA_FRAMES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

struct frame *frames = arena.frames;
paddr_t frames_base = BASE;
uint64_t nframes = ARENA_FRAMES;
uint64_t nframes_ram = ARENA_FRAMES;
unsigned arena_nallocs;
static uint64_t fail_after;

void
arena_start(void)
{
    memset(&arena, 0, sizeof(arena));
    arena.counts[FRAME_FREE] = ARENA_FRAMES;
}

void
arena_save(struct arena_image *image)
{
    image->arena = arena;
    memcpy(image->spaces, tree_spaces, sizeof(tree_spaces));
    for (unsigned i = 0; i < ARENA_FRAMES; i++)
        if (arena.used[i])
            memcpy(image->heads[i], memory[i], ARENA_HEAD);
}

void
arena_restore(const struct arena_image *image)
{
    arena = image->arena;
    memcpy(tree_spaces, image->spaces, sizeof(tree_spaces));
    for (unsigned i = 0; i < ARENA_FRAMES; i++)
        if (arena.used[i])
            memcpy(memory[i], image->heads[i], ARENA_HEAD);
}

void *
phys_to_virt(paddr_t pa)
{
    TREE_EXPECT(pa - BASE < sizeof(memory));
    return &memory[0][pa - BASE];
}

paddr_t
virt_to_phys(const void *va)
{
    return (const uint8_t *)va - memory[0] + BASE;
}

/* Allocation. */

void
frame_fail_after(uint64_t n, bool all)
{
    fail_after = n;
}

static bool
all_free(unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++)
        if (arena.used[i])
            return false;
    return true;
}

struct frame *
frame_alloc(unsigned order, enum frame_owner owner)
{
    unsigned n = 1U << order, first = order ? ARENA_FRAMES / 2 : 0;

    arena_nallocs++;
    if (fail_after > 0 && --fail_after == 0)
        return NULL;
    while (first < ARENA_FRAMES && !all_free(first, n))
        first += n;
    TREE_EXPECT(first + n <= (order ? ARENA_FRAMES : ARENA_FRAMES / 2));
    for (unsigned i = first; i < first + n; i++) {
        arena.used[i] = true;
        memset(&frames[i], 0, sizeof(frames[i]));
        memset(memory[i], JUNK, ARENA_HEAD);
    }
    frames[first].refs = 1;
    frames[first].private = ~0UL; /* undefined when allocated */
    frames[first].state = frame_state(order, owner, FRAME_HEAD);
    arena.counts[owner] += n;
    arena.counts[FRAME_FREE] -= n;
    return &frames[first];
}

struct frame *
frame_alloc_spare(unsigned order, enum frame_owner owner)
{
    return frame_alloc(order, owner);
}

struct frame *
frame_alloc_zeroed(enum frame_owner owner)
{
    struct frame *frame = frame_alloc(0, owner);
    if (frame)
        page_zero(frame_va(frame));
    return frame;
}

void
frame_get(struct frame *frame)
{
    TREE_EXPECT(frame->refs > 0);
    frame->refs++;
}

void
frame_free(struct frame *frame)
{
    unsigned first = frame - frames, n = 1U << frame->order;

    TREE_EXPECT(arena.used[first] && (frame->flags & FRAME_HEAD) && frame->refs == 1);
    arena.counts[frame->owner] -= n;
    arena.counts[FRAME_FREE] += n;
    for (unsigned i = first; i < first + n; i++) {
        TREE_EXPECT(arena.used[i] && arena.mapped[i] == 0);
        arena.used[i] = false;
        frames[i].refs = 0;
        frames[i].state = frame_state(0, FRAME_FREE, 0);
        memset(memory[i], JUNK, ARENA_HEAD);
    }
}

void
frame_put(struct frame *frame)
{
    TREE_EXPECT(arena.used[frame - frames] && frame->refs > 0);
    if (frame->refs == 1)
        frame_free(frame);
    else
        frame->refs--;
}

void
frame_split(struct frame *frame)
{
    unsigned n = 1U << frame->order;
    uint32_t state = frame_state(0, frame->owner, FRAME_HEAD);
    for (unsigned i = 0; i < n; i++) {
        frame[i].refs = 1;
        frame[i].state = state;
    }
}

void
frame_join(struct frame *frame, unsigned order)
{
    for (unsigned i = 1; i < 1U << order; i++)
        frame[i].flags = 0;
    frame->order = order;
}

void
frame_counts(uint64_t counts[FRAME_NOWNERS])
{
    for (unsigned i = 0; i < FRAME_NOWNERS; i++)
        counts[i] = arena.counts[i];
}

/* Of a page, what is kept of it. */
void
page_zero(void *page)
{
    memset(page, 0, ARENA_HEAD);
}

void
page_copy(void *to, const void *from)
{
    memcpy(to, from, ARENA_HEAD);
}

/* The rest of what the kernel's files need. */

void
framecheck_mapped(paddr_t pa, uint64_t npages, int delta)
{
    for (uint64_t i = 0; i < npages; i++) {
        uint8_t *mapped = &arena.mapped[frame_of(pa) - frames + i];
        TREE_EXPECT(delta > 0 || *mapped > 0);
        *mapped += delta;
    }
}

void
panic(const char *fmt, ...)
{
    char message[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    tree_failed("kernel", 0, message);
}

void
printk(int level, const char *fmt, ...)
{
}

/* Nobody else wants to run. */
void
preempt_point(void)
{
}
