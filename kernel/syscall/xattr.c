/*
 * Extended attributes.
 *
 * No file system here stores any, and the calls say so as Linux's do: after
 * every check of names, paths and permissions, attributes of the names that a
 * tmpfs knows ("security.", "trusted.") are not there, others are not
 * supported, and the list of them is empty.
 */
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>

#include "lib/string.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vfs/cred.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vm/usercopy.h"

/* What is to be done at a path, with the call's arguments. */
typedef int64_t (*xattr_fn)(const struct path *path, const uint64_t *args);

static int64_t
at_path(const uint64_t *args, unsigned lookup, xattr_fn fn)
{
    struct path path;
    int64_t result = at_lookup(AT_FDCWD, args[0], lookup, &path);

    if (!result) {
        result = fn(&path, args);
        path_put(&path);
    }
    return result;
}

static int64_t
at_file(const uint64_t *args, xattr_fn fn)
{
    struct fd_ref ref = fd_borrow((int)args[0]);

    if (!ref.file)
        return -EBADF;
    int64_t result = fn(&ref.file->path, args);
    fd_return(ref);
    return result;
}

/* The attribute's name from the user. 0, -ERANGE (empty or too long), -EFAULT. */
static int
get_name(char name[XATTR_NAME_MAX + 1], vaddr_t user)
{
    ssize_t n = copyinstr(name, user, XATTR_NAME_MAX + 1);

    if (n == -EFAULT)
        return -EFAULT;
    return n <= 0 ? -ERANGE : 0;
}

/* May the attribute be read, or written? By the rules of its name; xattr(7). */
static int
check_access(struct inode *inode, const char *name, bool write)
{
    int denied = write ? -EPERM : -ENODATA;

    if (write && (inode->immutable || inode->append_only))
        return -EPERM;
    if (str_starts_with(name, XATTR_SECURITY_PREFIX) || str_starts_with(name, XATTR_SYSTEM_PREFIX))
        return 0;
    if (str_starts_with(name, XATTR_TRUSTED_PREFIX))
        return capable(CAP_SYS_ADMIN) ? 0 : denied;
    if (str_starts_with(name, XATTR_USER_PREFIX)) {
        if (!inode_is_reg(inode) && !inode_is_dir(inode))
            return denied;
        if (write && inode_is_dir(inode) && (inode->mode & S_ISVTX) && !inode_owned(inode))
            return -EPERM;
    }
    return inode_permission(inode, write ? MAY_WRITE : MAY_READ);
}

/* What is there under a name: always an error. */
static int
look_up(const char *name)
{
    const char *const known[] = {XATTR_SECURITY_PREFIX, XATTR_TRUSTED_PREFIX};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_starts_with(name, known[i]))
            return strcmp(name, known[i]) == 0 ? -EINVAL : -ENODATA;
    return -EOPNOTSUPP;
}

/* (path, name, value, size, flags) */
static int64_t
set(const struct path *path, const uint64_t *args)
{
    char name[XATTR_NAME_MAX + 1];
    int error = mount_writable(path->mount);

    if (!error && ((uint32_t)args[4] & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)))
        error = -EINVAL;
    if (!error)
        error = get_name(name, args[1]);
    if (!error && args[3] > XATTR_SIZE_MAX)
        error = -E2BIG;
    if (!error && !user_range(args[2], args[3]))
        error = -EFAULT;
    if (!error)
        error = check_access(path->dentry->inode, name, true);
    return error ? error : -EOPNOTSUPP;
}

/* (path, name, value, size) */
static int64_t
get(const struct path *path, const uint64_t *args)
{
    char name[XATTR_NAME_MAX + 1];
    int error = get_name(name, args[1]);

    if (!error)
        error = check_access(path->dentry->inode, name, false);
    return error ? error : look_up(name);
}

/* (path, list, size) */
static int64_t
list(const struct path *path __unused, const uint64_t *args __unused)
{
    return 0;
}

/* (path, name) */
static int64_t
drop(const struct path *path, const uint64_t *args)
{
    char name[XATTR_NAME_MAX + 1];
    int error = mount_writable(path->mount);

    if (!error)
        error = get_name(name, args[1]);
    if (!error)
        error = check_access(path->dentry->inode, name, true);
    return error ? error : look_up(name);
}

/* Each does its work at a path, at a path that may be a link itself, or at a descriptor. */
#define THREE_CALLS(name, fn)                                                                      \
    static int64_t sys_##name(const uint64_t *args) { return at_path(args, LOOKUP_FOLLOW, fn); }   \
    static int64_t sys_l##name(const uint64_t *args) { return at_path(args, 0, fn); }              \
    static int64_t sys_f##name(const uint64_t *args) { return at_file(args, fn); }

THREE_CALLS(setxattr, set)
THREE_CALLS(getxattr, get)
THREE_CALLS(listxattr, list)
THREE_CALLS(removexattr, drop)

const struct syscall_row xattr_syscalls[] = {
    {__NR_setxattr, sys_setxattr},
    {__NR_lsetxattr, sys_lsetxattr},
    {__NR_fsetxattr, sys_fsetxattr},
    {__NR_getxattr, sys_getxattr},
    {__NR_lgetxattr, sys_lgetxattr},
    {__NR_fgetxattr, sys_fgetxattr},
    {__NR_listxattr, sys_listxattr},
    {__NR_llistxattr, sys_llistxattr},
    {__NR_flistxattr, sys_flistxattr},
    {__NR_removexattr, sys_removexattr},
    {__NR_lremovexattr, sys_lremovexattr},
    {__NR_fremovexattr, sys_fremovexattr},
    {0, NULL},
};
