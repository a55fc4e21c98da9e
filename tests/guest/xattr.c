/*
 * Extended attributes: errors of paths, names and sizes, and the empty list.
 */
#define _GNU_SOURCE
#include "tap.h"
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static char buffer[70000], long_name[300];

static void
test_errors(void)
{
    int fd = open("file", O_CREAT | O_RDWR, 0644), path = open("file", O_PATH);

    symlink("nowhere", "link");
    fails(getxattr("none", "user.a", buffer, 10), ENOENT);
    fails(getxattr("file/x", "user.a", buffer, 10), ENOTDIR);
    fails(getxattr("link", "user.a", buffer, 10), ENOENT);
    fails(lgetxattr("link", "user.a", buffer, 10), ENODATA);
    fails(getxattr(hole(), "user.a", buffer, 10), EFAULT);
    fails(getxattr("file", hole(), buffer, 10), EFAULT);
    fails(getxattr("file", "", buffer, 10), ERANGE);
    memset(long_name, 'x', sizeof(long_name) - 1);
    memcpy(long_name, "user.", 5);
    fails(getxattr("file", long_name, buffer, 10), ERANGE);
    fails(setxattr("file", "user.a", buffer, 10, 4), EINVAL);
    fails(setxattr("file", "", buffer, 10, 0), ERANGE);
    fails(setxattr("file", "user.a", buffer, 65537, 0), E2BIG);
    fails(setxattr("file", "user.a", KERNEL_POINTER, 10, 0), EFAULT);
    fails(setxattr("none", "", buffer, 65537, 4), EINVAL);
    fails(setxattr("none", "", buffer, 65537, 0), ERANGE);
    fails(setxattr("none", "user.a", buffer, 65537, 0), E2BIG);
    fails(setxattr("none", "user.a", KERNEL_POINTER, 10, 0), EFAULT);
    fails(setxattr("none", "user.a", buffer, 10, 0), ENOENT);
    fails(setxattr(hole(), "user.a", buffer, 10, 4), EINVAL);
    fails(getxattr("none", "", buffer, 10), ENOENT);
    fails(getxattr("none", hole(), buffer, 10), ENOENT);
    fails(removexattr("none", ""), ERANGE);
    fails(fsetxattr(999, "", buffer, 10, 4), EBADF);
    fails(fgetxattr(999, "", buffer, 10), EBADF);
    fails(fremovexattr(999, ""), EBADF);
    fails(setxattr("file", "bogus.a", buffer, 1, 0), EOPNOTSUPP);
    fails(getxattr("file", "bogus.a", buffer, 1), EOPNOTSUPP);
    fails(removexattr("file", "bogus.a"), EOPNOTSUPP);
    fails(lsetxattr("link", "user.a", buffer, 1, 0), EPERM);
    fails(removexattr("none", "user.a"), ENOENT);
    fails(fgetxattr(999, "user.a", buffer, 10), EBADF);
    fails(fgetxattr(path, "user.a", buffer, 10), EBADF);
    fails(fsetxattr(path, "user.a", buffer, 10, 0), EBADF);
    fails(flistxattr(path, buffer, 10), EBADF);
    fails(fremovexattr(fd, ""), ERANGE);
    fails(getxattr("file", "security.capability", buffer, 10), ENODATA);
    fails(fgetxattr(fd, "trusted.x", buffer, 10), ENODATA);
    fails(fremovexattr(fd, "trusted.x"), ENODATA);
    fails(getxattr("file", "trusted.", buffer, 10), EINVAL);
    close(fd);
    close(path);
}

static void
test_lists(void)
{
    int fd = open("file", O_RDWR);

    is(listxattr("file", buffer, sizeof(buffer)), 0);
    is(llistxattr("link", buffer, 0), 0);
    is(flistxattr(fd, NULL, 0), 0);
    fails(listxattr("none", buffer, 10), ENOENT);
    fails(flistxattr(999, buffer, 10), EBADF);
    close(fd);
}

/* In a tmpfs: the machine's own root may be a file system without attributes. */
static void
test_values(void)
{
    char names[64];
    int fd = open("a", O_CREAT | O_RDWR, 0644);

    is(setxattr("a", "user.one", "value", 5, 0), 0);
    is(getxattr("a", "user.one", buffer, 0), 5);
    is(getxattr("a", "user.one", buffer, sizeof(buffer)), 5);
    ok(!memcmp(buffer, "value", 5), "the value comes back");
    fails(getxattr("a", "user.one", buffer, 4), ERANGE);
    fails(setxattr("a", "user.one", "x", 1, XATTR_CREATE), EEXIST);
    fails(setxattr("a", "user.two", "x", 1, XATTR_REPLACE), ENODATA);
    is(fsetxattr(fd, "user.one", "new", 3, XATTR_REPLACE), 0);
    is(fgetxattr(fd, "user.one", buffer, 10), 3);
    is(setxattr("a", "user.empty", NULL, 0, XATTR_CREATE), 0);
    is(getxattr("a", "user.empty", buffer, 10), 0);
    is(setxattr("a", "trusted.t", "t", 1, 0), 0);
    is(setxattr("a", "security.s", "s", 1, 0), 0);
    is(listxattr("a", NULL, 0), 9 + 11 + 10 + 11);
    is(listxattr("a", names, sizeof(names)), 41);
    ok(memmem(names, 41, "user.empty", 11) && memmem(names, 41, "trusted.t", 10), "all names are listed");
    fails(listxattr("a", names, 40), ERANGE);
    fails(setxattr("a", "user.", "x", 1, 0), EINVAL);
    fails(setxattr("a", "user.f", hole(), 1, 0), EFAULT);
    fails(getxattr("a", "user.one", hole(), 10), EFAULT);
    is(removexattr("a", "user.empty"), 0);
    fails(removexattr("a", "user.empty"), ENODATA);
    memset(buffer, 'v', 65536);
    is(setxattr("a", "user.large", buffer, 65536, 0), 0);
    memset(buffer, 0, sizeof(buffer));
    is(getxattr("a", "user.large", buffer, sizeof(buffer)), 65536);
    ok(buffer[0] == 'v' && buffer[65535] == 'v', "64 KiB come back");
    works(rename("a", "b"));
    works(link("b", "c"));
    is(getxattr("c", "user.one", buffer, 10), 3);
    works(unlink("b"));
    works(unlink("c"));
    is(fgetxattr(fd, "user.one", buffer, 10), 3);
    close(fd);
    fd = memfd_create("m", 0);
    is(fsetxattr(fd, "user.m", "m", 1, 0), 0);
    is(fgetxattr(fd, "user.m", buffer, 10), 1);
    close(fd);
}

static void
as_user(void)
{
    works(setgid(1000));
    works(setuid(1000));
    is(getxattr("file", "user.u", buffer, 10), 1);
    fails(setxattr("file", "user.u", "x", 1, 0), EACCES);
    fails(removexattr("file", "user.u"), EACCES);
    fails(getxattr("secret", "user.u", buffer, 10), EACCES);
    fails(getxattr("file", "trusted.t", buffer, 10), ENODATA);
    fails(setxattr("own", "trusted.t", "x", 1, 0), EPERM);
    fails(setxattr("own", "security.s", "x", 1, 0), EPERM);
    is(getxattr("file", "security.s", buffer, 10), 1);
    is(listxattr("file", buffer, sizeof(buffer)), 7 + 11);
    is(setxattr("own", "user.mine", "x", 1, 0), 0);
    fails(setxattr("sticky", "user.x", "x", 1, 0), EPERM);
    fails(lsetxattr("own-link", "user.x", "x", 1, 0), EPERM);
    fails(setxattr("fifo", "user.x", "x", 1, 0), EPERM);
}

static void
test_rights(void)
{
    close(open("file", O_CREAT, 0644));
    close(open("secret", O_CREAT, 0600));
    close(open("own", O_CREAT, 0600));
    works(chown("own", 1000, 1000));
    works(symlink("own", "own-link"));
    works(mkfifo("fifo", 0666));
    works(mkdir("sticky", 0777));
    works(chmod("sticky", 01777));
    is(setxattr("file", "user.u", "u", 1, 0), 0);
    is(setxattr("secret", "user.u", "u", 1, 0), 0);
    is(setxattr("file", "trusted.t", "t", 1, 0), 0);
    is(setxattr("file", "security.s", "s", 1, 0), 0);
    tap_child(as_user);
    works(mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    fails(setxattr("file", "user.u", "u", 1, 0), EROFS);
    is(getxattr("file", "user.u", buffer, 10), 1);
    works(mount(NULL, ".", NULL, MS_REMOUNT, NULL));
}

static long
free_inodes(void)
{
    struct statfs st;
    return statfs(".", &st) < 0 ? -1 : (long)st.f_ffree;
}

/* What anybody may set is limited as inodes are: a kilobyte counts as one. */
static void
test_limit(void)
{
    char name[32];
    int n;

    works(mkdir("small", 0755));
    works(mount("none", "small", "tmpfs", 0, "nr_inodes=100"));
    works(chdir("small"));
    long before = free_inodes();
    close(open("f", O_CREAT, 0644));
    for (n = 0; n < 1000; n++) {
        snprintf(name, sizeof(name), "user.%d", n);
        if (setxattr("f", name, buffer, 4000, 0) < 0)
            break;
    }
    ok(errno == ENOSPC && n > 10 && n < 26, "100 KiB hold %d attributes of 4,000 bytes", n);
    is(setxattr("f", "user.0", buffer, 10, XATTR_REPLACE), 0);
    is(setxattr("f", name, buffer, 3000, 0), 0);
    works(unlink("f"));
    is(free_inodes(), before);
    works(chdir(".."));
    works(umount("small"));
}

/* The attributes of a mount without limit are counted, too, and stay so when it gets other options. */
static void
test_no_limit(void)
{
    int fd = memfd_create("m", 0);

    works(mkdir("free", 0755));
    works(mount("none", "free", "tmpfs", 0, "nr_inodes=0,size=0"));
    works(chdir("free"));
    close(open("f", O_CREAT, 0644));
    is(setxattr("f", "user.a", buffer, 60000, 0), 0);
    fails(mount(NULL, ".", NULL, MS_REMOUNT, "nr_inodes=1000"), EINVAL);
    fails(mount(NULL, ".", NULL, MS_REMOUNT, "size=1m"), EINVAL);
    works(mount(NULL, ".", NULL, MS_REMOUNT, "nr_inodes=0"));
    works(unlink("f"));
    ok(creat("g", 0600) >= 0, "a file can be made after it");
    works(chdir(".."));
    umount2("free", MNT_DETACH);
    is(fsetxattr(fd, "user.a", buffer, 65536, 0), 0);
    if (access("/proc/frames", F_OK) == 0) { /* on Quire a memfd's are limited */
        fails(fsetxattr(fd, "user.b", buffer, 65536, 0), ENOSPC);
        is(fsetxattr(fd, "user.a", buffer, 10, 0), 0);
        is(fsetxattr(fd, "user.b", buffer, 65536, 0), 0);
    }
    close(fd);
}

/* What was counted under a limit is given back when the limit has gone. */
static void
test_limit_goes(void)
{
    works(mkdir("goes", 0755));
    works(mount("none", "goes", "tmpfs", 0, "nr_inodes=100"));
    works(chdir("goes"));
    close(open("f", O_CREAT, 0644));
    is(setxattr("f", "user.a", buffer, 60000, 0), 0);
    works(mount(NULL, ".", NULL, MS_REMOUNT, "nr_inodes=0"));
    is(setxattr("f", "user.b", buffer, 60000, 0), 0);
    works(unlink("f"));
    works(chdir(".."));
    works(umount("goes"));
}

int
main(void)
{
    tap_begin("xattr");
    test_errors();
    test_lists();
    works(mkdir("tmp", 0755));
    works(mount("none", "tmp", "tmpfs", 0, NULL));
    works(chdir("tmp"));
    test_values();
    test_rights();
    test_limit();
    test_no_limit();
    test_limit_goes();
    works(chdir(".."));
    works(umount("tmp"));
    return tap_end();
}
