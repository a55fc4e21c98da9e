/*
 * mount(2), umount(2), pivot_root(2): changes to the mount tree.
 *
 * Each takes mounts_lock, checks everything, and then acts without failing
 * halfway. Propagation between mounts (MS_SHARED and its kin) needs mount
 * namespaces; with one namespace the calls are accepted and change nothing.
 */
#include <linux/capability.h>
#include <linux/mount.h>
#include "sched/thread.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/mounttree.h"

/* <linux/fs.h>'s umount flags live in the C library's <sys/mount.h>; umount(2). */
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define MOUNT_FLAGS                                                                                \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |     \
     MS_STRICTATIME | MS_NOSYMFOLLOW)

/* What a mount keeps of mount(2)'s flags. */
static uint64_t
kept_flags(uint64_t flags)
{
    flags &= MOUNT_FLAGS;
    if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
        flags |= MS_RELATIME; /* the default since Linux 2.6.30 */
    return flags & ~(uint64_t)MS_STRICTATIME;
}

static bool
is_mount_root(const struct path *path)
{
    return path->dentry == path->mount->root;
}

/* Where something mounted on target really goes: on top of all; only directories on directories. */
static int
check_target(struct path *target, const struct dentry *root)
{
    mount_cross(target);
    if (path_unlinked(target))
        return -ENOENT;
    if (inode_is_dir(target->dentry->inode) != inode_is_dir(root->inode))
        return -ENOTDIR;
    return 0;
}

static int
mount_new(const char *source, const struct path *where, const char *type_name, uint64_t flags,
          const char *options)
{
    const struct fs_type *type = type_name ? fs_find(type_name) : NULL;
    if (!type_name)
        return -EINVAL;
    if (!type)
        return -ENODEV;
    struct superblock *sb = superblock_for(type, flags, source, options);
    if (is_err(sb))
        return (int)ptr_err(sb);
    if (flags & MS_RDONLY)
        sb->flags |= MS_RDONLY;

    struct mount *mount = mount_make(sb, sb->root, source ? source : "none", kept_flags(flags));
    superblock_put(sb);
    if (!mount)
        return -ENOMEM;

    struct path target = *where;
    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = check_target(&target, mount->root);
    if (!error && target.mount->sb == mount->sb && is_mount_root(&target))
        error = -EBUSY; /* the same file system is on top already */
    if (!error)
        mount_attach(mount, &target);
    mutex_unlock(&mounts_lock);
    path_put(&target);
    if (error)
        mount_put(mount);
    return error;
}

/* Undo a tree of mounts that is in nobody's way yet, or not any more. mounts_lock held. */
static void
detach_tree(struct mount *top, struct list *gone)
{
    for (;;) {
        struct mount *mount = top, *child;
        while ((child = mount_child(mount)))
            mount = child;
        if (mount->parent != mount)
            mount_detach(mount);
        list_add_tail(gone, &mount->link);
        if (mount == top)
            return;
    }
}

static void
put_all(struct list *gone)
{
    struct list *link;
    while ((link = list_pop(gone)))
        mount_put(LIST_ENTRY(link, struct mount, link));
}

/* Does mount hang, over any number of others, on a place under root? mounts_lock held. */
static bool
hangs_under(const struct mount *mount, const struct path *root)
{
    const struct dentry *dentry = NULL;
    for (; mount != root->mount; mount = mount->parent) {
        if (mount->parent == mount)
            return false;
        dentry = mount->mountpoint;
    }
    SCOPED_SPIN(&tree_lock);
    return dentry && d_is_ancestor(root->dentry, dentry);
}

/* Copy the mounts that hang directly on `from` (below `source`) onto its copy `to`; -ENOMEM. */
static int
copy_children(const struct mount *from, struct mount *to, const struct path *source)
{
    /* Copies go to the end of the list, and hang on no mount that is being copied. */
    for (struct mount *m = mount_next(NULL); m; m = mount_next(m)) {
        if (m->parent != from || m == from || !hangs_under(m, source))
            continue;
        struct mount *copy = mount_make(m->sb, m->root, m->source, m->flags);
        if (!copy)
            return -ENOMEM;
        mount_attach(copy, &(struct path){to, m->mountpoint});
    }
    return 0;
}

/* The copy on `to` of what hangs on `from`, for each level below in turn. mounts_lock held. */
static int
copy_tree(const struct mount *from, struct mount *to, const struct path *source)
{
    int error = copy_children(from, to, source);
    for (struct mount *m = mount_next(NULL); m && !error; m = mount_next(m)) {
        if (m->parent != from || m == from || m == to || !hangs_under(m, source))
            continue;
        struct mount *copy = mount_find(to, m->mountpoint);
        if (copy && copy != m)
            error = copy_tree(m, copy, source);
    }
    return error;
}

static int
mount_bind(const struct path *source, const struct path *where, uint64_t flags)
{
    struct mount *mount = mount_make(source->mount->sb, source->dentry, source->mount->source,
                                     source->mount->flags & ~MOUNT_INTERNAL);
    if (!mount)
        return -ENOMEM;

    struct list gone = LIST_INIT(gone);
    struct path target = *where;
    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = path_unlinked(source) ? -ENOENT : check_target(&target, mount->root);
    if (!error && (flags & MS_REC))
        error = copy_tree(source->mount, mount, source);
    if (error)
        detach_tree(mount, &gone);
    else
        mount_attach(mount, &target);
    mutex_unlock(&mounts_lock);
    path_put(&target);
    put_all(&gone);
    return error;
}

static int
mount_move(const struct path *source, const struct path *where)
{
    struct path target = *where;
    struct mount *mount = source->mount;

    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = check_target(&target, mount->root);
    if (!error && (!is_mount_root(source) || mount->parent == mount))
        error = -EINVAL;
    for (struct mount *m = target.mount; !error; m = m->parent) {
        if (m == mount)
            error = -ELOOP;
        if (m->parent == m)
            break;
    }
    if (!error) {
        mount_detach(mount);
        mount_attach(mount, &target);
    }
    mutex_unlock(&mounts_lock);
    path_put(&target);
    return error;
}

/* Is a file open for writing through the mount, or (`all`) through any of its superblock's? */
static bool
has_writers(const struct mount *mount, bool all)
{
    for (const struct mount *m = mount_next(NULL); m; m = mount_next((struct mount *)m))
        if ((m == mount || (all && m->sb == mount->sb)) &&
            __atomic_load_n(&m->nwriters, __ATOMIC_SEQ_CST))
            return true;
    return false;
}

/* Set or clear MS_RDONLY in *flags, a mount's or its superblock's; -EBUSY if somebody writes. */
static int
set_readonly(const struct mount *mount, uint64_t *flags, bool readonly, bool all)
{
    uint64_t old = *flags;
    uint64_t new = (old & ~(uint64_t)MS_RDONLY) | (readonly ? MS_RDONLY : 0);

    __atomic_store_n(flags, new, __ATOMIC_SEQ_CST);
    if (!readonly || (old & MS_RDONLY) || !has_writers(mount, all))
        return 0;
    *flags = old;
    return -EBUSY;
}

static int
mount_again(const struct path *target, uint64_t flags, const char *options)
{
    struct mount *mount = target->mount;
    struct superblock *sb = mount->sb;

    if (!is_mount_root(target))
        return -EINVAL;
    SCOPED_LOCK(&mounts_lock);
    int error = 0;
    if (flags & MS_BIND) {
        error = set_readonly(mount, &mount->flags, flags & MS_RDONLY, false);
    } else {
        uint64_t old = sb->flags;
        error = set_readonly(mount, &sb->flags, flags & MS_RDONLY, true);
        if (!error && sb->ops->remount)
            error = sb->ops->remount(sb, flags, options);
        if (error)
            sb->flags = old;
    }
    if (error)
        return error;
    mount->flags = (mount->flags & ~(uint64_t)MOUNT_FLAGS) | kept_flags(flags);
    return 0;
}

/* MS_BIND and MS_MOVE name a path where others name a device. */
static int
mount_from_path(const char *source, const struct path *target, uint64_t flags)
{
    if (!source || !*source)
        return -EINVAL;
    struct path from;
    int error = path_lookup(NULL, source, LOOKUP_FOLLOW, &from);
    if (error)
        return error;
    error = flags & MS_BIND ? mount_bind(&from, target, flags) : mount_move(&from, target);
    path_put(&from);
    return error;
}

int
vfs_mount(const char *source, const struct path *target, const char *type, uint64_t flags,
          const char *options)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~(uint64_t)MS_MGC_MSK;

    if (flags & MS_REMOUNT)
        return mount_again(target, flags, options);
    if (flags & (MS_BIND | MS_MOVE))
        return mount_from_path(source, target, flags);
    if (flags & PROPAGATION) {
        uint64_t kind = flags & PROPAGATION;
        bool one = !(kind & (kind - 1));
        bool plain = !(flags & ~(uint64_t)(PROPAGATION | MS_REC | MS_SILENT));
        return one && plain && is_mount_root(target) ? 0 : -EINVAL;
    }
    return mount_new(source, target, type, flags, options);
}

int
vfs_umount(const struct path *target, int flags)
{
    struct mount *mount = target->mount;
    struct list gone = LIST_INIT(gone);
    int error = 0;

    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
        return -EINVAL;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!is_mount_root(target))
        return -EINVAL;

    mutex_lock(&mounts_lock);
    if (mount->parent == mount)
        error = -EINVAL; /* the bottom, or no longer in the tree */
    else if (flags & MNT_EXPIRE)
        error = flags & (MNT_FORCE | MNT_DETACH) ? -EINVAL : -EAGAIN;
    else if (flags & MNT_DETACH)
        detach_tree(mount, &gone);
    /* References: the tree's and the caller's path. */
    else if (mount_child(mount) || ref_count(&mount->refs) > 2)
        error = -EBUSY;
    else
        detach_tree(mount, &gone);
    mutex_unlock(&mounts_lock);
    put_all(&gone);
    return error;
}

/* Threads that stand in the old root go on in the new one; done for the caller. */
static void
follow_pivot(const struct path *old, const struct path *new)
{
    struct fs_context *fs = current_thread()->fs;

    if (!fs)
        return;
    if (fs->root.mount == old->mount && fs->root.dentry == old->dentry)
        fs_set_root(fs, new);
    if (fs->cwd.mount == old->mount && fs->cwd.dentry == old->dentry)
        fs_set_cwd(fs, new);
}

/* May new_root become the root, and the old root go under put_old? mounts_lock held. */
static int
check_pivot(const struct path *root, const struct path *new_root, const struct path *put_old)
{
    if (new_root->mount == root->mount || put_old->mount == root->mount)
        return -EBUSY;
    if (!is_mount_root(root) || !is_mount_root(new_root))
        return -EINVAL;
    /* Linux refuses to move the bottom of all: an initramfs cannot be pivoted away. */
    if (root->mount->parent == root->mount || new_root->mount->parent == new_root->mount)
        return -EINVAL;
    if (put_old->mount == new_root->mount)
        return 0;
    return hangs_under(put_old->mount, new_root) ? 0 : -EINVAL;
}

int
vfs_pivot_root(const struct path *new_root, const struct path *put_old)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!inode_is_dir(new_root->dentry->inode) || !inode_is_dir(put_old->dentry->inode))
        return -ENOTDIR;

    struct path root, target = *put_old;
    current_root(&root);
    path_get(&target);
    mutex_lock(&mounts_lock);
    mount_cross(&target);
    int error = check_pivot(&root, new_root, &target);
    if (!error) {
        struct path below = {root.mount->parent, root.mount->mountpoint};
        path_get(&below);
        mount_detach(root.mount);
        mount_detach(new_root->mount);
        mount_attach(new_root->mount, &below);
        mount_attach(root.mount, &target);
        path_put(&below);
    }
    mutex_unlock(&mounts_lock);
    if (!error)
        follow_pivot(&root, new_root);
    path_put(&target);
    path_put(&root);
    return error;
}

struct mount *
mount_internal(const char *type_name)
{
    const struct fs_type *type = fs_find(type_name);
    if (!type)
        return err_ptr(-ENODEV);
    struct superblock *sb = superblock_for(type, 0, type_name, "");
    if (is_err(sb))
        return (struct mount *)sb;
    struct mount *mount = mount_make(sb, sb->root, type_name, MOUNT_INTERNAL);
    superblock_put(sb);
    return mount ? mount : err_ptr(-ENOMEM);
}

int
mount_root(const char *type)
{
    struct mount *mount = mount_internal(type);
    if (is_err(mount))
        return (int)ptr_err(mount);
    mount->flags = 0;
    mutex_lock(&mounts_lock);
    mount_set_bottom(mount);
    mutex_unlock(&mounts_lock);
    return 0;
}
