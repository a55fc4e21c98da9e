/*
 * Ticks to nanoseconds and back (arch/riscv/clock.h), for all timebases.
 */
#include "host.h"

#include "arch/riscv/clock.h"

static uint64_t
mult_of(uint64_t timebase)
{
    return (NSEC_PER_SEC << CLOCK_SHIFT) / timebase;
}

/* The ticks of a time are the first that reach it: neither the ones before, nor later ones. */
static void
check(uint64_t nsec, uint64_t mult)
{
    uint64_t ticks = clock_unscale(nsec, mult, CLOCK_SHIFT);

    assert_true(clock_scale(ticks, mult, CLOCK_SHIFT) >= nsec);
    if (ticks)
        assert_true(clock_scale(ticks - 1, mult, CLOCK_SHIFT) < nsec);
}

static void
test_exact(void **state)
{
    static const uint64_t timebases[] = {32768, 1000000, 10000000, 24000000, 99999999, 1000000000, 4294967295};
    struct prng rng = prng_start(__func__);

    for (size_t i = 0; i < sizeof(timebases) / sizeof(timebases[0]); i++) {
        uint64_t mult = mult_of(timebases[i]);
        assert_true(mult <= CLOCK_MULT_MAX);
        check(0, mult);
        check(1, mult);
        check(30 * 86400 * NSEC_PER_SEC, mult);
        for (int round = 0; round < 10000; round++)
            check(prng_sized(&rng) >> 4, mult);
    }
}

/* What ticks of 64 bits cannot say is never. */
static void
test_too_far(void **state)
{
    assert_int_equal(clock_unscale(~0UL - 1, mult_of(4294967295), CLOCK_SHIFT), ~0UL);
    assert_true(clock_unscale(~0UL - 1, mult_of(10000000), CLOCK_SHIFT) < ~0UL / 100 + 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
