/*
 * Reading and writing regular files through the page cache.
 *
 * Bytes go straight between the user's memory and the frame. No lock but the
 * inode's is held meanwhile, so a fault on the way may do what it likes, and
 * even fault on the same file: get_frame (mapregion.c) takes no inode lock.
 * Reading takes no inode lock either: a reader may see part of a write, as
 * Linux's may.
 */
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/pagecache.h"
#include "vfs/seals.h"

#define RUN 16           /* frames looked up at a time */
#define PAGES_AT_ONCE 64 /* copied before others get a chance to run */

/* Copy a page's part to the reader; frame NULL: a hole. False: a bad address. */
static bool
copy_page_out(struct uio *uio, struct frame *frame, size_t offset, size_t n, size_t *done)
{
    size_t copied = frame ? uio_copyout(uio, (char *)frame_va(frame) + offset, n)
                          : uio_zero(uio, n);
    *done += copied;
    return copied == n;
}

/*
 * Read pages from pos on, n bytes at most in all, from one lookup; at least one
 * page. 0, -EFAULT, or the page's error.
 */
static int
read_run(struct inode *inode, struct uio *uio, uint64_t pos, size_t n, size_t *done)
{
    struct frame *run[RUN] __uninitialized;
    size_t offset = pos & PAGE_MASK;
    uint64_t index = pos >> PAGE_SHIFT;
    unsigned wanted = (unsigned)min((offset + n + PAGE_MASK) >> PAGE_SHIFT, (size_t)RUN);
    unsigned found = page_find_run(inode, index, wanted, run);

    if (found == 0) {
        int error = page_find(inode, index, PAGE_LEAVE, &run[0]);
        if (error)
            return error;
        found = 1;
    }
    bool good = true;
    for (unsigned i = 0; i < found; i++) {
        size_t part = min(n, PAGE_SIZE - offset);
        if (good)
            good = copy_page_out(uio, run[i], offset, part, done);
        if (run[i])
            frame_put(run[i]);
        n -= part;
        offset = 0;
    }
    return good ? 0 : -EFAULT;
}

ssize_t
page_file_read(struct file *file, struct uio *uio, uint64_t *pos)
{
    struct inode *inode = file->inode;
    uint64_t start = *pos;
    size_t done = 0;
    unsigned nruns = 0;
    int error = 0;

    while (!error && uio->residue) {
        uint64_t size = __atomic_load_n(&inode->size, __ATOMIC_ACQUIRE);
        if (start + done >= size)
            break;
        size_t n = min((uint64_t)uio->residue, size - (start + done));
        error = read_run(inode, uio, start + done, n, &done);
        if (++nruns % (PAGES_AT_ONCE / RUN) == 0) {
            preempt_point();
            if (vm_end_hook())
                break;
        }
    }
    *pos = start + done;
    if (done == 0 && error)
        return error;
    file_accessed(file);
    return (ssize_t)done;
}

/*
 * A whole page that is not in the cache: fill a frame, then put it in, with no
 * need to clear it or to read it first. 1 if the user's memory could not be read
 * in one go: nothing was done.
 */
static int
write_fresh(struct inode *inode, struct uio *uio, uint64_t index)
{
    struct uio before = *uio;
    bool inserted;
    struct frame *frame = frame_alloc(0, FRAME_PAGE);
    if (!frame)
        return -ENOMEM;

    frame->flags &= (uint8_t)~(FRAME_DIRTY | FRAME_LOCKED | FRAME_UPTODATE);
    if (uio_copyin(uio, frame_va(frame), PAGE_SIZE) < PAGE_SIZE) {
        frame_put(frame);
        *uio = before;
        return 1;
    }
    struct frame *there = frame;
    int error = page_insert(inode, index, PAGE_MAKE, &there, &inserted);
    if (error) {
        frame_put(frame);
        *uio = before;
        return error;
    }
    if (!inserted) {
        /* Somebody mapped the hole meanwhile. Our frame has gone: copy once more. */
        *uio = before;
        frame_put(there);
        return 1;
    }
    page_mark_dirty(&inode->mapping, there);
    frame_put(there);
    return 0;
}

/* Part of a page. Returns bytes written, or an error if none was. */
static ssize_t
write_part(struct inode *inode, struct uio *uio, uint64_t index, size_t offset, size_t n)
{
    const struct mapping_ops *ops = inode->mapping.ops;
    struct frame *frame;

    if (page_find_run(inode, index, 1, &frame) == 0) {
        int error = uio_prefault(uio, n, false); /* make no page for nothing */
        if (!error)
            error = page_find(inode, index, PAGE_MAKE, &frame);
        if (error)
            return error;
    }
    if (ops->read_page && ops->prepare_write && !(frame->flags & FRAME_DIRTY)) {
        int error = ops->prepare_write(inode, index);
        if (error) {
            frame_put(frame);
            return error;
        }
    }
    size_t copied = uio_copyin(uio, (char *)frame_va(frame) + offset, n);
    page_mark_dirty(&inode->mapping, frame);
    frame_put(frame);
    return copied ? (ssize_t)copied : -EFAULT;
}

/* One page's worth. Returns bytes written, or an error if none was. */
static ssize_t
write_page(struct inode *inode, struct uio *uio, uint64_t pos, size_t n)
{
    uint64_t index = pos >> PAGE_SHIFT;
    size_t offset = pos & PAGE_MASK;

    if (n == PAGE_SIZE && !inode->mapping.ops->read_page) {
        struct frame *there;
        if (page_find_run(inode, index, 1, &there) == 0) {
            int error = write_fresh(inode, uio, index);
            if (error <= 0)
                return error ? error : (ssize_t)PAGE_SIZE;
        } else {
            frame_put(there);
        }
    }
    return write_part(inode, uio, index, offset, n);
}

/* Write n bytes at pos; inode's lock held. Returns bytes written, or an error if none was. */
static ssize_t
write_pages(struct inode *inode, struct uio *uio, uint64_t pos, size_t n)
{
    size_t done = 0;
    unsigned npages = 0;

    while (done < n) {
        size_t part = min(n - done, PAGE_SIZE - ((pos + done) & PAGE_MASK));
        ssize_t written = write_page(inode, uio, pos + done, part);
        if (written < 0)
            return done ? (ssize_t)done : written;
        done += (size_t)written;
        if (pos + done > inode->size)
            store_release(&inode->size, pos + done);
        if ((size_t)written < part)
            break;
        if (++npages % PAGES_AT_ONCE == 0) {
            preempt_point();
            if (vm_end_hook())
                break;
        }
    }
    return (ssize_t)done;
}

ssize_t
page_file_write(struct file *file, struct uio *uio, uint64_t *pos)
{
    struct inode *inode = file->inode;
    size_t n = uio->residue;

    SCOPED_LOCK(&inode->lock);
    bool append = uio->append || ((file->flags & O_APPEND) && !uio->noappend);
    uint64_t start = append ? inode->size : *pos;
    if (n == 0)
        return 0;
    int error = file_check_size(file, start, &n);
    if (!error)
        error = seals_check_write(inode, start + n);
    if (!error)
        error = inode_drop_privileges(inode);
    if (error)
        return error;
    inode_touch(inode, TOUCH_MTIME | TOUCH_CTIME);
    ssize_t done = write_pages(inode, uio, start, n);
    if (done > 0)
        *pos = start + (uint64_t)done;
    return done;
}
