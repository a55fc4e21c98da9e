/*
 * rename(2) and renameat2(2).
 *
 * Both directories are locked: if they differ, under the superblock's
 * rename_lock, an ancestor before its descendant, else by address. While that
 * lock is held the shape of the tree is fixed, so "is this above that?" has an
 * answer. A directory that is replaced is locked last.
 */
#include <linux/fs.h>
#include "sched/mutex.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/nameops.h"

struct side {
    struct path dir;
    struct last_name last;
    struct inode *inode;   /* the directory's */
    struct dentry *dentry; /* the name's; counted, or NULL */
};

static void
lock_directories(struct side *old, struct side *new)
{
    struct inode *first = old->inode, *second = new->inode;

    if (first == second) {
        mutex_lock(&first->lock);
        return;
    }
    mutex_lock(&first->sb->rename_lock);
    bool old_first = d_is_ancestor(old->dir.dentry, new->dir.dentry);
    bool new_first = d_is_ancestor(new->dir.dentry, old->dir.dentry);
    if (new_first || (!old_first && first > second)) {
        first = new->inode;
        second = old->inode;
    }
    mutex_lock(&first->lock);
    mutex_lock_nested(&second->lock, 1);
}

static void
unlock_directories(struct side *old, struct side *new)
{
    mutex_unlock(&old->inode->lock);
    if (old->inode != new->inode) {
        mutex_unlock(&new->inode->lock);
        mutex_unlock(&old->inode->sb->rename_lock);
    }
}

/* What the names themselves forbid; both dentries are there, locks held. */
static int
check_names(const struct side *old, const struct side *new, unsigned flags)
{
    const struct inode *moved = old->dentry->inode, *there = new->dentry->inode;
    bool exchange = flags & RENAME_EXCHANGE;

    if (!moved)
        return -ENOENT;
    if ((flags & RENAME_NOREPLACE) && there)
        return -EEXIST;
    if (exchange) {
        if (!there)
            return -ENOENT;
        if (!inode_is_dir(there) && new->last.trailing_slash)
            return -ENOTDIR;
    }
    if (!inode_is_dir(moved)) {
        if (old->last.trailing_slash)
            return -ENOTDIR;
        if (!exchange && new->last.trailing_slash)
            return -ENOTDIR;
    }
    if (old->inode != new->inode) {
        if (d_is_ancestor(old->dentry, new->dir.dentry))
            return -EINVAL;
        if (d_is_ancestor(new->dentry, old->dir.dentry))
            return exchange ? -EINVAL : -ENOTEMPTY;
    }
    return 0;
}

/* What permissions forbid. */
static int
check_rights(const struct side *old, const struct side *new, unsigned flags)
{
    struct inode *moved = old->dentry->inode, *there = new->dentry->inode;
    bool exchange = flags & RENAME_EXCHANGE;
    bool moved_is_dir = inode_is_dir(moved);

    int error = may_delete(old->inode, old->dentry, moved_is_dir);
    if (error)
        return error;
    if (!there)
        error = may_create(new->inode);
    else
        error = may_delete(new->inode, new->dentry, exchange ? inode_is_dir(there) : moved_is_dir);
    if (error)
        return error;
    if (!old->inode->ops->rename)
        return -EPERM;
    /* A directory's ".." changes, and that is in the directory itself. */
    if (old->inode != new->inode) {
        if (moved_is_dir)
            error = inode_permission(moved, MAY_WRITE);
        if (!error && exchange && inode_is_dir(there))
            error = inode_permission(there, MAY_WRITE);
    }
    return error;
}

/* Everything is locked and allowed: do it. */
static int
rename_locked(struct side *old, struct side *new, unsigned flags)
{
    struct inode *replaced = flags & RENAME_EXCHANGE ? NULL : new->dentry->inode;
    bool lock_replaced = replaced && inode_is_dir(replaced);

    if (__atomic_load_n(&old->dentry->nmounts, __ATOMIC_RELAXED) ||
        __atomic_load_n(&new->dentry->nmounts, __ATOMIC_RELAXED))
        return -EBUSY;
    if (lock_replaced)
        mutex_lock_nested(&replaced->lock, 2);
    int error = old->inode->ops->rename(old->inode, old->dentry, new->inode, new->dentry, flags);
    if (lock_replaced)
        mutex_unlock(&replaced->lock);
    if (!error) {
        if (lock_replaced)
            d_prune_children(new->dentry);
        d_move(old->dentry, new->dentry, flags & RENAME_EXCHANGE);
    }
    return error;
}

static int
rename_between(struct side *old, struct side *new, unsigned flags)
{
    int error = lookup_one(old->dir.dentry, old->last.name, old->last.length, &old->dentry);
    if (!error)
        error = lookup_one(new->dir.dentry, new->last.name, new->last.length, &new->dentry);
    if (!error)
        error = check_names(old, new, flags);
    if (error || old->dentry->inode == new->dentry->inode)
        return error; /* two names of one file: nothing to do, says POSIX */
    error = check_rights(old, new, flags);
    return error ? error : rename_locked(old, new, flags);
}

/* What can be said before the directories are locked. On success the mount is being written to. */
static int
check_ends(const struct side *old, const struct side *new, unsigned flags)
{
    if (old->dir.mount != new->dir.mount)
        return -EXDEV;
    if (old->last.kind != LAST_NORMAL)
        return -EBUSY;
    if (new->last.kind != LAST_NORMAL)
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    return mount_begin_write(old->dir.mount);
}

int
vfs_rename(const struct path *old_start, const char *old_name, const struct path *new_start,
           const char *new_name, unsigned flags)
{
    struct side old = {.dentry = NULL}, new = {.dentry = NULL};

    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
        return -EINVAL;
    if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) && (flags & RENAME_EXCHANGE))
        return -EINVAL;
    if (flags & RENAME_WHITEOUT)
        return -EINVAL; /* for overlay file systems, which there are none of */

    int error = path_lookup_parent(old_start, old_name, &old.dir, &old.last);
    if (error)
        return error;
    error = path_lookup_parent(new_start, new_name, &new.dir, &new.last);
    if (error) {
        path_put(&old.dir);
        return error;
    }
    error = check_ends(&old, &new, flags);
    if (!error) {
        old.inode = old.dir.dentry->inode;
        new.inode = new.dir.dentry->inode;
        lock_directories(&old, &new);
        error = rename_between(&old, &new, flags);
        unlock_directories(&old, &new);
        mount_end_write(old.dir.mount);
    }
    if (old.dentry)
        dentry_put(old.dentry);
    if (new.dentry)
        dentry_put(new.dentry);
    path_put(&old.dir);
    path_put(&new.dir);
    return error;
}
