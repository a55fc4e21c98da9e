/*
 * Address spaces that share page tables for generations, at random: eight of
 * them, touched, unmapped, protected, forked and ended by the million, each
 * page compared with a model that knows its every byte (tree.h). One
 * allocation in a few fails; what failed has changed nothing. Some of the
 * trees have mirrors.
 *
 * Here tables have eight entries, so that all kinds of sharing happen all the
 * time. test_tree_random_large.c includes this file with tables of full size.
 */
#include "tree.h"

#include "mem.h"

#define SMALL (PT_FANOUT_SHIFT != 9)
#define NSTEPS (SMALL ? 2000000 : 500000)
/* Steps between two looks at everything. */
#define CHECK_EVERY 300

static unsigned nnapot; /* leaves of 64 KiB made */

static struct tree_space *
random_space(struct prng *rng, bool alive)
{
    unsigned first = prng_below(rng, TREE_SPACES);
    for (unsigned i = 0; i < TREE_SPACES; i++) {
        struct tree_space *space = &tree_spaces[(first + i) % TREE_SPACES];
        if (!space->root == !alive)
            return space;
    }
    return NULL;
}

/* A range of the window: a few pages, a superpage's, or about as much as a larger table's. */
static unsigned
random_range(struct prng *rng, unsigned *n)
{
    unsigned unit = prng_one_in(rng, 3) ? PT_FANOUT : 1;
    if (prng_one_in(rng, 12))
        unit = min(PT_FANOUT * PT_FANOUT, tree_npages / 2);
    unsigned first = ALIGN_DOWN(prng_below(rng, tree_npages), unit);
    *n = min(unit * (1 + (unsigned)prng_below(rng, 3)), tree_npages - first);
    return first;
}

/*
 * Do one thing to a space. Returns what the operation did; -EINVAL if there
 * was nothing to do. [*page, *page + *n) is what it may have changed.
 */
static int
step(struct prng *rng, struct tree_space *space, unsigned *page, unsigned *n)
{
    *page = random_range(rng, n);
    unsigned kind = prng_below(rng, 64);
    if (kind < 30) {
        *n = 1;
        return tree_touch(space, *page, kind < 10 ? TREE_READ : TREE_WRITE);
    }
    if (kind < 34) {
        bool napot = !SMALL && kind < 33;
        int error = napot ? tree_touch_napot(space, *page) : tree_touch_block(space, *page);
        nnapot += napot && error == 0;
        *page = ALIGN_DOWN(*page, PT_FANOUT);
        *n = min(PT_FANOUT, tree_npages - *page);
        return error;
    }
    if (kind < 40)
        return tree_unmap(space, *page, *n);
    if (kind < 44)
        return tree_protect(space, *page, *n, TREE_RW);
    if (kind < 48)
        return tree_protect(space, *page, *n, prng_one_in(rng, 2) ? TREE_RO : TREE_NONE);
    if (kind < 53)
        return tree_pgaccess(space, *page, *n);
    if (kind < 55)
        return tree_isolate(space, *page, *n);
    if (kind < 57)
        return tree_own(space, *page, *n, prng_one_in(rng, 2));
    if (kind < 59)
        return tree_thaw(space, *page);
    if (kind == 59 || (kind == 60 && space->pages[*page].mapped)) {
        tree_exit(space);
        return 0;
    }
    struct tree_space *child = random_space(rng, false);
    if (!child)
        return -EINVAL;
    *page = 0;
    *n = SMALL ? tree_npages : 1;
    uint64_t how = prng_one_in(rng, 2) ? prng_below(rng, pt_levels) : prng_next(rng);
    int error = tree_fork(space, child, how);
    if (!error && SMALL)
        tree_check_pages(child, 0, tree_npages);
    return error;
}

static void
random_step(struct prng *rng, unsigned *nfailed)
{
    struct tree_space *space = random_space(rng, true);
    unsigned page, n;

    if (prng_one_in(rng, 4))
        frame_fail_after(1 + prng_below(rng, 4), prng_one_in(rng, 2));
    if (!space) {
        tree_create(random_space(rng, false), prng_one_in(rng, 2));
        frame_fail_after(0, false);
        return;
    }
    int error = step(rng, space, &page, &n);
    frame_fail_after(0, false);
    if (space->root)
        tree_check_pages(space, page, n);
    if (error != -ENOMEM)
        return;
    /* Nothing has changed anywhere; and the same, or nearly, works next time. */
    ++*nfailed;
    if (SMALL || *nfailed % 64 == 0)
        tree_check();
}

/* End all spaces; no frame is left. */
static void
end_all(struct prng *rng)
{
    uint64_t counts[FRAME_NOWNERS];
    struct tree_space *space;

    while ((space = random_space(rng, true))) {
        tree_exit(space);
        tree_check();
    }
    frame_counts(counts);
    assert_int_equal(counts[FRAME_TABLE] + counts[FRAME_ANON], 0);
}

static void
run(struct prng *rng, unsigned nsteps)
{
    unsigned nfailed = 0;
    uint64_t shared = pt_nshared, revived = pt_nrevived, copied = pt_ncopied;
    uint64_t nblocks = block_nalloc, nbroken = block_nbroken;

    for (unsigned i = 0; i < nsteps; i++) {
        random_step(rng, &nfailed);
        if (i % CHECK_EVERY == 0)
            tree_check();
    }
    end_all(rng);
    tree_stop();
    print_message("%u steps, %u of which failed for want of memory; tables: %lu shared, "
                  "%lu copied, %lu revived; blocks: %lu, %lu broken; "
                  "leaves of 64 KiB: %u\n",
                  nsteps, nfailed, (unsigned long)(pt_nshared - shared),
                  (unsigned long)(pt_ncopied - copied), (unsigned long)(pt_nrevived - revived),
                  (unsigned long)(block_nalloc - nblocks),
                  (unsigned long)(block_nbroken - nbroken), nnapot);
    assert_true(pt_nshared > shared && pt_ncopied > copied && pt_nrevived > revived);
    assert_true(block_nbroken > nbroken && nfailed > 0);
    assert_true(SMALL || nnapot > 0);
}

static void
test_sv39(void **state)
{
    struct prng rng = prng_start(__func__);
    if (SMALL)
        tree_start(3, 0, 256);
    else
        tree_start(3, pt_span(2) - 2 * pt_span(1), 4 * PT_FANOUT);
    run(&rng, NSTEPS - NSTEPS / 4);
}

static void
test_sv48(void **state)
{
    struct prng rng = prng_start(__func__);
    tree_start(4, pt_span(3) - 2 * pt_span(1), 4 * PT_FANOUT);
    run(&rng, NSTEPS / 4);
}

static int
setup(void **state)
{
    host_mem_init(SMALL ? 32UL << 20 : 128UL << 20);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sv39),
        cmocka_unit_test(test_sv48),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
