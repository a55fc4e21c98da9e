/*
 * Open files and descriptors.
 *
 * A struct file is one open: a position, flags, and the operations that
 * reach its contents. Descriptors, mappings and system calls under way hold
 * references. Pipes, FIFOs, devices, epoll and the like are all struct file
 * with file_ops of their own.
 */
#ifndef QUIRE_VFS_FILE_H
#define QUIRE_VFS_FILE_H

#include <linux/fcntl.h>
#include <linux/poll.h>
#include "lib/errno.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "vfs/namei.h"
#include "vm/uio.h"

struct file;
struct inode;
struct poll_table;
struct map_request;

/*
 * Where getdents puts names: emit() returns false when the buffer is full.
 * `pos` is the cookie of the next entry, kept in the file's position.
 */
struct dir_context {
    bool (*emit)(struct dir_context *ctx, const char *name, size_t length, uint64_t ino,
                 uint8_t type /* DT_* */, uint64_t next_pos);
    uint64_t pos;
};

/* Any may be NULL: read/write -EINVAL, ioctl -ENOTTY, poll always ready, mmap -ENODEV ... */
struct file_ops {
    /*
     * Read or write at *pos and advance it. Returns bytes moved, 0 at the end,
     * or an error if none moved. No lock held (regular files serialise
     * themselves by inode->lock). *pos is the file's own, or a pread's.
     */
    ssize_t (*read)(struct file *file, struct uio *uio, uint64_t *pos);
    ssize_t (*write)(struct file *file, struct uio *uio, uint64_t *pos);
    int64_t (*seek)(struct file *file, int64_t offset, int whence); /* NULL: generic_seek */
    int (*iterate)(struct file *file, struct dir_context *ctx);     /* inode->lock held */
    int64_t (*ioctl)(struct file *file, uint32_t command, uint64_t arg);
    /* Events ready now (POLLIN ...), after listing table (if any) on the queues that tell of more. */
    uint32_t (*poll)(struct file *file, struct poll_table *table);
    /* Fill in request's ops and object (and check flags). */
    int (*mmap)(struct file *file, struct map_request *request);
    int (*open)(struct inode *inode, struct file *file);
    void (*release)(struct file *file); /* last reference gone */
    void (*flush)(struct file *file);   /* a descriptor was closed */
    int (*fsync)(struct file *file, uint64_t start, uint64_t end, bool data_only);
    int (*fallocate)(struct file *file, int mode, uint64_t offset, uint64_t length);
    /* Flags may change (fcntl F_SETFL). NULL: yes. */
    int (*set_flags)(struct file *file, uint32_t flags);
    bool unseekable; /* pread and lseek give -ESPIPE; position is not kept */
};

#define FILE_READ BIT(0)  /* opened for reading */
#define FILE_WRITE BIT(1)
#define FILE_PATH BIT(2)  /* O_PATH */

/* Guarded by: (A) atomic  (C) constant  (P) pos_lock */
struct file {
    uint32_t refs;     /* (A) */
    uint32_t access;   /* (C) FILE_* */
    uint32_t flags;    /* (A) O_APPEND, O_NONBLOCK, ... as F_GETFL shows, without the access mode */
    uint64_t pos;      /* (P) */
    struct mutex pos_lock; /* taken only by files that several descriptors or threads share */
    struct path path;  /* (C) what was opened */
    struct inode *inode; /* (C) path.dentry's inode at open; referenced */
    const struct file_ops *ops; /* (C) */
    void *private;     /* the owner's */
    struct cred *cred; /* (C) opener's */
    uint64_t readdir_version; /* (P) */
    struct epoll_links *epoll; /* epoll items that watch this file */
    int owner_pid, owner_signal; /* F_SETOWN, F_SETSIG */
};

void file_get(struct file *file);
/* Drop a reference; the last one releases. May sleep. */
void file_put(struct file *file);
/*
 * Open `name` from start as open(2) with flags (O_*) and mode would; *file has one
 * reference. Follows Linux's order of errors.
 */
int vfs_open(const struct path *start, const char *name, uint32_t flags, uint32_t mode,
             unsigned lookup_flags, struct file **file);
/* Open what a path names (no creation, no permission check if `checked`). */
int vfs_open_path(const struct path *path, uint32_t flags, bool checked, struct file **file);
/* A file with no name in the tree (pipes, eventfd): "anon_inode:[NAME]" in /proc. access: FILE_*. */
int file_anonymous(const char *name, const struct file_ops *ops, void *private, uint32_t access,
                   uint32_t flags, struct file **file);

/* read/write with every check that the calls share (access, limits, O_APPEND is the file system's). */
ssize_t file_read(struct file *file, struct uio *uio, uint64_t *pos);
ssize_t file_write(struct file *file, struct uio *uio, uint64_t *pos);
/* For the kernel's own reading (exec): returns bytes, short at the end. */
ssize_t file_read_kernel(struct file *file, void *buf, size_t n, uint64_t pos);
int64_t generic_seek(struct file *file, int64_t offset, int whence);
/* Events ready now; table may be NULL (only ask). */
uint32_t file_poll(struct file *file, struct poll_table *table);
/* Lock the position if somebody else could use it at once; says whether it did. */
bool file_lock_pos(struct file *file);
void file_unlock_pos(struct file *file, bool locked);
/* Append to a file's inode: mapping, truncation, etc. are in inode.h and pagecache.h. */

/*
 * Polling. file_ops.poll calls poll_wait(table, queue) for each queue that will
 * be told of changes (wake_key with POLL* bits), then returns what is ready.
 */
struct poll_table {
    /* Lists a waiter on queue; NULL table or NULL fn: just looking. */
    void (*fn)(struct poll_table *table, struct file *file, struct waitq *queue);
};
static inline void
poll_wait(struct poll_table *table, struct file *file, struct waitq *queue)
{
    if (table && table->fn)
        table->fn(table, file, queue);
}

#endif
