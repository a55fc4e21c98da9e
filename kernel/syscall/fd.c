/*
 * Opening, closing, duplicating and setting up descriptors.
 */
#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/openat2.h>

#include "arch/riscv/trap.h"
#include "fs/pipe.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/share.h"
#include "sched/thread.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/locks.h"
#include "vfs/mount.h"
#include "vfs/seals.h"
#include "vm/usercopy.h"

/* Flags that open(2) knows; others are ignored, as there, but openat2(2) refuses them. */
#define OPEN_FLAGS                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |          \
     O_DSYNC | FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |            \
     O_CLOEXEC | O_PATH | __O_TMPFILE)

static int64_t
do_open(int dirfd, vaddr_t name, uint32_t flags, uint32_t mode, unsigned lookup_flags)
{
    struct at_name at __uninitialized;
    int error = at_begin_flags(&at, dirfd, name, lookup_flags);
    if (error)
        return error;
    int fd = fd_reserve(0, flags & O_CLOEXEC);
    if (fd >= 0) {
        struct file *file;
        error = vfs_open(at.start, at.name, (flags & ~O_CLOEXEC) | O_LARGEFILE, mode & 07777,
                         lookup_flags, &file);
        if (error) {
            fd_unreserve(fd);
            fd = error;
        } else {
            fd_install(fd, file);
        }
    }
    at_end(&at);
    return fd;
}

static int64_t
sys_openat(const uint64_t *args)
{
    return do_open(args[0], args[1], args[2] & OPEN_FLAGS, args[3], 0);
}

#define OPEN_HOW_SIZE_VER0 24 /* the first published struct open_how: openat2(2) */

/*
 * openat2's structure in user memory, which may be longer than ours if what is
 * beyond is zero.
 */
static int
get_open_how(struct open_how *how, vaddr_t user, uint64_t size)
{
    if (size < OPEN_HOW_SIZE_VER0)
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    if (copyin(how, user, sizeof(*how)))
        return -EFAULT;
    for (uint64_t at = sizeof(*how); at < size; at++) {
        char byte;
        if (copyin(&byte, user + at, 1))
            return -EFAULT;
        if (byte)
            return -E2BIG;
    }
    return 0;
}

static int
check_open_how(const struct open_how *how)
{
    const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                             RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
    bool creates = how->flags & (O_CREAT | __O_TMPFILE);
    if ((how->flags & ~(uint64_t)OPEN_FLAGS) || (how->resolve & ~resolve))
        return -EINVAL;
    if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
        return -EINVAL;
    if (creates ? how->mode & ~07777UL : how->mode != 0)
        return -EINVAL;
    if ((how->flags & O_PATH) &&
        (how->flags & ~(uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
        return -EINVAL;
    if ((how->resolve & RESOLVE_CACHED) && (creates || (how->flags & O_TRUNC)))
        return -EAGAIN; /* what must wait for the file system anyhow */
    return 0;
}

static int64_t
sys_openat2(const uint64_t *args)
{
    struct open_how how;
    int error = get_open_how(&how, args[2], args[3]);
    if (!error)
        error = check_open_how(&how);
    if (error)
        return error;
    unsigned lookup = 0;
    lookup |= how.resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0;
    lookup |= how.resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0;
    lookup |= how.resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS : 0;
    lookup |= how.resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0;
    lookup |= how.resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0;
    lookup |= how.resolve & RESOLVE_CACHED ? LOOKUP_CACHED : 0;
    return do_open(args[0], args[1], how.flags, how.mode, lookup);
}

static int64_t
sys_close(const uint64_t *args)
{
    return fd_close(args[0]);
}

static int64_t
sys_close_range(const uint64_t *args)
{
    uint32_t flags = args[2];
    if (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return -EINVAL;
    if ((uint32_t)args[0] > (uint32_t)args[1])
        return -EINVAL;
    int error = flags & CLOSE_RANGE_UNSHARE ? unshare_files() : 0;
    if (error)
        return error;
    fd_close_range(args[0], args[1], flags & CLOSE_RANGE_CLOEXEC);
    return 0;
}

/* A copy of descriptor fd, at the lowest free number from `from`. */
static int64_t
dup_from(int fd, uint64_t from, bool cloexec)
{
    struct file *file = fd_file(current_thread()->files, fd);
    if (!file)
        return -EBADF;
    int copy = from >= fd_limit() ? -EINVAL : fd_reserve(from, cloexec);
    if (copy >= 0)
        fd_install(copy, file);
    else
        file_put(file);
    return copy;
}

static int64_t
sys_dup(const uint64_t *args)
{
    return dup_from(args[0], 0, false);
}

static int64_t
sys_dup3(const uint64_t *args)
{
    if ((uint32_t)args[2] & ~(uint32_t)O_CLOEXEC || (uint32_t)args[0] == (uint32_t)args[1])
        return -EINVAL;
    return fd_dup_to(args[0], args[1], args[2] & O_CLOEXEC);
}

static int64_t
sys_pipe2(const uint64_t *args)
{
    uint32_t flags = args[1];
    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    struct file *ends[2];
    int error = pipe_create(flags & ~O_CLOEXEC, ends);
    if (error)
        return error;
    int fds[2];
    fds[0] = fd_reserve(0, flags & O_CLOEXEC);
    fds[1] = fds[0] < 0 ? fds[0] : fd_reserve(0, flags & O_CLOEXEC);
    error = fds[1] < 0 ? fds[1] : copyout(args[0], fds, sizeof(fds));
    if (!error) {
        fd_install(fds[0], ends[0]);
        fd_install(fds[1], ends[1]);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            fd_unreserve(fds[i]);
        file_put(ends[i]);
    }
    return error;
}

/* What F_SETFL and FIONBIO may change. */
#define SETTABLE_FLAGS ((uint32_t)(O_APPEND | O_NONBLOCK | FASYNC | O_DIRECT | O_NOATIME))

static int
set_status_flags(struct file *file, uint32_t flags)
{
    uint32_t old = __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
    flags = (old & ~SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
    if (((flags ^ old) & O_APPEND) && file->inode->append_only)
        return -EPERM;
    if (((flags & ~old) & O_NOATIME) && !inode_owned(file->inode))
        return -EPERM;
    if ((flags & O_DIRECT) && !file->ops->direct)
        return -EINVAL;
    store_relaxed(&file->flags, flags);
    return 0;
}

/*
 * Who is told of a file's events (F_SETOWN): a number, which use of the number it is, and what
 * it names, F_OWNER_*, in one word: pid_key() with the type in bits that no number has.
 */
#define OWNER_TYPE_SHIFT 24
#define OWNER_NUMBER (BIT(OWNER_TYPE_SHIFT) - 1)
_Static_assert(PID_MAX <= OWNER_NUMBER, "a type stands above the number");

static int64_t
set_owner(struct file *file, uint32_t type, uint32_t nr)
{
    uint64_t key = nr < PID_MAX ? pid_key(nr) : 0;

    if (type > F_OWNER_PGRP)
        return -EINVAL;
    if (nr && (!pid_names(nr, PID_ANY) || pid_key(nr) != key))
        return -ESRCH;
    store_relaxed(&file->owner, (nr ? key : 0) | (uint64_t)type << OWNER_TYPE_SHIFT);
    return 0;
}

/* *owner: 0 is its number if it has ended. */
static void
get_owner(const struct file *file, struct f_owner_ex *owner)
{
    static const unsigned kinds[] = {
        [F_OWNER_TID] = BIT(PID_TASK), [F_OWNER_PID] = BIT(PID_PROC), [F_OWNER_PGRP] = BIT(PID_GROUP)};
    uint64_t word = __atomic_load_n(&file->owner, __ATOMIC_RELAXED);
    uint32_t nr = word & OWNER_NUMBER, type = (uint32_t)word >> OWNER_TYPE_SHIFT;
    bool there = nr && pid_names(nr, kinds[type]) && pid_key(nr) >> 32 == word >> 32;

    *owner = (struct f_owner_ex){.type = (int)type, .pid = there ? (int)nr : 0};
}

/* A group's number is negative, and may be one that would be an error's: it is none. */
static int64_t
get_owner_number(const struct file *file)
{
    struct f_owner_ex owner;

    get_owner(file, &owner);
    thread_trapframe(current_thread())->nsyscall = ~0UL;
    return owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
}

static int64_t
fcntl_owner_ex(struct file *file, bool set, vaddr_t user)
{
    struct f_owner_ex owner;

    if (!set) {
        get_owner(file, &owner);
        return copyout(user, &owner, sizeof(owner));
    }
    if (copyin(&owner, user, sizeof(owner)))
        return -EFAULT;
    return set_owner(file, (uint32_t)owner.type, (uint32_t)owner.pid);
}

static int64_t
fcntl_owner(struct file *file, uint64_t command, uint64_t arg)
{
    int who = (int)arg;

    switch (command) {
    case F_SETOWN:
        if (who == INT32_MIN)
            return -EINVAL;
        return who < 0 ? set_owner(file, F_OWNER_PGRP, (uint32_t)-who)
                       : set_owner(file, F_OWNER_PID, (uint32_t)who);
    case F_GETOWN:
        return get_owner_number(file);
    case F_SETOWN_EX:
    case F_GETOWN_EX:
        return fcntl_owner_ex(file, command == F_SETOWN_EX, arg);
    case F_SETSIG:
        if (arg > 64)
            return -EINVAL;
        store_relaxed(&file->owner_signal, (int)arg);
        return 0;
    default:
        return __atomic_load_n(&file->owner_signal, __ATOMIC_RELAXED);
    }
}

/*
 * A process's lock goes when it closes a descriptor of the file. If another thread has closed fd
 * while the lock was being made, that came too early: do it again.
 */
static int
check_still_open(int fd, struct file *file)
{
    struct fdtable *table = current_thread()->files;
    struct file *now = fd_file(table, fd);

    if (now != file)
        locks_release_table(file->inode, table);
    if (now)
        file_put(now);
    return now == file ? 0 : -EBADF;
}

/* Locks by range: fcntl's, by process or (OFD) by open file. */
static int64_t
fcntl_lock(int fd, struct file *file, uint64_t command, vaddr_t user)
{
    bool ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    struct flock request;
    if (copyin(&request, user, sizeof(request)))
        return -EFAULT;
    if (command == F_GETLK || command == F_OFD_GETLK) {
        int error = file_get_lock(file, &request, ofd);
        return error ? error : copyout(user, &request, sizeof(request));
    }
    int error = file_set_lock(file, &request, ofd, command == F_SETLKW || command == F_OFD_SETLKW);
    if (!error && !ofd && request.l_type != F_UNLCK)
        error = check_still_open(fd, file);
    return error;
}

/* F_GET_RW_HINT, F_SET_RW_HINT: how long what is written will live. It is kept, and nothing looks at it. */
static int64_t
fcntl_hint(struct inode *inode, bool set, vaddr_t arg)
{
    uint64_t hint = __atomic_load_n(&inode->write_hint, __ATOMIC_RELAXED);

    if (!set)
        return copyout(arg, &hint, sizeof(hint)) < 0 ? -EFAULT : 0;
    if (copyin(&hint, arg, sizeof(hint)) < 0)
        return -EFAULT;
    if (hint > RWH_WRITE_LIFE_EXTREME)
        return -EINVAL;
    store_relaxed(&inode->write_hint, (uint8_t)hint);
    return 0;
}

static int64_t
do_fcntl(int fd, struct file *file, uint64_t command, uint64_t arg)
{
    switch (command) {
    case F_SETFL:
        return set_status_flags(file, arg);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return fcntl_lock(fd, file, command, arg);
    case F_SETOWN:
    case F_GETOWN:
    case F_SETOWN_EX:
    case F_GETOWN_EX:
    case F_SETSIG:
    case F_GETSIG:
        return fcntl_owner(file, command, arg);
    case F_GETPIPE_SZ:
        return file_is_pipe(file) ? pipe_get_size(file) : -EBADF;
    case F_SETPIPE_SZ:
        return file_is_pipe(file) ? pipe_set_size(file, arg) : -EBADF;
    case F_GETLEASE:
        return F_UNLCK; /* nobody has one: no file system here gives leases */
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
        return fcntl_hint(file->inode, command == F_SET_RW_HINT, arg);
    case F_ADD_SEALS:
        return seals_add(file, (uint32_t)arg);
    case F_GET_SEALS:
        return seals_get(file);
    default:
        return -EINVAL;
    }
}

static int64_t
sys_fcntl(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow_path(args[0]);
    struct file *file = ref.file;
    if (!file)
        return -EBADF;
    int64_t result;
    switch (args[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        result = dup_from(args[0], (uint32_t)args[2], args[1] == F_DUPFD_CLOEXEC);
        break;
    case F_GETFD:
        result = fd_get_cloexec(args[0]) ? FD_CLOEXEC : 0;
        break;
    case F_SETFD:
        result = fd_set_cloexec(args[0], args[2] & FD_CLOEXEC);
        break;
    case F_GETFL:
        result = file_open_flags(file);
        break;
    default:
        result = file->access & FILE_PATH ? -EBADF : do_fcntl(args[0], file, args[1], args[2]);
    }
    fd_return(ref);
    return result;
}

static int64_t
sys_flock(const uint64_t *args)
{
    if (args[1] & LOCK_MAND)
        return 0; /* share modes, which Linux has not had since 5.17: nothing is done */
    int type = args[1] & ~LOCK_NB;
    if (type != LOCK_SH && type != LOCK_EX && type != LOCK_UN)
        return -EINVAL;
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    int64_t result = file_flock(ref.file, args[1]);
    fd_return(ref);
    return result;
}

/* ioctls that every file knows; -ENOTTY for the rest. */
/* FIOASYNC: only for files that tell of more by SIGIO: pipes, and devices that one can wait for. */
static int
set_async(struct file *file, bool on)
{
    uint32_t flags = file->flags, wanted = on ? flags | FASYNC : flags & ~(uint32_t)FASYNC;
    uint32_t mode = file->inode->mode;

    if (wanted == flags)
        return 0;
    return file->ops->poll && (S_ISFIFO(mode) || S_ISCHR(mode)) ? set_status_flags(file, wanted) : -ENOTTY;
}

/* FIOQSIZE: bytes that quota would count. */
static int
get_quota_size(struct inode *inode, vaddr_t arg)
{
    uint64_t size = __atomic_load_n(&inode->nblocks, __ATOMIC_RELAXED) * 512;

    if (!inode_is_reg(inode) && !inode_is_dir(inode))
        return -ENOTTY;
    return copyout(arg, &size, sizeof(size)) < 0 ? -EFAULT : 0;
}

static int64_t
generic_ioctl(int fd, struct file *file, uint32_t command, uint64_t arg)
{
    uint32_t value;
    switch (command) {
    case FIOCLEX:
        return fd_set_cloexec(fd, true);
    case FIONCLEX:
        return fd_set_cloexec(fd, false);
    case FIONBIO:
        if (get_user32(&value, arg))
            return -EFAULT;
        return set_status_flags(file, value ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK);
    case FIONREAD:
        if (!inode_is_reg(file->inode))
            return -ENOTTY;
        return put_user32(arg, __atomic_load_n(&file->inode->size, __ATOMIC_RELAXED) - file->pos);
    case FIOASYNC:
        return get_user32(&value, arg) ? -EFAULT : set_async(file, value);
    case FIGETBSZ:
        return put_user32(arg, file->inode->sb->block_size);
    case FIOQSIZE:
        return get_quota_size(file->inode, arg);
    default:
        return -ENOTTY;
    }
}

static int64_t
sys_ioctl(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    struct file *file = ref.file;
    if (!file)
        return -EBADF;
    int64_t result = -ENOTTY;
    if (file->ops->ioctl)
        result = file->ops->ioctl(file, args[1], args[2]);
    if (result == -ENOTTY)
        result = generic_ioctl(args[0], file, args[1], args[2]);
    fd_return(ref);
    return result;
}

const struct syscall_row fd_syscalls[] = {
    {__NR_openat, sys_openat},
    {__NR_openat2, sys_openat2},
    {__NR_close, sys_close},
    {__NR_close_range, sys_close_range},
    {__NR_dup, sys_dup},
    {__NR_dup3, sys_dup3},
    {__NR_pipe2, sys_pipe2},
    {__NR_fcntl, sys_fcntl},
    {__NR_flock, sys_flock},
    {__NR_ioctl, sys_ioctl},
    {0, NULL},
};
