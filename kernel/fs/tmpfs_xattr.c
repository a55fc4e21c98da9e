/*
 * tmpfs: extended attributes and what they cost.
 *
 * Anybody may give files attributes of "user.", so their memory counts as the
 * mount's inodes do, a kilobyte as one (nr_inodes; Linux's BOGO_INODE_SIZE). Others are
 * set by root alone.
 */
#include <linux/xattr.h>

#include "fs/tmpfs_super.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "vfs/xattr.h"

#define INODE_COST 1024
#define MOST_UNLIMITED (128 << 10) /* for one file of a mount that has no limit */

static uint64_t
cost(uint64_t nbytes)
{
    return (nbytes + INODE_COST - 1) / INODE_COST;
}

/* What a file takes becomes more, if that may be. Counted also where there is no limit: one may be set later. */
static bool
take(struct tmpfs *fs, uint64_t old, uint64_t new)
{
    if (!fs->inodes.most && new > MOST_UNLIMITED)
        return false;
    return tmpfs_take(&fs->inodes, cost(new) - cost(old));
}

static void
give(struct tmpfs *fs, uint64_t old, uint64_t new)
{
    tmpfs_give(&fs->inodes, cost(old) - cost(new));
}

int
tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags)
{
    struct tmpfs *fs = tmpfs_of(inode->sb);

    if (!fs->xattrs)
        return -EOPNOTSUPP;
    if (!str_starts_with(name, XATTR_USER_PREFIX))
        return xattr_set(inode, name, value, size, flags);

    uint64_t old = inode->xattr_bytes;
    uint64_t new = old - xattr_space(inode, name) + (value ? xattr_space_for(name, size) : 0);
    if (new > old && !take(fs, old, new))
        return -ENOSPC;
    int error = xattr_set(inode, name, value, size, flags);
    if (!error)
        inode->xattr_bytes = new;
    if (error && new > old)
        give(fs, new, old);
    else if (!error && new < old)
        give(fs, old, new);
    return error;
}

ssize_t
tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
    return tmpfs_of(inode->sb)->xattrs ? xattr_get(inode, name, buf, size) : -EOPNOTSUPP;
}

void
tmpfs_end_xattrs(struct inode *inode)
{
    give(tmpfs_of(inode->sb), inode->xattr_bytes, 0);
    xattr_destroy(inode);
}
