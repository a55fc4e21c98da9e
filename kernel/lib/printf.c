/*
 * Formatted output: the format is split into literal runs and conversions;
 * each conversion is parsed into a struct spec and then printed by its kind.
 */
#include "lib/printf.h"

#include "lib/string.h"

enum size {
    SIZE_INT, SIZE_CHAR, SIZE_SHORT, SIZE_LONG, SIZE_LLONG, SIZE_INTMAX, SIZE_PTRDIFF, SIZE_SIZE,
};

struct spec {
    bool left;                  /* - */
    bool zero;                  /* 0 */
    bool plus;                  /* + */
    bool space;
    bool alternate;             /* # */
    unsigned width;
    int precision;              /* -1: not given */
    enum size size;
    char conversion;
};

/* What an output in progress carries along. */
struct output {
    fmt_sink_fn sink;
    void *ctx;
    size_t total;
    va_list ap;
};

static void
emit(struct output *out, const char *text, size_t n)
{
    if (n == 0)
        return;
    out->sink(out->ctx, text, n);
    out->total += n;
}

/* Emit n times c, which is a blank or a zero. */
static void
emit_fill(struct output *out, char c, size_t n)
{
    static const char blanks[] = "                ";
    static const char zeros[] = "0000000000000000";
    const char *text = c == '0' ? zeros : blanks;

    for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
        emit(out, text, sizeof(blanks) - 1);
    emit(out, text, n);
}

/* Emit text in a field of the spec's width, padded with blanks. */
static void
emit_field(struct output *out, const struct spec *spec, const char *text, size_t n)
{
    size_t pad = spec->width > n ? spec->width - n : 0;

    if (!spec->left)
        emit_fill(out, ' ', pad);
    emit(out, text, n);
    if (spec->left)
        emit_fill(out, ' ', pad);
}

/* Parse digits at *fmt; what is beyond INT_MAX stays there. */
static int
parse_digits(const char **fmt)
{
    int n = 0;

    for (; **fmt >= '0' && **fmt <= '9'; ++*fmt)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **fmt - '0', &n))
            n = __INT_MAX__;
    return n;
}

static const char *
parse_flags(const char *fmt, struct spec *spec)
{
    for (;; fmt++) {
        switch (*fmt) {
        case '-': spec->left = true; break;
        case '0': spec->zero = true; break;
        case '+': spec->plus = true; break;
        case ' ': spec->space = true; break;
        case '#': spec->alternate = true; break;
        default: return fmt;
        }
    }
}

static const char *
parse_size(const char *fmt, struct spec *spec)
{
    switch (*fmt) {
    case 'h':
        spec->size = fmt[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return fmt + (fmt[1] == 'h' ? 2 : 1);
    case 'l':
        spec->size = fmt[1] == 'l' ? SIZE_LLONG : SIZE_LONG;
        return fmt + (fmt[1] == 'l' ? 2 : 1);
    case 'j': spec->size = SIZE_INTMAX; return fmt + 1;
    case 't': spec->size = SIZE_PTRDIFF; return fmt + 1;
    case 'z': spec->size = SIZE_SIZE; return fmt + 1;
    default: return fmt;
    }
}

/* Parse the conversion behind a %; returns where the conversion's letter
 * is. */
static const char *
parse_spec(const char *fmt, struct spec *spec, struct output *out)
{
    *spec = (struct spec){ .precision = -1 };
    fmt = parse_flags(fmt, spec);

    if (*fmt == '*') {
        int width = va_arg(out->ap, int);
        if (width < 0)
            spec->left = true;
        spec->width = width < 0 ? -(unsigned)width : (unsigned)width;
        fmt++;
    } else {
        spec->width = (unsigned)parse_digits(&fmt);
    }
    if (*fmt == '.') {
        fmt++;
        if (*fmt == '*') {
            spec->precision = max(va_arg(out->ap, int), -1);
            fmt++;
        } else {
            spec->precision = parse_digits(&fmt);
        }
    }
    fmt = parse_size(fmt, spec);
    spec->conversion = *fmt;
    return fmt;
}

static int64_t
signed_argument(const struct spec *spec, struct output *out)
{
    switch (spec->size) {
    case SIZE_CHAR: return (signed char)va_arg(out->ap, int);
    case SIZE_SHORT: return (short)va_arg(out->ap, int);
    case SIZE_LONG: return va_arg(out->ap, long);
    case SIZE_LLONG: return va_arg(out->ap, long long);
    case SIZE_INTMAX: return va_arg(out->ap, intmax_t);
    case SIZE_PTRDIFF: return va_arg(out->ap, ptrdiff_t);
    case SIZE_SIZE: return va_arg(out->ap, ssize_t);
    default: return va_arg(out->ap, int);
    }
}

static uint64_t
unsigned_argument(const struct spec *spec, struct output *out)
{
    switch (spec->size) {
    case SIZE_CHAR: return (unsigned char)va_arg(out->ap, unsigned);
    case SIZE_SHORT: return (unsigned short)va_arg(out->ap, unsigned);
    case SIZE_LONG: return va_arg(out->ap, unsigned long);
    case SIZE_LLONG: return va_arg(out->ap, unsigned long long);
    case SIZE_INTMAX: return va_arg(out->ap, uintmax_t);
    case SIZE_PTRDIFF: return (uint64_t)va_arg(out->ap, ptrdiff_t);
    case SIZE_SIZE: return va_arg(out->ap, size_t);
    default: return va_arg(out->ap, unsigned);
    }
}

/* Emit a number with its prefix (a sign, 0x): blanks, prefix, zeros, digits
 * as width, precision and flags ask. */
static void
emit_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
            const char *prefix)
{
    const char *letters = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[22];            /* 2^64 - 1 in octal */
    size_t start = sizeof(digits);

    for (; value; value /= base)
        digits[--start] = letters[value % base];

    size_t ndigits = sizeof(digits) - start;
    size_t nprefix = strlen(prefix);
    size_t least = spec->precision < 0 ? 1 : (size_t)spec->precision;
    if (base == 8 && spec->alternate)
        least = max(least, ndigits + 1);

    size_t zeros = least > ndigits ? least - ndigits : 0;
    size_t used = nprefix + zeros + ndigits;
    size_t pad = spec->width > used ? spec->width - used : 0;
    if (spec->zero && !spec->left && spec->precision < 0) {
        zeros += pad;
        pad = 0;
    }

    if (!spec->left)
        emit_fill(out, ' ', pad);
    emit(out, prefix, nprefix);
    emit_fill(out, '0', zeros);
    emit(out, digits + start, ndigits);
    if (spec->left)
        emit_fill(out, ' ', pad);
}

static void
convert_signed(struct output *out, const struct spec *spec)
{
    int64_t value = signed_argument(spec, out);
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

    emit_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, sign);
}

static void
convert_hex(struct output *out, const struct spec *spec)
{
    uint64_t value = unsigned_argument(spec, out);
    const char *prefix = spec->conversion == 'X' ? "0X" : "0x";

    emit_number(out, spec, value, 16, spec->alternate && value ? prefix : "");
}

static void
convert_string(struct output *out, const struct spec *spec)
{
    const char *s = va_arg(out->ap, const char *);

    if (!s)
        s = "(null)";
    emit_field(out, spec, s,
               spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision));
}

/* Print one conversion; false, with nothing printed, if it is unknown. */
static bool
convert(struct output *out, const struct spec *spec)
{
    char c;

    switch (spec->conversion) {
    case 'd':
    case 'i': convert_signed(out, spec); return true;
    case 'u': emit_number(out, spec, unsigned_argument(spec, out), 10, ""); return true;
    case 'o': emit_number(out, spec, unsigned_argument(spec, out), 8, ""); return true;
    case 'x':
    case 'X': convert_hex(out, spec); return true;
    case 'p': emit_number(out, spec, (uintptr_t)va_arg(out->ap, void *), 16, "0x"); return true;
    case 's': convert_string(out, spec); return true;
    case 'c':
        c = (char)va_arg(out->ap, int);
        emit_field(out, spec, &c, 1);
        return true;
    case '%': emit(out, "%", 1); return true;
    default: return false;
    }
}

size_t
fmt_vprintf(fmt_sink_fn sink, void *ctx, const char *fmt, va_list ap)
{
    struct output out = { .sink = sink, .ctx = ctx };
    va_copy(out.ap, ap);

    while (*fmt) {
        const char *start = fmt;
        while (*fmt && *fmt != '%')
            fmt++;
        emit(&out, start, (size_t)(fmt - start));
        if (!*fmt)
            break;

        struct spec spec;
        start = fmt;
        fmt = parse_spec(fmt + 1, &spec, &out);
        if (*fmt)
            fmt++;
        if (!convert(&out, &spec))
            emit(&out, start, (size_t)(fmt - start));
    }
    va_end(out.ap);
    return out.total;
}

size_t
fmt_printf(fmt_sink_fn sink, void *ctx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    size_t n = fmt_vprintf(sink, ctx, fmt, ap);
    va_end(ap);
    return n;
}

struct buffer {
    char *at;
    size_t room;                /* without the NUL */
};

static void
buffer_sink(void *ctx, const char *text, size_t n)
{
    struct buffer *buffer = ctx;
    size_t fits = min(n, buffer->room);

    memcpy(buffer->at, text, fits);
    buffer->at += fits;
    buffer->room -= fits;
}

/* Format into buf; returns the whole length, and what was stored in
 * *stored. */
__printf_like(3, 0) static size_t
format_buffer(char *buf, size_t size, const char *fmt, va_list ap, size_t *stored)
{
    struct buffer buffer = { .at = buf, .room = size ? size - 1 : 0 };
    size_t n = fmt_vprintf(buffer_sink, &buffer, fmt, ap);

    *stored = (size_t)(buffer.at - buf);
    if (size)
        *buffer.at = '\0';
    return n;
}

#ifndef QUIRE_HOST

int
vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    size_t stored;
    return (int)format_buffer(buf, size, fmt, ap, &stored);
}

int
snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

#endif

int
vscnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    size_t stored;
    format_buffer(buf, size, fmt, ap, &stored);
    return (int)stored;
}

int
scnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vscnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
