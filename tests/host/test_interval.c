/*
 * Interval trees, against a plain array of ranges: what is found is the leftmost
 * range that touches, and every node knows the greatest end below it.
 */
#include "host.h"

#include "lib/interval.h"

#define NITEMS 60
#define NSTEPS 40000

static struct interval items[NITEMS];
static bool present[NITEMS];
static struct rbtree tree;

/* Check a subtree; returns its greatest last, and counts its nodes. */
static uint64_t
check(struct rbnode *node, unsigned *count)
{
    if (!node)
        return 0;
    struct interval *interval = RB_ENTRY(node, struct interval, node);
    uint64_t left = check(node->left, count), right = check(node->right, count);
    uint64_t greatest = max(interval->last, max(left, right));

    assert_int_equal(interval->max_last, greatest);
    if (node->left)
        assert_true(RB_ENTRY(node->left, struct interval, node)->first <= interval->first);
    if (node->right)
        assert_true(RB_ENTRY(node->right, struct interval, node)->first >= interval->first);
    ++*count;
    return greatest;
}

static bool
touches(const struct interval *interval, uint64_t first, uint64_t last)
{
    return interval->first <= last && interval->last >= first;
}

static void
check_find(uint64_t first, uint64_t last)
{
    const struct interval *found = interval_find(&tree, first, last);
    uint64_t leftmost = UINT64_MAX;

    for (int i = 0; i < NITEMS; i++)
        if (present[i] && touches(&items[i], first, last))
            leftmost = min(leftmost, items[i].first);
    if (leftmost == UINT64_MAX) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_true(touches(found, first, last));
    assert_int_equal(found->first, leftmost);
}

static void
change(struct prng *rng, uint64_t range)
{
    int i = (int)prng_below(rng, NITEMS);

    if (present[i]) {
        interval_erase(&tree, &items[i]);
    } else {
        items[i].first = prng_below(rng, range);
        items[i].last = items[i].first + prng_below(rng, 4) * prng_below(rng, range / 4);
        if (prng_one_in(rng, 50))
            items[i].last = UINT64_MAX;
        interval_insert(&tree, &items[i]);
    }
    present[i] = !present[i];
}

static void
test_random(void **state)
{
    struct prng prng = prng_start(__func__), *rng = &prng;

    for (int step = 0; step < NSTEPS; step++) {
        uint64_t range = step % 2 ? 16 : 200, first = prng_below(rng, range);
        unsigned count = 0, npresent = 0;

        change(rng, range);
        check(tree.root, &count);
        for (int i = 0; i < NITEMS; i++)
            npresent += present[i];
        assert_int_equal(count, npresent);
        check_find(first, first + prng_below(rng, range));
        check_find(first, UINT64_MAX);
        check_find(0, first);
    }
}

/* Taking the first that touches, again and again, takes each of them once, those that begin alike in their order. */
static void
test_take_all(void **state)
{
    struct rbtree all = {NULL};
    struct interval alike[8];

    for (int i = 0; i < 8; i++) {
        alike[i] = (struct interval){.first = 5, .last = (uint64_t)(5 + i % 3)};
        interval_insert(&all, &alike[i]);
    }
    for (int i = 0; i < 8; i++) {
        if (alike[i].last < 6)
            continue;
        assert_ptr_equal(interval_find(&all, 6, 6), &alike[i]);
        interval_erase(&all, &alike[i]);
    }
    assert_null(interval_find(&all, 6, 6));
    assert_ptr_equal(interval_find(&all, 0, 5), &alike[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_take_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
