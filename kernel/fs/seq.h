/*
 * The text of a file that is made record by record, by position.
 *
 * A producer prints one record after the other. Its place is a cursor: a key that means the same
 * after the list has changed (the next address, the next number). An open file keeps between
 * two reads the cursor and what the last reader has not taken of the last record. So a text may
 * have any length, reads may have any size, and no record is torn while the list changes.
 *
 * A typical read, of what was taken from the open file, is
 *
 *      seq_seek(seq, pos, next, ctx)       nothing is to do where the last read stopped
 *      seq_fill(seq, size, next, ctx)
 *      n = uio_copyout(uio, seq_rest(seq), min(seq_nrest(seq), size))
 *      seq_take(seq, n)
 *      seq_keep(seq)
 *
 * Records are printed into a page. A record that does not fit into one gets a larger buffer to
 * itself, up to SEQ_MOST. Of such a record nothing is kept that is longer than a page: the next
 * read prints it again, and leaves out what was taken.
 *
 * Printing never fails to the eye of the printer: what does not fit is dropped, seq->overflow
 * is set, and the record is printed again where there is room.
 */
#ifndef QUIRE_FS_SEQ_H
#define QUIRE_FS_SEQ_H

#include "lib/types.h"
#include "mem/pagetable.h"
#include "vfs/locks.h"

#define SEQ_MOST (16 * PAGE_SIZE) /* longest record */

/* Where a producer goes on; each uses what it needs. All zeros: at the beginning. */
struct seq_cursor {
    uint64_t at;   /* a key, for example the next address */
    uint64_t part; /* which part of the text, or how many records were printed */
    union {
        struct lock_cursor lock;
        struct pt_place place;
    };
};

/* All zeros: nothing yet, at position 0. One thread at a time uses it. */
struct seq {
    char *text;         /* [O] of `room` bytes, not NUL-terminated; NULL if room is 0 */
    size_t room;
    size_t from, length; /* text[from .. length) is the rest: printed and not taken */
    size_t skip;        /* of the next record: bytes that were taken already */
    size_t wanted;      /* if there is some: the room that the record took */
    uint64_t pos;       /* in the file, of the rest */
    char *scratch;      /* [O] see seq_scratch() */
    bool overflow;      /* a record did not fit */
    struct seq_cursor cursor; /* behind the last record in text */
    struct seq_cursor record; /* before it */
};

/*
 * A producer: print the record at the cursor and move the cursor behind it. 1: done, perhaps with
 * nothing printed; 0: there is none; or an error. May sleep.
 */
typedef int (*seq_next_fn)(struct seq *seq, struct seq_cursor *cursor, void *ctx);

/*
 * Go to a position of the text. To go where the last read stopped costs nothing; to go to any other place is to
 * print the text from its beginning. If the text ends before, seq->pos is less than pos then. 0, -ENOMEM,
 * -EINTR (the process is ending), or the producer's error.
 */
int seq_seek(struct seq *seq, uint64_t pos, seq_next_fn next, void *ctx);
/*
 * Print records until the rest has `want` bytes, a page is full or the text ends. 0, or an error as above if
 * there is nothing to take.
 */
int seq_fill(struct seq *seq, size_t want, seq_next_fn next, void *ctx);
/* What can be taken, and how many bytes it has. */
static inline const char *
seq_rest(const struct seq *seq)
{
    return seq->text + seq->from;
}
static inline size_t
seq_nrest(const struct seq *seq)
{
    return seq->length - seq->from;
}
/* The reader has taken n bytes of the rest. */
void seq_take(struct seq *seq, size_t n);
/* Nothing is printed for a while: keep the rest, a page at most, and no other memory. */
void seq_keep(struct seq *seq);
/* Free all, and go back to the beginning. */
void seq_free(struct seq *seq);

/* For producers. */

void seq_printf(struct seq *seq, const char *fmt, ...) __printf_like(2, 3);
void seq_puts(struct seq *seq, const char *s);
void seq_putc(struct seq *seq, char c);
void seq_write(struct seq *seq, const void *data, size_t n);
/* Blanks up to a column, counted from `start`, where the line begins. */
void seq_pad(struct seq *seq, size_t start, size_t column);
/* A string in which the letters of `escaped`, and \, appear as \ooo, as in /proc/mounts. */
void seq_escape(struct seq *seq, const char *s, const char *escaped);
/* PATH_MAX bytes for the producer to work in, until seq_keep(); NULL if there is no memory. */
char *seq_scratch(struct seq *seq);

#endif
