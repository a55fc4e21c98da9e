/*
 * Saying why the kernel's access to an address faulted.
 *
 * Each entry is decoded as the hardware does it (privileged specification,
 * 4.3.2), and the first of the algorithm's conditions that stops it is put
 * into words. If none does, then memory says yes, and the hart must have
 * remembered an older entry: a flush is missing.
 */
#include "mem/explainwalk.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/klog.h"
#include "lib/printf.h"
#include "mem/frame.h"
#include "mem/kspace.h"

/* What stops the access at a leaf, as the kernel runs now; NULL: nothing. */
static const char *
leaf_refusal(pte_t pte, unsigned level, enum fault_access access)
{
    static const struct {
        pte_t right;
        const char *without;
    } needs[] = {
        [FAULT_READ] = {PTE_R, "it is not readable"},
        [FAULT_WRITE] = {PTE_W, "it is read-only"},
        [FAULT_EXEC] = {PTE_X, "it is not executable"},
    };

    if (!(pte & needs[access].right))
        return needs[access].without;
    if ((pte & PTE_U) && access == FAULT_EXEC)
        return "it is a user's page, and the kernel may run no code there";
    if ((pte & PTE_U) && !(csr_read("sstatus") & SSTATUS_SUM))
        return "it is a user's page, and SUM is not set";
    if (!(pte & PTE_N) && (pte_pa(pte) & (pt_span(level) - 1)))
        return "its address is not aligned to its size";
    if (!(pte & PTE_A))
        return "A is clear, and this hart does not set it";
    if (access == FAULT_WRITE && !(pte & PTE_D))
        return "D is clear, and this hart does not set it";
    return NULL;
}

/* What stops the walk at an entry; NULL: nothing. */
static const char *
refusal(pte_t pte, unsigned level, vaddr_t va, enum fault_access access)
{
    if (pte == 0)
        return kstack_in_guard(va) ? "it is empty: the guard below a kernel stack" : "it is empty";
    if (pte_is_frozen(pte))
        return "V is clear: it is frozen, a table shared since a fork";
    if (pte_is_parked(pte))
        return "V is clear: it is parked, a page that may not be touched now";
    if (!pte_valid(pte))
        return "V is clear";
    if ((pte & (PTE_R | PTE_W)) == PTE_W)
        return "W without R is reserved";
    if (pte_is_leaf(pte))
        return leaf_refusal(pte, level, access);
    if (level == 0)
        return "it names a table, at the last level";
    if (!frame_valid(pte_pa(pte)))
        return "it names a table outside RAM";
    return NULL;
}

void
explain_walk(paddr_t root, vaddr_t va, enum fault_access access)
{
    static const char *const verbs[] = {
        [FAULT_READ] = "load from", [FAULT_WRITE] = "store to", [FAULT_EXEC] = "jump to"};
    unsigned unused = 64 - PAGE_SHIFT - pt_levels * PT_FANOUT_SHIFT;

    printk(LOG_EMERG, "walk for the %s 0x%016lx:", verbs[access], va);
    if ((vaddr_t)((int64_t)(va << unused) >> unused) != va) {
        printk(LOG_EMERG, "  no walk: bits 63 to %u of an address must all be equal", 63 - unused);
        return;
    }
    paddr_t table = root;
    for (unsigned level = pt_levels; level-- > 0; ) {
        unsigned index = pt_index(va, level);
        pte_t pte = pte_load((pte_t *)phys_to_virt(table) + index);
        const char *stop = refusal(pte, level, va, access);
        printk(LOG_EMERG, "  level %u: entry %3u of 0x%016lx is 0x%016lx: %s", level, index, table,
               (unsigned long)pte, stop ? stop : pte_is_leaf(pte) ? "a leaf" : "a table");
        if (stop)
            return;
        if (pte_is_leaf(pte)) {
            printk(LOG_EMERG, "  the tree allows it: a translation was stale, or memory "
                              "itself refused");
            return;
        }
        table = pte_pa(pte);
    }
}
