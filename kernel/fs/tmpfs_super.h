/*
 * Inside tmpfs: what tmpfs.c and tmpfs_super.c share.
 */
#ifndef QUIRE_FS_TMPFS_SUPER_H
#define QUIRE_FS_TMPFS_SUPER_H

#include "vfs/inode.h"
#include "vfs/mount.h"

/* Something there may be only so much of. Guarded by: (A) atomic  (C) but for remount */
struct tmpfs_limit {
    uint64_t used; /* (A) */
    uint64_t most; /* (C) 0: any number */
};

struct tmpfs {
    struct tmpfs_limit pages, inodes;
    uint32_t mode, uid, gid; /* of the root, as options said */
    bool xattrs;             /* (C) files can have extended attributes */
};

static inline struct tmpfs *
tmpfs_of(const struct superblock *sb)
{
    return sb->private;
}

/* Use n more, if there may be so many. */
static inline bool
tmpfs_take(struct tmpfs_limit *limit, uint64_t n)
{
    uint64_t used = __atomic_add_fetch(&limit->used, n, __ATOMIC_RELAXED);
    if (likely(!limit->most || used <= limit->most))
        return true;
    __atomic_sub_fetch(&limit->used, n, __ATOMIC_RELAXED);
    return false;
}

static inline void
tmpfs_give(struct tmpfs_limit *limit, uint64_t n)
{
    __atomic_sub_fetch(&limit->used, n, __ATOMIC_RELAXED);
}

/* A fresh inode of any type, with one reference. -ENOSPC, -ENOMEM. */
int tmpfs_new_inode(struct superblock *sb, const struct inode *dir, uint32_t mode, uint64_t rdev,
                    struct inode **result);
void tmpfs_evict(struct inode *inode);
void tmpfs_free_inode(struct inode *inode);
void tmpfs_super_init(void);

/* Extended attributes, for inode_ops and at the inode's end (tmpfs_xattr.c). */
int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
                   unsigned flags);
ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
void tmpfs_end_xattrs(struct inode *inode);

#endif
