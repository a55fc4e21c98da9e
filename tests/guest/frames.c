/*
 * /proc/frames, Quire's account of every physical frame by owner: it adds
 * up, and a thousand programs later it says what it said before. An argument
 * makes it so many thousand.
 *
 * Each line is an owner, which may be more than one word, and a count; the
 * line "total" is all memory.
 */
#include "tap.h"
#include <sys/auxv.h>

#define OWNERS 32
#define WORKERS 4
#define RUNS 250                /* of each worker */

struct account {
    int  n;
    char name[OWNERS][32];
    long frames[OWNERS];
    long total;
};

static char self[512];

static int
read_account(struct account *a)
{
    char line[128];
    FILE *f = fopen("/proc/frames", "r");

    memset(a, 0, sizeof(*a));
    if (!f)
        return -1;
    while (fgets(line, sizeof(line), f) && a->n < OWNERS) {
        char *last = strrchr(line, ' ');
        if (!last)
            last = strrchr(line, '\t');
        if (!last)
            continue;
        long count = strtol(last, NULL, 10);
        while (last > line && (last[-1] == ' ' || last[-1] == '\t' ||
                               last[-1] == ':'))
            last--;
        *last = 0;
        if (!strcmp(line, "total")) {
            a->total = count;
        } else {
            snprintf(a->name[a->n], sizeof(a->name[0]), "%s", line);
            a->frames[a->n++] = count;
        }
    }
    fclose(f);
    return 0;
}

static long
sum(const struct account *a)
{
    long all = 0;

    for (int i = 0; i < a->n; i++)
        all += a->frames[i];
    return all;
}

/* fork, exec, exit, so often, in several processes at once. */
static int
run_programs(int runs)
{
    char *argv[] = { "frames", "--exit", NULL }, *envp[] = { NULL };
    pid_t worker[WORKERS];
    int good = 0;

    for (int w = 0; w < WORKERS; w++) {
        worker[w] = tap_fork();
        if (worker[w] == 0) {
            for (int i = 0; i < runs; i++) {
                pid_t pid = i & 1 ? fork() : vfork();
                if (pid == 0) {
                    execve(self, argv, envp);
                    _exit(1);
                }
                if (pid < 0 || tap_wait(pid) != 0)
                    _exit(1);
            }
            _exit(0);
        }
    }
    for (int w = 0; w < WORKERS; w++)
        good += tap_wait(worker[w]) == 0;
    return good;
}

/* What caches may keep between one look and the next. */
static long
slack(const char *owner)
{
    if (!strcmp(owner, "free") || !strcmp(owner, "cached"))
        return 512; /* a hart keeps frames, and stacks, for itself */
    return !strcmp(owner, "slab") ? 64 : 0;
}

/* Whether b is a, owner by owner; says where not if told to. */
static int
alike(const struct account *a, const struct account *b, int tell)
{
    int same = a->n == b->n && a->total == b->total;

    for (int i = 0; i < a->n && i < b->n; i++) {
        long more = labs(b->frames[i] - a->frames[i]);
        if (tell)
            ok(more <= slack(a->name[i]), "%s: %ld before, %ld after",
               a->name[i], a->frames[i], b->frames[i]);
        same &= more <= slack(a->name[i]);
    }
    return same;
}

int
main(int argc, char **argv)
{
    static struct account before, after;

    if (argc > 1 && !strcmp(argv[1], "--exit"))
        return 0;
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("frames");
    if (read_account(&before) < 0) {
        tap_skip("no /proc/frames");
        return tap_end();
    }
    ok(before.n >= 5, "%d owners", before.n);
    is(sum(&before), before.total);
    is(run_programs(10), WORKERS);      /* to warm the caches */
    sleep_ms(20);
    read_account(&before);
    for (int rounds = argc > 1 ? atoi(argv[1]) : 1; rounds > 0; rounds--) {
        is(run_programs(RUNS), WORKERS);
        alarm(TAP_SECONDS);
    }
    /* The last of the dead may still be on their way out. */
    for (int i = 0; i < 100; i++) {
        read_account(&after);
        if (alike(&before, &after, 0))
            break;
        sleep_ms(20);
    }
    alike(&before, &after, 1);
    is(sum(&after), after.total);
    is(after.total, before.total);
    return tap_end();
}
