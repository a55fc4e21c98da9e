/*
 * A and D on both kinds of hardware (tree_walker.c): harts that set them, and
 * harts that fault for the handler to set them. Each address space has a twin
 * on the other kind, and both are put through the same. Whatever happens to
 * them, their trees say the same of every page, A and D too, and pgaccess
 * reports of both what the model says. Tables have sixteen entries, so that
 * one may be all of a leaf of 64 KiB.
 */
#include "tree.h"

#include "mem.h"

#define NTWINS (TREE_SPACES / 2)
#define NSTEPS 400000
#define MARKS (PTE_A | PTE_AGED | PTE_D)

static struct tree_space *
twin(unsigned i, enum tree_hardware hardware)
{
    return &tree_spaces[2 * i + hardware];
}

static int
step(struct tree_space *space, struct prng rng, struct tree_space *child)
{
    unsigned page = prng_below(&rng, tree_npages);
    unsigned n = min(1 + (unsigned)prng_below(&rng, 2 * PT_FANOUT), tree_npages - page);
    unsigned kind = prng_below(&rng, 32);
    if (kind < 16)
        return tree_touch(space, page, kind < 8 ? TREE_READ : TREE_WRITE);
    if (kind < 18)
        return kind == 16 ? tree_touch_napot(space, page) : tree_touch_block(space, page);
    if (kind < 20)
        return tree_unmap(space, page, n);
    if (kind < 24)
        return tree_protect(space, page, n, prng_below(&rng, 3));
    if (kind < 29)
        return tree_pgaccess(space, page, n);
    if (kind == 29) {
        tree_exit(space);
        return 0;
    }
    return child ? tree_fork(space, child, prng_below(&rng, pt_levels + 1)) : -EINVAL;
}

static void
compare(const struct tree_space *a, const struct tree_space *b)
{
    assert_int_equal(!a->root, !b->root);
    if (!a->root)
        return;
    for (unsigned i = 0; i < tree_npages; i++) {
        struct tree_found of_a = tree_find(a->root, tree_va(i));
        struct tree_found of_b = tree_find(b->root, tree_va(i));
        assert_int_equal(of_a.level, of_b.level);
        assert_int_equal(of_a.pte & PTE_FLAGS, of_b.pte & PTE_FLAGS);
        assert_int_equal(a->pages[i].accessed, b->pages[i].accessed);
    }
}

static void
test_both_kinds_agree(void **state)
{
    struct prng rng = prng_start(__func__);
    unsigned nagree = 0;

    tree_start(3, pt_span(2) - 128 * PAGE_SIZE, 256);
    for (unsigned i = 0; i < NSTEPS; i++) {
        unsigned pair = prng_below(&rng, NTWINS), child = prng_below(&rng, NTWINS);
        uint64_t seed = prng_next(&rng);
        int error[2];
        for (enum tree_hardware kind = TREE_SETS_AD; kind <= TREE_FAULTS_FOR_AD; kind++) {
            struct tree_space *space = twin(pair, kind), *to = twin(child, kind);
            if (space->root) {
                error[kind] = step(space, (struct prng){seed}, to->root ? NULL : to);
            } else {
                error[kind] = tree_create(space, false);
                space->hardware = kind;
            }
        }
        assert_int_equal(error[0], error[1]);
        nagree += error[0] == 0;
        if (i % 8 == 0)
            compare(twin(pair, TREE_SETS_AD), twin(pair, TREE_FAULTS_FOR_AD));
        if (i % 500 == 0)
            tree_check();
    }
    assert_true(nagree > NSTEPS / 4);
    for (struct tree_space *space = tree_spaces; space < tree_spaces + TREE_SPACES; space++)
        if (space->root)
            tree_exit(space);
    tree_check();
    tree_stop();
}

/* What the kernel sets for one access is what the hardware would have set. */
static void
test_marks_of_one_access(void **state)
{
    tree_start(3, 0, 256);
    struct tree_space *space = &tree_spaces[0];
    for (enum tree_hardware kind = TREE_SETS_AD; kind <= TREE_FAULTS_FOR_AD; kind++) {
        assert_int_equal(tree_create(space, false), 0);
        space->hardware = kind;
        assert_int_equal(tree_touch(space, 3, TREE_WRITE), 0);
        pte_t *entry = walk(space->root, tree_va(3), false), fresh = pte_load(entry) & ~MARKS;
        pte_store(entry, fresh);
        assert_int_equal(tree_touch(space, 3, TREE_READ), 0);
        assert_int_equal(pte_load(entry), fresh | PTE_A);
        assert_int_equal(tree_touch(space, 3, TREE_WRITE), 0);
        assert_int_equal(pte_load(entry), fresh | PTE_A | PTE_D);
        tree_exit(space);
    }
    tree_stop();
}

/* The walker itself: what the specification forbids, it refuses, and marks nothing. */
static void
test_walker(void **state)
{
    static const struct {
        uint64_t flags;
        bool allowed[3]; /* read, write, execute */
    } cases[] = {
        {PTE_V | PTE_U | PTE_R, {true, false, false}},
        {PTE_V | PTE_U | PTE_R | PTE_W, {true, true, false}},
        {PTE_V | PTE_U | PTE_X, {false, false, true}},
        {PTE_V | PTE_U | PTE_W, {false, false, false}}, /* reserved */
        {PTE_V | PTE_R | PTE_W | PTE_X, {false, false, false}}, /* the kernel's */
        {PTE_U | PTE_R | PTE_W, {false, false, false}}, /* parked */
        {PTE_FROZEN, {false, false, false}},
    };
    tree_start(3, 0, 256);
    struct tree_space *space = &tree_spaces[0];
    assert_int_equal(tree_create(space, false), 0);
    pte_t *entry = walk(space->root, tree_va(9), true);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        for (enum tree_access access = TREE_READ; access <= TREE_EXEC; access++) {
            pte_t pte = pte_make(HOST_RAM_BASE, cases[i].flags);
            paddr_t pa = 0;
            pte_store(entry, pte);
            assert_false(tree_translate(space->root, tree_va(9), access, TREE_FAULTS_FOR_AD, &pa));
            assert_int_equal(pte_load(entry), pte);
            assert_int_equal(
                tree_translate(space->root, tree_va(9) + 5, access, TREE_SETS_AD, &pa),
                cases[i].allowed[access]);
            uint64_t marks = PTE_A | (access == TREE_WRITE ? PTE_D : 0);
            assert_int_equal(pte_load(entry), cases[i].allowed[access] ? pte | marks : pte);
            assert_int_equal(pa, cases[i].allowed[access] ? HOST_RAM_BASE + 5 : 0);
        }
    pte_store(entry, 0);
    tree_exit(space);
    tree_stop();
}

/* Svnapot: sixteen entries that name 64 KiB; any other size is reserved, and any other level. */
static void
test_walker_64k(void **state)
{
    tree_start(3, 0, 256);
    struct tree_space *space = &tree_spaces[0];
    assert_int_equal(tree_create(space, false), 0);
    pte_t *entry = walk(space->root, tree_va(0), true);
    for (unsigned low = 0; low < NAPOT_PAGES; low++) {
        pte_t pte = pte_make(HOST_RAM_BASE + low * PAGE_SIZE, PTE_V | PTE_U | PTE_R) | PTE_N;
        for (unsigned i = 0; i < NAPOT_PAGES; i++) {
            paddr_t pa = 0;
            pte_store(&entry[i], pte);
            bool found = tree_translate(space->root, tree_va(i) + 7, TREE_READ, TREE_SETS_AD, &pa);
            assert_int_equal(found, low == 8);
            if (found)
                assert_int_equal(pa, HOST_RAM_BASE + i * PAGE_SIZE + 7);
            pte_store(&entry[i], 0);
        }
    }
    paddr_t pa;
    pte_t *above = pt_walk_level(space->root, tree_va(64), 1, true);
    pte_t large = pte_make(HOST_RAM_BASE, PTE_V | PTE_U | PTE_R);
    pte_store(above, large);
    assert_true(tree_translate(space->root, tree_va(64), TREE_READ, TREE_SETS_AD, &pa));
    pte_store(above, large | 8UL << PTE_PPN_SHIFT | PTE_N);
    assert_false(tree_translate(space->root, tree_va(64), TREE_READ, TREE_SETS_AD, &pa));
    pte_store(above, large | 8UL << PTE_PPN_SHIFT); /* misaligned */
    assert_false(tree_translate(space->root, tree_va(64), TREE_READ, TREE_SETS_AD, &pa));
    pte_store(above, 0);
    tree_exit(space);
    tree_stop();
}

static int
setup(void **state)
{
    host_mem_init(32UL << 20);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_kinds_agree),
        cmocka_unit_test(test_marks_of_one_access),
        cmocka_unit_test(test_walker),
        cmocka_unit_test(test_walker_64k),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
