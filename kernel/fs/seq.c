/*
 * Text that grows: see seq.h.
 */
#include "fs/seq.h"

#include <linux/capability.h>
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/user.h"

#define FIRST_CAPACITY 512
#define USERS_PART 32                /* of memory, for one user's texts */
#define USERS_LEAST (8UL * 1024 * 1024) /* but so much in any case */

/* What a text of some capacity counts: a page of each is free, as there are only so many files. */
static int64_t
counted(size_t capacity)
{
    return capacity > PAGE_SIZE ? (int64_t)(capacity - PAGE_SIZE) : 0;
}

/* Count so many bytes more, or less, as the user's. False: those are too many, and were not counted. */
static bool
charge(const struct seq *seq, int64_t change)
{
    int64_t most = (int64_t)max(nframes_ram / USERS_PART * PAGE_SIZE, USERS_LEAST);

    if (!seq->user || !change)
        return true;
    int64_t sum = __atomic_add_fetch(&seq->user->ntext, change, __ATOMIC_RELAXED);
    if (change < 0 || sum <= most || capable(CAP_SYS_RESOURCE))
        return true;
    __atomic_fetch_sub(&seq->user->ntext, change, __ATOMIC_RELAXED);
    return false;
}

void
seq_free(struct seq *seq)
{
    charge(seq, -counted(seq->capacity));
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
    int64_t more = counted(capacity) - counted(seq->capacity);
    bool charged = !seq->failed && charge(seq, more);
    char *text = charged ? kmalloc(capacity) : NULL;
    if (!text) {
        if (charged)
            charge(seq, -more);
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
    if (seq->failed)
        return;
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
