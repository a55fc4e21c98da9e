/*
 * Parsing numbers and the boot command line.
 *
 * The command line is words separated by blanks; "double quotes" anywhere in
 * a word keep blanks in it and are dropped. A word is `name` or `name=value`;
 * in names - and _ are the same letter, as on Linux. The word `--` ends the
 * kernel's arguments; what follows goes to init.
 */
#ifndef QUIRE_LIB_PARSE_H
#define QUIRE_LIB_PARSE_H

#include "lib/types.h"

/*
 * Parse an unsigned number at s: decimal, 0x hexadecimal or 0 octal, then an
 * optional K, M, G or T (either case, powers of 1024). *end, unless end is
 * NULL, is set to the first byte not used.
 *
 * Returns 0, -EINVAL if there is no digit, or -ERANGE if the value does not
 * fit 64 bits; *value is set only on 0.
 */
int parse_number(const char *s, const char **end, uint64_t *value);

/* Parse a string that is a number and nothing else (one final newline is
 * forgiven). Errors as above; -EINVAL too if more follows. */
int parse_u64(const char *s, uint64_t *value);

/* Same with an optional sign in front. */
int parse_s64(const char *s, int64_t *value);

/*
 * Look up `name` on the command line and copy its value, unquoted, into buf
 * of size bytes; where it occurs more than once the last counts. A word
 * without = has the empty value.
 *
 * Returns the value's length, -ENOENT if the name is not there, or -E2BIG if
 * the value was cut to fit.
 */
ssize_t bootarg_get(const char *cmdline, const char *name, char *buf, size_t size);

/* True if `name` is there, with a value or without. */
bool bootarg_has(const char *cmdline, const char *name);

/* The value of `name` as a number, or fallback if it is missing or is none. */
uint64_t bootarg_u64(const char *cmdline, const char *name, uint64_t fallback);

/*
 * Copy the next word, unquoted, into buf of size bytes, and move *pos behind
 * it. Begin with *pos at the command line or at bootarg_rest()'s result.
 *
 * Returns the word's length, -ENOENT at the end, or -E2BIG if it was cut to
 * fit (*pos has moved on all the same).
 */
ssize_t bootarg_next(const char **pos, char *buf, size_t size);

/* What follows the word `--`, or the empty string at the end if there is no
 * such word. */
const char *bootarg_rest(const char *cmdline);

#endif
