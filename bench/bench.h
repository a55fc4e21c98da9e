/*
 * What the benchmark's rows and its harness agree on.
 *
 * A row is one operation. Its run function does the operation n times and
 * returns how long that took in nanoseconds, so that a row whose operation
 * needs something done and undone around it can leave that out. Before the
 * first run comes prepare, after the last one finish; either may be NULL.
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <stdint.h>
#include <stddef.h>

struct row {
    const char *name;
    const char *what;           /* one operation, for people */
    int64_t   (*run)(long n);
    void      (*prepare)(void);
    void      (*finish)(void);
    long        counted;        /* operations in one run with --counts */
};

/* The rows, each table ended by a row without a name. */
extern const struct row file_rows[], memory_rows[], process_rows[];
/* Rows about what only Quire has, and whether this is it. */
extern const struct row own_rows[];
int is_quire(void);

/* Path of this very program, to be executed with the argument --exit. */
extern char self[512];

/* Monotonic time in nanoseconds. */
int64_t now(void);

/* End the program with a message unless a call has gone well. */
void must(int held, const char *what);

/* Let the calling thread run on this hart only. */
void pin(int hart);

/* Let it run on any. */
void unpin(void);

/* A run function that does statement n times. */
#define REPEAT(function, statement) \
    static int64_t \
    function(long n) \
    { \
        int64_t start = now(); \
        for (long i = 0; i < n; i++) { \
            statement; \
        } \
        return now() - start; \
    }

#endif
