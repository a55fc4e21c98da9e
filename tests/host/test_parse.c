/*
 * Numbers and the boot command line.
 */
#include "host.h"

#include "lib/errno.h"
#include "lib/parse.h"

static void
check_number(const char *text, int expected_err, uint64_t expected, const char *rest)
{
    const char *end = NULL;
    uint64_t value = 77;

    assert_int_equal(parse_number(text, &end, &value), expected_err);
    assert_int_equal(value, expected_err ? 77 : expected);
    if (expected_err != -EINVAL)
        assert_string_equal(end, rest);
}

static void
test_numbers(void **state)
{
    check_number("0", 0, 0, "");
    check_number("42", 0, 42, "");
    check_number("0x2a", 0, 42, "");
    check_number("0X2A,", 0, 42, ",");
    check_number("052", 0, 42, "");
    check_number("08", 0, 0, "8");
    check_number("0x", 0, 0, "x");
    check_number("0xg", 0, 0, "xg");
    check_number("4k", 0, 4096, "");
    check_number("0x10M", 0, 16 << 20, "");
    check_number("2Gx", 0, 2ULL << 30, "x");
    check_number("1t", 0, 1ULL << 40, "");
    check_number("18446744073709551615", 0, UINT64_MAX, "");
    check_number("18446744073709551616", -ERANGE, 0, "");
    check_number("0xffffffffffffffff", 0, UINT64_MAX, "");
    check_number("0x1ffffffffffffffff", -ERANGE, 0, "");
    check_number("17179869184G", -ERANGE, 0, "");
    check_number("16777215T", 0, 16777215ULL << 40, "");
    check_number("", -EINVAL, 0, "");
    check_number("k", -EINVAL, 0, "");
    check_number("-1", -EINVAL, 0, "");
    check_number(" 1", -EINVAL, 0, "");
}

static void
test_whole_numbers(void **state)
{
    uint64_t u;
    int64_t s;

    assert_int_equal(parse_u64("123", &u), 0);
    assert_int_equal(u, 123);
    assert_int_equal(parse_u64("123\n", &u), 0);
    assert_int_equal(parse_u64("123\n\n", &u), -EINVAL);
    assert_int_equal(parse_u64("123x", &u), -EINVAL);
    assert_int_equal(parse_u64("", &u), -EINVAL);
    assert_int_equal(parse_u64("99999999999999999999", &u), -ERANGE);

    assert_int_equal(parse_s64("-5", &s), 0);
    assert_int_equal(s, -5);
    assert_int_equal(parse_s64("+5", &s), 0);
    assert_int_equal(s, 5);
    assert_int_equal(parse_s64("-0x8000000000000000", &s), 0);
    assert_int_equal(s, INT64_MIN);
    assert_int_equal(parse_s64("-0x8000000000000001", &s), -ERANGE);
    assert_int_equal(parse_s64("0x8000000000000000", &s), -ERANGE);
    assert_int_equal(parse_s64("--5", &s), -EINVAL);
    assert_int_equal(parse_s64("-", &s), -EINVAL);
}

static void
test_random_numbers(void **state)
{
    static const char *const formats[] = { "%llu", "0x%llx", "0%llo", "0X%llX" };
    struct prng rng = prng_start(__func__);
    char text[32];

    for (int round = 0; round < 20000; round++) {
        unsigned long long x = prng_sized(&rng);
        uint64_t value;
        int n = 0;
        switch (prng_below(&rng, 4)) {
        case 0: n = sprintf(text, formats[0], x); break;
        case 1: n = sprintf(text, formats[1], x); break;
        case 2: n = sprintf(text, formats[2], x); break;
        default: n = sprintf(text, formats[3], x);
        }
        assert_int_equal(parse_u64(text, &value), 0);
        assert_int_equal(value, x);

        prng_mutate(&rng, (uint8_t *)text, (size_t)n);
        char *end;
        errno = 0;
        unsigned long long expected = strtoull(text, &end, 0);
        bool plain = text[0] >= '0' && text[0] <= '9' && *end == '\0';
        if (plain && errno == 0) {
            assert_int_equal(parse_u64(text, &value), 0);
            assert_int_equal(value, expected);
        } else if (plain) {
            assert_int_equal(parse_u64(text, &value), -ERANGE);
        } else if (!strchr("kKmMgGtT\n", *end)) {
            assert_int_equal(parse_u64(text, &value), -EINVAL);
        }
    }
}

static void
check_arg(const char *cmdline, const char *name, ssize_t expected, const char *value)
{
    char buf[16] = "?";

    assert_int_equal(bootarg_get(cmdline, name, buf, sizeof(buf)), expected);
    assert_string_equal(buf, value);
    assert_int_equal(bootarg_has(cmdline, name), expected != -ENOENT);
}

static void
test_bootargs(void **state)
{
    const char *line = "quiet  init=/bin/sh mem=64M loglevel=7\tpath=\"/a b/c\" "
                       "\"two words=x y\" dash-name=1 mem=32M empty= -- mem=1 init";

    check_arg(line, "quiet", 0, "");
    check_arg(line, "init", 7, "/bin/sh");
    check_arg(line, "mem", 3, "32M");
    check_arg(line, "path", 6, "/a b/c");
    check_arg(line, "two words", 3, "x y");
    check_arg(line, "dash_name", 1, "1");
    check_arg(line, "dash-name", 1, "1");
    check_arg(line, "empty", 0, "");
    check_arg(line, "ini", -ENOENT, "?");
    check_arg(line, "inits", -ENOENT, "?");
    check_arg(line, "", -ENOENT, "?");
    check_arg("", "quiet", -ENOENT, "?");
    check_arg("-- quiet", "quiet", -ENOENT, "?");
    check_arg("x=0123456789abcdef", "x", -E2BIG, "0123456789abcde");
    check_arg("x=\"open quote", "x", 10, "open quote");
    assert_int_equal(bootarg_u64(line, "mem", 5), 32 << 20);
    assert_int_equal(bootarg_u64(line, "quiet", 5), 5);
    assert_int_equal(bootarg_u64(line, "none", 5), 5);
}

static void
test_rest(void **state)
{
    char buf[8];
    const char *pos = bootarg_rest("a --b -- sh  -c \"echo one\" ");

    assert_string_equal(pos, " sh  -c \"echo one\" ");
    assert_int_equal(bootarg_next(&pos, buf, sizeof(buf)), 2);
    assert_string_equal(buf, "sh");
    assert_int_equal(bootarg_next(&pos, buf, sizeof(buf)), 2);
    assert_string_equal(buf, "-c");
    assert_int_equal(bootarg_next(&pos, buf, sizeof(buf)), -E2BIG);
    assert_string_equal(buf, "echo on");
    assert_int_equal(bootarg_next(&pos, buf, sizeof(buf)), -ENOENT);
    assert_string_equal(bootarg_rest("a b"), "");
    assert_string_equal(bootarg_rest("a \"--\" b"), "");
    assert_string_equal(bootarg_rest("--"), "");
}

/* Any line at all: nothing is read beyond it, and the words and the lookup
 * agree. */
static void
test_random_lines(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 20000; round++) {
        size_t n = prng_below(&rng, 24);
        char *line = malloc(n + 1), word[32], value[32];
        for (size_t i = 0; i < n; i++)
            line[i] = "ab=\"- \t"[prng_below(&rng, 7)];
        line[n] = '\0';

        bool found = false;
        const char *pos = line, *rest = bootarg_rest(line);
        while (pos < rest && bootarg_next(&pos, word, sizeof(word)) >= 0)
            if (word[0] == 'a' && (word[1] == '=' || word[1] == '\0'))
                found = true;
        assert_int_equal(bootarg_has(line, "a"), found);
        assert_int_equal(bootarg_get(line, "a", value, sizeof(value)) >= 0, found);
        assert_true(rest >= line && rest <= line + n);
        free(line);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_bootargs),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_random_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
