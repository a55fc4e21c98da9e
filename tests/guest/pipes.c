/*
 * Pipes and FIFOs: atomic writes, blocking and not, ends that close, poll,
 * sizes, and the rules of opening a FIFO.
 */
#include "tap.h"
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static char buffer[262144];

static int
revents(int fd, int events)
{
    struct pollfd p = { fd, events, 0 };

    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void
set_nonblock(int fd, int on)
{
    fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0);
}

static void
test_basics(void)
{
    int fd[2];
    struct stat st;

    is(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    is(fcntl(fd[0], F_GETFD), FD_CLOEXEC);
    is(fcntl(fd[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
    is(fcntl(fd[1], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
    is(fstat(fd[0], &st), 0);
    ok(S_ISFIFO(st.st_mode), "a pipe is a FIFO to fstat");
    fails(read(fd[0], buffer, 1), EAGAIN);
    fails(write(fd[0], buffer, 1), EBADF);
    fails(read(fd[1], buffer, 1), EBADF);
    is(write(fd[1], "hello", 5), 5);
    is(write(fd[1], " there", 6), 6);
    is(read(fd[0], buffer, 7), 7);
    ok(!memcmp(buffer, "hello t", 7), "bytes have no boundaries");
    int n = -1;
    is(ioctl(fd[0], FIONREAD, &n), 0);
    is(n, 4);
    is(ioctl(fd[1], FIONREAD, &n), 0);
    is(read(fd[0], buffer, 100), 4);
    is(write(fd[1], "", 0), 0);
    fails(read(fd[0], buffer, 1), EAGAIN);
    is(read(fd[0], buffer, 0), 0);
    fails(write(fd[1], hole(), 1), EFAULT);
    fails(write(fd[1], KERNEL_POINTER, 100), EFAULT);
    write(fd[1], "abc", 3);
    fails(read(fd[0], hole(), 3), EFAULT);
    is(read(fd[0], buffer, 3), 3);
    close(fd[0]);
    close(fd[1]);

    fails(pipe2(fd, 0x10), EINVAL);
    fails(syscall(SYS_pipe2, hole(), 0), EFAULT);
    fails(syscall(SYS_pipe2, KERNEL_POINTER, 0), EFAULT);
    int next = dup(0);
    close(next);
    int again = dup(0);
    ok(next == again, "a failed pipe2 leaves no descriptors behind");
    close(again);
}

static volatile int flickering;

/* Protect the page and open it again. */
static void *
flicker(void *page)
{
    while (flickering) {
        mprotect(page, PAGE, PROT_NONE);
        mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    }
    return NULL;
}

/* What a write says it took is what is in the pipe, also when the buffer's pages come and go. */
static void
test_buffer_flickers(void)
{
    const size_t size = 5 * PAGE;
    uint8_t *area = mmap(NULL, 7 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *from = area + 100; /* a page of the pipe takes of two pages */
    int fd[2], wrong = 0, cut = 0;
    pthread_t thread;

    for (size_t i = 0; i < 7 * PAGE; i++)
        area[i] = (uint8_t)(i * 7 + i / 256);
    pipe2(fd, O_NONBLOCK);
    flickering = 1;
    pthread_create(&thread, NULL, flicker, area + 3 * PAGE);
    for (int64_t end = now_ns() + 2000000000LL; now_ns() < end && !wrong;) {
        ssize_t wrote = write(fd[1], from, size), got = read(fd[0], buffer, sizeof(buffer));
        if (wrote <= 0)
            continue;
        cut += wrote < (ssize_t)size;
        /* No byte of the buffer ever changes: only the right to read it does. */
        for (ssize_t i = 0; i < wrote && !wrong; i++)
            wrong = (uint8_t)buffer[i] != (uint8_t)((i + 100) * 7 + (i + 100) / 256);
        wrong |= got != wrote;
    }
    flickering = 0;
    pthread_join(thread, NULL);
    munmap(area, 7 * PAGE);
    is(wrong, 0);
    ok(1, "%d writes were cut short", cut);
    close(fd[0]);
    close(fd[1]);
}

static void
test_capacity(void)
{
    int fd[2];
    size_t total = 0;
    ssize_t n;

    pipe2(fd, O_NONBLOCK);
    is(fcntl(fd[0], F_GETPIPE_SZ), 65536);
    while ((n = write(fd[1], buffer, 1000)) > 0)
        total += n;
    is(errno, EAGAIN);
    ok(total > 65536 - 4096 && total <= 65536, "it holds %zu bytes", total);
    is(read(fd[0], buffer, 262144), total);

    is(write(fd[1], buffer, 200000), 65536);
    fails(write(fd[1], buffer, 1), EAGAIN);
    is(read(fd[0], buffer, 4095), 4095);
    fails(write(fd[1], buffer, 4096), EAGAIN);
    is(read(fd[0], buffer, 1), 1);
    is(write(fd[1], buffer, 4096), 4096);
    is(read(fd[0], buffer, 4096), 4096);
    is(write(fd[1], buffer, 5000), 4096);       /* more than PIPE_BUF: a part */
    close(fd[0]);
    close(fd[1]);

    pipe2(fd, O_NONBLOCK);
    is(fcntl(fd[1], F_SETPIPE_SZ, 100000), 131072);
    is(fcntl(fd[0], F_GETPIPE_SZ), 131072);
    is(write(fd[1], buffer, 200000), 131072);
    fails(fcntl(fd[1], F_SETPIPE_SZ, 4096), EBUSY);
    is(read(fd[0], buffer, 200000), 131072);
    is(fcntl(fd[1], F_SETPIPE_SZ, 1), 4096);
    is(write(fd[1], buffer, 200000), 4096);
    fails(fcntl(fd[1], F_SETPIPE_SZ, 0x80000001U), EINVAL);
    fails(fcntl(0, F_GETPIPE_SZ), EBADF);
    close(fd[0]);
    close(fd[1]);
}

static void
test_ends(void)
{
    int fd[2];

    pipe(fd);
    signal(SIGPIPE, SIG_IGN);
    write(fd[1], "last", 4);
    close(fd[1]);
    is(read(fd[0], buffer, 2), 2);
    is(read(fd[0], buffer, 100), 2);
    is(read(fd[0], buffer, 100), 0);
    is(read(fd[0], buffer, 100), 0);
    close(fd[0]);

    pipe(fd);
    close(fd[0]);
    fails(write(fd[1], "x", 1), EPIPE);
    fails(write(fd[1], "x", 1), EPIPE);
    close(fd[1]);

    /* A second holder of an end keeps it open. */
    pipe(fd);
    int copy = dup(fd[1]);
    close(fd[1]);
    set_nonblock(fd[0], 1);
    fails(read(fd[0], buffer, 1), EAGAIN);
    close(copy);
    is(read(fd[0], buffer, 1), 0);
    close(fd[0]);

    /* A writer that waits is told when the last reader goes. */
    pipe(fd);
    pid_t pid = tap_fork();
    if (pid == 0) {
        close(fd[0]);
        ssize_t n = write(fd[1], buffer, 100000);
        _exit(n == 65536 && write(fd[1], "x", 1) == -1 && errno == EPIPE
              ? 0 : 1);
    }
    close(fd[1]);
    sleep_ms(20);
    close(fd[0]);
    is(tap_wait(pid), 0);
    signal(SIGPIPE, SIG_DFL);
}

static void
test_poll(void)
{
    int fd[2];

    pipe(fd);
    is(revents(fd[0], POLLIN), 0);
    is(revents(fd[1], POLLOUT), POLLOUT);
    is(revents(fd[1], POLLIN), 0);
    is(revents(fd[0], POLLOUT), 0);
    write(fd[1], "x", 1);
    is(revents(fd[0], POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
    set_nonblock(fd[1], 1);
    while (write(fd[1], buffer, 4096) > 0)
        ;
    is(revents(fd[1], POLLOUT), 0);
    read(fd[0], buffer, 4096);
    is(revents(fd[1], POLLOUT), POLLOUT);
    int copy = dup(fd[1]);
    close(fd[1]);
    is(revents(fd[0], POLLIN), POLLIN);
    close(copy);
    is(revents(fd[0], POLLIN), POLLIN | POLLHUP);
    while (read(fd[0], buffer, 100000) > 0)
        ;
    is(revents(fd[0], POLLIN), POLLHUP);
    is(revents(fd[0], 0), POLLHUP);
    close(fd[0]);
    pipe(fd);
    close(fd[0]);
    is(revents(fd[1], POLLOUT), POLLOUT | POLLERR);
    close(fd[1]);
}

/* Two writers of whole records of PIPE_BUF: none is ever torn. */
static void
test_atomic(void)
{
    int fd[2], torn = 0, records = 0;
    pid_t pid[3];

    pipe(fd);
    for (int i = 0; i < 3; i++) {
        pid[i] = tap_fork();
        if (pid[i] == 0) {
            char record[PIPE_BUF];
            memset(record, 'a' + i, sizeof(record));
            close(fd[0]);
            for (int n = 0; n < 60; n++)
                if (write(fd[1], record, PIPE_BUF) != PIPE_BUF)
                    _exit(1);
            _exit(0);
        }
    }
    close(fd[1]);
    size_t have = 0;
    ssize_t n;
    while ((n = read(fd[0], buffer + have, 777)) > 0) {
        have += n;
        if (have >= PIPE_BUF) {
            for (int i = 1; i < PIPE_BUF; i++)
                torn += buffer[i] != buffer[0];
            memmove(buffer, buffer + PIPE_BUF, have - PIPE_BUF);
            have -= PIPE_BUF;
            records++;
        }
    }
    is(torn, 0);
    is(records, 180);
    is(have, 0);
    for (int i = 0; i < 3; i++)
        is(tap_wait(pid[i]), 0);
    close(fd[0]);
}

/* A megabyte through, in odd pieces, with a sum at both ends. */
static void
test_stream(void)
{
    int fd[2];
    unsigned sum = 0, total = 0;
    ssize_t n;

    pipe(fd);
    pid_t pid = tap_fork();
    if (pid == 0) {
        unsigned at = 0;
        close(fd[0]);
        for (int i = 0; at < 1000000; i++) {
            size_t size = (i * 7919) % 70000 + 1;
            for (size_t k = 0; k < size; k++)
                buffer[k] = (at + k) % 251;
            if (write(fd[1], buffer, size) != (ssize_t)size)
                _exit(1);
            at += size;
        }
        _exit(0);
    }
    close(fd[1]);
    while ((n = read(fd[0], buffer, 12345)) > 0) {
        for (ssize_t k = 0; k < n; k++)
            sum += (unsigned char)buffer[k] != (total + k) % 251;
        total += n;
    }
    is(sum, 0);
    ok(total >= 1000000, "%u bytes came through", total);
    is(tap_wait(pid), 0);
    close(fd[0]);

    struct iovec v[2] = { { "ab", 2 }, { "cde", 3 } };
    struct iovec r[2] = { { buffer, 4 }, { buffer + 8, 4 } };
    pipe(fd);
    is(writev(fd[1], v, 2), 5);
    is(readv(fd[0], r, 2), 5);
    ok(!memcmp(buffer, "abcd", 4) && buffer[8] == 'e', "vectors");
    close(fd[0]);
    close(fd[1]);
}

static void
test_fifo_open(void)
{
    struct stat st;
    int r, w;

    is(mkfifo("fifo", 0666), 0);
    fails(mkfifo("fifo", 0666), EEXIST);
    stat("fifo", &st);
    is(st.st_mode, S_IFIFO | 0644);
    fails(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    fails(open("fifo", O_ACCMODE | O_NONBLOCK), EINVAL);
    r = open("fifo", O_RDONLY | O_NONBLOCK);
    works(r);
    is(read(r, buffer, 1), 0);          /* no writer: end of file */
    is(revents(r, POLLIN), 0);          /* but no hang-up before the first */
    w = open("fifo", O_WRONLY | O_NONBLOCK);
    works(w);
    fails(read(r, buffer, 1), EAGAIN);
    is(write(w, "fifo", 4), 4);
    close(w);
    is(revents(r, POLLIN), POLLIN | POLLHUP);
    is(read(r, buffer, 10), 4);
    is(read(r, buffer, 10), 0);
    is(revents(r, POLLIN), POLLHUP);
    close(r);
    /* Read and write at once never blocks, and keeps both ends. */
    w = open("fifo", O_RDWR);
    works(w);
    is(write(w, "self", 4), 4);
    is(read(w, buffer, 10), 4);
    fails(lseek(w, 0, SEEK_SET), ESPIPE);
    close(w);
}

static void
test_fifo_wait(void)
{
    char name[8];

    /* Opening waits for the other side. */
    pid_t pid = tap_fork();
    if (pid == 0) {
        int fd = open("fifo", O_WRONLY);
        _exit(write(fd, "met", 3) != 3);
    }
    sleep_ms(10);
    int r = open("fifo", O_RDONLY);
    works(r);
    is(read(r, name, 8), 3);
    is(read(r, name, 8), 0);
    is(tap_wait(pid), 0);
    close(r);
    pid = tap_fork();
    if (pid == 0) {
        int fd = open("fifo", O_RDONLY);
        _exit(read(fd, name, 8) != 4);
    }
    sleep_ms(10);
    int w = open("fifo", O_WRONLY);
    is(write(w, "back", 4), 4);
    close(w);
    is(tap_wait(pid), 0);
    /* Killed while it waits. */
    pid = tap_fork();
    if (pid == 0) {
        open("fifo", O_RDONLY);
        _exit(0);
    }
    sleep_ms(10);
    kill(pid, SIGTERM);
    is(tap_wait(pid), SIGTERM);
    fails(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    is(unlink("fifo"), 0);
}

/* A pipe that is opened again by its descriptor's name waits for no other side. */
static void
test_opened_again(void)
{
    char name[32];
    int end[2];

    is(pipe(end), 0);
    is(write(end[1], "left", 4), 4);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", end[0]);
    close(end[1]);
    int again = open(name, O_RDONLY);
    works(again);
    is(read(again, buffer, 8), 4);
    is(read(again, buffer, 8), 0);
    close(again);
    close(end[0]);

    is(pipe(end), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", end[1]);
    close(end[0]);
    again = open(name, O_WRONLY);
    works(again);
    signal(SIGPIPE, SIG_IGN);
    fails(write(again, "lost", 4), EPIPE);
    close(again);
    again = open(name, O_WRONLY | O_NONBLOCK);
    works(again);
    signal(SIGPIPE, SIG_DFL);
    close(again);
    close(end[1]);
}

int
main(void)
{
    tap_begin("pipes");
    test_opened_again();
    test_basics();
    test_buffer_flickers();
    test_capacity();
    test_ends();
    test_poll();
    test_atomic();
    test_stream();
    test_fifo_open();
    test_fifo_wait();
    return tap_end();
}
