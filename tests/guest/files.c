/*
 * Reading and writing regular files: positions, vectors, short counts,
 * lengths, and the errors of each.
 */
#include "tap.h"
#include <limits.h>
#include <sys/resource.h>
#include <sys/uio.h>

static char buffer[65536], pattern[65536];

static off_t
size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

static void
test_read_write(int fd)
{
    is(write(fd, "hello world", 11), 11);
    is(lseek(fd, 0, SEEK_CUR), 11);
    is(read(fd, buffer, 10), 0);
    is(lseek(fd, 6, SEEK_SET), 6);
    is(read(fd, buffer, 100), 5);
    ok(!memcmp(buffer, "world", 5), "what was written is read");
    is(read(fd, buffer, 0), 0);
    is(write(fd, "", 0), 0);
    is(size_of(fd), 11);
    is(read(fd, hole(), 0), 0);

    fails(read(-1, buffer, 1), EBADF);
    fails(read(999, buffer, 1), EBADF);
    fails(write(999, buffer, 1), EBADF);
    fails(read(INT_MAX, buffer, 1), EBADF);
    fails(read(INT_MIN, buffer, 1), EBADF);
    lseek(fd, 0, SEEK_SET);
    fails(read(fd, hole(), 1), EFAULT);
    is(lseek(fd, 0, SEEK_CUR), 0);
    fails(write(fd, hole(), 1), EFAULT);
    is(lseek(fd, 0, SEEK_CUR), 0);
    fails(syscall(SYS_read, fd, buffer, -1L), EFAULT);
    fails(syscall(SYS_write, fd, buffer, -1L), EFAULT);
    fails(syscall(SYS_write, fd, KERNEL_POINTER, 10L), EFAULT);
    is(size_of(fd), 11);
}

static void
test_blocks(int fd)
{
    int good = 1;

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i * 7 + (i >> 8);
    ftruncate(fd, 0);
    /* Odd sizes at odd places, against a picture in memory. */
    static char model[65536];
    size_t at = 0, end = 0;
    for (int i = 0; i < 200; i++) {
        size_t n = (i * 379) % 5003 + 1;
        at = (at * 31 + 4099 * i) % 60000;
        if (at + n > sizeof(model))
            n = sizeof(model) - at;
        good &= pwrite(fd, pattern + i, n, at) == (ssize_t)n;
        memcpy(model + at, pattern + i, n);
        if (at + n > end)
            end = at + n;
    }
    ok(good, "200 writes of odd sizes");
    is(size_of(fd), end);
    is(pread(fd, buffer, sizeof(buffer), 0), end);
    ok(!memcmp(buffer, model, end), "the file is as the picture");
    good = 1;
    for (int i = 0; i < 200; i++) {
        size_t n = (i * 733) % 9001 + 1;
        at = (i * 5801) % end;
        ssize_t got = pread(fd, buffer, n, at);
        good &= got == (ssize_t)(at + n > end ? end - at : n) &&
                !memcmp(buffer, model + at, got);
    }
    ok(good, "200 reads of odd sizes");
}

static void
test_positioned(int fd)
{
    ftruncate(fd, 0);
    lseek(fd, 2, SEEK_SET);
    is(pwrite(fd, "abcdef", 6, 4), 6);
    is(lseek(fd, 0, SEEK_CUR), 2);
    is(size_of(fd), 10);
    is(pread(fd, buffer, 100, 2), 8);
    ok(!memcmp(buffer, "\0\0abcdef", 8), "the gap reads as zeros");
    is(pread(fd, buffer, 100, 10), 0);
    is(pread(fd, buffer, 100, 1000000), 0);
    fails(pread(fd, buffer, 1, -1), EINVAL);
    fails(pwrite(fd, buffer, 1, -1), EINVAL);
    fails(pread(fd, buffer, 1, INT64_MIN), EINVAL);
    fails(pwrite(fd, buffer, 1, INT64_MAX), EINVAL);
    is(pread(fd, buffer, 1, INT64_MAX - 1), 0);
    fails(pread(999, buffer, 1, 0), EBADF);
    int p[2];
    pipe(p);
    fails(pread(p[0], buffer, 1, 0), ESPIPE);
    fails(pwrite(p[1], buffer, 1, 0), ESPIPE);
    fails(lseek(p[0], 0, SEEK_CUR), ESPIPE);
    close(p[0]);
    close(p[1]);
}

static void
test_lseek(int fd)
{
    ftruncate(fd, 100);
    is(lseek(fd, 0, SEEK_END), 100);
    is(lseek(fd, -10, SEEK_CUR), 90);
    is(lseek(fd, -100, SEEK_END), 0);
    is(lseek(fd, 1000, SEEK_END), 1100);
    is(read(fd, buffer, 1), 0);
    fails(lseek(fd, -1, SEEK_SET), EINVAL);
    fails(lseek(fd, -2000, SEEK_CUR), EINVAL);
    is(lseek(fd, 0, SEEK_CUR), 1100);
    fails(lseek(fd, 0, 5), EINVAL);
    fails(lseek(fd, 0, -1), EINVAL);
    fails(lseek(999, 0, SEEK_SET), EBADF);
    works(lseek(fd, INT64_MAX - 5000, SEEK_SET) > 0 ? 0 : -1);
    fails(lseek(fd, INT64_MAX, SEEK_CUR), EINVAL);
    is(lseek(fd, 200, SEEK_SET), 200);
    is(write(fd, "z", 1), 1);
    is(size_of(fd), 201);
    is(pread(fd, buffer, 300, 0), 201);
    int zeros = 1;
    for (int i = 100; i < 200; i++)
        zeros &= buffer[i] == 0;
    ok(zeros, "what was skipped reads as zeros");
}

static void
test_vectors(int fd)
{
    struct iovec v[3] = { { "abc", 3 }, { "", 0 }, { "defg", 4 } };
    struct iovec r[3] = { { buffer, 2 }, { buffer + 10, 3 },
                          { buffer + 20, 10 } };
    static struct iovec many[1025];

    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    is(writev(fd, v, 3), 7);
    lseek(fd, 0, SEEK_SET);
    is(readv(fd, r, 3), 7);
    ok(!memcmp(buffer, "ab", 2) && !memcmp(buffer + 10, "cde", 3) &&
       !memcmp(buffer + 20, "fg", 2), "readv scatters");
    is(preadv(fd, r, 2, 1), 5);
    is(pwritev(fd, v, 1, 20), 3);
    is(size_of(fd), 23);
    is(writev(fd, v, 0), 0);
    is(readv(fd, NULL, 0), 0);
    fails(writev(fd, v, -1), EINVAL);
    for (int i = 0; i < 1025; i++)
        many[i] = (struct iovec){ "x", 1 };
    is(pwritev(fd, many, 1024, 0), 1024);
    fails(pwritev(fd, many, 1025, 0), EINVAL);
    fails(readv(fd, hole(), 1), EFAULT);
    fails(readv(fd, KERNEL_POINTER, 1), EFAULT);
    fails(preadv(fd, r, 1, -1), EINVAL);
    v[0].iov_len = -1;
    fails(writev(fd, v, 1), EINVAL);
    fails(readv(999, r, 1), EBADF);

    /* A bad vector after a good one: what came before it counts. */
    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    v[0].iov_len = 3;
    v[1] = (struct iovec){ hole(), 5 };
    is(writev(fd, v, 3), 3);
    is(size_of(fd), 3);
    lseek(fd, 0, SEEK_SET);
    write(fd, "abcdefgh", 8);
    r[1].iov_base = hole();
    is(preadv(fd, r, 3, 0), 2);
    v[1].iov_base = KERNEL_POINTER;
    fails(writev(fd, v, 3), EFAULT);
}

static void
test_preadv2(int fd)
{
    struct iovec v = { "12345", 5 }, r = { buffer, 100 };

    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    is(pwritev2(fd, &v, 1, 2, 0), 5);
    is(lseek(fd, 0, SEEK_CUR), 0);
    is(pwritev2(fd, &v, 1, -1, 0), 5);      /* at the position */
    is(lseek(fd, 0, SEEK_CUR), 5);
    is(pwritev2(fd, &v, 1, 0, RWF_APPEND), 5);
    is(size_of(fd), 12);
    is(preadv2(fd, &r, 1, -1, 0), 7);
    is(lseek(fd, 0, SEEK_CUR), 12);
    is(preadv2(fd, &r, 1, 0, RWF_HIPRI), 12);
    is(pwritev2(fd, &v, 1, 0, RWF_DSYNC | RWF_SYNC), 5);
    fails(preadv2(fd, &r, 1, 0, 0x4000), EOPNOTSUPP);
    fails(preadv2(fd, &r, 1, -2, 0), EINVAL);
}

static void
test_truncate(int fd)
{
    put_file("t", "0123456789", 10, 0644);
    is(truncate("t", 4), 0);
    int t = open("t", O_RDWR);
    is(read(t, buffer, 100), 4);
    is(ftruncate(t, 8), 0);
    is(pread(t, buffer, 100, 0), 8);
    ok(!memcmp(buffer, "0123\0\0\0\0", 8), "growing adds zeros");
    /* The tail of the last page must not come back. */
    is(ftruncate(t, 0), 0);
    memset(pattern, 0x77, 9000);
    is(pwrite(t, pattern, 9000, 0), 9000);
    is(ftruncate(t, 5000), 0);
    is(ftruncate(t, 12000), 0);
    is(pread(t, buffer, 20000, 0), 12000);
    int zeros = 1;
    for (int i = 5000; i < 12000; i++)
        zeros &= buffer[i] == 0;
    ok(zeros && buffer[4999] == 0x77, "shrinking clears what is cut");
    fails(ftruncate(t, -1), EINVAL);
    fails(truncate("t", -1), EINVAL);
    fails(truncate("missing", 0), ENOENT);
    fails(truncate(".", 0), EISDIR);
    fails(truncate("t/x", 0), ENOTDIR);
    fails(truncate(hole(), 0), EFAULT);
    fails(ftruncate(999, 0), EBADF);
    is(ftruncate(t, INT64_MAX), 0);
    is(size_of(t), INT64_MAX);
    is(ftruncate(t, 1UL << 40), 0);
    is(size_of(t), 1L << 40);
    is(pread(t, buffer, 10, (1L << 40) - 5), 5);
    is(ftruncate(t, 0), 0);
    int p[2];
    pipe(p);
    fails(ftruncate(p[1], 0), EINVAL);
    close(p[0]);
    close(p[1]);
    close(t);
    (void)fd;
}

static volatile sig_atomic_t too_big;

static void
on_xfsz(int number)
{
    too_big = number;
}

static void
limited(void)
{
    struct rlimit limit = { 100, 100 };
    int fd = open("limited", O_CREAT | O_RDWR, 0600);

    signal(SIGXFSZ, on_xfsz);
    works(setrlimit(RLIMIT_FSIZE, &limit));
    is(write(fd, pattern, 90), 90);
    is(write(fd, pattern, 90), 10);
    is(too_big, 0);
    fails(write(fd, pattern, 90), EFBIG);
    is(too_big, SIGXFSZ);
    too_big = 0;
    fails(ftruncate(fd, 101), EFBIG);
    is(too_big, SIGXFSZ);
    is(ftruncate(fd, 50), 0);
    is(pwrite(fd, pattern, 10, 60), 10);
    fails(pwrite(fd, pattern, 10, 100), EFBIG);
}

/* Two processes write through one descriptor: the position is one. */
static void
test_shared_position(void)
{
    int fd = open("shared", O_CREAT | O_RDWR, 0600);

    pid_t pid = tap_fork();
    if (pid == 0) {
        for (int i = 0; i < 200; i++)
            write(fd, "cccccccc", 8);
        _exit(0);
    }
    for (int i = 0; i < 200; i++)
        write(fd, "pppppppp", 8);
    tap_wait(pid);
    is(size_of(fd), 3200);
    int c = 0, p = 0;
    pread(fd, buffer, 3200, 0);
    for (int i = 0; i < 3200; i += 8) {
        c += !memcmp(buffer + i, "cccccccc", 8);
        p += !memcmp(buffer + i, "pppppppp", 8);
    }
    ok(c == 200 && p == 200, "no write is lost or torn: %d and %d", c, p);
    close(fd);
}

static void
test_devices(void)
{
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR),
        full = open("/dev/full", O_RDWR), random = open("/dev/urandom", 0);

    is(read(null, buffer, 10), 0);
    is(write(null, buffer, 10), 10);
    is(write(null, hole(), 10), 10);
    memset(buffer, 1, 10000);
    is(read(zero, buffer, 10000), 10000);
    int zeros = 1;
    for (int i = 0; i < 10000; i++)
        zeros &= buffer[i] == 0;
    ok(zeros, "/dev/zero reads as zeros");
    is(write(zero, buffer, 10), 10);
    is(read(full, buffer, 10), 10);
    fails(write(full, buffer, 10), ENOSPC);
    is(read(random, buffer, 100), 100);
    is(read(random, buffer + 100, 100), 100);
    ok(memcmp(buffer, buffer + 100, 100), "/dev/urandom differs");
    fails(read(zero, hole(), 10), EFAULT);
    fails(read(random, hole(), 10), EFAULT);
    is(lseek(null, 100, SEEK_SET), 0);
    is(lseek(zero, 100, SEEK_SET), 0);
    struct stat st;
    is(fstat(zero, &st), 0);
    ok(S_ISCHR(st.st_mode) && st.st_rdev == 0x105, "it is character 1:5");
    close(null);
    close(zero);
    close(full);
    close(random);
}

/* What the file does not do is told before what is wrong with the buffers. */
static void
test_bad_buffers(void)
{
    int p[2];

    pipe(p);
    fails(syscall(SYS_read, p[1], KERNEL_POINTER, 1), EBADF);
    fails(syscall(SYS_read, p[1], p, -1), EBADF);
    fails(syscall(SYS_read, p[0], KERNEL_POINTER, 1), EFAULT);
    fails(syscall(SYS_write, p[0], KERNEL_POINTER, 1), EBADF);
    fails(syscall(SYS_pread64, p[0], KERNEL_POINTER, 1, 0), ESPIPE);
    fails(syscall(SYS_pwrite64, p[0], KERNEL_POINTER, 1, 0), ESPIPE);
    fails(syscall(SYS_readv, p[1], KERNEL_POINTER, 1), EBADF);
    fails(syscall(SYS_readv, p[1], p, 5000), EBADF);
    fails(syscall(SYS_readv, p[0], p, 5000), EINVAL);
    fails(syscall(SYS_preadv, p[0], p, 5000, 0, 0), ESPIPE);
    close(p[0]);
    close(p[1]);
}

int
main(void)
{
    tap_begin("files");
    int fd = open("f", O_CREAT | O_RDWR, 0600);
    test_read_write(fd);
    test_blocks(fd);
    test_positioned(fd);
    test_lseek(fd);
    test_vectors(fd);
    test_preadv2(fd);
    test_truncate(fd);
    tap_child(limited);
    test_shared_position();
    test_devices();
    is(close(fd), 0);
    fails(close(fd), EBADF);
    test_bad_buffers();
    return tap_end();
}
