/*
 * The page-table tree against a simple map: an array that says for each page
 * of a few windows what it is mapped to. Random operations, with allocations
 * failing now and then; after each, the parts it touched are compared, and
 * often the whole tree is read by a walker of the test's own.
 *
 * test_pagetable_small.c includes this file with tables of four entries, where
 * the whole address space is 64 pages, leaves of every size are common, and
 * everything is compared after every step.
 */
#include "host.h"

#include "mem.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

/* With the fan-out of this test. */
#include "../../kernel/mem/block.c"
#include "../../kernel/mem/freeze.c"
#include "../../kernel/mem/pagetable.c"

#define SMALL (PT_FANOUT_SHIFT != 9)
#define NSTEPS (SMALL ? 1000000 : 2000000)
#define MAX_WINDOWS 5
#define MAX_PAGES 8192
#define TOP_LEVEL (SMALL ? 2u : 1u) /* the largest leaves that this test makes */

/* Physical addresses that are no RAM, so that nothing else minds them. */
#define DEVICE_PA 0x100000000000UL

struct page {
    bool mapped;
    paddr_t pa;
    uint64_t flags; /* R, W, X, U, G, RSW */
};

static struct window {
    vaddr_t va;
    unsigned npages;
    struct page *pages;
} windows[MAX_WINDOWS];
static unsigned nwindows;
static struct page model[MAX_PAGES];
static paddr_t root;

static struct page *
model_page(vaddr_t va)
{
    for (unsigned i = 0; i < nwindows; i++)
        if (va - windows[i].va < (uint64_t)windows[i].npages * PAGE_SIZE)
            return &windows[i].pages[(va - windows[i].va) / PAGE_SIZE];
    return NULL;
}

static bool
model_any(vaddr_t va, uint64_t size, bool mapped)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE)
        if (model_page(va + done)->mapped == mapped)
            return true;
    return false;
}

/* Is this leaf what the model says about every page under it? */
static void
compare_leaf(pte_t pte, vaddr_t va, unsigned level)
{
    for (uint64_t done = 0; done < pt_span(level); done += PAGE_SIZE) {
        const struct page *page = model_page(va + done);
        assert_non_null(page);
        assert_true(page->mapped);
        assert_int_equal(pte_pa(pte) + done, page->pa);
        assert_int_equal(pte & (PTE_FLAGS & ~(PTE_V | PTE_A | PTE_D)), page->flags);
    }
}

struct totals {
    uint64_t npages, ntables;
};

/* The test's own walker: check a table and all below it. */
static void
check_table(paddr_t pa, vaddr_t base, unsigned level, struct totals *totals)
{
    const pte_t *table = phys_to_virt(pa);
    unsigned used = 0;

    totals->ntables++;
    assert_int_equal(frame_of(pa)->owner, FRAME_TABLE);
    assert_int_equal(frame_of(pa)->level, level);
    for (unsigned i = 0; i < PT_FANOUT; i++) {
        vaddr_t va = base + i * pt_span(level);
        if (level == pt_levels - 1 && i >= PT_FANOUT / 2) /* sign extension */
            va |= -(pt_span(level) * PT_FANOUT);
        if (!table[i])
            continue;
        used++;
        assert_true(table[i] & PTE_V);
        if (table[i] & (PTE_R | PTE_W | PTE_X)) {
            assert_true(level <= TOP_LEVEL);
            assert_int_equal(pte_pa(table[i]) % pt_span(level), 0);
            compare_leaf(table[i], va, level);
            totals->npages += pt_span(level) / PAGE_SIZE;
        } else {
            assert_true(level > 0);
            check_table(pte_pa(table[i]), va, level - 1, totals);
        }
    }
    assert_int_equal(frame_of(pa)->nptes, used);
}

static void
check_tree(bool count_frames)
{
    struct totals totals = {0};
    uint64_t npages = 0, counts[FRAME_NOWNERS];

    check_table(root, 0, pt_levels - 1, &totals);
    for (unsigned i = 0; i < nwindows; i++)
        for (unsigned k = 0; k < windows[i].npages; k++)
            npages += windows[i].pages[k].mapped;
    assert_int_equal(totals.npages, npages);
    if (!count_frames)
        return;
    frame_counts(counts);
    assert_int_equal(counts[FRAME_TABLE], totals.ntables);
}

/* A random range inside a window: short, long, or on the bounds of large pages. */
static vaddr_t
random_range(struct prng *rng, uint64_t *size)
{
    const struct window *w = &windows[prng_below(rng, nwindows)];
    uint64_t unit = prng_one_in(rng, 3) ? PT_FANOUT : 1;
    uint64_t first = prng_below(rng, w->npages) / unit * unit;
    uint64_t limit = prng_one_in(rng, 4) ? w->npages - first : min(w->npages - first, 2 * unit);
    uint64_t n = 1 + prng_below(rng, limit);
    if (unit > 1 && n > unit)
        n = n / unit * unit;
    *size = n * PAGE_SIZE;
    return w->va + first * PAGE_SIZE;
}

static uint64_t
random_flags(struct prng *rng)
{
    static const uint64_t rights[] = {PTE_R, PTE_R | PTE_W, PTE_R | PTE_X, PTE_X, PTE_RWX};
    return rights[prng_below(rng, ARRAY_SIZE(rights))] | (prng_one_in(rng, 2) ? PTE_U : 0);
}

static void
step_map(struct prng *rng)
{
    uint64_t size;
    vaddr_t va = random_range(rng, &size);
    uint64_t flags = random_flags(rng) | (prng_one_in(rng, 2) ? PTE_G : 0);
    paddr_t pa = DEVICE_PA + prng_below(rng, 1 << 20) * PAGE_SIZE;
    if (prng_one_in(rng, 2)) /* so that large leaves fit */
        pa = ALIGN_DOWN(pa, pt_span(TOP_LEVEL)) + (va & (pt_span(TOP_LEVEL) - 1));
    bool used = model_any(va, size, true);
    int error = pt_map(root, va, pa, size, flags, prng_below(rng, TOP_LEVEL + 1));
    if (error == -ENOMEM)
        return;
    assert_int_equal(error, used ? -EEXIST : 0);
    if (used) {
        assert_non_null(strstr(host_log, "something is mapped there already: 0x"));
        vaddr_t at = strtoull(strstr(host_log, "0x"), NULL, 16);
        assert_true(at - va < size);
        return;
    }
    for (uint64_t done = 0; done < size; done += PAGE_SIZE)
        *model_page(va + done) = (struct page){true, pa + done, flags};
}

static void
check_hole_named(vaddr_t va, uint64_t size)
{
    assert_non_null(strstr(host_log, "nothing is mapped there: 0x"));
    vaddr_t at = strtoull(strstr(host_log, "0x"), NULL, 16);
    assert_true(at - va < size);
    assert_false(model_page(at)->mapped);
}

static void
step_unmap(struct prng *rng)
{
    uint64_t size;
    vaddr_t va = random_range(rng, &size);
    bool hole = model_any(va, size, false);
    int error = pt_unmap(root, va, size);
    if (error == -ENOMEM)
        return;
    assert_int_equal(error, hole ? -ENOENT : 0);
    if (hole) {
        check_hole_named(va, size);
        return;
    }
    for (uint64_t done = 0; done < size; done += PAGE_SIZE)
        model_page(va + done)->mapped = false;
}

static void
step_protect(struct prng *rng)
{
    uint64_t size, flags = random_flags(rng);
    vaddr_t va = random_range(rng, &size);
    bool hole = model_any(va, size, false);
    int error = pt_protect(root, va, size, flags);
    if (error == -ENOMEM)
        return;
    assert_int_equal(error, hole ? -ENOENT : 0);
    if (hole) {
        check_hole_named(va, size);
        return;
    }
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        struct page *page = model_page(va + done);
        page->flags = (page->flags & ~(PTE_RWX | PTE_U)) | flags;
    }
}

/* One page, as the fault handler does it. */
static void
step_page(struct prng *rng)
{
    uint64_t size;
    vaddr_t va = random_range(rng, &size);
    struct page *page = model_page(va);
    unsigned level = ~0u;
    pte_t *leaf = pt_leaf(root, va, &level);
    pte_t *entry = walk(root, va, prng_one_in(rng, 2));

    assert_true(!leaf == !page->mapped);
    if (leaf)
        compare_leaf(pte_load(leaf), va & ~(pt_span(level) - 1), level);
    if (!entry)
        return;
    assert_true(!leaf || (level == 0 && leaf == entry));
    assert_ptr_equal(pt_table_of(entry), frame_of_va(entry));
    if (prng_one_in(rng, 3)) {
        pt_clear(entry);
        page->mapped = false;
        return;
    }
    uint64_t flags = random_flags(rng) | PTE_COW;
    paddr_t pa = DEVICE_PA + prng_below(rng, 1 << 20) * PAGE_SIZE;
    pt_set(entry, pte_make(pa, flags | PTE_V | PTE_A));
    *page = (struct page){true, pa, flags};
}

static void
step_split(struct prng *rng)
{
    uint64_t size;
    unsigned level = ~0u;
    pte_t *leaf = pt_leaf(root, random_range(rng, &size), &level);
    if (!leaf || level == 0)
        return;
    pte_t before = pte_load(leaf);
    if (pt_split(leaf, level))
        assert_int_equal(pte_load(leaf), before);
    else
        assert_true(pte_is_table(pte_load(leaf)));
}

struct visit {
    struct prng *rng;
    vaddr_t next, last;
    bool clear;
    unsigned left; /* leaves until it stops; 0: goes on to the end */
};

static int
visit_leaf(void *ctx, pte_t *entry, vaddr_t va, unsigned level)
{
    struct visit *v = ctx;
    /* In order, nothing left out; the first and last leaf may reach beyond the range. */
    for (; v->next < va; v->next += PAGE_SIZE)
        assert_false(model_page(v->next)->mapped);
    assert_true(va + pt_span(level) - 1 >= v->next && va <= v->last);
    compare_leaf(pte_load(entry), va, level);
    if (v->clear && prng_one_in(v->rng, 2)) {
        pt_clear(entry);
        for (uint64_t done = 0; done < pt_span(level); done += PAGE_SIZE)
            model_page(va + done)->mapped = false;
    }
    v->next = va + pt_span(level);
    return v->left && --v->left == 0 ? -EINTR : 0;
}

static void
step_visit(struct prng *rng)
{
    uint64_t size;
    struct visit v = {.rng = rng, .clear = prng_one_in(rng, 4)};
    vaddr_t start = v.next = random_range(rng, &size);
    v.last = v.next + size - 1;
    if (prng_one_in(rng, 3))
        v.left = 1 + prng_below(rng, 5);
    bool limited = v.left > 0;
    int result = pt_visit(root, v.next, size, visit_leaf, &v);
    assert_true(result == 0 || (result == -EINTR && limited && v.left == 0));
    for (; result == 0 && v.next - start < size; v.next += PAGE_SIZE)
        assert_false(model_page(v.next)->mapped);
}

struct pruned {
    paddr_t tables[4096];
    unsigned n;
};

static void
keep_table(void *ctx, paddr_t table)
{
    struct pruned *pruned = ctx;
    assert_true(pruned->n < ARRAY_SIZE(pruned->tables));
    pruned->tables[pruned->n++] = table;
}

static void
step_prune(struct prng *rng)
{
    static struct pruned pruned;
    uint64_t size;
    vaddr_t va = random_range(rng, &size);
    pruned.n = 0;
    pt_prune(root, va, size, keep_table, &pruned);
    for (unsigned i = 0; i < pruned.n; i++) {
        assert_int_equal(frame_of(pruned.tables[i])->nptes, 0);
        frame_free(frame_of(pruned.tables[i]));
    }
    /* No table on the way to va is empty any more. */
    const pte_t *table = phys_to_virt(root);
    for (unsigned level = pt_levels - 1; level > 0; level--) {
        pte_t pte = table[pt_index(va, level)];
        if (!pte_is_table(pte))
            break;
        assert_true(frame_of(pte_pa(pte))->nptes > 0);
        table = phys_to_virt(pte_pa(pte));
    }
}

/* Arguments that cannot be: an error that names the address, and nothing changes. */
static void
step_bad(struct prng *rng)
{
    uint64_t size;
    vaddr_t va = random_range(rng, &size);
    vaddr_t beyond = user_top + prng_below(rng, 1 << 20) * PAGE_SIZE;
    vaddr_t odd = 1 + prng_below(rng, PAGE_SIZE - 1);
    uint64_t rights = prng_one_in(rng, 2) ? PTE_W : PTE_W | PTE_X;
    unsigned level;
    char named[32];

    assert_null(walk(root, beyond, true));
    assert_null(pt_leaf(root, beyond, &level));
    assert_int_equal(pt_map(root, beyond, 0, PAGE_SIZE, PTE_R, 0), -EINVAL);
    snprintf(named, sizeof(named), "0x%016lx", (unsigned long)(beyond + PAGE_SIZE - 1));
    assert_non_null(strstr(host_log, named));
    assert_int_equal(pt_unmap(root, beyond, size), -EINVAL);
    assert_int_equal(pt_protect(root, beyond, size, PTE_R), -EINVAL);
    assert_int_equal(pt_visit(root, beyond, size, visit_leaf, NULL), -EINVAL);
    assert_int_equal(pt_unmap(root, va + odd, size), -EINVAL);
    assert_int_equal(pt_unmap(root, va, size - odd), -EINVAL);
    assert_int_equal(pt_unmap(root, va, 0), -EINVAL);
    snprintf(named, sizeof(named), "0x%016lx", (unsigned long)va);
    assert_non_null(strstr(host_log, named));
    assert_int_equal(pt_unmap(root, va, -PAGE_SIZE), -EINVAL);
    assert_int_equal(pt_map(root, va, odd, size, PTE_R, 0), -EINVAL);
    assert_int_equal(pt_map(root, va, 0, size, rights, 0), -EINVAL);
    assert_int_equal(pt_map(root, va, 0, size, PTE_U, 0), -EINVAL);
    assert_int_equal(pt_map(root, user_top - PAGE_SIZE, 0, 2 * PAGE_SIZE, PTE_R, 0), -EINVAL);
    assert_int_equal(pt_protect(root, va, size, rights), -EINVAL);
    assert_int_equal(pt_visit(root, va, 0, visit_leaf, NULL), 0);
}

static void
add_window(vaddr_t va, unsigned npages)
{
    const struct window *before = nwindows ? &windows[nwindows - 1] : NULL;
    struct page *pages = before ? before->pages + before->npages : model;
    windows[nwindows++] = (struct window){va, npages, pages};
}

static void
set_up(unsigned levels)
{
    pt_levels = levels;
    user_top = pt_span(pt_levels - 1) * PT_FANOUT / 2;
    memset(model, 0, sizeof(model));
    nwindows = 0;
    if (SMALL) {
        add_window(0, user_top / PAGE_SIZE);
        add_window(-user_top, user_top / PAGE_SIZE);
    } else {
        add_window(0, 3 * PT_FANOUT);
        add_window(pt_span(2) - 2 * pt_span(1), 4 * PT_FANOUT);
        add_window(user_top - 2 * pt_span(1), 2 * PT_FANOUT);
        add_window(-user_top, 2 * PT_FANOUT);
        add_window(-pt_span(1) - 5 * PAGE_SIZE, PT_FANOUT + 5);
    }
    root = pt_create();
    assert_true(root != 0);
}

/* Clear every leaf, free every table; nothing is left. */
static void
tear_down(void)
{
    uint64_t counts[FRAME_NOWNERS];
    struct pruned pruned = {.n = 0};

    for (unsigned half = 0; half < 2; half++)
        assert_int_equal(pt_visit(root, half ? -user_top : 0, user_top, clear_leaf, NULL), 0);
    pt_prune(root, -user_top, user_top, keep_table, &pruned);
    while (pruned.n > 0)
        frame_free(frame_of(pruned.tables[--pruned.n]));
    assert_int_equal(frame_of(root)->refs, 1);
    pt_destroy(root);
    frame_counts(counts);
    assert_int_equal(counts[FRAME_TABLE], 0);
}

static void
random_steps(struct prng *rng, unsigned nsteps)
{
    static void (*const steps[])(struct prng *) = {
        step_map,   step_map,   step_map,   step_unmap, step_protect, step_page,
        step_page,  step_split, step_visit, step_prune, step_bad,
    };
    for (unsigned i = 0; i < nsteps; i++) {
        if (prng_one_in(rng, 4))
            frame_fail_after(1 + prng_below(rng, 4), prng_one_in(rng, 2));
        steps[prng_below(rng, ARRAY_SIZE(steps))](rng);
        frame_fail_after(0, false);
        if (SMALL || i % 500 == 0)
            check_tree(!SMALL || i % 32 == 0);
    }
    check_tree(true);
}

static void
test_sv39(void **state)
{
    struct prng rng = prng_start(__func__);
    set_up(3);
    random_steps(&rng, NSTEPS);
    tear_down();
}

static void
test_sv48(void **state)
{
    struct prng rng = prng_start(__func__);
    set_up(4);
    random_steps(&rng, NSTEPS / 4);
    tear_down();
}

/* Every operation with every allocation failing in turn: no change, and it works at last. */
static void
test_no_memory(void **state)
{
    set_up(4);
    vaddr_t va = user_top - pt_span(1) - PAGE_SIZE;
    unsigned n = 0;
    int error;
    do {
        frame_fail_after(++n, true);
        error = pt_map(root, va, DEVICE_PA, 3 * PAGE_SIZE, PTE_R | PTE_U, 0);
        frame_fail_after(0, false);
        assert_true(error == 0 || error == -ENOMEM);
        for (unsigned i = 0; i < 3; i++)
            *model_page(va + i * PAGE_SIZE) =
                (struct page){error == 0, DEVICE_PA + i * PAGE_SIZE, PTE_R | PTE_U};
        check_tree(true);
    } while (error);
    assert_true(n > pt_levels - 1);
    frame_fail_after(1, false);
    assert_int_equal(pt_create(), 0);
    tear_down();
}

static void
test_forgotten_leaf(void **state)
{
    set_up(3);
    struct frame *frame = frame_alloc(0, FRAME_ANON);
    pte_t *entry = walk(root, 5 * PAGE_SIZE, true);

    pt_set(entry, pte_make(frame_pa(frame), PTE_V | PTE_R | PTE_U));
    assert_true(PANICS(frame_put(frame), "while 1 user page table entries still map it"));
    assert_true(PANICS(pt_destroy(root), "destroying a page table with a leaf still in it"));
    pt_clear(entry);
    frame_put(frame);
    tear_down();
}

#if PT_FANOUT_SHIFT == 9

static char printed[4096];

static void
free_pruned(void *ctx, paddr_t table)
{
    frame_free(frame_of(table));
}

static void
print_tree(unsigned how)
{
    struct pt_place place = {0};
    char line[PT_PRINT_LINE];

    printed[0] = '\0';
    while (pt_print_next(root, how, &place, line, sizeof(line)))
        strcat(strcat(printed, line), "\n");
}

/* The form that docs and graders know, to the letter. */
static void
test_print(void **state)
{
    set_up(3);
    char expected[1024];
    const pte_t *top = phys_to_virt(root);
    pte_t *entry = walk(root, 3 * PAGE_SIZE, true);
    pt_set(entry, pte_make(0x87f68000, PTE_V | PTE_R | PTE_X | PTE_U));
    const pte_t *middle = phys_to_virt(pte_pa(top[0]));
    snprintf(expected, sizeof(expected),
             "page table 0x%016lx\n"
             " ..0: pte 0x%016lx pa 0x%016lx\n"
             " .. ..0: pte 0x%016lx pa 0x%016lx\n"
             " .. .. ..3: pte 0x0000000021fda01b pa 0x0000000087f68000\n",
             (unsigned long)root, (unsigned long)top[0], (unsigned long)pte_pa(top[0]),
             (unsigned long)middle[0], (unsigned long)pte_pa(middle[0]));
    pt_map(root, -user_top, DEVICE_PA, pt_span(2), PTE_R | PTE_G, 2);
    print_tree(0);
    assert_string_equal(printed, expected);
    print_tree(PT_PRINT_ALL);
    assert_non_null(strstr(printed, "\n ..256: pte 0x000004000000"));
    print_tree(PT_PRINT_ALL | PT_PRINT_FLAGS);
    assert_non_null(strstr(printed, "\n .. .. ..3: pte 0x0000000021fda01b pa 0x0000000087f68000 "
                                    "r-xu --\n"));
    assert_non_null(strstr(printed, " r--- ad 1G\n"));

    /* The tables go on whose entries the place stands. */
    struct pt_place place = {0};
    char line[PT_PRINT_LINE];
    pt_map(root, pt_span(2), 0x80000000, PAGE_SIZE, PTE_R, 0);
    for (int i = 0; i < 3; i++)
        assert_true(pt_print_next(root, 0, &place, line, sizeof(line)));
    assert_int_equal(place.depth, 2);
    pt_clear(entry);
    pt_prune(root, 0, pt_span(2), free_pruned, NULL);
    assert_true(pt_print_next(root, 0, &place, line, sizeof(line)));
    assert_memory_equal(line, " ..1: ", 6);
    pt_unmap(root, pt_span(2), PAGE_SIZE);
    tear_down();
}

#endif

static int
setup(void **state)
{
    host_mem_init(64UL << 20);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sv39),
        cmocka_unit_test(test_sv48),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_forgotten_leaf),
#if PT_FANOUT_SHIFT == 9
        cmocka_unit_test(test_print),
#endif
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
