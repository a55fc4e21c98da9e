/*
 * Inodes: beginning, references, end; and who may do what to them.
 */
#include "vfs/inode.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include "arch/riscv/panic.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/device.h"
#include "vfs/file.h"
#include "vfs/locks.h"
#include "vfs/mount.h"
#include "vfs/namei.h"

static struct timespec64
time_of_boot(void)
{
    return (struct timespec64){0};
}

struct timespec64 (*vfs_realtime)(void) = time_of_boot;

static const struct inode_ops no_inode_ops;
static const struct file_ops no_file_ops;

/* A new inode's group and mode, as inherited from a setgid directory. */
static void
inherit_group(struct inode *inode, const struct inode *dir)
{
    inode->gid = current_cred()->fsgid;
    if (!dir)
        return;
    struct inode_access above = inode_access(dir); /* O_TMPFILE does not hold its lock */
    if (!(above.mode & S_ISGID))
        return;
    inode->gid = above.gid;
    if (S_ISDIR(inode->mode))
        inode->mode |= S_ISGID;
}

uint32_t
inode_new_mode(const struct inode *dir, uint32_t mode)
{
    struct inode_access above = inode_access(dir);

    if ((above.mode & S_ISGID) && (mode_set_id(mode) & S_ISGID) &&
        !cred_in_group(current_cred(), above.gid) && !capable(CAP_FSETID))
        mode &= ~(uint32_t)S_ISGID;
    return mode & ~current_umask();
}

void
inode_init(struct inode *inode, struct superblock *sb, const struct inode *dir, uint32_t mode,
           uint64_t ino)
{
    ref_init(&inode->refs, 1);
    inode->mode = mode;
    inode->uid = current_cred()->fsuid;
    inherit_group(inode, dir);
    inode->nlink = S_ISDIR(mode) ? 2 : 1;
    inode->ino = ino ? ino : __atomic_add_fetch(&sb->next_ino, 1, __ATOMIC_RELAXED);
    inode->atime = inode->mtime = inode->ctime = inode->btime = vfs_realtime();
    mutex_init(&inode->lock, "inode");
    spin_init(&inode->attr_lock, "inode attributes");
    inode->sb = sb;
    inode->ops = &no_inode_ops;
    inode->file_ops = &no_file_ops;
    inode->free = sb->ops->free_inode;
    if (S_ISREG(mode))
        mapping_init(&inode->mapping, NULL);
}

void
inode_init_special(struct inode *inode, uint32_t mode, uint64_t rdev)
{
    inode->rdev = rdev;
    if (S_ISCHR(mode))
        inode->file_ops = &chrdev_file_ops;
    else if (S_ISBLK(mode))
        inode->file_ops = &blkdev_file_ops;
}

void
inode_get(struct inode *inode)
{
    ref_get(&inode->refs);
}

static void
free_inode(struct deferred *deferred)
{
    struct inode *inode = container_of(deferred, struct inode, deferred);
    inode->free(inode);
}

void
inode_put(struct inode *inode)
{
    if (!ref_put(&inode->refs))
        return;
    if (inode->sb->ops->evict)
        inode->sb->ops->evict(inode);
    else if (S_ISREG(inode->mode))
        page_evict(inode);
    if (inode->locks)
        locks_free(inode);
    if (inode->free)
        deferred_free(&inode->deferred, free_inode);
}

void
inode_touch(struct inode *inode, unsigned which)
{
    struct timespec64 now = vfs_realtime();

    SCOPED_SPIN(&inode->attr_lock);
    if (which & TOUCH_ATIME)
        inode->atime = now;
    if (which & TOUCH_MTIME)
        inode->mtime = now;
    if (which & TOUCH_CTIME)
        inode->ctime = now;
}

int
inode_add_link(struct inode *inode)
{
    struct timespec64 now = vfs_realtime();
    SCOPED_SPIN(&inode->attr_lock);
    if (inode->nlink == 0 && !inode->linkable)
        return -ENOENT;
    inode->linkable = false;
    inode->nlink++;
    inode->ctime = now;
    return 0;
}

uint32_t
inode_drop_link(struct inode *inode)
{
    struct timespec64 now = vfs_realtime();
    SCOPED_SPIN(&inode->attr_lock);
    assert(inode->nlink > 0);
    inode->nlink--;
    inode->ctime = now;
    return inode->nlink;
}

bool
inode_owned(const struct inode *inode)
{
    return current_cred()->fsuid == inode->uid || capable(CAP_FOWNER);
}

void
inode_attr_begin(struct inode *inode)
{
    spin_lock(&inode->attr_lock);
    store_relaxed(&inode->attr_sequence, inode->attr_sequence + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* readers that see a new field see the odd number */
}

void
inode_attr_end(struct inode *inode)
{
    store_release(&inode->attr_sequence, inode->attr_sequence + 1);
    spin_unlock(&inode->attr_lock);
}

static inline struct inode_access
read_access(const struct inode *inode)
{
    struct inode_access access;
    uint32_t sequence;

    do {
        sequence = __atomic_load_n(&inode->attr_sequence, __ATOMIC_ACQUIRE);
        access.mode = __atomic_load_n(&inode->mode, __ATOMIC_RELAXED);
        access.uid = __atomic_load_n(&inode->uid, __ATOMIC_RELAXED);
        access.gid = __atomic_load_n(&inode->gid, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (unlikely(sequence % 2 ||
                      __atomic_load_n(&inode->attr_sequence, __ATOMIC_RELAXED) != sequence));
    return access;
}

struct inode_access
inode_access(const struct inode *inode)
{
    return read_access(inode);
}

/* What capabilities allow beyond the mode bits. */
static bool
override_allowed(uint32_t mode, unsigned mask)
{
    if (S_ISDIR(mode)) {
        if (!(mask & MAY_WRITE) && capable(CAP_DAC_READ_SEARCH))
            return true;
        return capable(CAP_DAC_OVERRIDE);
    }
    if (mask == MAY_READ && capable(CAP_DAC_READ_SEARCH))
        return true;
    bool executable = mode & (S_IXUSR | S_IXGRP | S_IXOTH);
    return (!(mask & MAY_EXEC) || executable) && capable(CAP_DAC_OVERRIDE);
}

static inline int
permission_by_mode(const struct inode_access *access, unsigned mask)
{
    const struct cred *cred = current_cred();
    uint32_t bits = access->mode;
    if (cred->fsuid == access->uid)
        bits >>= 6;
    else if (cred_in_group(cred, access->gid))
        bits >>= 3;
    if ((mask & ~bits & 7) == 0)
        return 0;
    return override_allowed(access->mode, mask) ? 0 : -EACCES;
}

static inline int
permission_by(struct inode *inode, const struct inode_access *access, unsigned mask)
{
    if (mask & MAY_WRITE) {
        uint32_t mode = access->mode;
        bool stored = S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
        if (stored && (inode->sb->flags & MS_RDONLY))
            return -EROFS;
        if (inode->immutable)
            return -EPERM;
    }
    if (inode->ops->permission)
        return inode->ops->permission(inode, mask);
    return permission_by_mode(access, mask);
}

/* The three questions are one piece of code: every open, and every name that is made or removed, asks. */
int
inode_permission(struct inode *inode, unsigned mask)
{
    struct inode_access access = read_access(inode);

    return permission_by(inode, &access, mask);
}

int
inode_permission_by(struct inode *inode, const struct inode_access *access, unsigned mask)
{
    return permission_by(inode, access, mask);
}

int
inode_permission_by_mode(const struct inode_access *access, unsigned mask)
{
    return permission_by_mode(access, mask);
}

/* Move the count of writers by step, unless it counts the other kind. */
static int
count_writer(struct inode *inode, int32_t step)
{
    int32_t old = __atomic_load_n(&inode->writers, __ATOMIC_RELAXED);
    do {
        if (old * step < 0)
            return -ETXTBSY;
    } while (!__atomic_compare_exchange_n(&inode->writers, &old, old + step, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return 0;
}

int
inode_begin_write(struct inode *inode)
{
    return count_writer(inode, 1);
}

void
inode_end_write(struct inode *inode)
{
    __atomic_fetch_sub(&inode->writers, 1, __ATOMIC_RELEASE);
}

int
inode_begin_execute(struct inode *inode)
{
    return count_writer(inode, -1);
}

void
inode_end_execute(struct inode *inode)
{
    __atomic_fetch_add(&inode->writers, 1, __ATOMIC_RELEASE);
}
