/*
 * The ChaCha20 block function (RFC 8439, 2.3): 64 bytes of key stream from a
 * key, a counter and a nonce. The random generator is built on it.
 */
#ifndef QUIRE_LIB_CHACHA20_H
#define QUIRE_LIB_CHACHA20_H

#include "lib/types.h"

#define CHACHA20_KEY_SIZE   32
#define CHACHA20_NONCE_SIZE 12
#define CHACHA20_BLOCK_SIZE 64

struct chacha20 {
    uint32_t words[16];         /* constants, key, counter (word 12), nonce */
};

/* Set up the state; the first block will have this counter. */
void chacha20_init(struct chacha20 *state, const uint8_t key[CHACHA20_KEY_SIZE],
                   uint32_t counter, const uint8_t nonce[CHACHA20_NONCE_SIZE]);

/* Produce the next block and advance the counter, which carries into the
 * nonce's first word when it wraps. */
void chacha20_block(struct chacha20 *state, uint8_t out[CHACHA20_BLOCK_SIZE]);

#endif
