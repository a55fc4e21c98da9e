/*
 * Superblocks, file-system types and mounts.
 */
#ifndef QUIRE_VFS_MOUNT_H
#define QUIRE_VFS_MOUNT_H

#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/refcount.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "vfs/namei.h"

struct statfs64;
struct superblock;

struct superblock_ops {
    /*
     * Free an inode that nothing refers to (embedded in the file system's own
     * structure). May come late, when the superblock has gone, and may not sleep.
     */
    void (*free_inode)(struct inode *inode);
    /*
     * Before the above: write back what must be, call page_evict(), and give its
     * storage back if nlink is 0. May sleep. NULL: page_evict() is all.
     */
    void (*evict)(struct inode *inode);
    int (*statfs)(struct superblock *sb, struct statfs64 *st);
    int (*sync)(struct superblock *sb);
    /* No mount, dentry or inode is left: free sb->private. May not sleep. */
    void (*unmount)(struct superblock *sb);
    int (*remount)(struct superblock *sb, uint64_t flags, const char *options);
    /* Options for /proc/mounts, starting with a comma. */
    int (*show_options)(struct superblock *sb, char *buf, size_t size); /* returns the length */
};

/*
 * Guarded by: (A) atomic  (C) constant after the type's mount()  (M) mounts_lock to write
 * (B) superblocks_lock, superblock.c. [C], [R] ... : as in struct dentry
 */
struct superblock {
    struct refcount refs; /* (A) its mounts, and its type's if that has one instance */
    uint64_t dev;  /* st_dev */
    uint64_t flags; /* (M, A to read) MS_RDONLY */
    uint64_t magic; /* linux/magic.h */
    uint32_t block_size;
    uint64_t max_size; /* greatest file size */
    uint64_t next_ino; /* (A) */
    bool complete;     /* every name that exists is a pinned dentry: there is nothing to look up */
    const struct fs_type *type; /* (C) [S] */
    const struct superblock_ops *ops; /* (C) [S] */
    struct dentry *root; /* (C) [C] and ends last; see superblock.c */
    struct mutex rename_lock; /* renames of directories across directories */
    void *private;      /* (C) [O] */
    struct list mounts; /* (tree_lock) [L] every struct mount of it, in the tree or not */
    struct list link; /* (B) [L] all superblocks that were ever mounted */
    struct deferred deferred; /* after superblock_end() */
};

struct fs_type {
    const char *name;
    bool nodev; /* for /proc/filesystems */
    /* Make (or find, for single-instance ones) a superblock. err_ptr on failure. */
    struct superblock *(*mount)(const struct fs_type *type, uint64_t flags, const char *source,
                                const char *options);
    struct list link;
};

#define MOUNT_INTERNAL BIT(62) /* in flags: the kernel's own, not in the tree */

/*
 * Guarded by: (A) atomic  (C) constant  (M) mounts_lock  (T) tree_lock, mounttree.h, and by
 * mounts_lock to write. [C], [R] ... : as in struct dentry
 */
struct mount {
    struct refcount refs; /* (A) */
    uint32_t nwriters; /* (A) files open for writing through it, and calls that change names */
    struct superblock *sb; /* (C) [C] */
    struct dentry *root;   /* (C) [C] of the mounted tree (a subtree for a bind mount) */
    struct mount *parent;  /* (T) [C][R] itself for the bottom and for one in no tree */
    struct dentry *mountpoint; /* (T) [C][R] not counted if parent is itself */
    uint64_t flags;        /* (M, A to read) MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, ... */
    uint32_t id;           /* (C) */
    bool idle;             /* (A) not used since umount(2) with MNT_EXPIRE marked it */
    const char *source;    /* (C) [O] as given to mount(2) */
    struct list children;  /* (M) [L] the mounts whose parent this is, by sibling, in order */
    struct list sibling;   /* (M) [L] */
    struct list link;      /* (M) [L] all mounts in the tree, in order */
    uint64_t order;        /* (M) place in that order; never another mount's */
    struct rbnode order_node; /* (M) [L] those on the list, by order */
    struct list sb_link;   /* (T) [L] in sb->mounts */
    struct mount *hash_next; /* (T) [R] by parent and mountpoint */
    struct deferred deferred; /* once nothing refers to it */
};

void fs_register(struct fs_type *type);
/* A superblock with sensible fields and a fresh anonymous st_dev; NULL if memory is out. */
struct superblock *superblock_alloc(const struct fs_type *type);
void superblock_put(struct superblock *sb);
const struct fs_type *fs_find(const char *name);

void mount_get(struct mount *mount);
/* Give up a reference after a use of the mount. */
void mount_put(struct mount *mount);
/* The same where that was no use: umount(2)'s own. */
void mount_put_idle(struct mount *mount);
/* The mount is used without a reference, in a read section. */
void mount_used(struct mount *mount);
/* Mount the first file system; sets the kernel's root and cwd. */
int mount_root(const char *type);
/* A mount of a type that is not in the tree, for the kernel's own files. err_ptr on failure. */
struct mount *mount_internal(const char *type);
/* mount(2) in all its forms: new, MS_BIND, MS_REMOUNT, MS_MOVE; paths are resolved by the caller. */
int vfs_mount(const char *source, const struct path *target, const char *type, uint64_t flags,
              const char *options);
/* umount2(2). Takes over the references of target. */
int vfs_umount(struct path *target, int flags);
int vfs_pivot_root(const struct path *new_root, const struct path *put_old);
/*
 * A dentry has stopped being true (its process has ended): whatever is mounted on it comes off.
 * No lock held. May sleep.
 */
void mounts_come_off(struct dentry *dentry);
/* If something is mounted on path, step onto its root (repeatedly). Keeps references right. */
void mount_cross(struct path *path);
/* Step from a mount's root to the place it is mounted on; false at the first mount. */
bool mount_leave(struct path *path);
/* May set-ID bits of what is reached through the mount be honoured? Not if it is in no tree. */
bool mount_may_suid(const struct mount *mount);
/* -EROFS if path may not be written. */
int mount_writable(const struct mount *mount);
/*
 * The same for as long as a file is open, or a name is changed: neither the mount nor its
 * superblock can become read-only until mount_end_write().
 */
int mount_begin_write(struct mount *mount);
void mount_end_write(struct mount *mount);
/*
 * Pass the first mount from *order on (0: the first of all), in order: call fn if the current root
 * can see it, and move *order behind it. False: there is none. For /proc/mounts and mountinfo.
 * *order stays a place while mounts come and go; they do not in fn, which may sleep.
 */
bool mount_pass(uint64_t *order, void (*fn)(void *ctx, const struct mount *mount), void *ctx);
/* Call fn for each registered type until it returns a negative number; for /proc/filesystems. */
void fs_foreach(int (*fn)(void *ctx, const struct fs_type *type), void *ctx);
int vfs_sync_all(void);
/* statfs(2) of what a path is on, f_flags included. */
int vfs_statfs(const struct path *path, struct statfs64 *st);

#endif
