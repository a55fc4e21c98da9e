/*
 * Leaves: the pages of user memory in the tree. Inside vm/ only.
 *
 * An entry under a region that names memory is in one of four states:
 *
 *      empty    never touched, or given back
 *      mine     V; the frame belongs to this address space alone (private
 *               region), or to the object (shared region); W if the region
 *               may be written and, if shared, the object knows of it
 *      COW      V, PTE_COW, no W: somebody else may use the frame too, so copy
 *               before writing: file pages in private regions, what a fork
 *               left, the zero frame
 *      parked   V clear, U set: the region allows no access (PROT_NONE; an
 *               entry with V but without R, W, X would name a table), the frame
 *               is kept. May be COW at the same time
 *
 * Each entry that is not empty holds one reference to its frame, but for the
 * zero frame, which has no use for counting. At level 0 it names a frame, at
 * level 1 a block (mem/block.h). Whole tables may be frozen (mem/freeze.h):
 * walk() with `alloc` thaws those on its way, and whoever changes a range
 * without that makes its tables his own first, by pt_isolate() or pt_own().
 *
 * A hart sets A before it uses a translation, and D before it writes through
 * it. So an entry with A clear is in no TLB and may be changed without a
 * flush, and one with D clear is in none that allows writing. That holds only
 * if nobody clears A or D without a flush, nor loses one that the hardware
 * sets just then; fork, which flushes anyway, clears A for it and keeps
 * what it meant in PTE_AGED: "accessed, but not since the flush".
 */
#ifndef QUIRE_VM_LEAF_H
#define QUIRE_VM_LEAF_H

#include "mem/frame.h"
#include "mem/freeze.h"
#include "mem/pagetable.h"
#include "vm/gather.h"
#include "vm/vmspace.h"

/* Does an entry name the one frame that every untouched page reads from? */
static inline bool
leaf_is_zero(pte_t pte)
{
    return (pte & PTE_PPN_MASK) == pt_zero_ppn;
}

static inline struct frame *
leaf_frame(pte_t pte)
{
    return frame_of(pte_pa(pte));
}

/* Store an entry whole, in no particular order. (gcc makes an amoswap of an atomic store.) */
static inline void
leaf_write(pte_t *entry, pte_t value)
{
    *(volatile pte_t *)entry = value;
}

/* Hardware rights for a region's: to write implies to read (privileged specification, table 4.5). */
static inline uint64_t
leaf_rights(uint32_t region_flags)
{
    return PTE_U | (region_flags & (REGION_READ | REGION_WRITE) ? PTE_R : 0) |
           (region_flags & REGION_WRITE ? PTE_W : 0) | (region_flags & REGION_EXEC ? PTE_X : 0);
}

/*
 * Make an entry in use `flags`', against the hardware's changes to it. Returns
 * true if a TLB may still allow what the entry no longer does.
 */
bool leaf_protect_entry(pte_t *entry, uint32_t flags);

/* Count pages that became resident, or with negative numbers are no longer. */
static inline void
leaf_account(struct vmspace *vm, int64_t nanon, int64_t nfile)
{
    vm->nresident_anon += nanon;
    vm->nresident_file += nfile;
    vm->max_resident = max(vm->max_resident, vm->nresident_anon + vm->nresident_file);
}

/* The same for pages under one level-0 table. */
static inline void
leaf_account_table(struct vmspace *vm, struct frame *table, int64_t nanon, int64_t nfile)
{
    table->nanon += nanon;
    table->nfile += nfile;
    leaf_account(vm, nanon, nfile);
}

/* The same for one page: n is 1 or -1. */
static inline void
leaf_account_frame(struct vmspace *vm, struct frame *table, const struct frame *frame, int64_t n)
{
    bool anon = frame->owner == FRAME_ANON;
    leaf_account_table(vm, table, anon ? n : 0, anon ? 0 : n);
}

/* Fill an empty entry; takes over the caller's reference to the frame it names. */
void leaf_fill(struct vmspace *vm, pte_t *entry, pte_t value);

/* Fill n empty entries of one table with the frames in run, taking over the references. */
void leaf_fill_run(struct vmspace *vm, pte_t *entries, struct frame *const *run, unsigned n,
                   uint64_t flags);

/* Consecutive entries of one level-0 table; or one entry above, a leaf's or a frozen one. */
struct leaf_run {
    pte_t *entries;
    vaddr_t va; /* of entries[0]; above level 0, of the first byte it spans, even if before the range */
    unsigned n;
    unsigned level;
};
/*
 * The next run of entries at or after *va and below end, *va moved behind it;
 * false if there are no more. What has no table is skipped at its own size. Other threads
 * may run between two runs, so that no range is too large to be gone through: no spinlock held.
 */
bool leaf_next_run(paddr_t root, vaddr_t *va, vaddr_t end, struct leaf_run *run);

/*
 * Empty every entry within [start, end), which no entry reaches into (pt_isolate()).
 * Tables stay; see gather_tables().
 */
void leaf_zap(struct gather *gather, vaddr_t start, vaddr_t end);
/* The same, but what is private to the address space stays: copies of an object's pages. */
void leaf_zap_object(struct gather *gather, vaddr_t start, vaddr_t end);

#endif
