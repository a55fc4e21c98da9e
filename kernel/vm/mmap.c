/*
 * mmap, munmap, mprotect: changing what may be touched.
 *
 * Each call checks first and then acts: once the region structs that a cut
 * needs are there, nothing can fail halfway.
 */
#include "lib/errno.h"
#include "vm/fault.h"
#include "vm/leaf.h"
#include "vm/map.h"
#include "vm/region.h"

static void
no_limits(struct vm_limits *limits)
{
    *limits = (struct vm_limits){.as = ~0UL, .data = ~0UL, .stack = 8UL << 20, .memlock = ~0UL};
}

void (*vm_get_limits)(struct vm_limits *limits) = no_limits;

/* Limits. */

bool
map_allowed_data(struct vmspace *vm, uint64_t npages)
{
    struct vm_limits limits;
    vm_get_limits(&limits);
    return vm->npages_data + npages <= limits.data >> PAGE_SHIFT;
}

bool
map_allowed(struct vmspace *vm, uint32_t flags, uint64_t npages)
{
    struct vm_limits limits;
    vm_get_limits(&limits);
    if (vm->npages_mapped + npages > limits.as >> PAGE_SHIFT)
        return false;
    if ((flags & (REGION_WRITE | REGION_SHARED | REGION_STACK)) != REGION_WRITE)
        return true;
    if (!(flags & REGION_NORESERVE) && npages > nframes_ram)
        return false;
    return vm->npages_data + npages <= limits.data >> PAGE_SHIFT;
}

bool
map_allowed_locked(struct vmspace *vm, uint64_t npages)
{
    struct vm_limits limits;
    vm_get_limits(&limits);
    return vm->npages_locked + npages <= limits.memlock >> PAGE_SHIFT;
}

bool
map_allowed_at(vaddr_t va)
{
    struct vm_limits limits;

    if (likely(va >= VM_LOWEST))
        return true;
    vm_get_limits(&limits);
    return limits.low;
}

bool
map_may_lock(void)
{
    struct vm_limits limits;

    vm_get_limits(&limits);
    return limits.memlock != 0;
}

/* Places. */

bool
map_place_free(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *next = region_find(vm, start, true);
    if (map_reserved(start, end))
        return false;
    if (!next)
        return true;
    vaddr_t limit = next->start;
    if (next->flags & REGION_STACK)
        limit -= min(limit, STACK_GUARD_GAP);
    return limit >= end;
}

/* The highest place below top for size bytes at a multiple of align, a power of two. */
static vaddr_t
find_aligned(struct vmspace *vm, uint64_t size, uint64_t align, vaddr_t top)
{
    uint64_t slack = align - PAGE_SIZE;
    vaddr_t va = region_find_gap(vm, size + slack, VM_LOWEST, top);
    return va ? ALIGN_DOWN(va + slack, align) : 0;
}

vaddr_t
map_find_place(struct vmspace *vm, vaddr_t hint, uint64_t size, bool plain)
{
    if (hint) {
        vaddr_t va = max(PAGE_ALIGN_DOWN(hint), VM_LOWEST);
        if (range_below(va, size, user_top) && map_place_free(vm, va, va + size))
            return va;
    }
    vaddr_t va = 0;
    for (unsigned level = plain ? 2 : 0; level > 0 && !va; level--)
        if (size >= pt_span(level))
            va = find_aligned(vm, size, pt_span(level), vm->mmap_top);
    if (!va)
        va = region_find_gap(vm, size, VM_LOWEST, vm->mmap_top);
    if (!va)
        va = region_find_gap(vm, size, VM_LOWEST, vm->stack_top);
    return map_reserved(va, va + size) ? 0 : va;
}

/* Unmapping. */

/* Take [start, end), whose pages are gone, out of the regions. Nothing in it needs a split. */
static void
remove_regions(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    struct region *region = region_find(vm, start, true);
    for (unsigned n = 0; region && region->start < end; region_pause(&n)) {
        struct region *next = region_next(region);
        if (region->start < start)
            region_resize(region, region->start, start);
        else if (region->end > end)
            region_resize(region, end, region->end);
        else
            region_drop(vm, region);
        region = next;
    }
}

int
map_remove(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    if (map_has_usyscall(start, end))
        return -EPERM;
    struct region *region = region_find(vm, start, true);
    if (!region || region->start >= end)
        return 0;
    struct gather gather __uninitialized;
    gather_begin(&gather, vm);
    int error = gather_isolate(&gather, start, end);
    if (!error && region->start < start && region->end > end &&
        (vm->nregions >= vm_max_regions || !region_split(region, end)))
        error = -ENOMEM;
    if (!error) {
        leaf_zap(&gather, start, end);
        gather_tables(&gather, start, end);
    }
    gather_end(&gather);
    if (error)
        return error;
    remove_regions(vm, start, end);
    return 0;
}

int
vm_unmap(struct vmspace *vm, vaddr_t va, uint64_t size)
{
    if ((va & PAGE_MASK) || size == 0 || !range_below(va, size, user_top))
        return -EINVAL;
    SCOPED_VM(vm);
    return map_remove(vm, va, va + PAGE_ALIGN_UP(size));
}

void
region_unmap_pages(struct region *region, uint64_t first, uint64_t last, bool copies)
{
    uint64_t from = max(first, region->pgoff);
    uint64_t to = min(last, region->pgoff + region_npages(region) - 1);

    if (from > to)
        return;
    vaddr_t start = region->start + ((from - region->pgoff) << PAGE_SHIFT);
    vaddr_t end = region->start + ((to + 1 - region->pgoff) << PAGE_SHIFT);
    struct gather gather __uninitialized;
    gather_begin(&gather, region->vm);
    /* No frozen table maps an object's pages (fork.c), and no leaf above level 0. */
    if (copies)
        leaf_zap(&gather, start, end);
    else
        leaf_zap_object(&gather, start, end);
    gather_end(&gather);
}

/* Mapping. */

/* Pages of the largest file there can be: sizes are signed. */
#define MAX_PGOFF (1UL << (63 - PAGE_SHIFT))

/* What is wrong with a request, apart from what is mapped already. size is in whole pages. */
static int
check_request(const struct map_request *request, uint64_t size)
{
    if (size > user_top || (request->fixed && !range_below(request->va, size, user_top)))
        return -ENOMEM;
    if (request->fixed && (request->va & PAGE_MASK))
        return -EINVAL;
    if (request->fixed && !map_allowed_at(request->va))
        return -EPERM;
    if (request->fixed && map_reserved(request->va, request->va + size))
        return -ENOMEM;
    return range_below(request->pgoff, size >> PAGE_SHIFT, MAX_PGOFF) ? 0 : -EOVERFLOW;
}

static int64_t
map_locked(struct vmspace *vm, const struct map_request *request, struct region *model)
{
    uint64_t size = model->end - model->start, npages = size >> PAGE_SHIFT;
    uint64_t nreplaced = 0;
    vaddr_t va = request->va;

    if (vm->nregions >= vm_max_regions)
        return -ENOMEM;
    if (!request->fixed) {
        va = map_find_place(vm, request->va, size, !request->ops);
        if (!va)
            return -ENOMEM;
    } else if (!region_free_range(vm, va, va + size)) {
        if (request->noreplace)
            return -EEXIST;
        nreplaced = region_count_pages(vm, va, va + size);
    }
    if (!map_allowed(vm, request->flags, npages - nreplaced))
        return -ENOMEM;
    if ((request->flags & REGION_LOCKED) && !map_allowed_locked(vm, npages))
        return map_may_lock() ? -EAGAIN : -EPERM;
    if (nreplaced) {
        int error = map_remove(vm, va, va + size);
        if (error)
            return error;
    }
    model->start = va;
    model->end = va + size;
    return region_place(vm, model) ? (int64_t)va : -ENOMEM;
}

int64_t
vm_map(struct vmspace *vm, const struct map_request *request)
{
    uint64_t size = PAGE_ALIGN_UP(request->size);
    if (request->size == 0)
        return -EINVAL;
    int error = size == 0 ? -ENOMEM : check_request(request, size);
    if (error)
        return error;

    struct region model __uninitialized; /* what it maps: the rest of it is not looked at */
    model.start = 0;
    model.end = size;
    model.flags = request->flags;
    model.pgoff = request->pgoff;
    model.ops = request->ops;
    model.object = request->object;
    model.label = request->label;
    model.pass = PASS_NONE;
    bool create = (request->flags & REGION_SHARED) && !request->ops;
    if (create) {
        model.ops = &shared_ops;
        model.pgoff = 0;
        model.object = shared_create(size >> PAGE_SHIFT);
        if (!model.object)
            return -ENOMEM;
    }

    bool admit = model.ops && model.ops->admit;
    error = admit ? model.ops->admit(model.object, &model.flags) : 0;
    if (error)
        return error;

    mutex_lock(&vm->lock);
    int64_t va = map_locked(vm, request, &model);
    vm_unlock(vm);
    if (admit)
        model.ops->dismiss(model.object, model.flags);
    if (create)
        shared_ops.put(model.object);

    /* Touching ahead is a favour: whether it succeeds shows when the pages are used. */
    if (va >= 0 && (request->populate || (request->flags & REGION_LOCKED)))
        (void)vm_populate(vm, va, va + size);
    return va;
}

/* Protection. */

static void
protect_leaves(struct gather *gather, vaddr_t start, vaddr_t end, uint32_t flags)
{
    struct leaf_run run;
    while (leaf_next_run(gather->vm->mmu.root, &start, end, &run)) {
        uint64_t span = pt_span(run.level);
        for (unsigned i = 0; i < run.n; i++) {
            pte_t *entry = &run.entries[i];
            if (pte_load(entry) != 0 && leaf_protect_entry(entry, flags))
                gather_range(gather, run.va + i * span, span);
        }
    }
}

/*
 * How far an mprotect can go: to *end, or to the hole or region that is in the
 * way, with the error that ends it there (what comes before is changed, as on
 * Linux). vm->lock held.
 */
static int
check_protect(struct vmspace *vm, vaddr_t start, vaddr_t *end, uint32_t rwx)
{
    uint64_t nwritable = 0;
    vaddr_t at = start;
    int error = 0;
    for (struct region *region = region_find(vm, start, false); at < *end;
         region = region_next(region)) {
        if (!region || region->start > at)
            error = -ENOMEM;
        else if (((rwx << REGION_MAY_SHIFT) & ~region->flags) || region->start == USYSCALL)
            error = -EACCES;
        if (error)
            break;
        vaddr_t to = min(*end, region->end);
        if (!(region->flags & (REGION_WRITE | REGION_SHARED | REGION_STACK)))
            nwritable += (to - at) >> PAGE_SHIFT;
        at = to;
    }
    *end = at;
    if ((rwx & REGION_WRITE) && nwritable && !map_allowed_data(vm, nwritable)) {
        *end = start;
        return -ENOMEM;
    }
    return error;
}

int
vm_protect(struct vmspace *vm, vaddr_t va, uint64_t size, uint32_t rwx)
{
    if (va & PAGE_MASK)
        return -EINVAL;
    if (size == 0)
        return 0;
    if (!range_below(va, size, user_top))
        return -ENOMEM;
    vaddr_t end = va + PAGE_ALIGN_UP(size);

    SCOPED_VM(vm);
    int error = check_protect(vm, va, &end, rwx);
    if (end == va)
        return error;
    if (region_cut(vm, va, end) != 0)
        return -ENOMEM;

    struct gather gather __uninitialized;
    gather_begin(&gather, vm);
    if (gather_own(&gather, va, end, false) != 0) {
        gather_end(&gather);
        region_join(vm, va, end);
        return -ENOMEM;
    }
    bool code = false;
    unsigned n = 0;
    for (struct region *region = region_find(vm, va, false); region && region->start < end;
         region = region_next(region)) {
        region_pause(&n);
        uint32_t flags = (region->flags & ~REGION_RWX) | rwx;
        code |= flags & ~region->flags & REGION_EXEC;
        if (flags == region->flags)
            continue;
        region_set_flags(region, flags);
        protect_leaves(&gather, region->start, region->end, flags);
    }
    region_join(vm, va, end);
    gather_end(&gather);
    if (code)
        icache_flush(&vm->mmu);
    return error;
}
