/*
 * The object allocator: random allocation and freeing on several harts with
 * stamped contents, exhaustion, reclaim, and what debug builds find wrong.
 */
#include "host.h"

#include "mem.h"
#include "mem/frame.h"
#include "mem/slab.h"

#define NOBJECTS 5000

struct owned {
    uint8_t *object;
    size_t size;
    uint8_t stamp;
    int cache; /* index, or -1: kmalloc */
};

static struct owned owned[NOBJECTS];
static struct slab_cache *caches[6];
static const size_t sizes[] = {1, 24, 200, 777, 1300, 5000};
static const size_t aligns[] = {0, 8, 64, 0, 16, 512};

/* Is anything of the object changed? */
static bool
intact(const struct owned *o)
{
    for (size_t i = 0; i < o->size; i++)
        if (o->object[i] != o->stamp)
            return false;
    return true;
}

static void
allocate(struct prng *rng, struct owned *o)
{
    bool zeroed = prng_one_in(rng, 4);
    o->cache = (int)prng_below(rng, ARRAY_SIZE(caches) + 4);
    if (o->cache >= (int)ARRAY_SIZE(caches)) {
        o->cache = -1;
        o->size = prng_one_in(rng, 50) ? prng_below(rng, 40000) : prng_below(rng, 2100);
        o->object = zeroed ? kzalloc(o->size) : kmalloc(o->size);
    } else {
        o->size = sizes[o->cache];
        o->object = zeroed ? slab_alloc_zeroed(caches[o->cache]) : slab_alloc(caches[o->cache]);
        if (o->object && aligns[o->cache])
            assert_int_equal(virt_to_phys(o->object) % aligns[o->cache], 0);
    }
    if (!o->object)
        return;
    assert_int_equal((uintptr_t)o->object % 8, 0);
    for (size_t i = 0; zeroed && i < o->size; i++)
        assert_int_equal(o->object[i], 0);
    o->stamp = (uint8_t)prng_next(rng);
    memset(o->object, o->stamp, o->size);
}

static void
release(struct owned *o)
{
    assert_true(intact(o));
    if (o->cache < 0)
        kmfree(o->object);
    else
        slab_free(caches[o->cache], o->object);
    o->object = NULL;
}

static void
release_all(void)
{
    for (unsigned i = 0; i < NOBJECTS; i++)
        if (owned[i].object)
            release(&owned[i]);
}

/* Reclaim as every hart, until only the caches' own rooms are left. */
static void
reclaim_all(void)
{
    for (host_hart.index = 0; host_hart.index < machine.nharts; host_hart.index++)
        slab_reclaim();
    host_hart.index = 0;
    slab_reclaim();
}

static void
add_used(void *ctx, const char *name, size_t size, uint64_t used, uint64_t total, uint64_t n)
{
    assert_true(used <= total);
    assert_true(total * size <= n * PAGE_SIZE);
    *(uint64_t *)ctx += used;
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);
    uint64_t before[FRAME_NOWNERS], after[FRAME_NOWNERS];
    reclaim_all();
    frame_counts(before);
    for (int step = 0; step < 300000; step++) {
        struct owned *o = &owned[prng_below(&rng, NOBJECTS)];
        host_hart.index = prng_below(&rng, machine.nharts);
        if (step % 50000 == 49999)
            slab_reclaim();
        if (!o->object)
            allocate(&rng, o);
        else if (prng_one_in(&rng, 2))
            release(o);
    }
    uint64_t used = 0, expected = 0;
    for (unsigned i = 0; i < NOBJECTS; i++)
        expected += owned[i].object && (owned[i].cache >= 0 || owned[i].size <= 2048);
    slab_foreach(add_used, &used);
    assert_int_equal(used, expected);
    release_all();
    reclaim_all();
    frame_counts(after);
    assert_int_equal(after[FRAME_SLAB], before[FRAME_SLAB]);
    assert_int_equal(after[FRAME_BUFFER], before[FRAME_BUFFER]);
}

/* Memory runs out: allocations fail, and everything is there again afterwards. */
static void
test_exhaustion(void **state)
{
    uint64_t before = frame_nfree();
    struct list {
        struct list *next;
        uint64_t rest[100];
    } *list = NULL, *item;
    while ((item = kmalloc(sizeof(*item)))) {
        item->next = list;
        list = item;
    }
    assert_null(kmalloc(100000));
    assert_null(kzalloc(3000));
    while (list) {
        item = list;
        list = item->next;
        kmfree(item);
    }
    reclaim_all();
    assert_int_equal(frame_nfree(), before);
    assert_null(kmalloc((4UL << 20) + 1));
    assert_null(kmalloc(~0UL));
    kmfree(NULL);
}

static void
test_failalloc(void **state)
{
    void *object = kmalloc(100);
    kmfree(object);
    frame_fail_after(2, false);
    object = kmalloc(100);
    assert_non_null(object);
    assert_null(kmalloc(100));
    kmfree(object);
}

static void
test_mistakes(void **state)
{
    uint8_t *a = slab_alloc(caches[2]), *b = slab_alloc(caches[2]);
    uint8_t *k = kmalloc(200);

    assert_true(PANICS(slab_free(caches[2], a + 8), "misaligned pointer"));
    assert_true(PANICS(slab_free(caches[1], a), "foreign pointer"));
    assert_non_null(strstr(host_panic_message, "cache-2"));
    assert_true(PANICS(slab_free(caches[1], k), "foreign pointer"));
    assert_true(PANICS(kmfree((void *)&a), "foreign pointer"));
    slab_free(caches[2], a);
    assert_true(PANICS(slab_free(caches[2], a), "double free"));
    assert_non_null(strstr(host_panic_message, "freed before by"));
    uint8_t *c = slab_alloc(caches[2]);
    assert_ptr_not_equal(c, a); /* it is kept back */
    slab_free(caches[2], c);
    a[100] ^= 1;
    assert_true(PANICS(slab_reclaim(), "was written to after it was freed"));
    assert_non_null(strstr(host_panic_message, "cache-2"));
    slab_free(caches[2], b);
    slab_reclaim();
    uint8_t *small = kmalloc(16);
    kmfree(small);
    small[3] ^= 1;
    assert_true(PANICS(slab_reclaim(), "was written to after it was freed"));
    kmfree(k);
    assert_true(PANICS(kmfree(k), "double free"));
    uint8_t *large = kmalloc(9000);
    assert_true(PANICS(kmfree(large + PAGE_SIZE), "in the middle of the block"));
    kmfree(large);
}

static int
setup(void **state)
{
    static const char *const names[] = {"cache-0", "cache-1", "cache-2",
                                        "cache-3", "cache-4", "cache-5"};
    host_mem_init(64UL << 20);
    slab_init();
    for (unsigned i = 0; i < ARRAY_SIZE(caches); i++)
        caches[i] = slab_cache_create(names[i], sizes[i], aligns[i]);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_failalloc),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
