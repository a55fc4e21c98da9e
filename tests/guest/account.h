/*
 * /proc/frames, Quire's account of every physical frame by owner, for tests
 * that must leave it as they found it.
 *
 * Each line is an owner, which may be more than one word, and a count; the
 * line "total" is all memory. What is cached (harts keep frames, stacks and zeroed
 * blocks) counts as free here, the first line. On Linux there is no such file.
 *
 *      struct account before, after;
 *      if (account_begin(&before) == 0) {
 *          ... the test ...
 *          account_settle(&before, &after);    the last of the dead are leaving
 *          account_alike(&before, &after, 1);
 *      }
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "tap.h"

#define OWNERS 32

struct account {
    int  n;
    char name[OWNERS][32];
    long frames[OWNERS];
    long total;
};

/*
 * 0, or -1: not on this kernel. (noipa: gcc 12 takes a static account that is only
 * written through a pointer to it for one that is never written.)
 */
static int __attribute__((noipa, unused))
account_read(struct account *a)
{
    char line[128];
    FILE *f = fopen("/proc/frames", "r");

    memset(a, 0, sizeof(*a));
    if (!f)
        return -1;
    while (fgets(line, sizeof(line), f) && a->n < OWNERS) {
        char *last = strrchr(line, ' ');
        if (!last)
            continue;
        long count = strtol(last, NULL, 10);
        *last = 0;
        if (!strcmp(line, "total")) {
            a->total = count;
        } else if (!strcmp(line, "cached") && a->n > 0) {
            a->frames[0] += count;
        } else {
            snprintf(a->name[a->n], sizeof(a->name[0]), "%s", line);
            a->frames[a->n++] = count;
        }
    }
    fclose(f);
    return 0;
}

/* Read it when nothing moves any more: those who were waited for may still be leaving. 0 or -1. */
static int __attribute__((noipa, unused))
account_begin(struct account *a)
{
    struct account again;

    for (int i = 0; i < 100; i++) {
        if (account_read(a) < 0)
            return -1;
        sleep_ms(20);
        account_read(&again);
        if (a->n == again.n && !memcmp(a->frames, again.frames, sizeof(a->frames)))
            break;
    }
    return 0;
}

/* The frames of one owner; 0 if there is none of that name. */
static inline long
account_of(const struct account *a, const char *owner)
{
    for (int i = 0; i < a->n; i++)
        if (!strcmp(a->name[i], owner))
            return a->frames[i];
    return 0;
}

static inline long
account_sum(const struct account *a)
{
    long all = 0;

    for (int i = 0; i < a->n; i++)
        all += a->frames[i];
    return all;
}

/* What may be kept between one look and the next. */
static inline long
account_slack(const char *owner)
{
    if (!strcmp(owner, "free"))
        return 70; /* the sum of these */
    if (!strcmp(owner, "table"))
        return 3; /* of the window of kernel stacks, when there are more than ever */
    return !strcmp(owner, "slab") ? 64 : 0;
}

/* Whether b is a, owner by owner; says where not if told to. */
static inline int
account_alike(const struct account *a, const struct account *b, int tell)
{
    int same = a->n == b->n && a->total == b->total;

    for (int i = 0; i < a->n && i < b->n; i++) {
        long more = labs(b->frames[i] - a->frames[i]);
        if (tell)
            ok(more <= account_slack(a->name[i]), "%s: %ld before, %ld after", a->name[i],
               a->frames[i], b->frames[i]);
        same &= more <= account_slack(a->name[i]);
    }
    return same;
}

/* Read `now` until it is as `before`, for two seconds at most. 1: it is. */
static int __attribute__((noipa, unused))
account_settle(const struct account *before, struct account *now)
{
    for (int i = 0; i < 100; i++) {
        account_read(now);
        if (account_alike(before, now, 0))
            return 1;
        sleep_ms(20);
    }
    return 0;
}

/* A line of /proc/vmstat; -1: this kernel has none of that name. */
static inline long
vmstat(const char *name)
{
    char line[128];
    long value = -1;
    size_t length = strlen(name);
    FILE *f = fopen("/proc/vmstat", "r");

    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, name, length) && line[length] == ' ')
            value = atol(line + length);
    if (f)
        fclose(f);
    return value;
}

#endif
