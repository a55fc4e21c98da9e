/*
 * Making and removing names: mknod, mkdir, symlink, link, unlink, rmdir.
 *
 * Each walks to the parent, locks it, finds the last name's dentry, checks
 * everything in Linux's order, and calls the file system. The removed
 * directory's own lock is taken inside its parent's, so that nothing can be
 * made in it any more once it is known to be empty.
 */
#include "vfs/nameops.h"

#include <linux/capability.h>
#include <linux/fcntl.h>
#include "lib/string.h"
#include "sched/mutex.h"
#include "vfs/cred.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

/* A name about to be made: its directory, locked, and its negative dentry. */
struct making {
    struct path dir;
    struct inode *inode; /* the directory's */
    struct dentry *dentry;
};

int
may_create(struct inode *dir)
{
    if (dir->nlink == 0)
        return -ENOENT;
    return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int
may_delete(struct inode *dir, const struct dentry *victim, bool as_dir)
{
    const struct inode *inode = victim->inode;
    int error = inode_permission(dir, MAY_WRITE | MAY_EXEC);

    if (error)
        return error;
    if (dir->append_only)
        return -EPERM;
    bool others = (dir->mode & S_ISVTX) && current_cred()->fsuid != inode->uid &&
                  current_cred()->fsuid != dir->uid;
    if (others && !capable(CAP_FOWNER))
        return -EPERM;
    if (inode->append_only || inode->immutable)
        return -EPERM;
    if (as_dir && !inode_is_dir(inode))
        return -ENOTDIR;
    if (!as_dir && inode_is_dir(inode))
        return -EISDIR;
    return dir->nlink == 0 ? -ENOENT : 0;
}

/*
 * Walk to a new name and lock its directory. `may_slash`: the name of a directory
 * may end in slashes. -EEXIST, -ENOENT, -EROFS ...
 */
static int
begin_making(const struct path *start, const char *name, bool may_slash, struct making *making)
{
    struct last_name last;
    int error = path_lookup_parent(start, name, &making->dir, &last);
    if (error)
        return error;
    if (last.kind != LAST_NORMAL) {
        path_put(&making->dir);
        return -EEXIST;
    }
    making->inode = making->dir.dentry->inode;
    mutex_lock(&making->inode->lock);
    error = lookup_one(making->dir.dentry, last.name, last.length, &making->dentry);
    if (!error) {
        if (making->dentry->inode)
            error = -EEXIST;
        else if (last.trailing_slash && !may_slash)
            error = -ENOENT;
        else
            error = mount_begin_write(making->dir.mount);
        if (error)
            dentry_put(making->dentry);
    }
    if (error) {
        mutex_unlock(&making->inode->lock);
        path_put(&making->dir);
    }
    return error;
}

static void
end_making(struct making *making)
{
    mutex_unlock(&making->inode->lock);
    mount_end_write(making->dir.mount);
    dentry_put(making->dentry);
    path_put(&making->dir);
}

int
vfs_mknod(const struct path *start, const char *name, uint32_t mode, uint64_t rdev)
{
    uint32_t type = mode & S_IFMT;
    struct making making;

    if (type == 0)
        type = S_IFREG;
    if (type == S_IFDIR)
        return -EPERM;
    if (type != S_IFREG && type != S_IFCHR && type != S_IFBLK && type != S_IFIFO &&
        type != S_IFSOCK)
        return -EINVAL;
    int error = begin_making(start, name, false, &making);
    if (error)
        return error;
    bool device = type == S_IFCHR || type == S_IFBLK;
    struct inode *dir = making.inode;
    mode = inode_new_mode(dir, type | (mode & 07777));
    error = may_create(dir);
    /* Device 0, 0 opens nothing; overlays mark removed names with it. */
    bool whiteout = type == S_IFCHR && rdev == 0;
    if (!error && device && !whiteout && !capable(CAP_MKNOD))
        error = -EPERM;
    if (!error)
        error = dir->ops->mknod ? dir->ops->mknod(dir, making.dentry, mode, device ? rdev : 0)
                                : -EPERM;
    end_making(&making);
    return error;
}

int
vfs_mkdir(const struct path *start, const char *name, uint32_t mode)
{
    struct making making;
    int error = begin_making(start, name, true, &making);
    if (error)
        return error;
    struct inode *dir = making.inode;
    mode = S_IFDIR | (mode & 01777 & ~current_umask());
    error = may_create(dir);
    if (!error)
        error = dir->ops->mkdir ? dir->ops->mkdir(dir, making.dentry, mode) : -EPERM;
    end_making(&making);
    return error;
}

int
vfs_symlink(const char *target, const struct path *start, const char *name)
{
    struct making making;
    if (!*target)
        return -ENOENT;
    int error = begin_making(start, name, false, &making);
    if (error)
        return error;
    struct inode *dir = making.inode;
    error = may_create(dir);
    if (!error)
        error = dir->ops->symlink ? dir->ops->symlink(dir, making.dentry, target) : -EPERM;
    end_making(&making);
    return error;
}

/*
 * May the current thread link to a file that is not its own (Debian's
 * fs.protected_hardlinks)? Only where it could as well copy it, and no privilege comes along.
 */
static bool
link_harmless(struct inode *inode)
{
    struct inode_access access = inode_access(inode);

    if (current_cred()->fsuid == access.uid || capable(CAP_FOWNER))
        return true;
    if (!S_ISREG(access.mode) || mode_set_id(access.mode))
        return false;
    return inode_permission_by(inode, &access, MAY_READ | MAY_WRITE) == 0;
}

/* Give old another name. making's directory is locked. */
static int
link_locked(const struct path *old, struct making *making)
{
    struct inode *inode = old->dentry->inode, *dir = making->inode;

    if (old->mount != making->dir.mount)
        return -EXDEV;
    if (!link_harmless(inode))
        return -EPERM;
    int error = may_create(dir);
    if (error)
        return error;
    if (inode->sb != dir->sb)
        return -EXDEV;
    if (inode->append_only || inode->immutable || !dir->ops->link || inode_is_dir(inode))
        return -EPERM;
    mutex_lock_nested(&inode->lock, 1); /* the directory before the file */
    error = dir->ops->link(dir, making->dentry, inode);
    mutex_unlock(&inode->lock);
    return error;
}

int
vfs_link(const struct path *old_start, const char *old_name, const struct path *new_start,
         const char *new_name, int at_flags)
{
    unsigned flags = 0;
    struct path old;
    struct making making;

    if (at_flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (at_flags & AT_SYMLINK_FOLLOW)
        flags |= LOOKUP_FOLLOW;
    if (at_flags & AT_EMPTY_PATH)
        flags |= LOOKUP_EMPTY;
    int error = path_lookup(old_start, old_name, flags, &old);
    if (error)
        return error;
    error = begin_making(new_start, new_name, false, &making);
    if (!error) {
        error = link_locked(&old, &making);
        end_making(&making);
    }
    path_put(&old);
    return error;
}

/* Remove a positive dentry that is no directory. dir's lock held. */
static int
unlink_locked(struct inode *dir, struct dentry *victim)
{
    int error = may_delete(dir, victim, false);
    if (error)
        return error;
    if (!dir->ops->unlink)
        return -EPERM;
    if (__atomic_load_n(&victim->nmounts, __ATOMIC_RELAXED))
        return -EBUSY;
    error = dir->ops->unlink(dir, victim);
    if (!error)
        d_delete(victim);
    return error;
}

static int
rmdir_locked(struct inode *dir, struct dentry *victim)
{
    int error = may_delete(dir, victim, true);
    if (error)
        return error;
    if (!dir->ops->rmdir)
        return -EPERM;
    mutex_lock_nested(&victim->inode->lock, 1); /* parent before child */
    if (__atomic_load_n(&victim->nmounts, __ATOMIC_RELAXED))
        error = -EBUSY;
    else
        error = dir->ops->rmdir(dir, victim);
    mutex_unlock(&victim->inode->lock);
    if (!error) {
        d_prune_children(victim);
        d_delete(victim);
    }
    return error;
}

/* What unlink and rmdir say of a name that is no name. */
static int
odd_name(enum last_kind kind, bool as_dir)
{
    if (!as_dir)
        return -EISDIR;
    switch (kind) {
    case LAST_DOT:
        return -EINVAL;
    case LAST_DOTDOT:
        return -ENOTEMPTY;
    default:
        return -EBUSY;
    }
}

static int
remove_name(const struct path *start, const char *name, bool as_dir)
{
    struct path dir;
    struct last_name last;
    int error = path_lookup_parent(start, name, &dir, &last);
    if (error)
        return error;
    error = last.kind == LAST_NORMAL ? mount_begin_write(dir.mount) : odd_name(last.kind, as_dir);
    if (error) {
        path_put(&dir);
        return error;
    }

    struct inode *inode = dir.dentry->inode;
    struct dentry *victim = NULL;
    mutex_lock(&inode->lock);
    error = lookup_one(dir.dentry, last.name, last.length, &victim);
    if (!error) {
        if (!victim->inode)
            error = -ENOENT;
        else if (as_dir)
            error = rmdir_locked(inode, victim);
        else if (last.trailing_slash)
            error = inode_is_dir(victim->inode) ? -EISDIR : -ENOTDIR;
        else
            error = unlink_locked(inode, victim);
    }
    mutex_unlock(&inode->lock);
    mount_end_write(dir.mount);
    if (victim)
        dentry_put(victim); /* may free the file: not under the directory's lock */
    path_put(&dir);
    return error;
}

int
vfs_unlink(const struct path *start, const char *name)
{
    return remove_name(start, name, false);
}

int
vfs_rmdir(const struct path *start, const char *name)
{
    return remove_name(start, name, true);
}
