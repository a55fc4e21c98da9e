/*
 * Every sequence of operations on up to three address spaces, exhaustively,
 * with tables of two entries (tree_explore.h). test_tree_exhaustive4.c
 * includes this file with tables of four.
 *
 * Three sets of operations: all of them, and fewer and fewer that make, change
 * and end what is shared, which reach deeper in the same time. HOST_SECONDS in
 * the environment changes the time that each takes.
 */
#include "tree_explore.h"

/* The window: superpages G apart; with a fan-out of four the last lies under another table. */
#define G PT_FANOUT
#define NPAGES(levels) (PT_FANOUT == 4 ? 12 : (levels) == 4 ? 8 : 4)
#define BASE (PT_FANOUT == 4 ? 8 * PAGE_SIZE : 0)
#define LAST (PT_FANOUT == 4 ? 2 * G : G)

static const struct op all_ops[] = {
    {.kind = OP_CREATE},
    {OP_READ, .page = 0},
    {OP_READ, .page = G},
    {OP_WRITE, .page = 0},
    {OP_WRITE, .page = 1},
    {OP_WRITE, .page = LAST},
    {OP_BLOCK, .page = 0},
    {OP_BLOCK, .page = LAST},
    {OP_UNMAP, .page = 0, .n = 1},
    {OP_UNMAP, .page = 1, .n = LAST},
    {OP_UNMAP, .page = 0, .n = G},
    {OP_UNMAP, .page = 0, .n = LAST + G},
    {OP_PROTECT, .page = 0, .n = 1, .how = TREE_RO},
    {OP_PROTECT, .page = 0, .n = LAST + 1, .how = TREE_RO},
    {OP_PROTECT, .page = 1, .n = G, .how = TREE_NONE},
    {OP_PROTECT, .page = 0, .n = LAST + G, .how = TREE_RW},
    {OP_PGACCESS, .page = 0, .n = LAST + G},
    {OP_PGACCESS, .page = 1, .n = 1},
    {OP_THAW, .page = 0},
    {OP_FORK, .how = FORK_PAGES},
    {OP_FORK, .how = FORK_LOW},
    {OP_FORK, .how = FORK_TOP},
    {.kind = OP_EXIT},
};

static const struct op few_ops[] = {
    {.kind = OP_CREATE},
    {OP_WRITE, .page = 0},
    {OP_WRITE, .page = 1},
    {OP_WRITE, .page = LAST},
    {OP_BLOCK, .page = 0},
    {OP_UNMAP, .page = 0, .n = 1},
    {OP_UNMAP, .page = 0, .n = LAST + G},
    {OP_FORK, .how = FORK_LOW},
    {OP_FORK, .how = FORK_TOP},
    {.kind = OP_EXIT},
};

/* Of sharing itself, and with four levels of tables. */
static const struct op sharing_ops[] = {
    {.kind = OP_CREATE},
    {OP_WRITE, .page = 0},
    {OP_WRITE, .page = LAST},
    {OP_FORK, .how = FORK_LOW},
    {OP_FORK, .how = FORK_TOP},
    {.kind = OP_EXIT},
};

static void
run(unsigned levels, const struct op *ops, unsigned nops, double seconds, unsigned min_depth)
{
    const char *given = getenv("HOST_SECONDS");
    struct exploration exploration = {ops, nops, given ? atof(given) : seconds, min_depth};

    arena_start();
    tree_start(levels, BASE, NPAGES(levels));
    explore(&exploration);
    tree_stop();
}

static void
test_all(void **state)
{
    run(3, all_ops, ARRAY_SIZE(all_ops), PT_FANOUT == 2 ? 12 : 29, 6);
}

static void
test_few(void **state)
{
    run(3, few_ops, ARRAY_SIZE(few_ops), PT_FANOUT == 2 ? 18 : 27, 7);
}

static void
test_sharing(void **state)
{
    run(4, sharing_ops, ARRAY_SIZE(sharing_ops), 11, 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_sharing),
    };
    if (getenv("HOST_TEST")) /* only this one */
        cmocka_set_test_filter(getenv("HOST_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
