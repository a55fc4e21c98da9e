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
#include "lib/refcount.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "vfs/namei.h"
#include "vm/uio.h"

struct cred;
struct epoll_links;
struct fdtable;
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
    /* Emit entries from ctx->pos on, advancing it. inode->lock held. See file_iterate(). */
    int (*iterate)(struct file *file, struct dir_context *ctx);
    int64_t (*ioctl)(struct file *file, uint32_t command, uint64_t arg);
    /* Events ready now (POLLIN ...), after listing table (if any) on the queues that tell of more. */
    uint32_t (*poll)(struct file *file, struct poll_table *table);
    /* Fill in request's ops and object (and check flags). See file_mmap(). */
    int (*mmap)(struct file *file, struct map_request *request);
    int (*open)(struct inode *inode, struct file *file);
    void (*release)(struct file *file); /* last reference gone */
    void (*flush)(struct file *file);   /* a descriptor was closed */
    int (*fsync)(struct file *file, uint64_t start, uint64_t end, bool data_only);
    int (*fallocate)(struct file *file, int mode, uint64_t offset, uint64_t length);
    bool unseekable; /* pread and lseek give -ESPIPE; position is not kept */
    bool nowait;     /* read and write heed uio->nowait (RWF_NOWAIT), or never wait */
    bool direct;     /* O_DIRECT makes sense */
};

#define FILE_READ BIT(0)  /* opened for reading */
#define FILE_WRITE BIT(1)
#define FILE_PATH BIT(2)  /* O_PATH */
#define FILE_COUNTED BIT(3) /* one of the mount's writers, and of the inode's */
#define FILE_EXECUTES BIT(4) /* a program runs from it; see file_execute() */

/*
 * Guarded by: (A) atomic  (C) constant  (P) pos_lock. [C], [R] ... : as in struct dentry
 */
struct file {
    struct refcount refs; /* (A) */
    uint32_t access;   /* (C) FILE_* */
    uint32_t flags;    /* (A) O_APPEND, O_NONBLOCK, ... as F_GETFL shows, without the access mode */
    uint64_t pos;      /* (P) */
    struct mutex pos_lock; /* taken only by files that several descriptors or threads share */
    struct path path;  /* (C) [C] what was opened */
    struct inode *inode; /* (C) [C] path.dentry's inode, and kept by it */
    const struct file_ops *ops; /* (C) [S] */
    void *private;     /* (C) [O] what opened it */
    const struct cred *cred; /* (C) [C] opener's */
    uint64_t readdir_version; /* (P) */
    struct epoll_links *epoll; /* (epoll_links_lock) [L] epoll items that watch this file */
    uint64_t owner;    /* (A) F_SETOWN's process, thread or group, as syscall/fd.c notes it; 0: none */
    int owner_signal;  /* (A) F_SETSIG's */
};

/*
 * The flags and the access mode, as F_GETFL and /proc show them. What open(2) opened with both
 * bits of the mode may neither be read nor written, and shows both.
 */
static inline uint32_t
file_open_flags(const struct file *file)
{
    static const uint32_t modes[] = {O_ACCMODE, O_RDONLY, O_WRONLY, O_RDWR};
    uint32_t flags = __atomic_load_n(&file->flags, __ATOMIC_RELAXED);

    if (file->access & FILE_PATH)
        return flags | O_PATH;
    return flags | modes[file->access & (FILE_READ | FILE_WRITE)];
}

void file_get(struct file *file);
/* Drop a reference; the last one releases. May sleep. */
void file_put(struct file *file);
/*
 * Keep writers away from a regular file for as long as this open lasts: it is executed.
 * 0, -ETXTBSY. Once for each open, by its only user so far.
 */
int file_execute(struct file *file);
/* Writing through this open does not keep the file from being executed. By its only user so far. */
void file_uncount(struct file *file);
/*
 * Open `name` from start as open(2) with flags (O_*) and mode would; *file has one
 * reference. Follows Linux's order of errors.
 */
int vfs_open(const struct path *start, const char *name, uint32_t flags, uint32_t mode,
             unsigned lookup_flags, struct file **file);
/* Open what a path names (no creation, no permission check if `checked`). */
int vfs_open_path(const struct path *path, uint32_t flags, bool checked, struct file **file);
/*
 * A file with no name in the tree (eventfd): "anon_inode:[NAME]" in /proc. access: FILE_*. The
 * names "pipe" and "socket" give inodes of those types, shown as "pipe:[INODE]". *file has one
 * reference and an inode of its own; on error `private` is still the caller's.
 */
int file_anonymous(const char *name, const struct file_ops *ops, void *private, uint32_t access,
                   uint32_t flags, struct file **file);

/* Another file on the inode of one made as above: the second end of a pipe. */
int file_anonymous_like(const struct file *first, const struct file_ops *ops, void *private,
                        uint32_t access, uint32_t flags, struct file **file);

/* read/write with every check that the calls share (access, limits, O_APPEND is the file system's). */
ssize_t file_read(struct file *file, struct uio *uio, uint64_t *pos);
ssize_t file_write(struct file *file, struct uio *uio, uint64_t *pos);
/* For the kernel's own reading (exec): returns bytes, short at the end. */
ssize_t file_read_kernel(struct file *file, void *buf, size_t n, uint64_t pos);
int64_t generic_seek(struct file *file, int64_t offset, int whence);
/* Events ready now; table may be NULL (only ask). */
uint32_t file_poll(struct file *file, struct poll_table *table);
/*
 * Lock the position of a regular file or directory if another thread could use it at the same
 * time; says whether it did. A thread that waits for the lock cannot be killed.
 */
bool file_lock_pos(struct file *file);
void file_unlock_pos(struct file *file, bool locked);
/*
 * getdents(2) but for the user's buffer: calls iterate with the directory's lock held.
 * The caller holds the position's lock and sets ctx->emit; the position moves on. 0,
 * -ENOTDIR, -ENOENT (the directory was removed).
 */
int file_iterate(struct file *file, struct dir_context *ctx);
/* For iterate of pinned directories: ".", ".." and the dentry's children in order of cookies. */
int dcache_iterate(struct file *file, struct dir_context *ctx);
/*
 * Check a mapping of the file and fill request in: may it be mapped with request->flags
 * (REGION_READ, WRITE, EXEC, SHARED as asked for)? Sets REGION_MAY_*, ops and object. -EACCES,
 * -EPERM (noexec), -ENODEV.
 */
int file_mmap(struct file *file, struct map_request *request);
/* truncate(2), ftruncate(2), fallocate(2) after the file or path was found. */
int vfs_truncate(const struct path *path, uint64_t size);
int file_truncate(struct file *file, uint64_t size);
int file_fallocate(struct file *file, int mode, int64_t offset, int64_t length);
int file_fsync(struct file *file, uint64_t start, uint64_t end, bool data_only);
/* A descriptor of table leads to the file no more: POSIX locks go, ops->flush is told. */
void file_closed(struct file *file, struct fdtable *table);
/* The file was read: set its access time by the mount's rules (relatime). */
void file_accessed(struct file *file);

/*
 * RLIMIT_FSIZE of the current process in bytes, and what sends it SIGXFSZ; proc/ fills these in.
 * file_size_allowed() is the limit as it holds now: none for kernel threads.
 * file_check_size() shortens a write at pos of *n bytes to what is allowed, or -EFBIG.
 */
extern uint64_t (*file_size_limit)(void);
extern void (*file_size_exceeded)(void);
uint64_t file_size_allowed(void);
int file_check_size(struct file *file, uint64_t pos, size_t *n);
/* Files that epoll watches go: epoll forgets them. Filled in by whoever implements epoll. */
extern void (*file_epoll_gone)(struct file *file);
/* struct files open now; for /proc/sys/fs/file-nr. */
uint64_t file_count(void);
/* Most of them without CAP_SYS_ADMIN: /proc/sys/fs/file-max. */
extern uint64_t file_max;

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
