/*
 * Where the bytes of a file are: holes, SEEK_DATA and SEEK_HOLE, fallocate,
 * and the calls that copy in the kernel, sendfile, copy_file_range, splice.
 */
#include "tap.h"
#include <linux/falloc.h>
#include <sys/sendfile.h>

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

static char buffer[131072];

static long
blocks_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -1 : st.st_blocks;
}

static off_t
size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

static int
all(const char *p, int value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != value)
            return 0;
    return 1;
}

static void
test_sparse(void)
{
    int fd = open("sparse", O_CREAT | O_RDWR, 0600);

    is(pwrite(fd, "x", 1, 1 << 30), 1);
    is(size_of(fd), (1 << 30) + 1);
    is(blocks_of(fd), 8);
    is(pread(fd, buffer, 100, 500000), 100);
    ok(all(buffer, 0, 100), "a hole reads as zeros");
    is(blocks_of(fd), 8);
    is(pwrite(fd, "y", 1, 5 * PAGE + 10), 1);
    is(blocks_of(fd), 16);
    is(lseek(fd, 0, SEEK_DATA), 5 * PAGE);
    is(lseek(fd, 5 * PAGE + 10, SEEK_DATA), 5 * PAGE + 10);
    is(lseek(fd, 5 * PAGE + 10, SEEK_HOLE), 6 * PAGE);
    is(lseek(fd, 6 * PAGE, SEEK_DATA), 1 << 30);
    is(lseek(fd, 0, SEEK_HOLE), 0);
    is(lseek(fd, 1 << 30, SEEK_HOLE), (1 << 30) + 1);
    fails(lseek(fd, (1 << 30) + 1, SEEK_DATA), ENXIO);
    fails(lseek(fd, (1 << 30) + 1, SEEK_HOLE), ENXIO);
    fails(lseek(fd, -1, SEEK_DATA), ENXIO);
    ftruncate(fd, 1 << 20);
    fails(lseek(fd, 6 * PAGE, SEEK_DATA), ENXIO);
    is(lseek(fd, 6 * PAGE, SEEK_HOLE), 6 * PAGE);
    is(blocks_of(fd), 8);
    ftruncate(fd, 0);
    is(blocks_of(fd), 0);
    close(fd);
}

/* Did fallocate() set the time of the last write? */
static int
allocates_as_write(int fd, int mode, off_t length)
{
    const struct timespec past[2] = {{1000, 0}, {1000, 0}};
    struct stat st;

    futimens(fd, past);
    return fallocate(fd, mode, 0, length) == 0 && fstat(fd, &st) == 0 && st.st_mtime != 1000;
}

static void
test_fallocate(void)
{
    int fd = open("fall", O_CREAT | O_RDWR, 0600);

    is(fallocate(fd, 0, 0, 3 * PAGE), 0);
    is(size_of(fd), 3 * PAGE);
    is(blocks_of(fd), 24);
    is(allocates_as_write(fd, 0, 3 * PAGE), 1);
    is(allocates_as_write(fd, FALLOC_FL_KEEP_SIZE, 5 * PAGE), 1);
    is(size_of(fd), 3 * PAGE);
    is(blocks_of(fd), 40);
    memset(buffer, 'd', 5 * PAGE);
    is(pwrite(fd, buffer, 5 * PAGE, 0), 5 * PAGE);
    is(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 100,
                 2 * PAGE), 0);
    is(pread(fd, buffer, 5 * PAGE, 0), 5 * PAGE);
    ok(all(buffer, 'd', PAGE + 100) && all(buffer + PAGE + 100, 0, 2 * PAGE) &&
       all(buffer + 3 * PAGE + 100, 'd', 2 * PAGE - 100),
       "a hole is exactly what was punched");
    is(blocks_of(fd), 32);
    is(size_of(fd), 5 * PAGE);

    fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP);
    fails(fallocate(fd, 0, -1, 10), EINVAL);
    fails(fallocate(fd, 0, 0, 0), EINVAL);
    fails(fallocate(fd, 0, 0, -5), EINVAL);
    fails(fallocate(fd, 0, INT64_MAX, 10), EFBIG);
    fails(fallocate(fd, 0x8000, 0, 10), EOPNOTSUPP);
    fails(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE), EOPNOTSUPP);
    fails(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP);
    fails(fallocate(999, 0, 0, 10), EBADF);
    int other = open("fall", O_RDONLY);
    fails(fallocate(other, 0, 0, 10), EBADF);
    close(other);
    int p[2];
    pipe(p);
    fails(fallocate(p[1], 0, 0, 10), ESPIPE);
    close(p[0]);
    close(p[1]);
    other = open("/dev/null", O_RDWR);
    fails(fallocate(other, 0, 0, 10), ENODEV);
    close(other);
    is(posix_fallocate(fd, 0, 10 * PAGE), 0);
    is(size_of(fd), 10 * PAGE);
    close(fd);
}

/* A file of n bytes whose contents tell the place. */
static int
counted_file(const char *path, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buffer[i] = i % 251;
    put_file(path, buffer, n, 0644);
    return open(path, O_RDWR);
}

static int
counted(const char *p, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != (char)((from + i) % 251))
            return 0;
    return 1;
}

static void
test_sendfile(void)
{
    int in = counted_file("in", 100000), out = open("out", O_CREAT | O_RDWR,
                                                    0600);
    off_t at = 10;

    is(sendfile(out, in, NULL, 50000), 50000);
    is(lseek(in, 0, SEEK_CUR), 50000);
    is(lseek(out, 0, SEEK_CUR), 50000);
    is(sendfile(out, in, NULL, 1000000), 50000);
    is(sendfile(out, in, NULL, 10), 0);
    is(pread(out, buffer, 131072, 0), 100000);
    ok(counted(buffer, 0, 100000), "the copy is the same");
    is(sendfile(out, in, &at, 20), 20);
    is(at, 30);
    is(lseek(in, 0, SEEK_CUR), 100000);
    is(pread(out, buffer, 20, 100000), 20);
    ok(counted(buffer, 10, 20), "from an offset");
    at = 200000;
    is(sendfile(out, in, &at, 20), 0);
    at = -1;
    fails(sendfile(out, in, &at, 20), EINVAL);
    fails(sendfile(out, in, hole(), 20), EFAULT);
    int ends[2];
    pipe(ends);
    at = 0;
    fails(sendfile(999, ends[0], &at, 20), ESPIPE); /* the source is looked at first */
    fails(sendfile(999, in, &at, 20), EBADF);
    fails(sendfile(out, ends[1], &at, 20), EBADF);
    close(ends[0]);
    close(ends[1]);
    fails(sendfile(999, in, NULL, 20), EBADF);
    fails(sendfile(out, 999, NULL, 20), EBADF);
    is(sendfile(out, in, NULL, 0), 0);
    int read_only = open("out", O_RDONLY), append = open("out",
                                                         O_WRONLY | O_APPEND);
    fails(sendfile(read_only, in, NULL, 20), EBADF);
    fails(sendfile(append, in, NULL, 20), EINVAL);
    close(read_only);
    close(append);

    int p[2];
    pipe(p);
    lseek(in, 0, SEEK_SET);
    is(sendfile(p[1], in, NULL, 1000), 1000);
    is(read(p[0], buffer, 2000), 1000);
    ok(counted(buffer, 0, 1000), "into a pipe");
    fails(sendfile(out, p[0], NULL, 10), EINVAL);
    close(p[0]);
    close(p[1]);
    close(in);
    close(out);
}

static void
test_copy_file_range(void)
{
    int in = counted_file("in", 50000), out = open("out2", O_CREAT | O_RDWR,
                                                   0600);
    off_t from = 100, to = 7;

    is(copy_file_range(in, &from, out, &to, 20000, 0), 20000);
    is(from, 20100);
    is(to, 20007);
    is(lseek(in, 0, SEEK_CUR), 0);
    is(pread(out, buffer, 20000, 7), 20000);
    ok(counted(buffer, 100, 20000), "the range is the same");
    is(copy_file_range(in, NULL, out, NULL, 1000000, 0), 50000);
    is(copy_file_range(in, NULL, out, NULL, 10, 0), 0);
    fails(copy_file_range(in, NULL, out, NULL, 10, 1), EINVAL);
    from = 0;
    to = 100;
    fails(copy_file_range(in, &from, in, &to, 1000, 0), EINVAL);
    to = 60000;
    is(copy_file_range(in, &from, in, &to, 1000, 0), 1000);
    int dir = open(".", O_RDONLY), p[2];
    fails(copy_file_range(dir, NULL, out, NULL, 10, 0), EISDIR);
    pipe(p);
    fails(copy_file_range(p[0], NULL, out, NULL, 10, 0), EINVAL);
    int read_only = open("out2", O_RDONLY);
    fails(copy_file_range(in, NULL, read_only, NULL, 10, 0), EBADF);
    fails(copy_file_range(999, NULL, out, NULL, 10, 0), EBADF);
    close(read_only);
    close(dir);
    close(p[0]);
    close(p[1]);
    close(in);
    close(out);
}

static void
test_sync(void)
{
    int fd = counted_file("in", 1000);

    is(fsync(fd), 0);
    is(fdatasync(fd), 0);
    fails(fsync(999), EBADF);
    is(syncfs(fd), 0);
    is(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    fails(sync_file_range(fd, 0, 0, 0x100), EINVAL);
    is(sync_file_range(fd, INT64_MAX, 0, 0), 0);
    is(sync_file_range(fd, INT64_MAX - 1, 1, 0), 0);
    fails(sync_file_range(fd, INT64_MAX, 1, 0), EINVAL);
    fails(sync_file_range(fd, INT64_MAX, INT64_MAX, 0), EINVAL);
    fails(sync_file_range(fd, INT64_MIN, INT64_MIN, 0), EINVAL);
    fails(sync_file_range(fd, 1, -1, 0), EINVAL);
    is(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
    is(posix_fadvise(fd, 0, 0, 77), EINVAL);
    is(posix_fadvise(999, 0, 0, 0), EBADF);
    is(readahead(fd, 0, 100), 0);
    int p[2];
    pipe(p);
    fails(fsync(p[0]), EINVAL);
    is(posix_fadvise(p[0], 0, 0, 0), ESPIPE);
    close(p[0]);
    close(p[1]);
    close(fd);
}

int
main(void)
{
    tap_begin("space");
    test_sparse();
    test_fallocate();
    test_sendfile();
    test_copy_file_range();
    test_sync();
    return tap_end();
}
