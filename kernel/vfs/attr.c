/*
 * Changing attributes: chmod, chown, truncate, utimensat.
 *
 * inode_change() decides whether the change is allowed and what else must
 * change with it (setuid and setgid bits go when somebody else might profit),
 * then has the file system apply it.
 */
#include <linux/capability.h>
#include <linux/mount.h>
#include "vfs/cred.h"
#include "lib/atomic.h"
#include "vfs/file.h"
#include "vfs/fileinit.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/pagecache.h"
#include "vfs/seals.h"

#define ATTR_OWNERSHIP (ATTR_UID | ATTR_GID)
#define ATTR_TIMES (ATTR_ATIME | ATTR_MTIME)

/* chown(2): only CAP_CHOWN gives files away; owners may choose among their groups. */
static bool
may_chown(const struct inode *inode, const struct attributes *attr)
{
    const struct cred *cred = current_cred();

    if (capable(CAP_CHOWN))
        return true;
    if (cred->fsuid != inode->uid)
        return false;
    if ((attr->mask & ATTR_UID) && attr->uid != inode->uid)
        return false;
    return !(attr->mask & ATTR_GID) || attr->gid == inode->gid || cred_in_group(cred, attr->gid);
}

/* May the current thread leave or set the setgid bit of a file of this group? */
static bool
keeps_setgid(uint32_t gid)
{
    return cred_in_group(current_cred(), gid) || capable(CAP_FSETID);
}

/* The bits of the mode that must go when a file gets another owner or other contents. */
static uint32_t
privileged_bits(const struct inode *inode)
{
    uint32_t mode = inode->mode, bits = mode & S_ISUID;

    if ((mode & S_ISGID) && ((mode & S_IXGRP) || !keeps_setgid(inode->gid)))
        bits |= S_ISGID;
    return bits;
}

/* May the current thread ask for attr, with which come all of full? */
static int
check_change(struct inode *inode, const struct attributes *attr, const struct attributes *full)
{
    if (inode->sb->flags & MS_RDONLY)
        return -EROFS;
    if (inode->immutable || (inode->append_only && (attr->mask & ~(uint32_t)ATTR_TOUCH)))
        return -EPERM;
    if ((attr->mask & ATTR_MODE) && inode_is_link(inode))
        return -EOPNOTSUPP;
    int error = seals_check_change(inode, attr);
    if (error)
        return error;
    if ((attr->mask & ATTR_OWNERSHIP) && !may_chown(inode, attr))
        return -EPERM;
    /* The bits that go with a file's contents go whoever cuts it. */
    if ((full->mask & ATTR_MODE) && !(attr->mask & ATTR_SIZE) && !inode_owned(inode))
        return -EPERM;
    if ((attr->mask & ATTR_TIMES) && !(attr->mask & ATTR_TOUCH) && !inode_owned(inode))
        return -EPERM;
    if ((attr->mask & ATTR_TOUCH) && !inode_owned(inode))
        return inode_permission(inode, MAY_WRITE);
    if ((attr->mask & ATTR_SIZE) && attr->size > inode->size && attr->size > inode->sb->max_size)
        return -EFBIG;
    return 0;
}

/* What else changes: into *full. */
static void
complete_change(const struct inode *inode, const struct attributes *attr, struct attributes *full)
{
    *full = *attr;
    if (attr->mask & ATTR_TOUCH) {
        full->mask |= ATTR_TIMES;
        full->atime = full->mtime = vfs_realtime();
    }
    /* chown(-1, -1) gives a file to nobody else, but the bits go all the same. */
    bool given = ((attr->mask & ATTR_OWNERSHIP) || attr->mask == 0) && !S_ISDIR(inode->mode);
    bool cut = (attr->mask & ATTR_SIZE) && !capable(CAP_FSETID);
    uint32_t bits = given || cut ? privileged_bits(inode) : 0;
    if (bits) {
        full->mask |= ATTR_MODE;
        full->mode = inode->mode & ~bits;
    }
    if (attr->mask & ATTR_MODE)
        full->mode = (inode->mode & S_IFMT) | (attr->mode & ~(uint32_t)S_IFMT);
    if (full->mask & ATTR_MODE) {
        uint32_t gid = attr->mask & ATTR_GID ? attr->gid : inode->gid;
        if (!cut && !keeps_setgid(gid))
            full->mode &= ~(uint32_t)S_ISGID;
    }
}

int
inode_change(struct inode *inode, const struct attributes *attr)
{
    struct attributes full;

    SCOPED_LOCK(&inode->lock);
    complete_change(inode, attr, &full);
    int error = check_change(inode, attr, &full);
    if (error)
        return error;
    return inode->ops->setattr ? inode->ops->setattr(inode, &full) : inode_setattr(inode, &full);
}

int
inode_setattr(struct inode *inode, const struct attributes *attr)
{
    struct timespec64 now = vfs_realtime();

    if (attr->mask & ATTR_SIZE) {
        uint64_t old = inode->size;
        store_release(&inode->size, attr->size);
        if (attr->size < old)
            page_truncate(inode, attr->size);
    }
    inode_attr_begin(inode);
    if (attr->mask & ATTR_UID)
        store_relaxed(&inode->uid, attr->uid);
    if (attr->mask & ATTR_GID)
        store_relaxed(&inode->gid, attr->gid);
    if (attr->mask & ATTR_MODE)
        store_relaxed(&inode->mode, attr->mode);
    if (attr->mask & ATTR_SIZE)
        inode->mtime = now;
    if (attr->mask & ATTR_ATIME)
        inode->atime = attr->atime;
    if (attr->mask & ATTR_MTIME)
        inode->mtime = attr->mtime;
    inode->ctime = now;
    inode_attr_end(inode);
    return 0;
}

int
inode_drop_privileges(struct inode *inode)
{
    uint32_t bits = likely(!(inode->mode & (S_ISUID | S_ISGID))) ? 0 : privileged_bits(inode);

    if (likely(!bits) || !S_ISREG(inode->mode) || capable(CAP_FSETID))
        return 0;
    struct attributes attr = {.mask = ATTR_MODE, .mode = inode->mode & ~bits};
    return inode->ops->setattr ? inode->ops->setattr(inode, &attr) : inode_setattr(inode, &attr);
}

/* May somebody who names the file cut it? Follows truncate(2)'s order of errors. */
static int
check_truncate(const struct path *path)
{
    struct inode *inode = path->dentry->inode;

    if (inode_is_dir(inode))
        return -EISDIR;
    if (!inode_is_reg(inode))
        return -EINVAL;
    int error = mount_writable(path->mount);
    if (error)
        return error;
    error = inode_permission(inode, MAY_WRITE);
    if (error)
        return error;
    return inode->append_only ? -EPERM : 0;
}

static int
set_size(struct inode *inode, uint64_t size)
{
    if (size > inode->size && size > file_size_allowed()) {
        file_size_exceeded();
        return -EFBIG;
    }
    struct attributes attr = {.mask = ATTR_SIZE, .size = size};
    return inode_change(inode, &attr);
}

int
vfs_truncate(const struct path *path, uint64_t size)
{
    if ((int64_t)size < 0)
        return -EINVAL;
    int error = check_truncate(path);
    if (!error)
        error = begin_write(path);
    if (error)
        return error;
    error = set_size(path->dentry->inode, size);
    end_write(path);
    return error;
}

int
file_truncate(struct file *file, uint64_t size)
{
    if ((int64_t)size < 0 || !inode_is_reg(file->inode) || !(file->access & FILE_WRITE))
        return -EINVAL;
    if (file->inode->append_only)
        return -EPERM;
    return set_size(file->inode, size);
}
