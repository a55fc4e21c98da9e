/*
 * The ChaCha20 block function (RFC 8439, 2.3).
 */
#include "lib/chacha20.h"

#include "lib/bits.h"

static inline void
quarter_round(uint32_t x[16], int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotl32(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotl32(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotl32(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotl32(x[b] ^ x[c], 7);
}

void
chacha20_init(struct chacha20 *state, const uint8_t key[CHACHA20_KEY_SIZE], uint32_t counter,
              const uint8_t nonce[CHACHA20_NONCE_SIZE])
{
    /* "expand 32-byte k" */
    state->words[0] = 0x61707865;
    state->words[1] = 0x3320646e;
    state->words[2] = 0x79622d32;
    state->words[3] = 0x6b206574;
    for (int i = 0; i < 8; i++)
        state->words[4 + i] = get_le32(key + 4 * i);
    state->words[12] = counter;
    for (int i = 0; i < 3; i++)
        state->words[13 + i] = get_le32(nonce + 4 * i);
}

void
chacha20_block(struct chacha20 *state, uint8_t out[CHACHA20_BLOCK_SIZE])
{
    uint32_t x[16];

    for (int i = 0; i < 16; i++)
        x[i] = state->words[i];
    for (int i = 0; i < 10; i++) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++)
        put_le32(out + 4 * i, x[i] + state->words[i]);

    if (++state->words[12] == 0)
        state->words[13]++;
}
