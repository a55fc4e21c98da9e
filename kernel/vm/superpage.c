/*
 * Superpages: anonymous memory in pieces larger than a page.
 *
 * The first write to an aligned 2 MiB that a region covers, of which nothing
 * has been touched, fills all of it with one block and one leaf (mem/block.h).
 * That is 512 faults less, and one translation where there were 512. Where that
 * does not apply the same is tried with 64 KiB, if the harts have Svnapot.
 * What only is read goes on sharing the zero frame.
 *
 * From then on the leaf is one like any other, for whoever deals with all of
 * it: unmapped, protected, shared by fork, asked for its A bit. Who would
 * change a part of it splits it first (mem/freeze.h, pt_isolate()), and nothing
 * puts it together again.
 *
 * The price is memory that nobody touches. may_fill() is where that is weighed.
 */
#include "vm/superpage.h"

#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "sched/thread.h"
#include "vm/leaf.h"
#include "vm/region.h"

/* What of RAM superpages leave free: one part in so many, or in so many where they were asked for. */
#define KEEP_FREE 8
#define KEEP_FREE_ADVISED 64

static enum { MODE_OFF, MODE_ADVISE, MODE_ON } mode = MODE_ON;
static bool has_64k;

uint64_t superpage_nfallback, superpage_n64k;

static inline void
tick(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void
superpage_init(void)
{
    char word[16];

    block_init();
    has_64k = machine.extensions & EXT_SVNAPOT;
    if (!machine_bootarg("superpages", word, sizeof(word)) || strcmp(word, "on") == 0)
        return;
    if (strcmp(word, "off") == 0)
        mode = MODE_OFF;
    else if (strcmp(word, "advise") == 0)
        mode = MODE_ADVISE;
    else
        pr_warn("superpages=%s: there are off, advise and on; this is on", word);
}

/*
 * The policy: may [start, start + size) be filled at once, all of it untouched?
 * Only private memory that is what it seems, and only while the rest of the
 * system has plenty left: the pages that nobody will touch should be nobody's loss.
 */
static bool
may_fill(const struct vmspace *vm, const struct region *region, vaddr_t start, uint64_t size)
{
    const uint32_t unfit = REGION_SHARED | REGION_STACK | REGION_SPECIAL | REGION_NOHUGE;
    const bool advised = region->flags & REGION_HUGE;

    if (region->ops || (region->flags & unfit) || start < region->start ||
        region->end - start < size)
        return false;
    if (mode == MODE_OFF || (mode == MODE_ADVISE && !advised) || vm->no_superpages)
        return false;
    uint64_t kept = nframes_ram / (advised ? KEEP_FREE_ADVISED : KEEP_FREE);
    if (frame_nfree() >= kept + (size >> PAGE_SHIFT))
        return true;
    tick(&superpage_nfallback);
    return false;
}

static int
fill_block(struct vmspace *vm, const struct region *region, vaddr_t va, pte_t *entry)
{
    if (!may_fill(vm, region, ALIGN_DOWN(va, BLOCK_SIZE), BLOCK_SIZE))
        return -EAGAIN;
    struct frame *block = block_alloc_prepared();
    if (block_prepare_wanted())
        sched_kick_idle();
    if (!block) {
        tick(&superpage_nfallback);
        return -EAGAIN;
    }
    uint64_t rights = leaf_rights(region->flags);
    pt_set(entry, pte_make(frame_pa(block), rights | PTE_V | PTE_A | PTE_D));
    leaf_account(vm, BLOCK_FRAMES, 0);
    if (unlikely(list_empty(&vm->thin_link)))
        vm_thin_join(vm);
    return 0;
}

/* A write to a block that was shared: it may be ours alone by now, else a page of it is copied. */
static int
write_block(struct vmspace *vm, const struct region *region, vaddr_t va, pte_t *entry)
{
    pte_t pte = pte_load(entry);
    bool split;

    if (block_is_sole(leaf_frame(pte))) {
        uint64_t rights = leaf_rights(region->flags);
        pte_store(entry, (pte & PTE_PPN_MASK) | rights | PTE_V | PTE_A | PTE_D);
        return 0;
    }
    /* What a TLB remembers of the whole is flushed with the page that is copied (fault.c). */
    int error = pt_isolate(vm->mmu.root, PAGE_ALIGN_DOWN(va), PAGE_SIZE, &split);
    return error ? error : -EAGAIN;
}

int
superpage_fault(struct vmspace *vm, const struct region *region, vaddr_t va,
                enum fault_access access, pte_t *entry)
{
    static const uint64_t right_for[] = {
        [FAULT_READ] = PTE_R, [FAULT_WRITE] = PTE_W, [FAULT_EXEC] = PTE_X,
    };
    pte_t pte = pte_load(entry);
    bool write = access == FAULT_WRITE;

    if (pte == 0)
        return write ? fill_block(vm, region, va, entry) : -EAGAIN;
    if (!pte_maps(pte))
        return -EAGAIN; /* frozen: the walk thaws it */
    if (!(pte & right_for[access])) {
        assert(write && pte_valid(pte));
        return write_block(vm, region, va, entry);
    }
    pte_mark_used(entry, write);
    tlb_flush_local_page(va);
    return 0;
}

bool
superpage_fill_64k(struct vmspace *vm, const struct region *region, vaddr_t va, pte_t *entry)
{
    if (likely(!has_64k))
        return false;
    pte_t *entries = (pte_t *)ALIGN_DOWN((uintptr_t)entry, NAPOT_PAGES * sizeof(*entry));
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        if (pte_load(&entries[i]) != 0)
            return false;
    if (!may_fill(vm, region, ALIGN_DOWN(va, NAPOT_SIZE), NAPOT_SIZE))
        return false;
    struct frame *frame = frame_alloc_spare(NAPOT_ORDER, FRAME_ANON);
    if (!frame)
        return false;
    frame_split(frame);
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        page_zero(frame_va(&frame[i]));
    pt_napot_make(entries, frame_pa(frame), leaf_rights(region->flags) | PTE_A | PTE_D);
    leaf_account_table(vm, pt_table_of(entries), NAPOT_PAGES, 0);
    tick(&superpage_n64k);
    return true;
}
