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

struct tree_found
tree_find(paddr_t root, vaddr_t va)
{
    bool valid = true;
    for (unsigned level = pt_levels - 1;; level--) {
        pte_t pte = ((const pte_t *)phys_to_virt(root))[pt_index(va, level)];
        bool frozen = pte_is_frozen(pte);
        if (level == 0 || (!pte_is_table(pte) && !frozen))
            return (struct tree_found){pte, level, valid};
        valid &= !frozen;
        root = pte_pa(pte);
    }
}
