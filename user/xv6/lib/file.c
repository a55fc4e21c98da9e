/* Files: xv6's calls in Linux's. */
#include <linux/stat.h>

#include "call.h"
#include "kernel/fcntl.h"
#include "kernel/stat.h"

/* Linux's own flags of open, in <asm-generic/fcntl.h>. */
#define LINUX_O_CREAT 0100
#define LINUX_O_TRUNC 01000
#define LINUX_O_NOFOLLOW 0400000
#define LINUX_O_PATH 010000000

#define SEEK_CUR 1
#define MODE_ALL 0777 /* xv6 has no permissions: any file may be exec'd */

int
open(const char *name, int mode)
{
    char buffer[PATH_BUFFER];
    int search = (mode & (O_CREATE | O_TRUNC | O_WRONLY | O_RDWR)) == 0;
    const char *path = xv6_path(name, search ? PATH_SEARCH : PATH_PLAIN, buffer);
    int flags = mode & (O_WRONLY | O_RDWR);

    if (!path)
        return xv6_result(SYS_open, -1);
    if (mode & O_CREATE)
        flags |= LINUX_O_CREAT;
    if (mode & O_TRUNC)
        flags |= LINUX_O_TRUNC;
    if (mode & O_NOFOLLOW)
        flags |= LINUX_O_NOFOLLOW;
    long fd = linux_call(openat, AT_FDCWD, path, flags, MODE_ALL);
    if (fd == -ELOOP && (mode & O_NOFOLLOW)) /* the link itself */
        fd = linux_call(openat, AT_FDCWD, path, LINUX_O_PATH | LINUX_O_NOFOLLOW, 0);
    return xv6_result(SYS_open, fd);
}

int
close(int fd)
{
    return xv6_result(SYS_close, linux_call(close, fd));
}

int
dup(int fd)
{
    return xv6_result(SYS_dup, linux_call(dup, fd));
}

int
pipe(int *fds)
{
    return xv6_result(SYS_pipe, linux_call(pipe2, fds, 0));
}

int
read(int fd, void *to, int n)
{
    long got = linux_call(read, fd, to, (long)n);

    if (got == -EISDIR)
        got = xv6_read_directory(fd, to, n);
    return xv6_result(SYS_read, got);
}

/* Whether the file was truncated to less than where fd stands: xv6's have no holes. */
static int
beyond_the_end(int fd)
{
    struct statx stx;
    long at = linux_call(lseek, fd, 0, SEEK_CUR);

    return at > 0 && linux_call(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0 &&
           (stx.stx_mode & S_IFMT) == S_IFREG && (uint64)at > stx.stx_size;
}

int
write(int fd, const void *from, int n)
{
    if (beyond_the_end(fd))
        return xv6_result(SYS_write, -1);
    return xv6_result(SYS_write, linux_call(write, fd, from, (long)n));
}

static void
convert(struct stat *st, const struct statx *stx)
{
    switch (stx->stx_mode & S_IFMT) {
    case S_IFDIR:
        st->type = T_DIR;
        break;
    case S_IFREG:
        st->type = T_FILE;
        break;
    case S_IFLNK:
        st->type = T_SYMLINK;
        break;
    default:
        st->type = T_DEVICE;
    }
    st->dev = stx->stx_dev_major << 8 | stx->stx_dev_minor;
    st->ino = (uint)stx->stx_ino;
    st->nlink = (short)stx->stx_nlink;
    st->size = stx->stx_size;
}

static long
stat_at(int fd, const char *path, struct stat *st)
{
    struct statx stx;
    long error = linux_call(statx, fd, path, *path ? 0 : AT_EMPTY_PATH, STATX_BASIC_STATS, &stx);

    if (error)
        return error;
    if (!writable(st) || !writable(&st->size))
        return -1;
    convert(st, &stx);
    return 0;
}

int
fstat(int fd, struct stat *st)
{
    return xv6_result(SYS_fstat, fd < 0 ? -1 : stat_at(fd, "", st));
}

int
stat(const char *name, struct stat *st)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_SEARCH, buffer);

    return path && *path ? (int)stat_at(AT_FDCWD, path, st) < 0 ? -1 : 0 : -1;
}

int
mknod(const char *name, short major, short minor)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_PLAIN, buffer);
    long device = (ushort)major << 8 | (minor & 0xff);

    if (major == 1 && minor == 0) /* xv6's console; 1:0 is nothing in Linux */
        device = 5 << 8 | 1;
    return xv6_result(SYS_mknod, path ? linux_call(mknodat, AT_FDCWD, path, S_IFCHR | 0666, device)
                                      : -1);
}

/* Empty directories, too. */
int
unlink(const char *name)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_PLAIN, buffer);

    if (!path)
        return xv6_result(SYS_unlink, -1);
    long error = linux_call(unlinkat, AT_FDCWD, path, 0);
    if (error == -EISDIR)
        error = linux_call(unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
    return xv6_result(SYS_unlink, error);
}

int
link(const char *old, const char *new)
{
    char old_buffer[PATH_BUFFER], new_buffer[PATH_BUFFER];
    const char *from = xv6_path(old, PATH_PLAIN, old_buffer);
    const char *to = xv6_path(new, PATH_PLAIN, new_buffer);
    long error = -1;

    if (from && to)
        error = linux_call(linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    return xv6_result(SYS_link, error);
}

int
symlink(const char *target, const char *name)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_PLAIN, buffer);

    return xv6_result(SYS_symlink, path ? linux_call(symlinkat, target, AT_FDCWD, path) : -1);
}

int
mkdir(const char *name)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_PLAIN, buffer);

    return xv6_result(SYS_mkdir, path ? linux_call(mkdirat, AT_FDCWD, path, MODE_ALL) : -1);
}

int
chdir(const char *name)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_PLAIN, buffer);

    return xv6_result(SYS_chdir, path ? linux_call(chdir, path) : -1);
}
