/*
 * Red-black trees, against a flag per key, with the invariants checked after
 * each change.
 */
#include "host.h"

#include "lib/rbtree.h"

struct item {
    struct rbnode node;
    int key;
    long own;                   /* summed over the subtree in `sum` */
    long sum;
};

static struct item *
item_of(struct rbnode *node)
{
    return RB_ENTRY_OR_NULL(node, struct item, node);
}

static bool
recompute(struct rbnode *node)
{
    struct item *item = item_of(node);
    int64_t old = item->sum;

    item->sum = item->own;
    if (node->left)
        item->sum += item_of(node->left)->sum;
    if (node->right)
        item->sum += item_of(node->right)->sum;
    return item->sum != old;
}

static void
insert(struct rbtree *tree, struct item *item, rb_recompute_fn fn)
{
    struct rbnode **link = &tree->root, *parent = NULL;

    while (*link) {
        parent = *link;
        link = item->key < item_of(parent)->key ? &parent->left : &parent->right;
    }
    if (fn)
        rb_insert_augmented(tree, &item->node, parent, link, fn);
    else
        rb_insert_at(tree, &item->node, parent, link);
}

static bool
is_red(const struct rbnode *node)
{
    return node && (node->parent_color & 1);
}

/* Check a subtree and return its black height. */
static int
check(struct rbnode *node, struct rbnode *parent, bool augmented)
{
    if (!node)
        return 1;
    assert_ptr_equal(rb_parent(node), parent);
    assert_false(is_red(node) && (!parent || is_red(parent)));
    int left = check(node->left, node, augmented);
    int right = check(node->right, node, augmented);
    assert_int_equal(left, right);
    if (augmented) {
        long was = item_of(node)->sum;
        recompute(node);
        assert_int_equal(was, item_of(node)->sum);
    }
    return left + !is_red(node);
}

static void
check_order(const struct rbtree *tree, const bool *present, int nkeys)
{
    struct rbnode *node = rb_first(tree);

    for (int key = 0; key < nkeys; key++) {
        if (!present[key])
            continue;
        assert_non_null(node);
        assert_int_equal(item_of(node)->key, key);
        node = rb_next(node);
    }
    assert_null(node);
    node = rb_last(tree);
    for (int key = nkeys - 1; key >= 0; key--) {
        if (!present[key])
            continue;
        assert_int_equal(item_of(node)->key, key);
        node = rb_prev(node);
    }
    assert_null(node);
}

static void
test_ascending(void **state)
{
    enum { N = 1000 };
    static struct item items[N];
    struct rbtree tree;
    struct item *item, *tmp;
    int expected = 0;

    rb_init(&tree);
    assert_true(rb_empty(&tree));
    assert_null(rb_first(&tree));
    assert_null(rb_last(&tree));
    for (int i = 0; i < N; i++) {
        items[i].key = i;
        insert(&tree, &items[i], NULL);
        check(tree.root, NULL, false);
    }
    RB_FOREACH(item, &tree, node)
        assert_int_equal(item->key, expected++);
    assert_int_equal(expected, N);
    RB_FOREACH_SAFE(item, tmp, &tree, node) {
        rb_erase(&tree, &item->node);
        check(tree.root, NULL, false);
    }
    assert_true(rb_empty(&tree));
}

static void
random_run(struct prng *rng, int nkeys, int rounds, bool augmented)
{
    struct item *items = calloc((size_t)nkeys, sizeof(*items));
    bool *present = calloc((size_t)nkeys, sizeof(*present));
    struct rbtree tree = { NULL };
    rb_recompute_fn fn = augmented ? recompute : NULL;

    for (int round = 0; round < rounds; round++) {
        int key = (int)prng_below(rng, (uint64_t)nkeys);
        struct item *item = &items[key];
        if (!present[key]) {
            item->key = key;
            item->own = (long)prng_below(rng, 1000);
            insert(&tree, item, fn);
            present[key] = true;
        } else if (prng_one_in(rng, 4)) {
            item->own = (long)prng_below(rng, 1000);
            if (fn)
                rb_update(&item->node, fn);
        } else if (fn) {
            rb_erase_augmented(&tree, &item->node, fn);
            present[key] = false;
        } else {
            rb_erase(&tree, &item->node);
            present[key] = false;
        }
        check(tree.root, NULL, augmented);
        if (prng_one_in(rng, 16))
            check_order(&tree, present, nkeys);
    }
    free(items);
    free(present);
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int nkeys = 1; nkeys <= 12; nkeys++)
        random_run(&rng, nkeys, 1000, false);
    random_run(&rng, 300, 8000, false);
}

static void
test_augmented(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int nkeys = 1; nkeys <= 12; nkeys++)
        random_run(&rng, nkeys, 1000, true);
    random_run(&rng, 300, 8000, true);
}

static void
test_replace(void **state)
{
    enum { N = 50 };
    struct item items[N], other[N];
    struct rbtree tree = { NULL };
    bool present[N];

    for (int i = 0; i < N; i++) {
        items[i] = (struct item){ .key = i, .own = i };
        present[i] = true;
        insert(&tree, &items[i], recompute);
    }
    for (int i = 0; i < N; i++) {
        other[i] = (struct item){ .key = i, .own = 2 * i };
        rb_replace(&tree, &items[i].node, &other[i].node);
        memset(&items[i], 0xff, sizeof(items[i]));
        rb_update(&other[i].node, recompute);
        check(tree.root, NULL, true);
    }
    check_order(&tree, present, N);
    assert_int_equal(item_of(tree.root)->sum, N * (N - 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ascending),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_augmented),
        cmocka_unit_test(test_replace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
