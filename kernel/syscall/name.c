/*
 * Calls on names: making, removing, renaming, linking; the current directory;
 * reading directories; mounts.
 */
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>

#include "arch/riscv/trap.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vfs/cred.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vm/usercopy.h"

static int64_t
sys_mknodat(const uint64_t *args)
{
    struct at_name at __uninitialized;
    int error = at_begin(&at, args[0], args[1]);
    if (error)
        return error;
    error = vfs_mknod(at.start, at.name, args[2], (uint32_t)args[3]);
    at_end(&at);
    return error;
}

static int64_t
sys_mkdirat(const uint64_t *args)
{
    struct at_name at __uninitialized;
    int error = at_begin(&at, args[0], args[1]);
    if (error)
        return error;
    error = vfs_mkdir(at.start, at.name, args[2]);
    at_end(&at);
    return error;
}

static int64_t
sys_unlinkat(const uint64_t *args)
{
    if ((uint32_t)args[2] & ~(uint32_t)AT_REMOVEDIR)
        return -EINVAL;
    struct at_name at __uninitialized;
    int error = at_begin(&at, args[0], args[1]);
    if (error)
        return error;
    error = args[2] & AT_REMOVEDIR ? vfs_rmdir(at.start, at.name) : vfs_unlink(at.start, at.name);
    at_end(&at);
    return error;
}

static int64_t
sys_symlinkat(const uint64_t *args)
{
    char *target = get_path(args[0]);
    if (is_err(target))
        return ptr_err(target);
    struct at_name at __uninitialized;
    int error = at_begin(&at, args[1], args[2]);
    if (!error) {
        error = target[0] ? vfs_symlink(target, at.start, at.name) : -ENOENT;
        at_end(&at);
    }
    kmfree(target);
    return error;
}

/* Two names, for link and rename. */
static int
two_names(struct at_name *old, const uint64_t *old_args, struct at_name *new,
          const uint64_t *new_args)
{
    int error = at_begin(old, old_args[0], old_args[1]);
    if (error)
        return error;
    error = at_begin(new, new_args[0], new_args[1]);
    if (error)
        at_end(old);
    return error;
}

static int64_t
sys_linkat(const uint64_t *args)
{
    if ((uint32_t)args[4] & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct at_name old __uninitialized, new __uninitialized;
    int error = two_names(&old, &args[0], &new, &args[2]);
    if (error)
        return error;
    /* A descriptor may get a name from the very credentials that opened it alone. */
    if ((args[4] & AT_EMPTY_PATH) && old.start && old.ref.file->cred != current_cred() &&
        !capable(CAP_DAC_READ_SEARCH))
        error = -ENOENT;
    else
        error = vfs_link(old.start, old.name, new.start, new.name, args[4]);
    at_end(&new);
    at_end(&old);
    return error;
}

static int64_t
sys_renameat2(const uint64_t *args)
{
    struct at_name old __uninitialized, new __uninitialized;
    int error = two_names(&old, &args[0], &new, &args[2]);
    if (error)
        return error;
    error = vfs_rename(old.start, old.name, new.start, new.name, args[4]);
    at_end(&new);
    at_end(&old);
    return error;
}

static int64_t
sys_readlinkat(const uint64_t *args)
{
    if ((int)args[3] <= 0)
        return -EINVAL;
    struct at_name at __uninitialized;
    struct path path;
    int64_t result = at_begin(&at, args[0], args[1]);
    if (result)
        return result;
    bool nameless = !at.name[0]; /* then dirfd is the link, if it is one */
    result = path_lookup(at.start, at.name, LOOKUP_EMPTY, &path);
    at_end(&at);
    if (result)
        return result;
    if (nameless && !inode_is_link(path.dentry->inode)) {
        path_put(&path);
        return -ENOENT;
    }
    size_t size = min((size_t)(int)args[3], (size_t)PATH_MAX);
    char *target = kmalloc(size);
    result = target ? vfs_readlink(&path, target, size) : -ENOMEM;
    if (result >= 0 && copyout(args[2], target, result))
        result = -EFAULT;
    kmfree(target);
    path_put(&path);
    return result;
}

/* Make a directory current, if it may be searched. */
static int
enter_directory(const struct path *path)
{
    if (!path->dentry->inode || !inode_is_dir(path->dentry->inode))
        return -ENOTDIR;
    int error = inode_permission(path->dentry->inode, MAY_EXEC);
    if (!error)
        fs_set_cwd(current_thread()->fs, path);
    return error;
}

static int64_t
sys_chdir(const uint64_t *args)
{
    struct path path;
    int error = at_lookup(AT_FDCWD, args[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
    if (error)
        return error;
    error = enter_directory(&path);
    path_put(&path);
    return error;
}

static int64_t
sys_fchdir(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow_path(args[0]);
    if (!ref.file)
        return -EBADF;
    int error = enter_directory(&ref.file->path);
    fd_return(ref);
    return error;
}

static int64_t
sys_chroot(const uint64_t *args)
{
    struct path path;
    int error = at_lookup(AT_FDCWD, args[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
    if (error)
        return error;
    error = inode_permission(path.dentry->inode, MAY_EXEC);
    if (!error && !capable(CAP_SYS_CHROOT))
        error = -EPERM;
    if (!error)
        fs_set_root(current_thread()->fs, &path);
    path_put(&path);
    return error;
}

static int64_t
sys_getcwd(const uint64_t *args)
{
    char *buf = kalloc();
    if (!buf)
        return -ENOMEM;
    struct path cwd;
    current_cwd(&cwd);
    int64_t result = -ENOENT;
    if (!path_unlinked(&cwd)) {
        const char *name = path_name_from_root(&cwd, buf, PATH_MAX);
        result = is_err(name) ? ptr_err(name) : (int64_t)strlen(name) + 1;
        if (result > 0 && (uint64_t)result > args[1])
            result = -ERANGE;
        if (result > 0 && copyout(args[0], name, result))
            result = -EFAULT;
    }
    path_put(&cwd);
    kfree(buf);
    return result;
}

/* getdents64(2)'s record: inode, next position, length, type, name. */
struct dirent64 {
    uint64_t ino;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
} __packed;

struct getdents {
    struct dir_context ctx;
    vaddr_t buffer;
    size_t size, used;
    int error;
};

static bool
emit_dirent(struct dir_context *ctx, const char *name, size_t length, uint64_t ino, uint8_t type,
            uint64_t next_pos)
{
    struct getdents *dents = container_of(ctx, struct getdents, ctx);
    char record[ALIGN_UP(sizeof(struct dirent64) + NAME_MAX + 1, 8)] __aligned(8) __uninitialized;
    struct dirent64 *dirent = (struct dirent64 *)record;
    size_t size = ALIGN_UP(sizeof(*dirent) + length + 1, 8);
    if (size > dents->size - dents->used) {
        dents->error = dents->used ? 0 : -EINVAL;
        return false;
    }
    dirent->ino = ino;
    dirent->next = next_pos;
    dirent->length = size;
    dirent->type = type;
    memcpy(dirent->name, name, length);
    memset(dirent->name + length, 0, size - sizeof(*dirent) - length);
    if (copyout(dents->buffer + dents->used, record, size)) {
        dents->error = -EFAULT;
        return false;
    }
    dents->used += size;
    if (dents->used / PAGE_SIZE != (dents->used - size) / PAGE_SIZE)
        preempt_point(); /* where a copy to the user may sleep, this may */
    return true;
}

static int64_t
sys_getdents64(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    struct getdents dents = {
        .ctx.emit = emit_dirent, .buffer = args[1], .size = (uint32_t)args[2]};
    int64_t result = -EFAULT;
    if (user_range(dents.buffer, dents.size)) {
        bool locked = file_lock_pos(ref.file);
        result = file_iterate(ref.file, &dents.ctx);
        file_unlock_pos(ref.file, locked);
        if (!result)
            result = dents.used ? (int64_t)dents.used : dents.error;
    }
    fd_return(ref);
    return result;
}

/* A string of mount(2)'s that may be missing: NULL then. err_ptr() otherwise. */
static char *
get_optional(vaddr_t user)
{
    return user ? get_path(user) : NULL;
}

static int
do_mount(const char *source, const char *target, const char *type, uint64_t flags,
         const char *options)
{
    struct path path;
    int error = path_lookup(NULL, target, LOOKUP_FOLLOW, &path);
    if (error)
        return error;
    error = capable(CAP_SYS_ADMIN) ? vfs_mount(source, &path, type, flags, options) : -EPERM;
    path_put(&path);
    return error;
}

static int64_t
sys_mount(const uint64_t *args)
{
    uint64_t flags = args[3];
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~(uint64_t)MS_MGC_MSK;
    char *strings[4] = {get_optional(args[0]), get_path(args[1]), get_optional(args[2]),
                        get_optional(args[4])};
    int error = 0;
    for (int i = 0; i < 4 && !error; i++)
        if (is_err(strings[i]))
            error = ptr_err(strings[i]);
    if (!error)
        error = do_mount(strings[0], strings[1], strings[2], flags, strings[3]);
    for (int i = 0; i < 4; i++)
        if (!is_err(strings[i]))
            kmfree(strings[i]);
    return error;
}

#define UMOUNT_FLAGS (MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)
#define MNT_FORCE 1 /* umount2(2); no header of Linux's UAPI has these */
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

static int64_t
sys_umount2(const uint64_t *args)
{
    if ((uint32_t)args[1] & ~(uint32_t)UMOUNT_FLAGS)
        return -EINVAL;
    struct path path;
    unsigned follow = args[1] & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
    int error = at_lookup(AT_FDCWD, args[0], follow, &path);
    if (error)
        return error;
    mount_cross(&path); /* a link of /proc/PID/fd may lead below what is mounted there by now */
    return vfs_umount(&path, args[1]);
}

static int64_t
sys_pivot_root(const uint64_t *args)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct path new_root, put_old;
    int error = at_lookup(AT_FDCWD, args[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new_root);
    if (error)
        return error;
    error = at_lookup(AT_FDCWD, args[1], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &put_old);
    if (!error) {
        error = vfs_pivot_root(&new_root, &put_old);
        path_put(&put_old);
    }
    path_put(&new_root);
    return error;
}

const struct syscall_row name_syscalls[] = {
    {__NR_mknodat, sys_mknodat},
    {__NR_mkdirat, sys_mkdirat},
    {__NR_unlinkat, sys_unlinkat},
    {__NR_symlinkat, sys_symlinkat},
    {__NR_linkat, sys_linkat},
    {__NR_renameat2, sys_renameat2},
    {__NR_readlinkat, sys_readlinkat},
    {__NR_chdir, sys_chdir},
    {__NR_fchdir, sys_fchdir},
    {__NR_chroot, sys_chroot},
    {__NR_getcwd, sys_getcwd},
    {__NR_getdents64, sys_getdents64},
    {__NR_mount, sys_mount},
    {__NR_umount2, sys_umount2},
    {__NR_pivot_root, sys_pivot_root},
    {0, NULL},
};
