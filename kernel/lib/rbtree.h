/*
 * Red-black trees: balanced, intrusive, ordered by whoever inserts.
 *
 * The tree knows no keys. The caller walks down from the root, comparing as
 * it likes, and hands over the place it found; the tree only links the node
 * there and keeps the depth under 2 log2(n + 1). A typical insertion is
 *
 *      struct rbnode **link = &tree->root, *parent = NULL;
 *      while (*link) {
 *          parent = *link;
 *          struct region *r = RB_ENTRY(parent, struct region, node);
 *          link = start < r->start ? &parent->left : &parent->right;
 *      }
 *      rb_insert_at(tree, &new->node, parent, link);
 *
 * Augmentation. A node may carry a value derived from its subtree, such as
 * the largest gap below it. `recompute` sets that value from the node itself
 * and its two children (whose values are then right); the tree calls it,
 * children first, wherever a subtree changed. A tree is augmented always or
 * never: use the _augmented calls throughout, with the same function.
 *
 * Nothing here allocates or locks.
 */
#ifndef QUIRE_LIB_RBTREE_H
#define QUIRE_LIB_RBTREE_H

#include "lib/types.h"

struct rbnode {
    uintptr_t parent_color;     /* the parent, with the colour in bit 0 */
    struct rbnode *left;
    struct rbnode *right;
};

struct rbtree {
    struct rbnode *root;        /* NULL when empty; all zeroes is a valid tree */
};

/* Recomputes node's derived value from the node and its direct children. True: it has changed. */
typedef bool (*rb_recompute_fn)(struct rbnode *node);

/* The structure of this type whose field `member` is *node. */
#define RB_ENTRY(node, type, member) container_of(node, type, member)

/* Same, passing NULL through: for the results of rb_first, rb_next and so on. */
#define RB_ENTRY_OR_NULL(node, type, member)                            \
    ({                                                                  \
        struct rbnode *rb_node_ = (node);                               \
        rb_node_ ? container_of(rb_node_, type, member) : NULL;         \
    })

/* Make an empty tree. */
static inline void
rb_init(struct rbtree *tree)
{
    tree->root = NULL;
}

static inline bool
rb_empty(const struct rbtree *tree)
{
    return tree->root == NULL;
}

/* The node's parent, NULL for the root. */
static inline struct rbnode *
rb_parent(const struct rbnode *node)
{
    return (struct rbnode *)(node->parent_color & ~(uintptr_t)1);
}

/*
 * Link node as a child of parent, at *link (which is &tree->root for an empty
 * tree, with parent NULL, else &parent->left or &parent->right, and holds
 * NULL), then rebalance.
 */
void rb_insert_at(struct rbtree *tree, struct rbnode *node,
                  struct rbnode *parent, struct rbnode **link);

/* Same for an augmented tree; node's own fields must be set. */
void rb_insert_augmented(struct rbtree *tree, struct rbnode *node,
                         struct rbnode *parent, struct rbnode **link,
                         rb_recompute_fn recompute);

/* Unlink node, which must be in the tree, and rebalance. */
void rb_erase(struct rbtree *tree, struct rbnode *node);

/* Same for an augmented tree. */
void rb_erase_augmented(struct rbtree *tree, struct rbnode *node,
                        rb_recompute_fn recompute);

/* Recompute node and those of its ancestors whose values change with it, after
 * a change to what node's own contribution is derived from (a region that grew). */
void rb_update(struct rbnode *node, rb_recompute_fn recompute);

/* Put `new` where `old` was; they must sort alike. An augmented tree then
 * needs rb_update(new). */
void rb_replace(struct rbtree *tree, struct rbnode *old, struct rbnode *new);

/* The leftmost and rightmost node, NULL if the tree is empty. */
struct rbnode *rb_first(const struct rbtree *tree);
struct rbnode *rb_last(const struct rbtree *tree);

/* The in-order neighbours, NULL at the end. */
struct rbnode *rb_next(const struct rbnode *node);
struct rbnode *rb_prev(const struct rbnode *node);

/*
 * Visit nodes in order; `entry` points to the members' type. The body must
 * not erase the entry (it may in the _SAFE form, which keeps the next in
 * `tmp`).
 */
#define RB_FOREACH(entry, tree, member)                                       \
    for ((entry) = RB_ENTRY_OR_NULL(rb_first(tree), __typeof__(*(entry)), member); \
         (entry);                                                             \
         (entry) = RB_ENTRY_OR_NULL(rb_next(&(entry)->member),                \
                                    __typeof__(*(entry)), member))

#define RB_FOREACH_SAFE(entry, tmp, tree, member)                             \
    for ((entry) = RB_ENTRY_OR_NULL(rb_first(tree), __typeof__(*(entry)), member); \
         (entry) && ((tmp) = RB_ENTRY_OR_NULL(rb_next(&(entry)->member),      \
                                    __typeof__(*(entry)), member), true);     \
         (entry) = (tmp))

#endif
