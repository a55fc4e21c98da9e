/*
 * Can the checks of the tree's tests fail? Each mutant (tree.mk) is
 * test_tree_exhaustive with one thing wrong in the kernel's code, and must be
 * found out.
 */
#include "host.h"

#include "lib/types.h"

/* The last bytes of what a program says; its status in *status. */
static char *
last_words(const char *program, int *status)
{
    static char words[2048];
    char command[512];
    size_t n = 0, got;

    snprintf(command, sizeof(command),
             "HOST_SECONDS=3 HOST_TEST=test_all ASAN_OPTIONS=detect_leaks=0 %s 2>&1", program);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while ((got = fread(words + n, 1, sizeof(words) - 1 - n, pipe)) > 0) {
        n += got;
        if (n == sizeof(words) - 1)
            memmove(words, words + sizeof(words) / 2, n -= sizeof(words) / 2);
    }
    words[n] = '\0';
    *status = pclose(pipe);
    return words;
}

static void
test_mutants_are_found(void **state)
{
    char directory[256] = {0}, names[] = TREE_MUTANTS;

    assert_true(readlink("/proc/self/exe", directory, sizeof(directory) - 1) > 0);
    *strrchr(directory, '/') = '\0';
    for (char *rest, *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        char program[384];
        int status = 0;
        snprintf(program, sizeof(program), "%s/tree_mutant_%s", directory, name);
        const char *words = last_words(program, &status);
        if (status == 0 || !strstr(words, "FAILED TEST"))
            fail_msg("mutant %s was not found: %s", name, words);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutants_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
