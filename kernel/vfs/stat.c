/*
 * stat and statx: an inode as the user sees it.
 */
#include <asm/stat.h>
#include <linux/stat.h>
#include "lib/string.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

static uint64_t
size_of(const struct inode *inode)
{
    return __atomic_load_n(&inode->size, __ATOMIC_RELAXED);
}

int
inode_stat(struct inode *inode, struct stat *st)
{
    if (inode->ops->getattr) {
        int error = inode->ops->getattr(inode);
        if (error)
            return error;
    }
    memset(st, 0, sizeof(*st));
    st->st_dev = inode->sb->dev;
    st->st_ino = inode->ino;
    st->st_rdev = inode->rdev;
    st->st_blksize = (int)inode->sb->block_size;

    SCOPED_SPIN(&inode->attr_lock);
    st->st_size = (long)size_of(inode);
    st->st_blocks = (long)__atomic_load_n(&inode->nblocks, __ATOMIC_RELAXED);
    st->st_mode = inode->mode;
    st->st_nlink = inode->nlink;
    st->st_uid = inode->uid;
    st->st_gid = inode->gid;
    st->st_atime = inode->atime.sec;
    st->st_atime_nsec = inode->atime.nsec;
    st->st_mtime = inode->mtime.sec;
    st->st_mtime_nsec = inode->mtime.nsec;
    st->st_ctime = inode->ctime.sec;
    st->st_ctime_nsec = inode->ctime.nsec;
    return 0;
}

static struct statx_timestamp
timestamp(const struct timespec64 *time)
{
    return (struct statx_timestamp){.tv_sec = time->sec, .tv_nsec = time->nsec};
}

int
inode_statx(struct inode *inode, struct statx *stx)
{
    if (inode->ops->getattr) {
        int error = inode->ops->getattr(inode);
        if (error)
            return error;
    }
    memset(stx, 0, sizeof(*stx));
    stx->stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    stx->stx_blksize = inode->sb->block_size;
    stx->stx_attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
    if (inode->immutable)
        stx->stx_attributes |= STATX_ATTR_IMMUTABLE;
    if (inode->append_only)
        stx->stx_attributes |= STATX_ATTR_APPEND;
    stx->stx_ino = inode->ino;
    stx->stx_rdev_major = dev_major(inode->rdev);
    stx->stx_rdev_minor = dev_minor(inode->rdev);
    stx->stx_dev_major = dev_major(inode->sb->dev);
    stx->stx_dev_minor = dev_minor(inode->sb->dev);

    SCOPED_SPIN(&inode->attr_lock);
    stx->stx_size = size_of(inode);
    stx->stx_blocks = __atomic_load_n(&inode->nblocks, __ATOMIC_RELAXED);
    stx->stx_mode = (uint16_t)inode->mode;
    stx->stx_nlink = inode->nlink;
    stx->stx_uid = inode->uid;
    stx->stx_gid = inode->gid;
    stx->stx_atime = timestamp(&inode->atime);
    stx->stx_btime = timestamp(&inode->btime);
    stx->stx_ctime = timestamp(&inode->ctime);
    stx->stx_mtime = timestamp(&inode->mtime);
    return 0;
}
