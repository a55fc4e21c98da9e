/*
 * The careful walk: from a string to a path, whatever it takes.
 *
 * Comes after the fast walk (walk.c) has given up. Holds a reference to the
 * place where it stands, takes the directory's lock to look up a name that is
 * not cached, reads links, and knows openat2's restrictions.
 *
 * A component is the last one if nothing but slashes follows it and no link's
 * text is left to return to; links that end a path are therefore not nested.
 */
#include <linux/mount.h>
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/mount.h"
#include "vfs/mounttree.h"
#include "vfs/walk.h"
#include "vm/vmspace.h"

#define STEPS_AT_ONCE 16 /* between two points where the hart may be given away */

static bool
same_place(const struct path *a, const struct path *b)
{
    return a->dentry == b->dentry && a->mount == b->mount;
}

/* Move to `to`, whose references are taken over. */
static void
move_to(struct walk *walk, struct path to)
{
    struct path from = walk->at;
    walk->at = to;
    path_put(&from);
}

int
walk_begin(struct walk *walk, const struct path *start, const char *name, unsigned flags)
{
    bool absolute = *name == '/' && !(flags & LOOKUP_IN_ROOT);

    if (absolute && (flags & LOOKUP_BENEATH))
        return -EXDEV;
    walk->rest = name;
    walk->flags = flags;
    walk->nlinks = walk->depth = walk->steps = 0;
    walk->must_be_dir = false;
    if (flags & LOOKUP_SCOPED) {
        SCOPED_SPIN(&tree_lock);
        walk->sequence = tree_sequence;
    }
    if (absolute) {
        current_root(&walk->at);
    } else if (start) {
        walk->at = *start;
        path_get(&walk->at);
    } else {
        current_cwd(&walk->at);
    }
    if (flags & LOOKUP_SCOPED) {
        walk->root = walk->at;
        path_get(&walk->root);
    } else {
        current_root(&walk->root);
    }
    return 0;
}

int
walk_confined(struct walk *walk)
{
    if (!(walk->flags & LOOKUP_SCOPED))
        return 0;
    struct path at = walk->at;
    path_get(&at);
    while (at.mount != walk->root.mount && mount_leave(&at))
        ;
    bool within = at.mount == walk->root.mount && d_is_under(walk->root.dentry, at.dentry);
    path_put(&at);
    return within ? 0 : -EXDEV;
}

void
walk_end(struct walk *walk)
{
    for (unsigned i = 0; i < walk->nlinks; i++) {
        path_put(&walk->links[i]);
        kmfree(walk->buffers[i]);
    }
    path_put(&walk->at);
    path_put(&walk->root);
}

/* Is a cached dentry still true? */
static bool
still_true(struct dentry *dir, struct dentry *dentry)
{
    const struct inode *inode = dentry->inode ? dentry->inode : dir->inode;
    return !inode->ops->revalidate || inode->ops->revalidate(dentry);
}

/*
 * may_sleep: no lock is held, so what is mounted on a dentry that is no longer true comes off it.
 * Else that dentry stays, for without its name the mount could not be reached any more.
 */
static struct dentry *
lookup_cached(struct dentry *dir, const char *name, size_t length, bool may_sleep)
{
    struct dentry *dentry = d_lookup(dir, name, length);
    if (dentry && unlikely(!still_true(dir, dentry))) {
        if (__atomic_load_n(&dentry->nmounts, __ATOMIC_RELAXED)) {
            if (!may_sleep)
                return dentry;
            mounts_come_off(dentry);
        }
        d_drop(dentry);
        dentry_put(dentry);
        return NULL;
    }
    return dentry;
}

int
lookup_one(struct dentry *dir, const char *name, size_t length, struct dentry **result)
{
    assert(mutex_held(&dir->inode->lock));
    if (length > NAME_MAX)
        return -ENAMETOOLONG;
    struct dentry *dentry = lookup_cached(dir, name, length, false);
    if (!dentry) {
        dentry = d_alloc(dir, name, length);
        if (!dentry)
            return -ENOMEM;
        if (!dir->sb->complete) {
            struct inode *inode = dir->inode;
            int error = inode->ops->lookup ? inode->ops->lookup(inode, dentry) : -ENOTDIR;
            if (error) {
                dentry_put(dentry);
                return error;
            }
        }
    }
    *result = dentry;
    return 0;
}

/* The positive dentry of a name in dir, with a reference; looks it up if it must. */
static int
find_child(struct dentry *dir, const char *name, size_t length, unsigned flags,
           struct dentry **child)
{
    if (length > NAME_MAX)
        return -ENAMETOOLONG;
    struct dentry *dentry = lookup_cached(dir, name, length, true);
    if (!dentry && (dir->inode->ops->lookup || dir->sb->complete) && (flags & LOOKUP_CACHED))
        return -EAGAIN;
    if (!dentry) {
        /* With the lock held no rename is just now moving the name. */
        SCOPED_LOCK(&dir->inode->lock);
        if (dir->sb->complete) {
            dentry = lookup_cached(dir, name, length, false);
            if (!dentry)
                return -ENOENT;
        } else {
            int error = lookup_one(dir, name, length, &dentry);
            if (error)
                return error;
        }
    }
    if (!dentry->inode) {
        dentry_put(dentry);
        return -ENOENT;
    }
    *child = dentry;
    return 0;
}

/*
 * Step to the parent of a directory that is no mount's root. -ENOENT: what the mount shows of
 * its file system ends here, because the directory was moved out of it (a bind mount's part).
 */
static int
step_to_parent(struct path *at)
{
    struct superblock *sb = at->mount->sb;
    struct dentry *old = at->dentry;

    if (likely(at->mount->root == sb->root)) {
        at->dentry = d_parent(old);
    } else {
        SCOPED_LOCK(&sb->rename_lock);
        if (!d_is_ancestor(at->mount->root, old->parent))
            return -ENOENT;
        at->dentry = d_parent(old);
    }
    dentry_put(old);
    return 0;
}

/* What ".." says at the walk's root: there it stays, unless it must not even try. */
static int
at_root(const struct walk *walk)
{
    if (!(walk->flags & LOOKUP_BENEATH))
        return 0;
    return walk->flags & LOOKUP_CACHED ? -EAGAIN : -EXDEV; /* as Linux's, where the walk that sleeps decides */
}

/* From path, which is not the walk's root, to its parent; path's references move along. */
static int
step_up(const struct walk *walk, struct path *path)
{
    while (path->dentry == path->mount->root) {
        struct mount *mount = path->mount;
        if (!mount_leave(path))
            return 0; /* the bottom, or a mount that is in no tree any more */
        if ((walk->flags & LOOKUP_NO_XDEV) && path->mount != mount)
            return -EXDEV;
        if (same_place(path, &walk->root)) {
            mount_cross(path);
            return at_root(walk);
        }
    }
    int error = step_to_parent(path);
    if (!error)
        mount_cross(path);
    return error;
}

static int
walk_up(struct walk *walk)
{
    if (same_place(&walk->at, &walk->root))
        return at_root(walk);

    struct path path = walk->at;
    path_get(&path);
    int error = step_up(walk, &path);
    if (!error && (walk->flags & LOOKUP_NO_XDEV) && path.mount != walk->at.mount)
        error = -EXDEV;
    /* Was that still a step within the root? After a rename or a mount this cannot be told. */
    if (!error && (walk->flags & LOOKUP_SCOPED) && !tree_read_valid(walk->sequence))
        error = -EAGAIN;
    if (error)
        path_put(&path);
    else
        move_to(walk, path);
    return error;
}

/* A link that is a path, not a text. */
static int
follow_magic(struct walk *walk, struct inode *inode)
{
    struct path target;

    if (walk->flags & LOOKUP_NO_MAGICLINKS)
        return -ELOOP;
    if (walk->flags & LOOKUP_SCOPED)
        return -EXDEV;
    if (walk->flags & LOOKUP_CACHED)
        return -EAGAIN;
    int error = inode->ops->follow(inode, &target);
    if (error)
        return error;
    if ((walk->flags & LOOKUP_NO_XDEV) && target.mount != walk->at.mount) {
        path_put(&target);
        return -EXDEV;
    }
    move_to(walk, target);
    return 0;
}

/* The text of a link: the inode's own, kept by link, or a buffer's. Owned by walk from now on. */
static int
link_text(struct walk *walk, const struct path *link, const char **text)
{
    struct inode *inode = link->dentry->inode;
    unsigned slot = walk->nlinks;

    if (inode->link) {
        path_get(link);
        walk->links[slot] = *link;
        walk->buffers[slot] = NULL;
        *text = inode->link;
    } else {
        if (!inode->ops->readlink)
            return -EINVAL;
        if (walk->flags & LOOKUP_CACHED)
            return -EAGAIN;
        char *buffer = kmalloc(PATH_MAX);
        if (!buffer)
            return -ENOMEM;
        ssize_t length = inode->ops->readlink(inode, buffer, PATH_MAX);
        if (length < 0) {
            kmfree(buffer);
            return (int)length;
        }
        walk->links[slot] = (struct path){0};
        walk->buffers[slot] = buffer;
        *text = buffer;
    }
    walk->nlinks++;
    return **text ? 0 : -ENOENT;
}

/*
 * Debian's kernels protect against links that others lay out in directories like /tmp
 * (fs.protected_symlinks): one that ends a path is followed only if it is the
 * follower's own, or the directory's owner's.
 */
static bool
link_trusted(const struct walk *walk, const struct inode *link)
{
    struct inode_access dir = inode_access(walk->at.dentry->inode);
    uint32_t shared = S_ISVTX | S_IWOTH, owner = __atomic_load_n(&link->uid, __ATOMIC_RELAXED);

    if (*walk->rest || walk->depth || (dir.mode & shared) != shared)
        return true;
    return owner == current_cred()->fsuid || owner == dir.uid;
}

/* Go on in the text of a link that stands in walk->at.dentry. WALK_AGAIN, or an error. */
static int
follow_link(struct walk *walk, const struct path *link)
{
    struct inode *inode = link->dentry->inode;

    if ((walk->flags & LOOKUP_NO_SYMLINKS) || walk->nlinks == MAX_SYMLINKS)
        return -ELOOP;
    if (link->mount->flags & MS_NOSYMFOLLOW)
        return -ELOOP;
    if (!link_trusted(walk, inode))
        return -EACCES;
    if (inode->ops->follow)
        return follow_magic(walk, inode);

    const char *text = NULL;
    int error = link_text(walk, link, &text);
    if (error)
        return error;
    if (*walk->rest)
        walk->outer[walk->depth++] = walk->rest;
    walk->rest = text;
    if (*text == '/') {
        if (walk->flags & LOOKUP_BENEATH)
            return -EXDEV;
        if ((walk->flags & LOOKUP_NO_XDEV) && walk->root.mount != walk->at.mount)
            return -EXDEV;
        path_get(&walk->root);
        move_to(walk, walk->root);
    }
    return WALK_AGAIN;
}

int
walk_to_child(struct walk *walk, struct dentry *child, bool follow)
{
    struct path next = {walk->at.mount, child};

    mount_get(next.mount);
    mount_cross(&next);
    int error = 0;
    if ((walk->flags & LOOKUP_NO_XDEV) && next.mount != walk->at.mount) {
        error = -EXDEV;
    } else if (follow && inode_is_link(next.dentry->inode)) {
        error = follow_link(walk, &next);
    } else {
        move_to(walk, next);
        return 0;
    }
    path_put(&next);
    return error;
}

static int
walk_component(struct walk *walk, const struct last_name *name, bool follow)
{
    switch (name->kind) {
    case LAST_ROOT:
    case LAST_DOT:
        return 0;
    case LAST_DOTDOT:
        return walk_up(walk);
    case LAST_NORMAL:
        break;
    }
    struct dentry *child;
    int error = find_child(walk->at.dentry, name->name, name->length, walk->flags, &child);
    return error ? error : walk_to_child(walk, child, follow);
}

static int
may_search(const struct walk *walk)
{
    struct inode *inode = walk->at.dentry->inode;
    return inode_is_dir(inode) ? inode_permission(inode, MAY_EXEC) : -ENOTDIR;
}

/* Cut the next component off walk->rest, which begins with one. Says whether it is the last. */
static bool
cut_component(struct walk *walk, struct last_name *name)
{
    const char *p = walk->rest;
    while (*p && *p != '/')
        p++;
    name->name = walk->rest;
    name->length = (size_t)(p - walk->rest);
    name->kind = last_kind_of(name->name, name->length);
    bool slash = *p == '/';
    while (*p == '/')
        p++;
    walk->rest = p;
    if (*p || walk->depth)
        return false;
    walk->must_be_dir |= slash;
    name->trailing_slash = walk->must_be_dir;
    return true;
}

/* A name and the texts of its links may have 80,000 components. -EINTR: the process is ending. */
static int
let_others_run(struct walk *walk)
{
    if (likely(++walk->steps % STEPS_AT_ONCE))
        return 0;
    preempt_point();
    return vm_end_hook() ? -EINTR : 0;
}

int
walk_to_last(struct walk *walk)
{
    for (;;) {
        while (*walk->rest == '/')
            walk->rest++;
        if (!*walk->rest) {
            if (walk->depth == 0) {
                walk->last = (struct last_name){walk->rest, 0, true, LAST_ROOT};
                return 0;
            }
            walk->rest = walk->outer[--walk->depth];
            continue;
        }
        int error = let_others_run(walk);
        if (!error)
            error = may_search(walk);
        if (error)
            return error;
        struct last_name name;
        if (cut_component(walk, &name)) {
            walk->last = name;
            return 0;
        }
        error = walk_component(walk, &name, true);
        if (error < 0)
            return error;
    }
}

int
walk_last(struct walk *walk)
{
    return walk_component(walk, &walk->last, (walk->flags & LOOKUP_FOLLOW) || walk->must_be_dir);
}

/* The path that an empty name stands for, where that is allowed. */
static int
lookup_empty(const struct path *start, unsigned flags, struct path *result)
{
    if (!(flags & LOOKUP_EMPTY))
        return -ENOENT;
    if (start) {
        *result = *start;
        path_get(result);
    } else {
        current_cwd(result);
    }
    return 0;
}

int
path_lookup(const struct path *start, const char *name, unsigned flags, struct path *result)
{
    int error = fast_lookup(start, name, flags, result, NULL);
    if (likely(error != FAST_RETRY))
        return error;
    if (!*name)
        return lookup_empty(start, flags, result);

    struct walk walk __uninitialized;
    error = walk_begin(&walk, start, name, flags);
    if (error)
        return error;
    do {
        error = walk_to_last(&walk);
        if (!error)
            error = walk_last(&walk);
    } while (error == WALK_AGAIN);
    if (!error && (walk.must_be_dir || (flags & LOOKUP_DIRECTORY)) &&
        !inode_is_dir(walk.at.dentry->inode))
        error = -ENOTDIR;
    if (!error)
        error = walk_confined(&walk);
    if (!error) {
        *result = walk.at;
        walk.at = (struct path){0};
    }
    walk_end(&walk);
    return error;
}

int
path_lookup_parent(const struct path *start, const char *name, struct path *parent,
                   struct last_name *last)
{
    int error = fast_lookup(start, name, LOOKUP_PARENT, parent, last);
    if (likely(error != FAST_RETRY))
        return error;
    if (!*name)
        return -ENOENT;

    struct walk walk __uninitialized;
    error = walk_begin(&walk, start, name, LOOKUP_PARENT);
    if (error)
        return error;
    error = walk_to_last(&walk);
    if (!error) {
        *last = walk.last;
        *parent = walk.at;
        walk.at = (struct path){0};
    }
    walk_end(&walk);
    return error;
}

/* The name of what a magic link stands for. */
static ssize_t
read_magic(struct inode *inode, char *buf, size_t size)
{
    struct path target;
    int error = inode->ops->follow(inode, &target);
    if (error)
        return error;

    char *page = kmalloc(PATH_MAX);
    ssize_t n = -ENOMEM;
    if (page) {
        const char *name = path_name(&target, page, PATH_MAX);
        if (is_err(name)) {
            n = ptr_err(name);
        } else {
            n = (ssize_t)min(strlen(name), size);
            memcpy(buf, name, (size_t)n);
        }
        kmfree(page);
    }
    path_put(&target);
    return n;
}

ssize_t
vfs_readlink(const struct path *path, char *buf, size_t size)
{
    struct inode *inode = path->dentry->inode;

    if (!inode_is_link(inode))
        return -EINVAL;
    if (inode->link) {
        size_t n = min(strlen(inode->link), size);
        memcpy(buf, inode->link, n);
        return (ssize_t)n;
    }
    if (!inode->ops->readlink)
        return inode->ops->follow ? read_magic(inode, buf, size) : -EINVAL;
    char *text = kmalloc(PATH_MAX);
    if (!text)
        return -ENOMEM;
    ssize_t n = inode->ops->readlink(inode, text, PATH_MAX);
    if (n > 0) {
        n = (ssize_t)min((size_t)n, size);
        memcpy(buf, text, (size_t)n);
    }
    kmfree(text);
    return n;
}
