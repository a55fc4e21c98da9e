/*
 * The regions that show a file's pages (maplist.h).
 */
#include "vfs/maplist.h"

#include "lib/atomic.h"

static struct region *
region_of(struct interval *interval)
{
    return interval ? container_of(interval, struct region, listed) : NULL;
}

static void
enter(struct maplist *list, struct region *region)
{
    uint64_t npages = (region->end - region->start) >> PAGE_SHIFT;

    region->dealt = list->passing && region->pass >= list->pass;
    region->listed.first = region->pgoff;
    region->listed.last = region->pgoff + npages - 1;
    interval_insert(region->dealt ? &list->done : &list->waiting, &region->listed);
}

static void
leave(struct maplist *list, struct region *region)
{
    interval_erase(region->dealt ? &list->done : &list->waiting, &region->listed);
}

void
maplist_add(struct maplist *list, struct region *region)
{
    if (region->pass == PASS_NONE)
        region->pass = list->pass;
    enter(list, region);
    list->nwritable += maplist_may_write(region->flags);
}

void
maplist_remove(struct maplist *list, struct region *region)
{
    leave(list, region);
    list->nwritable -= maplist_may_write(region->flags);
}

void
maplist_moved(struct maplist *list, struct region *region)
{
    leave(list, region);
    enter(list, region);
}

void
maplist_begin(struct maplist *list, uint64_t first, uint64_t last, bool copies)
{
    list->pass++;
    store_relaxed(&list->passing, true);
    list->first = first;
    list->last = last;
    list->copies = copies;
}

struct region *
maplist_next(const struct maplist *list)
{
    return region_of(interval_find(&list->waiting, list->first, list->last));
}

bool
maplist_waits(const struct maplist *list, const struct region *region)
{
    return list->passing && !region->dealt && region->listed.first <= list->last &&
           region->listed.last >= list->first;
}

void
maplist_dealt(struct maplist *list, struct region *region)
{
    region->pass = list->pass;
    interval_erase(&list->waiting, &region->listed);
    region->dealt = true;
    interval_insert(&list->done, &region->listed);
}

bool
maplist_end(struct maplist *list, unsigned n)
{
    struct interval *interval;

    store_relaxed(&list->passing, false);
    while ((interval = interval_find(&list->done, 0, UINT64_MAX))) {
        if (n-- == 0)
            return false;
        interval_erase(&list->done, interval);
        region_of(interval)->dealt = false;
        interval_insert(&list->waiting, interval);
    }
    return true;
}
