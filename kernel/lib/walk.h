/*
 * Walks over a list that pause.
 *
 * A loop over a long list lets the list's lock go now and then, and members come and go
 * meanwhile. The loop's place is a struct walk, which the owner of the list knows:
 *
 *      struct walk walk;
 *      walk_begin(&owner->walks, &walk, &owner->list);
 *      while ((node = walk_next(&walk, &owner->list))) {
 *          ... use node; then the lock may be let go and taken again ...
 *      }
 *      walk_end(&walk);
 *
 * A member that leaves calls walk_leave() before. So what comes next never vanishes. A member
 * that joins behind the place is visited, one before it is not. All under the list's lock.
 */
#ifndef QUIRE_LIB_WALK_H
#define QUIRE_LIB_WALK_H

#include "lib/list.h"

struct walk {
    struct list link;  /* in the owner's list of walks */
    struct list *next; /* the member that comes next, or the head of the list */
};

static inline void
walk_begin(struct list *walks, struct walk *walk, const struct list *list)
{
    list_add_tail(walks, &walk->link);
    walk->next = list->next;
}

/* The next member; NULL: the end. */
static inline struct list *
walk_next(struct walk *walk, const struct list *list)
{
    struct list *node = walk->next;
    if (node == list)
        return NULL;
    walk->next = node->next;
    return node;
}

static inline void
walk_end(struct walk *walk)
{
    list_del(&walk->link);
}

/* A member is about to be taken off the list. */
static inline void
walk_leave(const struct list *walks, const struct list *node)
{
    struct walk *walk;
    LIST_FOREACH (walk, walks, link)
        if (walk->next == node)
            walk->next = node->next;
}

/* Is a member still to be visited? Looks at the members from the walk's place on. */
static inline bool
walk_comes_to(const struct walk *walk, const struct list *node, const struct list *list)
{
    for (const struct list *at = walk->next; at != list; at = at->next)
        if (at == node)
            return true;
    return false;
}

#endif
