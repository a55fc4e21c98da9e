/*
 * The benchmark: lmbench's kinds of rows, as one static Linux program.
 *
 *      bench [--counts] [--list] [ROW...]
 *
 * prints a line for each row (all, or those named): its name, nanoseconds an
 * operation, and how many operations were timed, separated by tabs.
 *
 * A row is first run with more and more operations until one batch takes
 * about BATCH_NS; then come more batches until they have taken TOTAL_NS
 * together. The fastest batch counts: whatever else the host was doing can only have
 * made the others slower.
 *
 * With --counts there is one batch of a fixed size after one to warm up, so
 * that under QEMU's -icount, where a nanosecond is an instruction, two runs
 * print the same.
 */
#include "bench.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS    10000000
#define TOTAL_NS    120000000
#define MIN_BATCHES 3
#define MAX_BATCHES 40

char self[512];

int64_t
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void
must(int held, const char *what)
{
    if (!held) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

void
pin(int hart)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(hart, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

void
unpin(void)
{
    cpu_set_t set;

    memset(&set, 0xff, sizeof(set));
    sched_setaffinity(0, sizeof(set), &set);
}

/* How many operations to do in a batch, when n of them took so little. */
static long
more(long n, int64_t took)
{
    long wanted = took > 0 ? (long)(n * 1.2 * BATCH_NS / took) : n * 10;

    return wanted > n * 10 ? n * 10 : wanted > n ? wanted : n + 1;
}

/*
 * Time one row; *nops gets the operations of all timed batches. A batch may
 * seem long only because the host was busy, so every one that is short makes
 * the batches longer and begins anew.
 */
static double
measure(const struct row *row, long *nops)
{
    long n = 1;
    int batches = 0;
    int64_t total = 0;
    double best = 0;

    while (batches < MIN_BATCHES ||
           (total < TOTAL_NS && batches < MAX_BATCHES)) {
        int64_t took = row->run(n);
        if (took < BATCH_NS / 2) {
            n = more(n, took);
            batches = total = 0;
            continue;
        }
        total += took;
        if (batches++ == 0 || (double)took / n < best)
            best = (double)took / n;
    }
    *nops = n * batches;
    return best;
}

static double
count(const struct row *row, long *nops)
{
    row->run(row->counted);
    *nops = row->counted;
    return (double)row->run(row->counted) / row->counted;
}

static int
wanted(const char *name, char **names)
{
    if (!*names)
        return 1;
    for (; *names; names++)
        if (!strcmp(name, *names))
            return 1;
    return 0;
}

/* Run the rows of a table that names asks for, or list them. */
static void
run_table(const struct row *row, char **names, int counts, int list)
{
    for (; row->name; row++) {
        long nops;

        if (!wanted(row->name, names))
            continue;
        if (list) {
            printf("%s\t%s\n", row->name, row->what);
            continue;
        }
        if (row->prepare)
            row->prepare();
        double ns = counts ? count(row, &nops) : measure(row, &nops);
        if (row->finish)
            row->finish();
        printf("%s\t%.1f\t%ld\n", row->name, ns, nops);
        fflush(stdout);
    }
}

int
main(int argc, char **argv)
{
    int counts = 0, list = 0, at = 1;
    char directory[64];

    if (argc == 2 && !strcmp(argv[1], "--exit"))
        _exit(0);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--counts"))
            counts = 1;
        else if (!strcmp(argv[at], "--list"))
            list = 1;
        else
            must((errno = EINVAL, 0), argv[at]);
    }
    must(realpath((char *)getauxval(AT_EXECFN), self) != NULL, "my own path");
    snprintf(directory, sizeof(directory), "/tmp/bench.%d", (int)getpid());
    must(mkdir(directory, 0755) == 0 && chdir(directory) == 0, directory);
    run_table(file_rows, argv + at, counts, list);
    run_table(memory_rows, argv + at, counts, list);
    run_table(process_rows, argv + at, counts, list);
    if (list || is_quire())
        run_table(own_rows, argv + at, counts, list);
    chdir("/");
    rmdir(directory);
    return 0;
}
