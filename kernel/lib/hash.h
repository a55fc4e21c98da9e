/*
 * Hashes for tables: fast and well spread, not secure against an adversary
 * who knows the seed.
 */
#ifndef QUIRE_LIB_HASH_H
#define QUIRE_LIB_HASH_H

#include "lib/types.h"

/* Mix a 64-bit word so that each bit of it reaches each bit of the result
 * (the finaliser of splitmix64); one to one. */
static inline uint64_t
hash64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Mix two words into one. */
static inline uint64_t
hash64_pair(uint64_t a, uint64_t b)
{
    return hash64(hash64(a) + b);
}

/* Hash n bytes, beginning from a seed (FNV-1a's step, then a mix). */
static inline uint64_t
hash_bytes(const void *data, size_t n, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t h = seed ^ 0xcbf29ce484222325;
    for (const uint8_t *end = p + n; p < end; p++)
        h = (h ^ *p) * 0x100000001b3;
    return hash64(h);
}

/* Hash a NUL-terminated string; equal to hash_bytes of its bytes. */
static inline uint64_t
hash_string(const char *s, uint64_t seed)
{
    uint64_t h = seed ^ 0xcbf29ce484222325;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3;
    return hash64(h);
}

#endif
