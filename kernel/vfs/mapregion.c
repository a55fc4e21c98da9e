/*
 * Files mapped into memory: the page cache as a region's object.
 *
 * The object is the struct file. A fault asks get_frame() for a page, with
 * the address space's lock held; so nothing here takes an inode's lock, whose
 * holder may itself be waiting for that address space. What a fault and a
 * truncation do at once is put in order by the size and the address space's
 * lock: truncation lowers the size, removes the pages, and then unmaps them
 * from each address space; a fault that saw the old size has mapped its page
 * by the time truncation gets the lock.
 */
#include <linux/fs.h>
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/file.h"
#include "vfs/inode.h"
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

    if (beyond_end(inode, pgoff) || (write && !seals_allow_fault(inode)))
        return -EFAULT;
    int error = page_find(inode, pgoff, true, &frame);
    if (error)
        return error == -ENOMEM ? -ENOMEM : -EFAULT;
    if (beyond_end(inode, pgoff)) {
        frame_put(frame);
        return -EFAULT;
    }
    if (write && ops->read_page && ops->prepare_write && !(frame->flags & FRAME_DIRTY)) {
        error = ops->prepare_write(inode, pgoff);
        if (error) {
            frame_put(frame);
            return -EFAULT;
        }
    }
    if (write)
        page_mark_dirty(frame);
    *result = frame;
    return 0;
}

static unsigned
get_run(void *object, uint64_t pgoff, unsigned n, struct frame **run)
{
    return page_find_run(((struct file *)object)->inode, pgoff, n, run);
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

static void
attach(void *object, struct region *region)
{
    struct mapping *mapping = &((struct file *)object)->inode->mapping;
    SCOPED_SPIN(&mapping->lock);
    list_add_tail(&mapping->regions, &region->object_link);
}

static void
detach(void *object, struct region *region)
{
    struct mapping *mapping = &((struct file *)object)->inode->mapping;
    SCOPED_SPIN(&mapping->lock);
    list_del(&region->object_link);
}

static int
sync_object(void *object, uint64_t pgoff, uint64_t npages)
{
    return page_sync(((struct file *)object)->inode, pgoff << PAGE_SHIFT,
                     (pgoff + npages) << PAGE_SHIFT);
}

static bool
resident(void *object, uint64_t pgoff)
{
    struct frame *frame;
    if (page_find_run(((struct file *)object)->inode, pgoff, 1, &frame) == 0)
        return false;
    frame_put(frame);
    return true;
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

const struct region_ops page_region_ops = {
    .get_frame = get_frame,
    .get_run = get_run,
    .get = get_object,
    .put = put_object,
    .attach = attach,
    .detach = detach,
    .sync = sync_object,
    .resident = resident,
    .name = object_name,
    .identity = identity,
};

/* For files whose pages are nowhere but here: nobody need know which have been written. */
const struct region_ops page_memory_region_ops = {
    .get_frame = get_frame,
    .get_run = get_run,
    .get = get_object,
    .put = put_object,
    .attach = attach,
    .detach = detach,
    .resident = resident,
    .name = object_name,
    .identity = identity,
};

/* The first region in the list, now the last, and its address space, kept alive. False: dying. */
static bool
next_mapper(struct mapping *mapping, struct vmspace **vm, void **object)
{
    SCOPED_SPIN(&mapping->lock);
    struct list *link = list_first(&mapping->regions);
    if (!link)
        return false;
    list_move_tail(&mapping->regions, link);
    struct region *region = LIST_ENTRY(link, struct region, object_link);
    *vm = region->vm;
    *object = region->object;
    return vm_tryget(region->vm);
}

void
pagemap_unmap(struct mapping *mapping, uint64_t first, uint64_t npages)
{
    spin_lock(&mapping->lock);
    size_t nregions = list_length(&mapping->regions);
    spin_unlock(&mapping->lock);

    /*
     * Going round as often as there are regions now reaches each that is there now,
     * whatever comes and goes: those already seen and new ones are behind the rest.
     */
    for (; nregions > 0; nregions--) {
        struct vmspace *vm;
        void *object;
        if (!next_mapper(mapping, &vm, &object))
            continue;
        vm_unmap_object(vm, object, first, npages);
        vm_put(vm);
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
