/*
 * A terminal's settings: termios, the window size, and the ioctls that act on
 * its queues (flush, drain, stop, count).
 *
 * Three forms of the settings are in use: struct termio (System V), struct
 * termios, and struct termios2 with speeds as numbers. All are read over and
 * written from the one ktermios.
 */
#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/signal.h>
#include <linux/tty.h>
#include "dev/ldisc.h"
#include "dev/tty.h"
#include "lib/string.h"
#include "vfs/cred.h"
#include "vm/usercopy.h"

/* How a change of settings is made: at once, after output is sent, and with input dropped. */
#define AFTER_OUTPUT BIT(0)
#define DROP_INPUT BIT(1)

/* Speeds of CBAUD's codes, without and with CBAUDEX (asm-generic/termbits.h). */
static const uint32_t speeds[2][16] = {
    {0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400},
    {0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
     2500000, 3000000, 3500000, 4000000},
};

static uint32_t
speed_of(uint32_t code)
{
    return speeds[(code & CBAUDEX) != 0][code & 0xf];
}

/* Derive the speeds from the codes in c_cflag, unless they are given as numbers (BOTHER). */
static void
update_speeds(struct ktermios *t)
{
    uint32_t out = t->c_cflag & CBAUD, in = (t->c_cflag >> IBSHIFT) & CBAUD;
    if (out != BOTHER)
        t->c_ospeed = speed_of(out);
    if (in == B0)
        t->c_ispeed = t->c_ospeed;
    else if (in != BOTHER)
        t->c_ispeed = speed_of(in);
}

/* Put new settings in place. Lock not held. */
static int
apply(struct tty *tty, struct ktermios *new, unsigned how)
{
    if (how & AFTER_OUTPUT) {
        int error = tty_wait_sent(tty);
        if (error)
            return error;
    }
    update_speeds(new);
    SCOPED_SPIN(&tty->lock);
    if (how & DROP_INPUT)
        ldisc_flush_input(tty);
    struct ktermios old = tty->termios;
    tty->termios = *new;
    ldisc_settings_changed(tty, &old);
    return 0;
}

static struct ktermios
settings(struct tty *tty)
{
    SCOPED_SPIN(&tty->lock);
    return tty->termios;
}

/* TCSETS and TCSETS2: the user's structure is the first `size` bytes of a ktermios. */
static int
set_termios(struct tty *tty, uint64_t arg, size_t size, unsigned how)
{
    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error;
    struct ktermios new = settings(tty);
    if (copyin(&new, arg, size))
        return -EFAULT;
    return apply(tty, &new, how);
}

static int
get_termios(struct tty *tty, uint64_t arg, size_t size)
{
    struct ktermios now = settings(tty);
    return copyout(arg, &now, size);
}

/* TCSETA: System V's structure holds the lower halves of the flags and the first letters. */
static int
set_termio(struct tty *tty, uint64_t arg, unsigned how)
{
    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error;
    struct termio old_form;
    if (copyin(&old_form, arg, sizeof(old_form)))
        return -EFAULT;
    struct ktermios new = settings(tty);
    new.c_iflag = (new.c_iflag & 0xffff0000) | old_form.c_iflag;
    new.c_oflag = (new.c_oflag & 0xffff0000) | old_form.c_oflag;
    new.c_cflag = (new.c_cflag & 0xffff0000) | old_form.c_cflag;
    new.c_lflag = (new.c_lflag & 0xffff0000) | old_form.c_lflag;
    memcpy(new.c_cc, old_form.c_cc, NCC);
    return apply(tty, &new, how);
}

static int
get_termio(struct tty *tty, uint64_t arg)
{
    struct ktermios now = settings(tty);
    struct termio old_form;
    memset(&old_form, 0, sizeof(old_form));
    old_form.c_iflag = now.c_iflag;
    old_form.c_oflag = now.c_oflag;
    old_form.c_cflag = now.c_cflag;
    old_form.c_lflag = now.c_lflag;
    memcpy(old_form.c_cc, now.c_cc, NCC);
    return copyout(arg, &old_form, sizeof(old_form));
}

static int
set_window(struct tty *tty, uint64_t arg)
{
    struct winsize size;
    if (copyin(&size, arg, sizeof(size)))
        return -EFAULT;
    spin_lock(&tty->lock);
    bool changed = memcmp(&size, &tty->winsize, sizeof(size)) != 0;
    tty->winsize = size;
    uint64_t group = tty->pgrp;
    spin_unlock(&tty->lock);
    if (changed && group)
        tty_job_ops.signal_group(group, SIGWINCH);
    return 0;
}

static int
get_window(struct tty *tty, uint64_t arg)
{
    spin_lock(&tty->lock);
    struct winsize size = tty->winsize;
    spin_unlock(&tty->lock);
    return copyout(arg, &size, sizeof(size));
}

int64_t
termios_ioctl(struct tty *tty, uint32_t command, uint64_t arg)
{
    switch (command) {
    case TCGETS:
        return get_termios(tty, arg, sizeof(struct termios));
    case TCGETS2:
        return get_termios(tty, arg, sizeof(struct termios2));
    case TCGETA:
        return get_termio(tty, arg);
    case TCSETS:
        return set_termios(tty, arg, sizeof(struct termios), 0);
    case TCSETSW:
        return set_termios(tty, arg, sizeof(struct termios), AFTER_OUTPUT);
    case TCSETSF:
        return set_termios(tty, arg, sizeof(struct termios), AFTER_OUTPUT | DROP_INPUT);
    case TCSETS2:
        return set_termios(tty, arg, sizeof(struct termios2), 0);
    case TCSETSW2:
        return set_termios(tty, arg, sizeof(struct termios2), AFTER_OUTPUT);
    case TCSETSF2:
        return set_termios(tty, arg, sizeof(struct termios2), AFTER_OUTPUT | DROP_INPUT);
    case TCSETA:
        return set_termio(tty, arg, 0);
    case TCSETAW:
        return set_termio(tty, arg, AFTER_OUTPUT);
    case TCSETAF:
        return set_termio(tty, arg, AFTER_OUTPUT | DROP_INPUT);
    case TIOCGWINSZ:
        return get_window(tty, arg);
    case TIOCSWINSZ:
        return set_window(tty, arg);
    }
    return -ENOIOCTLCMD;
}

/* Queues. */

/* TCFLSH: drop input, output or both. */
static int
flush(struct tty *tty, uint64_t which)
{
    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error;
    if (which > TCIOFLUSH)
        return -EINVAL;
    SCOPED_SPIN(&tty->lock);
    if (which != TCOFLUSH)
        ldisc_flush_input(tty);
    if (which != TCIFLUSH) {
        tty->driver->discard(tty);
        wake_key(&tty->writers, POLLOUT | POLLWRNORM);
    }
    return 0;
}

/* TCXONC: stop or resume output, or send the other side the character that does. */
static int
flow(struct tty *tty, uint64_t what)
{
    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error;
    SCOPED_SPIN(&tty->lock);
    switch (what) {
    case TCOOFF:
    case TCOON:
        ldisc_stop_output(tty, what == TCOOFF);
        wake_key(&tty->writers, POLLOUT | POLLWRNORM);
        return 0;
    case TCIOFF:
    case TCION: {
        uint8_t c = tty->termios.c_cc[what == TCIOFF ? VSTOP : VSTART];
        if (c) {
            ring_put(&tty->output, c);
            tty->driver->start(tty);
        }
        return 0;
    }
    }
    return -EINVAL;
}

/* Wait until all output is sent (TCSBRK with an argument; a break itself cannot be seen here). */
static int
drain(struct tty *tty)
{
    int error = tty_job_check(tty, SIGTTOU);
    return error ? error : tty_wait_sent(tty);
}

/* TIOCSTI: as if the character had been typed. A user may not, on no terminal. */
static int
type_character(struct tty *tty, uint64_t arg)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EIO;
    uint8_t c;
    if (copyin(&c, arg, 1))
        return -EFAULT;
    tty_input(tty, &c, 1);
    return 0;
}

static uint32_t
count_input(struct tty *tty)
{
    SCOPED_SPIN(&tty->lock);
    if (!(tty->termios.c_lflag & ICANON))
        return tty->head - tty->tail;
    /* An end of file is in the buffer, but is not a byte to be read. */
    uint32_t count = 0;
    for (uint32_t at = tty->tail; at != tty->line_head; at++) {
        uint32_t slot = at % TTY_LINE_SIZE;
        count += !(bitmap_test(tty->delimiter, slot) && tty->line[slot] == 0);
    }
    return count;
}

static uint32_t
count_output(struct tty *tty)
{
    SCOPED_SPIN(&tty->lock);
    return ring_count(&tty->output) + (tty->driver->in_flight ? tty->driver->in_flight(tty) : 0);
}

static int
set_discipline(uint64_t arg)
{
    uint32_t number;
    if (get_user32(&number, arg))
        return -EFAULT;
    return number == N_TTY ? 0 : -EINVAL;
}

static int
set_exclusive(struct tty *tty, bool on)
{
    SCOPED_SPIN(&tty->lock);
    tty->exclusive = on;
    return 0;
}

/* CLOCAL as a call of its own (BSD). */
static int
set_carrier(struct tty *tty, uint64_t arg)
{
    uint32_t on;
    if (get_user32(&on, arg))
        return -EFAULT;
    SCOPED_SPIN(&tty->lock);
    tty->termios.c_cflag = (tty->termios.c_cflag & ~(uint32_t)CLOCAL) | (on ? CLOCAL : 0);
    return 0;
}

int64_t
tty_queue_ioctl(struct tty *tty, uint32_t command, uint64_t arg)
{
    switch (command) {
    case TCFLSH:
        return flush(tty, arg);
    case TCXONC:
        return flow(tty, arg);
    case TCSBRK:
    case TCSBRKP:
        return drain(tty);
    case TIOCSTI:
        return type_character(tty, arg);
    case FIONREAD: /* TIOCINQ too */
        return put_user32(arg, count_input(tty));
    case TIOCOUTQ:
        return put_user32(arg, count_output(tty));
    case TIOCGETD:
        return put_user32(arg, N_TTY);
    case TIOCSETD:
        return set_discipline(arg);
    case TIOCEXCL:
        return set_exclusive(tty, true);
    case TIOCNXCL:
        return set_exclusive(tty, false);
    case TIOCGEXCL:
        return put_user32(arg, tty->exclusive);
    case TIOCGSOFTCAR:
        return put_user32(arg, (tty->termios.c_cflag & CLOCAL) != 0);
    case TIOCSSOFTCAR:
        return set_carrier(tty, arg);
    case TIOCMGET: /* a line that is always there */
        return put_user32(arg, TIOCM_DTR | TIOCM_RTS | TIOCM_CTS | TIOCM_CAR | TIOCM_DSR);
    case TIOCGDEV:
        return put_user32(arg, (uint32_t)tty->rdev);
    }
    return -ENOIOCTLCMD;
}
