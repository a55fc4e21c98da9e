/*
 * Is all as it must be? Every page of every space is compared with its model;
 * then each table is visited once, however many entries name it, and what the
 * entries name is counted (freeze.h, rule 3):
 *
 *   - a table has as many references as entries that name it, and only one if
 *     a valid entry does (rules 1 and 2); a root has one and none name it
 *   - a block has as many units as superpage leaves name it, a frame as many
 *     references as level-0 leaves, and one more in a block with units
 *   - tables count their entries, and their leaves by kind
 *   - what the hardware can write to has no other reference
 *   - nothing names a free frame, and no frame in use is named by nothing
 *
 * The entries of a table that was copied say more than they may (rule 4):
 * they are read as what they will be once the table is revived.
 */
#include "tree.h"

#define MAX_FRAMES 65536
#define MARKS (PTE_A | PTE_D | PTE_AGED)

/* What was found to name a frame. */
static struct tally {
    uint32_t valid, frozen; /* entries that name a table */
    uint32_t leaves;        /* level-0 leaves */
    uint32_t units;         /* superpage leaves */
    bool visited;
} tallies[MAX_FRAMES];

static struct {
    uint64_t ntables, nanon;
} found;

void (*tree_explain)(void);

void
tree_failed(const char *file, int line, const char *what)
{
    print_message("%s:%d: not true: %s\n", file, line, what);
    if (tree_explain)
        tree_explain();
    _fail(file, line);
    abort();
}

static struct tally *
tally_of(paddr_t pa)
{
    TREE_EXPECT(pa >= frames_base && frame_of(pa) - frames < (int64_t)nframes);
    return &tallies[frame_of(pa) - frames];
}

unsigned
tree_units_found(const struct frame *head)
{
    return tallies[head - frames].units;
}

/* Pages. */

/* A page that the hardware can write to is this space's alone. */
static void
check_writable(pte_t pte, unsigned level)
{
    const struct frame *frame = frame_of(pte_pa(pte));
    if (level == 0) {
        TREE_EXPECT(frame->refs == 1);
        TREE_EXPECT((pte & PTE_PPN_MASK) != pt_zero_ppn);
    } else {
        TREE_EXPECT(block_is_sole(frame_of(pte_pa(pte))));
    }
    TREE_EXPECT(!(pte & PTE_COW));
}

static void
check_page(const struct tree_page *page, vaddr_t va, struct tree_found f)
{
    TREE_EXPECT(page->mapped == pte_maps(f.pte));
    if (!page->mapped) {
        TREE_EXPECT(f.pte == 0 && !page->accessed && page->prot == TREE_RW);
        return;
    }
    const uint32_t *words =
        phys_to_virt(ALIGN_DOWN(pte_pa(f.pte), pt_span(f.level)) + (va & (pt_span(f.level) - 1)));
    TREE_EXPECT(words[0] == page->words[0] && words[1] == page->words[1]);
    TREE_EXPECT((page->prot == TREE_NONE) == pte_is_parked(f.pte));
    TREE_EXPECT((f.pte & PTE_U) && !(f.pte & PTE_X));
    TREE_EXPECT((page->prot != TREE_NONE) == !!(f.pte & PTE_R));
    TREE_EXPECT(page->prot == TREE_RW || !(f.pte & PTE_W));
    TREE_EXPECT(page->prot != TREE_RW || (f.pte & (PTE_W | PTE_COW)));
    TREE_EXPECT(page->accessed == !!(f.pte & (PTE_A | PTE_AGED)));
    if (f.valid && (f.pte & PTE_W))
        check_writable(f.pte, f.level);
}

void
tree_check_pages(const struct tree_space *space, unsigned page, unsigned n)
{
    for (unsigned i = page; i < page + n;) {
        struct tree_found f = tree_find(space->root, tree_va(i));
        unsigned level = ~0u;
        pte_t known = pt_lookup(space->root, tree_va(i), &level);
        TREE_EXPECT((known & ~MARKS) == (f.pte & ~MARKS) && level == f.level);
        TREE_EXPECT((known & MARKS) == (f.pte & MARKS) || f.npages == NAPOT_PAGES);
        vaddr_t end = ALIGN_DOWN(tree_va(i), pt_span(f.level)) + pt_span(f.level);
        if (pte_is_leaf(f.pte) && f.valid) {
            pte_t *leaf = pt_leaf(space->root, tree_va(i), &level);
            TREE_EXPECT(leaf && pte_page(leaf) == known && level == f.level);
        } else {
            TREE_EXPECT(!pt_leaf(space->root, tree_va(i), &level));
        }
        for (; i < page + n && tree_va(i) < end; i++)
            check_page(&space->pages[i], tree_va(i), f);
    }
}

/* Tables. */

static void check_table(paddr_t pa, unsigned level);

static void
tally_leaf(pte_t pte, unsigned level)
{
    if (level == 0 && (pte & PTE_PPN_MASK) == pt_zero_ppn)
        return;
    TREE_EXPECT(level <= 1 && !(pte_pa(pte) & (pt_span(level) - 1)));
    const struct frame *frame = frame_of(pte_pa(pte));
    struct tally *tally = tally_of(pte_pa(pte));
    for (unsigned i = 0; i < pt_span(level) >> PAGE_SHIFT; i++) {
        TREE_EXPECT(frame[i].owner == FRAME_ANON && frame[i].refs > 0);
        if (!tally[i].visited)
            found.nanon++;
        tally[i].visited = true;
    }
    if (level > 0)
        tally->units++;
    else
        tally->leaves++;
}

/* An entry in use. Returns how many pages of anonymous memory it adds to a level-0 table. */
static unsigned
check_entry(pte_t pte, unsigned level, bool copied)
{
    if (pte_maps(pte)) {
        tally_leaf(pte, level);
        return (pte & PTE_PPN_MASK) != pt_zero_ppn;
    }
    TREE_EXPECT(level > 0 && (pte_is_table(pte) || pte_is_frozen(pte)));
    TREE_EXPECT(!(pte & (PTE_U | PTE_A | PTE_D | PTE_RWX)));
    struct tally *tally = tally_of(pte_pa(pte));
    if (pte_is_table(pte) && !copied)
        tally->valid++;
    else
        tally->frozen++;
    if (!tally->visited)
        check_table(pte_pa(pte), level - 1);
    return 0;
}

static void
check_table(paddr_t pa, unsigned level)
{
    const struct frame *table = frame_of(pa);
    const pte_t *entries = phys_to_virt(pa);
    unsigned nptes = 0, nanon = 0;

    tally_of(pa)->visited = true;
    found.ntables++;
    TREE_EXPECT(table->owner == FRAME_TABLE && table->level == level && table->refs > 0);
    for (unsigned i = 0; i < PT_FANOUT; i++)
        if (entries[i] != 0) {
            nptes++;
            nanon += check_entry(level == 0 ? pte_page(&entries[i]) : entries[i], level,
                                 table->copied);
        }
    TREE_EXPECT(table->nptes == nptes);
    TREE_EXPECT(level > 0 || (table->nanon == nanon && table->nfile == 0));
}

static void
check_root(struct tree_space *space)
{
    const struct frame *root = frame_of(space->root);
    TREE_EXPECT(root->refs == 1 && !root->copied && root->mirror == space->mirror);
    check_table(space->root, pt_levels - 1);
    if (!space->mirror)
        return;
    found.ntables++;
    const pte_t *entries = phys_to_virt(space->root), *mirror = phys_to_virt(space->mirror);
    TREE_EXPECT(frame_of(space->mirror)->owner == FRAME_TABLE);
    TREE_EXPECT(memcmp(entries, mirror, PT_FANOUT / 2 * sizeof(pte_t)) == 0);
}

/* Compare the references that were found with those that are counted. */
static void
check_refs(void)
{
    for (uint64_t i = 0; i < nframes; i++) {
        const struct tally *t = &tallies[i];
        const struct frame *frame = &frames[i];
        if (t->valid + t->frozen > 0) {
            TREE_EXPECT(frame->refs == t->valid + t->frozen);
            TREE_EXPECT(t->valid == 0 || frame->refs == 1);
            TREE_EXPECT(t->leaves + t->units == 0);
        }
        if (t->units > 0)
            TREE_EXPECT(frame->nunits == t->units);
        bool in_block = tallies[ALIGN_DOWN(i, BLOCK_FRAMES)].units > 0;
        if (t->visited && frame->owner == FRAME_ANON)
            TREE_EXPECT(frame->refs == t->leaves + in_block);
    }
}

/* Tables that hang on an entry, one by one. */
static uint64_t
ntables_below(pte_t pte, unsigned level)
{
    uint64_t n = 1;

    if (pte == 0 || pte_maps(pte))
        return 0;
    const pte_t *entries = phys_to_virt(pte_pa(pte));
    for (unsigned i = 0; level > 1 && i < PT_FANOUT; i++)
        n += ntables_below(entries[i], level - 1);
    return n;
}

/* The pages of a space that are resident, and its tables, by the tables' counts. */
static void
check_resident(const struct tree_space *space)
{
    const pte_t *entries = phys_to_virt(space->root);
    uint64_t nmapped = 0, nresident = 0, ntables = 0;

    for (unsigned i = 0; i < PT_FANOUT / 2; i++) {
        if (entries[i] == 0)
            continue;
        struct pt_resident resident = pt_count_resident(entries[i], pt_levels - 1);
        nresident += resident.nanon;
        ntables += resident.ntables;
        TREE_EXPECT(resident.ntables == ntables_below(entries[i], pt_levels - 1));
        TREE_EXPECT(resident.nfile == 0);
    }
    for (unsigned i = 0; i < tree_npages; i++)
        if (space->pages[i].mapped) {
            pte_t pte = tree_find(space->root, tree_va(i)).pte;
            nmapped += (pte & PTE_PPN_MASK) != pt_zero_ppn;
        }
    TREE_EXPECT(nresident == nmapped);
    TREE_EXPECT(pt_ntables(space->root) == ntables);
}

void
tree_check(void)
{
    uint64_t counts[FRAME_NOWNERS];

    TREE_EXPECT(nframes <= MAX_FRAMES);
    memset(tallies, 0, nframes * sizeof(tallies[0]));
    memset(&found, 0, sizeof(found));
    for (struct tree_space *space = tree_spaces; space < tree_spaces + TREE_SPACES; space++) {
        if (!space->root)
            continue;
        tree_check_pages(space, 0, tree_npages);
        check_root(space);
        check_resident(space);
    }
    check_refs();
    frame_counts(counts);
    TREE_EXPECT(counts[FRAME_TABLE] == found.ntables);
    TREE_EXPECT(counts[FRAME_ANON] == found.nanon);
}
