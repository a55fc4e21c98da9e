/*
 * Frames: boot with random memory maps, random allocation against a model, several
 * harts that steal from each other, and what debug builds find wrong.
 */
#include "host.h"

#include <pthread.h>

#include "arch/riscv/cbo.h"
#include "mem.h"
#include "mem/buddy.h"
#include "mem/frame.h"
#include "mem/framecheck.h"

#define RAM_PAGES (HOST_RAM_SIZE / PAGE_SIZE)

/* What a page is, computed from the machine description page by page. */
static uint8_t map[RAM_PAGES]; /* 0: no RAM, 1: free, 2: taken, 3: handed out */

static uint64_t
page_index(paddr_t pa)
{
    return (pa - HOST_RAM_BASE) / PAGE_SIZE;
}

static void
mark(const struct phys_range *range, int value)
{
    if (range->size == 0)
        return;
    for (paddr_t pa = PAGE_ALIGN_DOWN(range->start); pa < range->start + range->size;
         pa += PAGE_SIZE)
        if (map[page_index(pa)] != 0 || value == 1)
            map[page_index(pa)] = value;
}

static uint64_t
sum_counts(uint64_t counts[FRAME_NOWNERS])
{
    uint64_t total = 0;
    frame_counts(counts);
    for (unsigned i = 0; i < FRAME_NOWNERS; i++)
        total += counts[i];
    return total;
}

static struct phys_range
random_range(struct prng *rng, const struct phys_range *bank, uint64_t max_size, bool aligned)
{
    uint64_t size = 1 + prng_below(rng, min(max_size, bank->size));
    uint64_t start = bank->start + prng_below(rng, bank->size - size + 1);
    if (aligned) {
        start = PAGE_ALIGN_DOWN(start);
        size = PAGE_ALIGN_UP(size);
    }
    return (struct phys_range){start, min(size, bank->start + bank->size - start)};
}

/* Banks with gaps, at odd pages; reservations of all kinds; returns free pages by the model. */
static uint64_t
random_machine(struct prng *rng)
{
    paddr_t at = HOST_RAM_BASE + prng_below(rng, 3) * (PAGE_SIZE * 77);
    machine.nram = 1 + prng_below(rng, 4);
    for (unsigned i = 0; i < machine.nram; i++) {
        uint64_t size = (6 + prng_below(rng, 40)) << 20;
        size += prng_below(rng, 3) * PAGE_SIZE * 13;
        machine.ram[i] = (struct phys_range){at, size};
        mark(&machine.ram[i], 1);
        at += size + prng_below(rng, 2) * prng_below(rng, 2000) * PAGE_SIZE;
    }
    machine.nreserved = prng_below(rng, 6);
    for (unsigned i = 0; i < machine.nreserved; i++) {
        machine.reserved[i] = random_range(rng, &machine.ram[prng_below(rng, machine.nram)],
                                           512 << 10, prng_one_in(rng, 2));
        mark(&machine.reserved[i], 2);
    }
    machine.image = random_range(rng, &machine.ram[0], 2 << 20, true);
    machine.dtb = random_range(rng, &machine.ram[0], 20000, false);
    mark(&machine.image, 2);
    mark(&machine.dtb, 2);
    if (prng_one_in(rng, 2))
        machine.initrd = random_range(rng, &machine.ram[0], 3 << 20, false);
    mark(&machine.initrd, 2);
    uint64_t nfree = 0;
    for (uint64_t i = 0; i < RAM_PAGES; i++)
        nfree += map[i] == 1;
    return nfree;
}

/* Claim all memory in blocks of random orders, checking each against the map. */
static uint64_t
claim_all(struct prng *rng, struct frame **list)
{
    uint64_t nclaimed = 0;
    for (int order = FRAME_MAX_ORDER; order >= 0;) {
        unsigned wanted = prng_below(rng, order + 1);
        struct frame *frame = frame_alloc(wanted, FRAME_ANON);
        if (!frame) {
            if ((int)wanted < order)
                order = wanted;
            else
                order--;
            continue;
        }
        CHECK(frame_pa(frame) % (PAGE_SIZE << wanted) == 0);
        for (uint64_t i = 0; i < 1UL << wanted; i++) {
            uint64_t page = page_index(frame_pa(frame)) + i;
            CHECK(map[page] == 1);
            map[page] = 3;
        }
        frame->next = *list;
        *list = frame;
        nclaimed += 1UL << wanted;
    }
    return nclaimed;
}

static uint64_t
whole_free_blocks(void)
{
    uint64_t n = 0;
    for (uint64_t block = 0; block < RAM_PAGES; block += LARGEST_FRAMES) {
        uint64_t i = 0;
        while (i < LARGEST_FRAMES && map[block + i] == 1)
            i++;
        n += i == LARGEST_FRAMES;
    }
    return n;
}

static void
boot_once(void *arg)
{
    struct prng *rng = arg;
    uint64_t counts[FRAME_NOWNERS];
    uint64_t nfree = random_machine(rng);
    frame_init();

    struct phys_range descriptors = {virt_to_phys(frames),
                                     nframes * (sizeof(struct frame) + FRAMECHECK_SIZE)};
    for (paddr_t pa = descriptors.start; pa < descriptors.start + descriptors.size; pa += PAGE_SIZE)
        CHECK(map[page_index(pa)] == 1);
    mark(&descriptors, 2);
    nfree -= DIV_ROUND_UP(descriptors.size, PAGE_SIZE);

    CHECK(sum_counts(counts) == nframes_ram);
    CHECK(counts[FRAME_FREE] == nfree);
    CHECK(frame_nfree() == nfree);
    for (uint64_t i = 0; i < RAM_PAGES; i++)
        CHECK(frame_valid(HOST_RAM_BASE + i * PAGE_SIZE) == (map[i] != 0));

    struct frame *list = NULL;
    CHECK(claim_all(rng, &list) == nfree);
    CHECK(sum_counts(counts) == nframes_ram);
    CHECK(counts[FRAME_ANON] == nfree);
    while (list) {
        struct frame *frame = list;
        list = frame->next;
        for (uint64_t i = 0; i < 1UL << frame->order; i++)
            map[page_index(frame_pa(frame)) + i] = 1;
        frame_put(frame);
    }
    /* The initrd goes to the allocator, and all merges again. */
    uint64_t ninitrd = counts[FRAME_INITRD];
    frame_release_range(machine.initrd.start, machine.initrd.size);
    CHECK(sum_counts(counts) == nframes_ram);
    CHECK(ninitrd - counts[FRAME_INITRD] + 2 >= ninitrd);
    CHECK(frame_nfree() == nfree + ninitrd - counts[FRAME_INITRD]);
    uint64_t nblocks = 0;
    while (frame_alloc(FRAME_MAX_ORDER, FRAME_ANON))
        nblocks++;
    CHECK(nblocks >= whole_free_blocks());
}

static void
test_boot(void **state)
{
    struct prng rng = prng_start(__func__);
    for (int i = 0; i < 60; i++) {
        prng_next(&rng);
        assert_true(host_in_child(boot_once, &rng));
    }
}

/* Random allocation, references, splitting and owners on one hart, then another. */
static void
test_random(void **state)
{
    enum { NBLOCKS = 3000 };
    struct prng rng = prng_start(__func__);
    static struct frame *blocks[NBLOCKS];
    static uint32_t nrefs[NBLOCKS];
    uint64_t counts[FRAME_NOWNERS], expected[FRAME_NOWNERS], before[FRAME_NOWNERS];

    frame_counts(before);
    memcpy(expected, before, sizeof(expected));
    for (int step = 0; step < 400000; step++) {
        unsigned i = prng_below(&rng, NBLOCKS);
        host_hart.index = prng_below(&rng, 3);
        if (!blocks[i]) {
            unsigned order = prng_one_in(&rng, 8) ? prng_below(&rng, 7) : 0;
            enum frame_owner owner = FRAME_TABLE + prng_below(&rng, FRAME_NOWNERS - FRAME_TABLE);
            struct frame *frame = frame_alloc(order, owner);
            if (!frame)
                continue;
            assert_int_equal(frame->refs, 1);
            expected[owner] += 1UL << order;
            blocks[i] = frame;
            nrefs[i] = 1;
        } else if (prng_one_in(&rng, 3)) {
            frame_get(blocks[i]);
            nrefs[i]++;
        } else if (prng_one_in(&rng, 8)) {
            enum frame_owner owner = FRAME_TABLE + prng_below(&rng, FRAME_NOWNERS - FRAME_TABLE);
            expected[blocks[i]->owner] -= 1UL << blocks[i]->order;
            expected[owner] += 1UL << blocks[i]->order;
            frame_set_owner(blocks[i], owner);
        } else if (blocks[i]->order > 0 && nrefs[i] == 1 && prng_one_in(&rng, 2)) {
            unsigned order = blocks[i]->order;
            expected[blocks[i]->owner] -= 1UL << order;
            frame_split(blocks[i]);
            for (unsigned k = 0; k < 1U << order; k++)
                frame_free(blocks[i] + k);
            blocks[i] = NULL;
            nrefs[i] = 0;
        } else {
            if (nrefs[i] == 1)
                expected[blocks[i]->owner] -= 1UL << blocks[i]->order;
            assert_int_equal(blocks[i]->refs, nrefs[i]);
            frame_put(blocks[i]);
            if (--nrefs[i] == 0)
                blocks[i] = NULL;
        }
        if (step % 1024 == 0) {
            assert_int_equal(sum_counts(counts), nframes_ram);
            for (unsigned o = FRAME_KERNEL; o < FRAME_NOWNERS; o++)
                assert_int_equal(counts[o], expected[o]);
        }
    }
    for (unsigned i = 0; i < NBLOCKS; i++)
        for (; nrefs[i]; nrefs[i]--)
            frame_put(blocks[i]);
    host_hart.index = 0;
    assert_int_equal(sum_counts(counts), nframes_ram);
    assert_int_equal(counts[FRAME_FREE] + counts[FRAME_CACHED],
                     before[FRAME_FREE] + before[FRAME_CACHED]);
}

#define NTHREADS 4
static uint64_t nexhausted; /* atomic */

/* Take frames until there are none, mark them, see that nobody else has them, free them. */
static void *
hammer(void *arg)
{
    uint64_t self = (uintptr_t)arg;
    struct prng rng = {self};
    enum { MAX = 6000 };
    struct frame **mine = calloc(MAX, sizeof(*mine));
    host_hart.index = self;
    for (int round = 0; round < 60; round++) {
        unsigned n = 0, wanted = prng_below(&rng, MAX);
        while (n < wanted) {
            struct frame *frame = frame_alloc(prng_one_in(&rng, 200) ? 3 : 0, FRAME_ANON);
            if (!frame) {
                __atomic_fetch_add(&nexhausted, 1, __ATOMIC_RELAXED);
                break;
            }
            frame->private = self;
            *(uint64_t *)frame_va(frame) = self;
            mine[n++] = frame;
        }
        while (n > 0) {
            struct frame *frame = mine[--n];
            if (frame->private != self || *(uint64_t *)frame_va(frame) != self ||
                frame->owner != FRAME_ANON)
                abort();
            frame_put(frame);
        }
    }
    free(mine);
    return NULL;
}

static void
test_harts(void **state)
{
    uint64_t counts[FRAME_NOWNERS], before = frame_nfree();
    struct frame *list = NULL;
    pthread_t threads[NTHREADS];

    /* Leave so little that they must steal from each other. */
    while (frame_nfree() > 9000) {
        struct frame *frame = frame_alloc(0, FRAME_ANON);
        frame->next = list;
        list = frame;
    }
    harts_online = BIT(NTHREADS + 1) - 1;
    for (uintptr_t i = 0; i < NTHREADS; i++)
        pthread_create(&threads[i], NULL, hammer, (void *)(i + 1));
    for (unsigned i = 0; i < NTHREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(nexhausted > 0);
    while (list) {
        struct frame *frame = list;
        list = frame->next;
        frame_free(frame);
    }
    assert_int_equal(frame_nfree(), before);
    assert_int_equal(sum_counts(counts), nframes_ram);
    harts_online = 1;
}

static struct frame *spare;
static unsigned nreclaims;

static size_t
give_spare(size_t wanted)
{
    nreclaims++;
    if (!spare)
        return 0;
    assert_null(frame_alloc(0, FRAME_ANON)); /* not called again from inside itself */
    frame_free(spare);
    spare = NULL;
    return 1;
}

static void
test_exhaustion(void **state)
{
    struct frame *list = NULL, *frame;
    harts_online = BIT(NTHREADS + 1) - 1;
    frame_reclaim = give_spare;
    spare = frame_alloc(0, FRAME_PAGE);
    unsigned n = 0;
    while ((frame = frame_alloc(0, FRAME_ANON))) {
        frame->next = list;
        list = frame;
        n++;
        assert_true(nreclaims == 0 || !spare);
    }
    assert_int_equal(nreclaims, 2);
    assert_true(frame_nfree() < 32); /* in the others' caches */
    assert_null(frame_alloc_zeroed(FRAME_TABLE));
    assert_null(kalloc());
    frame_reclaim = NULL;
    harts_online = 1;
    while (list) {
        frame = list;
        list = frame->next;
        frame_free(frame);
    }
}

static void
test_failalloc(void **state)
{
    for (unsigned n = 1; n < 20; n++) {
        frame_fail_after(n, n % 2);
        for (unsigned i = 1; i < n; i++) {
            void *page = kalloc();
            assert_non_null(page);
            kfree(page);
        }
        assert_null(kalloc());
        void *page = kalloc();
        assert_true((page == NULL) == n % 2);
        frame_fail_after(0, false);
        if (page)
            kfree(page);
    }
}

static void
test_pages(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t *a = kalloc(), *b = kalloc();
    prng_fill(&rng, a, PAGE_SIZE);
    page_copy(b, a);
    assert_memory_equal(a, b, PAGE_SIZE);
    page_zero(a);
    assert_true(a[0] == 0 && memcmp(a, a + 1, PAGE_SIZE - 1) == 0);
    kfree(a);
    assert_int_equal(a[100], 0x01);
    kfree(b);
    struct frame *zeroed = frame_alloc_zeroed(FRAME_TABLE);
    a = frame_va(zeroed);
    assert_true(a[0] == 0 && memcmp(a, a + 1, PAGE_SIZE - 1) == 0);
    frame_free(zeroed);
    a = kalloc();
    assert_int_equal(a[4000], 0x05);
    kfree(a);
}

/* Zicboz: with cache blocks of every size, larger than a page too, a page is zeroed and no more. */
static void
test_cache_blocks(void **state)
{
    struct frame *three = frame_alloc(2, FRAME_BUFFER);
    uint8_t *before = frame_va(three), *page = before + PAGE_SIZE, *behind = page + PAGE_SIZE;
    machine.extensions |= EXT_ZICBOZ;
    for (uint32_t size = 4; size <= 2 * PAGE_SIZE; size *= 2) {
        machine.cboz_size = host_cbo_size = size;
        page_zero_init();
        memset(before, 0xaa, 3 * PAGE_SIZE);
        page_zero(page);
        assert_true(page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0);
        assert_true(before[PAGE_SIZE - 1] == 0xaa && behind[0] == 0xaa);
    }
    machine.extensions &= ~EXT_ZICBOZ;
    page_zero_init();
    frame_free(three);
}

static void
test_mistakes(void **state)
{
    uint8_t *page = kalloc();
    char pa[32];
    snprintf(pa, sizeof(pa), "0x%lx", (unsigned long)virt_to_phys(page));

    assert_true(PANICS(kfree(page + 8), "kfree of a misaligned pointer"));
    assert_true(PANICS(kfree((void *)ALIGN_DOWN((uintptr_t)pa, PAGE_SIZE)), "foreign pointer"));
    assert_true(PANICS(kfree(phys_to_virt(HOST_RAM_BASE)), "belongs to reserved"));
    assert_true(PANICS(kfree(frames), "belongs to kernel"));
    assert_true(PANICS(frame_free(frames - 5), "foreign descriptor"));
    assert_true(PANICS(frame_free((struct frame *)((char *)frames + 40)), "foreign descriptor"));

    struct frame *frame = frame_alloc(0, FRAME_ANON);
    assert_true(PANICS(kfree(frame_va(frame)), "belongs to anon and is not kalloc's"));
    frame_get(frame);
    assert_true(PANICS(frame_free(frame), "with 2 references"));
    frame_put(frame);
    framecheck_mapped(frame_pa(frame), 1, 1);
    assert_true(PANICS(frame_put(frame), "while 1 user page table entries still map it"));
    framecheck_mapped(frame_pa(frame), 1, -1);
    assert_true(PANICS(framecheck_mapped(frame_pa(frame), 1, -1), "more often than mapped"));
    framecheck_mapped(frame_pa(frame), 1, 1);
    frame_put(frame);

    struct frame *block = frame_alloc(3, FRAME_DEVICE);
    assert_true(PANICS(frame_free(block + 3), "in the middle of the block of 8 frames"));
    frame_free(block);
    assert_true(PANICS(frame_free(block), "double free"));

    kfree(page);
    assert_true(PANICS(kfree(page), "double free of frame"));
    assert_non_null(strstr(host_panic_message, pa));
    page[77] = 3;
    assert_true(PANICS(kalloc(), "was written to after"));
    assert_non_null(strstr(host_panic_message, pa));
}

static int
setup(void **state)
{
    host_mem_init(100UL << 20);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot), /* each run in a child: what follows finds nothing set up */
        cmocka_unit_test_setup(test_random, setup),
        cmocka_unit_test(test_harts),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_failalloc),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_cache_blocks),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
