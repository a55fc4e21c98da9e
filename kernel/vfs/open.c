/*
 * open(2): from a name and flags to an open file.
 *
 *      open_by_name        an existing file: look up, check, open
 *      open_or_create      O_CREAT: to the parent, then find or make the last name
 *      open_nameless       O_TMPFILE
 *
 * All end in open_path(), which checks permissions (unless the file is new),
 * makes the struct file, and tells the file's operations.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include "lib/printf.h"
#include "lib/string.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/device.h"
#include "vfs/file.h"
#include "vfs/fileinit.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/walk.h"

/* Not shown by F_GETFL; O_NOCTTY neither, but that one a terminal's open must see. */
#define NOT_KEPT (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC)

static const struct file_ops path_only_ops; /* of O_PATH files: they can do nothing */

/* What is wanted, as open's flags say it. */
struct intent {
    uint32_t flags;      /* O_* */
    uint32_t mode;       /* of a new file, without regard to umask */
    uint32_t access;     /* FILE_* */
    unsigned mask;       /* MAY_* to check */
    unsigned lookup;     /* LOOKUP_* */
};

static int
decode_flags(uint32_t flags, uint32_t mode, unsigned lookup, struct intent *want)
{
    static const uint32_t access[4] = {FILE_READ, FILE_WRITE, FILE_READ | FILE_WRITE, 0};
    static const unsigned masks[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
                                      MAY_READ | MAY_WRITE};

    if (flags & O_PATH) {
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        want->access = FILE_PATH;
        want->mask = 0;
    } else {
        want->access = access[flags & O_ACCMODE];
        want->mask = masks[flags & O_ACCMODE];
    }
    if (flags & __O_TMPFILE) {
        if (!(flags & O_DIRECTORY) || (flags & O_CREAT) || !(want->mask & MAY_WRITE))
            return -EINVAL;
    } else if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
        return -EINVAL;
    }
    if (flags & O_TRUNC)
        want->mask |= MAY_WRITE;
    if (!(flags & O_PATH))
        flags |= O_LARGEFILE;
    want->flags = flags;
    want->mode = S_IFREG | (mode & 07777);
    want->lookup = lookup & ~(unsigned)(LOOKUP_FOLLOW | LOOKUP_DIRECTORY | LOOKUP_PARENT);
    if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
        want->lookup |= LOOKUP_FOLLOW;
    if (flags & O_DIRECTORY)
        want->lookup |= LOOKUP_DIRECTORY;
    return 0;
}

/* May the current thread open what the path names? May drop O_TRUNC, where it means nothing. */
static int
may_open(const struct path *path, struct intent *want)
{
    struct inode *inode = path->dentry->inode;
    bool special = false;

    switch (inode->mode & S_IFMT) {
    case S_IFLNK:
        return -ELOOP;
    case S_IFDIR:
        if (want->mask & MAY_WRITE)
            return -EISDIR;
        break;
    case S_IFBLK:
    case S_IFCHR:
        if (path->mount->flags & MS_NODEV)
            return -EACCES;
        special = true;
        break;
    case S_IFIFO:
    case S_IFSOCK:
        special = true;
        break;
    }
    if (special)
        want->flags &= ~(uint32_t)O_TRUNC;

    int error = inode_permission(inode, want->mask);
    if (error)
        return error;
    if ((want->mask & MAY_WRITE) && !special) {
        error = mount_writable(path->mount);
        if (error)
            return error;
    }
    if (inode->append_only && (want->mask & MAY_WRITE) &&
        (!(want->flags & O_APPEND) || (want->flags & O_TRUNC)))
        return -EPERM;
    if ((want->flags & O_NOATIME) && !inode_owned(inode))
        return -EPERM;
    return 0;
}

/* O_TRUNC. Cutting is writing, and so keeps away from a program that runs, however it was opened. */
static int
truncate_opened(struct file *file)
{
    struct attributes attr = {.mask = ATTR_SIZE, .size = 0};
    bool counted = file->access & FILE_COUNTED;
    int error = counted ? 0 : begin_write(&file->path);

    if (error)
        return error;
    error = inode_change(file->inode, &attr);
    if (!counted)
        end_write(&file->path);
    return error;
}

/*
 * Open a path, whose references are taken over whatever happens. Without `check` the file is
 * new: all may be done with it, and there is nothing to cut.
 */
static int
open_path(struct path *path, struct intent *want, bool check, struct file **result)
{
    int error = check && !(want->flags & O_PATH) ? may_open(path, want) : 0;
    uint32_t access = want->access;
    if (!error && (access & FILE_WRITE) && inode_is_reg(path->dentry->inode)) {
        error = begin_write(path);
        access |= FILE_COUNTED;
    }
    if (error) {
        path_put(path);
        return error;
    }
    struct file *file = file_alloc(path, access, want->flags & ~NOT_KEPT);
    if (is_err(file)) {
        if (access & FILE_COUNTED)
            end_write(path);
        path_put(path);
        return (int)ptr_err(file);
    }
    if (want->flags & O_PATH) {
        file->ops = &path_only_ops;
        *result = file;
        return 0;
    }
    if (S_ISFIFO(file->inode->mode) && fifo_file_ops)
        file->ops = fifo_file_ops;
    if (S_ISSOCK(file->inode->mode))
        error = -ENXIO;
    else if ((want->flags & O_DIRECT) && !(file->ops->direct && inode_is_reg(file->inode)))
        error = -EINVAL;
    else if (file->ops->open)
        error = file->ops->open(file->inode, file);
    file->flags &= ~(uint32_t)O_NOCTTY;
    if (error) {
        file_discard(file);
        return error;
    }
    if (check && (want->flags & O_TRUNC) && inode_is_reg(file->inode)) {
        error = truncate_opened(file);
        if (error) {
            file_put(file);
            return error;
        }
    }
    *result = file;
    return 0;
}

static int
open_by_name(const struct path *start, const char *name, struct intent *want, struct file **file)
{
    struct path path;
    int error = path_lookup(start, name, want->lookup, &path);
    return error ? error : open_path(&path, want, true, file);
}

/* Make a regular file in a directory, whose lock is held, for a negative dentry. */
static int
create(const struct path *dir, struct dentry *dentry, const struct intent *want)
{
    struct inode *inode = dir->dentry->inode;
    int error = mount_begin_write(dir->mount);
    if (error)
        return error;
    error = inode_permission(inode, MAY_WRITE | MAY_EXEC);
    if (!error)
        error = inode->ops->mknod ? inode->ops->mknod(inode, dentry, inode_new_mode(inode, want->mode), 0)
                                 : -EACCES;
    mount_end_write(dir->mount);
    return error;
}

/* The dentry of a name in dir, made if there is none; *created tells. */
static int
find_or_create(const struct path *dir, const struct last_name *last, const struct intent *want,
               struct dentry **result, bool *created)
{
    struct inode *inode = dir->dentry->inode;
    struct dentry *dentry;

    *created = false;
    mutex_lock(&inode->lock);
    int error = inode->nlink == 0 ? -ENOENT
                                  : lookup_one(dir->dentry, last->name, last->length, &dentry);
    if (!error && !dentry->inode) {
        error = create(dir, dentry, want);
        *created = !error;
        if (error)
            dentry_put(dentry);
    }
    mutex_unlock(&inode->lock);
    if (!error)
        *result = dentry;
    return error;
}

/* Open the result of a walk that is over. */
static int
open_found(struct walk *walk, struct intent *want, bool created, struct file **file)
{
    struct path path = walk->at;

    if (!created && (want->flags & O_EXCL))
        return -EEXIST;
    if (!created && inode_is_dir(path.dentry->inode))
        return -EISDIR;
    path_get(&path);
    return open_path(&path, want, !created, file);
}

/* O_CREAT, with everything that can be in the way: links, mounts, restrictions. */
static int
create_carefully(const struct path *start, const char *name, struct intent *want,
                 struct file **file)
{
    struct walk walk __uninitialized;
    bool created = false;
    int error;

    error = walk_begin(&walk, start, name, want->lookup);
    if (error)
        return error;
    do {
        error = walk_to_last(&walk);
        if (!error)
            error = walk_confined(&walk);
        if (error)
            break;
        if (walk.last.kind != LAST_NORMAL) {
            error = walk_last(&walk);
            continue;
        }
        if (walk.last.trailing_slash) {
            error = -EISDIR;
            break;
        }
        struct dentry *child;
        error = find_or_create(&walk.at, &walk.last, want, &child, &created);
        if (!error)
            error = walk_to_child(&walk, child, !created && (want->lookup & LOOKUP_FOLLOW));
    } while (error == WALK_AGAIN);
    if (!error)
        error = walk_confined(&walk);
    if (!error)
        error = open_found(&walk, want, created, file);
    walk_end(&walk);
    return error;
}

/* Is a dentry simply a file, that opening by O_CREAT needs no further step to? */
static bool
is_plain(const struct dentry *dentry)
{
    return !__atomic_load_n(&dentry->nmounts, __ATOMIC_RELAXED) &&
           !inode_is_link(dentry->inode) && !inode_is_dir(dentry->inode);
}

/*
 * O_CREAT, the common case: the last name is a file or nothing. FAST_RETRY: it is
 * something else, nothing was done.
 */
static int
open_or_create(const struct path *start, const char *name, struct intent *want, struct file **file)
{
    struct path dir;
    struct last_name last;
    int error = path_lookup_parent(start, name, &dir, &last);
    if (error)
        return error;

    struct dentry *child = NULL;
    bool created = false;
    if (last.kind != LAST_NORMAL || last.trailing_slash)
        error = FAST_RETRY;
    else
        error = find_or_create(&dir, &last, want, &child, &created);
    if (!error && !created) {
        if (want->flags & O_EXCL)
            error = -EEXIST;
        else if (!is_plain(child))
            error = FAST_RETRY;
    }
    if (error) {
        if (child)
            dentry_put(child);
        path_put(&dir);
        return error;
    }
    struct path path = {dir.mount, child};
    dentry_put(dir.dentry);
    return open_path(&path, want, !created, file);
}

/* O_TMPFILE: a file in a directory's file system, without a name. */
static int
open_nameless(const struct path *start, const char *name, struct intent *want, struct file **file)
{
    struct path dir;
    int error = path_lookup(start, name, want->lookup | LOOKUP_DIRECTORY, &dir);
    if (error)
        return error;

    struct inode *dir_inode = dir.dentry->inode, *inode = NULL;
    error = mount_writable(dir.mount);
    if (!error)
        error = inode_permission(dir_inode, MAY_WRITE | MAY_EXEC);
    if (!error)
        error = !dir_inode->ops->tmpfile ? -EOPNOTSUPP
                : dir_inode->ops->tmpfile(dir_inode, inode_new_mode(dir_inode, want->mode), &inode);
    if (!error) {
        char text[24];
        int n = snprintf(text, sizeof(text), "#%lu", inode->ino);
        struct dentry *dentry = d_alloc(dir.dentry, text, (size_t)n);
        if (dentry) {
            inode->linkable = !(want->flags & O_EXCL);
            dentry->inode = inode;
            struct path path = {dir.mount, dentry};
            mount_get(dir.mount);
            error = open_path(&path, want, false, file);
        } else {
            inode_put(inode);
            error = -ENOMEM;
        }
    }
    path_put(&dir);
    return error;
}

int
vfs_open(const struct path *start, const char *name, uint32_t flags, uint32_t mode,
         unsigned lookup_flags, struct file **file)
{
    struct intent want;
    int error = decode_flags(flags, mode, lookup_flags, &want);
    if (error)
        return error;
    if (want.flags & __O_TMPFILE)
        return open_nameless(start, name, &want, file);
    if (!(want.flags & O_CREAT))
        return open_by_name(start, name, &want, file);

    if (!*name)
        return -ENOENT;
    error = FAST_RETRY;
    if (!(want.lookup & ~(unsigned)LOOKUP_FOLLOW))
        error = open_or_create(start, name, &want, file);
    return error == FAST_RETRY ? create_carefully(start, name, &want, file) : error;
}

int
vfs_open_path(const struct path *path, uint32_t flags, bool checked, struct file **file)
{
    struct intent want;
    struct path own = *path;
    int error = decode_flags(flags & ~(uint32_t)(O_CREAT | __O_TMPFILE), 0, 0, &want);
    if (error)
        return error;
    if ((want.lookup & LOOKUP_DIRECTORY) && !inode_is_dir(path->dentry->inode))
        return -ENOTDIR;
    path_get(&own);
    return open_path(&own, &want, !checked, file);
}
