/*
 * Inside the dentry cache: what dentry.c, dtree.c and the walks share.
 *
 * The hash table: a chain a bucket, changed under the bucket's spinlock, read
 * with it or between read_enter() and read_leave(). Chains end in NULL, so a
 * reader who is led astray by a dentry that moves to another chain still
 * stops.
 *
 * The tree sequence: renames and mounts change several pointers that only
 * together make sense. They happen under tree_lock, with tree_sequence odd
 * meanwhile; a lock-free reader believes what it read if the sequence was even
 * before and the same after.
 *
 * Lock order: tree_lock, bucket locks (two by address), child_lock, LRU's.
 */
#ifndef QUIRE_VFS_DCACHE_H
#define QUIRE_VFS_DCACHE_H

#include "lib/atomic.h"
#include "vfs/inode.h"
#include "vfs/namei.h"

#define DENTRY_DEAD (1U << 31) /* in refs: nobody may take a reference any more */

struct dcache_bucket {
    struct dentry *first;
    struct spinlock lock;
};
extern struct dcache_bucket *dcache_buckets;
extern uint64_t dcache_mask;

extern struct spinlock tree_lock;
extern uint64_t tree_sequence;

/* Even: go on and ask tree_read_valid() in the end. Odd: a change is under way. */
static inline uint64_t
tree_read_begin(void)
{
    return __atomic_load_n(&tree_sequence, __ATOMIC_ACQUIRE);
}

static inline bool
tree_read_valid(uint64_t sequence)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&tree_sequence, __ATOMIC_RELAXED) == sequence;
}

static inline void
tree_write_begin(void)
{
    spin_lock(&tree_lock);
    store_relaxed(&tree_sequence, tree_sequence + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void
tree_write_end(void)
{
    store_release(&tree_sequence, tree_sequence + 1);
    spin_unlock(&tree_lock);
}

/* The hash of (parent, name), a letter at a time: begin, step for each letter, end. */
static inline uint64_t
name_hash_begin(const struct dentry *parent)
{
    return (uint64_t)parent >> 4;
}

static inline uint64_t
name_hash_step(uint64_t hash, char letter)
{
    return (hash ^ (uint8_t)letter) * 0x100000001b3; /* FNV-1a */
}

static inline uint32_t
name_hash_end(uint64_t hash)
{
    return (uint32_t)(hash * 0x9e3779b97f4a7c15 >> 32); /* 2^64 / golden ratio */
}

uint32_t name_hash(const struct dentry *parent, const char *name, size_t length);

/* The cached dentry of a name, no reference, or NULL; between read_enter() and read_leave(). */
static inline struct dentry *
d_find_unlocked(const struct dentry *parent, const char *name, size_t length, uint32_t hash)
{
    struct dentry *d = __atomic_load_n(&dcache_buckets[hash & dcache_mask].first, __ATOMIC_ACQUIRE);

    for (; d; d = __atomic_load_n(&d->hash_next, __ATOMIC_ACQUIRE)) {
        if (d->hash != hash || d->parent != parent || d->name_length != length)
            continue;
        /* A name that changes under us may be shorter by now; its NUL stops this. */
        const char *other = __atomic_load_n(&d->name, __ATOMIC_RELAXED);
        size_t i = 0;
        while (i < length && other[i] == name[i])
            i++;
        if (i == length)
            return d;
    }
    return NULL;
}

/* Take a reference unless the dentry is dead; its memory must be safe to touch. */
static inline bool
dentry_tryget(struct dentry *dentry)
{
    uint32_t refs = __atomic_load_n(&dentry->refs, __ATOMIC_RELAXED);
    do {
        if (refs & DENTRY_DEAD)
            return false;
    } while (!__atomic_compare_exchange_n(&dentry->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return true;
}

/* The cached dentry of a name, with a reference, or NULL. */
struct dentry *d_lookup(struct dentry *parent, const char *name, size_t length);
/* A dentry that is in no tree, its own parent; `name` must last for ever. NULL: memory is out. */
struct dentry *d_alloc_loose(struct superblock *sb, const char *name);
/* Take out of and put into the hash table; bucket's lock not held. */
void d_hash(struct dentry *dentry);
void d_unhash(struct dentry *dentry);
/* Take out, give a new hash, and put in again if `insert`. */
void d_rehash(struct dentry *dentry, uint32_t hash, bool insert);
/*
 * Is `ancestor` above (or the same as) dentry? The superblock's rename_lock held: then no
 * directory gets another parent. As many steps as dentry is deep; no spinlock held.
 */
bool d_is_ancestor(const struct dentry *ancestor, const struct dentry *dentry);
/* Does dentry lie under root (or is it the same), in one superblock? Takes its rename_lock. */
bool d_is_under(struct dentry *root, struct dentry *dentry);
/* The parent (a root's: itself) with a reference: a rename may change it at once. */
struct dentry *d_parent(const struct dentry *dentry);
/* A name too long for inline_name: allocate, and free late. */
char *d_long_name(const char *name, size_t length);
void d_free_long_name(const char *name);
/* Forget unreferenced dentries below a directory that was removed. */
void d_prune_children(struct dentry *dir);
/*
 * Take the tree under root apart: unhash and unpin every dentry. The last mount of its file
 * system is gone. Dentries that are still held end with their last reference. Root stays. May sleep.
 */
void d_destroy_tree(struct dentry *root);
/* The root dentry has ended, so no dentry and no inode is left: end the superblock. */
void superblock_end(struct superblock *sb);

/* The pseudo file system of files without names; anon.c. */
extern struct superblock anon_superblock;

/* A path being walked without references; see walk.c. */
struct fast_walk {
    struct mount *mount;
    struct dentry *dentry;
    uint64_t sequence;
};
#define FAST_RETRY 1 /* not a case for the lock-free walk, or the tree changed under it */
/*
 * Walk cached names without a lock or a reference; with LOOKUP_PARENT *last is filled in.
 * 0: *walk says where it ended, and read_enter() is in force: the caller looks, asks
 * tree_read_valid(), and calls read_leave(). Else an error for sure, or FAST_RETRY, and
 * read_leave() was called.
 */
int fast_walk(const struct path *start, const char *name, unsigned flags, struct fast_walk *walk,
              struct last_name *last);
/* The same, ending with references in *result. */
int fast_lookup(const struct path *start, const char *name, unsigned flags, struct path *result,
                struct last_name *last);

#endif
