/*
 * Bitmaps: arrays of bits in 64-bit words, bit i in word i / 64.
 *
 * A bitmap's size in bits is passed by its owner to whatever searches; bits
 * of the last word beyond the size may hold anything and are never reported.
 * Plain memory accesses throughout: the owner locks.
 */
#ifndef QUIRE_LIB_BITMAP_H
#define QUIRE_LIB_BITMAP_H

#include "lib/types.h"

/* Words needed for nbits bits; use it to declare one:
 * uint64_t map[BITMAP_WORDS(N)]. */
#define BITMAP_WORDS(nbits) (((size_t)(nbits) + 63) / 64)

static inline bool
bitmap_test(const uint64_t *map, size_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void
bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static inline void
bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

/* Set the bit and return what it was. */
static inline bool
bitmap_test_and_set(uint64_t *map, size_t bit)
{
    bool was = bitmap_test(map, bit);
    bitmap_set(map, bit);
    return was;
}

/* Clear the bit and return what it was. */
static inline bool
bitmap_test_and_clear(uint64_t *map, size_t bit)
{
    bool was = bitmap_test(map, bit);
    bitmap_clear(map, bit);
    return was;
}

/* Clear or set all of the nbits bits (and the rest of the last word). */
void bitmap_zero(uint64_t *map, size_t nbits);
void bitmap_fill(uint64_t *map, size_t nbits);

/* Set or clear the n bits from `start`. */
void bitmap_set_range(uint64_t *map, size_t start, size_t n);
void bitmap_clear_range(uint64_t *map, size_t start, size_t n);

/* The first set (clear) bit at or after `from`, or nbits if there is none. */
size_t bitmap_next_set(const uint64_t *map, size_t nbits, size_t from);
size_t bitmap_next_zero(const uint64_t *map, size_t nbits, size_t from);

/* The first set (clear) bit, or nbits if there is none. */
static inline size_t
bitmap_first_set(const uint64_t *map, size_t nbits)
{
    return bitmap_next_set(map, nbits, 0);
}

static inline size_t
bitmap_first_zero(const uint64_t *map, size_t nbits)
{
    return bitmap_next_zero(map, nbits, 0);
}

/*
 * The start of the first run of n clear bits at or after `from`, the start
 * being a multiple of align (a power of two, 1 for any), or nbits if there is
 * none. n must not be 0.
 */
size_t bitmap_find_run(const uint64_t *map, size_t nbits, size_t from,
                       size_t n, size_t align);

/* How many of the nbits bits are set. */
size_t bitmap_count(const uint64_t *map, size_t nbits);

#endif
