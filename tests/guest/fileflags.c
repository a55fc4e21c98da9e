/*
 * What descriptors of different kinds make of flags and lesser requests:
 * preadv2's and pwritev2's flags, O_DIRECT, FIOASYNC and its kin, write hints,
 * file systems' types, numbers written to /proc/sys.
 */
#include "tap.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <linux/fs.h>
#include <linux/magic.h>

#define RWF_NOAPPEND_ 0x20

static char buffer[8];
static struct iovec four = {buffer, 4};

static void
test_nowait(void)
{
    int ends[2], events = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    int zero = open("/dev/zero", O_RDONLY), file = open("nowait", O_RDWR | O_CREAT, 0600);
    struct iovec eight = {buffer, 8};

    works(pipe(ends));
    fails(preadv2(ends[0], &four, 1, -1, RWF_NOWAIT), EAGAIN);
    is(write(ends[1], "abcdef", 6), 6);
    is(preadv2(ends[0], &four, 1, -1, RWF_NOWAIT), 4);
    is(preadv2(ends[0], &four, 1, -1, RWF_NOWAIT), 2);
    int size = fcntl(ends[1], F_GETPIPE_SZ);
    char *much = malloc(size);
    is(write(ends[1], much, size), size);
    fails(pwritev2(ends[1], &four, 1, -1, RWF_NOWAIT), EAGAIN);
    fails(preadv2(events, &eight, 1, -1, RWF_NOWAIT), EAGAIN);
    fails(preadv2(timer, &eight, 1, -1, RWF_NOWAIT), EAGAIN);
    is(preadv2(zero, &four, 1, -1, RWF_NOWAIT), 4);
    fails(preadv2(file, &four, 1, 0, RWF_NOWAIT), EOPNOTSUPP);
    is(preadv2(file, &four, 0, 0, 1 << 20), 0);
    fails(preadv2(file, &four, 1, 0, 1 << 20), EOPNOTSUPP);
    free(much);
    close(ends[0]), close(ends[1]), close(events), close(timer), close(zero), close(file);
}

static void
test_append(void)
{
    int fd = open("append", O_RDWR | O_CREAT | O_APPEND, 0600);

    is(write(fd, "12345678", 8), 8);
    memcpy(buffer, "abcd", 4);
    is(pwritev2(fd, &four, 1, 0, RWF_NOAPPEND_), 4);
    is(pwritev2(fd, &four, 1, 0, 0), 4);
    char all[16] = "";
    is(pread(fd, all, sizeof(all), 0), 12);
    ok(!memcmp(all, "abcd5678abcd", 12), "at 0, then at the end: %.12s", all);
    fails(pwritev2(fd, &four, 1, 0, RWF_APPEND | RWF_NOAPPEND_), EINVAL);
    close(fd);
}

static void
test_direct(void)
{
    int ends[2], events = eventfd(0, 0);

    works(mkfifo("direct-fifo", 0600));
    fails(open("/dev/null", O_RDONLY | O_DIRECT), EINVAL);
    fails(open("/", O_RDONLY | O_DIRECT), EINVAL);
    fails(open("/proc/self/maps", O_RDONLY | O_DIRECT), EINVAL);
    fails(open("direct-fifo", O_RDONLY | O_NONBLOCK | O_DIRECT), EINVAL);
    int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0600);
    ok(fd >= 0, "a file of a tmpfs takes O_DIRECT");
    is(fcntl(fd, F_GETFL) & O_DIRECT, O_DIRECT);
    works(fcntl(fd, F_SETFL, 0));
    works(fcntl(fd, F_SETFL, O_DIRECT));
    fails(fcntl(events, F_SETFL, O_DIRECT), EINVAL);
    works(pipe(ends));
    works(fcntl(ends[1], F_SETFL, O_DIRECT));
    close(fd), close(events), close(ends[0]), close(ends[1]);
}

static void
test_ioctls(void)
{
    int ends[2], on = 1, off = 0, size = 0, file = open("ioctls", O_RDWR | O_CREAT, 0600);
    int events = eventfd(0, 0);
    int64_t bytes = -1;

    works(pipe(ends));
    works(ioctl(ends[0], FIOASYNC, &on));
    is(fcntl(ends[0], F_GETFL) & O_ASYNC, O_ASYNC);
    works(ioctl(ends[0], FIOASYNC, &off));
    is(fcntl(ends[0], F_GETFL) & O_ASYNC, 0);
    fails(ioctl(file, FIOASYNC, &on), ENOTTY);
    fails(ioctl(events, FIOASYNC, &on), ENOTTY);
    works(ioctl(file, FIOASYNC, &off));
    fails(ioctl(file, FIOASYNC, NULL), EFAULT);
    works(ioctl(ends[0], FIGETBSZ, &size));
    is(size, 4096);
    is(write(file, buffer, 1), 1);
    works(ioctl(file, FIOQSIZE, &bytes));
    is(bytes, 4096);
    fails(ioctl(ends[0], FIOQSIZE, &bytes), ENOTTY);
    fails(ioctl(file, 0x12345678, &bytes), ENOTTY);
    close(ends[0]), close(ends[1]), close(file), close(events);
}

static void
test_hints(void)
{
    int fd = open("hints", O_RDWR | O_CREAT, 0600), again = open("hints", O_RDONLY);
    uint64_t hint = 9;

    works(fcntl(fd, F_GET_RW_HINT, &hint));
    is(hint, RWH_WRITE_LIFE_NOT_SET);
    hint = RWH_WRITE_LIFE_MEDIUM;
    works(fcntl(fd, F_SET_RW_HINT, &hint));
    hint = 0;
    works(fcntl(again, F_GET_RW_HINT, &hint));
    is(hint, RWH_WRITE_LIFE_MEDIUM);
    hint = RWH_WRITE_LIFE_EXTREME + 1;
    fails(fcntl(fd, F_SET_RW_HINT, &hint), EINVAL);
    fails(fcntl(fd, F_SET_RW_HINT, NULL), EFAULT);
    is(fcntl(fd, F_GETLEASE), F_UNLCK);
    close(fd), close(again);
}

static long
type_of(int fd)
{
    struct statfs st;
    return fstatfs(fd, &st) < 0 ? -1 : (long)st.f_type;
}

static void
test_types(void)
{
    int ends[2], memory = memfd_create("m", 0), polls = epoll_create1(0);

    works(pipe(ends));
    is(type_of(ends[0]), PIPEFS_MAGIC);
    is(type_of(memory), TMPFS_MAGIC);
    is(type_of(polls), ANON_INODE_FS_MAGIC);
    fails(sync_file_range(ends[0], 0, 1, 0), ESPIPE);
    fails(sync_file_range(polls, 0, 1, 0), ESPIPE);
    works(sync_file_range(memory, 0, 1, 0));
    fails(sync_file_range(memory, 0, 1, 8), EINVAL);
    close(ends[0]), close(ends[1]), close(memory), close(polls);
}

/* Beside mount(2)'s own bits: 0x20 valid, 0x1000 relatime, 0x2000 nosymfollow. */
static void
test_mount_flags(void)
{
    struct statfs st;

    works(mkdir("flags", 0700));
    works(mount("none", "flags", "tmpfs", MS_NOATIME | MS_NODIRATIME | MS_NOSYMFOLLOW | MS_NOEXEC, NULL));
    works(statfs("flags", &st));
    is(st.f_flags, MS_NOATIME | MS_NODIRATIME | MS_NOEXEC | 0x20 | 0x2000);
    works(umount("flags"));
    works(mount("none", "flags", "tmpfs", 0, NULL));
    works(statfs("flags", &st));
    is(st.f_flags, 0x20 | 0x1000);
    works(umount("flags"));
}

static void
test_copy_across(void)
{
    works(mkdir("across", 0700));
    works(mount("none", "across", "tmpfs", 0, NULL));
    int from = open("copied", O_RDWR | O_CREAT, 0600), to = open("across/copied", O_RDWR | O_CREAT, 0600);
    int beside = open("copied-2", O_RDWR | O_CREAT, 0600);
    is(write(from, "hello", 5), 5);
    loff_t at = 0;
    fails(copy_file_range(from, &at, to, NULL, 5, 0), EXDEV);
    is(copy_file_range(from, &at, beside, NULL, 5, 0), 5);
    close(from), close(to), close(beside);
    works(umount("across"));
}

static long
put_knob(const char *text)
{
    int fd = open("/proc/sys/fs/pipe-max-size", O_WRONLY);
    long n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n;
}

/* Numbers in any of C's bases, blanks before them, anything behind a blank; no letters for sizes. */
static void
test_knobs(void)
{
    works(put_knob("0x20000"));
    works(put_knob(" 131072"));
    works(put_knob("131072 \n"));
    works(put_knob("131072 5"));
    works(put_knob("0400000"));
    fails(put_knob("128k"), EINVAL);
    fails(put_knob("131072x"), EINVAL);
    fails(put_knob("-1"), EINVAL);
    fails(put_knob(" "), EINVAL);
    works(put_knob("1048576"));
}

static void
test_clocks(void)
{
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    timer_t timer;

    fails(timer_create(CLOCK_MONOTONIC_RAW, &none, &timer), EOPNOTSUPP);
    fails(timer_create(CLOCK_REALTIME_COARSE, &none, &timer), EOPNOTSUPP);
    fails(timer_create(CLOCK_MONOTONIC_COARSE, &none, &timer), EOPNOTSUPP);
    fails(timer_create(10, &none, &timer), EINVAL);
    works(timer_create(CLOCK_BOOTTIME, &none, &timer));
}

int
main(void)
{
    tap_begin("fileflags");
    test_nowait();
    test_append();
    test_direct();
    test_ioctls();
    test_hints();
    test_types();
    test_mount_flags();
    test_copy_across();
    test_knobs();
    test_clocks();
    return tap_end();
}
