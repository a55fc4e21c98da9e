/*
 * Lists, against arrays.
 */
#include "host.h"

#include "lib/list.h"

struct item {
    int id;
    struct list link;
};

static void
test_basics(void **state)
{
    struct list head = LIST_INIT(head);
    struct item a = { .id = 1 }, b = { .id = 2 }, c = { .id = 3 };

    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    assert_null(list_last(&head));
    assert_null(list_pop(&head));
    assert_null(LIST_FIRST(&head, struct item, link));

    list_add_tail(&head, &b.link);
    list_add_head(&head, &a.link);
    list_add_after(&b.link, &c.link);
    assert_int_equal(list_length(&head), 3);
    assert_ptr_equal(LIST_FIRST(&head, struct item, link), &a);
    assert_ptr_equal(LIST_LAST(&head, struct item, link), &c);
    assert_ptr_equal(LIST_NEXT(&a, &head, link), &b);
    assert_null(LIST_NEXT(&c, &head, link));
    assert_ptr_equal(LIST_PREV(&c, &head, link), &b);
    assert_null(LIST_PREV(&a, &head, link));

    list_del(&b.link);
    assert_true(list_empty(&b.link));
    list_del(&b.link);
    assert_int_equal(list_length(&head), 2);

    list_move_head(&head, &c.link);
    assert_ptr_equal(list_pop(&head), &c.link);
    assert_ptr_equal(list_pop(&head), &a.link);
    assert_true(list_empty(&head));
}

static void
test_safe_iteration(void **state)
{
    struct list head = LIST_INIT(head);
    struct item items[10], *item, *tmp;
    int sum = 0;

    for (int i = 0; i < 10; i++) {
        items[i].id = i;
        list_add_tail(&head, &items[i].link);
    }
    LIST_FOREACH_SAFE(item, tmp, &head, link)
        if (item->id % 2)
            list_del(&item->link);
    LIST_FOREACH(item, &head, link)
        sum = sum * 10 + item->id;
    assert_int_equal(sum, 2468);
    sum = 0;
    LIST_FOREACH_REVERSE(item, &head, link)
        sum = sum * 10 + item->id;
    assert_int_equal(sum, 86420);
}

#define ITEMS 40
#define LISTS 3

struct model {
    int ids[ITEMS];
    int n;
};

static void
model_insert(struct model *m, int at, int id)
{
    memmove(&m->ids[at + 1], &m->ids[at], sizeof(int) * (size_t)(m->n - at));
    m->ids[at] = id;
    m->n++;
}

static void
model_remove(struct model *m, int id)
{
    for (int i = 0; i < m->n; i++) {
        if (m->ids[i] == id) {
            memmove(&m->ids[i], &m->ids[i + 1], sizeof(int) * (size_t)(m->n - i - 1));
            m->n--;
            return;
        }
    }
}

static void
check_list(struct list *head, const struct model *m)
{
    struct item *item;
    int i = 0;

    LIST_FOREACH(item, head, link)
        assert_int_equal(item->id, m->ids[i++]);
    assert_int_equal(i, m->n);
    LIST_FOREACH_REVERSE(item, head, link)
        assert_int_equal(item->id, m->ids[--i]);
    assert_int_equal(list_empty(head), m->n == 0);
}

static void
test_random(void **state)
{
    struct prng rng = prng_start(__func__);
    struct list heads[LISTS];
    struct model models[LISTS] = { 0 };
    struct item items[ITEMS];
    int where[ITEMS];

    for (int i = 0; i < LISTS; i++)
        list_init(&heads[i]);
    for (int i = 0; i < ITEMS; i++) {
        items[i].id = i;
        list_init(&items[i].link);
        where[i] = -1;
    }
    for (int round = 0; round < 20000; round++) {
        int id = (int)prng_below(&rng, ITEMS);
        int to = (int)prng_below(&rng, LISTS);
        struct list *link = &items[id].link;
        if (where[id] >= 0)
            model_remove(&models[where[id]], id);
        switch (prng_below(&rng, 4)) {
        case 0:
            list_move_head(&heads[to], link);
            model_insert(&models[to], 0, id);
            where[id] = to;
            break;
        case 1:
            list_move_tail(&heads[to], link);
            model_insert(&models[to], models[to].n, id);
            where[id] = to;
            break;
        default:
            list_del(link);
            where[id] = -1;
        }
        if (prng_one_in(&rng, 50)) {
            int from = (to + 1) % LISTS;
            for (int i = 0; i < models[from].n; i++) {
                model_insert(&models[to], models[to].n, models[from].ids[i]);
                where[models[from].ids[i]] = to;
            }
            models[from].n = 0;
            list_splice_tail(&heads[to], &heads[from]);
        }
        for (int i = 0; i < LISTS; i++)
            check_list(&heads[i], &models[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_safe_iteration),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
