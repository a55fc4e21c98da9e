/*
 * Regions: which parts of an address space may be touched.
 *
 * They stand in a red-black tree by start address, and no two overlap. Each
 * knows the gap: how many bytes before it are free for others, and the
 * greatest gap in its subtree, so that a place for a new mapping is found in
 * one way down. Below a region that grows by faulting (a stack) the gap stops
 * STACK_GUARD_GAP short of it.
 *
 *      prev            gap          region         gap of next
 *   |========|......................|======|.......................|===...
 *
 * A region's gap depends on its neighbour below, so whoever moves a region's
 * end, or takes one out, sets the gap of the next.
 */
#include "vm/region.h"

#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "mem/slab.h"

static struct slab_cache *region_cache;

uint32_t vm_max_regions = 65530; /* Linux's default */

void
region_init(void)
{
    region_cache = slab_cache_create("region", sizeof(struct region), 0);
}

static struct region *
region_of(struct rbnode *node)
{
    return RB_ENTRY_OR_NULL(node, struct region, node);
}

struct region *
region_first(struct vmspace *vm)
{
    return region_of(rb_first(&vm->regions));
}

struct region *
region_next(struct region *region)
{
    return region_of(rb_next(&region->node));
}

struct region *
region_prev(struct region *region)
{
    return region_of(rb_prev(&region->node));
}

struct region *
region_find(struct vmspace *vm, vaddr_t va, bool next)
{
    struct region *last = vm->last;
    if (last && va >= last->start && va < last->end)
        return last;

    struct region *best = NULL;
    for (struct rbnode *node = vm->regions.root; node;) {
        struct region *region = region_of(node);
        if (va >= region->end) {
            node = node->right;
        } else if (va >= region->start) {
            vm->last = region;
            return region;
        } else {
            best = region;
            node = node->left;
        }
    }
    return next ? best : NULL;
}

/* Gaps. */

static bool
recompute(struct rbnode *node)
{
    struct region *region = region_of(node);
    uint64_t greatest = region->gap;
    if (node->left)
        greatest = max(greatest, region_of(node->left)->max_gap);
    if (node->right)
        greatest = max(greatest, region_of(node->right)->max_gap);
    bool changed = region->max_gap != greatest;
    region->max_gap = greatest;
    return changed;
}

static uint64_t
gap_after(const struct region *prev, const struct region *region)
{
    vaddr_t low = prev ? prev->end : 0;
    vaddr_t high = region->start;
    if (region->flags & REGION_STACK)
        high -= min(high, STACK_GUARD_GAP);
    return high > low ? high - low : 0;
}

/* The region's lower neighbour, or its start, has changed. */
static void
update_gap(struct region *region)
{
    uint64_t gap = gap_after(region_prev(region), region);
    if (gap == region->gap)
        return;
    region->gap = gap;
    rb_update(&region->node, recompute);
}

/* Where the gap before a region ends. */
static vaddr_t
gap_end(struct region *region)
{
    struct region *prev = region_prev(region);
    return (prev ? prev->end : 0) + region->gap;
}

/* The highest fit in the gap [end - gap, end), clipped to [low, high); 0: none. */
static vaddr_t
fit(vaddr_t end, uint64_t gap, uint64_t size, vaddr_t low, vaddr_t high)
{
    vaddr_t start = max(end - gap, low);
    end = min(end, high);
    return end > start && end - start >= size ? end - size : 0;
}

/*
 * Below node, the highest fit. Where no gap is clipped by [low, high) the
 * first subtree entered holds the answer; only gaps at the two limits can
 * disappoint, so the ways tried in vain are the paths to those.
 */
static vaddr_t
find_below(struct rbnode *node, uint64_t size, vaddr_t low, vaddr_t high)
{
    while (node && region_of(node)->max_gap >= size) {
        struct region *region = region_of(node);
        if (node->right && region->end < high) {
            vaddr_t va = find_below(node->right, size, low, high);
            if (va)
                return va;
        }
        if (region->gap >= size) {
            vaddr_t va = fit(gap_end(region), region->gap, size, low, high);
            if (va)
                return va;
        }
        if (region->start <= low)
            return 0;
        node = node->left;
    }
    return 0;
}

vaddr_t
region_find_gap(struct vmspace *vm, uint64_t size, vaddr_t low, vaddr_t high)
{
    struct region *last = region_of(rb_last(&vm->regions));
    vaddr_t top = last ? last->end : 0;
    if (top < high) {
        vaddr_t va = fit(high, high - top, size, low, high);
        if (va)
            return va;
    }
    return find_below(vm->regions.root, size, low, high);
}

/* Totals. */

static void
count(struct vmspace *vm, uint32_t flags, int64_t npages)
{
    vm->npages_mapped += npages;
    if ((flags & (REGION_WRITE | REGION_SHARED | REGION_STACK)) == REGION_WRITE)
        vm->npages_data += npages;
    if (flags & REGION_STACK)
        vm->npages_stack += npages;
    if (flags & REGION_LOCKED)
        vm->npages_locked += npages;
}

static void
insert(struct vmspace *vm, struct region *region)
{
    struct rbnode **link = &vm->regions.root, *parent = NULL;
    while (*link) {
        parent = *link;
        link = region->start < region_of(parent)->start ? &parent->left : &parent->right;
    }
    region->vm = vm;
    region->gap = region->max_gap = 0;
    rb_insert_augmented(&vm->regions, &region->node, parent, link, recompute);
    update_gap(region);
    struct region *next = region_next(region);
    if (next)
        update_gap(next);
    vm->nregions++;
}

static void
remove(struct vmspace *vm, struct region *region)
{
    struct region *next = region_next(region);
    rb_erase_augmented(&vm->regions, &region->node, recompute);
    if (next)
        update_gap(next);
    if (vm->last == region)
        vm->last = NULL;
    vm->nregions--;
}

static void
acquire_object(struct region *region)
{
    if (!region->ops)
        return;
    region->ops->get(region->object);
    if (region->ops->attach)
        region->ops->attach(region->object, region);
}

/* The region is in no tree any more. */
static void
discard(struct vmspace *vm, struct region *region)
{
    if (!region->ops) {
        slab_free(region_cache, region);
        return;
    }
    if (region->ops->detach)
        region->ops->detach(region->object, region);
    list_add_tail(&vm->dropped, &region->drop_link);
}

void
region_release(struct list *dropped)
{
    struct list *link;
    unsigned n = 0;
    while ((link = list_pop(dropped))) {
        struct region *region = LIST_ENTRY(link, struct region, drop_link);
        region->ops->put(region->object);
        slab_free(region_cache, region);
        region_pause(&n);
    }
}

/* A region's bounds or its `pass` have changed: let its object know. */
static void
tell_object(struct region *region)
{
    if (region->ops && region->ops->moved)
        region->ops->moved(region->object, region);
}

/* A copy of *model with its own hold on the object, in no tree. */
static struct region *
clone(const struct region *model)
{
    struct region *region = slab_alloc(region_cache);
    if (!region)
        return NULL;
    region_copy_mapped(region, model);
    list_init(&region->drop_link);
    return region;
}

void
region_resize(struct region *region, vaddr_t start, vaddr_t end)
{
    int64_t old = region_npages(region);
    if (region->ops)
        region->pgoff += (int64_t)(start - region->start) >> PAGE_SHIFT;
    bool start_moved = start != region->start, end_moved = end != region->end;
    region->start = start;
    region->end = end;
    count(region->vm, region->flags, (int64_t)region_npages(region) - old);
    tell_object(region);
    if (start_moved)
        update_gap(region);
    if (end_moved) {
        struct region *next = region_next(region);
        if (next)
            update_gap(next);
    }
}

void
region_move(struct region *region, vaddr_t start, vaddr_t end)
{
    struct vmspace *vm = region->vm;
    count(vm, region->flags, -(int64_t)region_npages(region));
    remove(vm, region);
    region->start = start;
    region->end = end;
    insert(vm, region);
    count(vm, region->flags, region_npages(region));
    tell_object(region);
}

void
region_set_flags(struct region *region, uint32_t flags)
{
    if (flags == region->flags)
        return;
    uint64_t npages = region_npages(region);
    uint32_t changed = flags ^ region->flags;
    assert(!(changed & (REGION_SHARED | REGION_MAY_WRITE)) || !region->ops); /* the object has counted */
    count(region->vm, region->flags, -(int64_t)npages);
    region->flags = flags;
    count(region->vm, flags, npages);
    if (changed & REGION_STACK)
        update_gap(region);
}

/* True if b continues a: the two could have been one mapping. */
static bool
continues(const struct region *a, const struct region *b)
{
    return a->end == b->start && a->flags == b->flags && a->ops == b->ops &&
           a->object == b->object && a->label == b->label &&
           !(a->flags & (REGION_SPECIAL | REGION_STACK)) &&
           (!a->ops || a->pgoff + region_npages(a) == b->pgoff);
}

/* Make `lower` take over `upper`, which continues it. The object is never told less than there is. */
static void
absorb(struct vmspace *vm, struct region *lower, struct region *upper)
{
    count(vm, upper->flags, -(int64_t)region_npages(upper));
    remove(vm, upper);
    lower->pass = min(lower->pass, upper->pass);
    region_resize(lower, lower->start, upper->end);
    discard(vm, upper);
}

struct region *
region_place(struct vmspace *vm, const struct region *model)
{
    struct region *next = region_find(vm, model->start, true);
    struct region *prev = next ? region_prev(next) : region_of(rb_last(&vm->regions));
    assert(!next || next->start >= model->end);

    if (prev && continues(prev, model)) {
        prev->pass = min(prev->pass, model->pass);
        region_resize(prev, prev->start, model->end);
        if (next && continues(prev, next))
            absorb(vm, prev, next);
        return prev;
    }
    if (next && continues(model, next)) {
        next->pass = min(next->pass, model->pass);
        region_resize(next, model->start, next->end);
        return next;
    }

    struct region *region = clone(model);
    if (!region)
        return NULL;
    insert(vm, region);
    count(vm, region->flags, region_npages(region));
    acquire_object(region);
    return region;
}

void
region_drop(struct vmspace *vm, struct region *region)
{
    count(vm, region->flags, -(int64_t)region_npages(region));
    remove(vm, region);
    discard(vm, region);
}

void
region_drop_all(struct vmspace *vm)
{
    struct rbnode *node = vm->regions.root;
    unsigned n = 0;
    while (node) {
        struct rbnode *child = node->left ? node->left : node->right;
        if (child) {
            if (child == node->left)
                node->left = NULL;
            else
                node->right = NULL;
            node = child;
        } else {
            struct region *region = region_of(node);
            node = rb_parent(node);
            discard(vm, region);
            region_pause(&n);
        }
    }
    rb_init(&vm->regions);
    vm->last = NULL;
    vm->nregions = vm->npages_mapped = vm->npages_data = vm->npages_stack = vm->npages_locked =
        0;
}

struct region *
region_split(struct region *region, vaddr_t va)
{
    struct vmspace *vm = region->vm;
    struct region *upper = clone(region);
    if (!upper)
        return NULL;
    if (upper->ops)
        upper->pgoff = region_pgoff(region, va);
    upper->start = va;
    upper->vm = vm;
    acquire_object(upper); /* before what it takes over is listed no more */
    region_resize(region, region->start, va);
    insert(vm, upper);
    count(vm, upper->flags, region_npages(upper));
    return upper;
}

int
region_cut(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *first = region_find(vm, start, false);
    struct region *last = region_find(vm, end, false);
    bool cut_first = first && first->start < start;
    bool cut_last = last && last->start < end;
    if (vm->nregions + cut_first + cut_last > vm_max_regions)
        return -ENOMEM;

    if (cut_last && !region_split(last, end))
        return -ENOMEM;
    if (cut_first && !region_split(first, start)) {
        if (cut_last)
            absorb(vm, last, region_next(last));
        return -ENOMEM;
    }
    return 0;
}

void
region_join(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *region = region_find(vm, start ? start - 1 : 0, true);
    for (unsigned n = 0; region; region_pause(&n)) {
        struct region *next = region_next(region);
        if (!next || next->start > end)
            return;
        if (continues(region, next))
            absorb(vm, region, next);
        else
            region = next;
    }
}

/* Questions. */

bool
region_free_range(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *region = region_find(vm, start, true);
    return !region || region->start >= end;
}

bool
region_covers(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *region = region_find(vm, start, false);
    while (region && region->end < end) {
        struct region *next = region_next(region);
        if (!next || next->start != region->end)
            return false;
        region = next;
    }
    return region;
}

uint64_t
region_count_pages(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    uint64_t npages = 0;
    for (struct region *region = region_find(vm, start, true); region && region->start < end;
         region = region_next(region))
        npages += (min(region->end, end) - max(region->start, start)) >> PAGE_SHIFT;
    return npages;
}
