/*
 * Freezing: how fork shares page tables.
 *
 * Fork copies no large table. It gives the child references to the parent's
 * tables, and freezes the entries on both sides: V clear, a software bit set,
 * the PPN still there for us to follow. The hardware faults on a frozen entry,
 * and pt_thaw() then makes that one table usable again:
 *
 *      sole owner      set V; nothing is copied
 *      still shared    copy the table, freeze or make COW what it names, and
 *                      drop our reference to the shared one
 *
 * so the cost of a fork is paid by what is touched after it, a table at a time.
 *
 * A table's reference count (its frame's) is the number of entries that name
 * it. These rules make it safe with no lock between the owners, each of whom
 * holds only its own address space's:
 *
 *   1. A valid entry is the only one that names its table.
 *   2. A table changes only through a path of valid entries: so one that two
 *      entries name never changes, and one that any frozen entry names is in
 *      no TLB and is walked by no hardware.
 *   3. A table holds one reference for each of its entries to what it names,
 *      however many own the table.
 *   4. Whoever copies a table marks it as copied before dropping it. Its entries then say
 *      more than they may: a leaf that allows writing may name a frame that the
 *      copy names, too. So its last owner, reviving it, takes that back first.
 *   5. Whoever drops the last reference releases what the table names.
 *
 * Whatever a shared table maps can be copied on write: vm/fork.c shares only
 * tables that cover nothing but private anonymous memory. A and AGED marks are
 * part of what is shared: the child begins with its parent's.
 */
#ifndef QUIRE_MEM_FREEZE_H
#define QUIRE_MEM_FREEZE_H

#include "mem/block.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

/* The PPN field of the frame of zeroes, which leaves name without counting; ~0 before there is one. */
extern pte_t pt_zero_ppn;

/* Take, drop a reference to what a leaf names: a frame (level 0) or a block (level 1). */
static inline void
leaf_ref_get(pte_t pte, unsigned level)
{
    struct frame *frame = frame_of(pte_pa(pte));
    if (level > 0)
        block_get(frame);
    else if ((pte & PTE_PPN_MASK) != pt_zero_ppn)
        frame_get(frame);
}

static inline void
leaf_ref_put(pte_t pte, unsigned level)
{
    struct frame *frame = frame_of(pte_pa(pte));
    if (level > 0)
        block_put(frame);
    else if ((pte & PTE_PPN_MASK) != pt_zero_ppn)
        frame_put(frame);
}

/* What a number of entries add to the resident pages, and to the tables. */
struct pt_resident {
    uint64_t nanon, nfile, ntables;
};

/*
 * Let two trees name the same tables: from[0] to from[n - 1], consecutive entries
 * of one table, name tables, valid or frozen, or are empty; to[0] to to[n - 1], in
 * another tree at the same place, are all empty. Those in use are frozen on both sides
 * then. Adds what they map to *resident. Returns true if any was valid: then the
 * caller flushes (tlb_flush_tables()) before anybody else can thaw its table.
 */
bool pt_share(pte_t *from, pte_t *to, unsigned n, struct pt_resident *resident);

/*
 * Make the table that a frozen entry names this tree's own, the entry valid. The
 * way to the entry is valid. 0; -ENOMEM: nothing changed. Needs no flush.
 */
int pt_thaw(pte_t *entry);

/*
 * Make sure that no leaf and no frozen table reaches across a bound of [va, va +
 * size): split and thaw where one does. 0; -ENOMEM: what is translated is as it was.
 * *split is set to true if a leaf was split: then the range round it wants a flush.
 */
int pt_isolate(paddr_t root, vaddr_t va, uint64_t size, bool *split);
/* The same, and thaw every table within. `leaves`: split every leaf above level 0, too. May be preempted. */
int pt_own(paddr_t root, vaddr_t va, uint64_t size, bool leaves, bool *split);

/*
 * Let go of what an entry of the given level named, after it was cleared: of a
 * leaf's frame or block, or of a table, and with the last reference to that, of
 * all below. No TLB may know of it. May be preempted.
 */
void pt_release(pte_t pte, unsigned level);
/* Clear the user half of a tree that no hart has loaded and release what it named. */
void pt_release_all(paddr_t root);

/* Leaves under an entry in use, by kind. */
struct pt_resident pt_count_resident(pte_t pte, unsigned level);

/* Is any leaf in [va, va + size), all of which hangs on this frozen entry, marked A or AGED? */
bool pt_frozen_accessed(pte_t pte, unsigned level, vaddr_t va, uint64_t size);

/* Counters for /proc/vmstat (atomic, relaxed). */
extern uint64_t pt_nshared, pt_nrevived, pt_ncopied;

#endif
