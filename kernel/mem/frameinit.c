/*
 * Frames at boot: from the device tree's memory to descriptors and free lists.
 *
 * RAM is banks, minus ranges that are taken: by the firmware, the kernel image,
 * the device tree, the initrd, and the descriptors themselves, which go into
 * the first gap that holds them. Whole blocks of the highest order that
 * nothing is in are freed undescribed (see buddy.c); in the others, the ranges are
 * walked, and what is left between them is freed.
 */
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "lib/string.h"
#include "mem/buddy.h"
#include "mem/framecheck.h"

/* A range of RAM that is not free at boot. Where two overlap the first counts. */
struct taken {
    paddr_t start, end; /* page-aligned */
    enum frame_owner owner;
};

static struct taken taken[MAX_RESERVED + 4];
static unsigned ntaken;

static void
take_range(const struct phys_range *range, enum frame_owner owner)
{
    if (range->size == 0)
        return;
    taken[ntaken++] = (struct taken){
        .start = PAGE_ALIGN_DOWN(range->start),
        .end = PAGE_ALIGN_UP(range->start + range->size),
        .owner = owner,
    };
}

/* The first taken range at pa, or NULL; *end becomes where that answer may change, if sooner. */
static const struct taken *
taken_at(paddr_t pa, paddr_t *end)
{
    const struct taken *found = NULL;
    for (unsigned i = 0; i < ntaken; i++) {
        if (pa >= taken[i].start && pa < taken[i].end) {
            if (!found)
                found = &taken[i];
            *end = min(*end, taken[i].end);
        } else if (taken[i].start > pa) {
            *end = min(*end, taken[i].start);
        }
    }
    return found;
}

bool
frame_valid(paddr_t pa)
{
    for (unsigned i = 0; i < machine.nram; i++)
        if (pa - machine.ram[i].start < machine.ram[i].size)
            return true;
    return false;
}

/* Round the banks to whole pages and leave out what the direct map does not reach. */
static void
trim_banks(void)
{
    paddr_t bottom = virt_to_phys((void *)DIRECT_BASE);
    paddr_t low = ~0UL, high = 0;

    for (unsigned i = 0; i < machine.nram; i++) {
        struct phys_range *bank = &machine.ram[i];
        paddr_t start = max(PAGE_ALIGN_UP(bank->start), bottom);
        paddr_t end = min(PAGE_ALIGN_DOWN(bank->start + bank->size), bottom + DIRECT_SIZE);
        bank->start = start;
        bank->size = end > start ? end - start : 0;
        nframes_ram += bank->size >> PAGE_SHIFT;
        if (bank->size) {
            low = min(low, start);
            high = max(high, end);
        }
    }
    if (nframes_ram == 0)
        panic("the device tree describes no RAM that the kernel can map");
    frames_base = ALIGN_DOWN(low, LARGEST_SIZE);
    nframes = (ALIGN_UP(high, LARGEST_SIZE) - frames_base) >> PAGE_SHIFT;
}

/* Find a free stretch of `size` bytes. */
static paddr_t
find_gap(uint64_t size)
{
    for (unsigned i = 0; i < machine.nram; i++) {
        paddr_t pa = machine.ram[i].start;
        paddr_t bank_end = pa + machine.ram[i].size;
        while (pa < bank_end) {
            paddr_t end = bank_end;
            if (taken_at(pa, &end)) {
                pa = end;
                continue;
            }
            if (end - pa >= size)
                return pa;
            pa = end;
        }
    }
    panic("no %lu KiB of free RAM for the frame descriptors", (unsigned long)size >> 10);
}

static void
place_descriptors(void)
{
    uint64_t size = nframes * sizeof(struct frame);
    struct phys_range place = {.size = PAGE_ALIGN_UP(size + nframes * FRAMECHECK_SIZE)};
    place.start = find_gap(place.size);
    take_range(&place, FRAME_KERNEL);
    frames = phys_to_virt(place.start);
    framecheck_init((char *)frames + size);
}

/* Describe and free the frames of [pa, end), which lies in one bank and one block. */
static void
divide_range(paddr_t pa, paddr_t end)
{
    while (pa < end) {
        paddr_t next = end;
        const struct taken *range = taken_at(pa, &next);
        uint64_t n = (next - pa) >> PAGE_SHIFT;
        if (range) {
            for (uint64_t i = 0; i < n; i++)
                frame_of(pa)[i].owner = range->owner;
            frame_account(range->owner, n);
        } else {
            buddy_give_run((pa - frames_base) >> PAGE_SHIFT, n);
        }
        pa = next;
    }
}

static void
divide_block(paddr_t block)
{
    paddr_t block_end = block + LARGEST_SIZE;
    bool described = false;

    for (unsigned i = 0; i < machine.nram; i++) {
        paddr_t start = max(block, machine.ram[i].start);
        paddr_t end = min(block_end, machine.ram[i].start + machine.ram[i].size);
        paddr_t free_end = end;
        if (start >= end)
            continue;
        if (end - start == LARGEST_SIZE && !taken_at(start, &free_end) && free_end == end) {
            buddy_give_fresh((block - frames_base) >> PAGE_SHIFT);
            return;
        }
        if (!described)
            memset(frame_of(block), 0, LARGEST_FRAMES * sizeof(struct frame));
        described = true;
        divide_range(start, end);
    }
}

void
frame_init(void)
{
    page_zero_init();
    trim_banks();
    for (unsigned i = 0; i < machine.nreserved; i++)
        take_range(&machine.reserved[i], FRAME_RESERVED);
    take_range(&machine.image, FRAME_KERNEL);
    take_range(&machine.dtb, FRAME_KERNEL);
    take_range(&machine.initrd, FRAME_INITRD);
    place_descriptors();

    buddy_init();
    SCOPED_SPIN(&buddy_lock);
    for (uint64_t i = 0; i < nframes; i += LARGEST_FRAMES)
        divide_block(frames_base + (i << PAGE_SHIFT));
}
