/*
 * The index of a file's pages: finding, filling, removing.
 *
 * A frame in the index is UPTODATE, or LOCKED while somebody fills it; then
 * others wait on the mapping's queue. Where files have nowhere to be read from
 * (tmpfs) a frame is complete before it is put in, and none is ever LOCKED.
 *
 * Frames' flags are guarded by the mapping's lock. A frame that truncation
 * removed lives on while mappings and copies under way refer to it.
 */
#include "vfs/pagecache.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/inode.h"
#include "vfs/pagemap.h"

#define BATCH 16 /* frames removed at a time */
#define PAGES_SOUGHT_AT_ONCE 16384 /* a full node of the tree, 64 pages, is passed in one step */

static struct slab_cache *node_cache;

static void *
node_alloc(void)
{
    return slab_alloc(node_cache);
}

static void
node_free(void *node)
{
    slab_free(node_cache, node);
}

static const struct radix_ops node_ops = {.alloc = node_alloc, .free = node_free};
static const struct mapping_ops no_ops;

void
page_init(void)
{
    node_cache = slab_cache_create("radix_node", sizeof(struct radix_node), 0);
}

void
mapping_init(struct mapping *mapping, const struct mapping_ops *ops)
{
    spin_init(&mapping->lock, "mapping");
    radix_init(&mapping->pages, &node_ops);
    mapping->serial = vm_new_serial();
    mapping->npages = 0;
    mapping->ops = ops ? ops : &no_ops;
    mapping->maps = (struct maplist){.passing = false};
    waitq_init(&mapping->waiters);
}

uint64_t
page_ncached(void)
{
    uint64_t counts[FRAME_NOWNERS];
    frame_counts(counts);
    return counts[FRAME_PAGE];
}

/* Wait until a frame is not LOCKED; mapping's lock held, and let go meanwhile. */
static void
wait_unlocked(struct mapping *mapping, struct frame *frame)
{
    while (frame->flags & FRAME_LOCKED)
        (void)wait_on(&mapping->waiters, &mapping->lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
}

static void
unlock_frame(struct mapping *mapping, struct frame *frame, uint8_t set)
{
    SCOPED_SPIN(&mapping->lock);
    frame->flags = (uint8_t)((frame->flags & ~FRAME_LOCKED) | set);
    wake_all(&mapping->waiters);
}

/* Give the caller a frame of the index; waits until it is filled. Lock held, and let go. */
static int
take_frame(struct mapping *mapping, struct frame *frame, struct frame **result)
{
    frame_get(frame);
    if (unlikely(!(frame->flags & FRAME_UPTODATE)))
        wait_unlocked(mapping, frame);
    bool filled = frame->flags & FRAME_UPTODATE;
    spin_unlock(&mapping->lock);
    if (!filled) {
        frame_put(frame);
        return -EIO;
    }
    *result = frame;
    return 0;
}

unsigned
page_find_run(struct inode *inode, uint64_t index, unsigned n, struct frame **run)
{
    struct mapping *mapping = &inode->mapping;
    unsigned found;

    SCOPED_SPIN(&mapping->lock);
    n = radix_get_run(&mapping->pages, index, n, (void **)run);
    for (found = 0; found < n && (run[found]->flags & FRAME_UPTODATE); found++)
        frame_get(run[found]);
    return found;
}

bool
page_next(struct mapping *mapping, uint64_t *index)
{
    uint64_t from = *index;

    SCOPED_SPIN(&mapping->lock);
    for (;; from = *index + 1) {
        const struct frame *frame = radix_next(&mapping->pages, from, index);
        if (!frame || (frame->flags & FRAME_UPTODATE))
            return frame;
    }
}

/*
 * Truncation lowers the size before it looks through the index, under mapping->lock. So
 * a page that is put in while the size allows it, under that lock, does not stay behind.
 */
static bool
within_size(const struct inode *inode, uint64_t index)
{
    uint64_t size = __atomic_load_n(&inode->size, __ATOMIC_ACQUIRE);
    return index < DIV_ROUND_UP(size, PAGE_SIZE);
}

/* Put a frame into the index at a place that is empty. Lock held. -ENOMEM, -EFAULT. */
static int
index_frame(struct inode *inode, uint64_t index, enum page_hole hole, struct frame *frame)
{
    struct mapping *mapping = &inode->mapping;
    if (hole != PAGE_MAKE && !within_size(inode, index))
        return -EFAULT;
    int error = radix_set(&mapping->pages, index, frame);
    if (error)
        return error;
    frame_get(frame);
    frame->mapping = mapping;
    frame->index = index;
    mapping->npages++;
    return 0;
}

int
page_insert(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **frame,
            bool *inserted)
{
    struct mapping *mapping = &inode->mapping;
    bool reserve = !mapping->ops->read_page && mapping->ops->prepare_write;
    int error = reserve ? mapping->ops->prepare_write(inode, index) : 0;
    if (error)
        return error;

    (*frame)->flags |= FRAME_UPTODATE;
    spin_lock(&mapping->lock);
    struct frame *there = radix_get(&mapping->pages, index);
    if (!there)
        error = index_frame(inode, index, hole, *frame);
    *inserted = !there && !error;
    if (there) {
        struct frame *mine = *frame;
        error = take_frame(mapping, there, frame);
        if (!error)
            frame_put(mine);
    } else {
        spin_unlock(&mapping->lock);
    }
    if (!*inserted && reserve && mapping->ops->removed)
        mapping->ops->removed(inode, 1);
    return error;
}

/* A page of zeros where there was a hole; or what somebody else put there meanwhile. */
static int
make_page(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **result)
{
    bool inserted;
    struct frame *frame = frame_alloc_zeroed(FRAME_PAGE);
    if (!frame)
        return -ENOMEM;
    frame->flags &= (uint8_t)~(FRAME_DIRTY | FRAME_LOCKED);
    int error = page_insert(inode, index, hole, &frame, &inserted);
    if (error)
        frame_put(frame);
    else
        *result = frame;
    return error;
}

/* Take a frame out of the index, and drop the index's reference. */
static void
forget_frame(struct mapping *mapping, uint64_t index, struct frame *frame)
{
    spin_lock(&mapping->lock);
    bool there = radix_get(&mapping->pages, index) == frame;
    if (there) {
        radix_del(&mapping->pages, index);
        mapping->npages--;
        frame->mapping = NULL;
    }
    spin_unlock(&mapping->lock);
    if (there)
        frame_put(frame);
}

/* A page from the disk: put in LOCKED, filled, unlocked. */
static int
read_page(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **result)
{
    struct mapping *mapping = &inode->mapping;
    struct frame *frame = frame_alloc(0, FRAME_PAGE);
    if (!frame)
        return -ENOMEM;

    frame->flags = (uint8_t)((frame->flags & ~(FRAME_DIRTY | FRAME_UPTODATE)) | FRAME_LOCKED);
    spin_lock(&mapping->lock);
    struct frame *there = radix_get(&mapping->pages, index);
    if (there) {
        int error = take_frame(mapping, there, result);
        frame_put(frame);
        return error;
    }
    int error = index_frame(inode, index, hole, frame);
    spin_unlock(&mapping->lock);
    if (error) {
        frame_put(frame);
        *result = NULL;
        return error == -EFAULT && hole == PAGE_LEAVE ? 0 : error; /* the file has become shorter */
    }
    error = mapping->ops->read_page(inode, frame, index);
    unlock_frame(mapping, frame, error ? 0 : FRAME_UPTODATE);
    if (error) {
        forget_frame(mapping, index, frame);
        frame_put(frame);
        return error;
    }
    *result = frame;
    return 0;
}

int
page_find(struct inode *inode, uint64_t index, enum page_hole hole, struct frame **result)
{
    struct mapping *mapping = &inode->mapping;

    spin_lock(&mapping->lock);
    struct frame *frame = radix_get(&mapping->pages, index);
    if (frame)
        return take_frame(mapping, frame, result);
    spin_unlock(&mapping->lock);

    if (mapping->ops->read_page)
        return read_page(inode, index, hole, result);
    if (hole != PAGE_LEAVE)
        return make_page(inode, index, hole, result);
    *result = NULL;
    return 0;
}

void
page_mark_dirty(struct mapping *mapping, struct frame *frame)
{
    if (likely(!mapping->ops->write_page))
        return;
    SCOPED_SPIN(&mapping->lock);
    if (frame->mapping == mapping)
        frame->flags |= FRAME_DIRTY;
}

/* Take up to BATCH frames of [from, end) out of the index; *from moves on. Returns how many. */
static unsigned
take_batch(struct mapping *mapping, uint64_t *from, uint64_t end, struct frame **batch)
{
    unsigned n = 0;
    uint64_t index;

    SCOPED_SPIN(&mapping->lock);
    while (n < BATCH) {
        struct frame *frame = radix_next(&mapping->pages, *from, &index);
        if (!frame || index >= end)
            break;
        if (unlikely(frame->flags & FRAME_LOCKED)) {
            wait_unlocked(mapping, frame);
            continue; /* it may have gone meanwhile */
        }
        radix_del(&mapping->pages, index);
        frame->mapping = NULL;
        batch[n++] = frame;
        *from = index + 1;
    }
    mapping->npages -= n;
    return n;
}

/* Remove the pages [from, end) from the cache. */
static void
remove_pages(struct inode *inode, uint64_t from, uint64_t end)
{
    struct mapping *mapping = &inode->mapping;
    struct frame *batch[BATCH] __uninitialized;
    unsigned n;

    while ((n = take_batch(mapping, &from, end, batch))) {
        for (unsigned i = 0; i < n; i++)
            frame_put(batch[i]);
        if (mapping->ops->removed)
            mapping->ops->removed(inode, n);
        preempt_point();
    }
}

/* Zero part of a page, if the page is there. */
static void
zero_part(struct inode *inode, uint64_t index, size_t offset, size_t n)
{
    struct frame *frame;

    if (n == 0 || page_find(inode, index, PAGE_LEAVE, &frame) || !frame)
        return;
    memset((char *)frame_va(frame) + offset, 0, n);
    page_mark_dirty(&inode->mapping, frame);
    frame_put(frame);
}

void
page_truncate(struct inode *inode, uint64_t size)
{
    uint64_t first = DIV_ROUND_UP(size, PAGE_SIZE);
    size_t tail = size & PAGE_MASK;

    if (tail)
        zero_part(inode, size >> PAGE_SHIFT, tail, PAGE_SIZE - tail);
    remove_pages(inode, first, UINT64_MAX);
    pagemap_unmap(&inode->mapping, first, UINT64_MAX, true);
}

void
page_punch(struct inode *inode, uint64_t start, uint64_t end)
{
    uint64_t first = DIV_ROUND_UP(start, PAGE_SIZE), last = end >> PAGE_SHIFT;

    if (first > last) { /* inside one page */
        zero_part(inode, last, start & PAGE_MASK, end - start);
        return;
    }
    if (start & PAGE_MASK)
        zero_part(inode, start >> PAGE_SHIFT, start & PAGE_MASK, PAGE_SIZE - (start & PAGE_MASK));
    zero_part(inode, last, 0, end & PAGE_MASK);
    if (first < last) {
        remove_pages(inode, first, last);
        pagemap_unmap(&inode->mapping, first, last - first, false);
    }
}

/* Take the next unused page of [*from, end) out of the index; *from moves on. NULL: there is none near. */
static struct frame *
take_unused(struct mapping *mapping, uint64_t *from, uint64_t end)
{
    uint64_t index;

    SCOPED_SPIN(&mapping->lock);
    for (unsigned n = 0; n < BATCH; n++) {
        struct frame *frame = radix_next(&mapping->pages, *from, &index);
        if (!frame || index >= end) {
            *from = end;
            break;
        }
        *from = index + 1;
        /* With the lock held none takes a reference to a frame of the index. */
        if (__atomic_load_n(&frame->refs, __ATOMIC_ACQUIRE) != 1 ||
            !mem_is_zero(frame_va(frame), PAGE_SIZE))
            continue;
        radix_del(&mapping->pages, index);
        frame->mapping = NULL;
        mapping->npages--;
        return frame;
    }
    return NULL;
}

void
page_give_back(struct inode *inode, uint64_t from, uint64_t end)
{
    struct mapping *mapping = &inode->mapping;

    while (from < end) {
        struct frame *frame = take_unused(mapping, &from, end);
        if (frame) {
            frame_put(frame);
            if (mapping->ops->removed)
                mapping->ops->removed(inode, 1);
        }
        preempt_point();
    }
}

void
page_evict(struct inode *inode)
{
    assert(maplist_empty(&inode->mapping.maps));
    remove_pages(inode, 0, UINT64_MAX);
}

/* The first dirty frame of [*from, end), now LOCKED and counted; *from moves on. NULL: none. */
static struct frame *
take_dirty(struct mapping *mapping, uint64_t *from, uint64_t end)
{
    uint64_t index;
    struct frame *frame;

    SCOPED_SPIN(&mapping->lock);
    while ((frame = radix_next(&mapping->pages, *from, &index)) && index < end) {
        if (frame->flags & FRAME_LOCKED) {
            wait_unlocked(mapping, frame);
            continue;
        }
        *from = index + 1;
        if (frame->flags & FRAME_DIRTY) {
            frame->flags = (uint8_t)((frame->flags & ~FRAME_DIRTY) | FRAME_LOCKED);
            frame_get(frame);
            return frame;
        }
    }
    return NULL;
}

int
page_sync(struct inode *inode, uint64_t start, uint64_t end)
{
    struct mapping *mapping = &inode->mapping;
    uint64_t from = start >> PAGE_SHIFT, past = (end >> PAGE_SHIFT) + ((end & PAGE_MASK) != 0);
    int first_error = 0;
    struct frame *frame;

    if (!mapping->ops->write_page)
        return 0;
    while ((frame = take_dirty(mapping, &from, past))) {
        int error = mapping->ops->write_page(inode, frame, frame->index);
        unlock_frame(mapping, frame, error ? FRAME_DIRTY : 0);
        frame_put(frame);
        if (error && !first_error)
            first_error = error;
    }
    return first_error;
}

/* The first page at or after *index, and before `past`, that is there, or is not. False: none is. */
static bool
seek_page(struct mapping *mapping, uint64_t *index, uint64_t past, bool hole)
{
    if (!hole) {
        SCOPED_SPIN(&mapping->lock);
        return radix_next(&mapping->pages, *index, index) && *index < past;
    }
    while (*index < past) {
        uint64_t end = min(past, *index + PAGES_SOUGHT_AT_ONCE);
        spin_lock(&mapping->lock);
        int full = radix_next_free(&mapping->pages, *index, end - 1, index);
        spin_unlock(&mapping->lock);
        if (!full)
            return true;
        *index = end;
        preempt_point();
    }
    return false;
}

int64_t
page_seek(struct inode *inode, int64_t offset, bool hole)
{
    int64_t size = (int64_t)__atomic_load_n(&inode->size, __ATOMIC_ACQUIRE);
    uint64_t index = (uint64_t)offset >> PAGE_SHIFT;
    uint64_t past = DIV_ROUND_UP((uint64_t)size, PAGE_SIZE);

    if (!seek_page(&inode->mapping, &index, past, hole))
        return hole ? size : -ENXIO;
    return max(offset, (int64_t)(index << PAGE_SHIFT));
}
