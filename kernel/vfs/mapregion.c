/*
 * Files mapped into memory: the page cache as a region's object.
 *
 * The object is the struct file. A fault asks get_frame() for a page, with
 * the address space's lock held; so nothing here takes an inode's lock, whose
 * holder may itself be waiting for that address space.
 *
 * Locks are taken in this order:
 *
 *      inode->lock       size; one truncation of the file at a time
 *      vm->lock          regions and tree of one address space
 *      mapping->lock     the index of pages, and the list of regions (maplist.h)
 *
 * Truncation against faults. Truncation lowers the size, takes the pages out of the
 * index, and then unmaps them from each address space. A fault looks at the size
 * with vm->lock held, and at the index under mapping->lock. So either it sees
 * the new size, or it has mapped its page when truncation gets vm->lock; and a page
 * that it makes is put in while the size allows it, or not at all (page_find()).
 *
 * Truncation against changes of regions, and their end. The list is read under
 * mapping->lock, the region's pages are unmapped under vm->lock, and the order of the
 * two is the other way round. So between them nothing is kept but the address space,
 * by vm_hold(): its structure and lock, not what is in it. Under its lock the list
 * is asked again, and a region found now that belongs to it stays while the lock is
 * held, for regions are listed and taken off by holders of their vm->lock only. An address
 * space that ends takes its own lock before it frees its tree, and its regions off
 * the list before the lock is let go (vm/vmspace.c): there is nothing to be found for
 * those that were waiting for it. What comes or changes between two steps is maplist.h's subject.
 *
 * The object of a listed region is kept by the region until it is off the list.
 */
#include <linux/fs.h>
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/maplist.h"
#include "vfs/mount.h"
#include "vfs/pagemap.h"
#include "vfs/seals.h"

static bool
beyond_end(const struct inode *inode, uint64_t pgoff)
{
    uint64_t size = __atomic_load_n(&inode->size, __ATOMIC_ACQUIRE);
    return pgoff >= DIV_ROUND_UP(size, PAGE_SIZE);
}

static int
get_frame(void *object, uint64_t pgoff, bool write, struct frame **result)
{
    struct inode *inode = ((struct file *)object)->inode;
    const struct mapping_ops *ops = inode->mapping.ops;
    struct frame *frame;

    if (beyond_end(inode, pgoff))
        return -EFAULT;
    int error = page_find(inode, pgoff, PAGE_MAKE_WITHIN, &frame);
    if (error)
        return error == -ENOMEM ? -ENOMEM : -EFAULT;
    if (write && ops->read_page && ops->prepare_write && !(frame->flags & FRAME_DIRTY)) {
        error = ops->prepare_write(inode, pgoff);
        if (error) {
            frame_put(frame);
            return -EFAULT;
        }
    }
    if (write)
        page_mark_dirty(&inode->mapping, frame);
    *result = frame;
    return 0;
}

static unsigned
get_run(void *object, uint64_t pgoff, unsigned n, struct frame **run)
{
    struct inode *inode = ((struct file *)object)->inode;
    uint64_t size = __atomic_load_n(&inode->size, __ATOMIC_ACQUIRE);
    uint64_t past = DIV_ROUND_UP(size, PAGE_SIZE);

    /* fallocate() may have made pages beyond the end. */
    return pgoff < past ? page_find_run(inode, pgoff, (unsigned)min((uint64_t)n, past - pgoff), run)
                        : 0;
}

static void
get_object(void *object)
{
    file_get(object);
}

static void
put_object(void *object)
{
    file_put(object);
}

static struct mapping *
mapping_of(void *object)
{
    return &((struct file *)object)->inode->mapping;
}

static void
attach(void *object, struct region *region)
{
    struct mapping *mapping = mapping_of(object);
    SCOPED_SPIN(&mapping->lock);
    maplist_add(&mapping->maps, region);
}

static void
detach(void *object, struct region *region)
{
    struct mapping *mapping = mapping_of(object);
    SCOPED_SPIN(&mapping->lock);
    maplist_remove(&mapping->maps, region);
}

static void
moved(void *object, struct region *region)
{
    struct mapping *mapping = mapping_of(object);
    SCOPED_SPIN(&mapping->lock);
    maplist_moved(&mapping->maps, region);
}

/* A pass that begins while this looks finds the copy, too: it is listed later, with a lower number. */
static void
settle(void *object, struct region *region)
{
    struct mapping *mapping = mapping_of(object);
    struct maplist pass;

    if (likely(!__atomic_load_n(&mapping->maps.passing, __ATOMIC_RELAXED)))
        return;
    spin_lock(&mapping->lock);
    pass = mapping->maps;
    bool waits = maplist_waits(&mapping->maps, region);
    if (waits)
        maplist_dealt(&mapping->maps, region);
    spin_unlock(&mapping->lock);
    if (waits)
        region_unmap_pages(region, pass.first, pass.last, pass.copies);
}

static int
admit(void *object, uint32_t *flags)
{
    return seals_admit_map(((struct file *)object)->inode, flags);
}

static void
dismiss(void *object, uint32_t flags)
{
    struct mapping *mapping = mapping_of(object);
    if (!maplist_may_write(flags))
        return;
    SCOPED_SPIN(&mapping->lock);
    mapping->maps.nwritable--;
}

static int
sync_object(void *object, uint64_t pgoff, uint64_t npages)
{
    return page_sync(((struct file *)object)->inode, pgoff << PAGE_SHIFT,
                     (pgoff + npages) << PAGE_SHIFT);
}

static bool
next_resident(void *object, uint64_t *pgoff)
{
    const struct inode *inode = ((struct file *)object)->inode;
    return page_next(mapping_of(object), pgoff) && !beyond_end(inode, *pgoff);
}

/* Those who could write to the file could find out all the same. */
static bool
may_tell(void *object)
{
    struct inode *inode = ((struct file *)object)->inode;
    return inode_owned(inode) || inode_permission(inode, MAY_WRITE) == 0;
}

static ssize_t
object_name(void *object, char *buf, size_t size)
{
    const struct file *file = object;
    const char *name = path_name(&file->path, buf, size);
    if (is_err(name))
        return ptr_err(name);
    size_t length = strlen(name);
    memmove(buf, name, length + 1);
    return (ssize_t)length;
}

static void
identity(void *object, uint64_t *dev, uint64_t *ino)
{
    const struct file *file = object;
    *dev = file->inode->sb->dev;
    *ino = file->inode->ino;
}

static uint64_t
serial(void *object)
{
    return mapping_of(object)->serial;
}

const struct region_ops page_region_ops = {
    .get_frame = get_frame,
    .get_run = get_run,
    .get = get_object,
    .put = put_object,
    .attach = attach,
    .detach = detach,
    .moved = moved,
    .settle = settle,
    .admit = admit,
    .dismiss = dismiss,
    .sync = sync_object,
    .next_resident = next_resident,
    .may_tell = may_tell,
    .name = object_name,
    .identity = identity,
    .serial = serial,
};

/* For files whose pages are nowhere but here: nobody need know which have been written. */
const struct region_ops page_memory_region_ops = {
    .get_frame = get_frame,
    .get_run = get_run,
    .get = get_object,
    .put = put_object,
    .attach = attach,
    .detach = detach,
    .moved = moved,
    .settle = settle,
    .admit = admit,
    .dismiss = dismiss,
    .next_resident = next_resident,
    .may_tell = may_tell,
    .name = object_name,
    .identity = identity,
    .serial = serial,
};

/* Regions dealt with before the lock of their address space is let go for a moment. */
#define REGIONS_AT_ONCE 64
/* Regions put back on the list in one hold of its lock. */
#define RELIST_AT_ONCE 64

/*
 * Go on to the address space of the first region that waits; *vm is the one that is
 * held and locked, and becomes the next. True: *region is one of *vm's, not yet
 * listed as dealt with before, and to be emptied. False: *vm has changed, ask again, or
 * it is NULL and there is no more.
 */
static bool
next_step(struct mapping *mapping, struct vmspace **vm, struct region **result)
{
    struct vmspace *old = *vm;

    spin_lock(&mapping->lock);
    struct region *region = maplist_next(&mapping->maps);
    if (region && region->vm == old) {
        maplist_dealt(&mapping->maps, region);
        spin_unlock(&mapping->lock);
        *result = region;
        return true;
    }
    *vm = region ? region->vm : NULL;
    if (*vm)
        vm_hold(*vm);
    spin_unlock(&mapping->lock);
    if (old) {
        mutex_unlock(&old->lock);
        vm_release(old);
    }
    preempt_point();
    if (*vm)
        mutex_lock(&(*vm)->lock);
    return false;
}

void
pagemap_unmap(struct mapping *mapping, uint64_t first, uint64_t npages, bool copies)
{
    uint64_t last = npages > UINT64_MAX - first ? UINT64_MAX : first + npages - 1;
    struct vmspace *vm = NULL;
    struct region *region;
    unsigned nregions = 0;

    spin_lock(&mapping->lock);
    bool mapped = !maplist_empty(&mapping->maps);
    if (mapped)
        maplist_begin(&mapping->maps, first, last, copies);
    spin_unlock(&mapping->lock);
    if (!mapped)
        return;

    do {
        if (!next_step(mapping, &vm, &region))
            continue;
        region_unmap_pages(region, first, last, copies);
        if (++nregions % REGIONS_AT_ONCE == 0) {
            mutex_unlock(&vm->lock);
            preempt_point();
            mutex_lock(&vm->lock);
        }
    } while (vm);

    for (bool more = true; more; preempt_point()) {
        SCOPED_SPIN(&mapping->lock);
        more = !maplist_end(&mapping->maps, RELIST_AT_ONCE);
    }
}

int
page_file_mmap(struct file *file, struct map_request *request)
{
    bool disk = file->inode->mapping.ops->write_page;
    request->ops = disk ? &page_region_ops : &page_memory_region_ops;
    request->object = file;
    file_accessed(file);
    return 0;
}

int
page_file_fsync(struct file *file, uint64_t start, uint64_t end, bool data_only)
{
    return page_sync(file->inode, start, end);
}
