/*
 * Decompressing gzip and DEFLATE.
 *
 * Bits are taken from `hold`, a 64-bit reservoir topped up byte by byte; one
 * filling is enough for the longest length and distance pair (15 + 5 + 15 +
 * 13 bits). Behind the end of the input it yields zeros, and its count goes
 * negative once they are used, which is checked after each symbol.
 *
 * Huffman codes are canonical: codes of one length are consecutive numbers in
 * the order of their symbols. A code of up to INFLATE_FAST bits is decoded by
 * looking its bits up in a table that has an entry for each continuation; a
 * longer one, which by its nature is rare, by counting down the lengths.
 *
 * Output goes to a 32 KiB window, round and round; each time it is full it
 * goes to the sink.
 */
#include "lib/inflate.h"

#include "lib/bits.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"

#define END_OF_BLOCK   256
#define LENGTH_SYMBOLS 286      /* RFC 1951, 3.2.5 and 3.2.6 */
#define DISTANCES      30
#define FAST_MASK      ((1u << INFLATE_FAST) - 1)

/* RFC 1951, 3.2.5: what a length or distance symbol begins at, and how many
 * extra bits are added to it. */
struct extra {
    uint16_t base;
    uint8_t bits;
};

static const struct extra length_extra[29] = {
    { 3, 0 },   { 4, 0 },   { 5, 0 },   { 6, 0 },   { 7, 0 },   { 8, 0 },  { 9, 0 },  { 10, 0 },
    { 11, 1 },  { 13, 1 },  { 15, 1 },  { 17, 1 },  { 19, 2 },  { 23, 2 }, { 27, 2 }, { 31, 2 },
    { 35, 3 },  { 43, 3 },  { 51, 3 },  { 59, 3 },  { 67, 4 },  { 83, 4 }, { 99, 4 }, { 115, 4 },
    { 131, 5 }, { 163, 5 }, { 195, 5 }, { 227, 5 }, { 258, 0 },
};

static const struct extra distance_extra[DISTANCES] = {
    { 1, 0 },      { 2, 0 },      { 3, 0 },      { 4, 0 },     { 5, 1 },     { 7, 1 },
    { 9, 2 },      { 13, 2 },     { 17, 3 },     { 25, 3 },    { 33, 4 },    { 49, 4 },
    { 65, 5 },     { 97, 5 },     { 129, 6 },    { 193, 6 },   { 257, 7 },   { 385, 7 },
    { 513, 8 },    { 769, 8 },    { 1025, 9 },   { 1537, 9 },  { 2049, 10 }, { 3073, 10 },
    { 4097, 11 },  { 6145, 11 },  { 8193, 12 },  { 12289, 12 }, { 16385, 13 }, { 24577, 13 },
};

/* Top up the reservoir to more than 56 bits, as far as there is input. */
static inline void
fill(struct inflate_bits *b)
{
    while (b->n <= 56 && b->in < b->end) {
        b->hold |= (uint64_t)*b->in++ << b->n;
        b->n += 8;
    }
}

/* Drop n bits. The number left goes negative, and stays so, if there were
 * fewer. */
static inline void
drop(struct inflate_bits *b, unsigned n)
{
    b->hold >>= n;
    b->n -= (int)n;
}

/* Take n <= 16 bits that fill() has provided for. */
static inline uint32_t
take(struct inflate_bits *b, unsigned n)
{
    uint32_t value = (uint32_t)b->hold & ((1u << n) - 1);
    drop(b, n);
    return value;
}

static int
flush(struct inflate *w)
{
    if (w->out == 0)
        return 0;
    w->crc = crc32(w->crc, w->window, w->out);
    w->total += w->out;
    return w->sink(w->ctx, w->window, w->out);
}

/* Flush the window, which is full, and begin it again. */
static int
wrap(struct inflate *w)
{
    int err = flush(w);
    w->out = 0;
    w->wrapped = true;
    return err;
}

static uint32_t
reverse_bits(uint32_t code, unsigned n)
{
    uint32_t reversed = 0;
    for (; n; n--, code >>= 1)
        reversed = reversed << 1 | (code & 1);
    return reversed;
}

/*
 * Build the code in which symbol i has bits[i] bits, 0 for none. Returns
 * -EINVAL if there are more codes than bits can tell apart, or fewer than
 * there could be (RFC 1951, 3.2.7 excepts a single code of one bit).
 */
static int
build(struct inflate_code *code, const uint8_t *bits, unsigned n)
{
    uint16_t next_index[INFLATE_MAX_BITS + 2] = { 0 };
    uint32_t next_code[INFLATE_MAX_BITS + 2] = { 0 };

    memset(code, 0, sizeof(*code));
    for (unsigned i = 0; i < n; i++)
        code->count[bits[i]]++;
    unsigned used = n - code->count[0];
    code->count[0] = 0;

    int32_t unused = 1;         /* codes left over at this length */
    for (unsigned len = 1; len <= INFLATE_MAX_BITS; len++) {
        unused = unused * 2 - code->count[len];
        if (unused < 0)
            return -EINVAL;
        next_index[len + 1] = (uint16_t)(next_index[len] + code->count[len]);
        next_code[len + 1] = (next_code[len] + code->count[len]) << 1;
    }
    if (unused > 0 && used != code->count[1])
        return -EINVAL;

    for (unsigned i = 0; i < n; i++) {
        unsigned len = bits[i];
        if (len == 0)
            continue;
        code->symbol[next_index[len]++] = (uint16_t)i;
        uint32_t first = reverse_bits(next_code[len]++, len);
        for (uint32_t k = first; len <= INFLATE_FAST && k <= FAST_MASK; k += 1u << len)
            code->fast[k] = (uint16_t)(i << 4 | len);
    }
    return 0;
}

/* Look up a code too long for the table, the lowest bits of hold. Returns
 * what the table would hold, symbol << 4 | bits, or 0 if there is none. */
static uint32_t
lookup_long(const struct inflate_code *code, uint64_t hold)
{
    uint32_t value = 0;         /* of the first len bits */
    uint32_t first = 0;         /* the lowest code of that length */
    uint32_t index = 0;         /* of its symbol */

    for (unsigned len = 1; len <= INFLATE_MAX_BITS; len++, hold >>= 1) {
        value = value << 1 | (hold & 1);
        if (value - first < code->count[len])
            return (uint32_t)code->symbol[index + (value - first)] << 4 | len;
        index += code->count[len];
        first = (first + code->count[len]) << 1;
    }
    return 0;
}

/* Decode the next symbol of a code, or return -EINVAL. */
static inline int
decode(struct inflate_bits *b, const struct inflate_code *code)
{
    uint32_t entry = code->fast[b->hold & FAST_MASK];

    if (unlikely(!entry)) {
        entry = lookup_long(code, b->hold);
        if (!entry)
            return -EINVAL;
    }
    drop(b, entry & 15);
    return (int)(entry >> 4);
}

/* Output len bytes from `distance` back in the window. */
static int
copy_match(struct inflate *w, uint32_t len, uint32_t distance)
{
    if (distance > w->out && !w->wrapped)
        return -EINVAL;

    if (likely(distance <= w->out && w->out + len < INFLATE_WINDOW)) {
        uint8_t *to = w->window + w->out;
        const uint8_t *from = to - distance;
        w->out += len;
        if (len >= 32 && distance >= len)
            memcpy(to, from, len);
        else
            while (len--)
                *to++ = *from++;
        return 0;
    }
    while (len--) {
        w->window[w->out] = w->window[(w->out - distance) % INFLATE_WINDOW];
        if (++w->out == INFLATE_WINDOW) {
            int err = wrap(w);
            if (err)
                return err;
        }
    }
    return 0;
}

/* Output one byte. */
static inline int
put_literal(struct inflate *w, uint8_t byte)
{
    w->window[w->out] = byte;
    return ++w->out == INFLATE_WINDOW ? wrap(w) : 0;
}

/* Decompress a block's symbols up to its end. */
static int
inflate_symbols(struct inflate *w)
{
    struct inflate_bits b = w->bits;    /* a copy, for the registers */
    int err = 0;

    while (!err) {
        fill(&b);
        int symbol = decode(&b, &w->lengths);
        if (symbol < 0 || b.n < 0)
            return -EINVAL;
        if (symbol < END_OF_BLOCK) {
            err = put_literal(w, (uint8_t)symbol);
            continue;
        }
        if (symbol == END_OF_BLOCK)
            break;

        symbol -= END_OF_BLOCK + 1;
        if ((size_t)symbol >= ARRAY_SIZE(length_extra))
            return -EINVAL;
        uint32_t len = length_extra[symbol].base + take(&b, length_extra[symbol].bits);
        symbol = decode(&b, &w->distances);
        if (symbol < 0 || symbol >= DISTANCES)
            return -EINVAL;
        uint32_t distance = distance_extra[symbol].base + take(&b, distance_extra[symbol].bits);
        if (b.n < 0)
            return -EINVAL;
        err = copy_match(w, len, distance);
    }
    w->bits = b;
    return err;
}

/* Give the whole bytes in the reservoir back to the input. */
static void
align_to_byte(struct inflate_bits *b)
{
    b->in -= b->n / 8;
    b->n = 0;
    b->hold = 0;
}

/* RFC 1951, 3.2.4: a block that is not compressed. */
static int
inflate_stored(struct inflate *w)
{
    struct inflate_bits *b = &w->bits;

    align_to_byte(b);
    if (b->end - b->in < 4)
        return -EINVAL;
    uint32_t left = get_le16(b->in);
    if (left != (~get_le16(b->in + 2) & 0xffffu))
        return -EINVAL;
    b->in += 4;
    if (left > (size_t)(b->end - b->in))
        return -EINVAL;

    while (left) {
        uint32_t n = min(left, INFLATE_WINDOW - w->out);
        memcpy(w->window + w->out, b->in, n);
        b->in += n;
        w->out += n;
        left -= n;
        if (w->out == INFLATE_WINDOW) {
            int err = wrap(w);
            if (err)
                return err;
        }
    }
    return 0;
}

/* RFC 1951, 3.2.6: the codes that every decoder knows. */
static int
fixed_codes(struct inflate *w)
{
    memset(w->code_bits, 8, 144);
    memset(w->code_bits + 144, 9, 112);
    memset(w->code_bits + 256, 7, 24);
    memset(w->code_bits + 280, 8, 8);
    build(&w->lengths, w->code_bits, 288);
    memset(w->code_bits, 5, 32);
    return build(&w->distances, w->code_bits, 32);
}

/* Read n code lengths, themselves coded with w->lengths, into w->code_bits. */
static int
read_code_bits(struct inflate *w, unsigned n)
{
    struct inflate_bits *b = &w->bits;

    for (unsigned i = 0; i < n;) {
        fill(b);
        int symbol = decode(b, &w->lengths);
        if (symbol < 0)
            return -EINVAL;
        if (symbol < 16) {
            w->code_bits[i++] = (uint8_t)symbol;
            continue;
        }

        uint8_t value = 0;
        unsigned repeat;
        if (symbol == 16) {
            if (i == 0)
                return -EINVAL;
            value = w->code_bits[i - 1];
            repeat = 3 + take(b, 2);
        } else {
            repeat = symbol == 17 ? 3 + take(b, 3) : 11 + take(b, 7);
        }
        if (repeat > n - i)
            return -EINVAL;
        memset(w->code_bits + i, value, repeat);
        i += repeat;
    }
    return b->n < 0 ? -EINVAL : 0;
}

/* RFC 1951, 3.2.7: codes that the block brings along. */
static int
dynamic_codes(struct inflate *w)
{
    static const uint8_t order[19] = {
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    };

    struct inflate_bits *b = &w->bits;

    fill(b);
    unsigned nlengths = 257 + take(b, 5);
    unsigned ndistances = 1 + take(b, 5);
    unsigned ncodes = 4 + take(b, 4);
    if (nlengths > LENGTH_SYMBOLS || ndistances > DISTANCES)
        return -EINVAL;

    memset(w->code_bits, 0, ARRAY_SIZE(order));
    for (unsigned i = 0; i < ncodes; i++) {
        fill(b);
        w->code_bits[order[i]] = (uint8_t)take(b, 3);
    }
    if (b->n < 0 || build(&w->lengths, w->code_bits, ARRAY_SIZE(order)) < 0)
        return -EINVAL;
    if (read_code_bits(w, nlengths + ndistances) < 0 || w->code_bits[END_OF_BLOCK] == 0)
        return -EINVAL;
    if (build(&w->lengths, w->code_bits, nlengths) < 0)
        return -EINVAL;
    return build(&w->distances, w->code_bits + nlengths, ndistances);
}

/* Decompress all blocks of the stream at w->in, and move behind it. */
static int
inflate_blocks(struct inflate *w)
{
    for (bool last = false; !last;) {
        fill(&w->bits);
        last = take(&w->bits, 1);
        unsigned type = take(&w->bits, 2);
        if (w->bits.n < 0 || type == 3)
            return -EINVAL;

        int err = 0;
        if (type == 0)
            err = inflate_stored(w);
        else if (type == 1)
            err = fixed_codes(w);
        else
            err = dynamic_codes(w);
        if (!err && type != 0)
            err = inflate_symbols(w);
        if (err)
            return err;
    }
    align_to_byte(&w->bits);
    return flush(w);
}

static void
begin(struct inflate *w, const void *in, size_t in_size, inflate_sink_fn sink, void *ctx)
{
    w->bits = (struct inflate_bits){ .in = in, .end = (const uint8_t *)in + in_size };
    w->out = 0;
    w->wrapped = false;
    w->crc = 0;
    w->total = 0;
    w->sink = sink;
    w->ctx = ctx;
}

int
inflate(struct inflate *w, const void *in, size_t in_size, size_t *consumed,
        inflate_sink_fn sink, void *ctx)
{
    begin(w, in, in_size, sink, ctx);
    int err = inflate_blocks(w);
    if (err)
        return err;
    if (consumed)
        *consumed = (size_t)(w->bits.in - (const uint8_t *)in);
    return 0;
}

/* RFC 1952, 2.3: flags in the header */
enum {
    FLAG_HEADER_CRC = 2,
    FLAG_EXTRA = 4,
    FLAG_NAME = 8,
    FLAG_COMMENT = 16,
    FLAGS_RESERVED = 0xe0,
};

#define GZIP_HEADER_SIZE  10
#define GZIP_TRAILER_SIZE 8

bool
gunzip_detect(const void *in, size_t in_size)
{
    const uint8_t *p = in;
    return in_size >= GZIP_HEADER_SIZE && p[0] == 0x1f && p[1] == 0x8b;
}

/* The size of the gzip header at in, or 0 if it is malformed. */
static size_t
header_size(const uint8_t *in, size_t in_size)
{
    enum { METHOD = 2, FLAGS = 3, DEFLATED = 8 };
    size_t pos = GZIP_HEADER_SIZE;

    if (!gunzip_detect(in, in_size) || in[METHOD] != DEFLATED || in[FLAGS] & FLAGS_RESERVED)
        return 0;
    if (in[FLAGS] & FLAG_EXTRA) {
        if (in_size - pos < 2)
            return 0;
        pos += 2u + get_le16(in + pos);
    }
    for (unsigned flag = FLAG_NAME; flag <= FLAG_COMMENT; flag <<= 1) {
        if (!(in[FLAGS] & flag))
            continue;
        const uint8_t *nul = pos < in_size ? memchr(in + pos, 0, in_size - pos) : NULL;
        if (!nul)
            return 0;
        pos = (size_t)(nul - in) + 1;
    }
    if (in[FLAGS] & FLAG_HEADER_CRC) {
        if (pos > in_size || in_size - pos < 2 ||
            get_le16(in + pos) != (crc32(0, in, pos) & 0xffff))
            return 0;
        pos += 2;
    }
    return pos <= in_size ? pos : 0;
}

int
gunzip(struct inflate *w, const void *in, size_t in_size, size_t *consumed,
       inflate_sink_fn sink, void *ctx)
{
    size_t header = header_size(in, in_size);
    if (header == 0)
        return -EINVAL;

    begin(w, (const uint8_t *)in + header, in_size - header, sink, ctx);
    int err = inflate_blocks(w);
    if (err)
        return err;
    const uint8_t *trailer = w->bits.in;
    if (w->bits.end - trailer < GZIP_TRAILER_SIZE || get_le32(trailer) != w->crc ||
        get_le32(trailer + 4) != (uint32_t)w->total)
        return -EINVAL;
    if (consumed)
        *consumed = (size_t)(trailer + GZIP_TRAILER_SIZE - (const uint8_t *)in);
    return 0;
}
