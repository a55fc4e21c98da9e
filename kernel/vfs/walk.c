/*
 * The fast walk: names that are all cached, without locks or references.
 *
 * Most lookups find every component in the dentry cache. Between read_enter()
 * and read_leave() nothing that can be reached is freed, so the walk just
 * follows pointers: hash the component while looking for its end, find it in
 * its bucket's chain, look at the inode. It sees each directory at some
 * moment; that the moments fit together (no rename or mount went on) is what
 * the tree sequence tells at the end. Only then are references taken, and
 * only of the result.
 *
 * Whatever would have to sleep (a name that is not cached, a link whose text
 * is not in memory, a file system with opinions of its own) or is rare
 * (openat2's restrictions) makes it give up with FAST_RETRY, and the careful
 * walk in namei.c starts again from the beginning.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include "lib/string.h"
#include "sched/thread.h"
#include "vfs/dcache.h"
#include "vfs/mount.h"
#include "vfs/mounttree.h"

#define CAREFUL_FLAGS                                                                              \
    (LOOKUP_NO_SYMLINKS | LOOKUP_BENEATH | LOOKUP_IN_ROOT | LOOKUP_NO_XDEV |                       \
     LOOKUP_NO_MAGICLINKS | LOOKUP_CACHED)
/* In one read section; the careful walk, which lets others run, goes on beyond. */
#define MOST_STEPS_UP 64
#define MOST_LINKS 4
#define ANY_EXEC 0111 /* x for owner, group and others */

struct stride {
    struct mount *mount;
    struct dentry *dentry;
    const char *at;     /* what is left of the text being walked */
    unsigned nlinks, depth;
    const char *outer[MOST_LINKS]; /* what follows the links we are in */
    bool must_be_dir;
    unsigned flags;
};

/* This thread's root and current directory as they stand; good until read_leave(). */
static void
read_start(struct path *root, struct path *cwd)
{
    struct fs_context *fs = current_thread()->fs;

    if (!fs) {
        first_root(root);
        *cwd = *root;
    } else if (ref_count(&fs->users) == 1) {
        *root = fs->root;
        *cwd = fs->cwd;
    } else {
        SCOPED_SPIN(&fs->lock);
        *root = fs->root;
        *cwd = fs->cwd;
    }
}

/* Does the mount show the dentry? Not if that was moved out of the part that is bound. */
static bool
shows(const struct mount *mount, const struct dentry *dentry)
{
    if (likely(mount->root == mount->sb->root))
        return true;
    for (unsigned steps = 0; steps < MOST_STEPS_UP; steps++) {
        if (dentry == mount->root)
            return true;
        dentry = dentry->parent;
    }
    return false;
}

/* 0, or FAST_RETRY. */
static int
step_up(struct stride *s, const struct path *root)
{
    if (s->dentry == root->dentry && s->mount == root->mount)
        return 0;
    while (s->dentry == s->mount->root) {
        if (s->mount->parent == s->mount)
            return 0;
        s->dentry = s->mount->mountpoint;
        s->mount = s->mount->parent;
        if (s->dentry == root->dentry && s->mount == root->mount)
            return 0;
    }
    s->dentry = s->dentry->parent;
    return likely(shows(s->mount, s->dentry)) ? 0 : FAST_RETRY;
}

/* Step onto whatever is mounted here. */
static inline void
step_over(struct stride *s)
{
    while (unlikely(__atomic_load_n(&s->dentry->nmounts, __ATOMIC_RELAXED))) {
        struct mount *above = mount_find(s->mount, s->dentry);
        if (!above)
            return;
        s->mount = above;
        s->dentry = above->root;
    }
}

/* May names be looked up in the directory? 0, an error, or FAST_RETRY. */
static inline int
may_search(const struct dentry *dir)
{
    struct inode *inode = dir->inode;
    uint32_t mode = inode->mode;

    if (unlikely(!S_ISDIR(mode)))
        return -ENOTDIR;
    if (unlikely(inode->ops->permission))
        return FAST_RETRY;
    if (likely((mode & ANY_EXEC) == ANY_EXEC))
        return 0;
    return inode_permission(inode, MAY_EXEC);
}

/* Go on in a link's text, and afterwards at s->at. */
static int
enter_link(struct stride *s, const struct inode *inode, const struct path *root)
{
    uint32_t shared = S_ISVTX | S_IWOTH; /* namei.c's link_trusted() looks closer */
    if (!inode->link || !*inode->link || (s->dentry->inode->mode & shared) == shared ||
        (s->mount->flags & MS_NOSYMFOLLOW) || s->nlinks == MOST_LINKS)
        return FAST_RETRY;
    s->nlinks++;
    if (*s->at)
        s->outer[s->depth++] = s->at;
    s->at = inode->link;
    if (*s->at == '/') {
        s->mount = root->mount;
        s->dentry = root->dentry;
    }
    return 0;
}

/* One component that is neither "." nor "..", already hashed. */
static int
step_down(struct stride *s, const struct path *root, const char *name, size_t length, uint64_t hash)
{
    struct dentry *dir = s->dentry;

    if (unlikely(length > NAME_MAX))
        return -ENAMETOOLONG;
    struct dentry *child = d_find_unlocked(dir, name, length, name_hash_end(hash));
    if (!child)
        return dir->sb->complete ? -ENOENT : FAST_RETRY;
    struct inode *inode = __atomic_load_n(&child->inode, __ATOMIC_ACQUIRE);
    if (unlikely(!inode))
        return dir->inode->ops->revalidate ? FAST_RETRY : -ENOENT;
    if (unlikely(inode->ops->revalidate))
        return FAST_RETRY;

    bool last = !*s->at && s->depth == 0;
    if (unlikely(S_ISLNK(inode->mode)) &&
        (!last || s->must_be_dir || (s->flags & LOOKUP_FOLLOW))) {
        bool covered = __atomic_load_n(&child->nmounts, __ATOMIC_RELAXED);
        return unlikely(covered) ? FAST_RETRY : enter_link(s, inode, root);
    }
    s->dentry = child;
    step_over(s);
    /* What is mounted may be a link itself. */
    if (unlikely(s->dentry != child) && S_ISLNK(s->dentry->inode->mode))
        return FAST_RETRY;
    return 0;
}

/*
 * The component at s->at: its name, length and hash; s->at moves behind it and
 * its slashes. Says whether it is the last of all.
 */
static inline bool
next_component(struct stride *s, const char **name, size_t *length, uint64_t *hash)
{
    const char *p = s->at;
    uint64_t h = name_hash_begin(s->dentry);

    *name = p;
    do {
        h = name_hash_step(h, *p);
        p++;
    } while (*p && *p != '/');
    *length = (size_t)(p - *name);
    *hash = h;
    bool slash = *p == '/';
    while (*p == '/')
        p++;
    s->at = p;
    if (*p || s->depth)
        return false;
    s->must_be_dir |= slash;
    return true;
}

/* All components (but the last, if the parent is asked for). */
static int
stride_along(struct stride *s, const struct path *root, struct last_name *last)
{
    for (;;) {
        while (*s->at == '/')
            s->at++;
        if (!*s->at) {
            if (s->depth == 0)
                return 0;
            s->at = s->outer[--s->depth];
            continue;
        }
        int error = may_search(s->dentry);
        if (unlikely(error))
            return error;

        const char *name;
        size_t length;
        uint64_t hash;
        bool is_last = next_component(s, &name, &length, &hash);
        enum last_kind kind = last_kind_of(name, length);
        if (is_last && (s->flags & LOOKUP_PARENT)) {
            *last = (struct last_name){name, length, s->must_be_dir, kind};
            return 0;
        }
        if (kind == LAST_NORMAL) {
            error = step_down(s, root, name, length, hash);
            if (unlikely(error))
                return error;
        } else if (kind == LAST_DOTDOT) {
            error = step_up(s, root);
            if (unlikely(error))
                return error;
            step_over(s);
        }
    }
}

int
fast_walk(const struct path *start, const char *name, unsigned flags, struct fast_walk *walk,
          struct last_name *last)
{
    struct stride s __uninitialized;
    struct path root, cwd;

    if ((flags & CAREFUL_FLAGS) || !*name)
        return FAST_RETRY;
    read_enter();
    walk->sequence = tree_read_begin();
    int error = FAST_RETRY;
    if (walk->sequence % 2)
        goto leave;
    read_start(&root, &cwd);
    const struct path *from = *name == '/' ? &root : start ? start : &cwd;
    s.mount = from->mount;
    s.dentry = from->dentry;
    s.at = name;
    s.nlinks = s.depth = 0;
    s.must_be_dir = false;
    s.flags = flags;
    if (flags & LOOKUP_PARENT)
        *last = (struct last_name){.name = name, .kind = LAST_ROOT, .trailing_slash = true};

    error = stride_along(&s, &root, last);
    if (!error && !(flags & LOOKUP_PARENT) && (s.must_be_dir || (flags & LOOKUP_DIRECTORY)) &&
        !S_ISDIR(s.dentry->inode->mode))
        error = -ENOTDIR;
    walk->mount = s.mount;
    walk->dentry = s.dentry;
    if (!error)
        return 0;
    if (!tree_read_valid(walk->sequence))
        error = FAST_RETRY;
leave:
    read_leave();
    return error;
}

int
fast_lookup(const struct path *start, const char *name, unsigned flags, struct path *result,
            struct last_name *last)
{
    struct fast_walk walk;
    int error = fast_walk(start, name, flags, &walk, last);
    if (error)
        return error;

    bool have_dentry = dentry_tryget(walk.dentry);
    bool have_mount = have_dentry && mount_tryget(walk.mount);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with mount_detach_unused()'s */
    bool valid = have_mount && tree_read_valid(walk.sequence);
    read_leave();
    if (likely(valid)) {
        *result = (struct path){walk.mount, walk.dentry};
        return 0;
    }
    if (have_mount)
        mount_put(walk.mount);
    if (have_dentry)
        dentry_put(walk.dentry);
    return FAST_RETRY;
}

int
vfs_stat(const struct path *start, const char *name, unsigned flags, struct stat *st)
{
    struct fast_walk walk;
    int error = fast_walk(start, name, flags, &walk, NULL);

    if (!error) {
        struct inode *inode = walk.dentry->inode;
        bool simple = !inode->ops->getattr;
        if (simple)
            inode_stat(inode, st);
        simple &= tree_read_valid(walk.sequence);
        mount_used(walk.mount);
        read_leave();
        if (simple)
            return 0;
    } else if (error != FAST_RETRY) {
        return error;
    }

    struct path path;
    error = path_lookup(start, name, flags, &path);
    if (error)
        return error;
    error = inode_stat(path.dentry->inode, st);
    path_put(&path);
    return error;
}
