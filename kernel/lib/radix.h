/*
 * Radix trees: sparse maps from a 64-bit index to a pointer.
 *
 * The index is eaten six bits a level by nodes of 64 slots, and the tree is
 * only as tall as its largest index needs; a tree whose one entry is at index
 * 0 has no node at all. A node that loses its last slot is freed, so an empty
 * tree holds no memory. Used where the indices are dense and small, or come
 * in runs: pages of a file, descriptors, process numbers.
 *
 *      levels 0    root is the entry at index 0, or NULL
 *      levels n    root is a node whose slots each span 64^(n-1) indices
 *
 * Nodes come from the tree's own functions, so the page cache and a test can
 * have theirs from different places. Nothing here locks: readers and writers
 * of one tree are kept apart by its owner.
 */
#ifndef QUIRE_LIB_RADIX_H
#define QUIRE_LIB_RADIX_H

#include "lib/types.h"

#define RADIX_BITS  6
#define RADIX_SLOTS 64

struct radix_node {
    uint32_t count;             /* slots in use; never 0 in a linked node */
    void *slots[RADIX_SLOTS];   /* entries at the lowest level, nodes above */
};

struct radix_ops {
    void *(*alloc)(void);       /* sizeof(struct radix_node) bytes, or NULL;
                                   they need not be zeroed */
    void (*free)(void *node);
};

struct radix {
    void *root;
    unsigned levels;
    const struct radix_ops *ops;
};

/* Make an empty tree. */
static inline void
radix_init(struct radix *tree, const struct radix_ops *ops)
{
    tree->root = NULL;
    tree->levels = 0;
    tree->ops = ops;
}

static inline bool
radix_empty(const struct radix *tree)
{
    return tree->root == NULL;
}

/* The entry at index, or NULL. */
void *radix_get(const struct radix *tree, uint64_t index);
/*
 * The entries at index, index + 1 and so on, into run: n of them, or fewer if one is NULL.
 * index + n must not pass UINT64_MAX. Returns how many.
 */
unsigned radix_get_run(const struct radix *tree, uint64_t index, unsigned n, void **run);

/*
 * Put entry, which is not NULL, at index, replacing what was there. Returns
 * 0, or -ENOMEM with the tree's contents as before; replacing an entry never
 * fails.
 */
int radix_set(struct radix *tree, uint64_t index, void *entry);

/* Remove and return the entry at index, or NULL if there was none. */
void *radix_del(struct radix *tree, uint64_t index);

/*
 * The first entry at or after index `from`, its index in *index; NULL if
 * there is none. To go on, ask again from *index + 1 (unless *index is the
 * last of all, UINT64_MAX).
 */
void *radix_next(const struct radix *tree, uint64_t from, uint64_t *index);

/* The smallest index at or after `from` that has no entry: -ENOSPC if all up
 * to `limit` (inclusive) are taken, else 0 with *index set. */
int radix_next_free(const struct radix *tree, uint64_t from, uint64_t limit,
                    uint64_t *index);

/* Visit all entries from index 0 up; the body may delete the one it sees.
 * `index` is a uint64_t that the caller declares. */
#define RADIX_FOREACH(entry, tree, index)                               \
    for ((index) = 0, (entry) = radix_next(tree, 0, &(index));          \
         (entry);                                                       \
         (entry) = (index) == UINT64_MAX ? NULL :                       \
                   radix_next(tree, (index) + 1, &(index)))

/* Free every node and leave the tree empty. `each`, unless NULL, is called
 * for every entry, in order, and must not touch the tree. */
void radix_destroy(struct radix *tree,
                   void (*each)(void *ctx, uint64_t index, void *entry),
                   void *ctx);

#endif
