/*
 * Formatted output.
 *
 * One formatter, fed by a format and arguments, hands finished pieces of text
 * to a sink: a callback that appends them to a buffer, a log, a pipe. Nothing
 * is allocated and no piece is kept, so it works from any context in which
 * the sink does.
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %%, with flags - 0 + space #, a
 * width and a precision (each may be *), and sizes hh h l ll z j t, all as in
 * C. A NULL %s prints (null); %p prints 0x and hexadecimal digits. There is
 * no floating point and no %n. An unknown conversion is printed as it stands
 * and takes no argument.
 */
#ifndef QUIRE_LIB_PRINTF_H
#define QUIRE_LIB_PRINTF_H

#include "lib/types.h"

/* Receives the next n > 0 bytes of output; they are not NUL-terminated and
 * not valid after the return. */
typedef void (*fmt_sink_fn)(void *ctx, const char *text, size_t n);

/* Format into a sink. Returns the number of bytes handed over. */
size_t fmt_vprintf(fmt_sink_fn sink, void *ctx, const char *fmt, va_list ap)
    __printf_like(3, 0);
size_t fmt_printf(fmt_sink_fn sink, void *ctx, const char *fmt, ...)
    __printf_like(3, 4);

#ifdef QUIRE_HOST
#include <stdio.h>
#else

/* Format into buf, cutting to size bytes with the NUL (nothing is written if
 * size is 0). Returns the length the whole text would have. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
    __printf_like(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...)
    __printf_like(3, 4);

#endif

/* Same, but return the length of what was really stored, without the NUL;
 * 0 if size is 0. What appends piece by piece wants this one. */
int vscnprintf(char *buf, size_t size, const char *fmt, va_list ap)
    __printf_like(3, 0);
int scnprintf(char *buf, size_t size, const char *fmt, ...)
    __printf_like(3, 4);

#endif
