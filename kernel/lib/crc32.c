/*
 * Cyclic redundancy checks, a byte at a time by table.
 *
 * A CRC is linear, so the table's entry for a byte is the exclusive or of the
 * entries for its bits. Those eight are the polynomial divided by x again and
 * again; the preprocessor spells out the tables from them.
 */
#include "lib/crc32.h"

/* Entry i, from b7, the entry for bit 7, down to b0. */
#define ENTRY(i, b7, b6, b5, b4, b3, b2, b1, b0)                                    \
    (((i) & 0x80 ? (b7) : 0) ^ ((i) & 0x40 ? (b6) : 0) ^ ((i) & 0x20 ? (b5) : 0) ^  \
     ((i) & 0x10 ? (b4) : 0) ^ ((i) & 0x08 ? (b3) : 0) ^ ((i) & 0x04 ? (b2) : 0) ^  \
     ((i) & 0x02 ? (b1) : 0) ^ ((i) & 0x01 ? (b0) : 0))

#define ENTRIES4(i, ...) \
    ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), \
    ENTRY(i + 2, __VA_ARGS__), ENTRY(i + 3, __VA_ARGS__)
#define ENTRIES16(i, ...) \
    ENTRIES4(i, __VA_ARGS__), ENTRIES4(i + 4, __VA_ARGS__), \
    ENTRIES4(i + 8, __VA_ARGS__), ENTRIES4(i + 12, __VA_ARGS__)
#define ENTRIES64(i, ...) \
    ENTRIES16(i, __VA_ARGS__), ENTRIES16(i + 16, __VA_ARGS__), \
    ENTRIES16(i + 32, __VA_ARGS__), ENTRIES16(i + 48, __VA_ARGS__)
#define TABLE(...) \
    { ENTRIES64(0, __VA_ARGS__), ENTRIES64(64, __VA_ARGS__), \
      ENTRIES64(128, __VA_ARGS__), ENTRIES64(192, __VA_ARGS__) }

/* RFC 1952, 8: polynomial 0xedb88320 */
static const uint32_t ieee[256] = TABLE(
    0xedb88320, 0x76dc4190, 0x3b6e20c8, 0x1db71064,
    0x0edb8832, 0x076dc419, 0xee0e612c, 0x77073096);

/* RFC 3720, appendix B.4 (iSCSI): polynomial 0x82f63b78 */
static const uint32_t castagnoli[256] = TABLE(
    0x82f63b78, 0x417b1dbc, 0x20bd8ede, 0x105ec76f,
    0x8ad958cf, 0xc79a971f, 0xe13b70f7, 0xf26b8303);

static inline uint32_t
update(const uint32_t table[256], uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;

    for (const uint8_t *end = p + n; p < end; p++)
        crc = crc >> 8 ^ table[(crc ^ *p) & 0xff];
    return crc;
}

uint32_t
crc32(uint32_t crc, const void *data, size_t n)
{
    return ~update(ieee, ~crc, data, n);
}

uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
    return update(castagnoli, crc, data, n);
}
