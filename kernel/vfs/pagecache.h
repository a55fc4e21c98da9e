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
#include "lib/list.h"
#include "lib/radix.h"
#include "lib/types.h"
#include "sched/wait.h"
#include "vm/vmspace.h"

struct inode;
struct frame;
struct uio;

struct mapping_ops {
    /* Fill a frame from the disk: locked, not up to date. NULL: a missing page is a hole (tmpfs). */
    int (*read_page)(struct inode *inode, struct frame *frame, uint64_t index);
    /* Write a dirty frame back. NULL: nowhere to write (tmpfs); dirty frames stay for ever. */
    int (*write_page)(struct inode *inode, struct frame *frame, uint64_t index);
    /* Before a page is first written: reserve space. NULL: nothing to do. -ENOSPC. */
    int (*prepare_write)(struct inode *inode, uint64_t index);
    /* A frame left the cache by truncation. NULL: nothing to do. */
    void (*removed)(struct inode *inode, uint64_t npages);
};

struct mapping {
    struct spinlock lock;
    struct radix_tree pages;  /* (lock) index -> struct frame * */
    uint64_t npages;          /* (lock) */
    const struct mapping_ops *ops; /* constant */
    struct list regions;      /* (lock) regions that map this file: region.object_link */
    struct waitq waiters;     /* for FRAME_LOCKED to clear */
};

void mapping_init(struct mapping *mapping, const struct mapping_ops *ops);

/*
 * The frame of page `index`, up to date, with a reference for the caller in
 * *frame. `create`: make it (zeroed) where there is a hole; otherwise a hole gives
 * 0 with *frame NULL. -ENOMEM, -EIO, -ENOSPC. May sleep.
 */
int page_find(struct inode *inode, uint64_t index, bool create, struct frame **frame);
/* The generic read and write of regular files through the page cache (file_ops bodies). */
ssize_t page_file_read(struct file *file, struct uio *uio, uint64_t *pos);
ssize_t page_file_write(struct file *file, struct uio *uio, uint64_t *pos);
/* Forget pages from byte `size` on, zero the tail of the last page, unmap them everywhere. */
void page_truncate(struct inode *inode, uint64_t size);
/* Forget whole pages within [start, end) bytes and zero the edges (punching a hole). */
void page_punch(struct inode *inode, uint64_t start, uint64_t end);
/* Write dirty pages in [start, end) back and wait. */
int page_sync(struct inode *inode, uint64_t start, uint64_t end);
/* SEEK_DATA / SEEK_HOLE for files whose holes are missing pages. */
int64_t page_seek(struct inode *inode, int64_t offset, bool hole);
/* region_ops for mapping a regular file; the object is the struct file. */
extern const struct region_ops page_region_ops;
/* Pages in all page caches. */
uint64_t page_ncached(void);

#endif
