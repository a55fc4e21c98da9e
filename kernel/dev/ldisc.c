/*
 * The line discipline: what a terminal does between the keys and the program.
 *
 * Input. Each character that arrives is translated (ICRNL and its kin), then
 * looked at in this order: flow control (^S ^Q), signals (^C ^\ ^Z), and, in
 * canonical mode, line editing. What is none of these goes into the line
 * buffer and, with ECHO, to the screen. The buffer is
 *
 *      tail ......... line_head ......... head
 *        whole lines            the line being edited
 *
 * and readers see only whole lines; in raw mode they see everything.
 *
 * Erasing must know how many columns a character took on the screen: one, two
 * (^X for a control character), none (a UTF-8 continuation byte), or a tab's,
 * for which the line is measured again from its first column.
 *
 * All of it runs with tty->lock held, mostly in an interrupt handler. What
 * becomes of output is in opost.c.
 */
#include "dev/ldisc.h"
#include "lib/string.h"
#include "vfs/file.h"

/* What ^W takes for part of a word. */
static inline bool
is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* True if c is the control character of that index, which is not switched off (0). */
static inline bool
is_key(const struct tty *tty, unsigned index, uint8_t c)
{
    return c && tty->termios.c_cc[index] == c;
}

static inline uint8_t
line_at(const struct tty *tty, uint32_t position)
{
    return tty->line[position % TTY_LINE_SIZE];
}

void
ldisc_stop_output(struct tty *tty, bool stop)
{
    if (tty->stopped == stop)
        return;
    tty->stopped = stop;
    if (!stop)
        tty->driver->start(tty);
}

/* Echo. */

/* Echo one character so that a control character shows as ^X. */
static void
echo_char(struct tty *tty, uint8_t c)
{
    if (LFLAG(tty, ECHOCTL) && is_control(c) && c != '\t') {
        opost_echo_moving(tty, '^', 1);
        opost_echo_moving(tty, c ^ 0100, 1);
    } else {
        opost_echo(tty, c);
    }
}

static void
echo_string(struct tty *tty, const char *s)
{
    while (*s)
        opost_echo(tty, (uint8_t)*s++);
}

/* ECHOPRT shows erased characters between \ and /; close the pair. */
static void
end_erasing(struct tty *tty)
{
    if (tty->erasing) {
        opost_echo(tty, '/');
        tty->erasing = false;
    }
}

/* Echo a character of the line that is being typed. */
static void
echo_typed(struct tty *tty, uint8_t c)
{
    if (tty->head == tty->line_head)
        tty->line_column = tty->column;
    echo_char(tty, c);
}

/* The line buffer. */

/* Put a character at the end; false if the buffer is full. The last slot is for a line's end. */
static bool
line_put(struct tty *tty, uint8_t c, bool delimiter)
{
    uint32_t count = tty->head - tty->tail;
    if (count >= TTY_LINE_SIZE - (delimiter ? 0U : 1U))
        return false;
    uint32_t slot = tty->head++ % TTY_LINE_SIZE;
    tty->line[slot] = c;
    if (delimiter)
        bitmap_set(tty->delimiter, slot);
    else
        bitmap_clear(tty->delimiter, slot);
    return true;
}

void
ldisc_flush_input(struct tty *tty)
{
    tty->tail = tty->line_head = tty->head;
    tty->literal_next = tty->erasing = false;
    if (tty->throttled) {
        tty->throttled = false;
        tty->driver->unthrottle(tty);
    }
}

uint32_t
ldisc_room(const struct tty *tty)
{
    uint32_t count = tty->head - tty->tail;
    uint32_t room = count < TTY_LINE_SIZE - 1 ? TTY_LINE_SIZE - 1 - count : 0;
    /* A line too long to end must still be editable: what does not fit is dropped with a bell. */
    if (LFLAG(tty, ICANON) && tty->line_head == tty->tail && !room)
        room = 1;
    return room;
}

uint32_t
ldisc_readable(const struct tty *tty, bool for_poll)
{
    if (LFLAG(tty, ICANON))
        return tty->line_head - tty->tail;
    uint32_t count = tty->head - tty->tail;
    uint32_t wanted = 1;
    if (for_poll && !tty->termios.c_cc[VTIME] && tty->termios.c_cc[VMIN])
        wanted = tty->termios.c_cc[VMIN];
    return count >= wanted ? count : 0;
}

static inline bool
ends_line(const struct tty *tty, uint32_t position)
{
    return bitmap_test(tty->delimiter, position % TTY_LINE_SIZE);
}

/*
 * The length of the first line's text, at most n; *found: its end is right behind, and can be
 * taken, too. An end of file needs no room.
 */
static uint32_t
first_line(const struct tty *tty, uint32_t n, bool *found)
{
    uint32_t available = tty->line_head - tty->tail;
    uint32_t length = 0;
    while (length < available && length < n && !ends_line(tty, tty->tail + length))
        length++;
    *found = length < available && ends_line(tty, tty->tail + length) &&
             (length < n || line_at(tty, tty->tail + length) == 0);
    return length;
}

size_t
ldisc_take(struct tty *tty, uint8_t *buf, size_t n, bool *ended)
{
    uint32_t count = min(n, (size_t)TTY_LINE_SIZE);
    uint32_t skip = 0;
    *ended = false;
    if (LFLAG(tty, ICANON)) {
        count = first_line(tty, count, ended);
        if (*ended && line_at(tty, tty->tail + count) == 0)
            skip = 1; /* an end of file is taken, but not shown */
        else if (*ended)
            count++;
    } else {
        count = min(count, tty->head - tty->tail);
    }

    uint32_t at = tty->tail % TTY_LINE_SIZE;
    uint32_t first = min(count, TTY_LINE_SIZE - at);
    memcpy(buf, tty->line + at, first);
    memcpy(buf + first, tty->line, count - first);
    tty->tail += count + skip;
    if (!LFLAG(tty, ICANON))
        tty->line_head = tty->tail;
    if (tty->throttled && ldisc_room(tty)) {
        tty->throttled = false;
        tty->driver->unthrottle(tty);
    }
    return count;
}

void
ldisc_settings_changed(struct tty *tty, const struct ktermios *old)
{
    if ((old->c_lflag ^ tty->termios.c_lflag) & ICANON) {
        bitmap_zero(tty->delimiter, TTY_LINE_SIZE);
        tty->line_head = tty->tail;
        if (LFLAG(tty, ICANON) && tty->head != tty->tail) {
            /* What came in raw mode is now one line, ready to be read. */
            tty->line_head = tty->head;
            bitmap_set(tty->delimiter, (tty->head - 1) % TTY_LINE_SIZE);
        }
        tty->literal_next = tty->erasing = false;
        wake_key(&tty->readers, POLLIN | POLLRDNORM);
    }
    if (!IFLAG(tty, IXON) && (old->c_iflag & IXON))
        ldisc_stop_output(tty, false);
}

/* Line editing. */

/*
 * The column of position `end`, counted from where a tab may stop: looked for no further back
 * than the last tab, for a line may be full of them.
 */
static uint32_t
column_of(const struct tty *tty, uint32_t end)
{
    uint32_t at = end;
    while (at != tty->line_head && line_at(tty, at - 1) != '\t')
        at--;
    uint32_t column = at == tty->line_head ? tty->line_column : 0;
    for (; at != end; at++) {
        uint8_t c = line_at(tty, at);
        if (is_control(c))
            column += LFLAG(tty, ECHOCTL) ? 2 : 0;
        else if (!is_continuation(tty, c))
            column++;
    }
    return column;
}

/* Show that the character c of `nbytes` bytes, which was last in the line, is gone. */
static void
echo_erased(struct tty *tty, uint8_t c, uint32_t nbytes, bool one)
{
    if (LFLAG(tty, ECHOPRT)) {
        if (!tty->erasing)
            opost_echo(tty, '\\');
        tty->erasing = true;
        echo_char(tty, c);
        for (uint32_t i = 1; i < nbytes; i++)
            opost_echo(tty, line_at(tty, tty->head + i));
    } else if (one && !LFLAG(tty, ECHOE)) {
        echo_char(tty, tty->termios.c_cc[VERASE]);
    } else if (c == '\t') {
        uint32_t start = column_of(tty, tty->head);
        for (uint32_t column = (start | 7) + 1; column > start; column--)
            opost_echo_moving(tty, '\b', -1);
    } else if (!is_control(c)) {
        echo_string(tty, "\b \b");
    } else if (LFLAG(tty, ECHOCTL)) {
        echo_string(tty, "\b \b\b \b");
    }
}

/* Take the last character off the line. Its first byte is in *c; false: none, or half a one. */
static bool
line_erase_one(struct tty *tty, uint8_t *c, uint32_t *nbytes)
{
    uint32_t at = tty->head;
    do {
        if (at == tty->line_head)
            return false;
        *c = line_at(tty, --at);
    } while (is_continuation(tty, *c));
    *nbytes = tty->head - at;
    tty->head = at;
    return true;
}

/* Forget the whole line; show it as the settings ask. */
static void
line_kill(struct tty *tty)
{
    if (tty->head == tty->line_head)
        return;
    if (LFLAG(tty, ECHO) && LFLAG(tty, ECHOK) && LFLAG(tty, ECHOKE) && LFLAG(tty, ECHOE)) {
        uint8_t c;
        uint32_t nbytes;
        while (line_erase_one(tty, &c, &nbytes))
            echo_erased(tty, c, nbytes, false);
        end_erasing(tty);
        return;
    }
    tty->head = tty->line_head;
    if (LFLAG(tty, ECHO)) {
        end_erasing(tty);
        echo_char(tty, tty->termios.c_cc[VKILL]);
        if (LFLAG(tty, ECHOK))
            opost_echo(tty, '\n');
    }
}

/* Take off the last word, and what follows it. */
static void
line_erase_word(struct tty *tty)
{
    bool in_word = false;
    while (tty->head != tty->line_head) {
        uint32_t before = tty->head, nbytes;
        uint8_t c;
        if (!line_erase_one(tty, &c, &nbytes))
            break;
        if (is_word(c)) {
            in_word = true;
        } else if (in_word) {
            tty->head = before;
            break;
        }
        if (LFLAG(tty, ECHO))
            echo_erased(tty, c, nbytes, false);
    }
    if (tty->head == tty->line_head && LFLAG(tty, ECHO))
        end_erasing(tty);
}

static void
line_erase(struct tty *tty)
{
    uint8_t c;
    uint32_t nbytes;
    if (!line_erase_one(tty, &c, &nbytes))
        return;
    if (LFLAG(tty, ECHO)) {
        echo_erased(tty, c, nbytes, true);
        if (tty->head == tty->line_head)
            end_erasing(tty);
    }
}

static void
line_reprint(struct tty *tty, uint8_t key)
{
    end_erasing(tty);
    echo_char(tty, key);
    opost_echo(tty, '\n');
    for (uint32_t at = tty->line_head; at != tty->head; at++)
        echo_char(tty, line_at(tty, at));
}

/* The line is complete: readers may have it. */
static void
line_end(struct tty *tty, uint8_t c)
{
    if (!line_put(tty, c, true))
        return;
    tty->line_head = tty->head;
    wake_key(&tty->readers, POLLIN | POLLRDNORM);
}

/* Input. */

/* Editing in canonical mode; true if the character was a key and is done with. */
static bool
edit_key(struct tty *tty, uint8_t c)
{
    bool extended = LFLAG(tty, IEXTEN);
    if (is_key(tty, VERASE, c)) {
        line_erase(tty);
    } else if (is_key(tty, VKILL, c)) {
        line_kill(tty);
    } else if (extended && is_key(tty, VWERASE, c)) {
        line_erase_word(tty);
    } else if (extended && is_key(tty, VLNEXT, c)) {
        tty->literal_next = true;
        if (LFLAG(tty, ECHO)) {
            end_erasing(tty);
            if (LFLAG(tty, ECHOCTL))
                echo_string(tty, "^\b");
        }
    } else if (extended && LFLAG(tty, ECHO) && is_key(tty, VREPRINT, c)) {
        line_reprint(tty, c);
    } else if (c == '\n') {
        if (LFLAG(tty, ECHO | ECHONL))
            opost_echo(tty, '\n');
        line_end(tty, c);
    } else if (is_key(tty, VEOF, c)) {
        line_end(tty, 0);
    } else if (is_key(tty, VEOL, c) || (extended && is_key(tty, VEOL2, c))) {
        if (LFLAG(tty, ECHO))
            echo_typed(tty, c);
        line_end(tty, c);
    } else {
        return false;
    }
    return true;
}

/* A character that is itself; `newline`: the return key, as ICRNL has it. */
static void
input_plain(struct tty *tty, uint8_t c, bool newline)
{
    bool doubled = c == 0377 && IFLAG(tty, PARMRK);
    uint32_t room = TTY_LINE_SIZE - 1 - min(tty->head - tty->tail, (uint32_t)TTY_LINE_SIZE - 1);
    if (room < 1U + doubled) {
        if (IFLAG(tty, IMAXBEL))
            opost_echo(tty, '\a');
        return;
    }
    if (LFLAG(tty, ECHO)) {
        end_erasing(tty);
        if (newline)
            opost_echo(tty, '\n');
        else
            echo_typed(tty, c);
    }
    if (doubled)
        line_put(tty, c, false);
    line_put(tty, c, false);
}

/* ^C, ^\ and ^Z: note the signal, and flush unless NOFLSH. */
static bool
signal_key(struct tty *tty, uint8_t c, uint32_t *signals)
{
    if (is_key(tty, VINTR, c))
        *signals |= LDISC_INTERRUPT;
    else if (is_key(tty, VQUIT, c))
        *signals |= LDISC_QUIT;
    else if (is_key(tty, VSUSP, c))
        *signals |= LDISC_STOP;
    else
        return false;

    if (!LFLAG(tty, NOFLSH)) {
        tty->driver->discard(tty);
        ldisc_flush_input(tty);
    }
    if (IFLAG(tty, IXON))
        ldisc_stop_output(tty, false);
    if (LFLAG(tty, ECHO))
        echo_char(tty, c);
    return true;
}

void
ldisc_input(struct tty *tty, uint8_t c, uint32_t *signals)
{
    if (IFLAG(tty, ISTRIP))
        c &= 0x7f;
    if (IFLAG(tty, IUCLC) && LFLAG(tty, IEXTEN))
        c = to_lower(c);
    if (tty->literal_next) {
        tty->literal_next = false;
        input_plain(tty, c, false);
        return;
    }
    if (IFLAG(tty, IXON) && (is_key(tty, VSTART, c) || is_key(tty, VSTOP, c))) {
        ldisc_stop_output(tty, !is_key(tty, VSTART, c));
        return;
    }
    if (LFLAG(tty, ISIG) && signal_key(tty, c, signals))
        return;
    if (tty->stopped && IFLAG(tty, IXON) && IFLAG(tty, IXANY))
        ldisc_stop_output(tty, false);

    if (c == '\r' && IFLAG(tty, IGNCR))
        return;
    bool newline = c == '\r' && IFLAG(tty, ICRNL);
    if (newline)
        c = '\n';
    else if (c == '\n' && IFLAG(tty, INLCR))
        c = '\r';
    if (LFLAG(tty, ICANON) && edit_key(tty, c))
        return;
    input_plain(tty, c, newline);
}

void
ldisc_input_break(struct tty *tty, uint32_t *signals)
{
    if (IFLAG(tty, IGNBRK))
        return;
    if (IFLAG(tty, BRKINT)) {
        *signals |= LDISC_INTERRUPT;
        if (!LFLAG(tty, NOFLSH))
            ldisc_flush_input(tty);
        return;
    }
    if (IFLAG(tty, PARMRK)) {
        line_put(tty, 0377, false);
        line_put(tty, 0, false);
    }
    line_put(tty, 0, false);
}
