/*
 * The page-table tree.
 *
 * Every operation is one of two walks: down the path of one address
 * (find_entry), or over a range, table by table (visit_table and its kin). An
 * entry is in use if it is not zero, whatever its V bit says; a table's
 * descriptor counts those, so a range walk stops when it has seen them all.
 *
 * Hardware may walk the tree at any moment, and may remember any entry that
 * has V set. So new tables are finished before one store links them, whatever
 * cannot be finished is never linked, and tables are unlinked here but freed
 * by the caller, after its flush.
 */
#include "mem/pagetable.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/panic.h"
#include "mem/frame.h"
#include "mem/framecheck.h"
#include "mem/freeze.h"

#define PTE_RIGHTS (PTE_RWX | PTE_U)

unsigned pt_levels = 3;
vaddr_t user_top = 1UL << 38;

static inline bool
canonical(vaddr_t va)
{
    unsigned unused = 64 - PAGE_SHIFT - pt_levels * PT_FANOUT_SHIFT;
    return (vaddr_t)((int64_t)(va << unused) >> unused) == va;
}

/* Log what is wrong at va, and return the error. */
static int
complain(int error, const char *what, vaddr_t va)
{
    printk(LOG_ERR, "page table: %s: 0x%016lx", what, (unsigned long)va);
    return error;
}

/* Check a range of whole pages; -EINVAL names what is wrong with it. */
static int
check_range(vaddr_t va, uint64_t size)
{
    vaddr_t last = va + size - 1;
    if ((va | size) & PAGE_MASK)
        return complain(-EINVAL, "address or size is no multiple of a page", va | size);
    if (size == 0 || last < va)
        return complain(-EINVAL, "range is empty or wraps", va);
    if (!canonical(va) || !canonical(last) || (va ^ last) >> 63)
        return complain(-EINVAL, "range goes beyond the top of its half", last);
    return 0;
}

static bool
rights_allowed(uint64_t flags)
{
    return (flags & PTE_RWX) && (!(flags & PTE_W) || (flags & PTE_R));
}

static inline pte_t *
table_at(paddr_t pa)
{
    return phys_to_virt(pa);
}

struct frame *
pt_table_of(const pte_t *entry)
{
    return frame_of_va(entry);
}

/* Debug builds: a user leaf comes to map its frames, or no longer does. */
static inline void
note_leaf(unsigned level, pte_t pte, int delta)
{
    if (pte_is_leaf(pte) && (pte & PTE_U))
        framecheck_mapped(pte_pa(pte), pt_span(level) >> PAGE_SHIFT, delta);
}

/* Store an entry, and the same in the mirror if this is a root that has one. */
static inline void
store_entry(const struct frame *table, pte_t *entry, pte_t value)
{
    pte_store(entry, value);
    if (unlikely(table->mirror))
        pte_store(table_at(table->mirror) + ((uintptr_t)entry & PAGE_MASK) / sizeof(*entry), value);
}

void
pt_set(pte_t *entry, pte_t value)
{
    struct frame *table = pt_table_of(entry);
    pte_t old = pte_load(entry);

    assert(value != 0);
    assert(!pte_is_napot(old));
    note_leaf(table->level, old, -1);
    note_leaf(table->level, value, 1);
    if (old == 0)
        table->nptes++;
    store_entry(table, entry, value);
}

void
pt_clear(pte_t *entry)
{
    struct frame *table = pt_table_of(entry);
    pte_t old = pte_load(entry);

    assert(!pte_is_napot(old));
    note_leaf(table->level, old, -1);
    if (old != 0)
        table->nptes--;
    store_entry(table, entry, 0);
}

void
pt_set_mirror(paddr_t root, paddr_t mirror)
{
    frame_of(root)->mirror = mirror;
}

void
pt_init_table(struct frame *table, unsigned level)
{
    table->nptes = 0;
    table->level = level;
    table->copied = false;
    table->ntables = 0; /* nanon and nfile, too */
    table->nbelow = 0;
    table->mirror = 0;
}

uint64_t
pt_ntables(paddr_t root)
{
    return __atomic_load_n(&frame_of(root)->ntables, __ATOMIC_RELAXED);
}

void
pt_count_tables(paddr_t root, int64_t n)
{
    struct frame *table = frame_of(root);
    store_relaxed(&table->ntables, table->ntables + (uint32_t)n);
}

/* An empty table for `level`, linked from nowhere; 0 if memory is out. */
static paddr_t
new_table(unsigned level)
{
    struct frame *table = frame_alloc_zeroed(FRAME_TABLE);
    if (!table)
        return 0;
    pt_init_table(table, level);
    return frame_pa(table);
}

/* Free what make_chain() made for va, from the table at `level` down to `bottom`. */
static void
free_chain(paddr_t table, vaddr_t va, unsigned level, unsigned bottom)
{
    for (;; level--) {
        pte_t next = table_at(table)[pt_index(va, level)];
        frame_free(frame_of(table));
        if (level == bottom)
            return;
        table = pte_pa(next);
    }
}

/*
 * Tables for va from level `top` down to `bottom`, each with one entry for the
 * next, linked from nowhere. All or none: 0 if memory is out.
 */
static paddr_t
make_chain(vaddr_t va, unsigned top, unsigned bottom)
{
    paddr_t below = 0;
    for (unsigned level = bottom; level <= top; level++) {
        paddr_t table = new_table(level);
        if (!table) {
            if (below)
                free_chain(below, va, level - 1, bottom);
            return 0;
        }
        if (below)
            pt_set(&table_at(table)[pt_index(va, level)], pte_make(below, PTE_V));
        below = table;
    }
    return below;
}

/*
 * Make an entry above `bottom` name a valid table: a new one, with a chain of
 * tables for va below it, or the frozen one that it names. 0, -EEXIST (a
 * leaf), -ENOMEM.
 */
static int
make_table(paddr_t root, pte_t *entry, vaddr_t va, unsigned level, unsigned bottom)
{
    pte_t pte = pte_load(entry);
    if (pte_is_frozen(pte))
        return pt_thaw(entry);
    if (pte != 0)
        return -EEXIST;
    paddr_t chain = make_chain(va, level - 1, bottom);
    if (!chain)
        return -ENOMEM;
    pt_set(entry, pte_make(chain, PTE_V));
    pt_count_tables(root, level - bottom);
    return 0;
}

/*
 * The entry for va at `level`, its tables made or thawed if `alloc`. 0, or -EINVAL
 * (not canonical), -ENOENT (no table of ours, and none to be made), -EEXIST (a
 * larger leaf covers va), -ENOMEM (nothing changed but that tables were thawed).
 */
static int
find_entry(paddr_t root, vaddr_t va, unsigned level, bool alloc, pte_t **found)
{
    pte_t *table = table_at(root);

    if (unlikely(!canonical(va)))
        return -EINVAL;
    for (unsigned at = pt_levels - 1; at > level; at--) {
        pte_t *entry = &table[pt_index(va, at)];
        if (unlikely(!pte_is_table(pte_load(entry)))) {
            if (!alloc)
                return pte_maps(pte_load(entry)) ? -EEXIST : -ENOENT;
            int error = make_table(root, entry, va, at, level);
            if (error)
                return error;
        }
        table = table_at(pte_pa(pte_load(entry)));
    }
    *found = &table[pt_index(va, level)];
    return 0;
}

paddr_t
pt_create(void)
{
    return new_table(pt_levels - 1);
}

pte_t *
pt_walk_level(paddr_t root, vaddr_t va, unsigned level, bool alloc)
{
    pte_t *entry;
    return find_entry(root, va, level, alloc, &entry) == 0 ? entry : NULL;
}

pte_t *
walk(paddr_t root, vaddr_t va, bool alloc)
{
    return pt_walk_level(root, va, 0, alloc);
}

pte_t *
pt_leaf(paddr_t root, vaddr_t va, unsigned *level)
{
    if (!canonical(va))
        return NULL;
    pte_t *table = table_at(root);
    for (unsigned at = pt_levels; at-- > 0;) {
        pte_t *entry = &table[pt_index(va, at)];
        pte_t pte = pte_load(entry);
        if (pte_is_leaf(pte)) {
            *level = at;
            return entry;
        }
        if (!pte_is_table(pte))
            return NULL;
        table = table_at(pte_pa(pte));
    }
    return NULL;
}

pte_t
pt_lookup(paddr_t root, vaddr_t va, unsigned *level)
{
    const pte_t *table = table_at(root);
    pte_t pte = 0;

    for (*level = pt_levels - 1; canonical(va); --*level) {
        pte = pte_page(&table[pt_index(va, *level)]);
        if (*level == 0 || pte == 0 || pte_maps(pte))
            break;
        table = table_at(pte_pa(pte));
    }
    return pte;
}

/*
 * Find the place of the largest leaf that can map va to pa within size: 0, its
 * entry (empty) and its level. Where a table is in the way already, what is
 * below it is used. Errors as find_entry(); -EEXIST also if the entry is in use.
 */
static int
place_leaf(paddr_t root, vaddr_t va, paddr_t pa, uint64_t size, unsigned *level, pte_t **entry)
{
    while (*level > 0 && (((va | pa) & (pt_span(*level) - 1)) || size < pt_span(*level)))
        --*level;
    for (;;) {
        int error = find_entry(root, va, *level, true, entry);
        if (error)
            return error;
        pte_t pte = pte_load(*entry);
        if (pte == 0)
            return 0;
        if (*level == 0 || !pte_is_table(pte))
            return -EEXIST;
        --*level;
    }
}

int
pt_map(paddr_t root, vaddr_t va, paddr_t pa, uint64_t size, uint64_t flags, unsigned max_level)
{
    int error = check_range(va, size);
    if (error)
        return error;
    if ((pa & PAGE_MASK) || !rights_allowed(flags))
        return complain(-EINVAL, "mapping to a misaligned address or with rights that cannot be",
                        va);
    max_level = min(max_level, pt_levels - 1);

    /* First every table, so that nothing can fail once a leaf is there. */
    for (uint64_t done = 0; done < size;) {
        unsigned level = max_level;
        pte_t *entry;
        error = place_leaf(root, va + done, pa + done, size - done, &level, &entry);
        if (error == -EEXIST)
            return complain(error, "something is mapped there already", va + done);
        if (error)
            return error;
        done += pt_span(level);
    }
    for (uint64_t done = 0; done < size;) {
        unsigned level = max_level;
        pte_t *entry;
        error = place_leaf(root, va + done, pa + done, size - done, &level, &entry);
        assert(!error);
        pt_set(entry, pte_make(pa + done, flags | PTE_V | PTE_A | PTE_D));
        done += pt_span(level);
    }
    return 0;
}

/* A range walk: the part [va, last] of a table at `level`, and what to do there. */
static int
visit_table(pte_t *table, unsigned level, vaddr_t va, vaddr_t last, pt_visit_t visit, void *ctx)
{
    uint64_t span = pt_span(level);
    uint32_t nleft = pt_table_of(table)->nptes;
    vaddr_t base = va & ~((span << PT_FANOUT_SHIFT) - 1);

    for (unsigned i = pt_index(va, level); i <= pt_index(last, level) && nleft > 0; i++) {
        pte_t pte = pte_load(&table[i]);
        if (pte == 0)
            continue;
        nleft--;
        vaddr_t start = base + i * span;
        int result = 0;
        if (pte_is_leaf(pte))
            result = visit(ctx, &table[i], start, level);
        else if (pte_is_table(pte))
            result = visit_table(table_at(pte_pa(pte)), level - 1, max(va, start),
                                 min(last, start + span - 1), visit, ctx);
        if (result)
            return result;
    }
    return 0;
}

int
pt_visit(paddr_t root, vaddr_t va, uint64_t size, pt_visit_t visit, void *ctx)
{
    if (size == 0)
        return 0;
    if (!canonical(va) || !canonical(va + size - 1) || va + size - 1 < va)
        return complain(-EINVAL, "visit of a range that cannot be", va);
    return visit_table(table_at(root), pt_levels - 1, va, va + size - 1, visit, ctx);
}

int
pt_split(pte_t *entry, unsigned level)
{
    pte_t pte = pte_load(entry);
    paddr_t child = new_table(level - 1);
    if (!child)
        return -ENOMEM;

    assert(level > 0 && pte_maps(pte));
    pte_t *table = table_at(child);
    frame_of(child)->nptes = PT_FANOUT;
    frame_of(child)->nanon = pte & PTE_U ? PT_FANOUT : 0;
    do { /* again if the hardware sets A or D meanwhile */
        for (unsigned i = 0; i < PT_FANOUT; i++)
            table[i] = pte + pte_make(i * pt_span(level - 1), 0);
    } while (!__atomic_compare_exchange_n(entry, &pte, pte_make(child, PTE_V), false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return 0;
}

/*
 * Make sure that all of [va, va + size) is mapped, by leaves that do not reach
 * beyond it. 0, -ENOENT, or -ENOMEM.
 */
static int
isolate_range(paddr_t root, vaddr_t va, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        unsigned level;
        pte_t *entry = pt_leaf(root, va + done, &level);
        if (!entry)
            return complain(-ENOENT, "nothing is mapped there", va + done);
        while (level > 0 &&
               (((va + done) & (pt_span(level) - 1)) || size - done < pt_span(level))) {
            int error = pt_split(entry, level);
            if (error)
                return error;
            pt_count_tables(root, 1);
            level--;
            entry = &table_at(pte_pa(pte_load(entry)))[pt_index(va + done, level)];
        }
        done += pt_span(level);
    }
    return 0;
}

static int
clear_leaf(void *ctx, pte_t *entry, vaddr_t va, unsigned level)
{
    (void)ctx, (void)va, (void)level;
    pt_clear(entry);
    return 0;
}

int
pt_unmap(paddr_t root, vaddr_t va, uint64_t size)
{
    int error = check_range(va, size);
    if (!error)
        error = isolate_range(root, va, size);
    return error ? error : pt_visit(root, va, size, clear_leaf, NULL);
}

static int
protect_leaf(void *ctx, pte_t *entry, vaddr_t va, unsigned level)
{
    uint64_t rights = *(uint64_t *)ctx;

    (void)va;
    if ((pte_load(entry) ^ rights) & PTE_U) {
        note_leaf(level, pte_load(entry), -1);
        note_leaf(level, pte_load(entry) | rights, 1);
    }
    pte_t pte = pte_load(entry);
    while (!__atomic_compare_exchange_n(entry, &pte, (pte & ~PTE_RIGHTS) | rights, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ; /* the hardware has set A or D meanwhile */
    return 0;
}

int
pt_protect(paddr_t root, vaddr_t va, uint64_t size, uint64_t flags)
{
    uint64_t rights = flags & PTE_RIGHTS;
    int error = check_range(va, size);
    if (!error && !rights_allowed(rights))
        error = complain(-EINVAL, "protection that cannot be", va);
    if (!error)
        error = isolate_range(root, va, size);
    return error ? error : pt_visit(root, va, size, protect_leaf, &rights);
}

static void
prune_table(paddr_t root, pte_t *table, unsigned level, vaddr_t va, vaddr_t last,
            void (*free_table)(void *ctx, paddr_t table), void *ctx)
{
    uint64_t span = pt_span(level);
    uint32_t nleft = pt_table_of(table)->nptes;
    vaddr_t base = va & ~((span << PT_FANOUT_SHIFT) - 1);

    for (unsigned i = pt_index(va, level); i <= pt_index(last, level) && nleft > 0; i++) {
        pte_t pte = pte_load(&table[i]);
        if (pte == 0)
            continue;
        nleft--;
        if (!pte_is_table(pte))
            continue;
        vaddr_t start = base + i * span;
        if (level > 1)
            prune_table(root, table_at(pte_pa(pte)), level - 1, max(va, start),
                        min(last, start + span - 1), free_table, ctx);
        if (frame_of(pte_pa(pte))->nptes == 0) {
            pt_clear(&table[i]);
            pt_count_tables(root, -1);
            free_table(ctx, pte_pa(pte));
        }
    }
}

void
pt_prune(paddr_t root, vaddr_t va, uint64_t size, void (*free_table)(void *ctx, paddr_t table),
         void *ctx)
{
    if (size > 0)
        prune_table(root, table_at(root), pt_levels - 1, va, va + size - 1, free_table, ctx);
}

/* Somebody destroys a tree and has forgotten a leaf. */
static void
leaf_forgotten(const pte_t *entry, unsigned level)
{
    const char *what = "destroying a page table with a leaf still in it";
    unsigned long table = virt_to_phys(entry) & ~PAGE_MASK;
    unsigned index = ((uintptr_t)entry & PAGE_MASK) / sizeof(*entry);
#ifdef DEBUG
    panic("%s: entry %u of the table at 0x%lx, level %u, is 0x%016lx", what, index, table, level,
          (unsigned long)pte_load(entry));
#else
    printk(LOG_ERR, "%s: entry %u of the table at 0x%lx, level %u, is 0x%016lx", what, index,
           table, level, (unsigned long)pte_load(entry));
#endif
}

/* Free a table, of which nentries are its own, and the tables below it. */
static void
destroy_table(pte_t *table, unsigned level, unsigned nentries)
{
    uint32_t nleft = pt_table_of(table)->nptes;

    for (unsigned i = 0; i < nentries && nleft > 0; i++) {
        pte_t pte = pte_load(&table[i]);
        if (pte == 0)
            continue;
        nleft--;
        if (level > 0 && pte_is_table(pte))
            destroy_table(table_at(pte_pa(pte)), level - 1, PT_FANOUT);
        else
            leaf_forgotten(&table[i], level);
    }
    frame_free(pt_table_of(table));
}

void
pt_destroy(paddr_t root)
{
    if (frame_of(root)->mirror)
        frame_free(frame_of(frame_of(root)->mirror));
    destroy_table(table_at(root), pt_levels - 1, PT_FANOUT / 2);
}
