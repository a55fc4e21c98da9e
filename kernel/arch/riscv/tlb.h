/*
 * Translation caches: which address space a hart translates through, and how
 * stale translations leave.
 *
 * Each user address space has a struct mmu: its root table, an address-space
 * identifier (ASID), and the set of harts whose TLB may hold translations of
 * it. A change that takes rights away (unmap, protect, remap) is followed by
 * tlb_flush_*() before the frames it unmapped are freed; it flushes here and,
 * through SBI, exactly the other harts in the set. A change that only adds
 * rights needs no flush: a hart that cached the invalid entry takes a
 * spurious fault, and the fault handler flushes that one address.
 *
 * Who gets told. `active` has every hart that ever used the address space. Of
 * those, a hart that uses it now (hart->mmu) is interrupted; any other gets
 * its bit set in `stale`, and flushes by itself before it uses the space again.
 * The two sides meet so that none is forgotten:
 *
 *      flushing hart F                     switching hart S
 *      F1  change the entries              S1  hart->mmu = mmu
 *      F2  set S in stale                  S2  fence
 *      F3  fence, also before the first    S3  take S out of stale; was it in?
 *          look at `active`                S4  then flush the ASID
 *      F4  is hart[S]->mmu == mmu?         S5  write satp, if it is another
 *          then interrupt S, and wait      S6  hart->loaded = mmu
 *
 * Whichever of F3, S2 is later sees the other's store. (S4 comes after S5 in the
 * code, but before the first use.) tests/model/tlb.pml checks the protocol, for
 * every interleaving of three harts.
 *
 * An idle hart, or one that runs a kernel thread, uses no user address: its
 * hart->mmu is NULL and nobody interrupts it, but satp still has the space
 * (hart->loaded), so that going back to it writes nothing. Its hardware may
 * still walk the tables, though: tlb_flush_tables(), before tables are freed,
 * goes by hart->loaded too, and mmu_retire() makes every such hart leave before
 * the root is freed.
 *
 * ASIDs carry a generation. When the ASIDs are used up the generation grows,
 * every address space takes a new ASID at its next switch, and each hart
 * flushes everything once. So an ASID is never reused within a generation, and
 * the end of an address space flushes nothing. A hart without ASIDs flushes at
 * every switch.
 *
 * With strict isolation (isolation.h) an address space has two roots, and they
 * a pair of ASIDs: an even one for the kernel's, the next for user mode's. They
 * share all of the above: what is flushed is flushed under both, and a hart in
 * the kernel, idle or not, has the kernel's root in satp, never the user's.
 */
#ifndef QUIRE_ARCH_TLB_H
#define QUIRE_ARCH_TLB_H

#include "arch/riscv/hart.h"
#include "lib/types.h"

/* Guarded by: (A) atomic  (C) constant after creation */
struct mmu {
    paddr_t root;          /* (C) the kernel-and-user tree */
    paddr_t user_root;     /* (C) strict isolation: its mirror, for user mode; else 0 */
    uint64_t asid;         /* (A) generation << 16 | ASID; 0: none yet; user_root's is the next */
    cpumask_t active;      /* (A) harts that ever loaded it */
    cpumask_t stale;       /* (A) harts that must flush it before they use it again */
    cpumask_t icache_stale; /* (A) harts that must fence.i before they run its code */
};

/* Find out how many ASID bits this machine has. Boot hart, with paging on. */
void mmu_init(void);
/* The kernel's own root, used by harts that belong to no process. */
void mmu_set_kernel_root(paddr_t root, bool sv48);
extern uint64_t kernel_satp;
/* Load it on this hart, changing the paging mode if it must, and flush everything. */
void mmu_load_kernel(void);
/*
 * Use an address space on this hart: no write if satp has it already. NULL: no
 * user address is used from now on (idle, kernel threads); satp stays.
 */
void mmu_switch(struct mmu *mmu);
/*
 * Before an address space's tables are freed: no thread runs on it any more;
 * make idle harts that still have it loaded leave it, and forget its
 * translations everywhere.
 */
void mmu_retire(struct mmu *mmu);

/* Flush one page / a range of bytes / everything of an address space on all harts that may hold it. */
void tlb_flush_page(struct mmu *mmu, vaddr_t va);
void tlb_flush_range(struct mmu *mmu, vaddr_t start, size_t size);
void tlb_flush_all(struct mmu *mmu);
/* The same before page tables are freed: on idle harts too, whose hardware may walk them still. */
void tlb_flush_tables(struct mmu *mmu);
/* Flush kernel addresses on every hart. */
void tlb_flush_kernel(vaddr_t start, size_t size);
/* Flush one page on this hart only: after a spurious fault. */
void tlb_flush_local_page(vaddr_t va);

/*
 * Instructions were written for this address space: let every hart that runs
 * it, now or later, fetch them afresh.
 */
void icache_flush(struct mmu *mmu);
/* Leave an address space that mmu_retire() on another hart waits for. Called by the IPI handler. */
void mmu_leave_retired(void);

/* Counters for /proc/vmstat (atomic, relaxed). */
extern uint64_t tlb_nflush_local, tlb_nflush_remote;

#endif
