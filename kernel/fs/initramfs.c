/*
 * Unpacking an initramfs: newc cpio archives, plain or gzipped, one behind
 * the other in any order, with zeros between.
 *
 * The unpacker eats bytes in pieces of any size, since gunzip() hands them
 * out as its window fills; a plain archive is one piece.
 *
 *      BETWEEN --first letter--> HEADER --110 bytes--> NAME --its bytes--> begin_member
 *         ^                         ^                                          |
 *         | it was the trailer      `-- end_member <--all of it-- DATA <-------'
 *         `-------------------------------------------------------------------'
 *
 * Header with name, and data, are padded to 4 bytes; `skip` counts padding
 * still to pass over. What cannot be made (a parent is missing, say) is
 * logged and passed over too; only running out of memory ends the whole.
 */
#include "fs/initramfs.h"

#include "arch/riscv/klog.h"
#include "lib/cpio.h"
#include "lib/hash.h"
#include "lib/inflate.h"
#include "lib/list.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/file.h"
#include "vfs/inode.h"

#define LINK_BUCKETS 64

enum state { BETWEEN, HEADER, NAME, DATA };

/* The first name of a file with several. */
struct link_name {
    struct list link;
    uint32_t ino, dev_major, dev_minor;
    char name[];
};

/* A directory whose time is set when everything is in it. */
struct dir_time {
    struct list link;
    uint32_t mtime;
    char name[];
};

struct unpacker {
    enum state state;
    size_t filled;             /* of header, name or link's target */
    size_t skip;               /* padding to pass over first */
    size_t name_size;
    size_t left;               /* of the member's data */
    struct cpio_entry entry;
    struct file *file;         /* DATA of a regular file goes here; NULL: nowhere */
    uint64_t pos;
    struct list links[LINK_BUCKETS]; /* struct link_name, of the archive being read */
    struct list dirs;          /* struct dir_time */
    char header[CPIO_HEADER_SIZE];
    char name[PATH_MAX];
    char target[PATH_MAX];
};

static bool
out_of_memory(int error)
{
    return error == -ENOMEM || error == -ENOSPC;
}

/* A member that cannot be made is passed over, unless there is no room at all. */
static int
complain(const struct unpacker *u, int error)
{
    pr_warn("initramfs: %s: error %d", u->name, error);
    return out_of_memory(error) ? error : 0;
}

/* Owner, mode and times of what name leads to. */
static int
set_attributes(const char *name, const struct cpio_entry *entry, uint32_t mask)
{
    struct attributes attr = {
        .mask = mask,
        .mode = entry->mode,
        .uid = entry->uid,
        .gid = entry->gid,
        .atime.sec = entry->mtime,
        .mtime.sec = entry->mtime,
    };
    struct path path;
    int error = path_lookup(NULL, name, 0, &path);
    if (error)
        return error;
    error = inode_change(path.dentry->inode, &attr);
    path_put(&path);
    return error;
}

#define OWNER_AND_TIMES (ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME)

/* Remove what stands in the way of a member of this type (0: of any). */
static void
clear_way(const char *name, uint32_t type)
{
    struct path path;
    if (path_lookup(NULL, name, 0, &path))
        return;
    uint32_t there = path.dentry->inode->mode & S_IFMT;
    path_put(&path);
    if (there == type)
        return;
    if (there == S_IFDIR)
        (void)vfs_rmdir(NULL, name);
    else
        (void)vfs_unlink(NULL, name);
}

static struct list *
link_bucket(struct unpacker *u)
{
    const struct cpio_entry *e = &u->entry;
    uint64_t dev = (uint64_t)e->dev_major << 32 | e->dev_minor;
    return &u->links[hash64_pair(e->ino, dev) % LINK_BUCKETS];
}

/*
 * A file of several names: note the first, link the others to it. 1: linked;
 * 0: this is the first.
 */
static int
link_again(struct unpacker *u)
{
    const struct cpio_entry *e = &u->entry;
    struct list *bucket = link_bucket(u);
    struct link_name *known;

    if (e->nlink < 2)
        return 0;
    LIST_FOREACH(known, bucket, link) {
        if (known->ino == e->ino && known->dev_major == e->dev_major &&
            known->dev_minor == e->dev_minor) {
            clear_way(u->name, 0);
            int error = vfs_link(NULL, known->name, NULL, u->name, 0);
            return error ? error : 1;
        }
    }
    size_t size = strlen(u->name) + 1;
    known = kmalloc(sizeof(*known) + size);
    if (!known)
        return -ENOMEM;
    known->ino = e->ino;
    known->dev_major = e->dev_major;
    known->dev_minor = e->dev_minor;
    memcpy(known->name, u->name, size);
    list_add_tail(bucket, &known->link);
    return 0;
}

static void
forget_links(struct unpacker *u)
{
    for (unsigned i = 0; i < LINK_BUCKETS; i++) {
        struct list *link;
        while ((link = list_pop(&u->links[i])))
            kmfree(LIST_ENTRY(link, struct link_name, link));
    }
}

static int
begin_regular(struct unpacker *u)
{
    int linked = link_again(u);
    if (linked < 0)
        return linked;
    if (!linked)
        clear_way(u->name, S_IFREG);
    if (linked && u->entry.size == 0)
        return 0; /* its data comes with another name, or came */
    uint32_t flags = O_WRONLY | O_CREAT | O_TRUNC | O_LARGEFILE;
    u->pos = 0;
    return vfs_open(NULL, u->name, flags, u->entry.mode & 07777, 0, &u->file);
}

static int
make_directory(struct unpacker *u)
{
    size_t size = strlen(u->name) + 1;
    struct dir_time *dir = kmalloc(sizeof(*dir) + size);
    if (!dir)
        return -ENOMEM;
    dir->mtime = u->entry.mtime;
    memcpy(dir->name, u->name, size);
    list_add_tail(&u->dirs, &dir->link);

    clear_way(u->name, S_IFDIR);
    int error = vfs_mkdir(NULL, u->name, u->entry.mode);
    if (error && error != -EEXIST)
        return error;
    return set_attributes(u->name, &u->entry, ATTR_MODE | ATTR_UID | ATTR_GID);
}

static int
make_special(struct unpacker *u)
{
    const struct cpio_entry *e = &u->entry;

    int linked = link_again(u);
    if (linked)
        return min(linked, 0);
    clear_way(u->name, e->mode & S_IFMT);
    int error = vfs_mknod(NULL, u->name, e->mode, dev_make(e->rdev_major, e->rdev_minor));
    if (error && error != -EEXIST)
        return error;
    return set_attributes(u->name, e, ATTR_MODE | OWNER_AND_TIMES);
}

/* Header and name are there: make what needs no data, get ready for the data of the rest. */
static int
begin_member(struct unpacker *u)
{
    int error;

    u->file = NULL;
    u->filled = 0;
    switch (u->entry.mode & S_IFMT) {
    case S_IFREG:
        error = begin_regular(u);
        break;
    case S_IFDIR:
        error = make_directory(u);
        break;
    case S_IFLNK:
        error = u->entry.size < PATH_MAX ? 0 : -ENAMETOOLONG;
        break;
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        error = make_special(u);
        break;
    default:
        error = -EINVAL;
    }
    return error ? complain(u, error) : 0;
}

static int
end_member(struct unpacker *u)
{
    int error = 0;

    if (u->file) {
        file_put(u->file);
        u->file = NULL;
        error = set_attributes(u->name, &u->entry, ATTR_MODE | OWNER_AND_TIMES);
    } else if (S_ISLNK(u->entry.mode) && u->filled) {
        u->target[u->filled] = '\0';
        clear_way(u->name, 0);
        error = vfs_symlink(u->target, NULL, u->name);
        if (!error)
            error = set_attributes(u->name, &u->entry, OWNER_AND_TIMES);
    }
    return error ? complain(u, error) : 0;
}

/* n bytes of the member's data. */
static int
take_data(struct unpacker *u, const char *data, size_t n)
{
    if (u->file) {
        struct uio uio;
        struct uio_segment segment;
        uio_kernel(&uio, &segment, (void *)data, n);
        ssize_t written = file_write(u->file, &uio, &u->pos);
        if (written < (ssize_t)n) {
            file_put(u->file);
            u->file = NULL;
            return complain(u, written < 0 ? (int)written : -ENOSPC);
        }
    } else if (S_ISLNK(u->entry.mode) && u->entry.size < PATH_MAX) {
        memcpy(u->target + u->filled, data, n);
        u->filled += n;
    }
    return 0;
}

/* Name and header are complete. */
static int
name_done(struct unpacker *u)
{
    if (u->name[u->name_size - 1] != '\0')
        return -EINVAL;
    u->filled = 0;
    if (strcmp(u->name, CPIO_TRAILER) == 0) {
        forget_links(u);
        u->state = BETWEEN;
        return 0;
    }
    u->skip = -(CPIO_HEADER_SIZE + u->name_size) & 3;
    u->state = DATA;
    u->left = u->entry.size;
    return begin_member(u);
}

/* Fill `to` up to `size` bytes. True when it is full. */
static bool
gather(struct unpacker *u, char *to, size_t size, const char **data, const char *end)
{
    size_t n = min(size - u->filled, (size_t)(end - *data));
    memcpy(to + u->filled, *data, n);
    u->filled += n;
    *data += n;
    return u->filled == size;
}

/* One step of the machine; *data moves on. */
static int
step(struct unpacker *u, const char **data, const char *end)
{
    switch (u->state) {
    case BETWEEN:
        while (*data < end && **data == '\0')
            ++*data;
        u->filled = 0;
        if (*data < end)
            u->state = HEADER;
        return 0;
    case HEADER:
        if (!gather(u, u->header, CPIO_HEADER_SIZE, data, end))
            return 0;
        if (!cpio_parse_header(u->header, &u->entry, &u->name_size))
            return -EINVAL;
        u->state = NAME;
        u->filled = 0;
        return 0;
    case NAME:
        return gather(u, u->name, u->name_size, data, end) ? name_done(u) : 0;
    case DATA:
        break;
    }
    size_t n = min(u->left, (size_t)(end - *data));
    int error = n ? take_data(u, *data, n) : 0;
    *data += n;
    u->left -= n;
    if (error || u->left)
        return error;
    u->skip = -u->entry.size & 3;
    error = end_member(u);
    u->filled = 0;
    u->state = HEADER;
    return error;
}

/* Eat bytes. With `one`, stop behind the trailer; *data says where it stopped. */
static int
feed(struct unpacker *u, const char **data, const char *end, bool one)
{
    bool empty_member = false;

    while (*data < end || empty_member) {
        size_t n = min(u->skip, (size_t)(end - *data));
        *data += n;
        u->skip -= n;
        if (u->skip == 0 && (*data < end || empty_member)) {
            int error = step(u, data, end);
            if (error)
                return error;
            if (one && u->state == BETWEEN)
                return 0;
        }
        /* A member without data ends where its name ends, which may be the end of the piece. */
        empty_member = u->state == DATA && u->left == 0 && u->skip == 0;
    }
    return 0;
}

static int
feed_piece(void *ctx, const void *data, size_t n)
{
    const char *at = data;
    return feed(ctx, &at, at + n, false);
}

/* All archives in [at, end). */
static int
unpack_all(struct unpacker *u, struct inflate **work, const char *at, const char *end)
{
    int error = 0;

    while (!error) {
        while (at < end && *at == '\0')
            at++;
        if (at == end)
            break;
        if (cpio_detect(at, (size_t)(end - at))) {
            error = feed(u, &at, end, true);
        } else if (gunzip_detect(at, (size_t)(end - at))) {
            size_t consumed = 0;
            if (!*work)
                *work = kmalloc(sizeof(**work));
            error = *work ? gunzip(*work, at, (size_t)(end - at), &consumed, feed_piece, u)
                          : -ENOMEM;
            at += consumed;
        } else {
            error = -EINVAL;
        }
        if (!error && u->state != BETWEEN)
            error = -EINVAL; /* cut short */
    }
    return error;
}

static void
set_directory_times(struct unpacker *u)
{
    struct list *link;
    while ((link = list_pop(&u->dirs))) {
        struct dir_time *dir = LIST_ENTRY(link, struct dir_time, link);
        struct cpio_entry entry = {.mtime = dir->mtime};
        (void)set_attributes(dir->name, &entry, ATTR_ATIME | ATTR_MTIME);
        kmfree(dir);
    }
}

int
initramfs_unpack(const void *data, size_t size)
{
    struct inflate *work = NULL;
    struct unpacker *u = kzalloc(sizeof(*u));
    if (!u)
        return -ENOMEM;
    u->state = BETWEEN;
    list_init(&u->dirs);
    for (unsigned i = 0; i < LINK_BUCKETS; i++)
        list_init(&u->links[i]);

    int error = unpack_all(u, &work, data, (const char *)data + size);
    if (u->file)
        file_put(u->file);
    forget_links(u);
    set_directory_times(u);
    kmfree(work);
    kmfree(u);
    return error;
}
