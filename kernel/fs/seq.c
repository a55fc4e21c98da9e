/*
 * Text that grows: see seq.h.
 */
#include "fs/seq.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/slab.h"

#define FIRST_CAPACITY 512

void
seq_free(struct seq *seq)
{
    kmfree(seq->text);
    *seq = (struct seq){0};
}

/* Make room for n more bytes. */
static bool
make_room(struct seq *seq, size_t n)
{
    if (seq->length + n <= seq->capacity)
        return true;
    size_t capacity = max(seq->capacity * 2, (size_t)FIRST_CAPACITY);
    while (capacity < seq->length + n)
        capacity *= 2;
    char *text = seq->failed ? NULL : kmalloc(capacity);
    if (!text) {
        seq->failed = true;
        return false;
    }
    memcpy(text, seq->text, seq->length);
    kmfree(seq->text);
    seq->text = text;
    seq->capacity = capacity;
    return true;
}

char *
seq_reserve(struct seq *seq, size_t n)
{
    if (!make_room(seq, n))
        return NULL;
    seq->length += n;
    return seq->text + seq->length - n;
}

void
seq_shorten(struct seq *seq, size_t n)
{
    seq->length -= min(n, seq->length);
}

void
seq_write(struct seq *seq, const void *data, size_t n)
{
    char *room = seq_reserve(seq, n);
    if (room)
        memcpy(room, data, n);
}

void
seq_puts(struct seq *seq, const char *s)
{
    seq_write(seq, s, strlen(s));
}

void
seq_putc(struct seq *seq, char c)
{
    seq_write(seq, &c, 1);
}

static void
sink(void *ctx, const char *text, size_t n)
{
    seq_write(ctx, text, n);
}

void
seq_printf(struct seq *seq, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fmt_vprintf(sink, seq, fmt, ap);
    va_end(ap);
}

void
seq_pad(struct seq *seq, size_t start, size_t column)
{
    while (!seq->failed && seq->length < start + column)
        seq_putc(seq, ' ');
}

void
seq_escape(struct seq *seq, const char *s, const char *escaped)
{
    for (; *s; s++) {
        if (*s == '\\' || strchr(escaped, *s))
            seq_printf(seq, "\\%03o", (unsigned char)*s);
        else
            seq_putc(seq, *s);
    }
}
