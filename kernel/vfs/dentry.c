/*
 * Dentries: making, finding, forgetting.
 *
 * A dentry's life by its reference count:
 *
 *      d_alloc()  1 ---> ... ---> 0, hashed: cached, on the LRU list
 *                                 |  ^
 *                                 |  found again (any count but dead can rise)
 *                                 v
 *                               dead: unhashed, taken from its parent's list,
 *                               inode put, memory freed late (deferred.h)
 *
 * The count falls from 1 to 0 only under the lock of the dentry's bucket, and
 * so does it become dead; it rises anywhere. An unhashed dentry whose count
 * falls to 0 dies at once, for it cannot be found again.
 *
 * A dentry counts its parent, and puts its inode before it puts its parent; so
 * the root of a superblock ends last, and ends the superblock (superblock.c).
 *
 * The LRU list is lazy: a dentry found again stays on it, and whoever shrinks
 * it passes over those in use. It is bounded, so that names that are looked
 * up once do not fill a small machine.
 */
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/dcache.h"
#include "vfs/mount.h"

#define STEPS_AT_ONCE 64 /* up the tree, between two points where the hart may be given away */
#define MIN_BUCKETS 256
#define MAX_BUCKETS 32768
#define FRAMES_PER_BUCKET 8
#define FRAMES_PER_CACHED 16 /* the LRU list holds one dentry for so many frames of RAM */
#define TRIM 8               /* forgotten at a time when the list is full */

struct dcache_bucket *dcache_buckets;
uint64_t dcache_mask;
struct spinlock tree_lock = SPINLOCK_INIT("tree");
uint64_t tree_sequence;

static struct slab_cache *dentry_cache;

static struct spinlock lru_lock = SPINLOCK_INIT("dentry lru");
static struct list lru = LIST_INIT(lru); /* oldest first */
static uint64_t lru_count, lru_limit;

struct long_name {
    struct deferred deferred;
    char text[];
};

static struct dcache_bucket *
bucket_of(uint32_t hash)
{
    return &dcache_buckets[hash & dcache_mask];
}

/* The bucket of a dentry, locked. A rename may change it until we hold the lock. */
static struct dcache_bucket *
lock_bucket(struct dentry *dentry)
{
    for (;;) {
        uint32_t hash = __atomic_load_n(&dentry->hash, __ATOMIC_RELAXED);
        struct dcache_bucket *bucket = bucket_of(hash);
        spin_lock(&bucket->lock);
        if (likely(dentry->hash == hash))
            return bucket;
        spin_unlock(&bucket->lock);
    }
}

uint32_t
name_hash(const struct dentry *parent, const char *name, size_t length)
{
    uint64_t hash = name_hash_begin(parent);
    for (size_t i = 0; i < length; i++)
        hash = name_hash_step(hash, name[i]);
    return name_hash_end(hash);
}

char *
d_long_name(const char *name, size_t length)
{
    struct long_name *copy = kmalloc(sizeof(*copy) + length + 1);
    if (!copy)
        return NULL;
    memcpy(copy->text, name, length);
    copy->text[length] = '\0';
    return copy->text;
}

static void
free_long_name(struct deferred *deferred)
{
    kmfree(container_of(deferred, struct long_name, deferred));
}

void
d_free_long_name(const char *name)
{
    deferred_free(&container_of(name, struct long_name, text)->deferred, free_long_name);
}

/* A dentry with everything but its name, parent and place in the tree. */
static struct dentry *
dentry_make(struct superblock *sb)
{
    struct dentry *dentry = slab_alloc(dentry_cache);
    if (!dentry)
        return NULL;
    dentry->refs = 1;
    dentry->inode = NULL;
    dentry->hashed = false;
    dentry->pinned = false;
    dentry->nmounts = 0;
    dentry->sb = sb;
    dentry->hash_next = NULL;
    dentry->hash_place = NULL;
    spin_init(&dentry->child_lock, "dentry children");
    list_init(&dentry->children);
    list_init(&dentry->sibling);
    list_init(&dentry->lru_link);
    dentry->cookie = 0;
    dentry->next_cookie = 2; /* after "." and ".." */
    dentry->cursor = NULL;
    return dentry;
}

struct dentry *
d_alloc(struct dentry *parent, const char *name, size_t length)
{
    struct dentry *dentry = dentry_make(parent->sb);
    if (!dentry)
        return NULL;

    if (length < DNAME_INLINE) {
        memcpy(dentry->inline_name, name, length);
        dentry->inline_name[length] = '\0';
        dentry->name = dentry->inline_name;
    } else {
        dentry->name = d_long_name(name, length);
        if (!dentry->name) {
            slab_free(dentry_cache, dentry);
            return NULL;
        }
    }
    dentry->name_length = (uint32_t)length;
    dentry->hash = name_hash(parent, name, length);
    dentry_get(parent);
    dentry->parent = parent;

    spin_lock(&parent->child_lock);
    list_add_tail(&parent->children, &dentry->sibling);
    spin_unlock(&parent->child_lock);
    return dentry;
}

struct dentry *
d_alloc_loose(struct superblock *sb, const char *name)
{
    struct dentry *dentry = dentry_make(sb);
    if (!dentry)
        return NULL;
    dentry->name = name;
    dentry->name_length = (uint32_t)strlen(name);
    dentry->hash = 0;
    dentry->parent = dentry;
    return dentry;
}

struct dentry *
d_alloc_root(struct superblock *sb, struct inode *inode)
{
    struct dentry *dentry = d_alloc_loose(sb, "/");
    if (dentry)
        dentry->inode = inode;
    return dentry;
}

/* bucket's lock held. */
static void
hash_locked(struct dcache_bucket *bucket, struct dentry *dentry)
{
    struct dentry *first = bucket->first;

    dentry->hash_next = first;
    dentry->hash_place = &bucket->first;
    if (first)
        first->hash_place = &dentry->hash_next;
    dentry->hashed = true;
    store_release(&bucket->first, dentry);
}

/* bucket's lock held. hash_next stays: a reader may be standing here. */
static void
unhash_locked(struct dentry *dentry)
{
    struct dentry *next = dentry->hash_next;

    store_relaxed(dentry->hash_place, next);
    if (next)
        next->hash_place = dentry->hash_place;
    dentry->hash_place = NULL;
    dentry->hashed = false;
}

void
d_hash(struct dentry *dentry)
{
    struct dcache_bucket *bucket = lock_bucket(dentry);
    if (!dentry->hashed)
        hash_locked(bucket, dentry);
    spin_unlock(&bucket->lock);
}

void
d_unhash(struct dentry *dentry)
{
    struct dcache_bucket *bucket = lock_bucket(dentry);
    if (dentry->hashed)
        unhash_locked(dentry);
    spin_unlock(&bucket->lock);
}

void
d_rehash(struct dentry *dentry, uint32_t hash, bool insert)
{
    struct dcache_bucket *bucket = lock_bucket(dentry);
    if (dentry->hashed)
        unhash_locked(dentry);
    dentry->hash = hash;
    spin_unlock(&bucket->lock);
    if (insert)
        d_hash(dentry);
}

void
d_drop(struct dentry *dentry)
{
    d_unhash(dentry);
}

void
d_delete(struct dentry *dentry)
{
    d_unhash(dentry);
}

void
d_add(struct dentry *dentry, struct inode *inode)
{
    if (inode) {
        assert(!dentry->inode);
        store_release(&dentry->inode, inode);
    }
    d_hash(dentry);
}

void
d_instantiate(struct dentry *dentry, struct inode *inode)
{
    d_add(dentry, inode);
}

struct dentry *
d_lookup(struct dentry *parent, const char *name, size_t length)
{
    uint32_t hash = name_hash(parent, name, length);
    struct dcache_bucket *bucket = bucket_of(hash);

    SCOPED_SPIN(&bucket->lock);
    struct dentry *dentry = d_find_unlocked(parent, name, length, hash);
    return dentry && dentry_tryget(dentry) ? dentry : NULL;
}

void
d_pin(struct dentry *dentry)
{
    struct dentry *parent = dentry->parent;

    dentry_get(dentry);
    dentry->pinned = true;
    dentry->cookie = parent->next_cookie++;
    spin_lock(&parent->child_lock);
    list_move_tail(&parent->children, &dentry->sibling);
    spin_unlock(&parent->child_lock);
}

void
d_unpin(struct dentry *dentry)
{
    if (dentry->parent->cursor == dentry)
        dentry->parent->cursor = NULL;
    dentry->pinned = false;
    dentry_put(dentry);
}

void
dentry_get(struct dentry *dentry)
{
    uint32_t old = __atomic_fetch_add(&dentry->refs, 1, __ATOMIC_RELAXED);

    if (unlikely(old - 1 >= DENTRY_DEAD - 1))
        panic("a reference to a dentry that has %u", old);
}

static void
lru_remove(struct dentry *dentry)
{
    SCOPED_SPIN(&lru_lock);
    if (!list_empty(&dentry->lru_link)) {
        list_del(&dentry->lru_link);
        lru_count--;
    }
}

static void
free_dentry(struct deferred *deferred)
{
    slab_free(dentry_cache, container_of(deferred, struct dentry, deferred));
}

/* Let a dead dentry go; returns its parent, whose reference the caller now has to drop, or NULL. */
static struct dentry *
bury(struct dentry *dentry)
{
    struct dentry *parent = dentry->parent;

    if (parent != dentry) {
        spin_lock(&parent->child_lock);
        list_del(&dentry->sibling);
        spin_unlock(&parent->child_lock);
    } else {
        parent = NULL;
    }
    if (!list_empty(&dentry->lru_link))
        lru_remove(dentry);
    if (dentry->inode)
        inode_put(dentry->inode);
    if (parent && dentry->name != dentry->inline_name)
        d_free_long_name(dentry->name);
    struct superblock *ended = dentry == dentry->sb->root ? dentry->sb : NULL;
    deferred_free(&dentry->deferred, free_dentry);
    if (ended)
        superblock_end(ended);
    return parent;
}

/* A dentry that nobody refers to stays, if somebody could find it and may use it as it is. */
static bool
worth_keeping(const struct dentry *dentry)
{
    const struct inode *inode = dentry->inode ? dentry->inode : dentry->parent->inode;
    return dentry->hashed && (dentry->parent != dentry) && !inode->ops->revalidate;
}

/* Kill an unreferenced dentry; bucket's lock held. False: somebody took a reference. */
static bool
kill_locked(struct dentry *dentry)
{
    uint32_t none = 0;
    if (!__atomic_compare_exchange_n(&dentry->refs, &none, DENTRY_DEAD, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    if (dentry->hashed)
        unhash_locked(dentry);
    return true;
}

/*
 * Drop what was the last reference when we looked. Returns a parent to put, or NULL;
 * sets *full if the LRU list has grown too long.
 */
static struct dentry *
put_last(struct dentry *dentry, bool *full)
{
    struct dcache_bucket *bucket = lock_bucket(dentry);

    if (__atomic_sub_fetch(&dentry->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        spin_unlock(&bucket->lock);
        return NULL;
    }
    if (!worth_keeping(dentry)) {
        bool dead = kill_locked(dentry);
        spin_unlock(&bucket->lock);
        return dead ? bury(dentry) : NULL;
    }
    if (list_empty(&dentry->lru_link)) {
        spin_lock(&lru_lock);
        list_add_tail(&lru, &dentry->lru_link);
        *full = ++lru_count > lru_limit;
        spin_unlock(&lru_lock);
    }
    spin_unlock(&bucket->lock);
    return NULL;
}

/* Drop a reference, and those to parents that this sets free. */
static bool
put_chain(struct dentry *dentry)
{
    bool full = false;
    unsigned steps = 0; /* a removed branch may be as deep as memory allows */

    while (dentry) {
        uint32_t refs = __atomic_load_n(&dentry->refs, __ATOMIC_RELAXED);
        assert(refs > 0 && !(refs & DENTRY_DEAD));
        while (refs > 1)
            if (__atomic_compare_exchange_n(&dentry->refs, &refs, refs - 1, true, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED))
                return full;
        dentry = put_last(dentry, &full);
        preempt_every(&steps, STEPS_AT_ONCE);
    }
    return full;
}

void
dentry_put(struct dentry *dentry)
{
    if (put_chain(dentry))
        dcache_shrink(TRIM);
}

/* Take the oldest dentry off the LRU list and kill it if it is unused. False: the list is empty. */
static bool
shrink_one(size_t *freed)
{
    read_enter(); /* keeps the memory while we hold neither reference nor lock */
    spin_lock(&lru_lock);
    struct dentry *dentry = LIST_FIRST(&lru, struct dentry, lru_link);
    if (dentry) {
        list_del(&dentry->lru_link);
        lru_count--;
    }
    spin_unlock(&lru_lock);

    bool dead = false;
    if (dentry) {
        struct dcache_bucket *bucket = lock_bucket(dentry);
        dead = kill_locked(dentry);
        spin_unlock(&bucket->lock);
    }
    read_leave();
    if (dead) {
        ++*freed;
        struct dentry *parent = bury(dentry);
        put_chain(parent);
    }
    return dentry;
}

size_t
dcache_shrink(size_t wanted)
{
    size_t freed = 0;
    /* Dentries in use are passed over, each once: they leave the list. */
    for (uint64_t left = __atomic_load_n(&lru_count, __ATOMIC_RELAXED); left && freed < wanted;
         left--)
        if (!shrink_one(&freed))
            break;
    return freed;
}

/* The first child that satisfies nobody's use but the cache's, with a reference; NULL: none. */
static struct dentry *
unused_child(struct dentry *dir)
{
    SCOPED_SPIN(&dir->child_lock);
    struct dentry *child;
    LIST_FOREACH(child, &dir->children, sibling) {
        uint32_t none = 0;
        if (child->hashed && __atomic_compare_exchange_n(&child->refs, &none, 1, false,
                                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return child;
    }
    return NULL;
}

void
d_prune_children(struct dentry *dir)
{
    struct dentry *child;
    while ((child = unused_child(dir))) {
        d_unhash(child);
        dentry_put(child);
    }
}

void
dcache_init(void)
{
    uint64_t n = roundup_pow2(nframes_ram / FRAMES_PER_BUCKET);
    n = min(max(n, (uint64_t)MIN_BUCKETS), (uint64_t)MAX_BUCKETS);

    dcache_buckets = kzalloc(n * sizeof(*dcache_buckets));
    if (!dcache_buckets)
        panic("no memory for the dentry cache");
    for (uint64_t i = 0; i < n; i++)
        spin_init(&dcache_buckets[i].lock, "dentry bucket");
    dcache_mask = n - 1;
    lru_limit = max(nframes_ram / FRAMES_PER_CACHED, (uint64_t)256);
    dentry_cache = slab_cache_create("dentry", sizeof(struct dentry), 0);
}
