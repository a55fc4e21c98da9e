/*
 * File-system types, and superblocks: one tree of files each.
 *
 * A superblock's end has two steps. Its mounts (and a file system of one
 * instance) count it; when the last of them goes, no path leads into it any
 * more, and its tree of names is taken apart. Some of its dentries may still be
 * in use then: another hart is just throwing them out of the cache, or has
 * found one without a lock and is about to put it back. Each dentry counts its
 * parent, and its inode is put before its parent is; so the root dentry is the
 * last of all, and its end is the end of the superblock: superblock_end().
 * What holds any dentry or inode may therefore use its superblock.
 */
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/dcache.h"
#include "vfs/mount.h"
#include "vfs/mounttree.h"

static struct spinlock types_lock = SPINLOCK_INIT("fs types");
static struct list types = LIST_INIT(types); /* types never go */
static uint32_t next_anonymous_dev = 1;

static struct mutex superblocks_lock = MUTEX_INIT(superblocks_lock, "superblocks");
static struct list superblocks = LIST_INIT(superblocks);

void
fs_register(struct fs_type *type)
{
    SCOPED_SPIN(&types_lock);
    list_add_tail(&types, &type->link);
}

const struct fs_type *
fs_find(const char *name)
{
    SCOPED_SPIN(&types_lock);
    struct fs_type *type;
    LIST_FOREACH(type, &types, link)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

void
fs_foreach(int (*fn)(void *ctx, const struct fs_type *type), void *ctx)
{
    /* The list only grows at its end, so what is on it may be read without the lock. */
    struct fs_type *type;
    LIST_FOREACH(type, &types, link)
        if (fn(ctx, type) < 0)
            return;
}

struct superblock *
superblock_alloc(const struct fs_type *type)
{
    struct superblock *sb = kzalloc(sizeof(*sb));
    if (!sb)
        return NULL;
    ref_init(&sb->refs, 1);
    sb->dev = dev_make(0, __atomic_fetch_add(&next_anonymous_dev, 1, __ATOMIC_RELAXED));
    sb->block_size = PAGE_SIZE;
    sb->max_size = INT64_MAX;
    sb->next_ino = 1;
    sb->type = type;
    mutex_init(&sb->rename_lock, "rename");
    list_init(&sb->mounts);
    list_init(&sb->link);
    return sb;
}

static void
free_superblock(struct deferred *deferred)
{
    kmfree(container_of(deferred, struct superblock, deferred));
}

void
superblock_end(struct superblock *sb)
{
    if (sb->ops->unmount)
        sb->ops->unmount(sb);
    deferred_free(&sb->deferred, free_superblock); /* lock-free walks may look at it */
}

void
superblock_put(struct superblock *sb)
{
    if (!ref_put(&sb->refs))
        return;
    mutex_lock(&superblocks_lock);
    list_del(&sb->link);
    mutex_unlock(&superblocks_lock);
    if (!sb->root) {
        superblock_end(sb);
        return;
    }
    d_destroy_tree(sb->root);
    d_unhash(sb->root);
    dentry_put(sb->root); /* the last reference calls superblock_end() */
}

struct superblock *
superblock_for(const struct fs_type *type, uint64_t flags, const char *source, const char *options)
{
    struct superblock *sb = type->mount(type, flags, source, options);
    if (is_err(sb))
        return sb;
    SCOPED_LOCK(&superblocks_lock);
    if (list_empty(&sb->link))
        list_add_tail(&superblocks, &sb->link);
    return sb;
}

/* Take the superblock after `sb` (NULL: the first), and let sb go. */
static struct superblock *
next_superblock(struct superblock *sb)
{
    struct superblock *next = NULL;

    mutex_lock(&superblocks_lock);
    struct list *from = sb ? &sb->link : &superblocks;
    for (struct list *at = from->next; at != &superblocks && at != from; at = at->next) {
        struct superblock *candidate = LIST_ENTRY(at, struct superblock, link);
        if (ref_tryget(&candidate->refs)) {
            next = candidate;
            break;
        }
    }
    mutex_unlock(&superblocks_lock);
    if (sb)
        superblock_put(sb);
    return next;
}

int
vfs_sync_all(void)
{
    int first_error = 0;
    for (struct superblock *sb = next_superblock(NULL); sb; sb = next_superblock(sb)) {
        int error = sb->ops->sync ? sb->ops->sync(sb) : 0;
        if (error && !first_error)
            first_error = error;
    }
    return first_error;
}
