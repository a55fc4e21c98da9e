/*
 * Devices by number, and the opening of special files.
 *
 * Devices are registered at boot or when found, and never go, so a device
 * found under the lock may be used without it.
 */
#include "vfs/device.h"

#include "arch/riscv/spinlock.h"
#include "vfs/inode.h"

void (*device_added)(struct device *device);
const struct file_ops *fifo_file_ops;

static struct spinlock devices_lock = SPINLOCK_INIT("devices");
static struct list devices = LIST_INIT(devices);

void
device_register(struct device *device)
{
    spin_lock(&devices_lock);
    list_add_tail(&devices, &device->link);
    spin_unlock(&devices_lock);
    if (device_added)
        device_added(device);
}

struct device *
device_find(uint32_t type, uint64_t rdev)
{
    SCOPED_SPIN(&devices_lock);
    struct device *device;
    LIST_FOREACH(device, &devices, link)
        if (device->rdev == rdev && (device->mode & S_IFMT) == type)
            return device;
    return NULL;
}

void
device_foreach(void (*fn)(void *ctx, struct device *device), void *ctx)
{
    SCOPED_SPIN(&devices_lock);
    struct device *device;
    LIST_FOREACH(device, &devices, link)
        fn(ctx, device);
}

/* Hand a file that is being opened over to the driver of its inode's number. */
static int
open_special(struct inode *inode, struct file *file)
{
    struct device *device = device_find(inode->mode & S_IFMT, inode->rdev);
    if (!device)
        return -ENXIO;
    file->ops = device->ops;
    file->private = device;
    return device->ops->open ? device->ops->open(inode, file) : 0;
}

const struct file_ops chrdev_file_ops = {.open = open_special};
const struct file_ops blkdev_file_ops = {.open = open_special};
