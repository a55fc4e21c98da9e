/*
 * Regions, against a model that knows for each page what is mapped there.
 * After each change the tree is checked whole: order, gaps, totals, that the
 * objects are counted right, and that it says of every page what the model says.
 */
#include "host.h"

#include "mem/slab.h"
#include "vm/region.h"

#define NPAGES 700 /* of the address space that the test uses */
#define NOBJECTS 2
#define NSTEPS 30000

/* What is mapped at a page. */
struct page {
    bool mapped;
    uint32_t flags;
    int object; /* -1: anonymous */
    uint64_t pgoff;
};

struct object {
    int refs, nattached;
};

static struct page model[NPAGES];
static struct object objects[NOBJECTS];
static struct vmspace vm;
static int nallocated;
static int fail_after = -1; /* -1: never */

vaddr_t user_top = 1UL << 38;

void
preempt_point(void)
{
}

struct slab_cache *
slab_cache_create(const char *name, size_t size, size_t align)
{
    return malloc(1);
}

void *
slab_alloc(struct slab_cache *cache)
{
    if (fail_after == 0)
        return NULL;
    if (fail_after > 0)
        fail_after--;
    nallocated++;
    return malloc(sizeof(struct region));
}

void
slab_free(struct slab_cache *cache, void *object)
{
    nallocated--;
    free(object);
}

static void
object_get(void *object)
{
    ((struct object *)object)->refs++;
}

static void
object_put(void *object)
{
    ((struct object *)object)->refs--;
}

static void
object_attach(void *object, struct region *region)
{
    assert_true(list_empty(&region->drop_link));
    ((struct object *)object)->nattached++;
}

static void
object_detach(void *object, struct region *region)
{
    ((struct object *)object)->nattached--;
}

static const struct region_ops ops = {
    .get = object_get,
    .put = object_put,
    .attach = object_attach,
    .detach = object_detach,
};

static vaddr_t
address(unsigned page)
{
    return (vaddr_t)page << PAGE_SHIFT;
}

/* Checks. */

static uint64_t
expected_gap(vaddr_t prev_end, const struct region *region)
{
    int64_t gap = region->start - prev_end;
    if (region->flags & REGION_STACK)
        gap -= STACK_GUARD_GAP;
    return gap > 0 ? gap : 0;
}

static uint64_t
check_max_gap(struct rbnode *node)
{
    if (!node)
        return 0;
    struct region *region = RB_ENTRY(node, struct region, node);
    uint64_t left = check_max_gap(node->left), right = check_max_gap(node->right);
    uint64_t greatest = max(region->gap, max(left, right));
    assert_int_equal(region->max_gap, greatest);
    return greatest;
}

static void
check_pages(const struct region *region)
{
    for (vaddr_t va = region->start; va < region->end; va += PAGE_SIZE) {
        const struct page *page = &model[va >> PAGE_SHIFT];
        assert_true(page->mapped);
        assert_int_equal(page->flags, region->flags);
        assert_ptr_equal(region->object, page->object < 0 ? NULL : &objects[page->object]);
        if (region->ops)
            assert_int_equal(region_pgoff(region, va), page->pgoff);
    }
}

static void
check(void)
{
    region_release(&vm.dropped);

    uint64_t nregions = 0, nmapped = 0, ndata = 0, nlocked = 0;
    int counts[NOBJECTS] = {0};
    vaddr_t prev_end = 0;

    for (struct region *r = region_first(&vm); r; r = region_next(r)) {
        assert_true(r->start >= prev_end && r->end > r->start);
        assert_int_equal(r->gap, expected_gap(prev_end, r));
        check_pages(r);
        prev_end = r->end;
        nregions++;
        nmapped += region_npages(r);
        if ((r->flags & (REGION_WRITE | REGION_SHARED | REGION_STACK)) == REGION_WRITE)
            ndata += region_npages(r);
        if (r->flags & REGION_LOCKED)
            nlocked += region_npages(r);
        if (r->object)
            counts[(struct object *)r->object - objects]++;
    }
    check_max_gap(vm.regions.root);
    assert_int_equal(vm.nregions, nregions);
    assert_int_equal(nallocated, nregions);
    assert_int_equal(vm.npages_mapped, nmapped);
    assert_int_equal(vm.npages_data, ndata);
    assert_int_equal(vm.npages_locked, nlocked);
    for (int i = 0; i < NOBJECTS; i++) {
        assert_int_equal(objects[i].refs, counts[i]);
        assert_int_equal(objects[i].nattached, counts[i]);
    }
    for (unsigned i = 0; i < NPAGES; i++)
        nmapped -= model[i].mapped;
    assert_int_equal(nmapped, 0);
}

/* Operations, on the tree and on the model. */

static void
random_range(struct prng *prng, unsigned *first, unsigned *last)
{
    *first = 1 + prng_below(prng, NPAGES - 2);
    *last = *first + 1 + prng_below(prng, min(NPAGES - *first - 1, 40u));
}

static void
place(struct prng *prng)
{
    static const uint32_t kinds[] = {
        REGION_READ, REGION_READ | REGION_WRITE, REGION_READ | REGION_WRITE | REGION_LOCKED,
        REGION_READ | REGION_WRITE | REGION_SHARED,
        REGION_READ | REGION_SPECIAL,
    };
    unsigned first, last;
    random_range(prng, &first, &last);
    for (unsigned i = first; i < last; i++)
        if (model[i].mapped)
            return;
    assert_true(region_free_range(&vm, address(first), address(last)));

    struct region new = {.start = address(first), .end = address(last)};
    new.flags = kinds[prng_below(prng, ARRAY_SIZE(kinds))];
    int object = (int)prng_below(prng, NOBJECTS + 1) - 1;
    if (object >= 0) {
        new.ops = &ops;
        new.object = &objects[object];
        new.pgoff = prng_below(prng, 2) ? first : prng_below(prng, 4);
    }
    if (!region_place(&vm, &new))
        return;
    for (unsigned i = first; i < last; i++)
        model[i] = (struct page){true, new.flags, object, new.pgoff + (i - first)};
}

static void
drop(struct prng *prng)
{
    unsigned first, last;
    random_range(prng, &first, &last);
    if (region_cut(&vm, address(first), address(last)) != 0)
        return;
    struct region *r = region_find(&vm, address(first), true);
    while (r && r->start < address(last)) {
        struct region *next = region_next(r);
        assert_true(r->start >= address(first) && r->end <= address(last));
        region_drop(&vm, r);
        r = next;
    }
    memset(&model[first], 0, (last - first) * sizeof(model[0]));
}

static void
change_flags(struct prng *prng)
{
    static const uint32_t bits[] = {REGION_WRITE, REGION_EXEC, REGION_LOCKED, REGION_STACK};
    unsigned first, last;
    random_range(prng, &first, &last);
    if (region_cut(&vm, address(first), address(last)) != 0)
        return;
    uint32_t bit = bits[prng_below(prng, ARRAY_SIZE(bits))];
    for (struct region *r = region_find(&vm, address(first), true); r && r->start < address(last);
         r = region_next(r))
        region_set_flags(r, r->flags ^ bit);
    for (unsigned i = first; i < last; i++)
        if (model[i].mapped)
            model[i].flags ^= bit;
    region_join(&vm, address(first), address(last));
}

static void
find(struct prng *prng)
{
    unsigned i = prng_below(prng, NPAGES);
    struct region *r = region_find(&vm, address(i), false);
    assert_true(model[i].mapped == (r && r->start <= address(i) && r->end > address(i)));
    while (i < NPAGES && !model[i].mapped)
        i++;
    r = region_find(&vm, address(i), true);
    if (i == NPAGES)
        assert_null(r);
    else
        assert_true(r->start <= address(i) && r->end > address(i));

    unsigned first, last, nmapped = 0;
    random_range(prng, &first, &last);
    for (unsigned j = first; j < last; j++)
        nmapped += model[j].mapped;
    assert_int_equal(region_covers(&vm, address(first), address(last)), nmapped == last - first);
    assert_int_equal(region_free_range(&vm, address(first), address(last)), nmapped == 0);
    assert_int_equal(region_count_pages(&vm, address(first), address(last)), nmapped);
}

/* The gap by trying every address from the top. */
static void
find_gap(struct prng *prng)
{
    unsigned size = 1 + prng_below(prng, 10);
    unsigned low = 1 + prng_below(prng, NPAGES / 4);
    unsigned high = NPAGES - prng_below(prng, NPAGES / 3);
    vaddr_t expected = 0;

    for (unsigned start = high - size; start >= low && !expected; start--) {
        bool free = true;
        for (unsigned i = start; i < start + size; i++)
            free &= !model[i].mapped;
        /* The region above keeps its guard gap. */
        struct region *next = region_find(&vm, address(start), true);
        if (free && next && (next->flags & REGION_STACK) &&
            (next->start < STACK_GUARD_GAP || address(start + size) > next->start - STACK_GUARD_GAP))
            free = false;
        if (free)
            expected = address(start);
    }
    assert_int_equal(region_find_gap(&vm, address(size), address(low), address(high)), expected);
}

static void
move_one(struct prng *prng)
{
    struct region *r = region_find(&vm, address(prng_below(prng, NPAGES)), true);
    if (!r)
        return;
    uint64_t size = r->end - r->start;
    vaddr_t va = region_find_gap(&vm, size, address(1), address(NPAGES));
    if (!va)
        return;
    unsigned from = r->start >> PAGE_SHIFT, to = va >> PAGE_SHIFT, n = size >> PAGE_SHIFT;
    region_move(r, va, va + size);
    memcpy(&model[to], &model[from], n * sizeof(model[0]));
    memset(&model[from], 0, n * sizeof(model[0]));
    region_join(&vm, va, va + size);
}

static void
resize(struct prng *prng)
{
    struct region *r = region_find(&vm, address(prng_below(prng, NPAGES)), true);
    if (!r || r->ops)
        return;
    struct region *prev = region_prev(r);
    vaddr_t floor = prev ? prev->end : address(1);
    vaddr_t start = floor + (r->end - PAGE_SIZE - floor) / PAGE_SIZE / 2 * PAGE_SIZE;
    struct page page = model[r->start >> PAGE_SHIFT];
    memset(&model[r->start >> PAGE_SHIFT], 0, region_npages(r) * sizeof(page));
    region_resize(r, start, r->end);
    for (vaddr_t va = start; va < r->end; va += PAGE_SIZE)
        model[va >> PAGE_SHIFT] = page;
}

static void
drop_all(void)
{
    region_drop_all(&vm);
    memset(model, 0, sizeof(model));
    check();
}

static void
run(bool failing)
{
    static void (*const operations[])(struct prng *) = {
        place, place, place, drop, change_flags, find, find_gap, find_gap, move_one, resize,
    };
    struct prng prng = prng_start(failing ? "failing" : "random");
    for (int step = 0; step < NSTEPS; step++) {
        fail_after = failing ? (int)prng_below(&prng, 4) : -1;
        operations[prng_below(&prng, ARRAY_SIZE(operations))](&prng);
        fail_after = -1;
        check();
        if (step % 5000 == 4999)
            drop_all();
    }
    drop_all();
    assert_int_equal(nallocated, 0);
}

static void
test_random(void **state)
{
    run(false);
}

static void
test_failing(void **state)
{
    run(true);
}

/* Neighbours that continue one another are one region. */
static void
test_merge(void **state)
{
    struct region a = {.start = address(10), .end = address(12), .flags = REGION_READ};
    struct region b = {.start = address(14), .end = address(16), .flags = REGION_READ};
    struct region between = {.start = address(12), .end = address(14), .flags = REGION_READ};

    assert_non_null(region_place(&vm, &a));
    assert_non_null(region_place(&vm, &b));
    assert_int_equal(vm.nregions, 2);
    struct region *all = region_place(&vm, &between);
    assert_int_equal(vm.nregions, 1);
    assert_int_equal(all->start, address(10));
    assert_int_equal(all->end, address(16));

    assert_non_null(region_split(all, address(11)));
    assert_int_equal(vm.nregions, 2);
    region_join(&vm, address(11), address(11));
    assert_int_equal(vm.nregions, 1);
    region_drop_all(&vm);
    region_release(&vm.dropped);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_failing),
    };
    region_init();
    list_init(&vm.dropped);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
