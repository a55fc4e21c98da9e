/*
 * Inodes: files as the kernel holds them, whatever file system they are from.
 *
 * A struct inode is one file, directory, link or device, in memory while
 * something refers to it: a dentry, an open file, a mapping. The file system
 * embeds it in a structure of its own and gives it inode_ops (names and
 * attributes) and file_ops (contents, see file.h).
 */
#ifndef QUIRE_VFS_INODE_H
#define QUIRE_VFS_INODE_H

#include "lib/errno.h"
#include "lib/list.h"
#include "lib/refcount.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "vfs/deferred.h"
#include "vfs/mode.h"
#include "vfs/pagecache.h"

struct cred;
struct dentry;
struct file;
struct file_locks;
struct file_ops;
struct inode;
struct path;
struct pipe;
struct stat;
struct statx;
struct superblock;

struct timespec64 {
    int64_t sec;
    uint32_t nsec;
};

/* What notify_change() sets: a mask of ATTR_* and the values. */
#define ATTR_MODE BIT(0)
#define ATTR_UID BIT(1)
#define ATTR_GID BIT(2)
#define ATTR_SIZE BIT(3)
#define ATTR_ATIME BIT(4)
#define ATTR_MTIME BIT(5)
#define ATTR_TOUCH BIT(6) /* both times become now (utimensat): permission to write is enough */
struct attributes {
    uint32_t mask;
    uint32_t mode, uid, gid;
    uint64_t size;
    struct timespec64 atime, mtime;
};

/*
 * Operations on names and attributes. The directory's lock is held (both
 * directories' for rename); permissions have been checked, the target is known
 * not to exist (create, link ...) or to exist (unlink ...). A NULL operation
 * means -EPERM. On success of those that make something, the operation has
 * instantiated the dentry by d_instantiate(). After unlink, rmdir and rename
 * the caller itself does d_delete() or d_move(): the operation changes what the
 * file system stores and the link counts, and undoes pins.
 */
struct inode_ops {
    /*
     * Find dentry->name in dir: d_add() the inode or NULL (a negative dentry). 0 or an
     * error. Not called where superblock.complete says that there is no more to find.
     */
    int (*lookup)(struct inode *dir, struct dentry *dentry);
    /* Make a regular file, a device node (rdev), FIFO or socket, by mode's type. */
    int (*mknod)(struct inode *dir, struct dentry *dentry, uint32_t mode, uint64_t rdev);
    int (*mkdir)(struct inode *dir, struct dentry *dentry, uint32_t mode);
    int (*symlink)(struct inode *dir, struct dentry *dentry, const char *target);
    int (*link)(struct inode *dir, struct dentry *dentry, struct inode *inode);
    /* O_TMPFILE: a fresh regular file of nlink 0, one reference. NULL: -EOPNOTSUPP. No lock held. */
    int (*tmpfile)(struct inode *dir, uint32_t mode, struct inode **inode);
    int (*unlink)(struct inode *dir, struct dentry *dentry);
    int (*rmdir)(struct inode *dir, struct dentry *dentry);
    /* RENAME_EXCHANGE and replacing included: new may be positive; flags from linux/fs.h. */
    int (*rename)(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
                  struct dentry *new_dentry, unsigned flags);
    /*
     * The target of a symbolic link: copy up to size - 1 bytes and a NUL into
     * buf, return its length. Sleepable. (Magic links of procfs set follow.)
     * NULL: the target is inode->link.
     */
    ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);
    /* A magic link (procfs): the path it stands for, with references. NULL: use readlink. */
    int (*follow)(struct inode *inode, struct path *path);
    /* Apply attributes (checked, truncation of the page cache included). NULL: inode_setattr(). */
    int (*setattr)(struct inode *inode, const struct attributes *attr);
    /* Refresh the fields stat shows (procfs). NULL: they are right. */
    int (*getattr)(struct inode *inode);
    /*
     * May a cached dentry be used as it is? (procfs: is the process still there?) NULL: yes.
     * Asked of the dentry's own inode, for a negative one of its directory's. Dentries of
     * inodes that have this operation are forgotten when their last reference goes.
     */
    bool (*revalidate)(struct dentry *dentry);
    /*
     * Extended attributes (xattr.h), rights and kinds of names checked; lock held. value
     * NULL: remove it. NULL: the file system has none.
     */
    int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size,
                    unsigned flags);
    ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
    ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
    /* Permission check instead of the mode bits. NULL: mode bits. mask: MAY_*. */
    int (*permission)(struct inode *inode, unsigned mask);
};

/*
 * Mode and owner of an inode decide together who may do what; each reader must have them as
 * they were at one moment. So writers change them, with the inode's lock held, in one step
 * between inode_attr_begin() and inode_attr_end(), and who does not hold that lock reads them
 * by inode_access() alone. A single one of them may be read as it stands.
 */
struct inode_access {
    uint32_t mode, uid, gid;
};

/*
 * Guarded by: (L) lock  (A) atomic  (C) constant  (S) attr_lock, a spinlock
 *             (Q) lock and attr_lock to write, see struct inode_access
 * [C], [R] ... : as in struct dentry. An inode is held by the dentries of its names, and by them
 * alone but for the moment in which it is made.
 */
struct inode {
    struct refcount refs; /* (A) */
    uint32_t mode;        /* (Q) type and permissions */
    uint32_t uid, gid;    /* (Q) */
    uint32_t attr_sequence; /* (S to write, A) odd while mode and owner change */
    uint32_t nlink;       /* (S) */
    uint64_t ino;         /* (C) */
    uint64_t size;        /* (L to write, A to read) */
    uint64_t rdev;        /* (C) devices: Linux's 64-bit dev_t, makedev() below */
    struct timespec64 atime, mtime, ctime, btime; /* (S) */
    uint64_t nblocks;     /* (A) 512-byte units */
    struct mutex lock;    /* directory contents; file size and writes */
    struct spinlock attr_lock;
    struct superblock *sb;            /* (C) [C] by the dentries; superblock.c */
    const struct inode_ops *ops;      /* (C) [S] */
    const struct file_ops *file_ops;  /* (C) [S] default for open files */
    struct mapping mapping;           /* the page cache of a regular file */
    void *private;        /* (C) [O] the file system's or driver's */
    struct pipe *pipe;    /* (L) [L] FIFOs, while open */
    const char *link;     /* (C) [O][R] a symbolic link's target, if it stays in memory; else NULL */
    struct rbtree xattrs;     /* (L) extended attributes that are in memory; see xattr.h */
    uint64_t xattr_bytes;     /* (L) that the "user." ones among them take */
    struct file_locks *locks; /* (A, set once) [C] POSIX and flock locks; see locks.h */
    int32_t writers;      /* (A) opens for writing; negative: programs that execute it */
    bool append_only, immutable; /* (L to write) */
    uint8_t write_hint;          /* (A) RWH_WRITE_LIFE_* (fcntl(2)) */
    bool linkable;        /* (attr_lock) O_TMPFILE's: may get its first name */
    bool sealable;        /* (C) memfd_create's: has seals; see seals.h */
    uint32_t seals;       /* (L and mapping.lock to write, either or A to read) F_SEAL_* */
    void (*free)(struct inode *inode); /* (C) sb->ops->free_inode */
    struct deferred deferred; /* once nothing refers to it */
};

#define MAY_EXEC 1
#define MAY_WRITE 2
#define MAY_READ 4

static inline bool inode_is_dir(const struct inode *i) { return S_ISDIR(i->mode); }
static inline bool inode_is_reg(const struct inode *i) { return S_ISREG(i->mode); }
static inline bool inode_is_link(const struct inode *i) { return S_ISLNK(i->mode); }

/* Linux's encoding of device numbers (makedev(3)): 12 bits major, 20 bits minor in memory. */
static inline uint64_t
dev_make(uint32_t major, uint32_t minor)
{
    return ((uint64_t)(major & 0xfff) << 8) | (minor & 0xff) | ((uint64_t)(minor & ~0xffU) << 12);
}
static inline uint32_t
dev_major(uint64_t dev)
{
    return (dev >> 8) & 0xfff;
}
static inline uint32_t
dev_minor(uint64_t dev)
{
    return (dev & 0xff) | ((dev >> 12) & ~0xffU);
}

/*
 * Fill in a fresh (zeroed) inode: one reference, lock, times now, owner from
 * the current credentials (and the directory's group if it is setgid; dir may
 * be NULL), nlink 1 (2 for a directory). ino 0 takes the next of the superblock.
 */
void inode_init(struct inode *inode, struct superblock *sb, const struct inode *dir, uint32_t mode,
                uint64_t ino);
void inode_get(struct inode *inode);
/* Drop a reference; the last one evicts: truncates the page cache and calls sb->ops->free_inode. */
void inode_put(struct inode *inode);
/*
 * Count a name more of the inode, and touch its ctime. -ENOENT: its last name has gone, perhaps
 * just now. inode->lock held, so names only go meanwhile.
 */
int inode_add_link(struct inode *inode);
/* Count a name less, and touch ctime. How many are left. The lock of that name's directory is held. */
uint32_t inode_drop_link(struct inode *inode);
/* Mode and owner at one moment. No lock needed. */
struct inode_access inode_access(const struct inode *inode);
/*
 * Around a change of mode, owner, and what stat shows beside them; takes attr_lock. inode->lock
 * is held, or (procfs) no holder of it reads mode and owner without inode_access().
 */
void inode_attr_begin(struct inode *inode);
void inode_attr_end(struct inode *inode);
/*
 * The mode of a file (no directory) that the current thread makes in dir and asks mode for: umask
 * applied, and no setgid bit of a group that it is no member of. Before umask, which may take the
 * bit that makes the difference.
 */
uint32_t inode_new_mode(const struct inode *dir, uint32_t mode);
/* May the current thread do mask (MAY_*) to the inode? 0 or -EACCES (-EROFS for writes). */
int inode_permission(struct inode *inode, unsigned mask);
/* The same, judged by what inode_access() has returned. */
int inode_permission_by(struct inode *inode, const struct inode_access *access, unsigned mask);
/* What they say where inode_ops.permission does not decide: by owner and mode. */
int inode_permission_by_mode(const struct inode_access *access, unsigned mask);
/* Does the current thread own the inode, or may it do as if (CAP_FOWNER)? */
bool inode_owned(const struct inode *inode);
/* The bits of mode that change who runs it: S_ISUID, and S_ISGID if the group may execute. */
static inline uint32_t
mode_set_id(uint32_t mode)
{
    uint32_t group = S_ISGID | S_IXGRP;

    return (mode & S_ISUID) | ((mode & group) == group ? S_ISGID : 0);
}
/*
 * A regular file is either written or executed: -ETXTBSY to who comes second. Each
 * success is paired with the end. Writers may be many, and so may executions.
 */
int inode_begin_write(struct inode *inode);
void inode_end_write(struct inode *inode);
int inode_begin_execute(struct inode *inode);
void inode_end_execute(struct inode *inode);
/*
 * Check and apply attribute changes as chmod, chown, truncate, utimensat need (an empty
 * mask is chown's, with both ids to be left): 0, -EPERM,
 * -EACCES, -EROFS of the superblock, -EOPNOTSUPP (a link's mode), -EFBIG ...; takes
 * inode->lock. The mount's being writable is the caller's to check, and for truncate by name the permission to write.
 */
int inode_change(struct inode *inode, const struct attributes *attr);
/* Copy attributes into the inode; truncates the page cache for ATTR_SIZE. The default setattr; lock held. */
int inode_setattr(struct inode *inode, const struct attributes *attr);
/* Set times to now. */
#define TOUCH_ATIME BIT(0)
#define TOUCH_MTIME BIT(1)
#define TOUCH_CTIME BIT(2)
void inode_touch(struct inode *inode, unsigned which);
/* Before its contents change: clear setuid and setgid as write(2) must. lock held. */
int inode_drop_privileges(struct inode *inode);
/* The time of day (CLOCK_REALTIME), for timestamps. */
extern struct timespec64 (*vfs_realtime)(void);
/* Fill Linux's struct stat / statx fields from an inode (callers copy out; stx_mnt_id is theirs). */
int inode_stat(struct inode *inode, struct stat *st);
int inode_statx(struct inode *inode, struct statx *stx);
/* For device nodes: the number, and the file_ops that an open uses (FIFOs' are found at open). */
void inode_init_special(struct inode *inode, uint32_t mode, uint64_t rdev);

#endif
