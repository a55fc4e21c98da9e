/*
 * Freezing and thawing (freeze.h has the rules).
 *
 * Two owners of a table may be here at once, each with another lock held. What
 * one does to the table while the other looks is to count its references, and
 * to mark it as copied; its entries are only read.
 */
#include "mem/freeze.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "mem/framecheck.h"

pte_t pt_zero_ppn = ~0UL;
uint64_t pt_nshared, pt_nrevived, pt_ncopied;

static inline pte_t *
entries_of(const struct frame *table)
{
    return frame_va(table);
}

static inline struct frame *
table_of(pte_t pte)
{
    return frame_of(pte_pa(pte));
}

static inline void
note_event(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline pte_t
frozen(pte_t pte)
{
    return (pte & ~PTE_V) | PTE_FROZEN;
}

/*
 * An entry whose table is copied, as it must be in the copy and in the original:
 * what it names has one more owner now.
 */
static inline pte_t
weakened(pte_t pte)
{
    if (pte_maps(pte))
        return (pte & ~(PTE_W | PTE_A | PTE_D)) | PTE_COW | (pte & PTE_A ? PTE_AGED : 0);
    return pte_is_table(pte) ? frozen(pte) : pte;
}

static void
note_mapped(pte_t pte, unsigned level, int delta)
{
    if (pte_is_leaf(pte))
        framecheck_mapped(pte_pa(pte), pt_span(level) >> PAGE_SHIFT, delta);
}

static void add_below(struct pt_resident *sum, struct frame *table, bool frozen);

static void
add_resident(struct pt_resident *sum, pte_t pte, unsigned level)
{
    struct frame *frame = table_of(pte);

    if (pte_maps(pte)) {
        if (level == 0 && frame->owner != FRAME_ANON)
            sum->nfile += (pte & PTE_PPN_MASK) != pt_zero_ppn;
        else
            sum->nanon += pt_span(level) >> PAGE_SHIFT;
    } else if (level == 1) {
        sum->nanon += frame->nanon;
        sum->nfile += frame->nfile;
        sum->ntables++;
    } else {
        add_below(sum, frame, pte_is_frozen(pte));
    }
}

/*
 * What a table above level 0 maps. It does not change while it is frozen, so then it
 * is counted once and noted; two owners who do so at once note the same.
 */
static void
add_below(struct pt_resident *sum, struct frame *table, bool frozen)
{
    uint32_t noted = frozen ? __atomic_load_n(&table->nbelow, __ATOMIC_ACQUIRE) : 0;
    if (noted) {
        sum->nanon += noted - 1;
        sum->ntables += 1 + __atomic_load_n(&table->ntables, __ATOMIC_RELAXED);
        return;
    }
    struct pt_resident below = {0};
    const pte_t *entries = entries_of(table);
    uint32_t nleft = table->nptes;
    for (unsigned i = 0; i < PT_FANOUT && nleft > 0; i++) {
        if (entries[i] == 0)
            continue;
        nleft--;
        add_resident(&below, entries[i], table->level);
    }
    if (frozen && below.nfile == 0 && below.nanon < UINT32_MAX) {
        store_relaxed(&table->ntables, below.ntables);
        store_release(&table->nbelow, below.nanon + 1);
    }
    sum->nanon += below.nanon;
    sum->nfile += below.nfile;
    sum->ntables += 1 + below.ntables;
}

struct pt_resident
pt_count_resident(pte_t pte, unsigned level)
{
    struct pt_resident sum = {0};
    add_resident(&sum, pte, level);
    return sum;
}

bool
pt_share(pte_t *from, pte_t *to, unsigned n, struct pt_resident *resident)
{
    const unsigned level = pt_table_of(from)->level;
    unsigned nshared = 0;
    bool was_valid = false;

    for (unsigned i = 0; i < n; i++) {
        pte_t pte = pte_load(&from[i]);
        if (pte == 0)
            continue;
        assert(!pte_maps(pte) && to[i] == 0);
        __atomic_fetch_add(&table_of(pte)->refs, 1, __ATOMIC_RELAXED);
        if (pte_is_table(pte)) {
            was_valid = true;
            pte = frozen(pte);
            pt_set(&from[i], pte);
        }
        pt_set(&to[i], pte);
        nshared++;
        add_resident(resident, pte, level);
    }
    __atomic_fetch_add(&pt_nshared, nshared, __ATOMIC_RELAXED);
    return was_valid;
}

/* A table that says the same as another, each side now owning what both name; NULL: memory is out. */
static struct frame *
copy_table(struct frame *from)
{
    struct frame *to = frame_alloc(0, FRAME_TABLE);
    if (!to)
        return NULL;
    pt_init_table(to, from->level);
    to->nptes = from->nptes;
    to->nanon = from->nanon;
    to->nfile = from->nfile;

    const pte_t *source = entries_of(from);
    pte_t *entries = entries_of(to);
    for (unsigned i = 0; i < PT_FANOUT; i++) {
        pte_t pte = source[i];
        if (pte_maps(pte)) {
            pte_t mapped = pte_page(&source[i]);
            leaf_ref_get(mapped, from->level);
            note_mapped(mapped, from->level, 1);
        } else if (pte != 0) {
            frame_get(table_of(pte));
        }
        entries[i] = weakened(pte);
    }
    store_release(&from->copied, true);
    return to;
}

/* A table has become ours alone: what its copies name, too, it may not change any more. */
static void
revive(struct frame *table)
{
    table->nbelow = 0;
    if (!__atomic_load_n(&table->copied, __ATOMIC_RELAXED))
        return;
    table->copied = false;
    pte_t *entries = entries_of(table);
    for (unsigned i = 0; i < PT_FANOUT; i++)
        entries[i] = weakened(entries[i]);
}

static void drop_table(struct frame *table);

int
pt_thaw(pte_t *entry)
{
    pte_t pte = pte_load(entry);
    struct frame *table = table_of(pte);

    assert(pte_is_frozen(pte));
    if (__atomic_load_n(&table->refs, __ATOMIC_ACQUIRE) == 1) {
        revive(table);
        note_event(&pt_nrevived);
        pt_set(entry, (pte & ~PTE_FROZEN) | PTE_V);
        return 0;
    }
    struct frame *copy = copy_table(table);
    if (!copy)
        return -ENOMEM;
    note_event(&pt_ncopied);
    pt_set(entry, pte_make(frame_pa(copy), PTE_V));
    drop_table(table);
    return 0;
}

/* Split a leaf above level 0, and the block that it names. */
static int
split_leaf(paddr_t root, pte_t *entry, unsigned level, bool *split)
{
    struct frame *block = table_of(pte_load(entry));
    int error = pt_split(entry, level);
    if (error)
        return error;
    block_break(block);
    pt_count_tables(root, 1);
    *split = true;
    return 0;
}

/* No entry shall reach across va, strictly inside the user half or at its end. */
static int
isolate_at(paddr_t root, vaddr_t va, bool *split)
{
    pte_t *table = phys_to_virt(root);

    for (unsigned level = pt_levels - 1; level > 0 && (va & (pt_span(level) - 1)); level--) {
        pte_t *entry = &table[pt_index(va, level)];
        pte_t pte = pte_load(entry);
        int error = 0;
        if (pte == 0)
            return 0;
        if (pte_is_frozen(pte))
            error = pt_thaw(entry);
        else if (pte_maps(pte))
            error = split_leaf(root, entry, level, split);
        if (error)
            return error;
        table = phys_to_virt(pte_pa(pte_load(entry)));
    }
    if (va & (NAPOT_SIZE - 1))
        pt_napot_break(&table[pt_index(va, 0)]);
    return 0;
}

int
pt_isolate(paddr_t root, vaddr_t va, uint64_t size, bool *split)
{
    int error = isolate_at(root, va, split);
    return error ? error : isolate_at(root, va + size, split);
}

/* Make plain every leaf of 64 KiB in a level-0 table. */
static void
break_all(pte_t *table)
{
    for (unsigned i = 0; i < PT_FANOUT; i += NAPOT_PAGES)
        pt_napot_break(&table[i]);
}

/* Thaw, and split if `leaves`, what is in the part [va, last] of a table. */
static int
own_table(paddr_t root, pte_t *table, unsigned level, vaddr_t va, vaddr_t last, bool leaves,
          bool *split)
{
    uint64_t span = pt_span(level);
    vaddr_t base = va & ~((span << PT_FANOUT_SHIFT) - 1);

    for (unsigned i = pt_index(va, level); i <= pt_index(last, level); i++) {
        pte_t pte = pte_load(&table[i]);
        vaddr_t start = base + i * span;
        int error = 0;
        if (pte_is_frozen(pte))
            error = pt_thaw(&table[i]);
        else if (pte_maps(pte) && leaves)
            error = split_leaf(root, &table[i], level, split);
        if (!error && level > 1 && pte_is_table(pte_load(&table[i])))
            error = own_table(root, phys_to_virt(pte_pa(pte_load(&table[i]))), level - 1,
                              max(va, start), min(last, start + span - 1), leaves, split);
        if (error)
            return error;
        if (leaves && level == 1 && pte_is_table(pte_load(&table[i])))
            break_all(phys_to_virt(pte_pa(pte_load(&table[i]))));
        if (level == 1 && pte != 0)
            preempt_point();
    }
    return 0;
}

int
pt_own(paddr_t root, vaddr_t va, uint64_t size, bool leaves, bool *split)
{
    int error = pt_isolate(root, va, size, split);
    if (error || size == 0)
        return error;
    return own_table(root, phys_to_virt(root), pt_levels - 1, va, va + size - 1, leaves, split);
}

/* Drop a reference to a table. True: it was the last one, and what the table names must be released. */
static inline bool
drop_reference(struct frame *table)
{
    /* The only owner need not tell anybody. */
    return __atomic_load_n(&table->refs, __ATOMIC_ACQUIRE) == 1 ||
           __atomic_sub_fetch(&table->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* Leaves let go of between two preemption points; debug kernels fill and check each frame. */
#define RELEASE_BATCH 64

/*
 * Free a table without owners and let go of what it names. No tree leads here, and no hart
 * remembers a way: other threads may run meanwhile.
 */
static void
release_table(struct frame *table)
{
    const pte_t *entries = entries_of(table);
    const unsigned level = table->level;
    uint32_t nleft = table->nptes;
    unsigned nreleased = 0;

    for (unsigned i = 0; i < PT_FANOUT && nleft > 0; i++) {
        pte_t pte = entries[i];
        if (pte == 0)
            continue;
        nleft--;
        preempt_every(&nreleased, RELEASE_BATCH);
        if (pte_maps(pte)) {
            pte = pte_page(&entries[i]);
            note_mapped(pte, level, -1);
            leaf_ref_put(pte, level);
        } else if (drop_reference(table_of(pte))) {
            release_table(table_of(pte));
        }
    }
    store_relaxed(&table->refs, 1); /* for frame_free() */
    frame_free(table);
    if (level == 0)
        preempt_point();
}

static void
drop_table(struct frame *table)
{
    if (drop_reference(table))
        release_table(table);
}

void
pt_release(pte_t pte, unsigned level)
{
    if (pte_maps(pte))
        leaf_ref_put(pte, level);
    else
        drop_table(table_of(pte));
}

/* Debug builds: the tables of a tree are counted right. */
static void
check_ntables(paddr_t root)
{
#ifdef DEBUG
    const pte_t *entries = phys_to_virt(root);
    struct pt_resident sum = {0};

    for (unsigned i = 0; i < PT_FANOUT / 2; i++)
        if (entries[i] != 0)
            add_resident(&sum, entries[i], pt_levels - 1);
    assert(sum.ntables == pt_ntables(root));
#else
    (void)root;
#endif
}

void
pt_release_all(paddr_t root)
{
    pte_t *entries = phys_to_virt(root);
    struct frame *table = pt_table_of(entries);

    check_ntables(root);
    for (unsigned i = 0; i < PT_FANOUT / 2 && table->nptes > 0; i++) {
        pte_t pte = pte_load(&entries[i]);
        if (pte == 0)
            continue;
        pt_clear(&entries[i]);
        pt_release(pte, pt_levels - 1);
    }
}

bool
pt_frozen_accessed(pte_t pte, unsigned level, vaddr_t va, uint64_t size)
{
    if (pte == 0 || pte_maps(pte))
        return pte & (PTE_A | PTE_AGED);
    const pte_t *entries = entries_of(table_of(pte));
    const uint64_t span = pt_span(level - 1);
    vaddr_t last = va + size - 1;
    if (level == 1) { /* one of sixteen may tell for all */
        va = ALIGN_DOWN(va, NAPOT_SIZE);
        last |= NAPOT_SIZE - 1;
    }
    for (unsigned i = pt_index(va, level - 1); i <= pt_index(last, level - 1); i++) {
        vaddr_t start = ALIGN_DOWN(va, span << PT_FANOUT_SHIFT) + i * span;
        vaddr_t from = max(va, start), to = min(last, start + span - 1);
        if (pt_frozen_accessed(entries[i], level - 1, from, to - from + 1))
            return true;
    }
    return false;
}
