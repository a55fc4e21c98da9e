/*
 * Parsing numbers and the boot command line.
 */
#include "lib/parse.h"

#include "lib/errno.h"
#include "lib/string.h"

/* The value of a digit, or a number that is in no base. */
static unsigned
digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* The power of two that a size suffix stands for, 0 if c is none. */
static unsigned
suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    case 't':
    case 'T': return 40;
    default: return 0;
    }
}

int
parse_number(const char *s, const char **end, uint64_t *value)
{
    unsigned base = 10;
    uint64_t n = 0;
    bool overflow = false;

    if (digit_value(s[0]) > 9)
        return -EINVAL;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
        base = 16;
        s += 2;
    } else if (s[0] == '0') {
        base = 8;
    }

    for (; digit_value(*s) < base; s++)
        overflow |= __builtin_mul_overflow(n, base, &n) ||
                    __builtin_add_overflow(n, digit_value(*s), &n);

    unsigned shift = suffix_shift(*s);
    if (shift) {
        s++;
        overflow |= n > UINT64_MAX >> shift;
        n <<= shift;
    }
    if (end)
        *end = s;
    if (overflow)
        return -ERANGE;
    *value = n;
    return 0;
}

int
parse_u64(const char *s, uint64_t *value)
{
    const char *end;
    uint64_t n;

    int err = parse_number(s, &end, &n);
    if (err == -EINVAL)
        return err;
    if (*end == '\n')
        end++;
    if (*end)
        return -EINVAL;
    if (!err)
        *value = n;
    return err;
}

int
parse_s64(const char *s, int64_t *value)
{
    bool negative = *s == '-';
    uint64_t n;

    if (*s == '-' || *s == '+')
        s++;
    int err = parse_u64(s, &n);
    if (err)
        return err;
    if (n > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *value = (int64_t)(negative ? -n : n);
    return 0;
}

struct word {
    const char *start;
    const char *end;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Find the next word at or after pos; false if only blanks are left. */
static bool
next_word(const char *pos, struct word *word)
{
    while (is_blank(*pos))
        pos++;
    word->start = pos;
    for (bool quoted = false; *pos && (quoted || !is_blank(*pos)); pos++)
        if (*pos == '"')
            quoted = !quoted;
    word->end = pos;
    return word->end > word->start;
}

static bool
is_separator(const struct word *word)
{
    return word->end - word->start == 2 && memcmp(word->start, "--", 2) == 0;
}

static ssize_t
copy_unquoted(const char *from, const char *end, char *buf, size_t size)
{
    size_t n = 0;
    bool cut = size == 0;

    for (; from < end; from++) {
        if (*from == '"')
            continue;
        if (n + 1 < size)
            buf[n++] = *from;
        else
            cut = true;
    }
    if (size)
        buf[n] = '\0';
    return cut ? -E2BIG : (ssize_t)n;
}

/* If the word's name is `name`, return where its value begins (the word's end
 * if it has none), else NULL. */
static const char *
match_name(const struct word *word, const char *name)
{
    const char *p = word->start;

    for (;; p++) {
        if (p < word->end && *p == '"')
            continue;
        if (p == word->end || *p == '=')
            break;
        char a = *p == '-' ? '_' : *p;
        char b = *name == '-' ? '_' : *name;
        if (a != b)
            return NULL;
        name++;
    }
    if (*name)
        return NULL;
    return p == word->end ? p : p + 1;
}

/* Find the last word called `name`: its value's start, or NULL. */
static const char *
find_value(const char *cmdline, const char *name, const char **end)
{
    const char *found = NULL;
    struct word word;

    for (; next_word(cmdline, &word) && !is_separator(&word); cmdline = word.end) {
        const char *value = match_name(&word, name);
        if (value) {
            found = value;
            *end = word.end;
        }
    }
    return found;
}

ssize_t
bootarg_get(const char *cmdline, const char *name, char *buf, size_t size)
{
    const char *end;
    const char *value = find_value(cmdline, name, &end);

    return value ? copy_unquoted(value, end, buf, size) : -ENOENT;
}

bool
bootarg_has(const char *cmdline, const char *name)
{
    const char *end;
    return find_value(cmdline, name, &end) != NULL;
}

uint64_t
bootarg_u64(const char *cmdline, const char *name, uint64_t fallback)
{
    char text[32];
    uint64_t value;

    if (bootarg_get(cmdline, name, text, sizeof(text)) < 0 || parse_u64(text, &value) < 0)
        return fallback;
    return value;
}

ssize_t
bootarg_next(const char **pos, char *buf, size_t size)
{
    struct word word;
    bool found = next_word(*pos, &word);

    *pos = word.end;
    return found ? copy_unquoted(word.start, word.end, buf, size) : -ENOENT;
}

const char *
bootarg_rest(const char *cmdline)
{
    struct word word;

    for (; next_word(cmdline, &word); cmdline = word.end)
        if (is_separator(&word))
            break;
    return word.end;
}
