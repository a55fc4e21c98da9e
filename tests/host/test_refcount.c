/*
 * Reference counts: what each operation says, what is refused, and two
 * threads of which only one sees the end.
 */
#include "host.h"

#include <pthread.h>
#include <setjmp.h>

#include "lib/refcount.h"

static jmp_buf refused;
static const char *refused_what;

void
ref_fault(const struct refcount *ref, const char *what, uint32_t n)
{
    refused_what = what;
    longjmp(refused, 1);
}

/* The operation `what` is refused: it comes back here from ref_fault(). */
#define assert_refused(operation, what)                                                            \
    do {                                                                                           \
        refused_what = NULL;                                                                       \
        if (setjmp(refused) == 0)                                                                  \
            (void)(operation);                                                                     \
        assert_non_null(refused_what);                                                             \
        assert_string_equal(refused_what, what);                                                   \
    } while (0)

static void
ref_get_expression(struct refcount *ref)
{
    ref_get(ref);
}

static void
test_meanings(void **state)
{
    struct refcount ref;

    ref_init(&ref, 1);
    ref_get(&ref);
    assert_int_equal(ref_count(&ref), 2);
    assert_true(ref_tryget(&ref));
    assert_false(ref_put(&ref));
    assert_true(ref_put_unless_last(&ref));
    assert_false(ref_put_unless_last(&ref));
    assert_int_equal(ref_count(&ref), 1);
    assert_true(ref_put(&ref));
    assert_false(ref_tryget(&ref));
    assert_int_equal(ref_count(&ref), 0);
}

static void
test_misuse(void **state)
{
    struct refcount ref;

    ref_init(&ref, 0);
    assert_refused((ref_get_expression(&ref), 0), "get");
    ref_init(&ref, 0);
    assert_refused(ref_put(&ref), "put");
    ref_init(&ref, 0);
    assert_refused(ref_put_unless_last(&ref), "put");
    ref_init(&ref, REF_MAX + 1);
    assert_refused((ref_get_expression(&ref), 0), "get");
    ref_init(&ref, REF_MAX);
    assert_refused(ref_tryget(&ref), "tryget");
    ref_init(&ref, REF_MAX + 1);
    assert_refused(ref_put(&ref), "put");
}

#define NROUNDS 100000

static struct refcount shared;
static uint32_t nlast;

static void *
get_and_put(void *arg)
{
    for (int i = 0; i < NROUNDS; i++)
        if (ref_tryget(&shared) && ref_put(&shared))
            __atomic_fetch_add(&nlast, 1, __ATOMIC_RELAXED);
    if (ref_put(&shared))
        __atomic_fetch_add(&nlast, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void
test_one_sees_the_end(void **state)
{
    pthread_t threads[2];

    ref_init(&shared, ARRAY_SIZE(threads));
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(nlast, 1);
    assert_int_equal(ref_count(&shared), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_one_sees_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
