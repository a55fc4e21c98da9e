/*
 * tmpfs's superblocks: options, limits, statistics; and files without names.
 */
#include <asm/statfs.h>
#include <linux/magic.h>
#include "arch/riscv/panic.h"
#include "fs/tmpfs.h"
#include "fs/tmpfs_super.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/file.h"


#define DEFAULT_MODE 01777
#define MODE_RAMFS 0755
#define LONGEST_OPTION 64

static struct mount *nameless; /* where files without names live */

static uint64_t
half_of_ram(void)
{
    return nframes_ram / 2;
}

static bool
parse_octal(const char *text, uint32_t *value)
{
    uint32_t n = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '7')
            return false;
        n = n * 8 + (uint32_t)(*text - '0');
    }
    *value = n & 07777;
    return true;
}

static bool
parse_id(const char *text, uint32_t *value)
{
    uint64_t n;
    if (parse_u64(text, &n) || n >= UINT32_MAX)
        return false;
    *value = (uint32_t)n;
    return true;
}

/* size=: bytes, rounded up to pages, or a share of RAM. */
static bool
parse_size(const char *text, uint64_t *npages)
{
    const char *end;
    uint64_t n;

    if (parse_number(text, &end, &n))
        return false;
    if (*end == '%') {
        end++;
        *npages = nframes_ram * n / 100;
    } else {
        *npages = (n >> PAGE_SHIFT) + ((n & PAGE_MASK) != 0);
    }
    return !*end;
}

/* One option NAME or NAME=VALUE; those of Linux that have no meaning here are taken silently. */
static bool
parse_option(struct tmpfs *fs, char *option)
{
    char *value = strchr(option, '=');

    if (value)
        *value++ = '\0';
    if (strcmp(option, "inode64") == 0 || strcmp(option, "inode32") == 0 ||
        strcmp(option, "noswap") == 0 || strcmp(option, "huge") == 0 || strcmp(option, "mpol") == 0)
        return true;
    if (!value)
        return false;
    if (strcmp(option, "size") == 0)
        return parse_size(value, &fs->pages.most);
    if (strcmp(option, "nr_blocks") == 0)
        return parse_u64(value, &fs->pages.most) == 0;
    if (strcmp(option, "nr_inodes") == 0) {
        const char *end;
        return parse_number(value, &end, &fs->inodes.most) == 0 && !*end;
    }
    if (strcmp(option, "mode") == 0)
        return parse_octal(value, &fs->mode);
    if (strcmp(option, "uid") == 0)
        return parse_id(value, &fs->uid);
    if (strcmp(option, "gid") == 0)
        return parse_id(value, &fs->gid);
    return false;
}

static int
parse_options(struct tmpfs *fs, const char *options)
{
    char option[LONGEST_OPTION];

    while (options && *options) {
        size_t n = strcspn(options, ",");
        if (n >= sizeof(option))
            return -EINVAL;
        memcpy(option, options, n);
        option[n] = '\0';
        if (n > 0 && !parse_option(fs, option))
            return -EINVAL;
        options += n;
        options += *options == ',';
    }
    return 0;
}

static int
tmpfs_statfs(struct superblock *sb, struct statfs64 *st)
{
    const struct tmpfs *fs = tmpfs_of(sb);
    uint64_t pages = __atomic_load_n(&fs->pages.used, __ATOMIC_RELAXED);
    uint64_t inodes = __atomic_load_n(&fs->inodes.used, __ATOMIC_RELAXED);

    if (fs->pages.most) {
        st->f_blocks = fs->pages.most;
        st->f_bfree = st->f_bavail = fs->pages.most - min(pages, fs->pages.most);
    }
    if (fs->inodes.most) {
        st->f_files = fs->inodes.most;
        st->f_ffree = fs->inodes.most - min(inodes, fs->inodes.most);
    }
    return 0;
}

static int
tmpfs_remount(struct superblock *sb, uint64_t flags, const char *options)
{
    struct tmpfs *fs = tmpfs_of(sb);
    struct tmpfs next = *fs;
    int error = parse_options(&next, options);

    if (error)
        return error;
    /* Where nothing was limited nothing becomes so, as on Linux. */
    if ((next.pages.most && !fs->pages.most) || (next.inodes.most && !fs->inodes.most))
        return -EINVAL;
    if ((next.pages.most && next.pages.most < fs->pages.used) ||
        (next.inodes.most && next.inodes.most < fs->inodes.used))
        return -EINVAL;
    fs->pages.most = next.pages.most;
    fs->inodes.most = next.inodes.most;
    return 0;
}

static int
tmpfs_show_options(struct superblock *sb, char *buf, size_t size)
{
    const struct tmpfs *fs = tmpfs_of(sb);
    int n = 0;

    if (size > 0)
        buf[0] = '\0';
    if (fs->pages.most && fs->pages.most != half_of_ram())
        n += scnprintf(buf + n, size - (size_t)n, ",size=%luk",
                       fs->pages.most << (PAGE_SHIFT - 10));
    if (fs->inodes.most && fs->inodes.most != half_of_ram())
        n += scnprintf(buf + n, size - (size_t)n, ",nr_inodes=%lu", fs->inodes.most);
    if (fs->pages.most && fs->mode != DEFAULT_MODE)
        n += scnprintf(buf + n, size - (size_t)n, ",mode=%03o", fs->mode);
    if (fs->uid)
        n += scnprintf(buf + n, size - (size_t)n, ",uid=%u", fs->uid);
    if (fs->gid)
        n += scnprintf(buf + n, size - (size_t)n, ",gid=%u", fs->gid);
    return n;
}

/* rootfs is shown plain, as Linux shows it. */
static int
show_nothing(struct superblock *sb, char *buf, size_t size)
{
    if (size > 0)
        buf[0] = '\0';
    return 0;
}

static void
tmpfs_unmount(struct superblock *sb)
{
    kmfree(sb->private);
}

static const struct superblock_ops tmpfs_ops = {
    .free_inode = tmpfs_free_inode,
    .evict = tmpfs_evict,
    .statfs = tmpfs_statfs,
    .unmount = tmpfs_unmount,
    .remount = tmpfs_remount,
    .show_options = tmpfs_show_options,
};

static const struct superblock_ops rootfs_ops = {
    .free_inode = tmpfs_free_inode,
    .evict = tmpfs_evict,
    .statfs = tmpfs_statfs,
    .unmount = tmpfs_unmount,
    .remount = tmpfs_remount,
    .show_options = show_nothing,
};

static int
make_root(struct superblock *sb)
{
    const struct tmpfs *fs = tmpfs_of(sb);
    struct inode *inode;
    int error = tmpfs_new_inode(sb, NULL, S_IFDIR | fs->mode, 0, &inode);
    if (error)
        return error;
    inode->uid = fs->uid;
    inode->gid = fs->gid;
    sb->root = d_alloc_root(sb, inode);
    if (!sb->root) {
        inode_put(inode);
        return -ENOMEM;
    }
    return 0;
}

/* A superblock of type with the limits in `start`, as options change them. */
static struct superblock *
make(const struct fs_type *type, const struct superblock_ops *ops, uint64_t magic,
     const struct tmpfs *start, const char *options)
{
    struct superblock *sb = superblock_alloc(type);
    struct tmpfs *fs = kmalloc(sizeof(*fs));
    int error = sb && fs ? 0 : -ENOMEM;

    if (!error) {
        *fs = *start;
        sb->private = fs;
        sb->ops = ops;
        sb->magic = magic;
        sb->complete = true;
        error = parse_options(fs, options);
    }
    if (!error)
        error = make_root(sb);
    if (error) {
        kmfree(fs);
        kmfree(sb);
        return err_ptr(error);
    }
    return sb;
}

static struct superblock *
tmpfs_mount(const struct fs_type *type, uint64_t flags, const char *source, const char *options)
{
    struct tmpfs start = {
        .pages.most = half_of_ram(),
        .inodes.most = half_of_ram(),
        .mode = DEFAULT_MODE,
        .xattrs = true,
        .uid = current_cred()->fsuid,
        .gid = current_cred()->fsgid,
    };
    return make(type, &tmpfs_ops, TMPFS_MAGIC, &start, options);
}

static struct superblock *
ramfs_mount(const struct fs_type *type, uint64_t flags, const char *source, const char *options)
{
    struct tmpfs start = {.mode = MODE_RAMFS};
    return make(type, &tmpfs_ops, RAMFS_MAGIC, &start, options);
}

static struct superblock *
rootfs_mount(const struct fs_type *type, uint64_t flags, const char *source, const char *options)
{
    struct tmpfs start = {
        .pages.most = half_of_ram(),
        .inodes.most = half_of_ram(),
        .mode = MODE_RAMFS,
        .xattrs = true,
    };
    return make(type, &rootfs_ops, TMPFS_MAGIC, &start, NULL);
}

int
tmpfs_nameless(const char *name, uint64_t size, uint32_t flags, struct file **file)
{
    struct inode *inode;
    size_t length = strlen(name);

    if (length > NAME_MAX)
        return -ENAMETOOLONG;
    int error = tmpfs_new_inode(nameless->sb, NULL, S_IFREG | 0777, 0, &inode);
    if (error)
        return error;
    inode->nlink = 0;
    inode->size = size;
    struct path path = {nameless, d_alloc(nameless->root, name, length)};
    if (!path.dentry) {
        inode_put(inode);
        return -ENOMEM;
    }
    path.dentry->inode = inode;
    mount_get(path.mount);
    error = vfs_open_path(&path, O_RDWR | flags, true, file);
    path_put(&path);
    return error;
}

void
tmpfs_super_init(void)
{
    static struct fs_type tmpfs = {.name = "tmpfs", .nodev = true, .mount = tmpfs_mount};
    static struct fs_type ramfs = {.name = "ramfs", .nodev = true, .mount = ramfs_mount};
    static struct fs_type rootfs = {.name = "rootfs", .nodev = true, .mount = rootfs_mount};

    fs_register(&tmpfs);
    fs_register(&ramfs);
    fs_register(&rootfs);
    nameless = mount_internal("ramfs");
    if (is_err(nameless))
        panic("no memory for files without names");
    /* A ramfs without limits, but a memfd's file system is a tmpfs. */
    nameless->sb->magic = TMPFS_MAGIC;
    tmpfs_of(nameless->sb)->xattrs = true;
}
