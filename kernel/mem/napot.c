/*
 * Leaves of 64 KiB (Svnapot; see pagetable.h).
 *
 * A hart may keep one translation for all of the 64 KiB, and sets A and D, for
 * an access anywhere, in whichever of the sixteen entries it read. A plain
 * leaf with A clear is known to be in no TLB (vm/leaf.h); so that this holds
 * of the leaves that a broken one leaves behind, each takes over what any of
 * the sixteen had. First all become plain, and only then are the marks handed
 * out: after the first round no mark can be set any more on behalf of all.
 */
#include "arch/riscv/panic.h"
#include "mem/framecheck.h"
#include "mem/pagetable.h"

#define NAPOT_PPN (8UL << PTE_PPN_SHIFT) /* bits 3 to 0 of the page number: 64 KiB */
#define PTE_MARKS (PTE_A | PTE_D | PTE_AGED)

void
pt_napot_make(pte_t *entries, paddr_t pa, uint64_t flags)
{
    pte_t value = pte_make(pa, flags | PTE_V) | NAPOT_PPN | PTE_N;

    assert((pa & (NAPOT_SIZE - 1)) == 0);
    assert(((uintptr_t)entries / sizeof(*entries)) % NAPOT_PAGES == 0);
    framecheck_mapped(pa, NAPOT_PAGES, 1);
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        pte_store(&entries[i], value);
    pt_table_of(entries)->nptes += NAPOT_PAGES;
}

void
pt_napot_break(pte_t *entry)
{
    pte_t marks = 0;

    if (!pte_is_napot(pte_load(entry)))
        return;
    pte_t *entries = (pte_t *)ALIGN_DOWN((uintptr_t)entry, NAPOT_PAGES * sizeof(*entry));
    for (unsigned i = 0; i < NAPOT_PAGES; i++) {
        pte_t old = pte_load(&entries[i]);
        while (!__atomic_compare_exchange_n(&entries[i], &old, pte_napot_page(old, i), false,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ; /* the hardware has set A or D meanwhile */
        marks |= old & PTE_MARKS;
    }
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        __atomic_fetch_or(&entries[i], marks, __ATOMIC_RELAXED);
}
