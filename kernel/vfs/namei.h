/*
 * Names: dentries, paths, and the walk from a string to an inode.
 *
 * A struct dentry is one name in one directory; together they form the tree
 * of what has been looked up. A positive dentry holds its inode, a negative
 * one remembers that a name does not exist. Dentries live in a hash table by
 * (parent, name) with a spinlock a bucket. File systems that live in memory
 * (tmpfs, devtmpfs) pin their dentries: the tree is their directory.
 *
 * A dentry becomes positive once, and keeps its inode to its end; unlink only
 * takes it out of the hash table. So whoever holds a dentry (or reads within
 * read_enter(), see deferred.h) may use its inode, and a walk over cached
 * names takes no lock and only the references of its result. A dentry refers
 * to its parent.
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
#include "lib/path.h" /* NAME_MAX, PATH_MAX */
#include "lib/refcount.h"
#include "lib/types.h"
#include "vfs/deferred.h"

struct inode;
struct mount;
struct stat;
struct superblock;

#define MAX_SYMLINKS 40 /* path_resolution(7) */
#define DNAME_INLINE 32

/*
 * Guarded by: (A) atomic  (C) constant  (D) parent directory's inode->lock
 *             (H) hash bucket  (N) parent's child_lock  (T) tree_lock, dcache.h
 * What a pointer leads to lives, or a listed structure is used: [L] locked for the whole use
 * [C] counted  [R] read section, and freed late  [O] as long as this structure, its owner
 * [S] for ever
 */
struct dentry {
    uint32_t refs;          /* (A) */
    uint32_t hash;          /* (D)(H)(T) of parent and name */
    struct dentry *parent;  /* (D)(H)(T) [C][R] itself for a root */
    struct inode *inode;    /* (D, set once) [C][R] NULL: negative */
    const char *name;       /* (D)(H)(T) [R] inline_name, or allocated */
    uint32_t name_length;
    bool hashed;            /* (H) */
    bool pinned;            /* (D) holds a reference for the file system (tmpfs) */
    uint32_t nmounts;       /* (A) mounts on top of it, in any place */
    struct superblock *sb;  /* (C) [C][R] by its root, which is above: superblock.c */
    struct dentry *hash_next;   /* (H) [R] */
    struct dentry **hash_place; /* (H) [L] the pointer that points here */
    struct spinlock child_lock;
    struct list children;   /* (child_lock) [L] this directory's dentries; pinned ones by cookie */
    struct list sibling;    /* (N) [L] */
    struct list lru_link;   /* (LRU's lock) [L][R] unreferenced ones, oldest first */
    uint64_t cookie;        /* (D) position in getdents for pinned file systems */
    uint64_t next_cookie;   /* (inode->lock) of the next child to be pinned */
    struct dentry *cursor;  /* (inode->lock) [L] the child where getdents stopped; NULL: unknown */
    struct deferred deferred; /* once nothing refers to it */
    char inline_name[DNAME_INLINE];
};

/*
 * A path that is kept holds both references, and so the mount, its superblock and the dentry. A
 * dentry is not kept without a mount: its file system could be unmounted meanwhile.
 */
struct path {
    struct mount *mount;   /* [C] */
    struct dentry *dentry; /* [C] */
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
/* After unlink and rmdir: the name leads nowhere. */
void d_delete(struct dentry *dentry);
/*
 * Rename: dentry takes target's place (parent and name); target is dropped. exchange: both
 * swap. Pinned ones get a new cookie. Both directories' locks held.
 */
void d_move(struct dentry *dentry, struct dentry *target, bool exchange);
/* Pin for in-memory file systems / undo it. The directory's lock held. */
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
#define LOOKUP_CACHED BIT(9) /* -EAGAIN where the walk would have to ask the file system */
#define LOOKUP_SCOPED (LOOKUP_BENEATH | LOOKUP_IN_ROOT) /* the walk may not leave its start */

/*
 * Walk `name` (a kernel string) from `start` (NULL: the current directory)
 * or, if it is absolute, from the root (LOOKUP_IN_ROOT: start is the root).
 * *result has references; path_put() it. -EXDEV: a restriction in flags;
 * -EAGAIN: a rename or mount, so that LOOKUP_SCOPED cannot be told. 0, -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, -ENOMEM.
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
/* What kind of component a name is: any but LAST_ROOT. length is not 0. */
static inline enum last_kind
last_kind_of(const char *name, size_t length)
{
    if (name[0] != '.' || length > 2)
        return LAST_NORMAL;
    if (length == 1)
        return LAST_DOT;
    return name[1] == '.' ? LAST_DOTDOT : LAST_NORMAL;
}
/* The dentry (maybe negative) of a name in a directory whose lock the caller holds; with a reference. */
int lookup_one(struct dentry *dir, const char *name, size_t length, struct dentry **dentry);

/*
 * The path's name from the current root, written to the end of buf; returns its
 * start. " (deleted)" is appended for unlinked ones. A path that is not under the
 * current root has its name as far as that leads. err_ptr(-ENAMETOOLONG).
 */
char *path_name(const struct path *path, char *buf, size_t size);
/* The same for getcwd(2): "(unreachable)" stands before a name that does not begin at the root. */
char *path_name_from_root(const struct path *path, char *buf, size_t size);
/* The dentry's name within its superblock, as mountinfo shows it; written like path_name()'s. */
char *d_name_in_sb(const struct dentry *dentry, char *buf, size_t size);
/* Has what path names been removed (getcwd: -ENOENT)? */
bool path_unlinked(const struct path *path);

/*
 * stat(2) by name; faster than path_lookup() and inode_stat(), because it needs no
 * reference. flags: LOOKUP_*.
 */
int vfs_stat(const struct path *start, const char *name, unsigned flags, struct stat *st);
/*
 * The target of the link that path names: copies up to size bytes, no NUL, into buf; returns
 * how many. -EINVAL: not a link. Magic links give path_name() of what they stand for.
 */
ssize_t vfs_readlink(const struct path *path, char *buf, size_t size);

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

/*
 * What a thread's names are relative to; shared by CLONE_FS. Two counts, as of descriptor
 * tables (fdtable.h): users are threads that run with it, refs keep the memory for the users
 * together and for each observer. Only a user changes it, and only a user makes another one.
 * Guarded by: (A) atomic  (L) lock; a sole user reads without
 */
struct fs_context {
    struct refcount users; /* (A) */
    struct refcount refs;  /* (A) */
    struct spinlock lock;
    struct path root, cwd; /* (L) [C][R] */
    uint32_t umask;        /* (L to write, A) */
    uint32_t nexecs;       /* (L) threads that exec, and have counted the users: no more may come */
};
struct fs_context *fs_context_copy(struct fs_context *from); /* from NULL: the first root. NULL: memory is out */
/* One user more, made by a user. 0, or -EAGAIN: a user execs. */
int fs_context_use(struct fs_context *fs);
/* One user less. True: it was the last one, and the caller drops the users' reference. */
bool fs_context_leave(struct fs_context *fs);
/* An observer's reference. To get one needs a lock under which a user stays (proc/share.h). */
void fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/*
 * The current thread, a user, execs: tell whether there are more users than the `own` threads of
 * its process. If not, no user comes before fs_exec_end(). If so, the end is not to be called.
 */
bool fs_exec_begin(struct fs_context *fs, uint32_t own);
void fs_exec_end(struct fs_context *fs);
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
