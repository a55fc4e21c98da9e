/*
 * What every host test includes, first: the C library, cmocka and the random
 * generator. (The kernel's own headers define macros that the C library's
 * would trip over, so they come after.)
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "prng.h"

/*
 * Run a shell command and collect its standard output, in memory that the
 * caller frees; *n is its size. NULL if the command fails.
 */
static inline uint8_t *
command_output(const char *command, size_t *n)
{
    FILE *pipe = popen(command, "r");
    uint8_t *buf = NULL;
    size_t size = 0, got;

    *n = 0;
    if (!pipe)
        return NULL;
    do {
        if (*n == size) {
            size = size ? size * 2 : 65536;
            buf = realloc(buf, size);
        }
        got = fread(buf + *n, 1, size - *n, pipe);
        *n += got;
    } while (got);
    if (pclose(pipe) != 0) {
        free(buf);
        return NULL;
    }
    return buf;
}

/* A copy of n bytes in memory of exactly that size, so that the sanitizer
 * sees a read beyond them. */
static inline void *
exact_copy(const void *data, size_t n)
{
    void *copy = malloc(n ? n : 1);
    memcpy(copy, data, n);
    return copy;
}

#endif
