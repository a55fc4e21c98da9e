/*
 * The regions that show a file's pages.
 *
 * Each is listed under the pages it shows, in an interval tree, so that truncation
 * finds those it must empty one by one. It cannot hold the list meanwhile: to empty
 * a region takes its address space's lock, and that lock comes first (mapregion.c).
 * So regions come, go, grow, split and join during the pass. Hence two trees:
 *
 *      waiting   those that the pass under way may still have to deal with; all
 *                of them while there is none
 *      done      those that it has dealt with, or need not
 *
 * and a number in each region, region->pass: the latest pass that need not come to
 * it. The pass takes the first waiting region in its way, writes its own number
 * there, and moves it to `done`; it is over when there is none. And whatever
 * happens to regions meanwhile:
 *
 *      a new one         PASS_NONE: it shows nothing yet, and the faults to come see
 *                        the file as it is now, so it is done
 *      a copy, a part    (split, fork, mremap) takes the number of its origin along
 *      two become one    the lower number of the two
 *
 * So a page that the pass should have emptied is always below a region that waits.
 * For that the list must never say less than is mapped: a part is listed before its
 * origin shrinks, a region that takes over another grows before the other goes.
 *
 * A pass ends: of what waits there is less with each step, for a part shows fewer
 * pages than its origin, and fork deals with a region itself before it copies one.
 *
 * Nothing here locks: the mapping's lock is held by the caller of each function.
 */
#ifndef QUIRE_VFS_MAPLIST_H
#define QUIRE_VFS_MAPLIST_H

#include "lib/interval.h"
#include "vm/vmspace.h"

/* All guarded by the mapping's lock. */
struct maplist {
    struct rbtree waiting, done; /* struct interval, in region->listed */
    uint64_t pass;               /* the number of the pass under way, or of the last one */
    bool passing;                /* (A to read) there is one under way ... */
    bool copies;                 /* ... which takes the pages that private mappings have written, too, ... */
    uint64_t first, last;        /* ... of these pages of the file */
    uint64_t nwritable;          /* regions, and calls of mmap, that may write to the file */
};

/* May the region ever write to the file? Does not change while it is listed. */
static inline bool
maplist_may_write(uint32_t region_flags)
{
    const uint32_t both = REGION_SHARED | REGION_MAY_WRITE;
    return (region_flags & both) == both;
}

static inline bool
maplist_empty(const struct maplist *list)
{
    return rb_empty(&list->waiting) && rb_empty(&list->done);
}

/* List a region. The region's address space is locked, too; so it is for the next two. */
void maplist_add(struct maplist *list, struct region *region);
void maplist_remove(struct maplist *list, struct region *region);
/* A listed region's bounds or its `pass` have changed. */
void maplist_moved(struct maplist *list, struct region *region);

/* Begin a pass over pages [first, last]. There must be none under way. */
void maplist_begin(struct maplist *list, uint64_t first, uint64_t last, bool copies);
/* The first region that the pass has still to deal with; NULL: none. */
struct region *maplist_next(const struct maplist *list);
/* Has the pass under way still to deal with this region? */
bool maplist_waits(const struct maplist *list, const struct region *region);
/*
 * The pass need not come to this region again: the caller, who holds the lock of its
 * address space, empties it before letting go of that.
 */
void maplist_dealt(struct maplist *list, struct region *region);
/* End the pass: makes up to n regions wait again. False: there are more, call again. */
bool maplist_end(struct maplist *list, unsigned n);

#endif
