/*
 * What stat, fstat, fstatat and statx tell, and the calls that change it:
 * chmod, chown, utimensat, and what reading and writing do to the times.
 */
#include "tap.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static struct stat
look(const char *path)
{
    struct stat st;

    memset(&st, 0x55, sizeof(st));
    if (lstat(path, &st) < 0)
        tap_fails(-1, 0, __FILE__, __LINE__, path);
    return st;
}

static int
same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int
later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec ||
           (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static void
test_fields(void)
{
    struct stat st, dir, other;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    put_file("f", "12345", 5, 0640);
    st = look("f");
    is(st.st_mode, S_IFREG | 0640);
    is(st.st_nlink, 1);
    is(st.st_uid, 0);
    is(st.st_gid, 0);
    is(st.st_size, 5);
    is(st.st_blksize, 4096);
    is(st.st_blocks, 8);
    ok(st.st_ino != 0, "inode number %lu", (long)st.st_ino);
    ok(labs(st.st_mtim.tv_sec - now.tv_sec) <= 5, "its time is about now");
    dir = look(".");
    is(dir.st_dev, st.st_dev);
    ok(S_ISDIR(dir.st_mode), "a directory");
    other = look("/proc");
    ok(other.st_dev != st.st_dev, "another file system, another device");
    other = look("/dev/null");
    is(other.st_rdev, makedev(1, 3));
    is(other.st_mode, S_IFCHR | 0666);
    is(other.st_size, 0);
    symlink("f", "l");
    other = look("l");
    is(other.st_size, 1);
    is(stat("l", &other), 0);
    is(other.st_ino, st.st_ino);
    put_file("g", "", 0, 0600);
    ok(look("g").st_ino != st.st_ino, "each file its own number");
    is(look("g").st_blocks, 0);
}

static void
test_fstatat(void)
{
    struct stat st;
    int fd = open("f", O_RDONLY), dir = open(".", O_RDONLY);

    is(fstatat(dir, "l", &st, 0), 0);
    ok(S_ISREG(st.st_mode), "follows");
    is(fstatat(dir, "l", &st, AT_SYMLINK_NOFOLLOW), 0);
    ok(S_ISLNK(st.st_mode), "or not");
    is(fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
    is(st.st_size, 5);
    st.st_size = 0;
    is(syscall(SYS_newfstatat, fd, NULL, &st, AT_EMPTY_PATH), 0);
    is(st.st_size, 5);
    fails(syscall(SYS_newfstatat, fd, NULL, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), EFAULT);
    fails(syscall(SYS_newfstatat, fd, NULL, &st, 0), EFAULT);
    fails(syscall(SYS_newfstatat, AT_FDCWD, NULL, &st, AT_EMPTY_PATH), EFAULT);
    struct statx stx = {};
    is(syscall(SYS_statx, fd, NULL, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_SIZE, &stx), 0);
    is(stx.stx_size, 5);
    fails(fstatat(fd, "", &st, 0), ENOENT);
    fails(fstatat(fd, "x", &st, 0), ENOTDIR);
    fails(fstatat(999, "f", &st, 0), EBADF);
    is(fstatat(999, tap_directory, &st, 0), 0);
    is(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH), 0);
    ok(S_ISDIR(st.st_mode), "AT_FDCWD with an empty path");
    fails(fstatat(dir, "f", &st, 0x8000), EINVAL);
    fails(fstat(999, &st), EBADF);
    close(fd);
    close(dir);
}

static void
test_statx(void)
{
    struct statx x;
    struct stat st = look("f");

    memset(&x, 0x55, sizeof(x));
    is(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x), 0);
    is(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
    is(x.stx_mode, S_IFREG | 0640);
    is(x.stx_size, 5);
    is(x.stx_ino, st.st_ino);
    is(x.stx_nlink, 1);
    is(x.stx_blocks, 8);
    is(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
    is(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
    is(x.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
    is(statx(AT_FDCWD, "/dev/null", 0, 0, &x), 0);
    ok(x.stx_rdev_major == 1 && x.stx_rdev_minor == 3, "rdev");
    is(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_MODE, &x), 0);
    ok(S_ISLNK(x.stx_mode), "no following");
    fails(statx(AT_FDCWD, "f", 0x8000, 0, &x), EINVAL);
    fails(statx(AT_FDCWD, "f", 0, 0x80000000U, &x), EINVAL);
    fails(statx(AT_FDCWD, "missing", 0, 0, &x), ENOENT);
    fails(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0,
                &x), EINVAL);
    fails(syscall(SYS_statx, AT_FDCWD, "f", 0, 0, hole()), EFAULT);
}

/* What each operation does to mtime and ctime. */
static void
test_time_changes(void)
{
    struct stat a, b;

    a = look("f");
    sleep_ms(12);
    int fd = open("f", O_RDWR);
    b = look("f");
    ok(same_time(a.st_mtim, b.st_mtim) && same_time(a.st_ctim, b.st_ctim),
       "opening changes no time");
    write(fd, "x", 1);
    b = look("f");
    ok(later(b.st_mtim, a.st_mtim) && later(b.st_ctim, a.st_ctim),
       "writing changes both");
    sleep_ms(12);
    a = look("f");
    chmod("f", 0600);
    b = look("f");
    ok(same_time(b.st_mtim, a.st_mtim) && later(b.st_ctim, a.st_ctim),
       "chmod changes ctime");
    sleep_ms(12);
    a = look("f");
    link("f", "hard");
    b = look("f");
    ok(same_time(b.st_mtim, a.st_mtim) && later(b.st_ctim, a.st_ctim),
       "so does link");
    sleep_ms(12);
    a = look("f");
    ftruncate(fd, 3);
    b = look("f");
    ok(later(b.st_mtim, a.st_mtim), "ftruncate changes mtime");
    a = look(".");
    sleep_ms(12);
    unlink("hard");
    b = look(".");
    ok(later(b.st_mtim, a.st_mtim) && later(b.st_ctim, a.st_ctim),
       "unlink changes the directory's");
    sleep_ms(12);
    a = look(".");
    rename("g", "h");
    b = look(".");
    ok(later(b.st_mtim, a.st_mtim), "rename too");
    close(fd);
}

static void
test_utimens(void)
{
    struct timespec t[2] = { { 1000, 1 }, { 2000, 999999999 } };
    struct timespec special[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
    struct stat st;

    is(utimensat(AT_FDCWD, "f", t, 0), 0);
    st = look("f");
    ok(st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 1 &&
       st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 999999999,
       "to the nanosecond");
    is(utimensat(AT_FDCWD, "f", special, 0), 0);
    st = look("f");
    ok(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec > 100000,
       "UTIME_OMIT and UTIME_NOW");
    is(utimensat(AT_FDCWD, "f", NULL, 0), 0);
    ok(look("f").st_atim.tv_sec > 100000, "NULL is now");
    int fd = open("f", O_RDONLY);
    is(futimens(fd, t), 0);
    is(look("f").st_atim.tv_sec, 1000);
    is(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW), 0);
    is(look("l").st_mtim.tv_sec, 2000);
    t[0].tv_nsec = 1000000000;
    fails(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    t[0].tv_nsec = -1;
    fails(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    t[0] = (struct timespec){ -5, 0 };
    is(utimensat(AT_FDCWD, "f", t, 0), 0);
    is(look("f").st_atim.tv_sec, -5);
    fails(utimensat(AT_FDCWD, "missing", t, 0), ENOENT);
    fails(utimensat(AT_FDCWD, "f", t, 0x8000), EINVAL);
    fails(utimensat(999, "f", t, 0), EBADF);
    special[1].tv_nsec = UTIME_OMIT;
    is(utimensat(AT_FDCWD, "missing", special, 0), 0);
    close(fd);
}

static void
test_chmod_chown(void)
{
    is(chmod("f", 07777), 0);
    is(look("f").st_mode, S_IFREG | 07777);
    is(chmod("f", 0177777), 0);
    is(look("f").st_mode, S_IFREG | 07777);
    is(chown("f", 100, 200), 0);
    ok(look("f").st_uid == 100 && look("f").st_gid == 200, "given away");
    is(look("f").st_mode, S_IFREG | 01777);     /* set-id bits are lost */
    chmod("f", 06755);
    is(chown("f", -1, 300), 0);
    ok(look("f").st_uid == 100 && look("f").st_gid == 300, "-1 keeps");
    is(look("f").st_mode, S_IFREG | 0755);
    chmod("f", 06745);
    chown("f", -1, -1);
    is(look("f").st_mode, S_IFREG | 02745);     /* no x for group: not set-id */
    is(lchown("l", 5, 6), 0);
    ok(look("l").st_uid == 5 && look("f").st_uid == 100, "lchown: the link");
    is(chmod("l", 0600), 0);
    is(look("f").st_mode, S_IFREG | 0600);
    int fd = open("f", O_RDONLY);
    is(fchmod(fd, 0644), 0);
    is(fchown(fd, 0, 0), 0);
    is(look("f").st_uid, 0);
    fails(chmod("missing", 0600), ENOENT);
    fails(chmod("f/x", 0600), ENOTDIR);
    fails(fchmod(999, 0600), EBADF);
    fails(fchown(999, 0, 0), EBADF);
    fails(fchownat(AT_FDCWD, "f", 0, 0, 0x8000), EINVAL);
    is(fchownat(fd, "", 7, 7, AT_EMPTY_PATH), 0);
    is(look("f").st_uid, 7);
    /* Writing takes the set-id bits away, for all but root. */
    chmod("f", 06777);
    pid_t pid = tap_fork();
    if (pid == 0) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        int mine = open("f", O_WRONLY);
        _exit(write(mine, "x", 1) != 1);
    }
    is(tap_wait(pid), 0);
    is(look("f").st_mode, S_IFREG | 0777);
    close(fd);
}

static void
test_umask(void)
{
    is(umask(0123), 022);
    is(umask(0177777), 0123);
    is(umask(022), 0777);
    /* A directory with the set-group bit hands its group down. */
    mkdir("sg", 0755);
    chown("sg", 0, 77);
    chmod("sg", 02755);
    put_file("sg/file", "", 0, 0644);
    is(look("sg/file").st_gid, 77);
    mkdir("sg/dir", 0755);
    is(look("sg/dir").st_gid, 77);
    is(look("sg/dir").st_mode, S_IFDIR | 02755);
}

static void
test_statfs(void)
{
    struct statfs fs;
    int fd = open("f", O_RDONLY);

    is(statfs(".", &fs), 0);
    is(fs.f_type, 0x01021994);
    is(fs.f_bsize, 4096);
    is(fs.f_namelen, 255);
    ok(fs.f_blocks > 0 && fs.f_bfree > 0 && fs.f_bavail <= fs.f_bfree &&
       fs.f_bfree <= fs.f_blocks, "%lu of %lu blocks free",
       (long)fs.f_bfree, (long)fs.f_blocks);
    is(statfs("/proc", &fs), 0);
    is(fs.f_type, 0x9fa0);
    is(fstatfs(fd, &fs), 0);
    is(fs.f_type, 0x01021994);
    fails(statfs("missing", &fs), ENOENT);
    fails(fstatfs(999, &fs), EBADF);
    close(fd);
}

int
main(void)
{
    tap_begin("stat");
    test_fields();
    test_fstatat();
    test_statx();
    test_time_changes();
    test_utimens();
    test_chmod_chown();
    test_umask();
    test_statfs();
    return tap_end();
}
