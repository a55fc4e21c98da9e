/*
 * Blocks against a model: random units taken, dropped and broken, references to
 * single frames among them, on several harts in turn; then several harts at once.
 */
#include "host.h"

#include <pthread.h>

#include "mem.h"
#include "mem/block.h"
#include "mem/framecheck.h"

#define RAM_BLOCKS 64

static uint64_t
sum_counts(uint64_t counts[FRAME_NOWNERS])
{
    uint64_t total = 0;
    frame_counts(counts);
    for (unsigned i = 0; i < FRAME_NOWNERS; i++)
        total += counts[i];
    return total;
}

static uint64_t
count_anon(void)
{
    uint64_t counts[FRAME_NOWNERS];
    assert_int_equal(sum_counts(counts), nframes_ram);
    return counts[FRAME_ANON];
}

/* A block of the model: what refers to it, the block's own references left out. */
static struct model {
    struct frame *head; /* NULL: all of it is free */
    unsigned nunits;
    unsigned nrefs[BLOCK_FRAMES];
} models[12];

static bool
model_unused(const struct model *model)
{
    if (model->nunits)
        return false;
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        if (model->nrefs[i])
            return false;
    return true;
}

static uint64_t
model_frames(void)
{
    uint64_t n = 0;
    for (size_t m = 0; m < ARRAY_SIZE(models); m++)
        for (unsigned i = 0; i < BLOCK_FRAMES; i++)
            n += models[m].head && (models[m].nunits || models[m].nrefs[i]);
    return n;
}

static bool
model_sole(const struct model *model)
{
    if (model->nunits != 1)
        return false;
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        if (model->nrefs[i])
            return false;
    return true;
}

static void
check_block(const struct model *model)
{
    for (unsigned i = 0; i < BLOCK_FRAMES; i++) {
        unsigned expected = model->nrefs[i] + (model->nunits > 0);
        if (expected == 0)
            continue; /* somebody else's by now, perhaps */
        const struct frame *frame = &model->head[i];
        assert_int_equal(frame->refs, expected);
        assert_int_equal(frame->owner, FRAME_ANON);
        assert_int_equal(frame->order, 0);
    }
}

static void
start_block(struct model *model)
{
    struct frame *head = block_alloc_prepared();
    if (!head)
        return;
    assert_int_equal(frame_pa(head) % BLOCK_SIZE, 0);
    const uint64_t *words = frame_va(head);
    for (size_t i = 0; i < BLOCK_SIZE / sizeof(*words); i += 509)
        assert_int_equal(words[i], 0);
    memset(frame_va(head), 0xee, BLOCK_SIZE);
    *model = (struct model){.head = head, .nunits = 1};
}

/* One random step with a block in use. */
static void
step_block(struct prng *rng, struct model *model)
{
    unsigned i = prng_below(rng, BLOCK_FRAMES);
    struct frame *head = model->head;
    bool has_unit = model->nunits > 0;

    switch (prng_below(rng, 6)) {
    case 0:
        if (has_unit && model->nunits < 4) {
            block_get(head);
            model->nunits++;
        }
        break;
    case 1:
        if (has_unit) {
            block_put(head);
            model->nunits--;
        }
        break;
    case 2:
        if (has_unit && prng_one_in(rng, 2)) {
            block_break(head);
            model->nunits--;
            for (unsigned k = 0; k < BLOCK_FRAMES; k++)
                model->nrefs[k]++;
        }
        break;
    case 3:
        if (model->nrefs[i] || has_unit) {
            frame_get(&head[i]);
            model->nrefs[i]++;
        }
        break;
    case 4: /* single references go: those of a stretch, or all */
        if (prng_one_in(rng, 8))
            i = 0;
        for (; i < BLOCK_FRAMES && !prng_one_in(rng, 2000); i++)
            for (; model->nrefs[i]; model->nrefs[i]--)
                frame_put(&head[i]);
        break;
    case 5:
        if (has_unit)
            assert_int_equal(block_is_sole(head), model_sole(model));
        break;
    }
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);
    uint64_t before = frame_nfree(), nalloc = 0;

    for (int step = 0; step < 200000; step++) {
        struct model *model = &models[prng_below(&rng, ARRAY_SIZE(models))];
        host_hart.index = prng_below(&rng, 3);
        if (!model->head) {
            if (prng_one_in(&rng, 8))
                start_block(model);
            nalloc += model->head != NULL;
            continue;
        }
        if (prng_one_in(&rng, 3))
            (void)block_prepare();
        if (prng_one_in(&rng, 5000))
            (void)block_drain();
        step_block(&rng, model);
        check_block(model);
        if (model_unused(model))
            model->head = NULL;
        if (step % 512 == 0)
            assert_int_equal(count_anon(), model_frames());
    }
    assert_true(nalloc > 100);
    assert_int_equal(block_nalloc, nalloc);
    for (size_t m = 0; m < ARRAY_SIZE(models); m++) {
        struct model *model = &models[m];
        for (; model->head && model->nunits; model->nunits--)
            block_put(model->head);
        for (unsigned i = 0; model->head && i < BLOCK_FRAMES; i++)
            for (; model->nrefs[i]; model->nrefs[i]--)
                frame_put(&model->head[i]);
        model->head = NULL;
    }
    host_hart.index = 0;
    assert_true(block_nprepared > 10);
    assert_int_equal(count_anon(), 0);
    assert_int_equal(frame_nfree(), before);
    (void)block_drain();
    assert_int_equal(frame_nfree(), before);
}

/* Prepared blocks are free memory: counted so, not made when there is little, given back. */
static void
test_prepared(void **state)
{
    uint64_t before = frame_nfree();
    unsigned n = 0;
    while (block_prepare())
        n++;
    assert_true(n >= 4 * BLOCK_FRAMES / 16);
    assert_false(block_prepare_wanted());
    assert_int_equal(frame_nfree(), before);
    assert_int_equal(count_anon(), 0);

    uint64_t nprepared = block_nprepared;
    struct frame *head = block_alloc_prepared();
    assert_int_equal(block_nprepared, nprepared + 1);
    const uint64_t *words = frame_va(head);
    for (size_t i = 0; i < BLOCK_SIZE / sizeof(*words); i++)
        assert_int_equal(words[i], 0);
    assert_true(block_is_sole(head));
    block_put(head);

    block_init(); /* an allocation that finds nothing gets what was prepared */
    struct frame *list = NULL, *frame;
    uint64_t nfree = frame_nfree();
    while ((frame = frame_alloc(0, FRAME_BUFFER))) {
        frame->next = list;
        list = frame;
        nfree--;
    }
    assert_true(nfree <= 3 * 64); /* in the caches of the others */
    assert_false(block_prepare());
    while ((frame = list)) {
        list = frame->next;
        frame_free(frame);
    }
    frame_reclaim = NULL;
    assert_int_equal(frame_nfree(), before);
}

/* A block whose frames nobody else has goes back whole: at once another can be had. */
static void
test_whole(void **state)
{
    static struct frame *blocks[RAM_BLOCKS];
    unsigned n = 0;
    while (n < RAM_BLOCKS && (blocks[n] = block_alloc_zeroed()))
        n++;
    assert_true(n > 10);
    assert_int_equal(block_nfailed > 0, true);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned which = i % n;
        if (i % 3 == 0) {
            block_get(blocks[which]);
            block_put(blocks[which]);
        }
        block_put(blocks[which]);
        assert_non_null(blocks[which] = block_alloc_zeroed());
    }
    while (n > 0)
        block_put(blocks[--n]);
    assert_int_equal(count_anon(), 0);
}

/* What debug builds find: a frame of a block that is still mapped, a block put twice. */
static void
test_mistakes(void **state)
{
    struct frame *head = block_alloc_zeroed();
    framecheck_mapped(frame_pa(head) + 7 * PAGE_SIZE, 1, 1);
    assert_true(PANICS(block_put(head), "while 1 user page table entries still map it"));
    framecheck_mapped(frame_pa(head) + 7 * PAGE_SIZE, 1, -1);
    frame_free(head); /* what the panic kept block_put() from */
    assert_true(PANICS(frame_put(head), "double free"));
    assert_true(PANICS(frame_put(head + 9), "double free"));
}

#define NTHREADS 4
static struct frame *common;
static uint64_t nsole; /* atomic: threads that found themselves alone */

/* Each begins with a unit of the common block, and lets go of it in one of three ways. */
static void *
let_go(void *arg)
{
    struct prng rng = {(uintptr_t)arg};
    host_hart.index = (uintptr_t)arg % NTHREADS;
    if (prng_one_in(&rng, 3)) {
        block_put(common);
        return NULL;
    }
    if (block_is_sole(common))
        __atomic_fetch_add(&nsole, 1, __ATOMIC_RELAXED);
    block_break(common);
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        frame_put(&common[i]);
    return NULL;
}

static void
test_harts(void **state)
{
    pthread_t threads[NTHREADS];
    uint64_t before = frame_nfree();
    for (unsigned round = 0; round < 400; round++) {
        common = block_alloc_zeroed();
        assert_non_null(common);
        nsole = 0;
        for (unsigned i = 1; i < NTHREADS; i++)
            block_get(common);
        for (uintptr_t i = 0; i < NTHREADS; i++)
            pthread_create(&threads[i], NULL, let_go, (void *)(round * NTHREADS + i));
        for (unsigned i = 0; i < NTHREADS; i++)
            pthread_join(threads[i], NULL);
        assert_true(nsole <= 1);
        assert_int_equal(count_anon(), 0);
        assert_int_equal(frame_nfree(), before);
    }
}

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
        cmocka_unit_test_setup(test_random, setup),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_harts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
