/*
 * Output processing: what becomes of a program's text on its way to a
 * terminal's output ring.
 *
 * With OPOST, runs of ordinary characters are copied as they are, and the
 * control characters that move the cursor are translated one by one. The
 * cursor's column is followed, for tabs and for the erasing of them. Echoes
 * take the same way, and may use a reserve of the ring that writers leave, so
 * that a program that floods the screen does not swallow what is typed.
 *
 * tty->lock is held throughout.
 */
#include "dev/ldisc.h"

/* Bytes that may be put into the ring: writers leave a reserve that echoes may use. */
static inline uint32_t
output_room(const struct tty *tty, bool echo)
{
    uint32_t space = ring_space(&tty->output);
    if (echo)
        return space;
    return space > TTY_ECHO_RESERVE ? space - TTY_ECHO_RESERVE : 0;
}

/*
 * Put one character through OPOST. False if there is no room for what it
 * becomes; then nothing has changed.
 */
static bool
output_char(struct tty *tty, uint8_t c, bool echo)
{
    uint32_t room = output_room(tty, echo);
    if (room < 8) /* a tab as spaces, the longest that comes of one character */
        return false;
    if (!OFLAG(tty, OPOST)) {
        ring_put(&tty->output, c);
        return true;
    }
    switch (c) {
    case '\n':
        if (OFLAG(tty, ONLCR))
            ring_put(&tty->output, '\r');
        if (OFLAG(tty, ONLCR | ONLRET))
            tty->column = 0;
        tty->line_column = tty->column;
        break;
    case '\r':
        if (OFLAG(tty, ONOCR) && tty->column == 0)
            return true;
        if (OFLAG(tty, OCRNL))
            c = '\n';
        if (c == '\r' || OFLAG(tty, ONLRET))
            tty->column = tty->line_column = 0;
        break;
    case '\t': {
        uint32_t width = 8 - (tty->column & 7);
        tty->column += width;
        if (OFLAG(tty, TABDLY) == XTABS) {
            ring_write(&tty->output, "        ", width);
            return true;
        }
        break;
    }
    case '\b':
        if (tty->column)
            tty->column--;
        break;
    default:
        if (is_control(c))
            break;
        if (OFLAG(tty, OLCUC))
            c = to_upper(c);
        if (!is_continuation(tty, c))
            tty->column++;
    }
    ring_put(&tty->output, c);
    return true;
}

/* How many characters from text on can be copied as they are. */
static size_t
plain_run(const struct tty *tty, const uint8_t *text, size_t n)
{
    if (OFLAG(tty, OLCUC))
        return 0;
    size_t run = 0;
    while (run < n && !is_control(text[run]))
        run++;
    return run;
}

size_t
opost_write(struct tty *tty, const uint8_t *text, size_t n)
{
    if (!OFLAG(tty, OPOST))
        return ring_write(&tty->output, text, min(n, (size_t)output_room(tty, false)));

    size_t done = 0;
    while (done < n) {
        size_t run = plain_run(tty, text + done, n - done);
        if (run) {
            run = ring_write(&tty->output, text + done, min(run, (size_t)output_room(tty, false)));
            if (!run)
                break;
            for (size_t i = 0; i < run; i++)
                tty->column += !is_continuation(tty, text[done + i]);
            done += run;
        } else {
            if (!output_char(tty, text[done], false))
                break;
            done++;
        }
    }
    return done;
}

void
opost_echo(struct tty *tty, uint8_t c)
{
    output_char(tty, c, true);
}

void
opost_echo_moving(struct tty *tty, uint8_t c, int columns)
{
    if (output_room(tty, true) == 0)
        return;
    ring_put(&tty->output, c);
    tty->column = columns < 0 && tty->column == 0 ? 0 : tty->column + (uint32_t)columns;
}
