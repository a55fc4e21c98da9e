/*
 * The mount tree.
 *
 * A struct mount says: at (parent mount, dentry) begins another tree. A
 * mount in the tree is counted once for that, once for each mount on it, and
 * once for each path that goes through it. mounttree.h tells what guards
 * what; mounting and unmounting proper are in mountops.c.
 */
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/hash.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/dcache.h"
#include "vfs/mounttree.h"

#define BUCKETS 1024
#define STEPS_AT_ONCE 256 /* down the tree, between two points where the hart may be given away */
#define ST_VALID 0x20 /* statfs(2): f_flags is filled in */
#define ST_RELATIME 0x1000
#define ST_NOSYMFOLLOW 0x2000
/* Those that have the same value there and in mount(2). */
#define ST_SAME                                                                                    \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | MS_NODIRATIME)

struct mutex mounts_lock = MUTEX_INIT(mounts_lock, "mounts");

static struct list mounts = LIST_INIT(mounts); /* mounts_lock: those in the tree, in order */
static uint64_t nmounts;                       /* mounts_lock: on that list */
static struct rbtree by_order;                 /* mounts_lock: the same, by mount->order */
static uint64_t next_order = 1;                /* mounts_lock */
static struct mount *table[BUCKETS];
static struct mount *bottom;
static uint32_t next_id = 1;

static struct mount **
bucket_of(const struct mount *parent, const struct dentry *dentry)
{
    return &table[hash64_pair((uint64_t)parent, (uint64_t)dentry) % BUCKETS];
}

struct mount *
mount_find(const struct mount *parent, const struct dentry *dentry)
{
    struct mount *mount = __atomic_load_n(bucket_of(parent, dentry), __ATOMIC_ACQUIRE);
    for (; mount; mount = __atomic_load_n(&mount->hash_next, __ATOMIC_ACQUIRE))
        if (mount->parent == parent && mount->mountpoint == dentry)
            return mount;
    return NULL;
}

struct mount *
mount_make(struct superblock *sb, struct dentry *root, const char *source, uint64_t flags)
{
    struct mount *mount = kzalloc(sizeof(*mount));
    size_t length = strlen(source);
    char *copy = kmalloc(length + 1);
    if (!mount || !copy) {
        kmfree(mount);
        kmfree(copy);
        return NULL;
    }
    memcpy(copy, source, length + 1);
    ref_get(&sb->refs);
    dentry_get(root);
    ref_init(&mount->refs, 1);
    mount->sb = sb;
    mount->root = root;
    mount->parent = mount;
    mount->mountpoint = root;
    mount->flags = flags;
    mount->source = copy;
    mount->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    list_init(&mount->children);
    list_init(&mount->sibling);
    list_init(&mount->link);
    spin_lock(&tree_lock);
    list_add_tail(&sb->mounts, &mount->sb_link);
    spin_unlock(&tree_lock);
    return mount;
}

void
mount_get(struct mount *mount)
{
    ref_get(&mount->refs);
}

bool
mount_tryget(struct mount *mount)
{
    return ref_tryget(&mount->refs);
}

static void
free_mount(struct deferred *deferred)
{
    struct mount *mount = container_of(deferred, struct mount, deferred);
    kmfree((void *)mount->source);
    kmfree(mount);
}

void
mount_used(struct mount *mount)
{
    if (unlikely(__atomic_load_n(&mount->idle, __ATOMIC_RELAXED)))
        store_relaxed(&mount->idle, false);
}

void
mount_put(struct mount *mount)
{
    mount_used(mount);
    mount_put_idle(mount);
}

void
mount_put_idle(struct mount *mount)
{
    if (!ref_put(&mount->refs))
        return;
    assert(mount->parent == mount && list_empty(&mount->children)); /* those are counted */
    spin_lock(&tree_lock);
    list_del(&mount->sb_link);
    spin_unlock(&tree_lock);
    dentry_put(mount->root);
    superblock_put(mount->sb);
    deferred_free(&mount->deferred, free_mount);
}

void
mount_attach(struct mount *mount, const struct path *at)
{
    struct mount **bucket = bucket_of(at->mount, at->dentry);

    mount_get(at->mount);
    dentry_get(at->dentry);
    tree_write_begin();
    mount->parent = at->mount;
    mount->mountpoint = at->dentry;
    __atomic_fetch_add(&at->dentry->nmounts, 1, __ATOMIC_RELAXED);
    mount->hash_next = *bucket;
    store_release(bucket, mount);
    tree_write_end();
    list_add_tail(&at->mount->children, &mount->sibling);
}

/* Take the mount off its place, which is returned with its references. tree_write_begin() was called. */
static struct path
unhook(struct mount *mount)
{
    struct path at = {mount->parent, mount->mountpoint};
    struct mount **place = bucket_of(at.mount, at.dentry);

    while (*place != mount)
        place = &(*place)->hash_next;
    store_release(place, mount->hash_next);
    __atomic_fetch_sub(&at.dentry->nmounts, 1, __ATOMIC_RELAXED);
    mount->parent = mount;
    mount->mountpoint = mount->root;
    return at;
}

/* Take a mount that hangs nowhere any more off the list of the tree's. */
static void
unlist(struct mount *mount)
{
    list_del(&mount->sibling);
    if (list_empty(&mount->link))
        return;
    list_del(&mount->link);
    rb_erase(&by_order, &mount->order_node);
    nmounts--;
}

void
mount_detach(struct mount *mount)
{
    tree_write_begin();
    struct path at = unhook(mount);
    tree_write_end();
    unlist(mount);
    path_put(&at);
}

bool
mount_detach_unused(struct mount *mount, uint32_t users)
{
    if (!list_empty(&mount->children))
        return false;
    tree_write_begin();
    /* Pairs with the fence in fast_lookup(): its reference is seen here, or our change there. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool unused = ref_count(&mount->refs) <= users;
    struct path at = unused ? unhook(mount) : (struct path){0};
    tree_write_end();
    if (unused)
        unlist(mount);
    path_put(&at);
    return unused;
}

/* Put a mount on the list of the tree's, last. mounts_lock held. */
static void
enlist(struct mount *mount)
{
    struct rbnode *last = rb_last(&by_order);

    if (!list_empty(&mount->link))
        return;
    list_add_tail(&mounts, &mount->link);
    mount->order = next_order++;
    rb_insert_at(&by_order, &mount->order_node, last, last ? &last->right : &by_order.root);
    nmounts++;
}

void
mount_list_tree(struct mount *top)
{
    for (struct mount *m = top; m; m = mount_next_below(m, top))
        enlist(m);
}

bool
mount_in_tree(const struct mount *mount)
{
    return !list_empty(&mount->link);
}

uint64_t
mount_count(void)
{
    return nmounts;
}

struct mount *
mount_next_beside(struct mount *mount, const struct mount *top)
{
    for (; mount != top; mount = mount->parent) {
        struct mount *next = LIST_NEXT(mount, &mount->parent->children, sibling);
        if (next)
            return next;
    }
    return NULL;
}

struct mount *
mount_next_below(struct mount *mount, const struct mount *top)
{
    struct mount *child = mount_child(mount);
    return child ? child : mount_next_beside(mount, top);
}

void
mount_set_bottom(struct mount *mount)
{
    enlist(mount);
    store_release(&bottom, mount);
}

void
first_root(struct path *path)
{
    path->mount = __atomic_load_n(&bottom, __ATOMIC_ACQUIRE);
    path->dentry = path->mount->root;
}

struct mount *
mount_next(struct mount *mount)
{
    return mount ? LIST_NEXT(mount, &mounts, link) : LIST_FIRST(&mounts, struct mount, link);
}

struct mount *
mount_child(const struct mount *parent)
{
    return LIST_FIRST(&parent->children, struct mount, sibling);
}

bool
mount_may_suid(const struct mount *mount)
{
    const struct list *next = __atomic_load_n(&mount->link.next, __ATOMIC_RELAXED);

    /* A mount that is on no list has been detached, or is the kernel's own. */
    return next != &mount->link && !(mount->flags & MS_NOSUID);
}

void
mount_cross(struct path *path)
{
    while (__atomic_load_n(&path->dentry->nmounts, __ATOMIC_RELAXED)) {
        spin_lock(&tree_lock);
        struct mount *above = mount_find(path->mount, path->dentry);
        if (above)
            mount_get(above);
        spin_unlock(&tree_lock);
        if (!above)
            return;
        path_put(path);
        path->mount = above;
        path->dentry = above->root;
        dentry_get(path->dentry);
    }
}

bool
mount_leave(struct path *path)
{
    struct path below;

    spin_lock(&tree_lock);
    below.mount = path->mount->parent;
    below.dentry = path->mount->mountpoint;
    bool leaves = below.mount != path->mount;
    if (leaves)
        path_get(&below);
    spin_unlock(&tree_lock);
    if (leaves) {
        path_put(path);
        *path = below;
    }
    return leaves;
}

int
mount_writable(const struct mount *mount)
{
    return (mount->flags | mount->sb->flags) & MS_RDONLY ? -EROFS : 0;
}

int
mount_begin_write(struct mount *mount)
{
    __atomic_fetch_add(&mount->nwriters, 1, __ATOMIC_SEQ_CST);
    int error = mount_writable(mount);
    if (error)
        mount_end_write(mount);
    return error;
}

void
mount_end_write(struct mount *mount)
{
    __atomic_fetch_sub(&mount->nwriters, 1, __ATOMIC_RELEASE);
}

/* Does the place where the mount begins lie under root? mounts_lock held. */
static bool
visible(const struct mount *mount, const struct path *root)
{
    struct dentry *dentry = mount->root;
    unsigned steps = 0;

    for (; mount != root->mount; mount = mount->parent) {
        if (mount->parent == mount)
            return false;
        dentry = mount->mountpoint;
        preempt_every(&steps, STEPS_AT_ONCE);
    }
    return d_is_under(root->dentry, dentry);
}

/* The first mount in the tree whose order is at least `order`; NULL: none. mounts_lock held. */
static struct mount *
find_from(uint64_t order)
{
    struct mount *best = NULL;

    for (struct rbnode *node = by_order.root; node;) {
        struct mount *mount = RB_ENTRY(node, struct mount, order_node);
        bool before = mount->order < order;
        best = before ? best : mount;
        node = before ? node->right : node->left;
    }
    return best;
}

bool
mount_pass(uint64_t *order, void (*fn)(void *ctx, const struct mount *mount), void *ctx)
{
    struct path root;
    current_root(&root);
    mutex_lock(&mounts_lock);
    const struct mount *mount = find_from(*order);
    if (mount && visible(mount, &root))
        fn(ctx, mount);
    if (mount)
        *order = mount->order + 1;
    mutex_unlock(&mounts_lock);
    path_put(&root);
    return mount;
}

int
vfs_statfs(const struct path *path, struct statfs64 *st)
{
    struct superblock *sb = path->dentry->sb;

    memset(st, 0, sizeof(*st));
    st->f_type = sb == &anon_superblock && S_ISFIFO(path->dentry->inode->mode) ? PIPEFS_MAGIC
                                                                               : sb->magic;
    st->f_bsize = st->f_frsize = sb->block_size;
    st->f_namelen = NAME_MAX;
    st->f_fsid.val[0] = (int)sb->dev;
    int error = sb->ops->statfs ? sb->ops->statfs(sb, st) : 0;

    uint64_t flags = path->mount->flags | (sb->flags & (MS_RDONLY | MS_SYNCHRONOUS));
    st->f_flags = ST_VALID | (flags & ST_SAME);
    st->f_flags |= (flags & MS_RELATIME ? ST_RELATIME : 0) |
                   (flags & MS_NOSYMFOLLOW ? ST_NOSYMFOLLOW : 0);
    return error;
}

void
path_get(const struct path *path)
{
    mount_get(path->mount);
    dentry_get(path->dentry);
}

void
path_put(struct path *path)
{
    struct path old = *path;
    *path = (struct path){0};
    if (old.dentry)
        dentry_put(old.dentry);
    if (old.mount)
        mount_put(old.mount);
}
