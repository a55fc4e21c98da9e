/*
 * The page-table tree (Sv39; Sv48 where a boot argument asks for it):
 * privileged specification 4.4 and 4.5.
 *
 * A tree is named by the physical address of its root table. A table is one
 * frame of 512 entries, owned by FRAME_TABLE; its descriptor counts the
 * entries in use (nptes), so that an empty table is found without a scan. An
 * entry is one of
 *
 *      empty    all zero
 *      leaf     V and any of R, W, X: maps memory
 *      table    V and none of R, W, X: names a table that is this tree's alone
 *      parked   V clear, U set: a leaf that may not be used now (PROT_NONE)
 *      frozen   V and U clear, RSW0 set: names a table that other trees may
 *               name, too (mem/freeze.h)
 *
 * The operations here hold no references to the frames that leaves name:
 * whoever maps and unmaps does.
 *
 * This file is pure: it changes tables and nothing else. Flushing, locking and
 * reference counts of mapped frames are the caller's (mem/kspace.c for the
 * kernel's tree, vm/ for the users'). It also builds on the host, where tests
 * run it against a simple map.
 *
 * Errors of arguments come only from bugs in the kernel, since vm/ checks what
 * users ask for; each is logged with the address it is about.
 */
#ifndef QUIRE_MEM_PAGETABLE_H
#define QUIRE_MEM_PAGETABLE_H

#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/types.h"

typedef uint64_t pte_t;

/* Privileged specification 4.4.1. */
#define PTE_V BIT(0)
#define PTE_R BIT(1)
#define PTE_W BIT(2)
#define PTE_X BIT(3)
#define PTE_U BIT(4)
#define PTE_G BIT(5)
#define PTE_A BIT(6)
#define PTE_D BIT(7)
#define PTE_RSW0 BIT(8) /* software's */
#define PTE_RSW1 BIT(9)
#define PTE_PPN_SHIFT 10
#define PTE_PPN_MASK (((1UL << 44) - 1) << PTE_PPN_SHIFT)
#define PTE_N BIT(63) /* Svnapot */
#define PTE_RWX (PTE_R | PTE_W | PTE_X)
#define PTE_FLAGS 0x3ffUL

#define PTE_COW PTE_RSW0    /* leaf: shared by fork, copy before a write */
#define PTE_AGED PTE_RSW1   /* leaf: accessed, but not since the last flush; A is clear */
#define PTE_FROZEN PTE_RSW0 /* with V and U clear: names a table that may be shared */

#ifndef PT_FANOUT_SHIFT
#define PT_FANOUT_SHIFT 9 /* the host's exhaustive tests use less */
#endif
#define PT_FANOUT (1U << PT_FANOUT_SHIFT)
#define PT_MAX_LEVELS 4

extern unsigned pt_levels; /* 3: Sv39, 4: Sv48; constant after boot */

/* Bytes that one entry at `level` spans (level 0: a page). */
static inline uint64_t
pt_span(unsigned level)
{
    return PAGE_SIZE << (level * PT_FANOUT_SHIFT);
}

static inline unsigned
pt_index(vaddr_t va, unsigned level)
{
    return (va >> (PAGE_SHIFT + level * PT_FANOUT_SHIFT)) & (PT_FANOUT - 1);
}

static inline paddr_t
pte_pa(pte_t pte)
{
    return (pte & PTE_PPN_MASK) >> PTE_PPN_SHIFT << PAGE_SHIFT;
}

static inline pte_t
pte_make(paddr_t pa, uint64_t flags)
{
    return (pa >> PAGE_SHIFT << PTE_PPN_SHIFT) | flags;
}

static inline bool
pte_valid(pte_t pte)
{
    return pte & PTE_V;
}

static inline bool
pte_is_leaf(pte_t pte)
{
    return (pte & PTE_V) && (pte & PTE_RWX);
}

static inline bool
pte_is_table(pte_t pte)
{
    return (pte & (PTE_V | PTE_RWX)) == PTE_V;
}

static inline bool
pte_is_frozen(pte_t pte)
{
    return (pte & (PTE_V | PTE_U | PTE_FROZEN)) == PTE_FROZEN;
}

static inline bool
pte_is_parked(pte_t pte)
{
    return (pte & (PTE_V | PTE_U)) == PTE_U;
}

/* A leaf, in use now or parked: the entry names memory, not a table. */
static inline bool
pte_maps(pte_t pte)
{
    return pte_is_leaf(pte) || pte_is_parked(pte);
}

/* Entries may be changed by the hardware (A, D) while we look: load and store them whole. */
static inline pte_t
pte_load(const pte_t *pte)
{
    return __atomic_load_n(pte, __ATOMIC_RELAXED);
}

static inline void
pte_store(pte_t *pte, pte_t value)
{
    store_release(pte, value);
}

/*
 * Mark a leaf as used, for hardware that faults where A, or D for a write, is
 * clear. (The other kind does the same by itself.)
 */
static inline void
pte_mark_used(pte_t *entry, bool write)
{
    __atomic_fetch_or(entry, PTE_A | (write ? PTE_D : 0), __ATOMIC_RELAXED);
}

/* An empty root table's physical address, or 0 if memory is out. */
paddr_t pt_create(void);
/*
 * Give a root a mirror: a second root, empty, whose user half is kept the same
 * entry for entry from now on (strict isolation). The tree is empty, too.
 * pt_destroy() frees both.
 */
void pt_set_mirror(paddr_t root, paddr_t mirror);

/*
 * Tables below a user's root: those that other trees name, too, count in each. Kept by all
 * functions here that are given the root; who adds or takes away tables by others
 * (pt_split(), pt_share(), pt_release()) counts them. Reading needs no lock.
 */
uint64_t pt_ntables(paddr_t root);
void pt_count_tables(paddr_t root, int64_t n);

/*
 * The level-0 entry for va. With `alloc` tables are made, and frozen ones
 * thawed, on the way. NULL if it is not there (or memory is out, or a larger
 * leaf covers va, or va is not canonical). xv6's walk().
 */
pte_t *walk(paddr_t root, vaddr_t va, bool alloc);
/* The same down to `level`. */
pte_t *pt_walk_level(paddr_t root, vaddr_t va, unsigned level, bool alloc);
/* The leaf that maps va, its level in *level; NULL if none that the hardware would find. */
pte_t *pt_leaf(paddr_t root, vaddr_t va, unsigned *level);
/*
 * What is known of va, to read only: the value of its leaf (parked ones too; one
 * page's, of a leaf of 64 KiB) or
 * of the empty entry that ends its walk, with its level; frozen tables are read through.
 */
pte_t pt_lookup(paddr_t root, vaddr_t va, unsigned *level);

/*
 * Set an entry (found by walk or pt_walk_level, empty or not) or clear it,
 * keeping the table's count of entries. Changes of flags alone may use
 * pte_store(); a change of the frame must come here, for debug builds count
 * the user leaves that map a frame.
 */
void pt_set(pte_t *entry, pte_t value);
void pt_clear(pte_t *entry);

/*
 * Map [va, va + size) to [pa, pa + size) with the given flags (V, A, D are
 * added; W without R is refused), with the largest leaves that fit up to
 * max_level. 0; -EINVAL (misaligned, wrapping, beyond the top), -EEXIST
 * (something is mapped there), -ENOMEM. On error nothing was mapped, not even
 * for a moment; tables made on the way stay, empty. xv6's mappages().
 */
int pt_map(paddr_t root, vaddr_t va, paddr_t pa, uint64_t size, uint64_t flags, unsigned max_level);
/*
 * Clear the leaves of [va, va + size), all of which must be mapped; a larger
 * leaf that reaches beyond is split. 0; -EINVAL, -ENOENT (some of it is not
 * mapped), -ENOMEM. On error everything is mapped as it was.
 */
int pt_unmap(paddr_t root, vaddr_t va, uint64_t size);
/* The same, but set the leaves' R, W, X and U bits to those in flags. */
int pt_protect(paddr_t root, vaddr_t va, uint64_t size, uint64_t flags);

/*
 * Call visit for each leaf in [va, va + size), in order; visit may change or
 * clear the entry with pt_clear(). Skips holes a table at a time, and frozen
 * tables. Stops at the first nonzero return, which it returns.
 */
typedef int (*pt_visit_t)(void *ctx, pte_t *entry, vaddr_t va, unsigned level);
int pt_visit(paddr_t root, vaddr_t va, uint64_t size, pt_visit_t visit, void *ctx);

/*
 * Unlink the tables in [va, va + size) that hold no entry any more and hand
 * each to free_table (which frees it, after the flush). The root stays.
 */
void pt_prune(paddr_t root, vaddr_t va, uint64_t size, void (*free_table)(void *ctx, paddr_t table),
              void *ctx);
/*
 * Free a tree: the tables of its user half, its root and its mirror, not those of
 * the kernel half, which are shared. Every user leaf and frozen entry must be gone
 * (debug builds check; pt_release_all() sees to it), and no hart may still have the
 * tree loaded.
 */
void pt_destroy(paddr_t root);

/*
 * Replace a leaf above level 0 by a table of leaves one level down, which
 * translate the same. 0, or -ENOMEM: unchanged. The caller counts the table.
 */
int pt_split(pte_t *entry, unsigned level);

/*
 * Svnapot (privileged specification, chapter 5): sixteen level-0 entries, aligned,
 * that are all the same but for A and D, with N set and the page number's low
 * bits 8, map 64 KiB as one. Each still stands for its own 4 KiB: pte_page()
 * gives the leaf it amounts to, and whatever looks for the frame behind a
 * level-0 entry loads it so. Before one of them changes in any other way than
 * all sixteen do, pt_napot_break() makes plain leaves of them. (mem/napot.c)
 */
#define NAPOT_ORDER 4
#define NAPOT_PAGES (1U << NAPOT_ORDER)
#define NAPOT_SIZE (PAGE_SIZE << NAPOT_ORDER)

static inline bool
pte_is_napot(pte_t pte)
{
    return pte & PTE_N;
}

/* What a leaf of 64 KiB says of one of its pages (its number's low bits count). */
static inline pte_t
pte_napot_page(pte_t pte, uint64_t page)
{
    pte &= ~(PTE_N | (uint64_t)(NAPOT_PAGES - 1) << PTE_PPN_SHIFT);
    return pte | page % NAPOT_PAGES << PTE_PPN_SHIFT;
}

/* A level-0 entry as a leaf of 4 KiB. */
static inline pte_t
pte_page(const pte_t *entry)
{
    pte_t pte = pte_load(entry);
    if (likely(!pte_is_napot(pte)))
        return pte;
    return pte_napot_page(pte, (uintptr_t)entry / sizeof(*entry));
}

/* Fill sixteen empty entries, the first of them aligned, with a leaf of 64 KiB at pa. */
void pt_napot_make(pte_t *entries, paddr_t pa, uint64_t flags);
/*
 * Make plain leaves of the sixteen of which `entry` is one, which translate the
 * same; each is marked A, D and AGED if any was. Does nothing to a plain leaf.
 * Needs no flush; one of any page of theirs also finds the larger translation.
 */
void pt_napot_break(pte_t *entry);

struct frame;
/* The table frame that holds an entry. */
struct frame *pt_table_of(const pte_t *entry);
/* Make a frame of FRAME_TABLE the descriptor of a table that holds nothing and is named nowhere. */
void pt_init_table(struct frame *table, unsigned level);

/*
 * Print a tree in the course's form (vmprint), a line at a time: the next line, without its
 * newline, into `line`. False: there is none. The caller's locks keep the tree as it is during
 * a call; between two calls it may change, and the place stays a place. (mem/vmprint.c)
 */
#define PT_PRINT_ALL BIT(0)   /* the kernel half too */
#define PT_PRINT_FLAGS BIT(1) /* with the flags of leaves in letters */
#define PT_PRINT_BLANK BIT(2) /* zeros for physical addresses: not for a reader without rights */
#define PT_PRINT_LINE 128     /* bytes that every line fits into */
struct pt_place {             /* all zeros: before the first line */
    vaddr_t va;     /* of the next entry, from 0 to the end of the tree */
    unsigned depth; /* below the root */
    bool begun;     /* the line of the root was printed */
};
bool pt_print_next(paddr_t root, unsigned how, struct pt_place *place, char *line, size_t size);

#endif
