/*
 * Memory and string functions.
 *
 * The four that move and fill memory work in aligned 8-byte words, 64 bytes a
 * round, because they carry most of what a kernel does with bytes: pages
 * cleared and copied, file data, messages. A copy between places that are
 * differently aligned reads aligned words too and shifts neighbours together;
 * the word at either end may hold bytes outside the source, never in another
 * page. The string functions go byte by byte: kernel strings are short.
 *
 * The kernel is built with -fno-tree-loop-distribute-patterns, lest the
 * compiler turn these loops into calls of the functions they are in.
 */
#include "lib/string.h"

#include "lib/errno.h"

typedef uint64_t __attribute__((may_alias)) word_t;

#define WORD      sizeof(word_t)
#define BLOCK     (8 * WORD)
#define WORDS_MIN 24            /* below it, aligning costs more than it gains */

static inline bool
is_aligned(const void *p)
{
    return (uintptr_t)p % WORD == 0;
}

#if !defined(QUIRE_HOST) || defined(OWN_STRING)

/* Copy n bytes between aligned places, upwards; returns how many whole words'
 * worth it did, leaving less than a word. */
static inline size_t
copy_words(word_t *d, const word_t *s, size_t n)
{
    size_t done = n - n % WORD;

    for (; n >= BLOCK; n -= BLOCK, d += 8, s += 8) {
        word_t w0 = s[0], w1 = s[1], w2 = s[2], w3 = s[3];
        word_t w4 = s[4], w5 = s[5], w6 = s[6], w7 = s[7];
        d[0] = w0;
        d[1] = w1;
        d[2] = w2;
        d[3] = w3;
        d[4] = w4;
        d[5] = w5;
        d[6] = w6;
        d[7] = w7;
    }
    for (; n >= WORD; n -= WORD)
        *d++ = *s++;
    return done;
}

/* The same from a source that is not aligned: each word stored is made of the
 * upper part of one source word and the lower part of the next. */
__attribute__((no_sanitize("address"))) static inline size_t
copy_words_shifted(word_t *d, const uint8_t *src, size_t n)
{
    size_t done = n - n % WORD;
    unsigned down = (unsigned)((uintptr_t)src % WORD) * 8;
    unsigned up = 64 - down;
    const word_t *s = (const word_t *)(src - (uintptr_t)src % WORD);
    word_t low = *s++;

    for (; n >= 4 * WORD; n -= 4 * WORD, d += 4, s += 4) {
        word_t w0 = s[0], w1 = s[1], w2 = s[2], w3 = s[3];
        d[0] = low >> down | w0 << up;
        d[1] = w0 >> down | w1 << up;
        d[2] = w1 >> down | w2 << up;
        d[3] = w2 >> down | w3 << up;
        low = w3;
    }
    for (; n >= WORD; n -= WORD) {
        word_t high = *s++;
        *d++ = low >> down | high << up;
        low = high;
    }
    return done;
}

/* Copy upwards; right for dst below src even if they overlap. */
static inline void *
copy_up(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;

    if (n >= WORDS_MIN) {
        for (; !is_aligned(d); n--)
            *d++ = *s++;
        size_t done = is_aligned(s) ? copy_words((word_t *)d, (const word_t *)s, n)
                                    : copy_words_shifted((word_t *)d, s, n);
        d += done;
        s += done;
        n -= done;
    }
    while (n--)
        *d++ = *s++;
    return dst;
}

/* Copy downwards, for dst above src. */
static inline void *
copy_down(void *dst, const void *src, size_t n)
{
    uint8_t *d = (uint8_t *)dst + n;
    const uint8_t *s = (const uint8_t *)src + n;

    if (n >= WORDS_MIN && ((uintptr_t)d - (uintptr_t)s) % WORD == 0) {
        for (; !is_aligned(d); n--)
            *--d = *--s;
        word_t *dw = (word_t *)d;
        const word_t *sw = (const word_t *)s;
        for (; n >= 4 * WORD; n -= 4 * WORD) {
            dw -= 4;
            sw -= 4;
            word_t w0 = sw[0], w1 = sw[1], w2 = sw[2], w3 = sw[3];
            dw[3] = w3;
            dw[2] = w2;
            dw[1] = w1;
            dw[0] = w0;
        }
        for (; n >= WORD; n -= WORD)
            *--dw = *--sw;
        d = (uint8_t *)dw;
        s = (const uint8_t *)sw;
    }
    while (n--)
        *--d = *--s;
    return dst;
}

void *
memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    return copy_up(dst, src, n);
}

void *
memmove(void *dst, const void *src, size_t n)
{
    /* The difference wraps to something large when dst is below src. */
    if ((uintptr_t)dst - (uintptr_t)src >= n)
        return copy_up(dst, src, n);
    return copy_down(dst, src, n);
}

void *
memset(void *dst, int c, size_t n)
{
    uint8_t *d = dst;

    if (n >= WORDS_MIN) {
        for (; !is_aligned(d); n--)
            *d++ = (uint8_t)c;
        word_t *w = (word_t *)d;
        word_t fill = (uint8_t)c * (word_t)0x0101010101010101;
        for (; n >= BLOCK; n -= BLOCK, w += 8) {
            w[0] = fill;
            w[1] = fill;
            w[2] = fill;
            w[3] = fill;
            w[4] = fill;
            w[5] = fill;
            w[6] = fill;
            w[7] = fill;
        }
        for (; n >= WORD; n -= WORD)
            *w++ = fill;
        d = (uint8_t *)w;
    }
    while (n--)
        *d++ = (uint8_t)c;
    return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a;
    const uint8_t *q = b;

    if (n >= WORDS_MIN && ((uintptr_t)p - (uintptr_t)q) % WORD == 0) {
        for (; !is_aligned(p); n--, p++, q++)
            if (*p != *q)
                return *p - *q;
        for (; n >= WORD; n -= WORD, p += WORD, q += WORD)
            if (*(const word_t *)p != *(const word_t *)q)
                break;
    }
    for (; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

void *
memchr(const void *s, int c, size_t n)
{
    for (const uint8_t *p = s; n; n--, p++)
        if (*p == (uint8_t)c)
            return (void *)p;
    return NULL;
}

size_t
strlen(const char *s)
{
    const char *p = s;
    while (*p)
        p++;
    return (size_t)(p - s);
}

size_t
strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

int
strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int
strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

char *
strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *
strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)c)
            last = s;
        if (!*s)
            return (char *)last;
    }
}

char *
strstr(const char *s, const char *needle)
{
    size_t n = strlen(needle);
    for (;; s++) {
        if (strncmp(s, needle, n) == 0)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

size_t
strspn(const char *s, const char *accept)
{
    size_t n = 0;
    while (s[n] && strchr(accept, s[n]))
        n++;
    return n;
}

size_t
strcspn(const char *s, const char *reject)
{
    size_t n = 0;
    while (s[n] && !strchr(reject, s[n]))
        n++;
    return n;
}

#endif

ssize_t
strscpy(char *dst, const char *src, size_t size)
{
    if (size == 0)
        return -E2BIG;
    size_t n = strnlen(src, size);
    bool cut = n == size;
    if (cut)
        n--;
    memcpy(dst, src, n);
    dst[n] = '\0';
    return cut ? -E2BIG : (ssize_t)n;
}

ssize_t
strscat(char *dst, const char *src, size_t size)
{
    size_t have = strnlen(dst, size);
    ssize_t added = strscpy(dst + have, src, size - have);
    return added < 0 ? added : (ssize_t)have + added;
}

bool
str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_equals_n(const char *s, size_t n, const char *t)
{
    return strnlen(t, n + 1) == n && memcmp(s, t, n) == 0;
}

bool
mem_is_zero(const void *p, size_t n)
{
    const uint8_t *b = p;

    if (n >= WORDS_MIN) {
        for (; !is_aligned(b); n--)
            if (*b++)
                return false;
        for (; n >= 4 * WORD; n -= 4 * WORD, b += 4 * WORD) {
            const word_t *w = (const word_t *)b;
            if (w[0] | w[1] | w[2] | w[3])
                return false;
        }
    }
    for (; n; n--)
        if (*b++)
            return false;
    return true;
}
