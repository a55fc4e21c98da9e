/*
 * The cpio reader: archives written here and by cpio(1), and damaged ones.
 */
#include "host.h"

#include "lib/cpio.h"
#include "lib/errno.h"
#include "lib/types.h"

/* An archive being written. */
struct archive {
    uint8_t *buf;
    size_t n;
    size_t start;
};

static void
append(struct archive *a, const void *data, size_t n)
{
    a->buf = realloc(a->buf, a->n + n + 1);
    memcpy(a->buf + a->n, data, n);
    a->n += n;
}

static void
pad(struct archive *a)
{
    while ((a->n - a->start) % 4)
        append(a, "", 1);
}

static void
append_member(struct archive *a, const char *name, uint32_t mode, uint32_t ino,
              const void *data, size_t n)
{
    char header[111];

    snprintf(header, sizeof(header), "070701%08X%08x%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             ino, mode, 10u, 20u, 1u, 0x5f000000u, (unsigned)n, 8u, 9u, 4u, 64u,
             (unsigned)strlen(name) + 1, 0u);
    append(a, header, 110);
    append(a, name, strlen(name) + 1);
    pad(a);
    append(a, data, n);
    pad(a);
}

static void
append_trailer(struct archive *a)
{
    append_member(a, "TRAILER!!!", 0, 0, "", 0);
}

static void
test_fields(void **state)
{
    struct archive a = { 0 };
    struct cpio r;
    struct cpio_entry e;

    append_member(&a, "dir/file", S_IFREG | 0644, 0xabcdef12, "hello", 5);
    append_member(&a, "dev", S_IFCHR | 0600, 2, "", 0);
    append_trailer(&a);
    assert_true(cpio_detect(a.buf, a.n));
    cpio_init(&r, a.buf, a.n);
    assert_int_equal(cpio_next(&r, &e), 1);
    assert_string_equal(e.name, "dir/file");
    assert_int_equal(e.ino, 0xabcdef12);
    assert_int_equal(e.mode, S_IFREG | 0644);
    assert_int_equal(e.uid, 10);
    assert_int_equal(e.gid, 20);
    assert_int_equal(e.nlink, 1);
    assert_int_equal(e.mtime, 0x5f000000);
    assert_int_equal(e.dev_major, 8);
    assert_int_equal(e.dev_minor, 9);
    assert_int_equal(e.rdev_major, 4);
    assert_int_equal(e.rdev_minor, 64);
    assert_int_equal(e.archive, 0);
    assert_int_equal(e.size, 5);
    assert_memory_equal(e.data, "hello", 5);
    assert_int_equal(cpio_next(&r, &e), 1);
    assert_string_equal(e.name, "dev");
    assert_int_equal(cpio_next(&r, &e), 0);
    assert_int_equal(cpio_next(&r, &e), 0);
    assert_int_equal(r.pos, a.n);
    free(a.buf);
}

static void
test_concatenated(void **state)
{
    struct archive a = { 0 };
    struct cpio r;
    struct cpio_entry e;

    append(&a, "\0\0\0\0", 4);
    a.start = a.n;
    append_member(&a, "one", S_IFREG, 1, "1", 1);
    append_trailer(&a);
    append(&a, "\0\0\0\0\0\0", 6);
    a.start = a.n;
    append_member(&a, "two", S_IFREG, 1, "22", 2);
    append_trailer(&a);
    size_t end = a.n;
    append(&a, "\x1f\x8b rest", 7);

    cpio_init(&r, a.buf, a.n);
    assert_int_equal(cpio_next(&r, &e), 1);
    assert_string_equal(e.name, "one");
    assert_int_equal(cpio_next(&r, &e), 1);
    assert_string_equal(e.name, "two");
    assert_memory_equal(e.data, "22", 2);
    assert_int_equal(e.archive, 1);
    assert_int_equal(cpio_next(&r, &e), 0);
    assert_int_equal(r.pos, end);
    free(a.buf);
}

static int
read_all(const void *buf, size_t n, int *members)
{
    struct cpio r;
    struct cpio_entry e;
    int err;

    *members = 0;
    cpio_init(&r, buf, n);
    while ((err = cpio_next(&r, &e)) > 0) {
        /* Touch all that was promised, for the sanitizer to see. */
        volatile size_t sum = strlen(e.name);
        for (size_t i = 0; i < e.size; i++)
            sum += e.data[i];
        ++*members;
    }
    return err;
}

static void
test_malformed(void **state)
{
    struct archive a = { 0 };
    int members;

    assert_int_equal(read_all("", 0, &members), 0);
    assert_int_equal(read_all("\0\0\0\0", 4, &members), 0);
    assert_int_equal(read_all("garbage", 7, &members), -EINVAL);

    append_member(&a, "a", S_IFREG, 1, "12345", 5);
    size_t without_trailer = a.n;
    append_trailer(&a);
    for (size_t n = 1; n < a.n; n++) {
        uint8_t *copy = exact_copy(a.buf, n);
        int err = read_all(copy, n, &members);
        /* The padding behind the trailer's name may be missing. */
        assert_int_equal(err, n >= without_trailer + 110 + 11 ? 0 : -EINVAL);
        free(copy);
    }

    /* Each field in turn: not hexadecimal, and enormous. */
    for (size_t at = 6; at < 110; at += 8) {
        uint8_t *copy = exact_copy(a.buf, a.n);
        copy[at + 3] = 'g';
        assert_int_equal(read_all(copy, a.n, &members), -EINVAL);
        memset(copy + at, 'f', 8);
        read_all(copy, a.n, &members);
        free(copy);
    }
    free(a.buf);
}

static void
test_random(void **state)
{
    enum { MEMBERS = 8 };
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 2000; round++) {
        struct archive a = { 0 };
        uint8_t data[MEMBERS][64];
        size_t sizes[MEMBERS];
        char name[MEMBERS][32];
        int n = (int)prng_below(&rng, MEMBERS + 1), members;
        for (int i = 0; i < n; i++) {
            sizes[i] = prng_below(&rng, sizeof(data[i]));
            prng_fill(&rng, data[i], sizes[i]);
            snprintf(name[i], sizeof(name[i]), "%0*d", 1 + (int)prng_below(&rng, 20), i);
            append_member(&a, name[i], S_IFREG, (uint32_t)i, data[i], sizes[i]);
        }
        append_trailer(&a);

        struct cpio r;
        struct cpio_entry e;
        cpio_init(&r, a.buf, a.n);
        for (int i = 0; i < n; i++) {
            assert_int_equal(cpio_next(&r, &e), 1);
            assert_string_equal(e.name, name[i]);
            assert_int_equal(e.size, sizes[i]);
            assert_memory_equal(e.data, data[i], sizes[i]);
        }
        assert_int_equal(cpio_next(&r, &e), 0);

        uint8_t *copy = exact_copy(a.buf, a.n);
        prng_mutate(&rng, copy, a.n);
        read_all(copy, a.n, &members);
        free(copy);
        free(a.buf);
    }
}

/* What cpio(1) writes: a tree with a link, a directory and a symbolic link. */
static void
test_cpio_program(void **state)
{
    size_t n;
    int links = 0, files = 0;
    struct cpio r;
    struct cpio_entry e;
    uint8_t *buf = command_output(
        "command -v cpio >/dev/null || exit 1; d=$(mktemp -d) && cd $d && mkdir sub &&"
        "echo contents >sub/file && ln sub/file hard && ln -s sub/file soft &&"
        "find . | cpio -o -H newc --quiet; s=$?; rm -rf $d; exit $s", &n);

    if (!buf)
        skip();
    cpio_init(&r, buf, n);
    int err;
    while ((err = cpio_next(&r, &e)) > 0) {
        if (S_ISLNK(e.mode)) {
            assert_string_equal(e.name, "soft");
            assert_int_equal(e.size, 8);
            assert_memory_equal(e.data, "sub/file", 8);
            links++;
        } else if (S_ISREG(e.mode)) {
            assert_int_equal(e.nlink, 2);
            if (e.size)
                assert_memory_equal(e.data, "contents\n", 9);
            files++;
        } else {
            assert_true(S_ISDIR(e.mode));
        }
    }
    assert_int_equal(err, 0);
    assert_int_equal(links, 1);
    assert_int_equal(files, 2);
    assert_int_equal(r.pos, n);
    free(buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_concatenated),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_cpio_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
