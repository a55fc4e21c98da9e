/*
 * init: the first process of the default image.
 *
 * It mounts what programs expect to find, makes one child the foreground job
 * of the console, lets that child become a login shell or the command that
 * `quire run -- COMMAND` asked for, reaps orphans meanwhile, and powers the
 * machine off when the child has ended. It is plain Linux: the same binary
 * runs on Debian's kernel, so that two kernels can be compared.
 *
 * The host tells it what to do in SETTINGS, a file of NUL-terminated words:
 *
 *      nonce=TEXT      speak the protocol below, with this nonce
 *      rows=N, cols=N  size of the host's terminal
 *      env=NAME=VALUE  one more variable for the child
 *      dir=PATH        where the child starts
 *      stdin=tty       the child reads the console (the default)
 *      stdin=null      the child reads /dev/null
 *      stdin=relay     the child reads a pipe that the host feeds
 *      output=raw      the console changes no byte of what is written
 *      arg=WORD        the command and its arguments, in order
 *
 * Without that file there is a shell and no protocol.
 *
 * The protocol: init writes marks among the console's output, each of the
 * form DLE nonce ':' word DLE. Nothing but init knows the nonce, so programs
 * cannot speak by accident.
 *
 *      begin       what follows is the child's output
 *      end N       the child has ended with status N (128+n for signal n)
 *      read        relay only: the host answers with four hexadecimal digits
 *                  and that many bytes of its standard input; 0000 is the end
 *
 * A busybox `poweroff`, `halt` or `reboot` asks process 1 with SIGUSR2,
 * SIGUSR1 or SIGTERM; the handlers do it on the spot.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define SETTINGS        "/etc/quire.run"
#define DLE             "\020"

enum { SETTINGS_MAX = 1 << 20, RELAY_MAX = 0xffff };

enum stdin_from { STDIN_TTY, STDIN_NULL, STDIN_RELAY };

/* What the host asked for; filled once, before any child exists. */
static struct {
    const char      *nonce;     /* NULL: nobody listens */
    const char      *dir;
    struct winsize   size;      /* 0 rows: unknown */
    enum stdin_from  from;
    bool             raw_output;
    char           **argv;      /* NULL: a login shell */
} ask = { .dir = "/root" };

/* Write all of a buffer; an error means there is nobody to tell. */
static void
write_all(int fd, const char *buf, size_t nbytes)
{
    while (nbytes > 0) {
        ssize_t n = write(fd, buf, nbytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        buf += n;
        nbytes -= (size_t)n;
    }
}

/* Write one mark of the protocol, in one write so that nothing splits it. */
static void
mark(const char *word)
{
    char buf[160];

    if (!ask.nonce)
        return;
    int n = snprintf(buf, sizeof(buf), DLE "%.100s:%.40s" DLE, ask.nonce, word);
    write_all(STDOUT_FILENO, buf, (size_t)n);
}

/* End the machine; status is what the host's command shall exit with. */
static void
end_machine(int how, int status)
{
    char word[32];

    sync();
    snprintf(word, sizeof(word), "end %d", status);
    mark(word);
    tcdrain(STDOUT_FILENO);
    reboot(how);
    for (;;)
        pause();
}

static void
on_request(int sig)
{
    end_machine(sig == SIGTERM ? RB_AUTOBOOT : RB_POWER_OFF, 0);
}

/*
 * Mount the usual places. A kernel that lacks one of these file systems is
 * none the worse for it, so errors are ignored.
 */
static void
mount_all(void)
{
    static const struct {
        const char *type, *at, *options;
        mode_t      mode;
    } mounts[] = {
        { "proc",     "/proc",    NULL,        0555 },
        { "sysfs",    "/sys",     NULL,        0555 },
        { "devtmpfs", "/dev",     NULL,        0755 },
        { "devpts",   "/dev/pts", NULL,        0755 },
        { "tmpfs",    "/tmp",     "mode=1777", 01777 },
    };

    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        mkdir(mounts[i].at, mounts[i].mode);
        mount(mounts[i].type, mounts[i].at, mounts[i].type, 0, mounts[i].options);
    }
}

/* The whole of SETTINGS, NUL-terminated, or NULL; nbytes gets its length. */
static char *
read_settings(size_t *nbytes)
{
    int fd = open(SETTINGS, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;

    char *buf = malloc(SETTINGS_MAX + 1);
    size_t have = 0;
    while (buf && have < SETTINGS_MAX) {
        ssize_t n = read(fd, buf + have, SETTINGS_MAX - have);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    close(fd);
    if (buf)
        buf[have] = '\0';
    *nbytes = have;
    return buf;
}

/* The value in "name=value", or NULL if word is another name's. */
static char *
value_of(char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static void
parse_settings(void)
{
    size_t nbytes;
    char *settings = read_settings(&nbytes);
    if (!settings)
        return;

    size_t nwords = 0;
    for (size_t i = 0; i < nbytes; i++)
        nwords += settings[i] == '\0';
    char **argv = calloc(nwords + 1, sizeof(*argv));
    if (!argv)
        return;

    size_t argc = 0;
    for (char *w = settings; w < settings + nbytes; w += strlen(w) + 1) {
        char *v;
        if ((v = value_of(w, "arg")))
            argv[argc++] = v;
        else if ((v = value_of(w, "nonce")))
            ask.nonce = v;
        else if ((v = value_of(w, "dir")))
            ask.dir = v;
        else if ((v = value_of(w, "env")))
            putenv(v);
        else if ((v = value_of(w, "rows")))
            ask.size.ws_row = (unsigned short)atoi(v);
        else if ((v = value_of(w, "cols")))
            ask.size.ws_col = (unsigned short)atoi(v);
        else if ((v = value_of(w, "output")))
            ask.raw_output = strcmp(v, "raw") == 0;
        else if ((v = value_of(w, "stdin")))
            ask.from = strcmp(v, "null") == 0  ? STDIN_NULL
                     : strcmp(v, "relay") == 0 ? STDIN_RELAY
                                               : STDIN_TTY;
    }
    if (argc > 0)
        ask.argv = argv;
}

/*
 * Where the host is no terminal, output must reach it byte for byte, so the
 * console stops turning newlines into pairs; where the host feeds the input,
 * the console must not look at that either.
 */
static void
set_console(void)
{
    struct termios tio;

    if (ask.size.ws_row)
        ioctl(STDIN_FILENO, TIOCSWINSZ, &ask.size);
    if (tcgetattr(STDIN_FILENO, &tio) < 0)
        return;
    if (ask.from == STDIN_RELAY)
        cfmakeraw(&tio);
    if (ask.raw_output)
        tio.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(STDIN_FILENO, TCSANOW, &tio);
}

/* Read exactly nbytes from the console. */
static bool
read_exactly(char *buf, size_t nbytes)
{
    while (nbytes > 0) {
        ssize_t n = read(STDIN_FILENO, buf, nbytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf += n;
        nbytes -= (size_t)n;
    }
    return true;
}

/*
 * Feed a pipe with the host's standard input, in a process of its own.
 * Returns the pipe's reading end, or -1.
 */
static int
start_relay(void)
{
    static char buf[RELAY_MAX + 1];
    int fds[2];

    if (pipe(fds) < 0)
        return -1;
    pid_t pid = fork();
    if (pid != 0) {
        close(fds[1]);
        if (pid < 0)
            close(fds[0]);
        return pid < 0 ? -1 : fds[0];
    }

    setsid();                   /* so that reading is not a background read */
    close(fds[0]);
    for (;;) {
        char digits[5] = "";
        mark("read");
        if (!read_exactly(digits, 4))
            _exit(1);
        size_t n = strtoul(digits, NULL, 16);
        if (n == 0 || !read_exactly(buf, n))
            _exit(0);
        write_all(fds[1], buf, n);
    }
}

/*
 * Make the console our controlling terminal, and use it by its own name:
 * Linux exempts readers of /dev/console from job control. The session is
 * init's and not the job's because a terminal is hung up, and what it has
 * not sent yet is dropped, when its session's leader ends.
 */
static void
take_terminal(void)
{
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    signal(SIGTTOU, SIG_IGN);
    int fd = open("/dev/tty", O_RDWR);
    if (fd < 0)
        return;
    for (int i = 0; i <= STDERR_FILENO; i++)
        dup2(fd, i);
    close(fd);
}

/* In the child: become the foreground job, the login shell or the command. */
static void
become_job(int stdin_fd)
{
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpid());
    signal(SIGTTOU, SIG_DFL);
    if (stdin_fd >= 0 && stdin_fd != STDIN_FILENO) {
        dup2(stdin_fd, STDIN_FILENO);
        close(stdin_fd);
    }
    if (chdir(ask.dir) < 0)
        chdir("/");

    if (!ask.argv) {
        execl("/bin/sh", "-sh", (char *)NULL);
        perror("init: /bin/sh");
    } else {
        execvp(ask.argv[0], ask.argv);
        fprintf(stderr, "init: %s: %s\n", ask.argv[0], strerror(errno));
    }
    _exit(errno == ENOENT ? 127 : 126);
}

/* Start the job; its process id, or -1. */
static pid_t
start_job(void)
{
    int stdin_fd = -1;

    if (ask.argv && ask.from == STDIN_NULL)
        stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    else if (ask.argv && ask.from == STDIN_RELAY)
        stdin_fd = start_relay();

    pid_t pid = fork();
    if (pid == 0)
        become_job(stdin_fd);
    if (stdin_fd >= 0)
        close(stdin_fd);
    return pid;
}

/* Reap whatever ends until the job does; its status as a shell puts it. */
static int
wait_for(pid_t job)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return 127;
        if (pid == job)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                       : WEXITSTATUS(status);
    }
}

/* Make sure that 0, 1 and 2 are the console; the kernel opens it if it can. */
static void
open_console(void)
{
    if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
        return;
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
        dup2(fd, i);
    if (fd > STDERR_FILENO)
        close(fd);
}

int
main(void)
{
    if (getpid() != 1) {
        fprintf(stderr, "init: only the kernel starts this program\n");
        return 1;
    }

    static const int requests[] = { SIGUSR1, SIGUSR2, SIGTERM };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        signal(requests[i], on_request);

    mount_all();
    open_console();
    sethostname("quire", 5);
    setenv("HOME", "/root", 1);
    setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
    setenv("SHELL", "/bin/sh", 1);
    setenv("USER", "root", 1);
    setenv("TERM", "vt100", 1);
    parse_settings();
    set_console();
    take_terminal();

    mark("begin");
    end_machine(RB_POWER_OFF, wait_for(start_job()));
}
