/*
 * devtmpfs: a tmpfs in which every registered device has its node.
 *
 * There is one tree of it, however often it is mounted. It is made at the
 * first mount, with a node for each device that is registered by then;
 * devices that come later are added as they come. Beyond that it is a tmpfs:
 * programs may make, change and remove what they like.
 */
#include "arch/riscv/klog.h"
#include "fs/devtmpfs.h"
#include "lib/path.h"
#include "mem/slab.h"
#include "vfs/device.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

#define MAX_FIRST 256 /* devices that the first mount can show */

static struct mutex devtmpfs_lock = MUTEX_INIT(devtmpfs_lock, "devtmpfs");
static struct superblock *devtmpfs_sb; /* devtmpfs_lock to write */

/*
 * Make a node (a directory, if mode says so) called name in dir, unless there
 * is one. *result has a reference. The caller holds no lock of dir.
 */
static int
make_node(struct dentry *dir, const struct path_component *c, uint32_t mode, uint64_t rdev,
          struct dentry **result)
{
    SCOPED_LOCK(&dir->inode->lock);
    struct dentry *dentry;
    int error = lookup_one(dir, c->name, c->len, &dentry);
    if (error)
        return error;
    if (!dentry->inode) {
        const struct inode_ops *ops = dir->inode->ops;
        error = S_ISDIR(mode) ? ops->mkdir(dir->inode, dentry, mode)
                              : ops->mknod(dir->inode, dentry, mode, rdev);
    }
    if (error)
        dentry_put(dentry);
    else
        *result = dentry;
    return error;
}

/* Make a device's node, and the directories above it. */
static int
add_device(const struct device *device)
{
    struct path_iter it = path_iter(device->name);
    struct path_component c;
    struct dentry *at = devtmpfs_sb->root;
    dentry_get(at);
    int error = 0;
    while (!error && path_next(&it, &c) > 0) {
        struct dentry *next = NULL;
        if (c.last)
            error = make_node(at, &c, device->mode, device->rdev, &next);
        else
            error = make_node(at, &c, S_IFDIR | 0755, 0, &next);
        dentry_put(at);
        at = next;
    }
    if (at)
        dentry_put(at);
    if (error)
        pr_warn("devtmpfs: no node for %s (error %d)", device->name, error);
    return error;
}

static void
device_came(struct device *device)
{
    SCOPED_LOCK(&devtmpfs_lock);
    if (devtmpfs_sb)
        add_device(device);
}

struct device_array {
    struct device **devices;
    size_t n;
};

/* Under the list's spinlock: only note the device. */
static void
note_device(void *ctx, struct device *device)
{
    struct device_array *array = ctx;
    if (array->n < MAX_FIRST)
        array->devices[array->n++] = device;
}

/* Make the tree. devtmpfs_lock held. */
static int
populate(const struct fs_type *type)
{
    struct device_array array = {.devices = kmalloc(MAX_FIRST * sizeof(struct device *))};
    if (!array.devices)
        return -ENOMEM;
    struct superblock *sb = fs_find("tmpfs")->mount(type, 0, "devtmpfs", "mode=0755");
    if (is_err(sb)) {
        kmfree(array.devices);
        return (int)ptr_err(sb);
    }
    devtmpfs_sb = sb; /* this reference keeps it for ever */
    device_foreach(note_device, &array);
    for (size_t i = 0; i < array.n; i++)
        add_device(array.devices[i]);
    kmfree(array.devices);
    return 0;
}

static struct superblock *
devtmpfs_mount(const struct fs_type *type, uint64_t flags __unused, const char *source __unused,
               const char *options __unused)
{
    SCOPED_LOCK(&devtmpfs_lock);
    int error = devtmpfs_sb ? 0 : populate(type);
    if (error)
        return err_ptr(error);
    ref_get(&devtmpfs_sb->refs);
    return devtmpfs_sb;
}

void
devtmpfs_init(void)
{
    static struct fs_type type = {.name = "devtmpfs", .nodev = true, .mount = devtmpfs_mount};
    fs_register(&type);
    device_added = device_came;
}
