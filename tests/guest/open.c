/*
 * open: its flags, what they create, what they refuse, and openat's
 * directories.
 */
#include "tap.h"
#include <sys/ioctl.h>

/* What O_LARGEFILE is to the kernel, which sets it for 64-bit programs; to
 * them it is 0. */
#define LARGEFILE 0100000

static mode_t
mode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 ? 0xffffffff : st.st_mode;
}

static int
opens(const char *path, int flags, mode_t mode)
{
    int fd = open(path, flags, mode);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void
test_create(void)
{
    fails(opens("a", O_RDONLY, 0), ENOENT);
    is(opens("a", O_WRONLY | O_CREAT, 0666), 0);
    is(mode_of("a"), S_IFREG | 0644);
    is(opens("b", O_RDONLY | O_CREAT, 07777), 0);
    is(mode_of("b"), S_IFREG | 07755);
    is(opens("a", O_RDWR | O_CREAT, 0), 0);
    is(mode_of("a"), S_IFREG | 0644);
    fails(opens("a", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    fails(opens(".", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    is(opens("c", O_CREAT | O_EXCL, 0000), 0);
    is(mode_of("c"), S_IFREG);
    /* The one who creates may write, whatever the mode says. */
    int fd = open("d", O_CREAT | O_WRONLY, 0400);
    is(write(fd, "x", 1), 1);
    close(fd);
    umask(0);
    is(opens("e", O_CREAT, 0666), 0);
    is(mode_of("e"), S_IFREG | 0666);
    umask(022);
    fails(opens("", O_RDONLY, 0), ENOENT);
    fails(opens("", O_CREAT | O_RDWR, 0600), ENOENT);
    fails(opens("missing/x", O_CREAT | O_RDWR, 0600), ENOENT);
    fails(opens("a/x", O_RDONLY, 0), ENOTDIR);
    fails(opens("a/", O_RDONLY, 0), ENOTDIR);
    fails(opens("new/", O_CREAT | O_RDWR, 0600), EISDIR);
    fails(opens("a/.", O_RDONLY, 0), ENOTDIR);
    fails(opens("a/../a", O_RDONLY, 0), ENOTDIR);
}

static void
test_directories(void)
{
    is(mkdir("dir", 0755), 0);
    is(opens("dir", O_RDONLY, 0), 0);
    is(opens("dir/", O_RDONLY | O_DIRECTORY, 0), 0);
    fails(opens("dir", O_WRONLY, 0), EISDIR);
    fails(opens("dir", O_RDWR, 0), EISDIR);
    fails(opens("dir", O_RDONLY | O_CREAT, 0600), EISDIR);
    fails(opens("dir", O_RDONLY | O_TRUNC, 0600), EISDIR);
    fails(opens("a", O_RDONLY | O_DIRECTORY, 0), ENOTDIR);
    fails(opens("new", O_RDONLY | O_DIRECTORY | O_CREAT, 0600), EINVAL);
    int fd = open("dir", O_RDONLY);
    char c;
    fails(read(fd, &c, 1), EISDIR);
    fails(write(fd, &c, 1), EBADF);
    fails(pread(fd, &c, 1, 0), EISDIR);
    fails(ftruncate(fd, 0), EINVAL);
    fails(fallocate(fd, 0, 0, 1), EBADF);
    is(fsync(fd), 0);
    close(fd);
}

static void
test_truncate_append(void)
{
    char buffer[32];

    put_file("t", "0123456789", 10, 0644);
    is(opens("t", O_RDONLY, 0), 0);
    struct stat st;
    int fd = open("t", O_WRONLY | O_APPEND);
    is(lseek(fd, 0, SEEK_CUR), 0);
    is(write(fd, "AB", 2), 2);
    is(lseek(fd, 0, SEEK_CUR), 12);
    lseek(fd, 3, SEEK_SET);
    is(write(fd, "CD", 2), 2);
    is(lseek(fd, 0, SEEK_CUR), 14);
    is(pwrite(fd, "EF", 2, 1), 2);      /* Linux appends this one too */
    is(lseek(fd, 0, SEEK_CUR), 14);
    fails(read(fd, buffer, 1), EBADF);
    close(fd);
    fd = open("t", O_RDONLY);
    is(read(fd, buffer, 32), 16);
    ok(!memcmp(buffer, "0123456789ABCDEF", 16), "all went to the end");
    fails(write(fd, "x", 1), EBADF);
    fails(ftruncate(fd, 0), EINVAL);
    is(opens("t", O_WRONLY | O_TRUNC, 0), 0);
    is(fstat(fd, &st), 0);
    is(st.st_size, 0);
    is(read(fd, buffer, 1), 0);
    close(fd);
    put_file("t", "0123", 4, 0644);
    is(opens("t", O_RDONLY | O_TRUNC, 0), 0);
    stat("t", &st);
    is(st.st_size, 0);

    /* Two descriptors with O_APPEND do not overwrite each other. */
    int a = open("t", O_WRONLY | O_APPEND), b = open("t", O_WRONLY | O_APPEND);
    for (int i = 0; i < 10; i++) {
        write(a, "a", 1);
        write(b, "b", 1);
    }
    stat("t", &st);
    is(st.st_size, 20);
    close(a);
    close(b);
}

static void
test_flags_kept(void)
{
    int fd = open("t", O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_CREAT,
                  0600);
    is(fcntl(fd, F_GETFL), O_RDWR | O_APPEND | O_NONBLOCK | LARGEFILE);
    is(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    /* The access mode 3 opens for neither. */
    char c;
    fd = open("t", 3);
    works(fd);
    fails(read(fd, &c, 1), EBADF);
    fails(write(fd, &c, 1), EBADF);
    is(fcntl(fd, F_GETFL), O_ACCMODE | LARGEFILE);
    close(fd);
    /* Unknown flags are ignored by open. */
    is(opens("t", O_RDONLY | 0x40000000, 0), 0);
}

static void
test_links(void)
{
    symlink("t", "to_t");
    symlink("nowhere", "dangling");
    symlink("l1", "l2");
    symlink("l2", "l1");
    symlink("dir", "to_dir");
    is(opens("to_t", O_RDONLY, 0), 0);
    fails(opens("to_t", O_RDONLY | O_NOFOLLOW, 0), ELOOP);
    fails(opens("to_t", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    fails(opens("dangling", O_RDONLY, 0), ENOENT);
    fails(opens("dangling", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    is(opens("dangling", O_RDONLY | O_CREAT, 0600), 0);
    is(mode_of("nowhere"), S_IFREG | 0600);
    fails(opens("l1", O_RDONLY, 0), ELOOP);
    fails(opens("l1", O_RDONLY | O_CREAT, 0600), ELOOP);
    is(opens("to_dir", O_RDONLY | O_DIRECTORY, 0), 0);
    fails(opens("to_dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), ENOTDIR);
    is(opens("to_dir/", O_RDONLY | O_NOFOLLOW, 0), 0);
    is(opens("to_dir/../t", O_RDONLY | O_NOFOLLOW, 0), 0);
}

static void
test_path_only(void)
{
    char c;
    struct stat st;
    int fd = open("t", O_PATH);

    works(fd);
    is(fcntl(fd, F_GETFL), O_PATH);
    fails(read(fd, &c, 1), EBADF);
    fails(write(fd, &c, 1), EBADF);
    fails(lseek(fd, 0, SEEK_SET), EBADF);
    fails(ftruncate(fd, 0), EBADF);
    fails(fchmod(fd, 0600), EBADF);
    fails(fchown(fd, 0, 0), EBADF);
    fails(ioctl(fd, FIONREAD, &st), EBADF);
    is(fstat(fd, &st), 0);
    close(fd);
    fd = open("to_t", O_PATH | O_NOFOLLOW);
    works(fd);
    is(fstat(fd, &st), 0);
    ok(S_ISLNK(st.st_mode), "O_PATH with O_NOFOLLOW opens the link itself");
    is(readlinkat(fd, "", &c, 1), 1);
    close(fd);
    fd = open("dir", O_PATH);
    int inner = openat(fd, "../t", O_RDONLY);
    works(inner);
    close(inner);
    is(fchdir(fd), 0);
    chdir("..");
    close(fd);
}

static void
test_openat(void)
{
    int dir = open("dir", O_RDONLY), file = open("t", O_RDONLY), fd;

    fd = openat(dir, "inside", O_CREAT | O_RDWR, 0600);
    works(fd);
    close(fd);
    is(mode_of("dir/inside"), S_IFREG | 0600);
    fails(openat(dir, "t", O_RDONLY), ENOENT);
    fails(openat(file, "t", O_RDONLY), ENOTDIR);
    fails(openat(999, "t", O_RDONLY), EBADF);
    fails(openat(-1, "t", O_RDONLY), EBADF);
    fails(openat(dir, "", O_RDONLY), ENOENT);
    fd = openat(999, tap_directory, O_RDONLY);
    works(fd);
    close(fd);
    fails(openat(dir, hole(), O_RDONLY), EFAULT);
    fails(openat(dir, KERNEL_POINTER, O_RDONLY), EFAULT);
    close(dir);
    close(file);

    /* A directory that is gone. */
    mkdir("gone", 0755);
    dir = open("gone", O_RDONLY);
    rmdir("gone");
    fails(openat(dir, "x", O_CREAT | O_RDWR, 0600), ENOENT);
    fails(openat(dir, "x", O_RDONLY), ENOENT);
    fd = openat(dir, ".", O_RDONLY);
    works(fd);
    close(fd);
    close(dir);
}

static void
test_tmpfile(void)
{
    struct stat st;
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);

    works(fd);
    is(write(fd, "hello", 5), 5);
    is(fstat(fd, &st), 0);
    is(st.st_nlink, 0);
    is(st.st_size, 5);
    is(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH), 0);
    is(fstat(fd, &st), 0);
    is(st.st_nlink, 1);
    close(fd);
    fails(opens(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    fails(opens("t", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void
test_names(void)
{
    char name[5000];

    memset(name, 'n', sizeof(name));
    name[255] = 0;
    is(opens(name, O_CREAT, 0600), 0);
    is(unlink(name), 0);
    name[255] = 'n';
    name[256] = 0;
    fails(opens(name, O_CREAT, 0600), ENAMETOOLONG);
    fails(opens(name, O_RDONLY, 0), ENAMETOOLONG);
    /* 4095 bytes are a path, 4096 are not. */
    for (int i = 0; i < 4998; i += 2)
        memcpy(name + i, "./", 2);
    strcpy(name + 4094, "t");
    is(opens(name, O_RDONLY, 0), 0);
    strcpy(name + 4092, ".//t");
    fails(opens(name, O_RDONLY, 0), ENAMETOOLONG);
    is(opens("//tmp////../tmp/.", O_RDONLY, 0), 0);
    is(opens("/..", O_RDONLY, 0), 0);
    char every[256];
    int odd = 0;
    for (int i = 1; i < 256; i++)
        every[i - 1] = i == '/' ? '_' : i;
    every[255] = 0;
    odd = opens(every, O_CREAT | O_EXCL, 0600) == 0 && unlink(every) == 0;
    ok(odd, "a name may hold any byte but / and NUL");
}

static void
test_unlinked(void)
{
    char buffer[8];
    struct stat st;
    int fd = open("u", O_CREAT | O_RDWR, 0600);

    write(fd, "data", 4);
    is(unlink("u"), 0);
    is(pread(fd, buffer, 8, 0), 4);
    is(fstat(fd, &st), 0);
    is(st.st_nlink, 0);
    is(opens("u", O_CREAT | O_EXCL, 0600), 0);
    is(write(fd, "more", 4), 4);
    is(fstat(fd, &st), 0);
    is(st.st_size, 8);
    close(fd);
    stat("u", &st);
    is(st.st_size, 0);
}

static void
as_user(void)
{
    works(setresgid(1000, 1000, 1000));
    works(setresuid(1000, 1000, 1000));
    fails(opens("root600", O_RDONLY, 0), EACCES);
    is(opens("root644", O_RDONLY, 0), 0);
    fails(opens("root644", O_WRONLY, 0), EACCES);
    fails(opens("root644", O_RDONLY | O_TRUNC, 0), EACCES);
    fails(opens("newfile", O_CREAT | O_RDWR, 0600), EACCES);
    fails(opens("closed/x", O_RDONLY, 0), EACCES);
    fails(opens("root644", O_RDONLY | O_NOATIME, 0), EPERM);
    is(opens("closed", O_PATH, 0), 0);
    fails(opens("closed", O_RDONLY, 0), EACCES);
    /* What is new is not cut, which would take its set-ID bits. */
    is(opens("common/new", O_RDWR | O_CREAT | O_TRUNC, 06755), 0);
    is(mode_of("common/new"), S_IFREG | 06755);
    is(opens("common/new", O_RDWR | O_CREAT | O_TRUNC, 0), 0);
    is(mode_of("common/new"), S_IFREG | 0755);
}

int
main(void)
{
    tap_begin("open");
    test_create();
    test_directories();
    test_truncate_append();
    test_flags_kept();
    test_links();
    test_path_only();
    test_openat();
    test_tmpfile();
    test_names();
    test_unlinked();
    put_file("root600", "", 0, 0600);
    put_file("root644", "", 0, 0644);
    mkdir("closed", 0700);
    mkdir("common", 0700);
    chmod("common", 0777);
    tap_child(as_user);
    return tap_end();
}
