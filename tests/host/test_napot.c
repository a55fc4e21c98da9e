/*
 * Leaves of 64 KiB: the encoding that the specification asks for, and random
 * making, marking and breaking in a table against a model of plain pages.
 */
#include "host.h"

#include "mem.h"
#include "mem/frame.h"
#include "mem/framecheck.h"
#include "mem/pagetable.h"

#define NGROUPS (PT_FANOUT / NAPOT_PAGES)

static pte_t *
new_table(void)
{
    struct frame *table = frame_alloc_zeroed(FRAME_TABLE);
    assert_non_null(table);
    table->nptes = 0;
    table->mirror = 0;
    table->level = 0;
    return frame_va(table);
}

static void
test_encoding(void **state)
{
    pte_t *table = new_table();
    struct frame *frames64k = frame_alloc(NAPOT_ORDER, FRAME_ANON);
    paddr_t pa = frame_pa(frames64k);

    pt_napot_make(table + 32, pa, PTE_R | PTE_W | PTE_U);
    assert_int_equal(pt_table_of(table)->nptes, 16);
    for (unsigned i = 0; i < 16; i++) {
        pte_t pte = table[32 + i];
        assert_true(pte >> 63);
        assert_int_equal(pte >> 10 & 15, 8);
        assert_int_equal((pte & ~(1UL << 63)) >> 14, pa >> 16);
        assert_int_equal(pte & 0x3ff, PTE_V | PTE_R | PTE_W | PTE_U);
        assert_true(pte_is_leaf(pte) && pte_is_napot(pte) && !pte_is_table(pte));
        assert_int_equal(pte_page(&table[32 + i]),
                         pte_make(pa + i * PAGE_SIZE, PTE_V | PTE_R | PTE_W | PTE_U));
    }
    pt_napot_break(table + 32 + 7);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(table[32 + i],
                         pte_make(pa + i * PAGE_SIZE, PTE_V | PTE_R | PTE_W | PTE_U));
        pt_clear(&table[32 + i]);
    }
    assert_int_equal(pt_table_of(table)->nptes, 0);
    frame_free(frames64k);
    frame_free(pt_table_of(table));
}

/* For each group: what it is mapped to, whether as one, and each page's marks. */
struct group {
    struct frame *frame;
    uint64_t flags;
    bool whole;
    uint64_t marks[NAPOT_PAGES];
};

static void
check_group(const pte_t *entries, const struct group *group)
{
    for (unsigned i = 0; i < NAPOT_PAGES; i++) {
        pte_t expected = 0;
        if (group->frame)
            expected = pte_make(frame_pa(group->frame) + i * PAGE_SIZE,
                                group->flags | group->marks[i] | PTE_V);
        assert_int_equal(pte_page(&entries[i]), expected);
        assert_int_equal(pte_is_napot(entries[i]), group->frame && group->whole);
    }
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);
    static struct group groups[NGROUPS];
    static const uint64_t marks[] = {PTE_A, PTE_A | PTE_D, PTE_AGED};
    pte_t *table = new_table();

    for (int step = 0; step < 300000; step++) {
        unsigned g = prng_below(&rng, NGROUPS), page = prng_below(&rng, NAPOT_PAGES);
        struct group *group = &groups[g];
        pte_t *entries = &table[g * NAPOT_PAGES];
        switch (prng_below(&rng, 4)) {
        case 0:
            if (group->frame)
                break;
            *group = (struct group){.frame = frame_alloc(NAPOT_ORDER, FRAME_ANON), .whole = true,
                                    .flags = PTE_U | PTE_R | (prng_next(&rng) & PTE_W)};
            assert_non_null(group->frame);
            pt_napot_make(entries, frame_pa(group->frame), group->flags);
            break;
        case 1: /* the hardware, or fork */
            if (!group->frame)
                break;
            group->marks[page] |= marks[prng_below(&rng, ARRAY_SIZE(marks))];
            entries[page] |= group->marks[page];
            break;
        case 2: {
            uint64_t all = 0;
            pt_napot_break(&entries[page]);
            for (unsigned i = 0; i < NAPOT_PAGES; i++)
                all |= group->marks[i];
            for (unsigned i = 0; group->whole && i < NAPOT_PAGES; i++)
                group->marks[i] = all;
            group->whole = false;
            break;
        }
        case 3:
            if (!group->frame || group->whole)
                break;
            for (unsigned i = 0; i < NAPOT_PAGES; i++)
                pt_clear(&entries[i]);
            frame_free(group->frame);
            *group = (struct group){};
            break;
        }
        check_group(entries, group);
    }
    unsigned nused = 0;
    for (unsigned g = 0; g < NGROUPS; g++) {
        check_group(&table[g * NAPOT_PAGES], &groups[g]);
        nused += groups[g].frame ? NAPOT_PAGES : 0;
    }
    assert_int_equal(pt_table_of(table)->nptes, nused);
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
        cmocka_unit_test_setup(test_encoding, setup),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
