/*
 * Lists: doubly linked, circular, intrusive.
 *
 * A struct list is both the head of a list and the link embedded in each
 * member; an empty list, and a member that is on no list, points to itself.
 * So removing needs no head, and "is this on a list?" is list_empty() of the
 * member's own link. A typical use is
 *
 *      struct waiter { struct list link; int id; };
 *      struct list queue = LIST_INIT(queue);
 *
 *      list_add_tail(&queue, &w->link);
 *      LIST_FOREACH(w, &queue, link)
 *          wake(w->id);
 *      list_del(&w->link);
 *
 * Nothing here locks; whoever owns the head guards the whole list.
 */
#ifndef QUIRE_LIB_LIST_H
#define QUIRE_LIB_LIST_H

#include "lib/types.h"

struct list {
    struct list *next;
    struct list *prev;
};

/* Initialiser for a static head or link: struct list q = LIST_INIT(q). */
#define LIST_INIT(name) { &(name), &(name) }

/* Make an empty head, or a link that is on no list. */
static inline void
list_init(struct list *list)
{
    list->next = list;
    list->prev = list;
}

/* True for an empty head, and for a link that is on no list. */
static inline bool
list_empty(const struct list *list)
{
    return list->next == list;
}

/* Insert node right after `where`, which is a head or a linked member. */
static inline void
list_add_after(struct list *where, struct list *node)
{
    node->prev = where;
    node->next = where->next;
    where->next->prev = node;
    where->next = node;
}

/* Insert node right before `where`, which is a head or a linked member. */
static inline void
list_add_before(struct list *where, struct list *node)
{
    list_add_after(where->prev, node);
}

/* Make node the first member. */
static inline void
list_add_head(struct list *list, struct list *node)
{
    list_add_after(list, node);
}

/* Make node the last member. */
static inline void
list_add_tail(struct list *list, struct list *node)
{
    list_add_before(list, node);
}

/* Take node off its list and leave it linked to itself; harmless if it was
 * on none. */
static inline void
list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Take node off whatever list it is on and make it the first of `list`. */
static inline void
list_move_head(struct list *list, struct list *node)
{
    list_del(node);
    list_add_head(list, node);
}

/* Take node off whatever list it is on and make it the last of `list`. */
static inline void
list_move_tail(struct list *list, struct list *node)
{
    list_del(node);
    list_add_tail(list, node);
}

/* Append all members of `from` to `list`, in order, and leave `from` empty. */
static inline void
list_splice_tail(struct list *list, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    list_init(from);
}

/* The first link, or NULL if the list is empty. */
static inline struct list *
list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->next;
}

/* The last link, or NULL if the list is empty. */
static inline struct list *
list_last(const struct list *list)
{
    return list_empty(list) ? NULL : list->prev;
}

/* Remove and return the first link, or NULL if the list is empty. */
static inline struct list *
list_pop(struct list *list)
{
    struct list *node = list_first(list);
    if (node)
        list_del(node);
    return node;
}

/* Count the members; walks the whole list. */
static inline size_t
list_length(const struct list *list)
{
    size_t n = 0;
    for (const struct list *p = list->next; p != list; p = p->next)
        n++;
    return n;
}

/* The structure of this type whose field `member` is *node. */
#define LIST_ENTRY(node, type, member) container_of(node, type, member)

/* The first or last member as its own type, or NULL if the list is empty. */
#define LIST_FIRST(list, type, member) \
    (list_empty(list) ? NULL : LIST_ENTRY((list)->next, type, member))
#define LIST_LAST(list, type, member) \
    (list_empty(list) ? NULL : LIST_ENTRY((list)->prev, type, member))

/* The member after or before `entry`, or NULL at that end of the list. */
#define LIST_NEXT(entry, list, member)                                  \
    ((entry)->member.next == (list) ? NULL :                            \
     LIST_ENTRY((entry)->member.next, __typeof__(*(entry)), member))
#define LIST_PREV(entry, list, member)                                  \
    ((entry)->member.prev == (list) ? NULL :                            \
     LIST_ENTRY((entry)->member.prev, __typeof__(*(entry)), member))

/*
 * Visit each member, `entry` being a pointer to the members' type. The body
 * must not remove the entry it is looking at; LIST_FOREACH_SAFE allows that
 * (but not the removal of the following one, kept in `tmp`). After a loop
 * that ran to its end, entry points to no member.
 */
#define LIST_FOREACH(entry, list, member)                                     \
    for ((entry) = LIST_ENTRY((list)->next, __typeof__(*(entry)), member);    \
         &(entry)->member != (list);                                          \
         (entry) = LIST_ENTRY((entry)->member.next, __typeof__(*(entry)), member))

#define LIST_FOREACH_REVERSE(entry, list, member)                             \
    for ((entry) = LIST_ENTRY((list)->prev, __typeof__(*(entry)), member);    \
         &(entry)->member != (list);                                          \
         (entry) = LIST_ENTRY((entry)->member.prev, __typeof__(*(entry)), member))

#define LIST_FOREACH_SAFE(entry, tmp, list, member)                           \
    for ((entry) = LIST_ENTRY((list)->next, __typeof__(*(entry)), member),    \
         (tmp) = LIST_ENTRY((entry)->member.next, __typeof__(*(entry)), member); \
         &(entry)->member != (list);                                          \
         (entry) = (tmp),                                                     \
         (tmp) = LIST_ENTRY((tmp)->member.next, __typeof__(*(entry)), member))

#endif
