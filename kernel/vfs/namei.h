/*
 * Names: dentries, paths, and the walk from a string to an inode.
 *
 * A struct dentry is one name in one directory; together they form the tree
 * of what has been looked up. A positive dentry holds its inode, a negative
 * one remembers that a name does not exist. Dentries live in a hash table by
 * (parent, name) with a spinlock a bucket, so that a lookup of cached names
 * takes no lock of the directory. File systems that live in memory (tmpfs,
 * devtmpfs) pin their dentries: the tree is their directory.
 *
 * A struct path is a dentry seen through a mount.
 *
 * Renames across directories are serialised by a lock of the superblock;
 * directory locks are taken parent before child, else by address.
 */
#ifndef QUIRE_VFS_NAMEI_H
#define QUIRE_VFS_NAMEI_H

#include "arch/riscv/spinlock.h"
#include "lib/list.h"
#include "lib/types.h"

struct inode;
struct mount;
struct superblock;

#define NAME_MAX 255  /* linux/limits.h */
#define PATH_MAX 4096 /* with the NUL */
#define MAX_SYMLINKS 40 /* path_resolution(7) */
#define DNAME_INLINE 32

/* Guarded by: (A) atomic  (C) constant  (D) parent directory's inode->lock  (H) hash bucket */
struct dentry {
    uint32_t refs;          /* (A) */
    uint32_t hash;          /* (D)(H) of parent and name */
    struct dentry *parent;  /* (D)(H) itself for a root */
    struct inode *inode;    /* (D) NULL: negative */
    const char *name;       /* (D)(H) inline_name, or allocated */
    uint32_t name_length;
    bool hashed;            /* (H) */
    bool pinned;            /* (D) holds a reference for the file system (tmpfs) */
    uint32_t nmounts;       /* (A) mounts on top of it, in any place */
    struct superblock *sb;  /* (C) */
    struct list hash_link;  /* (H) */
    struct list children;   /* (D) this directory's dentries, newest last */
    struct list sibling;    /* (D) */
    struct list alias_link; /* inode->dentries */
    struct list lru_link;   /* unreferenced ones, oldest first */
    uint64_t cookie;        /* (D) position in getdents for pinned file systems */
    char inline_name[DNAME_INLINE];
};

struct path {
    struct mount *mount;
    struct dentry *dentry;
};

void path_get(const struct path *path);
void path_put(struct path *path); /* and clears it */
void dentry_get(struct dentry *dentry);
void dentry_put(struct dentry *dentry);

/* A new, unhashed dentry for a name in parent; NULL if memory is out. */
struct dentry *d_alloc(struct dentry *parent, const char *name, size_t length);
/* A root dentry for a superblock (takes over the inode's reference). */
struct dentry *d_alloc_root(struct superblock *sb, struct inode *inode);
/* Give a dentry its inode (taking over the reference; NULL: negative) and hash it. */
void d_add(struct dentry *dentry, struct inode *inode);
/* The same for a dentry that is hashed and negative (create and its kin). */
void d_instantiate(struct dentry *dentry, struct inode *inode);
/* Unhash: the name no longer leads here (unlink, rmdir, a vanished process). */
void d_drop(struct dentry *dentry);
/* Turn a positive dentry negative after unlink / rmdir, dropping its inode. */
void d_delete(struct dentry *dentry);
/* Rename: dentry takes target's place (parent and name); target is dropped. exchange: both swap. */
int d_move(struct dentry *dentry, struct dentry *target, bool exchange);
/* Pin for in-memory file systems / undo it. */
void d_pin(struct dentry *dentry);
void d_unpin(struct dentry *dentry);

/* Flags of a lookup. */
#define LOOKUP_FOLLOW BIT(0)    /* follow a final symbolic link */
#define LOOKUP_DIRECTORY BIT(1) /* the result must be a directory */
#define LOOKUP_EMPTY BIT(2)     /* an empty name means the start (AT_EMPTY_PATH) */
#define LOOKUP_PARENT BIT(3)    /* stop at the parent */
#define LOOKUP_NO_SYMLINKS BIT(4) /* openat2's RESOLVE_* */
#define LOOKUP_BENEATH BIT(5)
#define LOOKUP_IN_ROOT BIT(6)
#define LOOKUP_NO_XDEV BIT(7)
#define LOOKUP_NO_MAGICLINKS BIT(8)

/*
 * Walk `name` (a kernel string) from `start` (NULL: the current directory)
 * or, if it is absolute, from the root. *result has references; path_put()
 * it. 0, -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, -ENOMEM.
 */
int path_lookup(const struct path *start, const char *name, unsigned flags, struct path *result);

/*
 * Walk to the parent of the last component, for create, unlink and rename.
 * On success *parent has references and `last` the component (pointing into
 * name), its kind in last.kind.
 */
enum last_kind { LAST_NORMAL, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct last_name {
    const char *name;
    size_t length;
    bool trailing_slash;
    enum last_kind kind;
};
int path_lookup_parent(const struct path *start, const char *name, struct path *parent,
                       struct last_name *last);
/* The dentry (maybe negative) of a name in a directory whose lock the caller holds; with a reference. */
int lookup_one(struct dentry *dir, const char *name, size_t length, struct dentry **dentry);

/*
 * The path's name from the current root, written to the end of buf; returns its
 * start. " (deleted)" is appended for unlinked ones; "(unreachable)" prefixed.
 * err_ptr(-ENAMETOOLONG).
 */
char *path_name(const struct path *path, char *buf, size_t size);

/* Operations on names; all check permissions. Names are kernel strings. */
int vfs_mknod(const struct path *start, const char *name, uint32_t mode, uint64_t rdev);
int vfs_mkdir(const struct path *start, const char *name, uint32_t mode);
int vfs_symlink(const char *target, const struct path *start, const char *name);
int vfs_link(const struct path *old_start, const char *old_name, const struct path *new_start,
             const char *new_name, int at_flags);
int vfs_unlink(const struct path *start, const char *name);
int vfs_rmdir(const struct path *start, const char *name);
int vfs_rename(const struct path *old_start, const char *old_name, const struct path *new_start,
               const char *new_name, unsigned flags);

/* What a thread's names are relative to. Guarded by lock; shared by CLONE_FS. */
struct fs_context {
    uint32_t refs; /* (A) */
    struct spinlock lock;
    struct path root, cwd;
    uint32_t umask;
};
struct fs_context *fs_context_copy(struct fs_context *from); /* NULL: memory is out */
void fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
void fs_set_root(struct fs_context *fs, const struct path *root);
void fs_set_cwd(struct fs_context *fs, const struct path *cwd);
/* The current thread's root / cwd, with references. Kernel threads: the first mount's root. */
void current_root(struct path *path);
void current_cwd(struct path *path);
uint32_t current_umask(void);

void dcache_init(void);
/* Free unreferenced dentries (and so inodes), oldest first. Returns how many. */
size_t dcache_shrink(size_t wanted);

#endif
