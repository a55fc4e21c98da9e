/*
 * Bit arithmetic and byte order.
 *
 * rv64gc has no instruction that counts zeros or reverses bytes, and gcc's
 * builtins would call out to libgcc, which is not linked. A known constant is
 * still left to the builtin, so these fold at compile time.
 */
#ifndef QUIRE_LIB_BITS_H
#define QUIRE_LIB_BITS_H

#include "lib/types.h"

/* Index of the lowest set bit; x must not be 0. */
static inline unsigned
ctz64(uint64_t x)
{
    if (__builtin_constant_p(x))
        return (unsigned)__builtin_ctzll(x);

    unsigned n = 0;
    if (!(x & 0xffffffff)) { n += 32; x >>= 32; }
    if (!(x & 0xffff))     { n += 16; x >>= 16; }
    if (!(x & 0xff))       { n += 8;  x >>= 8; }
    if (!(x & 0xf))        { n += 4;  x >>= 4; }
    if (!(x & 3))          { n += 2;  x >>= 2; }
    return n + !(x & 1);
}

/* Number of zero bits above the highest set bit; x must not be 0. */
static inline unsigned
clz64(uint64_t x)
{
    if (__builtin_constant_p(x))
        return (unsigned)__builtin_clzll(x);

    unsigned n = 0;
    if (!(x >> 32)) { n += 32; x <<= 32; }
    if (!(x >> 48)) { n += 16; x <<= 16; }
    if (!(x >> 56)) { n += 8;  x <<= 8; }
    if (!(x >> 60)) { n += 4;  x <<= 4; }
    if (!(x >> 62)) { n += 2;  x <<= 2; }
    return n + !(x >> 63);
}

/* Number of set bits. */
static inline unsigned
popcount64(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555;
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (unsigned)(x * 0x0101010101010101 >> 56);
}

/* floor(log2(x)); x must not be 0. */
static inline unsigned
log2_floor(uint64_t x)
{
    return 63 - clz64(x);
}

/* ceil(log2(x)), the order of the smallest power of two that holds x; x must
 * not be 0. */
static inline unsigned
log2_ceil(uint64_t x)
{
    return x <= 1 ? 0 : 64 - clz64(x - 1);
}

/* True for 1, 2, 4, ...; false for 0. */
static inline bool
is_pow2(uint64_t x)
{
    return x && !(x & (x - 1));
}

/* The smallest power of two that is at least x: 1 for 0, and 0 if it would be
 * 2^64. */
static inline uint64_t
roundup_pow2(uint64_t x)
{
    if (x <= 1)
        return 1;
    unsigned order = log2_ceil(x);
    return order == 64 ? 0 : (uint64_t)1 << order;
}

/* The largest power of two that is at most x; x must not be 0. */
static inline uint64_t
rounddown_pow2(uint64_t x)
{
    return (uint64_t)1 << log2_floor(x);
}

/* Rotate a 32-bit word left by n, 0 < n < 32. */
static inline uint32_t
rotl32(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* Reverse the bytes. */
static inline uint16_t
bswap16(uint16_t x)
{
    return (uint16_t)(x << 8 | x >> 8);
}

static inline uint32_t
bswap32(uint32_t x)
{
    return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24;
}

static inline uint64_t
bswap64(uint64_t x)
{
    return (uint64_t)bswap32((uint32_t)x) << 32 | bswap32((uint32_t)(x >> 32));
}

/* Read a big-endian or little-endian number at any alignment. */
static inline uint16_t
get_be16(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
get_be32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
get_be64(const void *at)
{
    const uint8_t *p = at;
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline uint16_t
get_le16(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t
get_le32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t
get_le64(const void *at)
{
    const uint8_t *p = at;
    return (uint64_t)get_le32(p + 4) << 32 | get_le32(p);
}

/* Store a big-endian or little-endian number at any alignment. */
static inline void
put_be32(void *at, uint32_t x)
{
    uint8_t *p = at;
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

static inline void
put_be64(void *at, uint64_t x)
{
    uint8_t *p = at;
    put_be32(p, (uint32_t)(x >> 32));
    put_be32(p + 4, (uint32_t)x);
}

static inline void
put_le32(void *at, uint32_t x)
{
    put_be32(at, bswap32(x));
}

static inline void
put_le64(void *at, uint64_t x)
{
    put_be64(at, bswap64(x));
}

#endif
