/*
 * Path components.
 */
#include "host.h"

#include "lib/errno.h"
#include "lib/path.h"

/* Write the components of a path as [name], with / if a slash follows and !
 * if it is the last. */
static void
check(const char *path, const char *expected)
{
    struct path_iter it = path_iter(path);
    struct path_component c;
    char text[256] = "";
    int r;

    while ((r = path_next(&it, &c)) > 0)
        sprintf(text + strlen(text), "[%.*s]%s%s", (int)c.len, c.name, c.slash ? "/" : "",
                c.last ? "!" : "");
    assert_int_equal(r, 0);
    assert_string_equal(text, expected);
}

static void
test_fixed(void **state)
{
    check("", "");
    check("/", "");
    check("///", "");
    check("a", "[a]!");
    check("a/", "[a]/!");
    check("a//", "[a]/!");
    check("/a", "[a]!");
    check("//usr///bin/sh", "[usr]/[bin]/[sh]!");
    check("./../x/.", "[.]/[..]/[x]/[.]!");
    assert_true(path_is_absolute("/a"));
    assert_false(path_is_absolute("a"));
    assert_false(path_is_absolute(""));
}

static void
test_dots(void **state)
{
    struct path_iter it = path_iter("./../..././a");
    struct path_component c;
    static const char *const kinds[] = { "dot", "dotdot", "", "dot", "" };

    for (int i = 0; i < 5; i++) {
        assert_int_equal(path_next(&it, &c), 1);
        assert_int_equal(path_is_dot(&c), strcmp(kinds[i], "dot") == 0);
        assert_int_equal(path_is_dotdot(&c), strcmp(kinds[i], "dotdot") == 0);
    }
}

static void
test_long_names(void **state)
{
    char path[600];
    struct path_component c;

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[1 + NAME_MAX] = '/';
    path[2 + NAME_MAX + NAME_MAX + 1] = '\0';
    struct path_iter it = path_iter(path);
    assert_int_equal(path_next(&it, &c), 1);
    assert_int_equal(c.len, NAME_MAX);
    assert_false(c.last);
    assert_int_equal(path_next(&it, &c), -ENAMETOOLONG);
    assert_int_equal(path_next(&it, &c), -ENAMETOOLONG);
    path[2 + NAME_MAX + NAME_MAX] = '\0';
    assert_int_equal(path_next(&it, &c), 1);
    assert_true(c.last);
    assert_int_equal(path_next(&it, &c), 0);
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int round = 0; round < 30000; round++) {
        size_t n = prng_below(&rng, 20);
        char *path = malloc(n + 1), *copy;
        for (size_t i = 0; i < n; i++)
            path[i] = "a./"[prng_below(&rng, 3)];
        path[n] = '\0';
        copy = strdup(path);

        struct path_iter it = path_iter(path);
        struct path_component c = { .last = false };
        char *save, *word = strtok_r(copy, "/", &save);
        for (; word; word = strtok_r(NULL, "/", &save)) {
            assert_false(c.last);
            assert_int_equal(path_next(&it, &c), 1);
            assert_int_equal(c.len, strlen(word));
            assert_memory_equal(c.name, word, c.len);
            assert_int_equal(c.slash, c.name[c.len] == '/');
        }
        assert_int_equal(path_next(&it, &c), 0);
        free(path);
        free(copy);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_dots),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
