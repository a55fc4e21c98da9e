/* Strings and bytes. */
#include "call.h"

char *
strcpy(char *to, const char *from)
{
    uint i = 0;

    do {
        to[i] = from[i];
    } while (from[i++]);
    return to;
}

int
strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (uchar)*a - (uchar)*b;
}

uint
strlen(const char *s)
{
    uint n = 0;

    while (s[n])
        n++;
    return n;
}

/* Unlike the standard's, this one does not find the NUL. */
char *
strchr(const char *s, char c)
{
    for (; *s; s++)
        if (*s == c)
            return (char *)s;
    return 0;
}

void *
memset(void *to, int c, uint n)
{
    for (uint i = 0; i < n; i++)
        ((uchar *)to)[i] = (uchar)c;
    return to;
}

void *
memmove(void *to, const void *from, int n)
{
    uchar *t = to;
    const uchar *f = from;

    if (f > t)
        for (int i = 0; i < n; i++)
            t[i] = f[i];
    else
        while (--n >= 0)
            t[n] = f[n];
    return to;
}

void *
memcpy(void *to, const void *from, uint n)
{
    return memmove(to, from, (int)n);
}

int
memcmp(const void *a, const void *b, uint n)
{
    for (uint i = 0; i < n; i++)
        if (((const uchar *)a)[i] != ((const uchar *)b)[i])
            return ((const uchar *)a)[i] - ((const uchar *)b)[i];
    return 0;
}

/* Digits only: no sign, no blanks. */
int
atoi(const char *s)
{
    uint n = 0;

    for (; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + (uint)(*s - '0');
    return (int)n;
}

/* A line of at most max - 1 bytes from standard input, its newline included. */
char *
gets(char *to, int max)
{
    int n = 0;
    char c = 0;

    while (n + 1 < max && c != '\n' && c != '\r' && read(0, &c, 1) == 1)
        to[n++] = c;
    to[n] = 0;
    return to;
}
