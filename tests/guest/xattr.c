/*
 * Extended attributes: errors of paths, names and sizes, and the empty list.
 */
#include "tap.h"
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

int
main(void)
{
    tap_begin("xattr");
    test_errors();
    test_lists();
    return tap_end();
}
