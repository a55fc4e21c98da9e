/*
 * Text that grows: what the files of procfs are printed into.
 *
 * Printing never fails to the eye of the printer: once memory is out, what
 * follows is dropped and seq->failed stays set for the reader of the result. So it
 * is if the user's texts take too much memory together: an open file keeps its text.
 */
#ifndef QUIRE_FS_SEQ_H
#define QUIRE_FS_SEQ_H

#include "lib/types.h"

struct user;

struct seq {
    char *text; /* not NUL-terminated; NULL while empty */
    size_t length, capacity;
    bool failed;
    uint64_t from;     /* of a text that is printed in parts (proc_entry.h): where the next begins */
    struct user *user; /* what is beyond a page counts as this user's; NULL: it is not counted */
};

/* An empty text is all zeros; this frees one and leaves it empty. */
void seq_free(struct seq *seq);
void seq_printf(struct seq *seq, const char *fmt, ...) __printf_like(2, 3);
void seq_puts(struct seq *seq, const char *s);
void seq_putc(struct seq *seq, char c);
void seq_write(struct seq *seq, const void *data, size_t n);
/* n bytes for the caller to fill, already counted; NULL if there is no memory for them. */
char *seq_reserve(struct seq *seq, size_t n);
/* Take the last n bytes back. */
void seq_shorten(struct seq *seq, size_t n);
/* Blanks up to a column, counted from `start`, where the line begins. */
void seq_pad(struct seq *seq, size_t start, size_t column);
/* A string in which the letters of `escaped`, and \, appear as \ooo, as in /proc/mounts. */
void seq_escape(struct seq *seq, const char *s, const char *escaped);

#endif
