/*
 * tmpfs: names and attributes. What a file holds is the page cache's to keep;
 * the options of a mount and its limits are in tmpfs_super.c.
 *
 * A directory's size is what Linux's tmpfs shows, 20 bytes an entry, and so
 * counts its entries. Each entry's dentry is pinned while it has its name;
 * the dentry keeps the inode, so a file that was unlinked lives as long as
 * somebody has it open.
 */
#include "fs/tmpfs.h"

#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include "arch/riscv/trap.h"
#include "fs/tmpfs_super.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/pagecache.h"
#include "vfs/xattr.h"

#define ENTRY_SIZE 20                /* of a directory, for each name in it */
#define EMPTY_SIZE (2 * ENTRY_SIZE)  /* "." and ".." */
#define BLOCKS_PER_PAGE (PAGE_SIZE / 512)
#define PAGES_AT_ONCE 64             /* between two preemption points */
#define SHORT_LINK 128               /* bytes of a symbolic link's text that count as its inode's */

static const struct inode_ops dir_ops, other_ops;
static const struct file_ops dir_file_ops, regular_file_ops;
static struct slab_cache *inode_cache;

static int
reserve_page(struct inode *inode, uint64_t index)
{
    if (!tmpfs_take(&tmpfs_of(inode->sb)->pages, 1))
        return -ENOSPC;
    __atomic_fetch_add(&inode->nblocks, BLOCKS_PER_PAGE, __ATOMIC_RELAXED);
    return 0;
}

static void
unreserve_pages(struct inode *inode, uint64_t npages)
{
    tmpfs_give(&tmpfs_of(inode->sb)->pages, npages);
    __atomic_fetch_sub(&inode->nblocks, npages * BLOCKS_PER_PAGE, __ATOMIC_RELAXED);
}

static const struct mapping_ops mapping_ops = {
    .prepare_write = reserve_page,
    .removed = unreserve_pages,
};

int
tmpfs_new_inode(struct superblock *sb, const struct inode *dir, uint32_t mode, uint64_t rdev,
                struct inode **result)
{
    struct tmpfs *fs = tmpfs_of(sb);
    if (!tmpfs_take(&fs->inodes, 1))
        return -ENOSPC;
    struct inode *inode = slab_alloc_zeroed(inode_cache);
    if (!inode) {
        tmpfs_give(&fs->inodes, 1);
        return -ENOMEM;
    }
    inode_init(inode, sb, dir, mode, 0);
    switch (mode & S_IFMT) {
    case S_IFREG:
        inode->ops = &other_ops;
        inode->file_ops = &regular_file_ops;
        inode->mapping.ops = &mapping_ops;
        break;
    case S_IFDIR:
        inode->ops = &dir_ops;
        inode->file_ops = &dir_file_ops;
        inode->size = EMPTY_SIZE;
        break;
    case S_IFLNK:
        inode->ops = &other_ops;
        break;
    default:
        inode->ops = &other_ops;
        inode_init_special(inode, mode, rdev);
    }
    *result = inode;
    return 0;
}

void
tmpfs_evict(struct inode *inode)
{
    if (inode_is_reg(inode))
        page_evict(inode);
    else if (inode->nblocks)
        unreserve_pages(inode, 1);
    tmpfs_end_xattrs(inode);
    tmpfs_give(&tmpfs_of(inode->sb)->inodes, 1);
}

void
tmpfs_free_inode(struct inode *inode)
{
    kmfree((void *)inode->link);
    slab_free(inode_cache, inode);
}

/* An entry came to (or went from) a directory at time now. Its lock is held. */
static void
count_entry(struct inode *dir, int change, struct timespec64 now)
{
    uint64_t size = dir->size + (uint64_t)(int64_t)(change * ENTRY_SIZE);

    SCOPED_SPIN(&dir->attr_lock);
    store_relaxed(&dir->size, size);
    dir->mtime = dir->ctime = now;
}

static void
change_links(struct inode *inode, int change)
{
    SCOPED_SPIN(&inode->attr_lock);
    inode->nlink += (uint32_t)change;
}

/* Give a negative dentry its inode (whose reference it takes over), and its place in dir. */
static void
enter(struct inode *dir, struct dentry *dentry, struct inode *inode, struct timespec64 now)
{
    d_instantiate(dentry, inode);
    d_pin(dentry);
    count_entry(dir, 1, now);
}

static int
tmpfs_mknod(struct inode *dir, struct dentry *dentry, uint32_t mode, uint64_t rdev)
{
    struct inode *inode;
    int error = tmpfs_new_inode(dir->sb, dir, mode, rdev, &inode);
    if (!error)
        enter(dir, dentry, inode, inode->ctime);
    return error;
}

static int
tmpfs_mkdir(struct inode *dir, struct dentry *dentry, uint32_t mode)
{
    int error = tmpfs_mknod(dir, dentry, mode, 0);
    if (!error)
        change_links(dir, 1); /* the new one's ".." */
    return error;
}

static int
tmpfs_symlink(struct inode *dir, struct dentry *dentry, const char *target)
{
    size_t length = strlen(target);
    char *text = kmalloc(length + 1);
    struct inode *inode;
    if (!text)
        return -ENOMEM;
    int error = tmpfs_new_inode(dir->sb, dir, S_IFLNK | 0777, 0, &inode);
    if (error) {
        kmfree(text);
        return error;
    }
    memcpy(text, target, length + 1);
    inode->link = text;
    inode->size = length;
    if (length >= SHORT_LINK && (error = reserve_page(inode, 0))) {
        inode_put(inode);
        return error;
    }
    enter(dir, dentry, inode, inode->ctime);
    return 0;
}

static int
tmpfs_link(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
    struct tmpfs_limit *inodes = &tmpfs_of(dir->sb)->inodes;
    /*
     * A further name counts as an inode, since its dentry stays as long as it. The inode's lock
     * keeps other names from coming. Names may go meanwhile: if none is left, the file gets no more.
     */
    bool further = __atomic_load_n(&inode->nlink, __ATOMIC_RELAXED) != 0;
    if (further && !tmpfs_take(inodes, 1))
        return -ENOSPC;
    int error = inode_add_link(inode);
    if (error) {
        if (further)
            tmpfs_give(inodes, 1);
        return error;
    }
    inode_get(inode);
    enter(dir, dentry, inode, vfs_realtime());
    return 0;
}

static int
tmpfs_tmpfile(struct inode *dir, uint32_t mode, struct inode **result)
{
    int error = tmpfs_new_inode(dir->sb, dir, mode, 0, result);
    if (!error)
        (*result)->nlink = 0;
    return error;
}

static int
tmpfs_unlink(struct inode *dir, struct dentry *dentry)
{
    /* Names in other directories may go at the same time: the one that goes last is the inode's. */
    if (inode_drop_link(dentry->inode) > 0)
        tmpfs_give(&tmpfs_of(dir->sb)->inodes, 1);
    count_entry(dir, -1, dentry->inode->ctime);
    d_unpin(dentry);
    return 0;
}

static int
tmpfs_rmdir(struct inode *dir, struct dentry *dentry)
{
    struct inode *victim = dentry->inode;

    if (victim->size > EMPTY_SIZE)
        return -ENOTEMPTY;
    change_links(victim, -(int)victim->nlink); /* nothing can be made in it now */
    change_links(dir, -1);
    count_entry(dir, -1, vfs_realtime());
    d_unpin(dentry);
    return 0;
}

/* Two names change places: only directories with different parents have links to count. */
static void
exchange(struct inode *old_dir, const struct inode *old, struct inode *new_dir,
         const struct inode *new)
{
    int change = (int)inode_is_dir(new) - (int)inode_is_dir(old);
    if (old_dir != new_dir && change) {
        change_links(old_dir, change);
        change_links(new_dir, -change);
    }
}

/* The name that a rename takes the place of goes, if it can. */
static int
make_way(struct inode *dir, struct dentry *dentry)
{
    struct inode *inode = dentry->inode;

    if (!inode)
        return 0;
    if (inode_is_dir(inode))
        return tmpfs_rmdir(dir, dentry);
    return tmpfs_unlink(dir, dentry);
}

static int
tmpfs_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
             struct dentry *new_dentry, unsigned flags)
{
    struct inode *moved = old_dentry->inode;
    struct timespec64 now = vfs_realtime();

    if (flags & RENAME_EXCHANGE) {
        exchange(old_dir, moved, new_dir, new_dentry->inode);
        inode_touch(new_dentry->inode, TOUCH_CTIME);
        count_entry(old_dir, 0, now);
        count_entry(new_dir, 0, now);
    } else {
        int error = make_way(new_dir, new_dentry);
        if (error)
            return error;
        if (inode_is_dir(moved) && old_dir != new_dir) {
            change_links(old_dir, -1);
            change_links(new_dir, 1);
        }
        count_entry(old_dir, -1, now);
        count_entry(new_dir, 1, now);
    }
    inode_touch(moved, TOUCH_CTIME);
    return 0;
}

/* How many of the pages [first, last) are holes. */
static uint64_t
count_holes(struct inode *inode, uint64_t first, uint64_t last)
{
    uint64_t holes = last - first, index = first;
    bool more = true;

    while (more) {
        spin_lock(&inode->mapping.lock);
        for (unsigned n = 0; more && n < PAGES_AT_ONCE; n++) {
            more = radix_next(&inode->mapping.pages, index, &index) && index < last;
            if (more) {
                holes--;
                index++;
            }
        }
        spin_unlock(&inode->mapping.lock);
        preempt_point();
    }
    return holes;
}

/* Give every page of a range a frame. On an error (-EINTR among them) none is there that was not. */
static int
fill_range(struct inode *inode, uint64_t offset, uint64_t end)
{
    uint64_t first = offset >> PAGE_SHIFT, last = DIV_ROUND_UP(end, PAGE_SIZE), index = first;
    struct tmpfs_limit *pages = &tmpfs_of(inode->sb)->pages;
    int error = 0;

    /* Better to refuse than to run out halfway. */
    uint64_t holes = count_holes(inode, first, last);
    uint64_t left = pages->most - min(pages->used, pages->most);
    if (pages->most && holes > left)
        return -ENOSPC;
    if (holes > nframes_ram)
        return -ENOMEM;
    for (; index < last && !error; index++) {
        struct frame *frame;
        error = page_find(inode, index, PAGE_MAKE, &frame);
        if (!error)
            frame_put(frame);
        if (!error && index % PAGES_AT_ONCE == 0) {
            preempt_point();
            error = thread_interrupted() ? -EINTR : 0;
        }
    }
    if (error)
        page_give_back(inode, first, index);
    return error;
}

static int
tmpfs_fallocate(struct file *file, int mode, uint64_t offset, uint64_t length)
{
    struct inode *inode = file->inode;
    uint64_t end = offset + length;

    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
        return -EOPNOTSUPP;
    SCOPED_LOCK(&inode->lock);
    if ((mode & FALLOC_FL_PUNCH_HOLE) && (inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
        return -EPERM;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        page_punch(inode, offset, end);
        inode_touch(inode, TOUCH_MTIME | TOUCH_CTIME);
        return inode_drop_privileges(inode);
    }
    bool grows = !(mode & FALLOC_FL_KEEP_SIZE) && end > inode->size;
    if (grows && (inode->seals & F_SEAL_GROW))
        return -EPERM;
    if (grows && end > file_size_allowed()) {
        file_size_exceeded();
        return -EFBIG;
    }
    int error = fill_range(inode, offset, end);
    if (error)
        return error;
    if (grows)
        store_release(&inode->size, end);
    inode_touch(inode, TOUCH_MTIME | TOUCH_CTIME); /* it counts as a write, also of what was there */
    return inode_drop_privileges(inode);
}

static int
nothing_to_sync(struct file *file, uint64_t start, uint64_t end, bool data_only)
{
    return 0;
}

static const struct inode_ops dir_ops = {
    .mknod = tmpfs_mknod,
    .mkdir = tmpfs_mkdir,
    .symlink = tmpfs_symlink,
    .link = tmpfs_link,
    .tmpfile = tmpfs_tmpfile,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .setxattr = tmpfs_setxattr,
    .getxattr = tmpfs_getxattr,
    .listxattr = xattr_list,
};
static const struct inode_ops other_ops = {
    .setxattr = tmpfs_setxattr,
    .getxattr = tmpfs_getxattr,
    .listxattr = xattr_list,
};

static const struct file_ops dir_file_ops = {
    .iterate = dcache_iterate,
    .fsync = nothing_to_sync,
};

static const struct file_ops regular_file_ops = {
    .read = page_file_read,
    .write = page_file_write,
    .mmap = page_file_mmap,
    .fsync = nothing_to_sync,
    .fallocate = tmpfs_fallocate,
    .direct = true,
};

void
tmpfs_init(void)
{
    inode_cache = slab_cache_create("tmpfs_inode", sizeof(struct inode), 0);
    tmpfs_super_init();
}
