/*
 * The hardware: how a hart translates an address in user mode (privileged
 * specification 4.3.2), of both kinds that there are: one that sets A and D
 * itself (Svadu), and one that leaves it to the fault handler (Svade). There
 * is no TLB: every access walks.
 */
#include "tree.h"

/* The leaf's part of the algorithm: rights, alignment, A and D. */
static bool
use_leaf(pte_t *entry, unsigned level, enum tree_access access, enum tree_hardware hardware)
{
    static const uint64_t right[] = {PTE_R, PTE_W, PTE_X};
    uint64_t used = PTE_A | (access == TREE_WRITE ? PTE_D : 0);
    pte_t pte = pte_load(entry);

    if (!(pte & PTE_U) || !(pte & right[access]))
        return false;
    if (pte_pa(pte & ~PTE_N) & (pt_span(level) - 1))
        return false;
    if ((pte & PTE_N) && (level > 0 || ((pte >> PTE_PPN_SHIFT) & (NAPOT_PAGES - 1)) != 8))
        return false;
    if ((pte & used) != used) {
        if (hardware == TREE_FAULTS_FOR_AD)
            return false;
        __atomic_fetch_or(entry, used, __ATOMIC_RELAXED);
    }
    return true;
}

bool
tree_translate(paddr_t root, vaddr_t va, enum tree_access access, enum tree_hardware hardware,
               paddr_t *pa)
{
    for (unsigned level = pt_levels; level-- > 0;) {
        pte_t *entry = (pte_t *)phys_to_virt(root) + pt_index(va, level);
        pte_t pte = pte_load(entry);
        if (!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W)
            return false;
        if (pte & (PTE_R | PTE_X)) {
            if (!use_leaf(entry, level, access, hardware))
                return false;
            uint64_t size = pte & PTE_N ? NAPOT_PAGES * PAGE_SIZE : pt_span(level);
            *pa = ALIGN_DOWN(pte_pa(pte), size) + (va & (size - 1));
            return true;
        }
        if (pte & (PTE_U | PTE_A | PTE_D | PTE_N)) /* reserved where a table is named */
            return false;
        root = pte_pa(pte);
    }
    return false;
}

/* A level-0 entry, with the marks of all that it shares a translation with. */
static struct tree_found
found_page(const pte_t *entry, bool valid)
{
    pte_t pte = pte_load(entry), marks = 0;
    if (!(pte & PTE_N))
        return (struct tree_found){pte, 0, valid, 1};
    const pte_t *entries = (const pte_t *)ALIGN_DOWN((uintptr_t)entry, NAPOT_PAGES * sizeof(pte_t));
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        marks |= entries[i] & (PTE_A | PTE_D | PTE_AGED);
    uint64_t low_bits = (uint64_t)(NAPOT_PAGES - 1) << PTE_PPN_SHIFT;
    uint64_t page = entry - entries;
    pte = (pte & ~(PTE_N | low_bits)) | page << PTE_PPN_SHIFT | marks;
    return (struct tree_found){pte, 0, valid, NAPOT_PAGES};
}

struct tree_found
tree_find(paddr_t root, vaddr_t va)
{
    bool valid = true;
    for (unsigned level = pt_levels - 1;; level--) {
        const pte_t *entry = (const pte_t *)phys_to_virt(root) + pt_index(va, level);
        pte_t pte = pte_load(entry);
        bool frozen = pte_is_frozen(pte);
        if (level == 0)
            return found_page(entry, valid);
        if (!pte_is_table(pte) && !frozen)
            return (struct tree_found){pte, level, valid, pt_span(level) >> PAGE_SHIFT};
        valid &= !frozen;
        root = pte_pa(pte);
    }
}
