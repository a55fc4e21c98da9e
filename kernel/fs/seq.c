/*
 * Text that is made record by record: see seq.h.
 */
#include "fs/seq.h"

#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/path.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vm/vmspace.h"

void
seq_free(struct seq *seq)
{
    kmfree(seq->text);
    kmfree(seq->scratch);
    *seq = (struct seq){0};
}

/* Move the rest to the front of a buffer of `room` bytes, which hold it. 0, -ENOMEM. */
static int
set_room(struct seq *seq, size_t room)
{
    size_t rest = seq_nrest(seq);
    char *text = room == seq->room ? seq->text : kmalloc(room);

    if (!text)
        return -ENOMEM;
    if (rest)
        memmove(text, seq_rest(seq), rest);
    if (text != seq->text)
        kmfree(seq->text);
    seq->text = text;
    seq->room = room;
    seq->from = 0;
    seq->length = rest;
    return 0;
}

/*
 * Print the next record behind the others. 1: done; 0: the text ends, or the buffer is full;
 * or an error, if there is no other.
 */
static int
add_record(struct seq *seq, seq_next_fn next, void *ctx)
{
    const struct seq_cursor here = seq->cursor;
    const size_t start = seq->length;

    for (;;) {
        seq->overflow = false;
        int got = next(seq, &seq->cursor, ctx);
        if (got == 0 || (got > 0 && !seq->overflow)) {
            seq->record = here;
            seq->from += min(seq->skip, seq->length);
            seq->skip = seq->wanted = 0;
            return got;
        }
        seq->cursor = here;
        seq->length = start;
        if (start)
            return 0;
        if (got > 0)
            got = seq->room < SEQ_MOST ? set_room(seq, seq->room * 2) : -ENOMEM;
        if (got < 0)
            return got;
    }
}

int
seq_fill(struct seq *seq, size_t want, seq_next_fn next, void *ctx)
{
    int got = 1;

    want = min(want, PAGE_SIZE);
    while (got > 0 && seq_nrest(seq) < want) {
        bool alone = seq->room > PAGE_SIZE && seq_nrest(seq);
        if (alone)
            break;
        size_t room = max(seq->wanted, PAGE_SIZE);
        if (seq->from || seq->room != room)
            got = set_room(seq, room);
        if (got >= 0)
            got = add_record(seq, next, ctx);
        preempt_point();
        if (vm_end_hook())
            got = -EINTR;
    }
    return got < 0 && !seq_nrest(seq) ? got : 0;
}

int
seq_seek(struct seq *seq, uint64_t pos, seq_next_fn next, void *ctx)
{
    if (pos && seq->pos == pos)
        return 0;
    seq_free(seq);
    while (seq->pos < pos) {
        int error = seq_fill(seq, PAGE_SIZE, next, ctx);
        if (error)
            return error;
        if (!seq_nrest(seq))
            break;
        seq_take(seq, min(seq_nrest(seq), pos - seq->pos));
    }
    return 0;
}

void
seq_take(struct seq *seq, size_t n)
{
    seq->from += n;
    seq->pos += n;
}

void
seq_keep(struct seq *seq)
{
    size_t rest = seq_nrest(seq);

    kmfree(seq->scratch);
    seq->scratch = NULL;
    if (rest && (rest <= PAGE_SIZE) && set_room(seq, rest) == 0)
        return;
    if (rest && seq->room <= PAGE_SIZE)
        return; /* no memory for less */
    if (rest) {
        seq->cursor = seq->record;
        seq->skip = seq->from;
        seq->wanted = seq->room;
    }
    kmfree(seq->text);
    seq->text = NULL;
    seq->room = seq->from = seq->length = 0;
}

/* Printing. */

void
seq_write(struct seq *seq, const void *data, size_t n)
{
    if (n > seq->room - seq->length)
        seq->overflow = true;
    if (seq->overflow)
        return;
    memcpy(seq->text + seq->length, data, n);
    seq->length += n;
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
    if (seq->overflow)
        return;
    va_start(ap, fmt);
    fmt_vprintf(sink, seq, fmt, ap);
    va_end(ap);
}

void
seq_pad(struct seq *seq, size_t start, size_t column)
{
    while (!seq->overflow && seq->length < start + column)
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

char *
seq_scratch(struct seq *seq)
{
    if (!seq->scratch)
        seq->scratch = kmalloc(PATH_MAX);
    return seq->scratch;
}
