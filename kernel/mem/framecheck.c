/*
 * What debug builds check about frames.
 *
 * The three classic mistakes are freeing a page twice, freeing what was never
 * allocated, and freeing what is still in use. The first two show in the
 * frame's descriptor. For the third, every frame has a count of the user
 * leaves that map it, kept by the page-table code (pt_set, pt_clear and their
 * kin), which must be zero when the frame is freed.
 *
 * Freed frames are filled with 0x01 and fresh ones with 0x05, so an address
 * like 0x0101010101010101 in a crash tells of a use after free and
 * 0x0505050505050505 of one before initialisation. A single frame that comes
 * out of the allocator with its 0x01s disturbed was written to while free.
 */
#include "mem/framecheck.h"

#ifdef DEBUG

#include "arch/riscv/panic.h"
#include "lib/atomic.h"
#include "lib/fill.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/buddy.h"

static uint32_t *mappings; /* (A) user leaves that map each frame */
static uint64_t fail_after; /* (A) allocations until one fails; 0: off */
static bool fail_all;

void
framecheck_init(void *room)
{
    memset(room, 0, nframes * FRAMECHECK_SIZE);
    mappings = room;
}

const char *
framecheck_symbol(const void *address)
{
    static char buffers[2][80];
    static unsigned turn;
    char *buf = buffers[turn++ % 2];
    uint64_t offset = 0;
    const char *name = symbol_name((vaddr_t)address, &offset);
    if (name)
        snprintf(buf, sizeof(buffers[0]), "%s+0x%lx", name, (unsigned long)offset);
    else
        snprintf(buf, sizeof(buffers[0]), "%p", address);
    return buf;
}

/* The first frame of the block that holds this one; NULL if it was never the allocator's. */
static const struct frame *
block_head(const struct frame *frame)
{
    uint64_t index = frame - frames;
    for (int order = FRAME_MAX_ORDER; order >= 0; order--) {
        const struct frame *head = &frames[ALIGN_DOWN(index, 1UL << order)];
        if ((head->flags & FRAME_HEAD) && head->order >= order)
            return head;
    }
    return NULL;
}

void
framecheck_put(const struct frame *frame, bool last, const void *caller)
{
    uint64_t offset = (uintptr_t)frame - (uintptr_t)frames;
    if (offset % sizeof(*frame) || offset / sizeof(*frame) >= nframes ||
        !frame_valid(frame_pa(frame)))
        panic("freeing a frame that is none: foreign descriptor %p, called from %s",
              (const void *)frame, framecheck_symbol(caller));

    unsigned long pa = frame_pa(frame);
    if (buddy_is_fresh(frame - frames))
        panic("freeing frame 0x%lx, which is free and was never allocated, called from %s", pa,
              framecheck_symbol(caller));
    const struct frame *head = block_head(frame);
    if (!head)
        panic("freeing frame 0x%lx, which belongs to %s and was never allocated, called from %s",
              pa, frame_owner_name(frame->owner), framecheck_symbol(caller));
    if (head->owner == FRAME_FREE || head->owner == FRAME_CACHED)
        panic("double free of frame 0x%lx (owner %s, freed before by %s), called from %s", pa,
              frame_owner_name(head->owner),
              head == frame ? framecheck_symbol((void *)frame->private) : "somebody",
              framecheck_symbol(caller));
    if (head != frame)
        panic("freeing frame 0x%lx in the middle of the block of %u frames at 0x%lx (owner %s), "
              "called from %s",
              pa, 1u << head->order, (unsigned long)frame_pa(head), frame_owner_name(head->owner),
              framecheck_symbol(caller));
    uint32_t refs = __atomic_load_n(&frame->refs, __ATOMIC_RELAXED);
    if (refs == 0 || (last && refs != 1))
        panic("freeing frame 0x%lx (owner %s) with %u references, called from %s", pa,
              frame_owner_name(frame->owner), refs, framecheck_symbol(caller));
    for (uint64_t i = 0; last && i < 1UL << frame->order; i++) {
        uint32_t n = __atomic_load_n(&mappings[frame - frames + i], __ATOMIC_RELAXED);
        if (n)
            panic("freeing frame 0x%lx (owner %s) while %u user page table entries still map it, "
                  "called from %s",
                  pa + i * PAGE_SIZE, frame_owner_name(frame->owner), n, framecheck_symbol(caller));
    }
}

void
framecheck_kfree(const void *page, const void *caller)
{
    if ((uintptr_t)page & PAGE_MASK)
        panic("kfree of a misaligned pointer %p, called from %s", page,
              framecheck_symbol(caller));
    if (!frame_valid(virt_to_phys(page)))
        panic("kfree of a foreign pointer %p, which is no RAM, called from %s", page,
              framecheck_symbol(caller));
    framecheck_put(frame_of_va(page), true, caller);
    const struct frame *frame = frame_of_va(page);
    if (frame->owner != FRAME_BUFFER || frame->order != 0)
        panic("kfree of frame 0x%lx, which belongs to %s and is not kalloc's, called from %s",
              (unsigned long)frame_pa(frame), frame_owner_name(frame->owner),
              framecheck_symbol(caller));
}

void
framecheck_junk_freed(struct frame *frame, const void *caller)
{
    memset(frame_va(frame), FILL_FREED_FRAME, PAGE_SIZE << frame->order);
    frame->private = (uintptr_t)caller;
    frame->flags = FRAME_HEAD | (frame->order == 0 ? FRAME_JUNKED : 0);
}

void
framecheck_junk_fresh(struct frame *frame)
{
    uint64_t *words = frame_va(frame);
    if (frame->flags & FRAME_JUNKED) {
        for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++)
            if (words[i] != FILL_WORD(FILL_FREED_FRAME))
                panic("frame 0x%lx was written to after %s freed it: 0x%lx at offset %zu",
                      (unsigned long)frame_pa(frame), framecheck_symbol((void *)frame->private),
                      (unsigned long)words[i], i * sizeof(*words));
    }
    memset(words, FILL_FRESH_FRAME, PAGE_SIZE << frame->order);
}

void
framecheck_mapped(paddr_t pa, uint64_t npages, int delta)
{
    for (uint64_t i = 0; i < npages; i++) {
        if (!frame_valid(pa + i * PAGE_SIZE))
            continue;
        uint64_t index = frame_of(pa + i * PAGE_SIZE) - frames;
        uint32_t before = __atomic_fetch_add(&mappings[index], delta, __ATOMIC_RELAXED);
        if (delta < 0 && before == 0)
            panic("frame 0x%lx (owner %s) unmapped more often than mapped",
                  (unsigned long)(pa + i * PAGE_SIZE), frame_owner_name(frames[index].owner));
    }
}

bool
framecheck_fail(void)
{
    uint64_t left = __atomic_load_n(&fail_after, __ATOMIC_RELAXED);
    do {
        if (left == 0)
            return false;
        if (left == 1 && fail_all)
            return true;
    } while (!__atomic_compare_exchange_n(&fail_after, &left, left - 1, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return left == 1;
}

void
frame_fail_after(uint64_t n, bool all)
{
    fail_all = all;
    store_relaxed(&fail_after, n);
}

uint64_t
frame_fail_left(void)
{
    return __atomic_load_n(&fail_after, __ATOMIC_RELAXED);
}

#else

uint64_t
frame_fail_left(void)
{
    return 0;
}

void
frame_fail_after(uint64_t n, bool all)
{
    (void)n;
    (void)all;
}

#endif
