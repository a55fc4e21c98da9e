/*
 * Bit arithmetic, byte order, hashes and parity with the compiler's builtins.
 */
#include "host.h"

#include "lib/bits.h"
#include "lib/hash.h"

static void
test_counting(void **state)
{
    struct prng rng = prng_start(__func__);

    for (unsigned i = 0; i < 64; i++) {
        volatile uint64_t one = (uint64_t)1 << i;
        assert_int_equal(ctz64(one), i);
        assert_int_equal(clz64(one), 63 - i);
        assert_int_equal(log2_floor(one), i);
        assert_int_equal(log2_ceil(one), i);
        assert_true(is_pow2(one));
        assert_int_equal(roundup_pow2(one), one);
        assert_int_equal(rounddown_pow2(one), one);
    }
    assert_false(is_pow2(0));
    assert_int_equal(roundup_pow2(0), 1);
    assert_int_equal(roundup_pow2(UINT64_MAX), 0);
    assert_int_equal(ctz64(48), 4);
    assert_int_equal(clz64(1), 63);

    for (int round = 0; round < 100000; round++) {
        uint64_t x = prng_sized(&rng);
        assert_int_equal(popcount64(x), __builtin_popcountll(x));
        if (x == 0)
            continue;
        assert_int_equal(ctz64(x), __builtin_ctzll(x));
        assert_int_equal(clz64(x), __builtin_clzll(x));
        assert_true((uint64_t)1 << log2_floor(x) <= x);
        assert_true(rounddown_pow2(x) > x / 2 && rounddown_pow2(x) <= x);
        assert_true(log2_ceil(x) == 64 || (uint64_t)1 << log2_ceil(x) >= x);
        assert_int_equal(is_pow2(x), __builtin_popcountll(x) == 1);
        assert_int_equal(log2_ceil(x), log2_floor(x) + !is_pow2(x));
    }
}

static void
test_byte_order(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t buf[16];

    for (int round = 0; round < 10000; round++) {
        uint64_t x = prng_next(&rng);
        uint8_t *at = buf + prng_below(&rng, 8);
        assert_int_equal(bswap16((uint16_t)x), __builtin_bswap16((uint16_t)x));
        assert_int_equal(bswap32((uint32_t)x), __builtin_bswap32((uint32_t)x));
        assert_int_equal(bswap64(x), __builtin_bswap64(x));
        put_be64(at, x);
        assert_int_equal(get_be64(at), x);
        assert_int_equal(get_le64(at), bswap64(x));
        assert_int_equal(get_be16(at), x >> 48);
        assert_int_equal(get_le16(at), bswap16((uint16_t)(x >> 48)));
        put_le64(at, x);
        assert_int_equal(get_le64(at), x);
        put_be32(at, (uint32_t)x);
        assert_int_equal(get_be32(at), (uint32_t)x);
        put_le32(at, (uint32_t)x);
        assert_int_equal(get_le32(at), (uint32_t)x);
        assert_int_equal(rotl32((uint32_t)x, 8), (uint32_t)(x << 8) | (uint32_t)x >> 24);
    }
}

/* Hash words that differ in little and look at how evenly they fall. */
static void
test_hashes(void **state)
{
    enum { BUCKETS = 256, KEYS = 64 * BUCKETS };
    static unsigned numbers[BUCKETS], names[BUCKETS];
    char name[16];

    for (unsigned i = 0; i < KEYS; i++) {
        numbers[hash64(i << 12) % BUCKETS]++;
        int n = snprintf(name, sizeof(name), "file%u", i);
        names[hash_string(name, 0) % BUCKETS]++;
        assert_int_equal(hash_string(name, 5), hash_bytes(name, (size_t)n, 5));
        assert_int_not_equal(hash_string(name, 5), hash_string(name, 6));
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        assert_in_range(numbers[i], 16, 160);
        assert_in_range(names[i], 16, 160);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_byte_order),
        cmocka_unit_test(test_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
