/*
 * Files without names: pipes, sockets, eventfds and their kin.
 *
 * Each has an inode and a dentry like any file, but the dentry is loose: in
 * no directory, its own parent, its name a constant. They belong to a pseudo
 * file system that is mounted nowhere.
 */
#include "arch/riscv/panic.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/file.h"
#include "vfs/fileinit.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/mounttree.h"

#define ANON_INODE_FS_MAGIC 0x09041934 /* linux/magic.h */

static struct slab_cache *inode_cache;

static void
free_inode(struct inode *inode)
{
    slab_free(inode_cache, inode);
}

static const struct superblock_ops anon_ops = {.free_inode = free_inode};
static const struct fs_type anon_type = {.name = "anon_inodefs", .nodev = true};
static const struct inode_ops anon_inode_ops;

struct superblock anon_superblock = {
    .refs = REF_INIT(1),
    .magic = ANON_INODE_FS_MAGIC,
    .block_size = PAGE_SIZE,
    .max_size = INT64_MAX,
    .next_ino = 1,
    .type = &anon_type,
    .ops = &anon_ops,
    .rename_lock = MUTEX_INIT(anon_superblock.rename_lock, "rename"),
    .mounts = LIST_INIT(anon_superblock.mounts),
};

static struct mount anon_mount = {
    .refs = REF_INIT(1), /* never put */
    .sb = &anon_superblock,
    .parent = &anon_mount,
    .flags = MOUNT_INTERNAL,
    .source = "anon_inodefs",
};

static uint32_t
mode_for(const char *name)
{
    if (strcmp(name, "pipe") == 0)
        return S_IFIFO | 0600;
    if (strcmp(name, "socket") == 0)
        return S_IFSOCK | 0777;
    return 0600;
}

/* By /proc/PID/fd/N there is no second way in, but to a pipe, which has operations of its own. */
static int
no_second_open(struct inode *inode __unused, struct file *file __unused)
{
    return -ENXIO;
}

static const struct file_ops no_second_ops = {.open = no_second_open};

/* A loose dentry with a fresh inode; NULL: memory is out. */
static struct dentry *
make_dentry(const char *name)
{
    struct inode *inode = slab_alloc_zeroed(inode_cache);
    if (!inode)
        return NULL;
    struct dentry *dentry = d_alloc_loose(&anon_superblock, name);
    if (!dentry) {
        slab_free(inode_cache, inode);
        return NULL;
    }
    inode_init(inode, &anon_superblock, NULL, mode_for(name), 0);
    inode->ops = &anon_inode_ops;
    inode->file_ops = &no_second_ops;
    dentry->inode = inode;
    return dentry;
}

/* An open file on a loose path, whose references it takes over on success. */
static int
make_file(const struct path *path, const struct file_ops *ops, void *private, uint32_t access,
          uint32_t flags, struct file **result)
{
    struct file *file = file_alloc(path, access, flags);
    if (is_err(file))
        return (int)ptr_err(file);
    file->ops = ops;
    file->private = private;
    *result = file;
    return 0;
}

int
file_anonymous(const char *name, const struct file_ops *ops, void *private, uint32_t access,
               uint32_t flags, struct file **file)
{
    struct dentry *dentry = make_dentry(name);
    if (!dentry)
        return -ENOMEM;
    struct path path = {&anon_mount, dentry};
    mount_get(&anon_mount);
    int error = make_file(&path, ops, private, access, flags, file);
    if (error)
        path_put(&path);
    return error;
}

int
file_anonymous_like(const struct file *first, const struct file_ops *ops, void *private,
                    uint32_t access, uint32_t flags, struct file **file)
{
    struct path path = first->path;
    path_get(&path);
    int error = make_file(&path, ops, private, access, flags, file);
    if (error)
        path_put(&path);
    return error;
}

void
anon_init(void)
{
    inode_cache = slab_cache_create("anon_inode", sizeof(struct inode), 0);
    anon_superblock.dev = dev_make(0, 1023);
    anon_mount.root = d_alloc_loose(&anon_superblock, "/");
    if (!anon_mount.root)
        panic("no memory for the root of files without names");
    list_init(&anon_mount.link);
}
