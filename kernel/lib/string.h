/*
 * Memory and string functions.
 *
 * The ones of ISO C have ISO C's meanings (the compiler calls memcpy, memmove,
 * memset and memcmp on its own account, so these names must exist). On the
 * host they come from the C library, and only Quire's additions from here;
 * with OWN_STRING defined a host test gets this file's versions to try.
 */
#ifndef QUIRE_LIB_STRING_H
#define QUIRE_LIB_STRING_H

#include "lib/types.h"

#if defined(QUIRE_HOST) && !defined(OWN_STRING)
#include <string.h>
#else

/* Copy n bytes; the two must not overlap. Returns dst. */
void *memcpy(void *restrict dst, const void *restrict src, size_t n);

/* Copy n bytes as if through a third buffer. Returns dst. */
void *memmove(void *dst, const void *src, size_t n);

/* Set n bytes to (unsigned char)c. Returns dst. */
void *memset(void *dst, int c, size_t n);

/* Compare n bytes as unsigned: negative, 0 or positive. */
int memcmp(const void *a, const void *b, size_t n);

/* The first byte equal to (unsigned char)c among n, or NULL. */
void *memchr(const void *s, int c, size_t n);

/* Bytes before the NUL. */
size_t strlen(const char *s);

/* Bytes before the NUL, at most max; reads no byte past s[max - 1]. */
size_t strnlen(const char *s, size_t max);

/* Compare as unsigned bytes: negative, 0 or positive. */
int strcmp(const char *a, const char *b);

/* Same, looking at no more than n bytes. */
int strncmp(const char *a, const char *b, size_t n);

/* The first (strchr) or last (strrchr) c in s, the NUL included, or NULL. */
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* The first occurrence of needle in s, or NULL; an empty needle is at s. */
char *strstr(const char *s, const char *needle);

/* How many leading bytes of s are all in (strspn) or all not in (strcspn)
 * the given set. */
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);

#endif

/*
 * Copy src to dst, cutting it so that dst, with its NUL, fits in size bytes.
 * Returns the length copied, without the NUL, or -E2BIG if src was cut or
 * size is 0 (then nothing is written).
 */
ssize_t strscpy(char *dst, const char *src, size_t size);

/* Append src to the string in dst, under strscpy's rules for size and result;
 * the result is the whole string's length. */
ssize_t strscat(char *dst, const char *src, size_t size);

/* True if s begins with prefix. */
bool str_starts_with(const char *s, const char *prefix);

/* True if the n bytes at s equal the whole string t. */
bool str_equals_n(const char *s, size_t n, const char *t);

/* True if all n bytes at p are zero. */
bool mem_is_zero(const void *p, size_t n);

#endif
