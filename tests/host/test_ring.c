/*
 * Byte rings: against a queue, and between two threads.
 */
#include "host.h"

#include <pthread.h>
#include <sched.h>

#include "lib/ring.h"

static void
test_basics(void **state)
{
    uint8_t buf[4];
    struct ring ring;

    ring_init(&ring, buf, sizeof(buf));
    assert_true(ring_empty(&ring));
    assert_int_equal(ring_get(&ring), -1);
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(&ring, (uint8_t)(0xf0 + i)));
    assert_true(ring_full(&ring));
    assert_false(ring_put(&ring, 9));
    assert_int_equal(ring_get(&ring), 0xf0);
    assert_int_equal(ring_space(&ring), 1);
    ring_clear(&ring);
    assert_true(ring_empty(&ring));
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);
    uint8_t buf[32], data[64], got[64];
    uint32_t put = 0, taken = 0;    /* byte number i of the stream is hash64(i) */
    struct ring ring;

    ring_init(&ring, buf, sizeof(buf));
    ring.head = ring.tail = put = taken = UINT32_MAX - 1000;
    for (int round = 0; round < 50000; round++) {
        size_t n = prng_below(&rng, sizeof(data));
        if (prng_one_in(&rng, 2)) {
            for (size_t i = 0; i < n; i++)
                data[i] = (uint8_t)hash64(put + (uint32_t)i);
            uint32_t room = (uint32_t)sizeof(buf) - (put - taken);
            assert_int_equal(ring_write(&ring, data, n), min((uint32_t)n, room));
            put += min((uint32_t)n, room);
        } else {
            uint32_t want = min((uint32_t)n, put - taken);
            uint32_t count = prng_one_in(&rng, 2) ? ring_read(&ring, got, n)
                                                  : ring_skip(&ring, ring_peek(&ring, got, n));
            assert_int_equal(count, want);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(got[i], (uint8_t)hash64(taken + i));
            taken += count;
        }
        assert_int_equal(ring_count(&ring), put - taken);
        assert_int_equal(ring_space(&ring), sizeof(buf) - (put - taken));
    }
}

#define STREAM 200000u

static void *
produce(void *arg)
{
    for (uint32_t i = 0; i < STREAM;) {
        if (ring_put(arg, (uint8_t)hash64(i)))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void
test_two_threads(void **state)
{
    uint8_t buf[64];
    struct ring ring;
    pthread_t producer;

    ring_init(&ring, buf, sizeof(buf));
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    for (uint32_t i = 0; i < STREAM;) {
        int c = ring_get(&ring);
        if (c >= 0)
            assert_int_equal(c, (uint8_t)hash64(i++));
        else
            sched_yield();
    }
    pthread_join(producer, NULL);
    assert_true(ring_empty(&ring));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
