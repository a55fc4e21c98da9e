/*
 * pgaccess: which pages were accessed since somebody asked last.
 *
 * The answer is in the A bits of the leaves, and in PTE_AGED of those whose A
 * bit fork has taken; both are read and cleared together. A hart that has a
 * translation in its TLB does not set A again, so what was cleared is flushed
 * before vm->lock is let go: once, on all harts that may hold it, however
 * many pages there were.
 *
 * The tree is walked once for each table, not for each page; within a table
 * bits are gathered in a register, a word of 64 pages at a time.
 *
 * What a frozen table has to tell is taken from it only once it is ours: so
 * those with a mark in the range are thawed first, and the rest, with nothing
 * to tell, stay shared.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "vm/leaf.h"

#define PTE_ACCESSED (PTE_A | PTE_AGED)
#define WORD_BITS 64
/* Tables to go through between two chances for others to run. */
#define TABLE_BATCH 16

/* Clear an entry's marks; returns what it was. With A, a TLB may have the translation. */
static inline pte_t
take(pte_t *entry)
{
    return __atomic_fetch_and(entry, ~PTE_ACCESSED, __ATOMIC_RELAXED);
}

/* Leaves of 64 KiB among these entries: what one of the sixteen says goes for all. */
static __noinline uint64_t
spread(const pte_t *entry, unsigned n, uint64_t word)
{
    const uint64_t group = BIT(NAPOT_PAGES) - 1;

    for (unsigned i = 0; i + NAPOT_PAGES <= n;) {
        bool whole = pte_is_napot(pte_load(&entry[i]));
        if (whole && (word & group << i))
            word |= group << i;
        i += whole ? NAPOT_PAGES : 1;
    }
    return word;
}

/* n <= 64 entries of one table, which no leaf of 64 KiB reaches into: a bit for each that was accessed. */
static inline uint64_t
take_word(pte_t *entry, unsigned n, bool *flush)
{
    uint64_t word = 0;
    pte_t taken = 0;

    for (unsigned i = 0; i < n; i++)
        if (pte_load(&entry[i]) & PTE_ACCESSED) {
            taken |= take(&entry[i]);
            word |= BIT(i);
        }
    *flush |= taken & PTE_A;
    return unlikely(pte_is_napot(taken)) ? spread(entry, n, word) : word;
}

/* Put the lowest n bits of word at bit `at`; what is above them is 0 here and there. */
static void
put_bits(uint64_t *bits, uint64_t at, uint64_t word, unsigned n)
{
    uint64_t *to = &bits[at / WORD_BITS];
    unsigned shift = at % WORD_BITS;

    *to |= word << shift;
    if (shift && n > WORD_BITS - shift)
        to[1] |= word >> (WORD_BITS - shift);
}

static void
put_ones(uint64_t *bits, uint64_t at, uint64_t n)
{
    for (; n > 0; n--, at++)
        bits[at / WORD_BITS] |= BIT(at % WORD_BITS);
}

/*
 * The range from va on that hangs on one entry, or one table of leaves; bits
 * from `at` on. Returns where the range ends.
 */
static vaddr_t
take_range(struct vmspace *vm, vaddr_t va, vaddr_t end, uint64_t *bits, uint64_t at, bool *flush)
{
    pte_t *entry = phys_to_virt(vm->mmu.root);
    unsigned level = pt_levels - 1;

    for (;; level--) {
        entry += pt_index(va, level);
        if (level == 0 || !pte_is_table(pte_load(entry)))
            break;
        entry = phys_to_virt(pte_pa(pte_load(entry)));
    }
    uint64_t span = pt_span(max(level, 1U));
    vaddr_t bound = min(ALIGN_DOWN(va, span) + span, end);
    uint64_t left = (bound - va) >> PAGE_SHIFT;

    if (level > 0) {
        if (pte_maps(pte_load(entry)) && (pte_load(entry) & PTE_ACCESSED)) {
            *flush |= take(entry) & PTE_A;
            put_ones(bits, at, left);
        }
        return bound;
    }
    for (unsigned n; left > 0; left -= n, at += n, entry += n) {
        /* To where 64 entries end that begin at a multiple of 64. */
        n = min(left, WORD_BITS - (uintptr_t)entry / sizeof(*entry) % WORD_BITS);
        put_bits(bits, at, take_word(entry, n, flush), n);
    }
    return bound;
}

/* Thaw the frozen tables of [va, end) in which something is marked. 0, -ENOMEM. */
static int
own_marked(struct vmspace *vm, vaddr_t va, vaddr_t end)
{
    struct leaf_run run;

    for (vaddr_t at = va; leaf_next_run(vm->mmu.root, &at, end, &run);) {
        pte_t pte = pte_load(run.entries);
        if (run.level == 0 || !pte_is_frozen(pte))
            continue;
        vaddr_t from = max(va, run.va), to = min(end, run.va + pt_span(run.level));
        if (!pt_frozen_accessed(pte, run.level, from, to - from))
            continue;
        int error = pt_thaw(run.entries);
        if (error)
            return error;
        at = from; /* once more, through what was thawed */
    }
    return 0;
}

/* Make plain leaves of one of 64 KiB that reaches across va. */
static void
break_at(struct vmspace *vm, vaddr_t va)
{
    pte_t *entry = va & (NAPOT_SIZE - 1) ? walk(vm->mmu.root, va, false) : NULL;
    if (entry)
        pt_napot_break(entry);
}

int
vm_accessed(struct vmspace *vm, vaddr_t va, uint64_t npages, uint64_t *bits)
{
    uint64_t size = npages << PAGE_SHIFT;
    vaddr_t start = PAGE_ALIGN_DOWN(va);

    if (!range_below(start, size, user_top))
        return -EINVAL;
    memset(bits, 0, VM_ACCESSED_BYTES(npages));

    SCOPED_LOCK(&vm->lock);
    int error = own_marked(vm, start, start + size);
    if (error)
        return error;
    break_at(vm, start);
    break_at(vm, start + size);
    bool flush = false;
    unsigned ntables = 0;
    for (va = start; va < start + size;) {
        va = take_range(vm, va, start + size, bits, (va - start) >> PAGE_SHIFT, &flush);
        preempt_every(&ntables, TABLE_BATCH);
    }
    if (flush)
        tlb_flush_range(&vm->mmu, start, size);
    return 0;
}
