/*
 * Bitmaps, against an array of booleans.
 */
#include "host.h"

#include "lib/bitmap.h"

#define MAX_BITS 300

struct pair {
    uint64_t *map;              /* of exactly the words needed */
    bool model[MAX_BITS];
    size_t nbits;
};

static size_t
model_next(const struct pair *p, size_t from, bool value)
{
    while (from < p->nbits && p->model[from] != value)
        from++;
    return from < p->nbits ? from : p->nbits;
}

static size_t
model_find_run(const struct pair *p, size_t from, size_t n, size_t align)
{
    for (size_t start = ALIGN_UP(from, align); start + n <= p->nbits; start += align)
        if (model_next(p, start, true) >= start + n)
            return start;
    return p->nbits;
}

static void
change(struct prng *rng, struct pair *p)
{
    size_t bit = prng_below(rng, p->nbits);
    size_t n = prng_below(rng, p->nbits - bit + 1);

    switch (prng_below(rng, 7)) {
    case 0:
        bitmap_set(p->map, bit);
        p->model[bit] = true;
        break;
    case 1:
        bitmap_clear(p->map, bit);
        p->model[bit] = false;
        break;
    case 2:
        assert_int_equal(bitmap_test_and_set(p->map, bit), p->model[bit]);
        p->model[bit] = true;
        break;
    case 3:
        assert_int_equal(bitmap_test_and_clear(p->map, bit), p->model[bit]);
        p->model[bit] = false;
        break;
    case 4:
        bitmap_set_range(p->map, bit, n);
        memset(p->model + bit, true, n);
        break;
    case 5:
        bitmap_clear_range(p->map, bit, n);
        memset(p->model + bit, false, n);
        break;
    default:
        if (prng_one_in(rng, 2)) {
            bitmap_zero(p->map, p->nbits);
            memset(p->model, false, p->nbits);
        } else {
            bitmap_fill(p->map, p->nbits);
            memset(p->model, true, p->nbits);
        }
    }
}

static void
check(struct prng *rng, const struct pair *p)
{
    size_t from = prng_below(rng, p->nbits + 10);
    size_t n = 1 + prng_below(rng, 20), count = 0;
    size_t align = (size_t)1 << prng_below(rng, 5);

    for (size_t i = 0; i < p->nbits; i++) {
        assert_int_equal(bitmap_test(p->map, i), p->model[i]);
        count += p->model[i];
    }
    assert_int_equal(bitmap_count(p->map, p->nbits), count);
    assert_int_equal(bitmap_next_set(p->map, p->nbits, from), model_next(p, from, true));
    assert_int_equal(bitmap_next_zero(p->map, p->nbits, from), model_next(p, from, false));
    assert_int_equal(bitmap_first_set(p->map, p->nbits), model_next(p, 0, true));
    assert_int_equal(bitmap_first_zero(p->map, p->nbits), model_next(p, 0, false));
    assert_int_equal(bitmap_find_run(p->map, p->nbits, from, n, align),
                     model_find_run(p, from, n, align));
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);

    for (int run = 0; run < 300; run++) {
        struct pair p = { .nbits = 1 + prng_below(&rng, MAX_BITS) };
        p.map = calloc(BITMAP_WORDS(p.nbits), sizeof(uint64_t));
        for (int round = 0; round < 100; round++) {
            change(&rng, &p);
            check(&rng, &p);
        }
        free(p.map);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
