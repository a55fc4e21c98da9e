/*
 * Random input for tests, the same again when asked for.
 *
 * Every test draws from its own generator, which depends on the run's seed
 * and on the test's name only. The seed is the clock's, or HOST_SEED from the
 * environment, and is printed, so that it stands above any failure.
 */
#ifndef HOST_PRNG_H
#define HOST_PRNG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/hash.h"

struct prng {
    uint64_t state;
};

/* The seed of this run. */
static inline uint64_t
prng_run_seed(void)
{
    static uint64_t seed;

    if (!seed) {
        struct timespec now;
        const char *given = getenv("HOST_SEED");
        clock_gettime(CLOCK_REALTIME, &now);
        seed = given ? strtoull(given, NULL, 0)
                     : hash64((uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32) >> 32;
        printf("HOST_SEED=0x%llx\n", (unsigned long long)seed);
        fflush(stdout);
    }
    return seed;
}

/* A generator for the test of this name; pass __func__. */
static inline struct prng
prng_start(const char *name)
{
    return (struct prng){ hash_string(name, prng_run_seed()) };
}

/* 64 random bits (splitmix64). */
static inline uint64_t
prng_next(struct prng *rng)
{
    rng->state += 0x9e3779b97f4a7c15;
    return hash64(rng->state);
}

/* A number below n; n must not be 0. */
static inline uint64_t
prng_below(struct prng *rng, uint64_t n)
{
    return prng_next(rng) % n;
}

/* True once in n times. */
static inline int
prng_one_in(struct prng *rng, uint64_t n)
{
    return prng_below(rng, n) == 0;
}

/* A number of a random size: about as often below 2^8 as above 2^56. */
static inline uint64_t
prng_sized(struct prng *rng)
{
    return prng_next(rng) >> prng_below(rng, 64);
}

static inline void
prng_fill(struct prng *rng, void *buf, size_t n)
{
    for (uint8_t *p = buf; n--; p++)
        *p = (uint8_t)prng_next(rng);
}

/* Damage up to eight places of the n > 0 bytes at buf: bits flipped, bytes
 * replaced by random or extreme ones, a word overwritten. */
static inline void
prng_mutate(struct prng *rng, uint8_t *buf, size_t n)
{
    static const uint8_t extremes[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, '0', 'f', '/' };

    for (uint64_t times = 1 + prng_below(rng, 8); times; times--) {
        uint8_t *at = buf + prng_below(rng, n);
        switch (prng_below(rng, 4)) {
        case 0: *at ^= (uint8_t)(1 << prng_below(rng, 8)); break;
        case 1: *at = (uint8_t)prng_next(rng); break;
        case 2: *at = extremes[prng_below(rng, sizeof(extremes))]; break;
        default:
            for (uint8_t *end = at + 4 < buf + n ? at + 4 : buf + n; at < end; at++)
                *at = prng_one_in(rng, 2) ? 0xff : (uint8_t)prng_below(rng, 16);
        }
    }
}

#endif
