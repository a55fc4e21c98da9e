/*
 * mincore, msync, mlock: what is in memory, and what must stay or go to disk.
 */
#include <linux/mman.h>

#include "lib/errno.h"
#include "vm/fault.h"
#include "vm/leaf.h"
#include "vm/map.h"
#include "vm/region.h"
#include "vm/usercopy.h"

/* mincore. */

#define INCORE_BATCH 256

static bool
page_resident(struct vmspace *vm, const struct region *region, vaddr_t va)
{
    unsigned level;
    if (pt_lookup(vm->mmu.root, va, &level))
        return true;
    /* What of a file is in memory tells what others do with it: who may only read it hears that all is. */
    if (region->ops && region->ops->may_tell && !region->ops->may_tell(region->object))
        return true;
    uint64_t wanted = region_pgoff(region, va), found = wanted;
    return region->ops && region->ops->next_resident &&
           region->ops->next_resident(region->object, &found) && found == wanted;
}

/* Fill in one byte for each of n pages; -ENOMEM at a hole. */
static int
incore_some(struct vmspace *vm, vaddr_t va, unsigned n, uint8_t *bytes)
{
    SCOPED_LOCK(&vm->lock);
    for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
        const struct region *region = region_find(vm, va, false);
        if (!region)
            return -ENOMEM;
        bytes[i] = page_resident(vm, region, va);
    }
    return 0;
}

int
vm_incore(struct vmspace *vm, vaddr_t va, uint64_t size, vaddr_t vec)
{
    uint8_t bytes[INCORE_BATCH];
    if (va & PAGE_MASK)
        return -EINVAL;
    if (!range_below(va, size, user_top))
        return -ENOMEM;
    uint64_t npages = PAGE_ALIGN_UP(size) >> PAGE_SHIFT;
    if (!user_range(vec, npages))
        return -EFAULT;

    while (npages > 0) {
        unsigned n = min(npages, (uint64_t)INCORE_BATCH);
        int error = incore_some(vm, va, n, bytes);
        if (!error)
            error = copyout(vec, bytes, n);
        if (error)
            return error;
        va += (uint64_t)n << PAGE_SHIFT;
        vec += n;
        npages -= n;
        preempt_point();
        if (vm_end_hook())
            return -EINTR;
    }
    return 0;
}

/* msync. */

/*
 * Take W and D from the leaves of a shared mapping that is about to be written
 * back, so that the object hears of the next write to each.
 */
static void
clean_leaves(struct gather *gather, vaddr_t start, vaddr_t end)
{
    struct leaf_run run;
    while (leaf_next_run(gather->vm->mmu.root, &start, end, &run)) {
        for (unsigned i = 0; i < run.n && run.level == 0; i++) {
            pte_t *entry = &run.entries[i];
            if (!(pte_load(entry) & PTE_W))
                continue;
            __atomic_fetch_and(entry, ~(PTE_W | PTE_D), __ATOMIC_RELAXED);
            gather_range(gather, run.va + ((uint64_t)i << PAGE_SHIFT), PAGE_SIZE);
        }
    }
}

static int
sync_region(struct vmspace *vm, const struct region *region, vaddr_t start, vaddr_t end)
{
    if (!(region->flags & REGION_SHARED) || !region->ops || !region->ops->sync)
        return 0;
    struct gather gather __uninitialized;
    gather_begin(&gather, vm);
    clean_leaves(&gather, start, end);
    gather_end(&gather);
    return region->ops->sync(region->object, region_pgoff(region, start),
                             (end - start) >> PAGE_SHIFT);
}

int
vm_sync(struct vmspace *vm, vaddr_t va, uint64_t size, int ms_flags)
{
    if ((ms_flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (va & PAGE_MASK) ||
        (ms_flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    if (size > ~0UL - PAGE_MASK || va + PAGE_ALIGN_UP(size) < va)
        return -ENOMEM;
    vaddr_t end = va + PAGE_ALIGN_UP(size), covered = va;
    bool hole = false;
    unsigned n = 0;

    SCOPED_LOCK(&vm->lock);
    for (struct region *region = region_find(vm, va, true); region && region->start < end;
         region = region_next(region)) {
        region_pause(&n);
        vaddr_t from = max(va, region->start), to = min(end, region->end);
        hole |= from != covered;
        covered = to;
        if ((ms_flags & MS_INVALIDATE) && (region->flags & REGION_LOCKED))
            return -EBUSY;
        int error = ms_flags & MS_SYNC ? sync_region(vm, region, from, to) : 0;
        if (error)
            return error;
    }
    return hole || covered != end ? -ENOMEM : 0;
}

/* mlock. */

static int
set_locked(struct vmspace *vm, vaddr_t start, vaddr_t end, bool lock)
{
    SCOPED_VM(vm);
    if (lock && !map_allowed_locked(vm, (end - start) >> PAGE_SHIFT))
        return -ENOMEM;
    if (!region_covers(vm, start, end))
        return -ENOMEM;
    int error = region_cut(vm, start, end);
    if (error)
        return error;
    unsigned n = 0;
    for (struct region *region = region_find(vm, start, false); region && region->start < end;
         region = region_next(region)) {
        region_set_flags(region, lock ? region->flags | REGION_LOCKED
                                      : region->flags & ~REGION_LOCKED);
        region_pause(&n);
    }
    region_join(vm, start, end);
    return 0;
}

int
vm_may_lock_all(struct vmspace *vm, bool current)
{
    struct vm_limits limits;

    vm_get_limits(&limits);
    if (!limits.memlock)
        return -EPERM;
    SCOPED_VM(vm);
    return current && vm->npages_mapped > limits.memlock >> PAGE_SHIFT ? -ENOMEM : 0;
}

int
vm_lock_range(struct vmspace *vm, vaddr_t va, uint64_t size, bool lock)
{
    uint64_t offset = va & PAGE_MASK;
    vaddr_t start = va - offset;
    if (lock && !map_may_lock())
        return -EPERM;
    if (size > ~0UL - PAGE_MASK - offset || start + PAGE_ALIGN_UP(size + offset) < start)
        return -EINVAL;
    vaddr_t end = start + PAGE_ALIGN_UP(size + offset);
    if (size == 0)
        return 0;
    if (end > user_top)
        return -ENOMEM;

    int error = set_locked(vm, start, end, lock);
    if (error || !lock)
        return error;
    error = vm_populate(vm, start, end);
    return error == -EFAULT ? -ENOMEM : error == -ENOMEM ? -EAGAIN : error;
}
