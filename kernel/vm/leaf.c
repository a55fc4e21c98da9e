/*
 * Leaves: walking over them by tables, and what happens to many at once (see
 * leaf.h for their states).
 */
#include "vm/leaf.h"

#include "mem/framecheck.h"

/* What an entry becomes under `flags`: the same frame, as much as it may. */
static pte_t
protected(pte_t pte, uint32_t flags)
{
    pte_t kept = (pte & ~(PTE_V | PTE_RWX)) | PTE_U;
    if (!(flags & (REGION_READ | REGION_WRITE | REGION_EXEC)))
        return kept;
    uint64_t rights = leaf_rights(flags) | PTE_V;
    if ((pte & PTE_COW) || ((flags & REGION_SHARED) && !(pte & PTE_W)))
        rights &= ~PTE_W;
    return kept | rights;
}

bool
leaf_protect_entry(pte_t *entry, uint32_t flags)
{
    pt_napot_break(entry);
    pte_t old = pte_load(entry), new;
    do
        new = protected(old, flags);
    while (new != old && !__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_ACQ_REL,
                                                      __ATOMIC_RELAXED));
    if ((old ^ new) & PTE_V)
        framecheck_mapped(pte_pa(new), pt_span(pt_table_of(entry)->level) >> PAGE_SHIFT,
                          new & PTE_V ? 1 : -1);
    pte_t lost = old & ~new & (PTE_V | PTE_RWX);
    return lost == PTE_W ? old & PTE_D : lost && (old & PTE_A);
}

void
leaf_fill(struct vmspace *vm, pte_t *entry, pte_t value)
{
    if (!leaf_is_zero(value))
        leaf_account_frame(vm, pt_table_of(entry), leaf_frame(value), 1);
    pt_set(entry, value);
}

void
leaf_fill_run(struct vmspace *vm, pte_t *entries, struct frame *const *run, unsigned n,
              uint64_t flags)
{
    unsigned nanon = 0;
    for (unsigned i = 0; i < n; i++) {
        paddr_t pa = frame_pa(run[i]);
        nanon += run[i]->owner == FRAME_ANON;
        framecheck_mapped(pa, 1, 1);
        leaf_write(&entries[i], pte_make(pa, flags | PTE_V));
    }
    pt_table_of(entries)->nptes += n;
    leaf_account_table(vm, pt_table_of(entries), nanon, n - nanon);
}

bool
leaf_next_run(paddr_t root, vaddr_t *va, vaddr_t end, struct leaf_run *run)
{
    if (*va % pt_span(1) == 0) /* a table ends here, and with it perhaps a run */
        preempt_point();
    while (*va < end) {
        pte_t *table = phys_to_virt(root);
        unsigned level = pt_levels - 1;
        for (; level > 0; level--) {
            pte_t pte = pte_load(&table[pt_index(*va, level)]);
            if (!pte_is_table(pte))
                break;
            table = phys_to_virt(pte_pa(pte));
        }
        unsigned i = pt_index(*va, level);
        if (level == 0) {
            vaddr_t bound = min(ALIGN_DOWN(*va, pt_span(1)) + pt_span(1), end);
            *run = (struct leaf_run){&table[i], *va, (bound - *va) >> PAGE_SHIFT, 0};
            *va = bound;
            return true;
        }
        *va = ALIGN_DOWN(*va, pt_span(level));
        if (pte_load(&table[i]) != 0) {
            *run = (struct leaf_run){&table[i], *va, 1, level};
            *va += pt_span(level);
            return true;
        }
        /* On to the table's next entry that is in use, or to its end. */
        do
            *va += pt_span(level);
        while (++i < PT_FANOUT && *va < end && pte_load(&table[i]) == 0);
    }
    return false;
}

/* Empty a run's entries of level 0, but for private pages if `keep`. */
static inline void
zap_run(struct gather *gather, const struct leaf_run *run, bool keep)
{
    struct frame *table = pt_table_of(run->entries);
    pte_t *const entries = run->entries;
    const unsigned n = run->n, nused = table->nptes;
    unsigned nzapped = 0, nzero = 0, nanon = 0;

    for (unsigned i = 0; i < n && nzapped < nused; i++) {
        pte_t pte = pte_page(&entries[i]);
        if (pte == 0 || (keep && leaf_frame(pte)->owner == FRAME_ANON))
            continue;
        leaf_write(&entries[i], 0);
        nzapped++;
        if (pte & PTE_V)
            framecheck_mapped(pte_pa(pte), 1, -1);
        gather_range(gather, run->va + ((uint64_t)i << PAGE_SHIFT), PAGE_SIZE);
        if (unlikely(leaf_is_zero(pte))) {
            nzero++;
            continue;
        }
        struct frame *frame = leaf_frame(pte);
        nanon += frame->owner == FRAME_ANON;
        gather_frame(gather, frame);
    }
    table->nptes = nused - nzapped;
    leaf_account_table(gather->vm, table, -(int64_t)nanon, -(int64_t)(nzapped - nzero - nanon));
}

/* Empty an entry above level 0. What a frozen table maps is in no TLB, so it may go at once. */
static void
zap_large(struct gather *gather, const struct leaf_run *run)
{
    pte_t pte = pte_load(run->entries);
    struct pt_resident resident = pt_count_resident(pte, run->level);

    pt_clear(run->entries);
    leaf_account(gather->vm, -(int64_t)resident.nanon, -(int64_t)resident.nfile);
    pt_count_tables(gather->vm->mmu.root, -(int64_t)resident.ntables);
    if (pte_maps(pte)) {
        gather_range(gather, run->va, pt_span(run->level));
        gather_block(gather, leaf_frame(pte));
    } else {
        pt_release(pte, run->level);
    }
}

void
leaf_zap(struct gather *gather, vaddr_t start, vaddr_t end)
{
    struct leaf_run run;

    for (vaddr_t va = start; leaf_next_run(gather->vm->mmu.root, &va, end, &run);) {
        if (run.level == 0)
            zap_run(gather, &run, false);
        else if (run.va >= start && run.va + pt_span(run.level) <= end)
            zap_large(gather, &run);
    }
}

void
leaf_zap_object(struct gather *gather, vaddr_t start, vaddr_t end)
{
    struct leaf_run run;

    for (vaddr_t va = start; leaf_next_run(gather->vm->mmu.root, &va, end, &run);)
        if (run.level == 0)
            zap_run(gather, &run, true);
}
