/*
 * Formatted output: fixed cases, then random conversions against the C
 * library's snprintf.
 */
#include "host.h"

#include "lib/printf.h"

struct collected {
    char text[4096];
    size_t n;
};

static void
collect(void *ctx, const char *text, size_t n)
{
    struct collected *c = ctx;

    assert_true(n > 0);
    assert_true(c->n + n < sizeof(c->text));
    memcpy(c->text + c->n, text, n);
    c->n += n;
    c->text[c->n] = '\0';
}

#define CHECK(expected, ...)                                            \
    do {                                                                \
        struct collected c = { .text = "" };                            \
        size_t n = fmt_printf(collect, &c, __VA_ARGS__);                \
        assert_int_equal(n, c.n);                                       \
        assert_string_equal(c.text, expected);                          \
    } while (0)

/* The compiler would rightly object to some of these formats, written out. */
static const char *
opaque(const char *format)
{
    return format;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static void
test_fixed(void **state)
{
    const char *volatile null = NULL;

    CHECK("", opaque(""));
    CHECK("plain", "plain");
    CHECK("100%", "100%%");
    CHECK("a-1b2", "a%db%u", -1, 2u);
    CHECK("[  42|42  |00042|+42| 42]", "[%4d|%-4d|%05d|%+d|% d]", 42, 42, 42, 42, 42);
    CHECK("-9223372036854775808", "%ld", (long)INT64_MIN);
    CHECK("18446744073709551615", "%llu", ~0ULL);
    CHECK("ff FF 0xff 0XFF 0", "%x %X %#x %#X %#x", 255, 255, 255, 255, 0);
    CHECK("17 017 0", "%o %#o %#o", 15, 15, 0);
    CHECK("|00255|  0ff|", "|%.5d|%5.3x|", 255, 255);
    CHECK("||   |", "|%.0d|%3.0d|", 0, 0);
    CHECK("str|  str|str  |st", "%s|%5s|%-5s|%.2s", "str", "str", "str", "str");
    CHECK("(null)", "%s", null);
    CHECK("x|  x|x  ", "%c|%3c|%-3c", 'x', 'x', 'x');
    CHECK("0x1234 0x0", "%p %p", (void *)0x1234, NULL);
    CHECK("  7|7  |007", "%*d|%*d|%.*d", 3, 7, -3, 7, 3, 7);
    CHECK("7", "%.*d", -1, 7);
    CHECK("-1 255 -1 65535", "%hhd %hhu %hd %hu", 0xff, 0xff, 0xffff, 0xffff);
    CHECK("1 2 3 4 5", "%zu %jd %td %zd %ju", (size_t)1, (intmax_t)2, (ptrdiff_t)3,
          (ssize_t)4, (uintmax_t)5);
}

static void
test_malformed(void **state)
{
    CHECK("%", opaque("%"));
    CHECK("%5", opaque("%5"));
    CHECK("%-08.3l", opaque("%-08.3l"));
    CHECK("%q then 1", opaque("%q then %d"), 1);
    CHECK("%f", opaque("%f"));
    CHECK("%n", opaque("%n"));
}

static void
test_bounded(void **state)
{
    char buf[8];

    memset(buf, 'z', sizeof(buf));
    assert_int_equal(scnprintf(buf, 0, "abc"), 0);
    assert_int_equal(buf[0], 'z');
    assert_int_equal(scnprintf(buf, 1, "abc"), 0);
    assert_string_equal(buf, "");
    assert_int_equal(scnprintf(buf, 4, "%s%d", "ab", 1234), 3);
    assert_string_equal(buf, "ab1");
    assert_int_equal(buf[4], 'z');
    assert_int_equal(scnprintf(buf, 8, "%d", 1234567), 7);
    assert_string_equal(buf, "1234567");
}

/* Build a random conversion of the given letter; sizes and flags that C leaves
 * undefined for it are left out. */
static void
random_format(struct prng *rng, char letter, const char *size, char *format)
{
    const char *flags = letter == 's' || letter == 'c' ? "-" : letter == 'd' ? "-0+ " : "-0#";
    char *p = format;

    *p++ = '<';
    *p++ = '%';
    while (prng_one_in(rng, 2)) {
        char flag = flags[prng_below(rng, strlen(flags))];
        if (flag != '#' || letter != 'u')
            *p++ = flag;
    }
    if (prng_one_in(rng, 2))
        p += sprintf(p, "%d", 1 + (int)prng_below(rng, 40));
    if (letter != 'c' && prng_one_in(rng, 2))
        p += sprintf(p, ".%d", (int)prng_below(rng, 40));
    sprintf(p, "%s%c>", size, letter);
}

static void
compare(const char *format, ...)
{
    char expected[256], got[256];
    struct collected c = { .text = "" };
    va_list ap, copy;

    va_start(ap, format);
    va_copy(copy, ap);
    vsnprintf(expected, sizeof(expected), format, copy);
    va_end(copy);
    fmt_vprintf(collect, &c, format, ap);
    if (strcmp(c.text, expected) != 0)
        fail_msg("%s: got %s, expected %s", format, c.text, expected);

    for (size_t size = 1; size < sizeof(got); size += 13) {
        memset(got, 'z', sizeof(got));
        int n = vscnprintf(got, size, format, ap);
        assert_int_equal(n, strlen(got));
        assert_int_equal(n, c.n < size ? c.n : size - 1);
        assert_memory_equal(got, expected, (size_t)n);
        for (size_t i = size; i < sizeof(got); i++)
            assert_int_equal(got[i], 'z');
    }
    va_end(ap);
}

static void
test_random(void **state)
{
    static const char *const sizes[] = { "hh", "h", "", "l", "ll", "j", "z", "t" };
    struct prng rng = prng_start(__func__);
    char format[160], text[32];

    for (int round = 0; round < 30000; round++) {
        char letter = "duxXosc"[prng_below(&rng, 7)];
        size_t size = prng_below(&rng, sizeof(sizes) / sizeof(sizes[0]));
        uint64_t value = prng_one_in(&rng, 8) ? 0 : prng_sized(&rng);
        random_format(&rng, letter, letter == 's' || letter == 'c' ? "" : sizes[size], format);
        if (strlen(format) > 60)
            continue;
        if (letter == 's') {
            size_t n = prng_below(&rng, sizeof(text));
            memset(text, 'a' + (int)prng_below(&rng, 26), n);
            text[n] = '\0';
            compare(format, text);
        } else if (letter == 'c') {
            compare(format, 'a' + (int)prng_below(&rng, 26));
        } else if (size < 3) {
            compare(format, (int)value);
        } else {
            compare(format, value);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
