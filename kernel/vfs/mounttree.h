/*
 * Inside the mount tree: what the walks and the mount calls share.
 *
 * Mounts hang in a hash table by (parent mount, mountpoint dentry). The table,
 * parent, mountpoint and the dentries' nmounts change under tree_lock with
 * the tree sequence odd (dcache.h), and struct mounts are freed late, so they
 * are read under tree_lock or like a lock-free walk does.
 */
#ifndef QUIRE_VFS_MOUNTTREE_H
#define QUIRE_VFS_MOUNTTREE_H

#include "vfs/mount.h"

/* What is mounted at (parent, dentry), no reference, or NULL; see above. */
struct mount *mount_find(const struct mount *parent, const struct dentry *dentry);
/* Take a reference unless the last one is gone. */
bool mount_tryget(struct mount *mount);
/* A mount of sb's tree from root on, in no place, with one reference; takes its own of both. NULL: no memory. */
struct mount *mount_make(struct superblock *sb, struct dentry *root, const char *source,
                         uint64_t flags);
/*
 * Hang a mount on a path, and take it off. mounts_lock held. What it hangs on owns a
 * reference to it: attach takes over the caller's, detach gives it back. The name of
 * the path is kept from going by lock_target() in mountops.c, or by another mount on it.
 */
void mount_attach(struct mount *mount, const struct path *at);
void mount_detach(struct mount *mount);
/*
 * Detach the mount if nothing hangs on it and it has just `users` references. False: it has more.
 * A lock-free walk that takes one meanwhile finds that the tree has changed. mounts_lock held.
 */
bool mount_detach_unused(struct mount *mount, uint32_t users);
/* List a mount and those on it as part of the tree. mounts_lock held. */
void mount_list_tree(struct mount *top);
/* Is the mount in the tree? Else it was taken off, or is one of the kernel's own. mounts_lock held. */
bool mount_in_tree(const struct mount *mount);
/* How many mounts are in the tree. mounts_lock held. */
uint64_t mount_count(void);
/*
 * Through a mount and those on it, parents first: the next after `mount`, and the next that
 * does not hang on `mount` itself; NULL: none. mounts_lock held.
 */
struct mount *mount_next_below(struct mount *mount, const struct mount *top);
struct mount *mount_next_beside(struct mount *mount, const struct mount *top);
/* Put the bottom of the tree: what every path ends in. mounts_lock held. */
void mount_set_bottom(struct mount *mount);
/* The bottom mount's root, no references: it never goes, but pivot_root may put another there. */
void first_root(struct path *path);
/* The mount after `mount` (NULL: the first) in order of mounting; mounts_lock held. */
struct mount *mount_next(struct mount *mount);
/* A mount whose parent is this one; NULL: none. mounts_lock held. */
struct mount *mount_child(const struct mount *parent);

/* Serialises everything that changes the tree; taken before directory locks. */
extern struct mutex mounts_lock;

/* The superblock of a type for mount(2): calls type->mount. err_ptr on failure. */
struct superblock *superblock_for(const struct fs_type *type, uint64_t flags, const char *source,
                                  const char *options);

#endif
