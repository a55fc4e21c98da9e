/*
 * madvise: a table of advices.
 *
 * Each either changes the flags of the regions in the range, or does something to
 * the pages in each part of it, or is only checked. Holes in the range are
 * -ENOMEM, after what is mapped has been dealt with. Those that bring pages in are not
 * in the table: they may take long, and so go a part at a time.
 */
#include <linux/mman.h>

#include "lib/errno.h"
#include "vm/fault.h"
#include "vm/leaf.h"
#include "vm/region.h"

/* Which regions an advice fits: 0 or an error. */

static int
check_unlocked(const struct region *region)
{
    return region->flags & REGION_LOCKED ? -EINVAL : 0;
}

static int
check_private(const struct region *region)
{
    return region->ops || (region->flags & REGION_SHARED) ? -EINVAL : 0;
}

static int
check_private_unlocked(const struct region *region)
{
    return check_private(region) ? -EINVAL : check_unlocked(region);
}

static int
check_ordinary(const struct region *region)
{
    return region->flags & REGION_SPECIAL ? -EINVAL : 0;
}

/* Punching holes into an object through a mapping: no object can. */
static int
check_removable(const struct region *region)
{
    if ((region->flags & REGION_LOCKED) || !region->ops)
        return -EINVAL;
    uint32_t writable = REGION_SHARED | REGION_WRITE;
    return (region->flags & writable) == writable ? -EOPNOTSUPP : -EACCES;
}

struct advice {
    int number;
    int (*check)(const struct region *region); /* NULL: fits all */
    uint32_t set, clear;                       /* REGION_* */
    bool zap;                                  /* forget the pages */
};

static const struct advice advices[] = {
    {.number = MADV_NORMAL},
    {.number = MADV_RANDOM},
    {.number = MADV_SEQUENTIAL},
    {.number = MADV_DONTNEED, .check = check_unlocked, .zap = true},
    {.number = MADV_DONTNEED_LOCKED, .zap = true},
    {.number = MADV_FREE, .check = check_private_unlocked, .zap = true},
    {.number = MADV_REMOVE, .check = check_removable},
    {.number = MADV_DONTFORK, .set = REGION_DONTFORK},
    {.number = MADV_DOFORK, .check = check_ordinary, .clear = REGION_DONTFORK},
    {.number = MADV_WIPEONFORK, .check = check_private, .set = REGION_WIPEONFORK},
    {.number = MADV_KEEPONFORK, .clear = REGION_WIPEONFORK},
    {.number = MADV_MERGEABLE},
    {.number = MADV_UNMERGEABLE},
    {.number = MADV_HUGEPAGE, .check = check_ordinary, .set = REGION_HUGE, .clear = REGION_NOHUGE},
    {.number = MADV_NOHUGEPAGE, .check = check_ordinary, .set = REGION_NOHUGE, .clear = REGION_HUGE},
    {.number = MADV_DONTDUMP},
    {.number = MADV_DODUMP, .check = check_ordinary},
    {.number = MADV_COLD, .check = check_unlocked},
    {.number = MADV_PAGEOUT, .check = check_unlocked},
};

static const struct advice *
find_advice(int number)
{
    for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
        if (advices[i].number == number)
            return &advices[i];
    return NULL;
}

/* Must what is in the tree begin and end where a region does? */
static inline bool
isolates(const struct advice *advice)
{
    return advice->zap || ((advice->set | advice->clear) & (REGION_DONTFORK | REGION_WIPEONFORK));
}

static int
advise(struct gather *gather, const struct advice *advice, vaddr_t start, vaddr_t end)
{
    struct vmspace *vm = gather->vm;
    vaddr_t covered = start;
    bool hole = false;
    unsigned n = 0;

    for (struct region *region = region_find(vm, start, true); region && region->start < end;
         region = region_next(region)) {
        region_pause(&n);
        vaddr_t from = max(start, region->start), to = min(end, region->end);
        hole |= from != covered;
        covered = to;
        int error = advice->check ? advice->check(region) : 0;
        if (error)
            return error;
        /* Tables and superpages may reach across from one region into the next. */
        if (isolates(advice) && gather_isolate(gather, from, to) != 0)
            return -EAGAIN;
        if (advice->set | advice->clear)
            region_set_flags(region, (region->flags & ~advice->clear) | advice->set);
        if (advice->zap)
            leaf_zap(gather, from, to);
    }
    return hole || covered != end ? -ENOMEM : 0;
}

/* MADV_WILLNEED maps what files have in memory: pages at a time, with vm->lock let go between. */
#define WILLNEED_BATCH 64

/* The first address in [va, end) of the region behind which its object has a page; end: none. */
static vaddr_t
next_resident(const struct region *region, vaddr_t va, vaddr_t end)
{
    const struct region_ops *ops = region->ops;
    uint64_t wanted = region_pgoff(region, va), found = wanted;

    if (!ops || !ops->next_resident || !(region->flags & REGION_READ) ||
        !ops->next_resident(region->object, &found) || found - wanted >= (end - va) >> PAGE_SHIFT)
        return end;
    return va + ((found - wanted) << PAGE_SHIFT);
}

static int
will_need_page(struct vmspace *vm, vaddr_t va)
{
    unsigned level;
    if (pt_lookup(vm->mmu.root, va, &level))
        return 0;
    return vm_fault_locked(vm, va, FAULT_READ).signal ? -EAGAIN : 0;
}

/* Go on from *va, for a while; *hole: not all of it is mapped. */
static int
will_need_some(struct vmspace *vm, vaddr_t *va, vaddr_t end, bool *hole)
{
    int error = 0;

    SCOPED_LOCK(&vm->lock);
    for (unsigned i = 0; i < WILLNEED_BATCH && *va < end && !error; i++) {
        const struct region *region = region_find(vm, *va, true);
        vaddr_t start = region ? min(region->start, end) : end;
        if (start > *va) {
            *hole = true;
            *va = start;
            continue;
        }
        vaddr_t to = min(region->end, end);
        *va = next_resident(region, *va, to);
        if (*va < to) {
            error = will_need_page(vm, *va);
            *va += PAGE_SIZE;
        }
    }
    return error;
}

static int
will_need(struct vmspace *vm, vaddr_t va, vaddr_t end)
{
    bool hole = false;

    while (va < end) {
        int error = will_need_some(vm, &va, end, &hole);
        if (error)
            return error;
        preempt_point();
        if (vm_end_hook())
            return -EINTR;
    }
    return hole ? -ENOMEM : 0;
}

static int
populate(struct vmspace *vm, vaddr_t start, vaddr_t end, enum fault_access access)
{
    int error = vm_populate_access(vm, start, end, access);
    return error == -EACCES ? -EINVAL : error;
}

int
vm_advise(struct vmspace *vm, vaddr_t va, uint64_t size, int number)
{
    bool populating = number == MADV_POPULATE_READ || number == MADV_POPULATE_WRITE;
    const struct advice *advice = find_advice(number);
    if ((!advice && !populating && number != MADV_WILLNEED) || (va & PAGE_MASK) || size > ~0UL - PAGE_MASK)
        return -EINVAL;
    vaddr_t end = va + PAGE_ALIGN_UP(size);
    if (end < va)
        return -EINVAL;
    if (end == va)
        return 0;
    if (end > user_top)
        return -ENOMEM;
    if (populating)
        return populate(vm, va, end, number == MADV_POPULATE_READ ? FAULT_READ : FAULT_WRITE);
    if (number == MADV_WILLNEED)
        return will_need(vm, va, end);

    SCOPED_VM(vm);
    bool cuts = advice->set | advice->clear;
    if (cuts) {
        int error = region_cut(vm, va, end);
        if (error)
            return error;
    }
    struct gather gather __uninitialized;
    gather_begin(&gather, vm);
    int error = advise(&gather, advice, va, end);
    if (advice->zap)
        gather_tables(&gather, va, end);
    gather_end(&gather);
    if (cuts)
        region_join(vm, va, end);
    return error;
}
