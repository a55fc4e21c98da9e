/*
 * Descriptors that only name a file (O_PATH), links to files that have lost
 * their names, and directories that have.
 */
#include "tap.h"
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <poll.h>

/* What an O_PATH descriptor, of a file and of a directory, must refuse and may do. */
static void
refuse(int p, int dir)
{
    char c[256];
    struct flock l = { .l_type = F_RDLCK };
    struct iovec v = { c, 1 };
    struct epoll_event event = { .events = EPOLLIN };
    int other = open("plain", O_RDWR), out = open("out", O_RDWR | O_CREAT, 0600);
    int ep = epoll_create1(0), n;
    off_t offset = 0;

    fails(read(p, c, 1), EBADF);
    fails(write(p, c, 1), EBADF);
    fails(pread(p, c, 1, 0), EBADF);
    fails(pwrite(p, c, 1, 0), EBADF);
    fails(readv(p, &v, 1), EBADF);
    fails(writev(p, &v, 1), EBADF);
    fails(lseek(p, 0, SEEK_SET), EBADF);
    fails(ftruncate(p, 0), EBADF);
    fails(fallocate(p, 0, 0, 10), EBADF);
    fails(fsync(p), EBADF);
    fails(fdatasync(p), EBADF);
    fails(syncfs(p), EBADF);
    fails(sync_file_range(p, 0, 0, 0), EBADF);
    fails(posix_fadvise(p, 0, 0, 0) == EBADF ? (errno = EBADF, -1) : 0, EBADF);
    fails(readahead(p, 0, 1), EBADF);
    fails(fchmod(p, 0777), EBADF);
    fails(fchown(p, 1, 1), EBADF);
    fails(futimens(p, NULL), EBADF);
    fails(flock(p, LOCK_SH), EBADF);
    fails(fcntl(p, F_SETLK, &l), EBADF);
    fails(fcntl(p, F_GETLK, &l), EBADF);
    fails(fcntl(p, F_OFD_SETLK, &l), EBADF);
    fails(fcntl(p, F_SETFL, O_APPEND), EBADF);
    fails(fcntl(p, F_SETOWN, 1), EBADF);
    fails(fcntl(p, F_GETOWN), EBADF);
    fails(fcntl(p, F_SETSIG, 1), EBADF);
    fails(fcntl(p, F_ADD_SEALS, 0), EBADF);
    fails(fcntl(p, F_GETPIPE_SZ), EBADF);
    fails(ioctl(p, FIONREAD, &n), EBADF);
    fails(syscall(SYS_getdents64, p, c, sizeof(c)), EBADF);
    fails((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, p, 0), EBADF);
    fails(sendfile(out, p, &offset, 1), EBADF);
    fails(sendfile(p, other, &offset, 1), EBADF);
    fails(copy_file_range(p, NULL, out, NULL, 1, 0), EBADF);
    fails(epoll_ctl(ep, EPOLL_CTL_ADD, p, &event), EBADF);
    fails(fgetxattr(p, "user.x", c, 1), EBADF);
    fails(fsetxattr(p, "user.x", c, 1, 0), EBADF);
    fails(flistxattr(p, c, 1), EBADF);
    fails(fremovexattr(p, "user.x"), EBADF);
    struct pollfd poll_fd = { .fd = p, .events = POLLIN };
    is(poll(&poll_fd, 1, 0), 1);
    is(poll_fd.revents, POLLNVAL);

    struct stat st;
    struct statfs fs;
    is(fstat(p, &st), 0);
    is(fstatfs(p, &fs), 0);
    is(fcntl(p, F_GETFD), 0);
    int copy = dup(p);
    ok(copy >= 0, "dup");
    ok(fcntl(copy, F_GETFL) & O_PATH, "and the copy is like it");
    fails(read(copy, c, 1), EBADF);
    close(copy);
    if (dir) {
        is(fchdir(p), 0);
        chdir(tap_directory);
        is(close(openat(p, "in", O_RDONLY | O_CREAT, 0600)), 0);
        is(faccessat(p, "in", F_OK, 0), 0);
        is(unlinkat(p, "in", 0), 0);
        fails(readlinkat(p, "", c, 9), ENOENT);
    } else {
        fails(fchdir(p), ENOTDIR);
        fails(openat(p, "in", O_RDONLY), ENOTDIR);
        fails(readlinkat(p, "", c, 9), ENOENT);
        snprintf(c, sizeof(c), "/proc/self/fd/%d", p);
        is(close(open(c, O_RDWR)), 0);          /* it names the file, so that may be opened */
        is(fchmodat(AT_FDCWD, c, 0640, 0), 0);
    }
    close(other);
    close(out);
    close(ep);
}

static void
test_refusals(void)
{
    mkdir("dir", 0755);
    put_file("plain", "plain", 5, 0644);
    int p = open("plain", O_PATH);
    refuse(p, 0);
    close(p);
    p = open("dir", O_PATH);
    refuse(p, 1);
    close(p);
    /* All other flags mean nothing. */
    p = open("plain", O_PATH | O_TRUNC | O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0);
    ok(p >= 0, "O_PATH ignores most flags");
    struct stat st;
    stat("plain", &st);
    is(st.st_size, 5);
    close(p);
}

static const char *
by_descriptor(int fd)
{
    static char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

static void
test_links(void)
{
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    struct stat st;

    is(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
    is(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "again", AT_SYMLINK_FOLLOW), 0);
    is(fstat(fd, &st), 0);
    is(st.st_nlink, 2);
    unlink("named");
    unlink("again");
    fails(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "third", AT_SYMLINK_FOLLOW), ENOENT);
    fails(linkat(fd, "", AT_FDCWD, "third", AT_EMPTY_PATH), ENOENT);
    close(fd);
    fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
    fails(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    put_file("gone", "", 0, 0600);
    fd = open("gone", O_RDWR);
    unlink("gone");
    fails(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "back", AT_SYMLINK_FOLLOW), ENOENT);
    fails(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH), ENOENT);
    close(fd);
    fd = open("plain", O_PATH);
    is(linkat(fd, "", AT_FDCWD, "second", AT_EMPTY_PATH), 0);
    is(unlink("second"), 0);
    close(fd);
    fd = (int)syscall(SYS_memfd_create, "m", 0);
    fails(linkat(AT_FDCWD, by_descriptor(fd), AT_FDCWD, "m", AT_SYMLINK_FOLLOW), EXDEV);
    close(fd);
    fd = open("dir", O_PATH);
    fails(linkat(fd, "", AT_FDCWD, "second", AT_EMPTY_PATH), EPERM);
    close(fd);
    /* A link's own mode does not change, by whatever way it is reached. */
    is(symlink("plain", "soft"), 0);
    fd = open("soft", O_PATH | O_NOFOLLOW);
    fails(fchmodat(AT_FDCWD, by_descriptor(fd), 0600, 0), EOPNOTSUPP);
    is(lstat("soft", &st), 0);
    is(st.st_mode, S_IFLNK | 0777);
    close(fd);
    unlink("soft");
}

/* A directory that was removed while it is current. */
static void
test_removed(void)
{
    char here[128];
    struct stat st;

    mkdir("dead", 0755);
    int fd = open("dead", O_RDONLY);
    chdir("dead");
    is(rmdir("../dead"), 0);
    fails(syscall(SYS_getcwd, here, sizeof(here)), ENOENT);
    fails(open("new", O_CREAT | O_RDWR, 0600), ENOENT);
    fails(mkdir("new", 0755), ENOENT);
    fails(mkfifo("new", 0600), ENOENT);
    fails(symlink("x", "new"), ENOENT);
    fails(link("../plain", "new"), ENOENT);
    fails(rename("../plain", "new"), ENOENT);
    fails(mount("none", ".", "tmpfs", 0, NULL), ENOENT);
    fails(stat("x", &st), ENOENT);
    is(stat(".", &st), 0);
    is(st.st_nlink, 0);
    is(stat("..", &st), 0);
    is(fchdir(fd), 0);
    fails(rmdir("."), EINVAL);
    is(chdir(".."), 0);
    is(access("plain", F_OK), 0);
    close(fd);
}

int
main(void)
{
    tap_begin("opath");
    is(mount("none", ".", "tmpfs", 0, NULL), 0);
    chdir(tap_directory);
    test_refusals();
    test_links();
    test_removed();
    chdir("/");
    umount2(tap_directory, MNT_DETACH);
    return tap_end();
}
