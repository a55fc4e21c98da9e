/*
 * The terminal: modes, window size, who owns it, and the line discipline as
 * far as a program can feed itself input with TIOCSTI.
 */
#include "tap.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int tty;
static struct termios original;

static void
test_modes(void)
{
    struct termios t, u;

    is(isatty(tty), 1);
    is(tcgetattr(tty, &t), 0);
    ok(t.c_cc[VINTR] == 3 && t.c_cc[VQUIT] == 28 && t.c_cc[VEOF] == 4 &&
       t.c_cc[VERASE] == 127 && t.c_cc[VKILL] == 21 && t.c_cc[VSUSP] == 26,
       "the usual control characters");
    t.c_lflag &= ~(ICANON | ECHO);
    t.c_cc[VMIN] = 7;
    t.c_cc[VTIME] = 3;
    is(tcsetattr(tty, TCSANOW, &t), 0);
    is(tcgetattr(tty, &u), 0);
    ok(u.c_lflag == t.c_lflag && u.c_iflag == t.c_iflag &&
       u.c_oflag == t.c_oflag && u.c_cc[VMIN] == 7 && u.c_cc[VTIME] == 3,
       "what was set reads back");
    is(tcsetattr(tty, TCSADRAIN, &original), 0);
    is(tcsetattr(tty, TCSAFLUSH, &original), 0);
    fails(syscall(SYS_ioctl, tty, TCGETS, hole()), EFAULT);
    fails(syscall(SYS_ioctl, tty, TCSETS, hole()), EFAULT);
    fails(syscall(SYS_ioctl, tty, TCSETS, KERNEL_POINTER), EFAULT);
    fails(ioctl(tty, 0x5499, 0), ENOTTY);
    is(tcflush(tty, TCIFLUSH), 0);
    is(tcdrain(tty), 0);
    fails(lseek(tty, 0, SEEK_CUR), ESPIPE);
    int pipe_fd[2];
    pipe(pipe_fd);
    fails(tcgetattr(pipe_fd[0], &t), ENOTTY);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static volatile sig_atomic_t resized;

static void
on_resize(int number)
{
    resized += number == SIGWINCH;
}

static void
test_window(void)
{
    struct winsize size, old;

    is(ioctl(tty, TIOCGWINSZ, &old), 0);
    size = old;
    size.ws_row = 33;
    size.ws_col = 77;
    signal(SIGWINCH, on_resize);
    is(ioctl(tty, TIOCSWINSZ, &size), 0);
    is(resized, 1);
    memset(&size, 0, sizeof(size));
    is(ioctl(tty, TIOCGWINSZ, &size), 0);
    ok(size.ws_row == 33 && size.ws_col == 77, "a new window size");
    is(ioctl(tty, TIOCSWINSZ, &size), 0);
    is(resized, 1);                     /* the same again is no news */
    is(ioctl(tty, TIOCSWINSZ, &old), 0);
    fails(ioctl(tty, TIOCGWINSZ, hole()), EFAULT);
    signal(SIGWINCH, SIG_DFL);
}

/* Feed the terminal as if it had been typed. */
static int
type(const char *text)
{
    for (; *text; text++)
        if (ioctl(tty, TIOCSTI, text) < 0)
            return -1;
    return 0;
}

static int
waiting(void)
{
    int n = -1;

    ioctl(tty, FIONREAD, &n);
    return n;
}

/* Read, without waiting, what is typed after the mode is set. */
static int
gives(const char *typed, const char *wanted)
{
    char text[64];

    type(typed);
    sleep_ms(5);
    ssize_t n = read(tty, text, sizeof(text));
    return n == (ssize_t)strlen(wanted) && !memcmp(text, wanted, n);
}

static void
test_lines(void)
{
    struct termios t = original;
    struct pollfd p = { tty, POLLIN, 0 };
    char text[8];

    t.c_lflag &= ~(ECHO | ECHOCTL);
    t.c_lflag |= ICANON | ISIG;
    t.c_iflag |= ICRNL;
    tcsetattr(tty, TCSAFLUSH, &t);
    fcntl(tty, F_SETFL, O_RDWR | O_NONBLOCK);
    fails(read(tty, text, 1), EAGAIN);
    type("half");
    sleep_ms(5);
    fails(read(tty, text, 1), EAGAIN);
    is(poll(&p, 1, 0), 0);
    type(" line\n");
    sleep_ms(5);
    is(poll(&p, 1, 0), 1);
    is(waiting(), 10);
    is(read(tty, text, 4), 4);
    is(waiting(), 6);
    is(read(tty, text, 8), 6);
    ok(gives("one\ntwo\n", "one\n"), "a read gives one line");
    ok(gives("", "two\n"), "and the next one");
    ok(gives("abx\177c\n", "abc\n"), "erase");
    ok(gives("wrong\025right\n", "right\n"), "kill");
    ok(gives("two words\027lines\n", "two lines\n"), "word erase");
    ok(gives("\177\177ok\n", "ok\n"), "erase of nothing");
    ok(gives("cr\r", "cr\n"), "ICRNL");
    ok(gives("half\004", "half"), "end of file after a half line");
    type("\004");
    sleep_ms(5);
    is(read(tty, text, 8), 0);
    type("all\004");
    sleep_ms(5);
    is(read(tty, text, 3), 3);
    fails(read(tty, text, 3), EAGAIN); /* its end went with it */
    type("all\n");
    sleep_ms(5);
    is(read(tty, text, 3), 3);
    is(read(tty, text, 3), 1);
    ok(gives("a\026\003b\n", "a\003b\n"), "a literal next character");
    type("lost");
    tcflush(tty, TCIFLUSH);
    ok(gives("kept\n", "kept\n"), "TCIFLUSH");
}

static volatile sig_atomic_t last;

static void
on_signal(int number)
{
    last = number;
}

static void
test_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGQUIT, on_signal);
    signal(SIGTSTP, on_signal);
    last = 0;
    type("lost\003");
    sleep_ms(5);
    is(last, SIGINT);
    ok(gives("kept\n", "kept\n"), "^C throws the line away");
    type("\034");
    sleep_ms(5);
    is(last, SIGQUIT);
    type("\032");
    sleep_ms(5);
    is(last, SIGTSTP);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGTSTP, SIG_DFL);
}

static void
test_raw(void)
{
    struct termios t = original;
    char text[16];

    cfmakeraw(&t);
    t.c_oflag = original.c_oflag;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    tcsetattr(tty, TCSAFLUSH, &t);
    fails(read(tty, text, 1), EAGAIN);
    ok(gives("x\003\177\r", "x\003\177\r"), "raw: every byte as it is");
    fcntl(tty, F_SETFL, O_RDWR);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 1;
    tcsetattr(tty, TCSAFLUSH, &t);
    int64_t start = now_ns();
    is(read(tty, text, 16), 0);
    ok(now_ns() - start >= 90000000, "VTIME: nothing for a tenth of a second");
    type("ab");
    is(read(tty, text, 16), 2);
    t.c_cc[VTIME] = 0;
    tcsetattr(tty, TCSAFLUSH, &t);
    is(read(tty, text, 16), 0);
    t.c_cc[VMIN] = 3;
    tcsetattr(tty, TCSAFLUSH, &t);
    pid_t pid = tap_fork();
    if (pid == 0) {
        sleep_ms(10);
        type("1");
        sleep_ms(10);
        type("23");
        _exit(0);
    }
    is(read(tty, text, 16), 3);
    tap_wait(pid);
    tcsetattr(tty, TCSAFLUSH, &original);
}

/* A user types nothing, on a terminal that controls the session or on one that does not. */
static void
typing_as_user(void)
{
    works(setresuid(1000, 1000, 1000));
    fails(ioctl(tty, TIOCSTI, "x"), EIO);
    works(setsid());
    fails(ioctl(tty, TIOCSTI, "x"), EIO);
}

int
main(void)
{
    tap_begin("tty");
    tty = open("/dev/tty", O_RDWR);
    if (tty < 0 || tcgetpgrp(tty) != getpgrp()) {
        tap_skip("not in the foreground of a terminal");
        return tap_end();
    }
    tcgetattr(tty, &original);
    test_modes();
    test_window();
    tap_child(typing_as_user);
    if (ioctl(tty, TIOCSTI, "\n") == 0) {
        test_lines();
        test_signals();
        test_raw();
    } else {
        tap_skip("no TIOCSTI here");
    }
    fcntl(tty, F_SETFL, O_RDWR);
    tcsetattr(tty, TCSAFLUSH, &original);
    return tap_end();
}
