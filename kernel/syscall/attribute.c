/*
 * Calls on a file's attributes: stat and its kin, permissions, owners, times,
 * sizes, and the state of file systems.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/capability.h>
#include <linux/fadvise.h>
#include <linux/mount.h>
#include <linux/fcntl.h>
#include <linux/securebits.h>
#include <linux/stat.h>

#include "lib/string.h"
#include "proc/task.h"
#include "sched/thread.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vfs/cred.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vm/usercopy.h"

/* Lookup flags for the AT_* flags of a call that follows links unless told not to. */
static unsigned
lookup_flags(uint32_t at_flags)
{
    return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
           (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

static int64_t
fstat(int fd, vaddr_t user)
{
    struct fd_ref ref = fd_borrow_path(fd);
    if (!ref.file)
        return -EBADF;
    struct stat st __uninitialized; /* inode_stat() writes it whole */
    int error = inode_stat(ref.file->inode, &st);
    fd_return(ref);
    if (error)
        return error;
    return copyout(user, &st, sizeof(st));
}

static int64_t
sys_fstat(const uint64_t *args)
{
    return fstat(args[0], args[1]);
}

/*
 * AT_EMPTY_PATH with an empty name: the C library's fstat(). The name may be NULL if there is no
 * other flag; `flags` are those that count.
 */
static bool
is_empty_path(uint32_t flags, vaddr_t name)
{
    char first;
    if (!name)
        return flags == AT_EMPTY_PATH;
    return (flags & AT_EMPTY_PATH) && copyin(&first, name, 1) == 0 && first == 0;
}

static int64_t
sys_newfstatat(const uint64_t *args)
{
    uint32_t flags = args[3];
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
        return -EINVAL;
    if (is_empty_path(flags, args[1]) && (int)args[0] >= 0)
        return fstat(args[0], args[2]);
    struct at_name at __uninitialized;
    int error = at_begin(&at, args[0], args[1]);
    if (error)
        return error;
    struct stat st __uninitialized; /* inode_stat() writes it whole */
    error = vfs_stat(at.start, at.name, lookup_flags(flags), &st);
    at_end(&at);
    if (error)
        return error;
    return copyout(args[2], &st, sizeof(st));
}

static int
statx_path(const struct path *path, struct statx *stx)
{
    int error = inode_statx(path->dentry->inode, stx);
    if (error || !path->mount)
        return error;
    stx->stx_mnt_id = path->mount->id;
    stx->stx_mask |= STATX_MNT_ID;
    stx->stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
    if (path->dentry == path->mount->root)
        stx->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
    return 0;
}

static int64_t
sys_statx(const uint64_t *args)
{
    const uint32_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
                           AT_STATX_SYNC_TYPE;
    uint32_t flags = args[2];
    if ((args[3] & STATX__RESERVED) || (flags & ~known) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    struct statx stx;
    int error;
    const uint32_t hints = AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    if (is_empty_path(flags & ~hints, args[1]) && (int)args[0] >= 0) {
        struct fd_ref ref = fd_borrow_path(args[0]);
        if (!ref.file)
            return -EBADF;
        error = statx_path(&ref.file->path, &stx);
        fd_return(ref);
    } else {
        struct path path;
        error = at_lookup(args[0], args[1], lookup_flags(flags), &path);
        if (error)
            return error;
        error = statx_path(&path, &stx);
        path_put(&path);
    }
    return error ? error : copyout(args[4], &stx, sizeof(stx));
}

/* What access(2) asks, with the ids that count already in force. */
static int
check_access(const struct path *path, unsigned mode)
{
    struct inode *inode = path->dentry->inode;
    if ((mode & MAY_EXEC) && inode_is_reg(inode) && (path->mount->flags & MS_NOEXEC))
        return -EACCES;
    int error = inode_permission(inode, mode);
    if (!error && (mode & MAY_WRITE) &&
        (inode_is_reg(inode) || inode_is_dir(inode) || inode_is_link(inode)))
        error = mount_writable(path->mount);
    return error;
}

static int
access_as_current(int dirfd, vaddr_t name, unsigned lookup, unsigned mode)
{
    struct path path;
    int error = at_lookup(dirfd, name, lookup, &path);
    if (error)
        return error;
    error = check_access(&path, mode);
    path_put(&path);
    return error;
}

/* The same with the real ids instead of the effective ones. */
static int
access_as_real_user(int dirfd, vaddr_t name, unsigned lookup, unsigned mode)
{
    const struct cred *cred = current_cred();
    uint64_t effective = cred->uid == 0 ? cred->cap_permitted : 0;

    if (current_cred()->securebits & SECBIT_NO_SETUID_FIXUP)
        effective = cred->cap_effective;
    if (cred->fsuid == cred->uid && cred->fsgid == cred->gid && cred->cap_effective == effective)
        return access_as_current(dirfd, name, lookup, mode);

    struct cred *real = cred_copy(cred);
    if (!real)
        return -ENOMEM;
    real->fsuid = cred->uid;
    real->fsgid = cred->gid;
    real->cap_effective = effective;
    cred_act_as(real);
    int error = access_as_current(dirfd, name, lookup, mode);
    cred_act_as_self();
    cred_put(real);
    return error;
}

static int64_t
do_faccessat(int dirfd, vaddr_t name, uint32_t mode, uint32_t flags)
{
    if ((mode & ~7U) || (flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    if (flags & AT_EACCESS)
        return access_as_current(dirfd, name, lookup_flags(flags), mode);
    return access_as_real_user(dirfd, name, lookup_flags(flags), mode);
}

static int64_t
sys_faccessat(const uint64_t *args)
{
    return do_faccessat(args[0], args[1], args[2], 0);
}

static int64_t
sys_faccessat2(const uint64_t *args)
{
    return do_faccessat(args[0], args[1], args[2], args[3]);
}

static int
change_path(const struct path *path, const struct attributes *attr)
{
    int error = mount_begin_write(path->mount);
    if (error)
        return error;
    error = inode_change(path->dentry->inode, attr);
    mount_end_write(path->mount);
    return error;
}

static int64_t
change_at(int dirfd, vaddr_t name, uint32_t at_flags, const struct attributes *attr)
{
    if (at_flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct path path;
    int error = at_lookup(dirfd, name, lookup_flags(at_flags), &path);
    if (error)
        return error;
    error = change_path(&path, attr);
    path_put(&path);
    return error;
}

static int64_t
change_fd(int fd, const struct attributes *attr)
{
    struct fd_ref ref = fd_borrow(fd);
    if (!ref.file)
        return -EBADF;
    int error = ref.file->path.mount ? change_path(&ref.file->path, attr)
                                     : inode_change(ref.file->inode, attr);
    fd_return(ref);
    return error;
}

static int64_t
change_mode_at(const uint64_t *args, uint32_t at_flags)
{
    struct attributes attr = {.mask = ATTR_MODE, .mode = args[2] & 07777};
    return change_at(args[0], args[1], at_flags, &attr);
}

static int64_t
sys_fchmodat(const uint64_t *args)
{
    return change_mode_at(args, 0);
}

static int64_t
sys_fchmodat2(const uint64_t *args)
{
    return change_mode_at(args, args[3]);
}

static int64_t
sys_fchmod(const uint64_t *args)
{
    struct attributes attr = {.mask = ATTR_MODE, .mode = args[1] & 07777};
    return change_fd(args[0], &attr);
}

/* An id of -1 means: leave it. */
static struct attributes
owner_attributes(uint64_t uid, uint64_t gid)
{
    struct attributes attr = {.uid = uid, .gid = gid};
    attr.mask |= (uint32_t)uid == ~0U ? 0 : ATTR_UID;
    attr.mask |= (uint32_t)gid == ~0U ? 0 : ATTR_GID;
    return attr;
}

static int64_t
sys_fchownat(const uint64_t *args)
{
    struct attributes attr = owner_attributes(args[2], args[3]);
    return change_at(args[0], args[1], args[4], &attr);
}

static int64_t
sys_fchown(const uint64_t *args)
{
    struct attributes attr = owner_attributes(args[1], args[2]);
    return change_fd(args[0], &attr);
}

#define UTIME_NOW 0x3fffffff /* utimensat(2) */
#define UTIME_OMIT 0x3ffffffe

/* One of utimensat's two times into attr; `now` tells that it is the present. */
static int
set_time(struct attributes *attr, uint32_t bit, struct timespec64 *to, const int64_t user[2],
         bool *now)
{
    *now = user[1] == UTIME_NOW;
    if (user[1] == UTIME_OMIT)
        return 0;
    if (!*now && (user[1] < 0 || user[1] >= 1000000000))
        return -EINVAL;
    *to = *now ? vfs_realtime() : (struct timespec64){.sec = user[0], .nsec = user[1]};
    attr->mask |= bit;
    return 0;
}

/* Setting both times to now needs only the permission to write; inode_change() knows ATTR_TOUCH. */
static int
times_attributes(struct attributes *attr, vaddr_t user)
{
    int64_t times[2][2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    if (user && copyin(times, user, sizeof(times)))
        return -EFAULT;
    bool atime_now, mtime_now;
    *attr = (struct attributes){};
    int error = set_time(attr, ATTR_ATIME, &attr->atime, times[0], &atime_now);
    if (!error)
        error = set_time(attr, ATTR_MTIME, &attr->mtime, times[1], &mtime_now);
    if (!error && atime_now && mtime_now)
        attr->mask |= ATTR_TOUCH;
    return error;
}

static int64_t
sys_utimensat(const uint64_t *args)
{
    struct attributes attr;
    int error = times_attributes(&attr, args[2]);
    if (error)
        return error;
    if (attr.mask == 0) /* both are to stay: nothing is even looked up */
        return 0;
    if (!args[1] && (int)args[0] != AT_FDCWD)
        return (uint32_t)args[3] ? -EINVAL : change_fd(args[0], &attr);
    return change_at(args[0], args[1], args[3], &attr);
}

static int64_t
sys_truncate(const uint64_t *args)
{
    if ((int64_t)args[1] < 0)
        return -EINVAL;
    struct path path;
    int error = at_lookup(AT_FDCWD, args[0], LOOKUP_FOLLOW, &path);
    if (error)
        return error;
    error = vfs_truncate(&path, args[1]);
    path_put(&path);
    return error;
}

static int64_t
sys_ftruncate(const uint64_t *args)
{
    if ((int64_t)args[1] < 0)
        return -EINVAL;
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    int error = file_truncate(ref.file, args[1]);
    fd_return(ref);
    return error;
}

static int64_t
sys_fallocate(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    int error = file_fallocate(ref.file, args[1], args[2], args[3]);
    fd_return(ref);
    return error;
}

static int64_t
sync_fd(int fd, uint64_t start, uint64_t end, bool data_only)
{
    struct fd_ref ref = fd_borrow(fd);
    if (!ref.file)
        return -EBADF;
    int error = file_fsync(ref.file, start, end, data_only);
    fd_return(ref);
    return error;
}

static int64_t
sys_fsync(const uint64_t *args)
{
    return sync_fd(args[0], 0, ~0UL, false);
}

static int64_t
sys_fdatasync(const uint64_t *args)
{
    return sync_fd(args[0], 0, ~0UL, true);
}

static int64_t
sys_sync_file_range(const uint64_t *args)
{
    uint64_t start = args[1], size = args[2], end = start + size;
    if ((int64_t)start < 0 || (int64_t)size < 0 || (int64_t)end < 0 || (uint32_t)args[3] > 7)
        return -EINVAL;
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    uint32_t mode = ref.file->inode->mode;
    int error = S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) ? 0 : -ESPIPE;
    if (!error && ref.file->ops->fsync)
        error = file_fsync(ref.file, start, size ? end : ~0UL, true);
    fd_return(ref);
    return error;
}

static int64_t
sys_sync(const uint64_t *args)
{
    vfs_sync_all();
    return 0;
}

static int64_t
sys_syncfs(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    struct superblock *sb = ref.file->inode->sb;
    int error = sb->ops->sync ? sb->ops->sync(sb) : 0;
    fd_return(ref);
    return error;
}

/* Advice changes nothing yet that it could be wrong about; bad advice is still an error. */
static int64_t
sys_fadvise64(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    bool pipe = S_ISFIFO(ref.file->inode->mode);
    fd_return(ref);
    if (pipe)
        return -ESPIPE;
    return (int64_t)args[2] < 0 || args[3] > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

/* Reading ahead has nothing to do where files live in memory; bad arguments are still errors. */
static int64_t
sys_readahead(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    bool readable = ref.file->access & FILE_READ;
    bool regular = inode_is_reg(ref.file->inode);
    fd_return(ref);
    return !readable ? -EBADF : regular ? 0 : -EINVAL;
}

static int64_t
statfs_path(const struct path *path, vaddr_t user)
{
    struct statfs64 st;
    int error = vfs_statfs(path, &st);

    return error ? error : copyout(user, &st, sizeof(st));
}

static int64_t
sys_statfs(const uint64_t *args)
{
    struct path path;
    int64_t result = at_lookup(AT_FDCWD, args[0], LOOKUP_FOLLOW, &path);
    if (result)
        return result;
    result = statfs_path(&path, args[1]);
    path_put(&path);
    return result;
}

static int64_t
sys_fstatfs(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow_path(args[0]);
    if (!ref.file)
        return -EBADF;
    int64_t result = statfs_path(&ref.file->path, args[1]);
    fd_return(ref);
    return result;
}

const struct syscall_row attribute_syscalls[] = {
    {__NR_fstat, sys_fstat},
    {__NR_newfstatat, sys_newfstatat},
    {__NR_statx, sys_statx},
    {__NR_faccessat, sys_faccessat},
    {__NR_faccessat2, sys_faccessat2},
    {__NR_fchmodat, sys_fchmodat},
    {__NR_fchmodat2, sys_fchmodat2},
    {__NR_fchmod, sys_fchmod},
    {__NR_fchownat, sys_fchownat},
    {__NR_fchown, sys_fchown},
    {__NR_utimensat, sys_utimensat},
    {__NR_truncate, sys_truncate},
    {__NR_ftruncate, sys_ftruncate},
    {__NR_fallocate, sys_fallocate},
    {__NR_fsync, sys_fsync},
    {__NR_fdatasync, sys_fdatasync},
    {__NR_sync_file_range, sys_sync_file_range},
    {__NR_sync, sys_sync},
    {__NR_syncfs, sys_syncfs},
    {__NR_fadvise64, sys_fadvise64},
    {__NR_readahead, sys_readahead},
    {__NR_statfs, sys_statfs},
    {__NR_fstatfs, sys_fstatfs},
    {0, NULL},
};
