/*
 * Superblocks, file-system types and mounts.
 */
#ifndef QUIRE_VFS_MOUNT_H
#define QUIRE_VFS_MOUNT_H

#include "lib/list.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "vfs/namei.h"

struct superblock;
struct statfs64;

struct superblock_ops {
    /* Free an inode that nothing refers to (embedded in the file system's own structure). */
    void (*free_inode)(struct inode *inode);
    /* Before the above, when nlink is 0 or always: give its storage back. NULL: nothing. */
    void (*evict)(struct inode *inode);
    int (*statfs)(struct superblock *sb, struct statfs64 *st);
    int (*sync)(struct superblock *sb);
    void (*unmount)(struct superblock *sb); /* last mount gone: free sb->private */
    int (*remount)(struct superblock *sb, uint64_t flags, const char *options);
    /* Options for /proc/mounts, starting with a comma. */
    int (*show_options)(struct superblock *sb, char *buf, size_t size);
};

struct superblock {
    uint32_t refs; /* (A) */
    uint64_t dev;  /* st_dev */
    uint64_t flags; /* MS_RDONLY */
    uint64_t magic; /* linux/magic.h */
    uint32_t block_size;
    uint64_t max_size; /* greatest file size */
    uint64_t next_ino; /* (A) */
    const struct fs_type *type;
    const struct superblock_ops *ops;
    struct dentry *root;
    struct mutex rename_lock; /* renames of directories across directories */
    void *private;
};

struct fs_type {
    const char *name;
    bool nodev; /* for /proc/filesystems */
    /* Make (or find, for single-instance ones) a superblock. err_ptr on failure. */
    struct superblock *(*mount)(const struct fs_type *type, uint64_t flags, const char *source,
                                const char *options);
    struct list link;
};

struct mount {
    uint32_t refs; /* (A) */
    struct superblock *sb;
    struct dentry *root;   /* of the mounted tree (a subtree for a bind mount) */
    struct mount *parent;  /* itself for the first */
    struct dentry *mountpoint;
    uint64_t flags;        /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, ... */
    uint32_t id;
    const char *source;    /* as given to mount(2) */
    struct list link;      /* all mounts, in order */
    struct list hash_link;
};

void fs_register(struct fs_type *type);
/* A superblock with sensible fields and a fresh anonymous st_dev; NULL if memory is out. */
struct superblock *superblock_alloc(const struct fs_type *type);
void superblock_put(struct superblock *sb);
const struct fs_type *fs_find(const char *name);

void mount_get(struct mount *mount);
void mount_put(struct mount *mount);
/* Mount the first file system; sets the kernel's root and cwd. */
int mount_root(const char *type);
/* mount(2) in all its forms: new, MS_BIND, MS_REMOUNT, MS_MOVE; paths are resolved by the caller. */
int vfs_mount(const char *source, const struct path *target, const char *type, uint64_t flags,
              const char *options);
int vfs_umount(const struct path *target, int flags);
int vfs_pivot_root(const struct path *new_root, const struct path *put_old);
/* If something is mounted on path, step onto its root (repeatedly). Keeps references right. */
void mount_cross(struct path *path);
/* Step from a mount's root to the place it is mounted on; false at the first mount. */
bool mount_leave(struct path *path);
/* -EROFS if path may not be written. */
int mount_writable(const struct mount *mount);
/* Call fn for each mount that the current root can see; for /proc/mounts and mountinfo. */
void mount_foreach(int (*fn)(void *ctx, const struct mount *mount), void *ctx);
/* Call fn for each registered type; for /proc/filesystems. */
void fs_foreach(int (*fn)(void *ctx, const struct fs_type *type), void *ctx);
int vfs_sync_all(void);

#endif
