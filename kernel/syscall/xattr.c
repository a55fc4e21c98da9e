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
    struct inode_access access = inode_access(inode);
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
        if (write && S_ISDIR(access.mode) && (access.mode & S_ISVTX) &&
            current_cred()->fsuid != access.uid && !capable(CAP_FOWNER))
            return -EPERM;
    }
    return inode_permission_by(inode, &access, write ? MAY_WRITE : MAY_READ);
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

/*
 * One of the four things that can be done, to what args[0] names. decode looks
 * at the other arguments before the path is walked; the calls that only read
 * have none, and look at theirs afterwards.
 */
struct operation {
    int (*decode)(char *name, const uint64_t *args);
    int64_t (*perform)(const struct path *path, char *name, const uint64_t *args);
};

/* (path, name, value, size, flags) */
static int
set_decode(char *name, const uint64_t *args)
{
    if ((uint32_t)args[4] & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    int error = get_name(name, args[1]);
    if (!error && args[3] > XATTR_SIZE_MAX)
        error = -E2BIG;
    if (!error && !user_range(args[2], args[3]))
        error = -EFAULT;
    return error;
}

/* May the attribute be changed, and the mount be written to? */
static int
check_change(const struct path *path, const char *name)
{
    int error = mount_begin_write(path->mount);
    if (error)
        return error;
    error = check_access(path->dentry->inode, name, true);
    mount_end_write(path->mount);
    return error;
}

static int64_t
set_perform(const struct path *path, char *name, const uint64_t *args __unused)
{
    int error = check_change(path, name);
    return error ? error : -EOPNOTSUPP;
}

/* (path, name, value, size) */
static int64_t
get_perform(const struct path *path, char *name, const uint64_t *args)
{
    int error = get_name(name, args[1]);

    if (!error)
        error = check_access(path->dentry->inode, name, false);
    return error ? error : look_up(name);
}

/* (path, list, size) */
static int64_t
list_perform(const struct path *path __unused, char *name __unused, const uint64_t *args __unused)
{
    return 0;
}

/* (path, name) */
static int
remove_decode(char *name, const uint64_t *args)
{
    return get_name(name, args[1]);
}

static int64_t
remove_perform(const struct path *path, char *name, const uint64_t *args __unused)
{
    int error = check_change(path, name);
    return error ? error : look_up(name);
}

static const struct operation set = {set_decode, set_perform};
static const struct operation get = {NULL, get_perform};
static const struct operation list = {NULL, list_perform};
static const struct operation removal = {remove_decode, remove_perform};

static int64_t
at_path(const uint64_t *args, unsigned lookup, const struct operation *op)
{
    char name[XATTR_NAME_MAX + 1];
    struct path path;
    int64_t result = op->decode ? op->decode(name, args) : 0;

    if (!result)
        result = at_lookup(AT_FDCWD, args[0], lookup, &path);
    if (!result) {
        result = op->perform(&path, name, args);
        path_put(&path);
    }
    return result;
}

static int64_t
at_file(const uint64_t *args, const struct operation *op)
{
    char name[XATTR_NAME_MAX + 1];
    struct fd_ref ref = fd_borrow((int)args[0]);

    if (!ref.file)
        return -EBADF;
    int64_t result = op->decode ? op->decode(name, args) : 0;
    if (!result)
        result = op->perform(&ref.file->path, name, args);
    fd_return(ref);
    return result;
}

/* Each does its work at a path, at a path that may be a link itself, or at a descriptor. */
#define THREE_CALLS(name, op)                                                                      \
    static int64_t sys_##name(const uint64_t *args) { return at_path(args, LOOKUP_FOLLOW, &op); }  \
    static int64_t sys_l##name(const uint64_t *args) { return at_path(args, 0, &op); }             \
    static int64_t sys_f##name(const uint64_t *args) { return at_file(args, &op); }

THREE_CALLS(setxattr, set)
THREE_CALLS(getxattr, get)
THREE_CALLS(listxattr, list)
THREE_CALLS(removexattr, removal)

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
