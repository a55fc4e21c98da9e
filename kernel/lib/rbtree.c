/*
 * Red-black trees.
 *
 * The invariants, for a node being red or black and NULL being black:
 *
 *      the root is black;
 *      a red node has no red child;
 *      each path from a node down to NULL crosses equally many black nodes.
 *
 * Insertion breaks only the second and erasure only the third, at one place,
 * which the fix-up loops move towards the root until rotations can mend it.
 * Left and right are mirror images throughout, so a side is a boolean.
 */
#include "lib/rbtree.h"

#define RED ((uintptr_t)1)

static inline bool
is_red(const struct rbnode *node)
{
    return node && (node->parent_color & RED);
}

static inline void
set_red(struct rbnode *node)
{
    node->parent_color |= RED;
}

static inline void
set_black(struct rbnode *node)
{
    node->parent_color &= ~RED;
}

static inline void
set_parent(struct rbnode *node, struct rbnode *parent)
{
    node->parent_color = (uintptr_t)parent | (node->parent_color & RED);
}

static inline struct rbnode **
child(struct rbnode *node, bool right)
{
    return right ? &node->right : &node->left;
}

/* Make whatever pointed down to `old`, a child of parent, point to `new`. */
static void
replace_child(struct rbtree *tree, struct rbnode *parent, struct rbnode *old,
              struct rbnode *new)
{
    if (!parent)
        tree->root = new;
    else
        *child(parent, parent->right == old) = new;
}

/* Turn node down to the given side; its child on the other side comes up. */
static void
rotate(struct rbtree *tree, struct rbnode *node, bool right, rb_recompute_fn recompute)
{
    struct rbnode *up = *child(node, !right);
    struct rbnode *middle = *child(up, right);
    struct rbnode *parent = rb_parent(node);

    *child(node, !right) = middle;
    if (middle)
        set_parent(middle, node);
    *child(up, right) = node;
    set_parent(node, up);
    set_parent(up, parent);
    replace_child(tree, parent, node, up);

    if (recompute) {
        recompute(node);
        recompute(up);
    }
}

/* Mend a red node that may have a red parent. */
static void
fix_red(struct rbtree *tree, struct rbnode *node, rb_recompute_fn recompute)
{
    struct rbnode *parent;

    while (is_red(parent = rb_parent(node))) {
        struct rbnode *grand = rb_parent(parent);
        bool right = parent == grand->right;
        struct rbnode *uncle = *child(grand, !right);

        if (is_red(uncle)) {
            set_black(parent);
            set_black(uncle);
            set_red(grand);
            node = grand;
            continue;
        }
        if (node == *child(parent, !right)) {
            rotate(tree, parent, right, recompute);
            parent = node;
        }
        set_black(parent);
        set_red(grand);
        rotate(tree, grand, !right, recompute);
        break;
    }
    set_black(tree->root);
}

/* Mend the subtree `node` (may be NULL) of parent, whose paths are one black
 * node short. */
static void
fix_short(struct rbtree *tree, struct rbnode *node, struct rbnode *parent,
          rb_recompute_fn recompute)
{
    while (parent && !is_red(node)) {
        bool right = node == parent->right;
        struct rbnode *sibling = *child(parent, !right);

        if (is_red(sibling)) {
            set_black(sibling);
            set_red(parent);
            rotate(tree, parent, right, recompute);
            sibling = *child(parent, !right);
        }

        struct rbnode *near = *child(sibling, right);
        struct rbnode *far = *child(sibling, !right);
        if (!is_red(near) && !is_red(far)) {
            set_red(sibling);
            node = parent;
            parent = rb_parent(node);
            continue;
        }
        if (!is_red(far)) {
            set_black(near);
            set_red(sibling);
            rotate(tree, sibling, !right, recompute);
            far = sibling;
            sibling = near;
        }
        if (is_red(parent))
            set_red(sibling);
        set_black(parent);
        set_black(far);
        rotate(tree, parent, right, recompute);
        return;
    }
    if (node)
        set_black(node);
}

void
rb_insert_augmented(struct rbtree *tree, struct rbnode *node, struct rbnode *parent,
                    struct rbnode **link, rb_recompute_fn recompute)
{
    node->parent_color = (uintptr_t)parent | RED;
    node->left = NULL;
    node->right = NULL;
    *link = node;
    if (recompute)
        rb_update(node, recompute);
    fix_red(tree, node, recompute);
}

void
rb_insert_at(struct rbtree *tree, struct rbnode *node, struct rbnode *parent,
             struct rbnode **link)
{
    rb_insert_augmented(tree, node, parent, link, NULL);
}

void
rb_erase_augmented(struct rbtree *tree, struct rbnode *node, rb_recompute_fn recompute)
{
    struct rbnode *below;       /* what moves up at the place that gets lower */
    struct rbnode *parent;      /* the parent of that place */
    struct rbnode *lowest;      /* the lowest node that may go on with its old value */
    bool was_red;

    if (node->left && node->right) {
        /* The successor, which has no left child, takes node's place. */
        struct rbnode *heir = node->right;
        while (heir->left)
            heir = heir->left;

        below = heir->right;
        was_red = is_red(heir);
        parent = rb_parent(heir);
        if (parent == node) {
            parent = heir;
        } else {
            parent->left = below;
            if (below)
                set_parent(below, parent);
            heir->right = node->right;
            set_parent(heir->right, heir);
        }
        heir->left = node->left;
        set_parent(heir->left, heir);
        heir->parent_color = node->parent_color;
        replace_child(tree, rb_parent(node), node, heir);
        lowest = heir;
    } else {
        below = node->left ? node->left : node->right;
        was_red = is_red(node);
        parent = rb_parent(node);
        if (below)
            set_parent(below, parent);
        replace_child(tree, parent, node, below);
        lowest = parent;
    }

    if (recompute && parent) {
        /* An heir has the value that it had further down, so all up to it are recomputed. */
        for (struct rbnode *at = parent; at != lowest; at = rb_parent(at))
            recompute(at);
        rb_update(lowest, recompute);
    }
    if (!was_red)
        fix_short(tree, below, parent, recompute);
}

void
rb_erase(struct rbtree *tree, struct rbnode *node)
{
    rb_erase_augmented(tree, node, NULL);
}

void
rb_update(struct rbnode *node, rb_recompute_fn recompute)
{
    /* What node's value was, its parent's may still be derived from another (a new node, rb_replace()). */
    recompute(node);
    do
        node = rb_parent(node);
    while (node && recompute(node));
}

void
rb_replace(struct rbtree *tree, struct rbnode *old, struct rbnode *new)
{
    *new = *old;
    if (new->left)
        set_parent(new->left, new);
    if (new->right)
        set_parent(new->right, new);
    replace_child(tree, rb_parent(old), old, new);
}

/* The last node reached from node by going to one side only. */
static struct rbnode *
outermost(struct rbnode *node, bool right)
{
    while (node && *child(node, right))
        node = *child(node, right);
    return node;
}

struct rbnode *
rb_first(const struct rbtree *tree)
{
    return outermost(tree->root, false);
}

struct rbnode *
rb_last(const struct rbtree *tree)
{
    return outermost(tree->root, true);
}

/* The in-order neighbour on one side: the near end of the subtree there, else
 * the first ancestor that node is on the other side of. */
static inline struct rbnode *
neighbour(const struct rbnode *from, bool right)
{
    struct rbnode *node = (struct rbnode *)from;

    if (*child(node, right))
        return outermost(*child(node, right), !right);
    struct rbnode *parent = rb_parent(node);
    while (parent && node == *child(parent, right)) {
        node = parent;
        parent = rb_parent(node);
    }
    return parent;
}

struct rbnode *
rb_next(const struct rbnode *node)
{
    return neighbour(node, true);
}

struct rbnode *
rb_prev(const struct rbnode *node)
{
    return neighbour(node, false);
}
