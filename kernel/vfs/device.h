/*
 * Devices by number: what opening a character or block special file reaches,
 * and what devtmpfs shows.
 */
#ifndef QUIRE_VFS_DEVICE_H
#define QUIRE_VFS_DEVICE_H

#include "lib/list.h"
#include "lib/types.h"
#include "vfs/file.h"

struct device {
    const char *name;   /* in /dev; may hold a slash: "input/event0" */
    uint32_t mode;      /* S_IFCHR or S_IFBLK, and permissions */
    uint64_t rdev;      /* dev_make(major, minor) */
    const struct file_ops *ops;
    void *private;      /* the driver's; file_ops find it through device_of(file) */
    struct list link;
};

/* Register a device (static or allocated for ever); devtmpfs shows it from now on. */
void device_register(struct device *device);
/* The device of a type (S_IFCHR, S_IFBLK) and number; NULL if there is none. */
struct device *device_find(uint32_t type, uint64_t rdev);
/* Called under the list's lock for each device; for devtmpfs and /proc/devices. */
void device_foreach(void (*fn)(void *ctx, struct device *device), void *ctx);
/* devtmpfs sets this to be told of devices that come later. */
extern void (*device_added)(struct device *device);
/*
 * Opening a special file: file_ops.open of special inodes finds the device and
 * replaces file->ops by its ops, file->private by the device, then calls its open.
 */
extern const struct file_ops chrdev_file_ops, blkdev_file_ops;
/*
 * What an open of a FIFO uses (inode_init_special); defined beside the two
 * above as NULL, and filled in by fs/pipe.c at boot.
 */
extern const struct file_ops *fifo_file_ops;
/* The device behind a file opened through the two above (unless its driver changed file->private). */
static inline struct device *
device_of(const struct file *file)
{
    return file->private;
}

#endif
