/*
 * Bitmaps: the searches and ranges, a word at a time.
 */
#include "lib/bitmap.h"

#include "lib/bits.h"
#include "lib/string.h"

void
bitmap_zero(uint64_t *map, size_t nbits)
{
    memset(map, 0, BITMAP_WORDS(nbits) * sizeof(*map));
}

void
bitmap_fill(uint64_t *map, size_t nbits)
{
    memset(map, 0xff, BITMAP_WORDS(nbits) * sizeof(*map));
}

/* The bits of one word from bit `start` on, `n` of them or to its end. */
static inline uint64_t
word_mask(size_t start, size_t n)
{
    uint64_t mask = ~(uint64_t)0 << start;
    return start + n >= 64 ? mask : mask & (((uint64_t)1 << (start + n)) - 1);
}

void
bitmap_set_range(uint64_t *map, size_t start, size_t n)
{
    while (n) {
        size_t in_word = min(n, 64 - start % 64);
        map[start / 64] |= word_mask(start % 64, in_word);
        start += in_word;
        n -= in_word;
    }
}

void
bitmap_clear_range(uint64_t *map, size_t start, size_t n)
{
    while (n) {
        size_t in_word = min(n, 64 - start % 64);
        map[start / 64] &= ~word_mask(start % 64, in_word);
        start += in_word;
        n -= in_word;
    }
}

/* The first bit at or after `from` that is set once the map is xored with
 * flip: all ones to look for a clear bit. */
static inline size_t
next_bit(const uint64_t *map, size_t nbits, size_t from, uint64_t flip)
{
    if (from >= nbits)
        return nbits;

    size_t i = from / 64;
    uint64_t word = (map[i] ^ flip) & ~(uint64_t)0 << (from % 64);
    while (!word) {
        if (++i == BITMAP_WORDS(nbits))
            return nbits;
        word = map[i] ^ flip;
    }
    return min(i * 64 + ctz64(word), nbits);
}

size_t
bitmap_next_set(const uint64_t *map, size_t nbits, size_t from)
{
    return next_bit(map, nbits, from, 0);
}

size_t
bitmap_next_zero(const uint64_t *map, size_t nbits, size_t from)
{
    return next_bit(map, nbits, from, ~(uint64_t)0);
}

size_t
bitmap_find_run(const uint64_t *map, size_t nbits, size_t from, size_t n, size_t align)
{
    for (;;) {
        size_t start = ALIGN_UP(bitmap_next_zero(map, nbits, from), align);
        if (start >= nbits || n > nbits - start)
            return nbits;
        size_t end = bitmap_next_set(map, start + n, start);
        if (end == start + n)
            return start;
        from = end;
    }
}

size_t
bitmap_count(const uint64_t *map, size_t nbits)
{
    size_t count = 0;

    for (size_t i = 0; i < nbits / 64; i++)
        count += popcount64(map[i]);
    if (nbits % 64)
        count += popcount64(map[nbits / 64] & word_mask(0, nbits % 64));
    return count;
}
