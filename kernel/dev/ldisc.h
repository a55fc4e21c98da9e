/*
 * The line discipline, as tty.c and termios.c call it. All with tty->lock
 * held.
 */
#ifndef QUIRE_DEV_LDISC_H
#define QUIRE_DEV_LDISC_H

#include "dev/tty.h"

/*
 * A character (a break) arrived. Signals that the foreground group must be
 * sent, once the lock is let go, are added to *signals.
 */
#define LDISC_INTERRUPT BIT(0) /* SIGINT */
#define LDISC_QUIT BIT(1)      /* SIGQUIT */
#define LDISC_STOP BIT(2)      /* SIGTSTP */
void ldisc_input(struct tty *tty, uint8_t c, uint32_t *signals);
void ldisc_input_break(struct tty *tty, uint32_t *signals);
/* Characters that the line buffer takes now. */
uint32_t ldisc_room(const struct tty *tty);
/* Bytes that a read would get now; for_poll: 0 if they are fewer than VMIN asks for. */
uint32_t ldisc_readable(const struct tty *tty, bool for_poll);
/*
 * Take up to n bytes (canonical mode: of one line) into buf. *ended: a whole
 * line was taken, or an end of file found, so that 0 means the end.
 */
size_t ldisc_take(struct tty *tty, uint8_t *buf, size_t n, bool *ended);
void ldisc_flush_input(struct tty *tty);
/* Settings changed from `old` to tty->termios. */
void ldisc_settings_changed(struct tty *tty, const struct ktermios *old);
/* Stop or resume output, as ^S and ^Q do. */
void ldisc_stop_output(struct tty *tty, bool stop);

/* opost.c: append output; returns how many bytes of text were taken (the rest found no room). */
size_t opost_write(struct tty *tty, const uint8_t *text, size_t n);
/* Append one character of echo, or drop it if the ring is full. */
void opost_echo(struct tty *tty, uint8_t c);
/* The same with no processing; the cursor's column moves by -1, 0 or 1, also without OPOST. */
void opost_echo_moving(struct tty *tty, uint8_t c, int columns);

#define IFLAG(tty, flag) ((tty)->termios.c_iflag & (flag))
#define OFLAG(tty, flag) ((tty)->termios.c_oflag & (flag))
#define LFLAG(tty, flag) ((tty)->termios.c_lflag & (flag))

static inline bool
is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

/* Latin-1, as Linux's tables have it (0xd7 and 0xf7 are no letters). */
static inline uint8_t
to_lower(uint8_t c)
{
    bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
    return upper ? c + 0x20 : c;
}

static inline uint8_t
to_upper(uint8_t c)
{
    bool lower = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);
    return lower ? c - 0x20 : c;
}

/* The second or a later byte of a UTF-8 character. */
static inline bool
is_continuation(const struct tty *tty, uint8_t c)
{
    return IFLAG(tty, IUTF8) && (c & 0xc0) == 0x80;
}

#endif
