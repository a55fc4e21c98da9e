/*
 * The decompressor: known streams, what gzip(1) writes, and damaged input.
 */
#include "host.h"

#include "lib/errno.h"
#include "lib/inflate.h"
#include "lib/types.h"

static struct inflate work;

struct output {
    uint8_t *buf;
    size_t n;
    size_t room;
    size_t limit;               /* the sink fails beyond it; 0: never */
};

static int
collect(void *ctx, const void *data, size_t n)
{
    struct output *out = ctx;

    assert_in_range(n, 1, INFLATE_WINDOW);
    if (out->limit && out->n + n > out->limit)
        return -ENOSPC;
    if (out->n + n > out->room) {
        out->room = 2 * (out->n + n);
        out->buf = realloc(out->buf, out->room);
    }
    memcpy(out->buf + out->n, data, n);
    out->n += n;
    return 0;
}

static void
check_raw(const void *in, size_t n, const char *expected)
{
    struct output out = { 0 };
    uint8_t *copy = exact_copy(in, n);
    size_t consumed = 0;

    assert_int_equal(inflate(&work, copy, n, &consumed, collect, &out), 0);
    assert_int_equal(consumed, n);
    assert_int_equal(out.n, strlen(expected));
    if (out.n)
        assert_memory_equal(out.buf, expected, out.n);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *part = exact_copy(in, cut);
        assert_int_equal(inflate(&work, part, cut, NULL, collect, &out), -EINVAL);
        free(part);
    }
    free(copy);
    free(out.buf);
}

static void
check_bad(const void *in, size_t n)
{
    struct output out = { 0 };
    uint8_t *copy = exact_copy(in, n);

    assert_int_equal(inflate(&work, copy, n, NULL, collect, &out), -EINVAL);
    free(copy);
    free(out.buf);
}

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static void
test_small_streams(void **state)
{
    /* stored: empty, and "abc" */
    check_raw(BYTES(0x01, 0, 0, 0xff, 0xff), "");
    check_raw(BYTES(0x01, 3, 0, 0xfc, 0xff, 'a', 'b', 'c'), "abc");
    /* fixed codes: nothing; "a"; a match that overlaps itself */
    check_raw(BYTES(0x03, 0x00), "");
    check_raw(BYTES(0x4b, 0x04, 0x00), "a");
    check_raw(BYTES(0x4b, 0x4c, 0x84, 0x01, 0x00), "aaaaaaaaaa");

    /* block type 3; a stored length that its complement denies; a distance
     * before the beginning */
    check_bad(BYTES(0x07, 0x00));
    check_bad(BYTES(0x01, 3, 0, 0xfc, 0xfe, 'a', 'b', 'c'));
    check_bad(BYTES(0x4b, 0x44, 0x84, 0x01, 0x00));
    /* dynamic: more length codes than there are; all code lengths zero */
    check_bad(BYTES(0xfd, 0xff, 0xff, 0xff));
    check_bad(BYTES(0x05, 0x00, 0x00, 0x00, 0x00, 0x00));
    check_bad(BYTES(0x05));
}

/* Bits being written, lowest first. */
struct bit_writer {
    uint8_t buf[256];
    size_t nbits;
};

static void
put(struct bit_writer *w, unsigned value, unsigned n)
{
    for (; n; n--, value >>= 1, w->nbits++)
        w->buf[w->nbits / 8] |= (uint8_t)((value & 1) << (w->nbits % 8));
}

/*
 * Begin a last block with codes of its own, 257 lengths and 1 distance, the
 * code lengths 1, 17 and 18 having codes 0, 10 and 11 (or 1 being so short
 * that the three are too many).
 */
static struct bit_writer
begin_dynamic(bool too_many)
{
    struct bit_writer w = { .nbits = 0 };

    put(&w, 1 | 2 << 1, 3);
    put(&w, 0, 5);
    put(&w, 0, 5);
    put(&w, 18 - 4, 4);
    for (int i = 0; i < 18; i++)        /* 17 and 18 are at 1, 2; 1 at 17 */
        put(&w, i == 17 ? 1 : i == 1 || i == 2 ? (too_many ? 1 : 2) : 0, 3);
    return w;
}

static void
put_zeros(struct bit_writer *w, unsigned n)
{
    put(w, 3, 2);
    put(w, n - 11, 7);
}

static void
test_dynamic_headers(void **state)
{
    /* 256 zeros, then end-of-block and a distance of one bit each. */
    struct bit_writer w = begin_dynamic(false);
    put_zeros(&w, 138);
    put_zeros(&w, 118);
    put(&w, 0, 2);
    put(&w, 0, 1);
    check_raw(w.buf, (w.nbits + 7) / 8, "");

    w = begin_dynamic(true);
    put(&w, 0, 400);
    check_bad(w.buf, sizeof(w.buf));

    /* Zeros beyond the last length. */
    w = begin_dynamic(false);
    put_zeros(&w, 138);
    put_zeros(&w, 118);
    put(&w, 0, 1);
    put_zeros(&w, 11);
    put(&w, 0, 1);
    check_bad(w.buf, sizeof(w.buf));

    /* No end-of-block: a block that could not end. */
    w = begin_dynamic(false);
    put(&w, 0, 1);
    put_zeros(&w, 138);
    put_zeros(&w, 118);
    put(&w, 0, 1);
    check_bad(w.buf, sizeof(w.buf));

    /* Three literals of one bit. */
    w = begin_dynamic(false);
    put(&w, 0, 2);
    put_zeros(&w, 138);
    put_zeros(&w, 116);
    put(&w, 0, 2);
    put(&w, 0, 1);
    check_bad(w.buf, sizeof(w.buf));
}

/* Data of one of several kinds: random, text-like, runs, far repeats. */
static uint8_t *
random_data(struct prng *rng, size_t n)
{
    uint8_t *data = malloc(n + 1);
    uint64_t kind = prng_below(rng, 5);

    for (size_t i = 0; i < n;) {
        size_t run = min(n - i, prng_below(rng, 400) + 1);
        if (kind == 0 || i == 0) {
            prng_fill(rng, data + i, run);
        } else if (kind == 1) {
            for (size_t k = 0; k < run; k++)
                data[i + k] = (uint8_t)" etaoinshrdlu\n"[prng_below(rng, 14)];
        } else if (kind == 2) {
            memset(data + i, (int)prng_below(rng, 4), run);
        } else {
            size_t back = 1 + prng_below(rng, min(i, (size_t)(kind == 3 ? 32768 : 9)));
            for (size_t k = 0; k < run; k++)
                data[i + k] = data[i + k - back];
        }
        i += run;
    }
    return data;
}

/* Compress with gzip(1); NULL if there is none. */
static uint8_t *
gzip(const uint8_t *data, size_t n, int level, size_t *size)
{
    char path[] = "/tmp/quire-test-XXXXXX", command[128];
    int fd = mkstemp(path);
    uint8_t *out;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    close(fd);
    snprintf(command, sizeof(command), "gzip %s -%d -c %s 2>/dev/null", level % 2 ? "-N" : "-n",
             level, path);
    out = command_output(command, size);
    unlink(path);
    return out;
}

static void
check_gunzip(const uint8_t *in, size_t in_size, const uint8_t *data, size_t n)
{
    struct output out = { 0 };
    size_t consumed;

    assert_true(gunzip_detect(in, in_size));
    assert_int_equal(gunzip(&work, in, in_size, &consumed, collect, &out), 0);
    assert_int_equal(consumed, in_size);
    assert_int_equal(out.n, n);
    if (n)
        assert_memory_equal(out.buf, data, n);
    out.n = 0;
    out.limit = n / 2 + 1;
    if (n > out.limit)
        assert_int_equal(gunzip(&work, in, in_size, NULL, collect, &out), -ENOSPC);
    free(out.buf);
}

/* Damage the input in ways that the checksum must catch, if nothing else. */
static void
check_damaged(struct prng *rng, const uint8_t *in, size_t in_size, const uint8_t *data, size_t n)
{
    for (int i = 0; i < 12; i++) {
        struct output out = { 0 };
        size_t size = prng_one_in(rng, 2) ? prng_below(rng, in_size) : in_size;
        uint8_t *copy = exact_copy(in, size);
        if (size == in_size)
            prng_mutate(rng, copy, size);
        int err = gunzip(&work, copy, size, NULL, collect, &out);
        if (size < in_size)
            assert_int_equal(err, -EINVAL);
        if (err == 0)
            assert_true(out.n == n && (n == 0 || memcmp(out.buf, data, n) == 0));
        else
            assert_int_equal(err, -EINVAL);

        /* The stream without its header has no checksum to stop it. */
        out.n = 0;
        if (size > 10)
            inflate(&work, copy + 10, size - 10, NULL, collect, &out);
        free(copy);
        free(out.buf);
    }
}

static void
test_gzip_program(void **state)
{
    static const size_t sizes[] = { 0, 1, 5, 300, 32767, 32768, 32769, 70000, 200000 };
    static const int levels[] = { 1, 6, 9 };
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 90; round++) {
        size_t n = sizes[round % 9] + (round < 45 ? 0 : prng_below(&rng, 3000));
        uint8_t *data = random_data(&rng, n);
        size_t size;
        uint8_t *in = gzip(data, n, levels[prng_below(&rng, 3)], &size);
        if (!in) {
            free(data);
            skip();
        }
        uint8_t *exact = exact_copy(in, size);
        check_gunzip(exact, size, data, n);
        check_damaged(&rng, exact, size, data, n);
        free(exact);
        free(in);
        free(data);
    }
}

/* Two members one behind the other, as `cat a.gz b.gz` makes them. */
static void
test_members(void **state)
{
    size_t first, second, consumed;
    struct output out = { 0 };
    uint8_t *a = gzip((const uint8_t *)"one ", 4, 9, &first);
    uint8_t *b = gzip((const uint8_t *)"two", 3, 6, &second);

    if (!a || !b)
        skip();
    a = realloc(a, first + second);
    memcpy(a + first, b, second);
    assert_int_equal(gunzip(&work, a, first + second, &consumed, collect, &out), 0);
    assert_int_equal(consumed, first);
    assert_int_equal(gunzip(&work, a + first, second, &consumed, collect, &out), 0);
    assert_int_equal(consumed, second);
    assert_memory_equal(out.buf, "one two", 7);
    free(a);
    free(b);
    free(out.buf);
}

/* A header with every optional part, in front of an empty stream. */
static void
test_headers(void **state)
{
    uint8_t in[] = {
        0x1f, 0x8b, 8, 0x1c, 0, 0, 0, 0, 0, 3,  /* extra, name, comment */
        2, 0, 'x', 'y', 'n', 0, 'c', 0,
        0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    struct output out = { 0 };
    size_t consumed;

    assert_int_equal(gunzip(&work, in, sizeof(in), &consumed, collect, &out), 0);
    assert_int_equal(consumed, sizeof(in));
    for (size_t n = 0; n < sizeof(in); n++) {
        uint8_t *copy = exact_copy(in, n);
        assert_int_equal(gunzip(&work, copy, n, NULL, collect, &out), -EINVAL);
        free(copy);
    }
    in[3] = 0x20;
    assert_int_equal(gunzip(&work, in, sizeof(in), NULL, collect, &out), -EINVAL);
    in[3] = 0x1e;               /* a header checksum that is wrong */
    assert_int_equal(gunzip(&work, in, sizeof(in), NULL, collect, &out), -EINVAL);
    in[3] = 0x1c;
    in[2] = 7;
    assert_int_equal(gunzip(&work, in, sizeof(in), NULL, collect, &out), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_streams),
        cmocka_unit_test(test_dynamic_headers),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_gzip_program),
        cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
