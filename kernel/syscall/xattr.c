/*
 * Extended attributes: what the calls' arguments say. The rest is in vfs/xattr.c.
 */
#include <linux/limits.h>
#include <linux/xattr.h>

#include "mem/slab.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vfs/dcache.h"
#include "vfs/file.h"
#include "vfs/xattr.h"
#include "vm/usercopy.h"

/* What a call is asked for, in the kernel's memory. */
struct request {
    char name[XATTR_NAME_MAX + 1];
    void *value; /* from kmalloc(), or NULL */
};

/* The attribute's name from the user. 0, -ERANGE (empty or too long), -EFAULT. */
static int
get_name(struct request *request, vaddr_t user)
{
    ssize_t n = copyinstr(request->name, user, sizeof(request->name));

    if (n == -EFAULT)
        return -EFAULT;
    return n <= 0 ? -ERANGE : 0;
}

/*
 * One of the four things that can be done, to what args[0] names. decode looks
 * at the other arguments before the path is walked; the calls that only read
 * have none, and look at theirs afterwards.
 */
struct operation {
    int (*decode)(struct request *request, const uint64_t *args);
    int64_t (*perform)(const struct path *path, struct request *request, const uint64_t *args);
};

/* (path, name, value, size, flags) */
static int
set_decode(struct request *request, const uint64_t *args)
{
    if ((uint32_t)args[4] & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    int error = get_name(request, args[1]);
    if (error)
        return error;
    if (args[3] > XATTR_SIZE_MAX)
        return -E2BIG;
    request->value = kmalloc(max(args[3], 1UL)); /* an empty value is one, too */
    if (!request->value)
        return -ENOMEM;
    return copyin(request->value, args[2], args[3]);
}

static int64_t
set_perform(const struct path *path, struct request *request, const uint64_t *args)
{
    return vfs_setxattr(path, request->name, request->value, args[3], (uint32_t)args[4]);
}

/* A result of n bytes, or an error, from request->value to the user. most: what no result exceeds. */
static int64_t
give_result(int64_t n, struct request *request, vaddr_t user, uint64_t size, uint64_t most)
{
    if (n > 0 && size > 0 && copyout(user, request->value, (size_t)n) < 0)
        return -EFAULT;
    return n == -ERANGE && size >= most ? -E2BIG : n;
}

/* (path, name, value, size) */
static int64_t
get_perform(const struct path *path, struct request *request, const uint64_t *args)
{
    uint64_t size = min(args[3], (uint64_t)XATTR_SIZE_MAX);
    int error = get_name(request, args[1]);

    if (!error && size > 0 && !(request->value = kmalloc(size)))
        error = -ENOMEM;
    if (error)
        return error;
    int64_t n = vfs_getxattr(path->dentry->inode, request->name, request->value, size);
    return give_result(n, request, args[2], size, XATTR_SIZE_MAX);
}

/* (path, list, size) */
static int64_t
list_perform(const struct path *path, struct request *request, const uint64_t *args)
{
    uint64_t size = min(args[2], (uint64_t)XATTR_LIST_MAX);

    if (size > 0 && !(request->value = kmalloc(size)))
        return -ENOMEM;
    int64_t n = vfs_listxattr(path->dentry->inode, request->value, size);
    return give_result(n, request, args[1], size, XATTR_LIST_MAX);
}

/* (path, name) */
static int
remove_decode(struct request *request, const uint64_t *args)
{
    return get_name(request, args[1]);
}

static int64_t
remove_perform(const struct path *path, struct request *request, const uint64_t *args __unused)
{
    return vfs_setxattr(path, request->name, NULL, 0, 0);
}

static const struct operation set = {set_decode, set_perform};
static const struct operation get = {NULL, get_perform};
static const struct operation list = {NULL, list_perform};
static const struct operation removal = {remove_decode, remove_perform};

static int64_t
at_path(const uint64_t *args, unsigned lookup, const struct operation *op)
{
    struct request request = {.value = NULL};
    struct path path;
    int64_t result = op->decode ? op->decode(&request, args) : 0;

    if (!result)
        result = at_lookup(AT_FDCWD, args[0], lookup, &path);
    if (!result) {
        result = op->perform(&path, &request, args);
        path_put(&path);
    }
    kmfree(request.value);
    return result;
}

static int64_t
at_file(const uint64_t *args, const struct operation *op)
{
    struct request request = {.value = NULL};
    struct fd_ref ref = fd_borrow((int)args[0]);

    if (!ref.file)
        return -EBADF;
    int64_t result = op->decode ? op->decode(&request, args) : 0;
    if (!result)
        result = op->perform(&ref.file->path, &request, args);
    fd_return(ref);
    kmfree(request.value);
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
