/*
 * String functions: the kernel's, called own_..., against the C library's.
 */
#include "host.h"

#include "lib/errno.h"
#include "lib/types.h"

void *own_memcpy(void *restrict dst, const void *restrict src, size_t n);
void *own_memmove(void *dst, const void *src, size_t n);
void *own_memset(void *dst, int c, size_t n);
int own_memcmp(const void *a, const void *b, size_t n);
void *own_memchr(const void *s, int c, size_t n);
size_t own_strlen(const char *s);
size_t own_strnlen(const char *s, size_t max);
int own_strcmp(const char *a, const char *b);
int own_strncmp(const char *a, const char *b, size_t n);
char *own_strchr(const char *s, int c);
char *own_strrchr(const char *s, int c);
char *own_strstr(const char *s, const char *needle);
size_t own_strspn(const char *s, const char *accept);
size_t own_strcspn(const char *s, const char *reject);
ssize_t own_strscpy(char *dst, const char *src, size_t size);
ssize_t own_strscat(char *dst, const char *src, size_t size);
bool own_str_starts_with(const char *s, const char *prefix);
bool own_str_equals_n(const char *s, size_t n, const char *t);
bool own_mem_is_zero(const void *p, size_t n);

#define SIZE 700

static int
sign(int x)
{
    return (x > 0) - (x < 0);
}

/* A length that is small, or about a multiple of a block, or anything. */
static size_t
random_length(struct prng *rng, size_t max)
{
    size_t n = prng_one_in(rng, 2) ? prng_below(rng, 40)
                                   : 64 * prng_below(rng, 9) + prng_below(rng, 20);
    return n <= max ? n : prng_below(rng, max + 1);
}

static void
test_copy(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t src[SIZE], dst[SIZE], model[SIZE];

    for (int round = 0; round < 30000; round++) {
        size_t from = prng_below(&rng, 32), to = prng_below(&rng, 32);
        size_t n = random_length(&rng, SIZE - 32);
        prng_fill(&rng, src, 32);
        for (size_t i = 32; i < SIZE; i++)
            src[i] = (uint8_t)(src[i - 32] + i);
        memset(dst, 0xee, SIZE);
        memset(model, 0xee, SIZE);
        memcpy(model + to, src + from, n);
        assert_ptr_equal(own_memcpy(dst + to, src + from, n), dst + to);
        assert_memory_equal(dst, model, SIZE);
    }
}

static void
test_move(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t buf[SIZE], model[SIZE];

    prng_fill(&rng, buf, SIZE);
    memcpy(model, buf, SIZE);
    for (int round = 0; round < 30000; round++) {
        size_t n = random_length(&rng, SIZE - 100);
        size_t from = prng_below(&rng, SIZE - n);
        size_t to = prng_one_in(&rng, 2) ? prng_below(&rng, SIZE - n)
                                         : min(from + prng_below(&rng, 20), SIZE - n);
        memmove(model + to, model + from, n);
        assert_ptr_equal(own_memmove(buf + to, buf + from, n), buf + to);
        assert_memory_equal(buf, model, SIZE);
    }
}

static void
test_set(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t buf[SIZE] = { 0 }, model[SIZE] = { 0 };

    for (int round = 0; round < 30000; round++) {
        size_t n = random_length(&rng, SIZE - 32);
        size_t at = prng_below(&rng, SIZE - n);
        int c = (int)prng_below(&rng, 1024) - 512;
        memset(model + at, c, n);
        assert_ptr_equal(own_memset(buf + at, c, n), buf + at);
        assert_memory_equal(buf, model, SIZE);
    }
}

static void
test_compare(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 20000; round++) {
        size_t n = random_length(&rng, 300);
        size_t shift_a = prng_below(&rng, 9), shift_b = prng_below(&rng, 9);
        uint8_t *a = malloc(n + shift_a), *b = malloc(n + shift_b);
        prng_fill(&rng, a, n + shift_a);
        memcpy(b + shift_b, a + shift_a, n);
        if (n && prng_one_in(&rng, 2))
            b[shift_b + prng_below(&rng, n)] ^= 0x81;
        assert_int_equal(sign(own_memcmp(a + shift_a, b + shift_b, n)),
                         sign(memcmp(a + shift_a, b + shift_b, n)));
        int c = n ? a[shift_a + prng_below(&rng, n)] : 7;
        assert_ptr_equal(own_memchr(b + shift_b, c, n), memchr(b + shift_b, c, n));

        memset(a, 0, n + shift_a);
        assert_true(own_mem_is_zero(a + shift_a, n));
        if (n) {
            a[shift_a + prng_below(&rng, n)] = 0x40;
            assert_false(own_mem_is_zero(a + shift_a, n));
        }
        free(a);
        free(b);
    }
}

/* A string over few letters, in memory of exactly its size. */
static char *
random_string(struct prng *rng, size_t max)
{
    size_t n = prng_below(rng, max + 1);
    char *s = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        s[i] = "ab\xe9"[prng_below(rng, 3)];
    s[n] = '\0';
    return s;
}

static void
test_strings(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 20000; round++) {
        char *s = random_string(&rng, 12), *t = random_string(&rng, 4);
        size_t n = prng_below(&rng, 14);
        int c = "ab\xe9z"[prng_below(&rng, 5)];
        assert_int_equal(own_strlen(s), strlen(s));
        assert_int_equal(own_strnlen(s, n), strnlen(s, n));
        assert_int_equal(sign(own_strcmp(s, t)), sign(strcmp(s, t)));
        assert_int_equal(sign(own_strncmp(s, t, n)), sign(strncmp(s, t, n)));
        assert_ptr_equal(own_strchr(s, c), strchr(s, c));
        assert_ptr_equal(own_strrchr(s, c), strrchr(s, c));
        assert_ptr_equal(own_strstr(s, t), strstr(s, t));
        assert_int_equal(own_strspn(s, t), strspn(s, t));
        assert_int_equal(own_strcspn(s, t), strcspn(s, t));
        assert_int_equal(own_str_starts_with(s, t), strstr(s, t) == s);
        size_t m = min(n, strlen(s));
        assert_int_equal(own_str_equals_n(s, m, t), m == strlen(t) && !memcmp(s, t, m));
        free(s);
        free(t);
    }
}

static void
test_bounded_copy(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 20000; round++) {
        char *s = random_string(&rng, 12), *t = random_string(&rng, 12);
        size_t size = prng_below(&rng, 28);
        char *dst = malloc(size ? size : 1);
        char expected[32];
        ssize_t n = own_strscpy(dst, s, size);
        if (size == 0) {
            assert_int_equal(n, -E2BIG);
        } else {
            snprintf(expected, size, "%s", s);
            assert_string_equal(dst, expected);
            assert_int_equal(n, strlen(s) < size ? (ssize_t)strlen(s) : -E2BIG);
            size_t whole = strlen(dst) + strlen(t);
            n = own_strscat(dst, t, size);
            snprintf(expected, size, "%s%s", s, t);
            assert_string_equal(dst, expected);
            assert_int_equal(n, whole < size ? (ssize_t)whole : -E2BIG);
        }
        free(s);
        free(t);
        free(dst);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bounded_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
