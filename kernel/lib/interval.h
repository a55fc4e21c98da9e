/*
 * Interval trees: ranges of numbers that may overlap, found by what they touch.
 *
 * A red-black tree by the first number of each range. Each node also knows the
 * greatest last number below it, so the leftmost range that touches a given one
 * is found in one way down: O(log n), however many ranges there are that do not.
 *
 * Ranges that begin alike stand in the order of their insertion. Who wants all
 * ranges that touch one takes the first, removes it, and asks again.
 *
 * Nothing here allocates or locks.
 */
#ifndef QUIRE_LIB_INTERVAL_H
#define QUIRE_LIB_INTERVAL_H

#include "lib/rbtree.h"
#include "lib/types.h"

struct interval {
    struct rbnode node;
    uint64_t first, last; /* both inclusive; constant while in a tree */
    uint64_t max_last;    /* the greatest `last` in this subtree */
};

/* Put an interval, in no tree, whose bounds are set, into a tree. */
void interval_insert(struct rbtree *tree, struct interval *interval);
/* Take an interval out of the tree it is in. */
void interval_erase(struct rbtree *tree, struct interval *interval);
/* The leftmost interval that has a number of [first, last] in it; NULL: none. */
struct interval *interval_find(const struct rbtree *tree, uint64_t first, uint64_t last);

#endif
