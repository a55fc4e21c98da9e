/*
 * The page cache: contents of files in frames, by page index.
 *
 * A struct mapping belongs to an inode. Frames in it carry FRAME_PAGE, one
 * reference for the cache, and more for mappings and copies under way. read(),
 * write() and mmap of a file all go through the same frames, so they always
 * agree.
 *
 * Lookup is lock-free for nobody: mapping->lock, a spinlock, guards the index.
 * A frame being filled is FRAME_LOCKED, waiters sleep on the mapping's queue;
 * tmpfs never needs that, since a missing page is a hole that reads as zero.
 */
#ifndef QUIRE_VFS_PAGECACHE_H
#define QUIRE_VFS_PAGECACHE_H

#include "arch/riscv/spinlock.h"
#include "lib/radix.h"
#include "lib/types.h"
#include "sched/wait.h"
#include "vfs/maplist.h"
#include "vm/vmspace.h"

struct file;
struct frame;
struct inode;
struct uio;

struct mapping_ops {
    /* Fill a frame from the disk: locked, not up to date. NULL: a missing page is a hole (tmpfs). */
    int (*read_page)(struct inode *inode, struct frame *frame, uint64_t index);
    /* Write a dirty frame back. NULL: nowhere to write (tmpfs); dirty frames stay for ever. */
    int (*write_page)(struct inode *inode, struct frame *frame, uint64_t index);
    /*
     * Before a page is first written (for those without read_page: made):
     * reserve space. NULL: nothing to do. -ENOSPC. May be undone by removed().
     */
    int (*prepare_write)(struct inode *inode, uint64_t index);
    /* Frames left the cache by truncation, or were not needed after all. NULL: nothing to do. */
    void (*removed)(struct inode *inode, uint64_t npages);
};

/*
 * Guarded by: (M) lock  (C) constant
 * [C], [L] ... : as in struct dentry. A mapping is part of its inode, and lives as long.
 */
struct mapping {
    struct spinlock lock;
    struct radix pages;       /* (M) [C] index -> struct frame *, with a reference of the mapping's */
    uint64_t npages;          /* (M) */
    uint64_t serial;          /* (C) vm_new_serial(): what futexes in the file are known by */
    const struct mapping_ops *ops; /* (C) [S] */
    struct maplist maps;      /* (M) [L] regions that show this file's pages: detached before they go */
    struct waitq waiters;     /* (M) [L] for FRAME_LOCKED to clear */
};

void mapping_init(struct mapping *mapping, const struct mapping_ops *ops);

/* What to do about a page that is nowhere yet. */
enum page_hole {
    PAGE_LEAVE,       /* give NULL */
    PAGE_MAKE,        /* make one of zeroes; inode->lock held: nothing is truncated now */
    PAGE_MAKE_WITHIN, /* the same, with no lock: only while it lies within the file's size */
};
/*
 * The frame of page `index`, up to date, with a reference for the caller in
 * *frame. 0; -ENOMEM, -EIO, -ENOSPC, -EFAULT (PAGE_MAKE_WITHIN: it does not). May sleep.
 */
int page_find(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **frame);
/*
 * Up to n frames that are there and up to date, from page `index` on, each with a
 * reference; stops at the first that is not. Returns how many. Never sleeps.
 */
unsigned page_find_run(struct inode *inode, uint64_t index, unsigned n, struct frame **run);
/* The first page from *index on that is in the cache, complete, in *index; false: there is none. */
bool page_next(struct mapping *mapping, uint64_t *index);
/*
 * Put a frame that the caller has filled where there is none (taking a reference of
 * the cache's own); *frame becomes the one that is there, with the caller's reference,
 * and *inserted tells whether it is the same. -ENOMEM, -ENOSPC; -EFAULT with
 * PAGE_MAKE_WITHIN.
 */
int page_insert(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **frame,
                bool *inserted);
/* The contents of a frame that is or was the mapping's are newer than the disk's from now on. */
void page_mark_dirty(struct mapping *mapping, struct frame *frame);
/* The generic read and write of regular files through the page cache (file_ops bodies). */
ssize_t page_file_read(struct file *file, struct uio *uio, uint64_t *pos);
ssize_t page_file_write(struct file *file, struct uio *uio, uint64_t *pos);
/*
 * Forget pages from byte `size` on, zero the tail of the last page, unmap them everywhere.
 * inode->lock held, inode->size already lowered, so that no fault brings them back.
 */
void page_truncate(struct inode *inode, uint64_t size);
/* Forget whole pages within [start, end) bytes and zero the edges (punching a hole). inode->lock held. */
void page_punch(struct inode *inode, uint64_t start, uint64_t end);
/*
 * Undo what was allocated and not used: forget pages [from, end) that are all zero and that
 * only the cache refers to. Holes read the same. For files without read_page; inode->lock held.
 */
void page_give_back(struct inode *inode, uint64_t from, uint64_t end);
/* The last reference to the inode has gone: free every page. */
void page_evict(struct inode *inode);
/* Write dirty pages in [start, end) bytes back and wait. */
int page_sync(struct inode *inode, uint64_t start, uint64_t end);
/* SEEK_DATA / SEEK_HOLE for files whose holes are missing pages. */
int64_t page_seek(struct inode *inode, int64_t offset, bool hole);
/* region_ops for mapping a regular file; the object is the struct file. */
extern const struct region_ops page_region_ops;
/* The same for files that are nowhere written back to (tmpfs). */
extern const struct region_ops page_memory_region_ops;
/* file_ops.mmap and fsync of a regular file in the page cache. */
int page_file_mmap(struct file *file, struct map_request *request);
int page_file_fsync(struct file *file, uint64_t start, uint64_t end, bool data_only);
/* Pages in all page caches. */
uint64_t page_ncached(void);
void page_init(void);

#endif
