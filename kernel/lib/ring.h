/*
 * Byte rings: one producer, one consumer, no lock between them.
 *
 * head counts all bytes ever put and tail all bytes ever taken, both modulo
 * 2^32, so head - tail is the fill and all of the buffer can be used. Only
 * the producer writes head and only the consumer writes tail; each publishes
 * its bytes with a release store that the other's acquire load sees. Several
 * producers, or several consumers, need a lock among themselves.
 */
#ifndef QUIRE_LIB_RING_H
#define QUIRE_LIB_RING_H

#include "lib/atomic.h"
#include "lib/string.h"
#include "lib/types.h"

struct ring {
    uint8_t *buf;
    uint32_t size;              /* a power of two, at most 2^31 */
    uint32_t head;              /* bytes ever put */
    uint32_t tail;              /* bytes ever taken */
};

/* Make an empty ring over buf, whose size is a power of two. */
static inline void
ring_init(struct ring *ring, void *buf, uint32_t size)
{
    ring->buf = buf;
    ring->size = size;
    ring->head = 0;
    ring->tail = 0;
}

/* Bytes that can be taken now; either side may ask. */
static inline uint32_t
ring_count(const struct ring *ring)
{
    return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

/* Bytes that can be put now; either side may ask. */
static inline uint32_t
ring_space(const struct ring *ring)
{
    return ring->size - ring_count(ring);
}

static inline bool
ring_empty(const struct ring *ring)
{
    return ring_count(ring) == 0;
}

static inline bool
ring_full(const struct ring *ring)
{
    return ring_space(ring) == 0;
}

/* Producer: put one byte; false if the ring is full. */
static inline bool
ring_put(struct ring *ring, uint8_t byte)
{
    if (ring_full(ring))
        return false;
    ring->buf[ring->head & (ring->size - 1)] = byte;
    store_release(&ring->head, ring->head + 1);
    return true;
}

/* Consumer: take one byte; -1 if the ring is empty. */
static inline int
ring_get(struct ring *ring)
{
    if (ring_empty(ring))
        return -1;
    uint8_t byte = ring->buf[ring->tail & (ring->size - 1)];
    store_release(&ring->tail, ring->tail + 1);
    return byte;
}

/* Producer: put up to n bytes; returns how many there was room for. */
static inline uint32_t
ring_write(struct ring *ring, const void *data, size_t n)
{
    uint32_t count = (uint32_t)min(n, (size_t)ring_space(ring));
    uint32_t at = ring->head & (ring->size - 1);
    uint32_t first = min(count, ring->size - at);
    memcpy(ring->buf + at, data, first);
    memcpy(ring->buf, (const uint8_t *)data + first, count - first);
    store_release(&ring->head, ring->head + count);
    return count;
}

/* Consumer: copy up to n bytes from the front without taking them; returns
 * how many there were. */
static inline uint32_t
ring_peek(const struct ring *ring, void *data, size_t n)
{
    uint32_t count = (uint32_t)min(n, (size_t)ring_count(ring));
    uint32_t at = ring->tail & (ring->size - 1);
    uint32_t first = min(count, ring->size - at);
    memcpy(data, ring->buf + at, first);
    memcpy((uint8_t *)data + first, ring->buf, count - first);
    return count;
}

/* Consumer: drop up to n bytes from the front; returns how many there were. */
static inline uint32_t
ring_skip(struct ring *ring, size_t n)
{
    uint32_t count = (uint32_t)min(n, (size_t)ring_count(ring));
    store_release(&ring->tail, ring->tail + count);
    return count;
}

/* Consumer: take up to n bytes; returns how many there were. */
static inline uint32_t
ring_read(struct ring *ring, void *data, size_t n)
{
    return ring_skip(ring, ring_peek(ring, data, n));
}

/* Consumer: drop everything. */
static inline void
ring_clear(struct ring *ring)
{
    ring_skip(ring, ring->size);
}

#endif
