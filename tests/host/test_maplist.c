/*
 * A truncation's pass over the regions of a file, while these are split, joined, moved,
 * copied and dropped between its steps, and even inside their changes: when it is
 * over, no page that was mapped when it began is left.
 *
 * A page of the model is stale from the moment the pass begins until its region is dealt
 * with; what moves or is copied stays as stale as it was. Whenever the object is told of
 * a change, each stale page must lie under a region that waits: the pass could look just then.
 */
#include "host.h"

#include "mem/slab.h"
#include "vfs/maplist.h"
#include "vm/region.h"

#define NSPACES 3
#define NPAGES 120 /* of each address space, and of the file */
#define NSTEPS 60000

struct page {
    bool mapped, stale;
    uint64_t pgoff;
};

static struct vmspace spaces[NSPACES];
static struct page model[NSPACES][NPAGES];
static struct maplist list;
static int file; /* the object; only its address matters */

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
    return malloc(sizeof(struct region));
}

void
slab_free(struct slab_cache *cache, void *object)
{
    free(object);
}

static vaddr_t
address(unsigned page)
{
    return (vaddr_t)page << PAGE_SHIFT;
}

/* Does a waiting region of this address space list the file's page? */
static bool
waits(struct rbnode *node, const struct vmspace *vm, uint64_t pgoff)
{
    if (!node)
        return false;
    struct interval *listed = RB_ENTRY(node, struct interval, node);
    const struct region *region = container_of(listed, struct region, listed);
    return (region->vm == vm && listed->first <= pgoff && listed->last >= pgoff) ||
           waits(node->left, vm, pgoff) || waits(node->right, vm, pgoff);
}

static void
check_listed(void)
{
    for (int s = 0; s < NSPACES; s++)
        for (int i = 0; i < NPAGES; i++)
            if (model[s][i].stale && model[s][i].pgoff >= list.first && model[s][i].pgoff <= list.last)
                assert_true(waits(list.waiting.root, &spaces[s], model[s][i].pgoff));
}

static void
object_count(void *object)
{
}

static void
object_attach(void *object, struct region *region)
{
    maplist_add(&list, region);
    check_listed();
}

static void
object_detach(void *object, struct region *region)
{
    maplist_remove(&list, region);
    check_listed();
}

static void
object_moved(void *object, struct region *region)
{
    maplist_moved(&list, region);
    check_listed();
}

static const struct region_ops ops = {
    .get = object_count,
    .put = object_count,
    .attach = object_attach,
    .detach = object_detach,
    .moved = object_moved,
};

/* The pages of a region are unmapped. */
static void
empty(struct region *region)
{
    struct page *pages = model[region->vm - spaces];
    for (unsigned i = region->start >> PAGE_SHIFT; i < region->end >> PAGE_SHIFT; i++)
        if (pages[i].pgoff >= list.first && pages[i].pgoff <= list.last)
            pages[i].stale = false;
}

/* What the model says of everything that is mapped must be what the regions say. */
static void
check_spaces(void)
{
    for (int s = 0; s < NSPACES; s++) {
        unsigned nmapped = 0;
        region_release(&spaces[s].dropped);
        for (struct region *r = region_first(&spaces[s]); r; r = region_next(r))
            for (vaddr_t va = r->start; va < r->end; va += PAGE_SIZE, nmapped++)
                assert_int_equal(model[s][va >> PAGE_SHIFT].pgoff, region_pgoff(r, va));
        for (int i = 0; i < NPAGES; i++)
            nmapped -= model[s][i].mapped;
        assert_int_equal(nmapped, 0);
    }
}

/* Changes. */

static void
place(struct prng *prng, int s)
{
    unsigned first = 1 + prng_below(prng, NPAGES - 10), n = 1 + prng_below(prng, 8);
    struct region new = {.start = address(first), .end = address(first + n), .ops = &ops,
                         .object = &file, .flags = REGION_READ, .pass = PASS_NONE};
    if (!region_free_range(&spaces[s], new.start, new.end))
        return;
    new.pgoff = prng_one_in(prng, 3) ? prng_below(prng, NPAGES) : first;
    region_place(&spaces[s], &new);
    for (unsigned i = 0; i < n; i++)
        model[s][first + i] = (struct page){true, false, new.pgoff + i};
}

static void
drop(struct prng *prng, int s)
{
    unsigned first = 1 + prng_below(prng, NPAGES - 10), n = 1 + prng_below(prng, 8);
    memset(&model[s][first], 0, n * sizeof(struct page)); /* pages are unmapped before regions */
    region_cut(&spaces[s], address(first), address(first + n));
    struct region *r = region_find(&spaces[s], address(first), true);
    while (r && r->start < address(first + n)) {
        struct region *next = region_next(r);
        region_drop(&spaces[s], r);
        r = next;
    }
}

static void
protect(struct prng *prng, int s)
{
    vaddr_t start = address(1 + prng_below(prng, NPAGES - 10));
    vaddr_t end = start + address(1 + prng_below(prng, 8));
    region_cut(&spaces[s], start, end);
    for (struct region *r = region_find(&spaces[s], start, true); r && r->start < end;
         r = region_next(r))
        region_set_flags(r, r->flags ^ REGION_WRITE);
    region_join(&spaces[s], start, end);
}

static void
move(struct prng *prng, int s)
{
    struct region *r = region_find(&spaces[s], address(prng_below(prng, NPAGES)), true);
    vaddr_t va = r ? region_find_gap(&spaces[s], r->end - r->start, address(1), address(NPAGES)) : 0;
    if (!va)
        return;
    unsigned from = r->start >> PAGE_SHIFT, to = va >> PAGE_SHIFT, n = region_npages(r);
    region_move(r, va, va + address(n));
    memcpy(&model[s][to], &model[s][from], n * sizeof(struct page));
    memset(&model[s][from], 0, n * sizeof(struct page));
    region_join(&spaces[s], va, va + address(n));
}

/* As fork does: another address space gets a copy of all regions and pages. */
static void
copy(struct prng *prng, int s)
{
    int to = (s + 1) % NSPACES;
    memset(model[to], 0, sizeof(model[to]));
    region_drop_all(&spaces[to]);
    for (struct region *r = region_first(&spaces[s]); r; r = region_next(r)) {
        if (prng_one_in(prng, 2) && maplist_waits(&list, r)) {
            maplist_dealt(&list, r);
            empty(r);
        }
        struct region twin = *r;
        region_place(&spaces[to], &twin);
        memcpy(&model[to][r->start >> PAGE_SHIFT], &model[s][r->start >> PAGE_SHIFT],
               region_npages(r) * sizeof(struct page));
    }
}

/* The pass's part. */

static void
begin(struct prng *prng)
{
    uint64_t first = prng_below(prng, NPAGES);
    maplist_begin(&list, first, prng_one_in(prng, 2) ? UINT64_MAX : first + prng_below(prng, 20), true);
    for (int s = 0; s < NSPACES; s++)
        for (int i = 0; i < NPAGES; i++)
            model[s][i].stale = model[s][i].mapped;
}

/* One step; at the end of the pass no page of it may be stale. */
static void
step(void)
{
    struct region *region = maplist_next(&list);
    if (region) {
        maplist_dealt(&list, region);
        empty(region);
        return;
    }
    for (int s = 0; s < NSPACES; s++)
        for (int i = 0; i < NPAGES; i++) {
            const struct page *page = &model[s][i];
            assert_false(page->stale && page->pgoff >= list.first && page->pgoff <= list.last);
            model[s][i].stale = false;
        }
    while (!maplist_end(&list, 3))
        ;
    assert_true(rb_empty(&list.done));
}

static void
test_random(void **state)
{
    static void (*const changes[])(struct prng *, int) = {place, place, drop, protect, protect, move, copy};
    struct prng prng = prng_start(__func__);

    for (int i = 0; i < NSPACES; i++)
        list_init(&spaces[i].dropped);
    for (int i = 0; i < NSTEPS; i++) {
        int s = (int)prng_below(&prng, NSPACES);
        changes[prng_below(&prng, ARRAY_SIZE(changes))](&prng, s);
        check_spaces();
        if (!list.passing)
            prng_one_in(&prng, 4) ? begin(&prng) : (void)0;
        else if (prng_one_in(&prng, 2))
            step();
    }
    memset(model, 0, sizeof(model)); /* the pages are unmapped before the regions go */
    for (int i = 0; i < NSPACES; i++) {
        region_drop_all(&spaces[i]);
        region_release(&spaces[i].dropped);
    }
    assert_true(maplist_empty(&list));
}

/* The count of what may write follows the regions. */
static void
test_writable(void **state)
{
    struct region new = {.start = address(1), .end = address(9), .ops = &ops, .object = &file,
                         .flags = REGION_READ | REGION_SHARED | REGION_MAY_WRITE, .pass = PASS_NONE};
    assert_int_equal(list.nwritable, 0);
    region_place(&spaces[0], &new);
    assert_int_equal(list.nwritable, 1);
    region_cut(&spaces[0], address(3), address(5));
    assert_int_equal(list.nwritable, 3);
    region_join(&spaces[0], address(1), address(9));
    assert_int_equal(list.nwritable, 1);
    region_drop_all(&spaces[0]);
    assert_int_equal(list.nwritable, 0);
    region_release(&spaces[0].dropped);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_writable),
    };
    region_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
