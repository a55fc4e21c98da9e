/*
 * Interval trees (interval.h).
 */
#include "lib/interval.h"

static struct interval *
interval_of(struct rbnode *node)
{
    return RB_ENTRY_OR_NULL(node, struct interval, node);
}

static bool
recompute(struct rbnode *node)
{
    struct interval *interval = interval_of(node);
    uint64_t greatest = interval->last;

    if (node->left)
        greatest = max(greatest, interval_of(node->left)->max_last);
    if (node->right)
        greatest = max(greatest, interval_of(node->right)->max_last);
    bool changed = interval->max_last != greatest;
    interval->max_last = greatest;
    return changed;
}

void
interval_insert(struct rbtree *tree, struct interval *interval)
{
    struct rbnode **link = &tree->root, *parent = NULL;

    while (*link) {
        parent = *link;
        link = interval->first < interval_of(parent)->first ? &parent->left : &parent->right;
    }
    rb_insert_augmented(tree, &interval->node, parent, link, recompute);
}

void
interval_erase(struct rbtree *tree, struct interval *interval)
{
    rb_erase_augmented(tree, &interval->node, recompute);
}

struct interval *
interval_find(const struct rbtree *tree, uint64_t first, uint64_t last)
{
    struct rbnode *node = tree->root;

    if (!node || interval_of(node)->max_last < first)
        return NULL;
    /* Here some interval of the subtree reaches up to `first`: the question is only where it begins. */
    for (;;) {
        struct interval *interval = interval_of(node);
        if (node->left && interval_of(node->left)->max_last >= first) {
            /* One on the left reaches up to `first`. If that begins too late, so does all from here on. */
            node = node->left;
            continue;
        }
        if (interval->first > last)
            return NULL;
        if (interval->last >= first)
            return interval;
        if (!node->right || interval_of(node->right)->max_last < first)
            return NULL;
        node = node->right;
    }
}
