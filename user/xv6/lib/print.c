/*
 * printf and fprintf: %d %u %x of an int, %ld %lu %lx and %lld %llu %llx of a
 * long, %l alone as %lu, %p %s %c %%. No widths. Hexadecimal digits are
 * upper-case, and %p has sixteen of them.
 */
#include <stdarg.h>

#include "call.h"

/* Bytes on their way to a descriptor. */
struct output {
    int fd;
    int n;
    char bytes[128];
};

static void
flush(struct output *out)
{
    if (out->n)
        linux_call(write, out->fd, out->bytes, out->n);
    out->n = 0;
}

static void
put(struct output *out, char c)
{
    if (out->n == sizeof(out->bytes))
        flush(out);
    out->bytes[out->n++] = c;
}

static void
put_string(struct output *out, const char *s)
{
    for (s = s ? s : "(null)"; *s; s++)
        put(out, *s);
}

static void
put_number(struct output *out, uint64 value, uint base, int width)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789ABCDEF"[value % base];
        value /= base;
    } while (value);
    while (n < width)
        digits[n++] = '0';
    while (n > 0)
        put(out, digits[--n]);
}

static void
put_signed(struct output *out, long value)
{
    if (value < 0)
        put(out, '-');
    put_number(out, value < 0 ? -(uint64)value : (uint64)value, 10, 0);
}

/* After %l or %ll: what follows; returns how much of it was used. */
static int
put_long(struct output *out, const char *format, long value)
{
    switch (*format) {
    case 'd':
        put_signed(out, value);
        return 1;
    case 'u':
        put_number(out, (uint64)value, 10, 0);
        return 1;
    case 'x':
        put_number(out, (uint64)value, 16, 0);
        return 1;
    default:
        put_number(out, (uint64)value, 10, 0);
        return 0;
    }
}

static void
print(int fd, const char *format, va_list args)
{
    struct output out = {.fd = fd};

    for (; *format; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        switch (*++format) {
        case 'd':
            put_signed(&out, va_arg(args, int));
            break;
        case 'u':
            put_number(&out, va_arg(args, uint), 10, 0);
            break;
        case 'x':
            put_number(&out, va_arg(args, uint), 16, 0);
            break;
        case 'l':
            format += format[1] == 'l';
            format += put_long(&out, format + 1, va_arg(args, long));
            break;
        case 'p':
            put_string(&out, "0x");
            put_number(&out, va_arg(args, uint64), 16, 16);
            break;
        case 'c':
            put(&out, (char)va_arg(args, int));
            break;
        case 's':
            put_string(&out, va_arg(args, const char *));
            break;
        case '%':
            put(&out, '%');
            break;
        default: /* shown as it stands, to draw attention */
            put(&out, '%');
            if (*format)
                put(&out, *format);
            else
                format--;
        }
    }
    flush(&out);
}

void
fprintf(int fd, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(fd, format, args);
    va_end(args);
}

void
printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(1, format, args);
    va_end(args);
}
