/*
 * Checksums and ChaCha20, by published test vectors.
 */
#include "host.h"

#include "lib/chacha20.h"
#include "lib/crc32.h"

static void
test_crc32(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t buf[200];

    /* The customary check value of each: of the digits 1 to 9. */
    assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(~crc32c(~0u, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32(0, "", 0), 0);

    /* RFC 3720, appendix B.4: 32 bytes of zeros, of ones */
    memset(buf, 0, 32);
    assert_int_equal(~crc32c(~0u, buf, 32), 0x8a9136aa);
    memset(buf, 0xff, 32);
    assert_int_equal(~crc32c(~0u, buf, 32), 0x62a8ab43);

    for (int round = 0; round < 1000; round++) {
        size_t n = prng_below(&rng, sizeof(buf)), cut = prng_below(&rng, n + 1);
        prng_fill(&rng, buf, n);
        uint32_t whole = 0xffffffff;
        for (size_t i = 0; i < n; i++) {
            whole ^= buf[i];
            for (int bit = 0; bit < 8; bit++)
                whole = whole >> 1 ^ (whole & 1 ? 0xedb88320 : 0);
        }
        assert_int_equal(crc32(crc32(0, buf, cut), buf + cut, n - cut), ~whole);
    }
}

static void
test_chacha20(void **state)
{
    /* RFC 8439, 2.3.2 */
    static const uint8_t nonce[CHACHA20_NONCE_SIZE] = { 0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0 };
    static const uint8_t expected[CHACHA20_BLOCK_SIZE] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71,
        0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4,
        0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9,
        0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8,
        0xa2, 0x50, 0x3c, 0x4e,
    };
    struct chacha20 cipher;
    uint8_t key[CHACHA20_KEY_SIZE], out[CHACHA20_BLOCK_SIZE];

    for (int i = 0; i < CHACHA20_KEY_SIZE; i++)
        key[i] = (uint8_t)i;
    chacha20_init(&cipher, key, 1, nonce);
    chacha20_block(&cipher, out);
    assert_memory_equal(out, expected, sizeof(out));
    assert_int_equal(cipher.words[12], 2);
}

static void
test_chacha20_zero_key(void **state)
{
    /* RFC 8439, appendix A.1, test vectors 1 and 2 (their first bytes) */
    static const uint8_t first[8] = { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90 };
    static const uint8_t second[8] = { 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a };
    static const uint8_t zeros[CHACHA20_KEY_SIZE];
    struct chacha20 cipher;
    uint8_t out[CHACHA20_BLOCK_SIZE];

    chacha20_init(&cipher, zeros, 0, zeros);
    chacha20_block(&cipher, out);
    assert_memory_equal(out, first, sizeof(first));
    chacha20_block(&cipher, out);
    assert_memory_equal(out, second, sizeof(second));

    chacha20_init(&cipher, zeros, UINT32_MAX, zeros);
    chacha20_block(&cipher, out);
    assert_int_equal(cipher.words[12], 0);
    assert_int_equal(cipher.words[13], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_chacha20),
        cmocka_unit_test(test_chacha20_zero_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
