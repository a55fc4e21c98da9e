/*
 * What address spaces do to their trees, without address spaces (see tree.h).
 */
#include "tree.h"

#include "lib/hash.h"
#include "mem/framecheck.h"

#define RIGHTS (PTE_V | PTE_U | PTE_R | PTE_W)
#define ACCESSED (PTE_A | PTE_AGED)

struct tree_space tree_spaces[TREE_SPACES];
vaddr_t tree_base;
unsigned tree_npages;
uint32_t tree_nwrites;

/* An entry in use of a table, and the part of a range that lies under it. */
struct part {
    pte_t *entry;
    vaddr_t va, last;
};

static bool
next_part(pte_t *table, unsigned level, vaddr_t *va, vaddr_t last, struct part *part)
{
    while (*va <= last) {
        vaddr_t end = ALIGN_DOWN(*va, pt_span(level)) + pt_span(level) - 1;
        *part = (struct part){&table[pt_index(*va, level)], *va, min(end, last)};
        *va = end + 1;
        if (pte_load(part->entry) != 0)
            return true;
    }
    return false;
}

void
tree_start(unsigned levels, vaddr_t base, unsigned npages)
{
    pt_levels = levels;
    user_top = pt_span(levels - 1) * PT_FANOUT / 2;
    tree_base = base;
    tree_npages = npages;
    assert_true(npages <= TREE_MAX_PAGES && base + npages * PAGE_SIZE <= user_top);
    memset(tree_spaces, 0, sizeof(tree_spaces));
    struct frame *zero = frame_alloc_zeroed(FRAME_KERNEL);
    assert_non_null(zero);
    pt_zero_ppn = pte_make(frame_pa(zero), 0);
}

void
tree_stop(void)
{
    frame_free(frame_of(pte_pa(pt_zero_ppn)));
    pt_zero_ppn = ~0UL;
}

int
tree_create(struct tree_space *space, bool mirror)
{
    memset(space->pages, 0, tree_npages * sizeof(space->pages[0]));
    space->mirror = 0;
    space->root = pt_create();
    if (!space->root)
        return -ENOMEM;
    if (mirror && !(space->mirror = pt_create())) {
        pt_destroy(space->root);
        space->root = 0;
        return -ENOMEM;
    }
    if (mirror)
        pt_set_mirror(space->root, space->mirror);
    return 0;
}

void
tree_exit(struct tree_space *space)
{
    pt_release_all(space->root);
    pt_destroy(space->root);
    space->root = 0;
}

/* Touching. */

static void
fill(pte_t *entry, struct frame *frame)
{
    pt_table_of(entry)->nanon++;
    pt_set(entry, pte_make(frame_pa(frame), RIGHTS | PTE_A | PTE_D));
}

/* Write to a page that may only be read: alone with its frame, or by a copy. */
static int
write_copy(pte_t *entry)
{
    pte_t old = pte_load(entry);
    struct frame *source = frame_of(pte_pa(old)), *frame;
    bool zero = (old & PTE_PPN_MASK) == pt_zero_ppn;

    if (!zero && source->refs == 1) {
        pte_store(entry, (old & PTE_PPN_MASK) | RIGHTS | PTE_A | PTE_D);
        return 0;
    }
    frame = zero ? frame_alloc_zeroed(FRAME_ANON) : frame_alloc(0, FRAME_ANON);
    if (!frame)
        return -ENOMEM;
    if (!zero) {
        page_copy(frame_va(frame), frame_va(source));
        pt_table_of(entry)->nanon--;
    }
    fill(entry, frame);
    leaf_ref_put(old, 0);
    return 0;
}

/* Write to a superpage that may only be read; -EAGAIN: it was split, look again. */
static int
write_block(struct tree_space *space, pte_t *entry, vaddr_t va)
{
    pte_t pte = pte_load(entry);
    bool split = false;

    if (block_is_sole(frame_of(pte_pa(pte)))) {
        pte_store(entry, (pte & PTE_PPN_MASK) | RIGHTS | PTE_A | PTE_D);
        return 0;
    }
    int error = pt_own(space->root, va, PAGE_SIZE, true, &split);
    TREE_EXPECT(error || split);
    return error ? error : -EAGAIN;
}

static int
fault(struct tree_space *space, vaddr_t va, enum tree_access access)
{
    unsigned level = 0;
    pte_t *entry = walk(space->root, va, true);
    if (!entry && !(entry = pt_leaf(space->root, va, &level)))
        return -ENOMEM;

    pte_t pte = pte_load(entry);
    bool write = access == TREE_WRITE;
    if (pte & (write ? PTE_W : PTE_R)) {
        pte_mark_used(entry, write);
        return 0;
    }
    if (pte == 0 && !write) {
        pt_set(entry, pt_zero_ppn | (RIGHTS & ~PTE_W) | PTE_A | PTE_COW);
        return 0;
    }
    if (pte == 0) {
        struct frame *frame = frame_alloc_zeroed(FRAME_ANON);
        if (!frame)
            return -ENOMEM;
        fill(entry, frame);
        return 0;
    }
    TREE_EXPECT(pte_is_leaf(pte) && (pte & PTE_COW || write));
    if (level == 0)
        pt_napot_break(entry);
    return level > 0 ? write_block(space, entry, va) : write_copy(entry);
}

/* A leaf is accessed: so, for all anybody can tell, is each of its pages. */
static void
note_access(struct tree_space *space, unsigned page)
{
    unsigned n = tree_find(space->root, tree_va(page)).npages;
    unsigned first = (ALIGN_DOWN(tree_va(page), n * PAGE_SIZE) - tree_base) >> PAGE_SHIFT;
    for (unsigned i = first; i < first + n; i++)
        space->pages[i].accessed = true;
}

/* Read what is there, or write to it, at pa. */
static void
use(struct tree_page *page, paddr_t pa, enum tree_access access)
{
    uint32_t *words = phys_to_virt(pa);

    TREE_EXPECT(words[0] == page->words[0] && words[1] == page->words[1]);
    if (access != TREE_WRITE)
        return;
    words[1] = page->words[1] = words[0];
    words[0] = page->words[0] = ++tree_nwrites;
}

int
tree_touch(struct tree_space *space, unsigned page, enum tree_access access)
{
    struct tree_page *model = &space->pages[page];
    vaddr_t va = tree_va(page);
    paddr_t pa;

    for (unsigned nfaults = 0; !tree_translate(space->root, va, access, space->hardware, &pa);) {
        if (model->prot == TREE_NONE || (model->prot == TREE_RO && access == TREE_WRITE))
            return -EACCES;
        int error = fault(space, va, access);
        if (error && error != -EAGAIN)
            return error;
        TREE_EXPECT(++nfaults <= 2);
    }
    TREE_EXPECT(model->prot == TREE_RW || (model->prot == TREE_RO && access == TREE_READ));
    if (!model->mapped)
        *model = (struct tree_page){.mapped = true};
    use(model, pa, access);
    note_access(space, page);
    return 0;
}

int
tree_touch_block(struct tree_space *space, unsigned page)
{
    vaddr_t va = ALIGN_DOWN(tree_va(page), pt_span(1));
    unsigned first = (va - tree_base) >> PAGE_SHIFT;
    if (va < tree_base || first + BLOCK_FRAMES > tree_npages)
        return -EINVAL;
    struct tree_found found = tree_find(space->root, va);
    if (found.level == 0 || found.pte != 0)
        return -EINVAL;

    pte_t *entry = pt_walk_level(space->root, va, 1, true);
    struct frame *block = entry ? block_alloc_zeroed() : NULL;
    if (!block)
        return -ENOMEM;
    pt_set(entry, pte_make(frame_pa(block), RIGHTS | PTE_A | PTE_D));
    for (unsigned i = 0; i < BLOCK_FRAMES; i++) {
        space->pages[first + i] = (struct tree_page){.mapped = true, .accessed = true};
        use(&space->pages[first + i], frame_pa(&block[i]), TREE_WRITE);
    }
    return 0;
}

int
tree_touch_napot(struct tree_space *space, unsigned page)
{
    vaddr_t va = ALIGN_DOWN(tree_va(page), NAPOT_SIZE);
    unsigned first = (va - tree_base) >> PAGE_SHIFT;
    if (PT_FANOUT < NAPOT_PAGES || va < tree_base || first + NAPOT_PAGES > tree_npages)
        return -EINVAL;
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        if (tree_find(space->root, va + i * PAGE_SIZE).pte != 0)
            return -EINVAL;

    pte_t *entries = walk(space->root, va, true);
    struct frame *frame = entries ? frame_alloc_spare(NAPOT_ORDER, FRAME_ANON) : NULL;
    if (!frame)
        return -ENOMEM;
    frame_split(frame);
    for (unsigned i = 0; i < NAPOT_PAGES; i++)
        page_zero(frame_va(&frame[i]));
    pt_napot_make(entries, frame_pa(frame), RIGHTS | PTE_A | PTE_D);
    pt_table_of(entries)->nanon += NAPOT_PAGES;
    for (unsigned i = 0; i < NAPOT_PAGES; i++) {
        space->pages[first + i] = (struct tree_page){.mapped = true, .accessed = true};
        use(&space->pages[first + i], frame_pa(&frame[i]), TREE_WRITE);
    }
    return 0;
}

/* Ranges. */

/* Level-0 leaves of 64 KiB are made plain before they are changed one by one. */
static inline pte_t
plain(pte_t *entry, unsigned level)
{
    if (level == 0)
        pt_napot_break(entry);
    return pte_load(entry);
}

static void
zap(paddr_t root, pte_t *table, unsigned level, vaddr_t va, vaddr_t last)
{
    struct part part;
    while (next_part(table, level, &va, last, &part)) {
        pte_t pte = plain(part.entry, level);
        if (pte_is_table(pte)) {
            zap(root, phys_to_virt(pte_pa(pte)), level - 1, part.va, part.last);
            continue;
        }
        TREE_EXPECT(part.last - part.va + 1 == pt_span(level));
        if (level == 0 && (pte & PTE_PPN_MASK) != pt_zero_ppn)
            pt_table_of(part.entry)->nanon--;
        pt_clear(part.entry);
        if (level > 0)
            pt_count_tables(root, -(int64_t)pt_count_resident(pte, level).ntables);
        pt_release(pte, level);
    }
}

static void
free_pruned(void *ctx, paddr_t table)
{
    frame_free(frame_of(table));
}

int
tree_unmap(struct tree_space *space, unsigned page, unsigned n)
{
    vaddr_t va = tree_va(page), size = n * PAGE_SIZE;
    bool split = false;
    int error = pt_isolate(space->root, va, size, &split);
    if (error)
        return error;
    zap(space->root, phys_to_virt(space->root), pt_levels - 1, va, va + size - 1);
    pt_prune(space->root, va, size, free_pruned, NULL);
    memset(&space->pages[page], 0, n * sizeof(space->pages[0]));
    return 0;
}

static pte_t
protected(pte_t pte, enum tree_prot prot)
{
    pte_t kept = (pte & ~(PTE_V | PTE_RWX)) | PTE_U;
    if (prot == TREE_NONE)
        return kept;
    return kept | PTE_V | PTE_R | (prot == TREE_RW && !(pte & PTE_COW) ? PTE_W : 0);
}

static void
protect(pte_t *table, unsigned level, vaddr_t va, vaddr_t last, enum tree_prot prot)
{
    struct part part;
    while (next_part(table, level, &va, last, &part)) {
        pte_t pte = plain(part.entry, level);
        TREE_EXPECT(pte_is_table(pte) || part.last - part.va + 1 == pt_span(level));
        if (pte_is_table(pte))
            protect(phys_to_virt(pte_pa(pte)), level - 1, part.va, part.last, prot);
        else
            pt_set(part.entry, protected(pte, prot));
    }
}

int
tree_protect(struct tree_space *space, unsigned page, unsigned n, enum tree_prot prot)
{
    vaddr_t va = tree_va(page), size = n * PAGE_SIZE;
    bool split = false;
    int error = pt_own(space->root, va, size, false, &split);
    if (error)
        return error;
    protect(phys_to_virt(space->root), pt_levels - 1, va, va + size - 1, prot);
    for (unsigned i = page; i < page + n; i++)
        if (space->pages[i].mapped)
            space->pages[i].prot = prot;
    return 0;
}

/* Fork. */

static bool
worth_sharing(uint64_t how, unsigned level, vaddr_t va)
{
    return how < pt_levels ? how == level : hash64(how ^ va ^ level) & 1;
}

/* A leaf as it is once two spaces have it. */
static pte_t
shared(pte_t pte, enum tree_prot prot)
{
    if (prot != TREE_RW)
        return pte | PTE_COW;
    return (pte & ~(PTE_W | PTE_A | PTE_D)) | PTE_COW | (pte & PTE_A ? PTE_AGED : 0);
}

static int
fork_leaf(struct tree_space *parent, struct tree_space *child, pte_t *from, unsigned level,
          vaddr_t va)
{
    pte_t *to = pt_walk_level(child->root, va, level, true);
    if (!to)
        return -ENOMEM;
    pte_t pte = shared(pte_load(from), parent->pages[(va - tree_base) >> PAGE_SHIFT].prot);
    pt_set(from, pte);
    leaf_ref_get(pte, level);
    pt_set(to, pte);
    if (level == 0 && (pte & PTE_PPN_MASK) != pt_zero_ppn)
        pt_table_of(to)->nanon++;
    return 0;
}

static int
fork_table(struct tree_space *parent, struct tree_space *child, pte_t *table, unsigned level,
           vaddr_t va, vaddr_t last, uint64_t how)
{
    struct part part;
    while (next_part(table, level, &va, last, &part)) {
        pte_t pte = plain(part.entry, level);
        int error = 0;
        if (pte_maps(pte)) {
            error = fork_leaf(parent, child, part.entry, level, part.va);
        } else if (worth_sharing(how, level, part.va)) {
            pte_t *to = pt_walk_level(child->root, part.va, level, true);
            struct pt_resident resident = {0};
            if (to)
                TREE_EXPECT(pt_share(part.entry, to, 1, &resident) == pte_is_table(pte));
            else
                error = -ENOMEM;
            pt_count_tables(child->root, resident.ntables);
        } else {
            if (pte_is_frozen(pte))
                error = pt_thaw(part.entry);
            if (!error)
                error = fork_table(parent, child, phys_to_virt(pte_pa(pte_load(part.entry))),
                                   level - 1, part.va, part.last, how);
        }
        if (error)
            return error;
    }
    return 0;
}

int
tree_fork(struct tree_space *parent, struct tree_space *child, uint64_t how)
{
    int error = tree_create(child, parent->mirror);
    if (error)
        return error;
    error = fork_table(parent, child, phys_to_virt(parent->root), pt_levels - 1, 0, user_top - 1,
                       how);
    if (error) {
        tree_exit(child);
        return error;
    }
    child->hardware = parent->hardware;
    memcpy(child->pages, parent->pages, tree_npages * sizeof(child->pages[0]));
    return 0;
}

/* The rest. */

/* Thaw what has a mark in the range, as pgaccess must before it takes marks. */
static int
own_marked(pte_t *table, unsigned level, vaddr_t va, vaddr_t last)
{
    struct part part;
    while (next_part(table, level, &va, last, &part)) {
        pte_t pte = pte_load(part.entry);
        int error = 0;
        if (pte_is_frozen(pte) &&
            pt_frozen_accessed(pte, level, part.va, part.last - part.va + 1))
            error = pt_thaw(part.entry);
        if (!error && pte_is_table(pte_load(part.entry)))
            error = own_marked(phys_to_virt(pte_pa(pte_load(part.entry))), level - 1, part.va,
                               part.last);
        if (error)
            return error;
    }
    return 0;
}

/* Report a leaf's pages, and forget that they were accessed. */
static void
take(struct tree_space *space, const struct part *part)
{
    struct tree_found f = tree_find(space->root, part->va);
    vaddr_t start = ALIGN_DOWN(part->va, f.npages * PAGE_SIZE);
    struct tree_page *pages = &space->pages[(start - tree_base) >> PAGE_SHIFT];

    for (vaddr_t va = part->va; va <= part->last; va += PAGE_SIZE)
        TREE_EXPECT(pages[(va - start) >> PAGE_SHIFT].accessed == !!(f.pte & ACCESSED));
    if (f.npages == NAPOT_PAGES && f.level == 0) {
        pte_t *entries = part->entry - ((part->va - start) >> PAGE_SHIFT);
        for (unsigned i = 0; i < NAPOT_PAGES; i++)
            __atomic_fetch_and(&entries[i], ~ACCESSED, __ATOMIC_RELAXED);
    } else {
        __atomic_fetch_and(part->entry, ~ACCESSED, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < f.npages; i++)
        pages[i].accessed = false;
}

static void
take_table(struct tree_space *space, pte_t *table, unsigned level, vaddr_t va, vaddr_t last)
{
    struct part part;
    while (next_part(table, level, &va, last, &part)) {
        pte_t pte = pte_load(part.entry);
        if (pte_is_table(pte))
            take_table(space, phys_to_virt(pte_pa(pte)), level - 1, part.va, part.last);
        else if (pte_maps(pte))
            take(space, &part);
        else /* frozen, so there was nothing to tell */
            for (vaddr_t at = part.va; at <= part.last; at += PAGE_SIZE)
                TREE_EXPECT(!space->pages[(at - tree_base) >> PAGE_SHIFT].accessed);
    }
}

int
tree_pgaccess(struct tree_space *space, unsigned page, unsigned n)
{
    vaddr_t va = tree_va(page), last = va + n * PAGE_SIZE - 1;
    int error = own_marked(phys_to_virt(space->root), pt_levels - 1, va, last);
    if (!error)
        take_table(space, phys_to_virt(space->root), pt_levels - 1, va, last);
    return error;
}

int
tree_isolate(struct tree_space *space, unsigned page, unsigned n)
{
    bool split = false;
    return pt_isolate(space->root, tree_va(page), n * PAGE_SIZE, &split);
}

int
tree_own(struct tree_space *space, unsigned page, unsigned n, bool leaves)
{
    bool split = false;
    return pt_own(space->root, tree_va(page), n * PAGE_SIZE, leaves, &split);
}

int
tree_thaw(struct tree_space *space, unsigned page)
{
    pte_t *table = phys_to_virt(space->root);
    for (unsigned level = pt_levels - 1; level > 0; level--) {
        pte_t *entry = &table[pt_index(tree_va(page), level)];
        pte_t pte = pte_load(entry);
        if (pte_is_frozen(pte)) {
            uint32_t refs = frame_of(pte_pa(pte))->refs;
            bool copied = frame_of(pte_pa(pte))->copied;
            int error = pt_thaw(entry);
            if (!error) /* of the last owner nothing is copied */
                TREE_EXPECT((pte_pa(pte_load(entry)) == pte_pa(pte)) == (refs == 1));
            else
                TREE_EXPECT(error == -ENOMEM && pte_load(entry) == pte && refs > 1 &&
                            frame_of(pte_pa(pte))->refs == refs &&
                            frame_of(pte_pa(pte))->copied == copied);
            return error;
        }
        if (!pte_is_table(pte))
            break;
        table = phys_to_virt(pte_pa(pte));
    }
    return -EINVAL;
}
