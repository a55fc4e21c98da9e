/*
 * Radix trees, against a sorted array, with allocations counted and failed.
 */
#include "host.h"

#include "lib/errno.h"
#include "lib/radix.h"

static long live_nodes;
static long fail_in;            /* allocations until one fails; 0: none does */

static void *
node_alloc(void)
{
    if (fail_in && --fail_in == 0)
        return NULL;
    void *node = malloc(sizeof(struct radix_node));
    memset(node, 0xaa, sizeof(struct radix_node));
    live_nodes++;
    return node;
}

static void
node_free(void *node)
{
    live_nodes--;
    free(node);
}

static const struct radix_ops ops = { node_alloc, node_free };

/* Count the nodes below p, and check that each counts its slots rightly. */
static long
check_nodes(void *p, unsigned levels)
{
    if (levels == 0)
        return 0;
    struct radix_node *node = p;
    uint32_t used = 0;
    long nodes = 1;
    for (int i = 0; i < RADIX_SLOTS; i++) {
        if (node->slots[i]) {
            used++;
            nodes += check_nodes(node->slots[i], levels - 1);
        }
    }
    assert_int_equal(node->count, used);
    assert_true(used > 0);
    return nodes;
}

static void
check_tree(const struct radix *tree)
{
    assert_int_equal(tree->root ? check_nodes(tree->root, tree->levels) : 0, live_nodes);
    if (!tree->root)
        assert_int_equal(tree->levels, 0);
}

#define MAX_ENTRIES 400

struct model {
    uint64_t index[MAX_ENTRIES];
    void *entry[MAX_ENTRIES];
    int n;
};

static int
model_at_or_after(const struct model *m, uint64_t index)
{
    int i = 0;
    while (i < m->n && m->index[i] < index)
        i++;
    return i;
}

static void
model_set(struct model *m, uint64_t index, void *entry)
{
    int i = model_at_or_after(m, index);
    if (i == m->n || m->index[i] != index) {
        memmove(&m->index[i + 1], &m->index[i], sizeof(m->index[0]) * (size_t)(m->n - i));
        memmove(&m->entry[i + 1], &m->entry[i], sizeof(m->entry[0]) * (size_t)(m->n - i));
        m->n++;
    }
    m->index[i] = index;
    m->entry[i] = entry;
}

static void *
model_del(struct model *m, uint64_t index)
{
    int i = model_at_or_after(m, index);
    if (i == m->n || m->index[i] != index)
        return NULL;
    void *entry = m->entry[i];
    m->n--;
    memmove(&m->index[i], &m->index[i + 1], sizeof(m->index[0]) * (size_t)(m->n - i));
    memmove(&m->entry[i], &m->entry[i + 1], sizeof(m->entry[0]) * (size_t)(m->n - i));
    return entry;
}

static void
check_next(const struct radix *tree, const struct model *m, uint64_t from)
{
    uint64_t index = 0;
    void *entry = radix_next(tree, from, &index);
    int i = model_at_or_after(m, from);

    if (i == m->n) {
        assert_null(entry);
    } else {
        assert_ptr_equal(entry, m->entry[i]);
        assert_int_equal(index, m->index[i]);
    }

    bool full = false;
    uint64_t free_index = from;
    for (; i < m->n && m->index[i] == free_index; i++)
        if (free_index++ == UINT64_MAX)
            full = true;
    int err = radix_next_free(tree, from, UINT64_MAX, &index);
    assert_int_equal(err, full ? -ENOSPC : 0);
    if (!full)
        assert_int_equal(index, free_index);
    /* A limit a little before or behind what is found, and at the beginning. */
    for (int64_t off = -65; !full && off <= 1; off += off == -65 ? 64 : 1) {
        uint64_t limit = free_index + (uint64_t)off;
        if (limit < from || (off < 0) != (limit < free_index))
            continue;
        err = radix_next_free(tree, from, limit, &index);
        assert_int_equal(err, off < 0 ? -ENOSPC : 0);
        if (!err)
            assert_int_equal(index, free_index);
    }
}

/* An index from a pattern that the run keeps to: dense, spread, or anywhere,
 * with both ends of the range among them. */
static uint64_t
random_index(struct prng *rng, int pattern)
{
    switch (pattern) {
    case 0: return prng_below(rng, 100);
    case 1: return prng_below(rng, 70) << prng_below(rng, 58);
    case 2: return prng_one_in(rng, 2) ? UINT64_MAX - prng_below(rng, 70) : prng_sized(rng);
    default: return 4000 + prng_below(rng, 300);
    }
}

static void
random_run(struct prng *rng, int pattern)
{
    static struct model model;
    struct radix tree;

    radix_init(&tree, &ops);
    model.n = 0;
    for (int round = 0; round < 3000; round++) {
        uint64_t index = random_index(rng, pattern);
        if (model.n < MAX_ENTRIES - 1 && prng_below(rng, 100) < 55) {
            void *entry = (void *)(prng_next(rng) | 1);
            fail_in = prng_one_in(rng, 3) ? 1 + (long)prng_below(rng, 12) : 0;
            int err = radix_set(&tree, index, entry);
            if (err == 0)
                model_set(&model, index, entry);
            else
                assert_int_equal(err, -ENOMEM);
            fail_in = 0;
        } else {
            if (model.n && prng_one_in(rng, 2))
                index = model.index[prng_below(rng, (uint64_t)model.n)];
            assert_ptr_equal(radix_del(&tree, index), model_del(&model, index));
        }
        if (prng_one_in(rng, 4))
            check_tree(&tree);
        assert_int_equal(radix_empty(&tree), model.n == 0);
        check_next(&tree, &model, random_index(rng, pattern));
        if (prng_one_in(rng, 20))
            for (int i = 0; i < model.n; i++)
                assert_ptr_equal(radix_get(&tree, model.index[i]), model.entry[i]);
    }

    uint64_t index;
    void *entry;
    int i = 0;
    RADIX_FOREACH(entry, &tree, index) {
        assert_int_equal(index, model.index[i]);
        assert_ptr_equal(entry, model.entry[i++]);
    }
    assert_int_equal(i, model.n);
    for (i = 0; i < model.n; i++) {
        void *found[200];
        uint64_t after = UINT64_MAX - model.index[i];
        unsigned n = 1 + (unsigned)prng_below(rng, after < 199 ? after + 1 : 200), expected = 0;
        while (expected < n && i + (int)expected < model.n &&
               model.index[i + (int)expected] == model.index[i] + expected)
            expected++;
        assert_int_equal(radix_get_run(&tree, model.index[i], n, found), expected);
        while (expected-- > 0)
            assert_ptr_equal(found[expected], model.entry[i + (int)expected]);
    }
    radix_destroy(&tree, NULL, NULL);
    assert_int_equal(live_nodes, 0);
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int run = 0; run < 16; run++)
        random_run(&rng, run % 4);
}

static void
test_heights(void **state)
{
    struct radix tree;
    int x, y;

    radix_init(&tree, &ops);
    assert_null(radix_get(&tree, 0));
    assert_null(radix_del(&tree, 12345));
    assert_int_equal(radix_set(&tree, 0, &x), 0);
    assert_int_equal(live_nodes, 0);
    assert_int_equal(radix_set(&tree, UINT64_MAX, &y), 0);
    assert_int_equal(tree.levels, 11);
    assert_ptr_equal(radix_get(&tree, 0), &x);
    assert_ptr_equal(radix_get(&tree, UINT64_MAX), &y);
    assert_ptr_equal(radix_del(&tree, UINT64_MAX), &y);
    assert_int_equal(live_nodes, 0);
    assert_ptr_equal(radix_get(&tree, 0), &x);
    assert_ptr_equal(radix_del(&tree, 0), &x);
    assert_true(radix_empty(&tree));
}

static void
check_visit(void *ctx, uint64_t index, void *entry)
{
    int *count = ctx;
    assert_int_equal(index, (uint64_t)*count * 1000);
    assert_ptr_equal(entry, ctx);
    ++*count;
}

static void
test_destroy_visits(void **state)
{
    struct radix tree;
    uint64_t index;
    void *entry;
    int count = 0;

    radix_init(&tree, &ops);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(radix_set(&tree, i * 1000, &count), 0);
    radix_destroy(&tree, check_visit, &count);
    assert_int_equal(count, 50);
    assert_int_equal(live_nodes, 0);

    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(radix_set(&tree, i * 1000, &count), 0);
    RADIX_FOREACH(entry, &tree, index)
        assert_ptr_equal(radix_del(&tree, index), &count);
    assert_true(radix_empty(&tree));
    assert_int_equal(live_nodes, 0);
}

static void
test_limits_of_free(void **state)
{
    struct radix tree;
    uint64_t index;

    radix_init(&tree, &ops);
    assert_int_equal(radix_next_free(&tree, 7, 7, &index), 0);
    assert_int_equal(index, 7);
    for (uint64_t i = 0; i < 64; i++)
        radix_set(&tree, i, &tree);
    assert_int_equal(radix_next_free(&tree, 0, 63, &index), -ENOSPC);
    assert_int_equal(radix_next_free(&tree, 0, 64, &index), 0);
    assert_int_equal(index, 64);
    radix_del(&tree, 10);
    assert_int_equal(radix_next_free(&tree, 0, 63, &index), 0);
    assert_int_equal(index, 10);
    radix_destroy(&tree, NULL, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heights),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_destroy_visits),
        cmocka_unit_test(test_limits_of_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
