/*
 * Radix trees.
 *
 * Levels count from the bottom: a node at level 1 holds entries, and the root
 * node is at level tree->levels. Three things always hold between calls: no
 * linked node is empty, the empty tree has no levels, and a root node has
 * something besides its slot 0 (else the tree could be a level lower).
 */
#include "lib/radix.h"

#include "lib/errno.h"
#include "lib/string.h"

#define MAX_LEVELS 11           /* 11 * 6 >= 64 bits */

static unsigned
slot_of(uint64_t index, unsigned level)
{
    return index >> (RADIX_BITS * (level - 1)) & (RADIX_SLOTS - 1);
}

/* True if the tree is tall enough for the index. */
static bool
fits(const struct radix *tree, uint64_t index)
{
    return tree->levels >= MAX_LEVELS || index >> (RADIX_BITS * tree->levels) == 0;
}

static struct radix_node *
node_alloc(struct radix *tree)
{
    struct radix_node *node = tree->ops->alloc();
    if (node)
        memset(node, 0, sizeof(*node));
    return node;
}

/* Restore the invariants on the path to index, whose lowest nodes may have
 * become empty. */
static void
prune(struct radix *tree, uint64_t index)
{
    struct radix_node *path[MAX_LEVELS];
    unsigned depth = 0;
    void *p = tree->root;

    for (unsigned level = tree->levels; level && p; level--) {
        path[depth++] = p;
        p = path[depth - 1]->slots[slot_of(index, level)];
    }
    while (depth && path[depth - 1]->count == 0) {
        tree->ops->free(path[--depth]);
        if (depth == 0) {
            tree->root = NULL;
        } else {
            struct radix_node *parent = path[depth - 1];
            parent->slots[slot_of(index, tree->levels - (depth - 1))] = NULL;
            parent->count--;
        }
    }

    if (!tree->root)
        tree->levels = 0;
    while (tree->levels) {
        struct radix_node *root = tree->root;
        if (root->count > 1 || !root->slots[0])
            break;
        tree->root = root->slots[0];
        tree->levels--;
        tree->ops->free(root);
    }
}

/* Make the tree tall enough for the index; false if memory runs out. */
static bool
grow(struct radix *tree, uint64_t index)
{
    for (; !fits(tree, index); tree->levels++) {
        if (!tree->root)
            continue;
        struct radix_node *root = node_alloc(tree);
        if (!root)
            return false;
        root->slots[0] = tree->root;
        root->count = 1;
        tree->root = root;
    }
    return true;
}

/* Find the slot for an index that fits, making the nodes on the way; *parent
 * is the node it is in, or NULL. Returns NULL if memory runs out. */
static void **
make_slot(struct radix *tree, uint64_t index, struct radix_node **parent)
{
    void **slot = &tree->root;
    struct radix_node *node = NULL;

    for (unsigned level = tree->levels; level; level--) {
        if (!*slot) {
            *slot = node_alloc(tree);
            if (!*slot)
                return NULL;
            if (node)
                node->count++;
        }
        node = *slot;
        slot = &node->slots[slot_of(index, level)];
    }
    *parent = node;
    return slot;
}

/* Where the entry at index is, if the nodes above it are there; else a slot that holds NULL. */
static inline void *const *
find_slot(const struct radix *tree, uint64_t index)
{
    void *const *slot = &tree->root;

    for (unsigned shift = RADIX_BITS * tree->levels; shift && *slot;) {
        shift -= RADIX_BITS;
        slot = &((const struct radix_node *)*slot)->slots[index >> shift & (RADIX_SLOTS - 1)];
    }
    return slot;
}

void *
radix_get(const struct radix *tree, uint64_t index)
{
    return fits(tree, index) ? *find_slot(tree, index) : NULL;
}

unsigned
radix_get_run(const struct radix *tree, uint64_t index, unsigned n, void **run)
{
    void *const *slot = NULL;
    unsigned found;

    for (found = 0; found < n; found++, index++, slot++) {
        /* A node at the bottom is looked for once for all entries that it holds. */
        if (found == 0 || index % RADIX_SLOTS == 0) {
            if (!fits(tree, index))
                break;
            slot = find_slot(tree, index);
        }
        if (!*slot)
            break;
        run[found] = *slot;
    }
    return found;
}

int
radix_set(struct radix *tree, uint64_t index, void *entry)
{
    struct radix_node *parent;
    void **slot = grow(tree, index) ? make_slot(tree, index, &parent) : NULL;

    if (!slot) {
        prune(tree, index);
        return -ENOMEM;
    }
    if (!*slot && parent)
        parent->count++;
    *slot = entry;
    return 0;
}

void *
radix_del(struct radix *tree, uint64_t index)
{
    void **slot = &tree->root;
    struct radix_node *parent = NULL;

    if (!fits(tree, index))
        return NULL;
    for (unsigned level = tree->levels; level && *slot; level--) {
        parent = *slot;
        slot = &parent->slots[slot_of(index, level)];
    }

    void *entry = *slot;
    if (entry) {
        *slot = NULL;
        if (parent)
            parent->count--;
        prune(tree, index);
    }
    return entry;
}

/* The first index of the slot after the one that index is in. */
static uint64_t
next_slot(uint64_t index, unsigned level)
{
    unsigned shift = RADIX_BITS * (level - 1);
    return ((index >> shift) + 1) << shift;
}

/* Search the subtree p, at a level, from index `from`, which lies in it. This
 * and the next recurse once a level. */
static void *
next_below(void *p, unsigned level, uint64_t from, uint64_t *index)
{
    if (level == 0) {
        *index = from;
        return p;
    }
    struct radix_node *node = p;
    for (unsigned i = slot_of(from, level); i < RADIX_SLOTS; i++) {
        void *entry = node->slots[i] ? next_below(node->slots[i], level - 1, from, index) : NULL;
        if (entry)
            return entry;
        from = next_slot(from, level);
    }
    return NULL;
}

void *
radix_next(const struct radix *tree, uint64_t from, uint64_t *index)
{
    if (!tree->root || !fits(tree, from))
        return NULL;
    return next_below(tree->root, tree->levels, from, index);
}

/* Nothing beyond limit is looked at: then that is what is found. */
static bool
next_free_below(void *p, unsigned level, uint64_t from, uint64_t limit, uint64_t *index)
{
    if (!p || from > limit) {
        *index = from;
        return true;
    }
    if (level == 0)
        return false;
    struct radix_node *node = p;
    if (level == 1 && node->count == RADIX_SLOTS)
        return false;
    /* The top level of a full-height tree has slots for 16 only. */
    unsigned slots = level == MAX_LEVELS ? 16 : RADIX_SLOTS;
    for (unsigned i = slot_of(from, level); i < slots; i++) {
        if (next_free_below(node->slots[i], level - 1, from, limit, index))
            return true;
        from = next_slot(from, level);
    }
    return false;
}

int
radix_next_free(const struct radix *tree, uint64_t from, uint64_t limit, uint64_t *index)
{
    uint64_t found = from;

    if (fits(tree, from) && !next_free_below(tree->root, tree->levels, from, limit, &found)) {
        if (tree->levels >= MAX_LEVELS)
            return -ENOSPC;
        found = (uint64_t)1 << (RADIX_BITS * tree->levels);
    }
    if (found > limit)
        return -ENOSPC;
    *index = found;
    return 0;
}

static void
destroy_below(struct radix *tree, void *p, unsigned level, uint64_t base,
              void (*each)(void *ctx, uint64_t index, void *entry), void *ctx)
{
    if (level == 0) {
        if (each)
            each(ctx, base, p);
        return;
    }
    struct radix_node *node = p;
    for (unsigned i = 0; i < RADIX_SLOTS; i++, base = next_slot(base, level))
        if (node->slots[i] && (level > 1 || each))
            destroy_below(tree, node->slots[i], level - 1, base, each, ctx);
    tree->ops->free(node);
}

void
radix_destroy(struct radix *tree, void (*each)(void *ctx, uint64_t index, void *entry), void *ctx)
{
    if (tree->root)
        destroy_below(tree, tree->root, tree->levels, 0, each, ctx);
    tree->root = NULL;
    tree->levels = 0;
}
