/*
 * The line discipline against another one: the host's own, behind a
 * pseudo-terminal. Both get the same settings, keys and program output; what
 * appears on the screen and what a program reads must be the same.
 *
 * Signals are left out (the host's would come to us), and so is flushing,
 * whose outcome depends on how far the host has got.
 */
#include "host.h"

#include <asm/ioctls.h>
#include "dev/ldisc.h"

/* The C library's headers for these clash with the UAPI's. */
int open(const char *path, int flags, ...);
int ioctl(int fd, unsigned long request, ...);

#define SCREEN_MAX 65536

/* Stand-ins for what the line discipline calls. */

static uint8_t screen[SCREEN_MAX];
static size_t screen_length;

static void
driver_start(struct tty *tty)
{
    if (!tty->stopped)
        screen_length += ring_read(&tty->output, screen + screen_length, SCREEN_MAX - screen_length);
}

static void
driver_discard(struct tty *tty)
{
    ring_clear(&tty->output);
}

static void
driver_unthrottle(struct tty *tty)
{
}

static const struct tty_driver driver = {
    .start = driver_start, .discard = driver_discard, .unthrottle = driver_unthrottle};

void
wake_key(struct waitq *queue, uint64_t key)
{
}

static struct tty *
make_tty(void)
{
    static uint8_t output[TTY_OUTPUT_SIZE];
    static struct tty tty;
    memset(&tty, 0, sizeof(tty));
    tty.driver = &driver;
    ring_init(&tty.output, output, sizeof(output));
    screen_length = 0;
    return &tty;
}

/* The host's terminal. */

struct pty {
    int master, slave;
};

static struct pty
make_pty(void)
{
    struct pty pty;
    int zero = 0;
    char name[32];
    unsigned number;
    pty.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (pty.master < 0)
        skip(); /* a host without pseudo-terminals */
    assert_int_equal(ioctl(pty.master, TIOCSPTLCK, &zero), 0);
    assert_int_equal(ioctl(pty.master, TIOCGPTN, &number), 0);
    snprintf(name, sizeof(name), "/dev/pts/%u", number);
    pty.slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(pty.slave >= 0);
    return pty;
}

static void
close_pty(struct pty *pty)
{
    close(pty->master);
    close(pty->slave);
}

/*
 * Read what comes: until `wanted` bytes are in buf, which the host may take a
 * while over, and then what more there is.
 */
static size_t
read_all(int fd, uint8_t *buf, size_t n, size_t wanted)
{
    for (int tries = 0; tries < (n < wanted ? 2000 : 3); tries++) {
        ssize_t got = read(fd, buf + n, SCREEN_MAX - n);
        n += got > 0 ? (size_t)got : 0;
        if (got <= 0)
            usleep(500);
    }
    return n;
}

/* Random settings and input. */

static uint32_t
pick(struct prng *rng, const uint32_t *flags, size_t n)
{
    uint32_t set = 0;
    for (size_t i = 0; i < n; i++)
        set |= prng_below(rng, 2) ? flags[i] : 0;
    return set;
}

static struct ktermios
random_settings(struct prng *rng, bool canonical)
{
    static const uint32_t iflags[] = {ICRNL, INLCR, IGNCR, ISTRIP, IUCLC, IUTF8, PARMRK};
    static const uint32_t oflags[] = {ONLCR, OCRNL, ONOCR, ONLRET, OLCUC, XTABS};
    static const uint32_t lflags[] = {ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, IEXTEN};
    struct ktermios t = {
        .c_iflag = pick(rng, iflags, ARRAY_SIZE(iflags)),
        .c_oflag = pick(rng, oflags, ARRAY_SIZE(oflags)) | (prng_below(rng, 4) ? OPOST : 0),
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = pick(rng, lflags, ARRAY_SIZE(lflags)) | (prng_below(rng, 8) ? ECHO : 0) |
                   (prng_below(rng, 4) ? ECHOCTL : 0) | (canonical ? ICANON : 0),
        .c_cc = {[VERASE] = 0x7f, [VKILL] = 'U' - '@', [VEOF] = 'D' - '@', [VMIN] = 1,
                 [VSTART] = 'Q' - '@', [VSTOP] = 'S' - '@', [VREPRINT] = 'R' - '@',
                 [VWERASE] = 'W' - '@', [VLNEXT] = 'V' - '@', [VEOL] = '!'},
    };
    /* Linux miscounts columns where ECHOPRT shows an erased character of several bytes. */
    if (t.c_lflag & ECHOPRT)
        t.c_iflag &= ~(uint32_t)IUTF8;
    return t;
}

static uint8_t
random_key(struct prng *rng)
{
    static const uint8_t keys[] = {0x7f, 0x7f, 0x7f, 'U' - '@', 'W' - '@', 'V' - '@', 'R' - '@',
                                   '\t', '\t', '\r', '\n', ' ', ' ', 'D' - '@', '!', 1, 0x1b};
    switch (prng_below(rng, 8)) {
    case 0:
        return keys[prng_below(rng, sizeof(keys))];
    case 1:
        return (uint8_t)prng_below(rng, 255); /* Linux echoes 255 without OPOST */
    default:
        return (uint8_t)("abcXYZ_.09"[prng_below(rng, 10)]);
    }
}

static void
apply(struct tty *tty, struct pty *pty, const struct ktermios *settings)
{
    struct ktermios old = tty->termios;
    tty->termios = *settings;
    ldisc_settings_changed(tty, &old);
    struct termios theirs = {
        .c_iflag = settings->c_iflag, .c_oflag = settings->c_oflag,
        .c_cflag = settings->c_cflag, .c_lflag = settings->c_lflag};
    memcpy(theirs.c_cc, settings->c_cc, sizeof(theirs.c_cc));
    assert_int_equal(ioctl(pty->slave, TCSETS, &theirs), 0);
}

/* What a program reads from ours, line by line until nothing is left. */
static size_t
take_all(struct tty *tty, uint8_t *buf, size_t size)
{
    size_t n = 0;
    while (ldisc_readable(tty, false)) {
        bool ended;
        n += ldisc_take(tty, buf + n, min(size - n, (size_t)37), &ended);
    }
    return n;
}

static void
compare(const char *what, const uint8_t *ours, size_t nours, const uint8_t *theirs, size_t ntheirs,
        const struct ktermios *t)
{
    if (nours == ntheirs && memcmp(ours, theirs, nours) == 0)
        return;
    print_error("%s differs with iflag %o oflag %o lflag %o\n", what, t->c_iflag, t->c_oflag,
                t->c_lflag);
    size_t at = 0;
    while (at < min(nours, ntheirs) && ours[at] == theirs[at])
        at++;
    print_error("first at %zu; ours has %zu bytes, theirs %zu\n", at, nours, ntheirs);
    size_t from = at > 20 ? at - 20 : 0;
    for (int side = 0; side < 2; side++) {
        const uint8_t *bytes = side ? theirs : ours;
        size_t end = min(side ? ntheirs : nours, at + 20);
        print_error("%s:", side ? "theirs" : "ours  ");
        for (size_t i = from; i < end; i++)
            print_error(" %02x", bytes[i]);
        print_error("\n");
    }
    print_error("all of theirs:");
    for (size_t i = 0; i < ntheirs; i++)
        print_error(" %02x", theirs[i]);
    print_error("\n");
    fail();
}

/* One session: a random mixture of typing and printing, with the same settings throughout. */
static void
run_session(struct prng *rng, bool canonical)
{
    static uint8_t their_screen[SCREEN_MAX], ours[SCREEN_MAX], theirs[SCREEN_MAX];
    struct tty *tty = make_tty();
    struct pty pty = make_pty();
    struct ktermios settings = random_settings(rng, canonical);
    apply(tty, &pty, &settings);

    size_t nscreen = 0, nours = 0, ntheirs = 0;
    for (unsigned round = 0; round < 3; round++) {
        uint8_t bytes[120];
        size_t n = 1 + prng_below(rng, sizeof(bytes) - 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = random_key(rng);
        bool types = prng_below(rng, 3) != 0;
        uint32_t signals = 0;
        if (types) {
            for (size_t i = 0; i < n; i++)
                ldisc_input(tty, bytes[i], &signals);
            assert_int_equal(write(pty.master, bytes, n), n);
        } else {
            assert_int_equal(opost_write(tty, bytes, n), n);
            assert_int_equal(write(pty.slave, bytes, n), n);
        }
        driver_start(tty);
        nscreen = read_all(pty.master, their_screen, nscreen, screen_length);
        nours += take_all(tty, ours + nours, sizeof(ours) - nours);
        ntheirs = read_all(pty.slave, theirs, ntheirs, nours);
        compare("the screen", screen, screen_length, their_screen, nscreen, &settings);
        compare("input", ours, nours, theirs, ntheirs, &settings);
    }
    close_pty(&pty);
}

static void
same_as_the_hosts_canonical(void **state)
{
    struct prng rng = prng_start(__func__);
    for (unsigned i = 0; i < 60; i++)
        run_session(&rng, true);
}

static void
same_as_the_hosts_raw(void **state)
{
    struct prng rng = prng_start(__func__);
    for (unsigned i = 0; i < 20; i++)
        run_session(&rng, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_hosts_canonical),
        cmocka_unit_test(same_as_the_hosts_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
