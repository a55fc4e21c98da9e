/*
 * Decompressing gzip (RFC 1952) and DEFLATE (RFC 1951).
 *
 * The whole input is in memory; the output goes out in pieces of up to 32
 * KiB through a sink as the window fills, so no more memory is needed than
 * the struct inflate that the caller provides (38 KiB: not on a stack).
 */
#ifndef QUIRE_LIB_INFLATE_H
#define QUIRE_LIB_INFLATE_H

#include "lib/types.h"

#define INFLATE_WINDOW   32768      /* RFC 1951, 2: distances reach this far */
#define INFLATE_FAST     10         /* codes up to so many bits take one lookup */
#define INFLATE_MAX_BITS 15         /* RFC 1951, 3.2.7 */

/*
 * Receives the next n bytes of output, valid until it returns. Returns 0, or
 * a negative errno, which stops decompression and becomes its result.
 */
typedef int (*inflate_sink_fn)(void *ctx, const void *data, size_t n);

/* One Huffman code: a table for the short codes, counts for the long ones. */
struct inflate_code {
    uint16_t fast[1 << INFLATE_FAST];   /* symbol << 4 | bits; 0 if longer */
    uint16_t count[INFLATE_MAX_BITS + 1];
    uint16_t symbol[288];               /* sorted by code */
};

/* The input as bits. */
struct inflate_bits {
    const uint8_t *in;
    const uint8_t *end;
    uint64_t hold;              /* bits read ahead, lowest first */
    int n;                      /* how many of them; negative: input overrun */
};

/* The work area; the caller only provides the memory. */
struct inflate {
    struct inflate_bits bits;
    uint32_t out;               /* fill of the window */
    bool wrapped;               /* the window has been full before */
    uint32_t crc;               /* of all output so far */
    uint64_t total;             /* bytes of output handed over */
    inflate_sink_fn sink;
    void *ctx;
    struct inflate_code lengths;
    struct inflate_code distances;
    uint8_t code_bits[320];     /* code lengths while a header is read */
    uint8_t window[INFLATE_WINDOW];
};

/*
 * Decompress one gzip member at in. *consumed, unless NULL, is set to the
 * bytes it took: if more members follow, call again behind them.
 *
 * Returns 0; -EINVAL if the input is malformed, cut short, or its checksum or
 * length is wrong (by then output has gone to the sink); or what the sink
 * returned.
 */
int gunzip(struct inflate *w, const void *in, size_t in_size,
           size_t *consumed, inflate_sink_fn sink, void *ctx);

/* The same for a raw DEFLATE stream, without gzip's header and checksum. */
int inflate(struct inflate *w, const void *in, size_t in_size,
            size_t *consumed, inflate_sink_fn sink, void *ctx);

/* True if the bytes at in begin like a gzip member. */
bool gunzip_detect(const void *in, size_t in_size);

#endif
