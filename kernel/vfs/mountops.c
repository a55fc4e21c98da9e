/*
 * mount(2), umount(2), pivot_root(2): changes to the mount tree.
 *
 * Each takes mounts_lock, checks everything, and then acts without failing
 * halfway. Propagation between mounts (MS_SHARED and its kin) needs mount
 * namespaces; with one namespace the calls are accepted and change nothing.
 */
#include <linux/capability.h>
#include <linux/mount.h>
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "sched/thread.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/mounttree.h"

/* <linux/fs.h>'s umount flags live in the C library's <sys/mount.h>; umount(2). */
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

#define UMOUNT_USERS 2 /* of an unused mount that is looked at here: the tree and the caller's path */
#define MOST_MOUNTS 100000 /* as fs.mount-max is on Linux: proc(5) */
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

static void
unlock_target(struct dentry *held)
{
    mutex_unlock(&held->inode->lock);
    dentry_put(held);
}

/*
 * Find where something mounted on *target really goes, on top of all that is there, and keep
 * that name from being removed or renamed: names change under their directory's lock, and
 * nothing that is mounted on is removed. 0, with that lock held: unlock_target(*held).
 * -ENOENT: the name has gone, or its mount has left the tree. mounts_lock held.
 */
static int
lock_target(struct path *target, struct dentry **held)
{
    struct dentry *dir;

    mount_cross(target);
    for (;;) {
        dir = d_parent(target->dentry);
        mutex_lock(&dir->inode->lock);
        if (target->dentry->parent == dir)
            break;
        mutex_unlock(&dir->inode->lock);
        dentry_put(dir);
    }
    *held = dir;
    if (mount_in_tree(target->mount) && !path_unlinked(target))
        return 0;
    unlock_target(dir);
    return -ENOENT;
}

/* The same to mount a tree of files that begins with root: only directories go on directories. */
static int
lock_target_for(struct path *target, const struct dentry *root, struct dentry **held)
{
    int error = lock_target(target, held);
    if (!error && inode_is_dir(target->dentry->inode) != inode_is_dir(root->inode)) {
        unlock_target(*held);
        error = -ENOTDIR;
    }
    return error;
}

/* Hang a mount, and those on it, on a place that lock_target() has locked. mounts_lock held. */
static void
add_to_tree(struct mount *mount, const struct path *target)
{
    mount_attach(mount, target);
    mount_list_tree(mount);
}

/* Is a file open for writing through the mount, or (`all`) through any of its superblock's? */
static bool
has_writers(const struct mount *mount, bool all)
{
    const struct mount *m;

    SCOPED_SPIN(&tree_lock);
    LIST_FOREACH(m, &mount->sb->mounts, sb_link)
        if ((m == mount || all) && __atomic_load_n(&m->nwriters, __ATOMIC_SEQ_CST))
            return true;
    return false;
}

/* Set or clear MS_RDONLY in *flags, a mount's or its superblock's; -EBUSY while files are open for writing. */
static int
set_readonly(const struct mount *mount, uint64_t *flags, bool readonly, bool all)
{
    uint64_t old = *flags;
    uint64_t new = (old & ~(uint64_t)MS_RDONLY) | (readonly ? MS_RDONLY : 0);

    __atomic_store_n(flags, new, __ATOMIC_SEQ_CST);
    if (!readonly || (old & MS_RDONLY) || !has_writers(mount, all))
        return 0;
    store_relaxed(flags, old);
    return -EBUSY;
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
    struct mount *mount = mount_make(sb, sb->root, source ? source : "none", kept_flags(flags));
    superblock_put(sb);
    if (!mount)
        return -ENOMEM;

    struct path target = *where;
    struct dentry *held;
    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = mount_count() < MOST_MOUNTS ? lock_target_for(&target, mount->root, &held) : -ENOSPC;
    if (!error) {
        if (target.mount->sb == mount->sb && is_mount_root(&target))
            error = -EBUSY; /* the same file system is on top already */
        else /* of a file system that there is one of, the last mount decides */
            error = set_readonly(mount, &sb->flags, flags & MS_RDONLY, true);
        if (!error)
            add_to_tree(mount, &target);
        unlock_target(held);
    }
    mutex_unlock(&mounts_lock);
    path_put(&target);
    if (error)
        mount_put(mount);
    return error;
}

/* Take a mount and those on it apart, children first, for put_all(). mounts_lock held. */
static void
detach_tree(struct mount *top, struct list *gone)
{
    struct mount *mount = top, *child;

    for (;;) {
        while ((child = mount_child(mount)))
            mount = child;
        struct mount *parent = mount->parent;
        if (parent != mount)
            mount_detach(mount);
        list_add_tail(gone, &mount->link);
        if (mount == top)
            return;
        mount = parent;
        preempt_point();
    }
}

static void
put_all(struct list *gone)
{
    struct list *link;
    while ((link = list_pop(gone))) {
        mount_put(LIST_ENTRY(link, struct mount, link));
        preempt_point();
    }
}

/* Does mount hang, over any number of others, on a place under root? mounts_lock held. */
static bool
hangs_under(const struct mount *mount, const struct path *root)
{
    struct dentry *dentry = NULL;
    for (; mount != root->mount; mount = mount->parent) {
        if (mount->parent == mount)
            return false;
        dentry = mount->mountpoint;
    }
    return dentry && d_is_under(root->dentry, dentry);
}

/*
 * Copy the mounts that hang below `source`, over any number of others, onto `to`, the copy of
 * source's own mount. -ENOMEM, -ENOSPC. mounts_lock held.
 */
static int
copy_tree(const struct path *source, struct mount *to)
{
    struct mount *top = source->mount, *last = top, *copy = to;
    struct mount *m = mount_next_below(top, top);
    uint64_t ncopies = 1;

    while (m) {
        if (m->parent == top && !d_is_under(source->dentry, m->mountpoint)) {
            m = mount_next_beside(m, top);
            continue;
        }
        if (mount_count() + ++ncopies > MOST_MOUNTS)
            return -ENOSPC;
        struct mount *new = mount_make(m->sb, m->root, m->source, m->flags);
        if (!new)
            return -ENOMEM;
        for (; last != m->parent; last = last->parent)
            copy = copy->parent;
        mount_attach(new, &(struct path){copy, m->mountpoint});
        last = m;
        copy = new;
        m = mount_next_below(m, top);
        preempt_point();
    }
    return 0;
}

static int
mount_bind(const struct path *source, const struct path *where, uint64_t flags)
{
    struct mount *from = source->mount, *mount = NULL;
    struct list gone = LIST_INIT(gone);
    struct path target = *where;
    struct dentry *held;
    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = lock_target(&target, &held);
    if (!error) {
        unlock_target(held); /* a directory's lock is not held while a large tree is copied */
        error = !mount_in_tree(from) ? -EINVAL : mount_count() >= MOST_MOUNTS ? -ENOSPC : 0;
    }
    if (!error) {
        mount = mount_make(from->sb, source->dentry, from->source, from->flags);
        error = mount ? 0 : -ENOMEM;
    }
    if (!error && (flags & MS_REC))
        error = copy_tree(source, mount);
    if (!error)
        error = lock_target_for(&target, mount->root, &held);
    if (!error && path_unlinked(source)) {
        unlock_target(held);
        error = -ENOENT;
    }
    if (error) {
        if (mount)
            detach_tree(mount, &gone);
    } else {
        add_to_tree(mount, &target);
        unlock_target(held);
    }
    mutex_unlock(&mounts_lock);
    path_put(&target);
    put_all(&gone);
    return error;
}

/* May source, a mount's root, go to target? mounts_lock held. */
static int
check_move(const struct path *source, const struct path *target)
{
    const struct mount *mount = source->mount;

    if (!mount_in_tree(mount) || !is_mount_root(source) || mount->parent == mount)
        return -EINVAL;
    if (inode_is_dir(target->dentry->inode) != inode_is_dir(mount->root->inode))
        return -EINVAL;
    for (const struct mount *m = target->mount; m->parent != m; m = m->parent)
        if (m == mount)
            return -ELOOP;
    return 0;
}

static int
mount_move(const struct path *source, const struct path *where)
{
    struct path target = *where;
    struct dentry *held;

    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = lock_target(&target, &held);
    if (!error) {
        error = check_move(source, &target);
        if (!error) {
            mount_detach(source->mount);
            add_to_tree(source->mount, &target);
        }
        unlock_target(held);
    }
    mutex_unlock(&mounts_lock);
    path_put(&target);
    return error;
}

static int
mount_again(const struct path *target, uint64_t flags, const char *options)
{
    struct mount *mount = target->mount;
    struct superblock *sb = mount->sb;

    if (!is_mount_root(target))
        return -EINVAL;
    SCOPED_LOCK(&mounts_lock);
    if (!mount_in_tree(mount))
        return -EINVAL;
    int error = 0;
    if (flags & MS_BIND) {
        error = set_readonly(mount, &mount->flags, flags & MS_RDONLY, false);
    } else {
        uint64_t old = sb->flags;
        error = set_readonly(mount, &sb->flags, flags & MS_RDONLY, true);
        if (!error && sb->ops->remount)
            error = sb->ops->remount(sb, flags, options);
        if (error)
            store_relaxed(&sb->flags, old);
    }
    if (error)
        return error;
    store_relaxed(&mount->flags, (mount->flags & ~(uint64_t)MOUNT_FLAGS) | kept_flags(flags));
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
        if (!one || !plain || !is_mount_root(target))
            return -EINVAL;
        SCOPED_LOCK(&mounts_lock);
        return mount_in_tree(target->mount) ? 0 : -EINVAL;
    }
    return mount_new(source, target, type, flags, options);
}

/* MNT_EXPIRE: 0 if the mount has not been used since the call before; -EAGAIN, -EBUSY, -EINVAL. mounts_lock held. */
static int
expire(struct mount *mount, int flags)
{
    struct path root;
    current_root(&root);
    bool is_root = root.mount == mount;
    path_put(&root);
    if (is_root || (flags & (MNT_FORCE | MNT_DETACH)))
        return -EINVAL;
    if (ref_count(&mount->refs) > UMOUNT_USERS)
        return -EBUSY;
    bool was_idle = __atomic_load_n(&mount->idle, __ATOMIC_RELAXED);
    store_relaxed(&mount->idle, true);
    return was_idle ? 0 : -EAGAIN;
}

static int
umount(const struct path *target, int flags)
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
        error = expire(mount, flags);
    if (!error && (flags & MNT_DETACH))
        detach_tree(mount, &gone);
    else if (!error && !mount_detach_unused(mount, UMOUNT_USERS))
        error = -EBUSY;
    else if (!error)
        list_add_tail(&gone, &mount->link);
    mutex_unlock(&mounts_lock);
    put_all(&gone);
    return error;
}

int
vfs_umount(struct path *target, int flags)
{
    int error = umount(target, flags);

    dentry_put(target->dentry);
    mount_put_idle(target->mount);
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
    if (!mount_in_tree(root->mount) || !mount_in_tree(new_root->mount))
        return -EINVAL;
    if (path_unlinked(new_root))
        return -ENOENT;
    if (new_root->mount == root->mount || put_old->mount == root->mount)
        return -EBUSY;
    if (!is_mount_root(root) || !is_mount_root(new_root))
        return -EINVAL;
    /* Linux refuses to move the bottom of all: an initramfs cannot be pivoted away. */
    if (root->mount->parent == root->mount || new_root->mount->parent == new_root->mount)
        return -EINVAL;
    if (put_old->mount == new_root->mount ? !d_is_under(new_root->dentry, put_old->dentry)
                                          : !hangs_under(put_old->mount, new_root))
        return -EINVAL;
    return hangs_under(new_root->mount, root) ? 0 : -EINVAL;
}

int
vfs_pivot_root(const struct path *new_root, const struct path *put_old)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!inode_is_dir(new_root->dentry->inode) || !inode_is_dir(put_old->dentry->inode))
        return -ENOTDIR;

    struct path root, target = *put_old;
    struct dentry *held;
    current_root(&root);
    path_get(&target);
    mutex_lock(&mounts_lock);
    int error = lock_target(&target, &held);
    if (!error) {
        unlock_target(held); /* the check takes rename locks, which come before directories' */
        error = check_pivot(&root, new_root, &target);
    }
    if (!error)
        error = lock_target(&target, &held);
    if (!error) {
        /* The place that root hangs on is mounted on all the while, so its name stays. */
        struct path below = {root.mount->parent, root.mount->mountpoint};
        path_get(&below);
        mount_detach(new_root->mount);
        mount_attach(new_root->mount, &below);
        mount_detach(root.mount);
        mount_attach(root.mount, &target);
        mount_list_tree(new_root->mount);
        path_put(&below);
        unlock_target(held);
    }
    mutex_unlock(&mounts_lock);
    if (!error)
        follow_pivot(&root, new_root);
    path_put(&target);
    path_put(&root);
    return error;
}

void
mounts_come_off(struct dentry *dentry)
{
    struct list gone = LIST_INIT(gone);

    mutex_lock(&mounts_lock);
    struct mount *mount, *next;
    for (mount = mount_next(NULL); mount; mount = next) {
        next = mount_next(mount);
        if (mount->mountpoint != dentry || mount->parent == mount)
            continue;
        detach_tree(mount, &gone);
        next = mount_next(NULL); /* what hung on it has gone, too */
    }
    mutex_unlock(&mounts_lock);
    put_all(&gone);
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
