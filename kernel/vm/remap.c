/*
 * mremap: pages that move, mappings that grow and shrink where they are.
 *
 * To move, the tables at the new place are made first; then entries, and the
 * region itself, change places, and nothing of that can fail. One flush at the
 * end makes the old addresses forgotten.
 *
 * The order of what is checked and what is done is Linux's, for a program can see it:
 * with MREMAP_FIXED the target is unmapped first, and what is cut off the source next; the
 * source is looked up again after that, for it may have been part of the target (an old
 * size of 0 asks for a second mapping of the same pages, anywhere); only then comes
 * the question whether it may become so large.
 */
#include <linux/mman.h>

#include "lib/errno.h"
#include "vm/fault.h"
#include "vm/leaf.h"
#include "vm/map.h"
#include "vm/region.h"

struct remap {
    struct vmspace *vm;
    vaddr_t old, new; /* new: where to, or a hint */
    uint64_t old_size, new_size;
    uint32_t flags; /* MREMAP_* */
};

static int
check_arguments(const struct remap *r)
{
    if (r->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
        return -EINVAL;
    if ((r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(r->flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if ((r->flags & MREMAP_DONTUNMAP) && r->old_size != r->new_size)
        return -EINVAL;
    return (r->old & PAGE_MASK) || r->new_size == 0 ? -EINVAL : 0;
}

/* The same for MREMAP_FIXED and MREMAP_DONTUNMAP, whose new address is at least a hint. */
static int
check_target(const struct remap *r)
{
    if ((r->new & PAGE_MASK) || !range_below(r->new, r->new_size, user_top))
        return -EINVAL;
    if (r->new < r->old + r->old_size && r->old < r->new + r->new_size)
        return -EINVAL;
    if (r->vm->nregions + 5 >= vm_max_regions)
        return -ENOMEM;
    if (!(r->flags & MREMAP_FIXED))
        return 0;
    return map_reserved(r->new, r->new + r->new_size) ? -ENOMEM : 0;
}

/* Unmap what lies behind the new size. */
static int
cut_tail(const struct remap *r)
{
    vaddr_t start = r->old + r->new_size;
    uint64_t size = r->old_size - r->new_size;

    if (r->old_size <= r->new_size)
        return 0;
    return range_below(start, size, user_top) ? map_remove(r->vm, start, start + size) : -EINVAL;
}

/* May the region that holds old become this large, or move? */
static int
check_region(const struct remap *r, const struct region *region)
{
    bool duplicate = r->old_size == 0, kept = r->flags & MREMAP_DONTUNMAP;
    if (duplicate && !(region->flags & REGION_SHARED))
        return -EINVAL;
    if (kept && (region->flags & REGION_SPECIAL))
        return -EINVAL;
    if (r->old_size > region->end - r->old)
        return -EFAULT;
    uint64_t nadded = (kept ? r->new_size : r->new_size - r->old_size) >> PAGE_SHIFT;
    if (region->flags & REGION_SPECIAL)
        return -EFAULT;
    if (!kept && r->new_size <= r->old_size)
        return 0;
    if (region->ops && region_pgoff(region, r->old) + (r->new_size >> PAGE_SHIFT) <
                           region_pgoff(region, r->old))
        return -EINVAL;
    if (r->new_size > user_top)
        return -ENOMEM;
    if (!kept && (region->flags & REGION_LOCKED) && !map_allowed_locked(r->vm, nadded))
        return -EAGAIN;
    return map_allowed(r->vm, region->flags, nadded) ? 0 : -ENOMEM;
}

/* Make the tables that the entries of the old range will need in the new one. */
static int
prepare_tables(struct gather *gather, const struct remap *r, uint64_t size)
{
    struct leaf_run run;
    vaddr_t va = r->old, end = r->old + size;
    if (gather_own(gather, va, end, true) != 0)
        return -ENOMEM;
    while (leaf_next_run(r->vm->mmu.root, &va, end, &run)) {
        if (pt_table_of(run.entries)->nptes == 0)
            continue;
        vaddr_t first = r->new + (run.va - r->old);
        vaddr_t last = first + ((uint64_t)(run.n - 1) << PAGE_SHIFT);
        if (!walk(r->vm->mmu.root, first, true) || !walk(r->vm->mmu.root, last, true))
            return -ENOMEM;
    }
    return 0;
}

static void
move_leaves(struct gather *gather, const struct remap *r, uint64_t size)
{
    struct leaf_run run;
    vaddr_t va = r->old, end = r->old + size;
    while (leaf_next_run(r->vm->mmu.root, &va, end, &run)) {
        pte_t *to = NULL; /* where entry i goes; NULL: not looked up yet */
        unsigned nleft = pt_table_of(run.entries)->nptes;
        for (unsigned i = 0; i < run.n && nleft > 0; i++) {
            vaddr_t from = run.va + ((uint64_t)i << PAGE_SHIFT), target = r->new + (from - r->old);
            to = !to || pt_index(target, 0) == 0 ? walk(r->vm->mmu.root, target, false) : to + 1;
            pte_t pte = pte_load(&run.entries[i]);
            if (pte == 0)
                continue;
            nleft--;
            struct pt_resident one = pt_count_resident(pte, 0);
            pt_clear(&run.entries[i]);
            leaf_account_table(r->vm, pt_table_of(&run.entries[i]), -(int64_t)one.nanon,
                               -(int64_t)one.nfile);
            pt_set(to, pte);
            leaf_account_table(r->vm, pt_table_of(to), one.nanon, one.nfile);
            gather_range(gather, from, PAGE_SIZE);
        }
    }
    gather_tables(gather, r->old, end);
}

/*
 * Put the region, or a second one like it, at the new place. 0, -ENOMEM. The old
 * range is a region of its own.
 */
static int
move_region(const struct remap *r, struct region *region)
{
    if (r->old_size && !(r->flags & MREMAP_DONTUNMAP)) {
        region_move(region, r->new, r->new + r->new_size);
        return 0;
    }
    struct region model __uninitialized;
    region_copy_mapped(&model, region);
    if (model.ops)
        model.pgoff = region_pgoff(region, r->old);
    model.start = r->new;
    model.end = r->new + r->new_size;
    if (r->old_size == 0)
        model.pass = PASS_NONE; /* no page moves there */
    /* What stays behind is not locked, and so is not one with what moves even if that is beside it. */
    bool kept = r->flags & MREMAP_DONTUNMAP;
    if (kept)
        region_set_flags(region, model.flags & ~(uint32_t)REGION_LOCKED);
    if (region_place(r->vm, &model))
        return 0;
    if (kept)
        region_set_flags(region, model.flags);
    return -ENOMEM;
}

/* Move [old, old + old_size) to new, where nothing is. */
static int64_t
move(const struct remap *r)
{
    struct vmspace *vm = r->vm;
    if (vm->nregions + 3 > vm_max_regions)
        return -ENOMEM;
    uint64_t size = min(r->old_size, r->new_size);
    int error = r->old_size ? region_cut(vm, r->old, r->old + r->old_size) : 0;
    if (error)
        return error;

    struct gather gather __uninitialized;
    gather_begin(&gather, vm);
    error = prepare_tables(&gather, r, size);
    if (!error)
        error = move_region(r, region_find(vm, r->old, false));
    if (error) {
        gather_tables(&gather, r->new, r->new + r->new_size);
    } else {
        move_leaves(&gather, r, size);
        region_join(vm, r->new, r->new + r->new_size);
    }
    gather_end(&gather);
    region_join(vm, r->old, r->old + r->old_size);
    return error ? error : (int64_t)r->new;
}

/* MREMAP_FIXED or MREMAP_DONTUNMAP: to a place that does not depend on what is free. */
static int64_t
remap_to(struct remap *r)
{
    struct vmspace *vm = r->vm;
    int error = check_target(r);
    if (!error && (r->flags & MREMAP_FIXED))
        error = map_remove(vm, r->new, r->new + r->new_size);
    if (!error)
        error = cut_tail(r);
    if (error)
        return error;
    r->old_size = min(r->old_size, r->new_size);
    const struct region *region = region_find(vm, r->old, false);
    error = region ? check_region(r, region) : -EFAULT;
    if (!error && (r->flags & MREMAP_FIXED) && !map_allowed_at(r->new))
        error = -EPERM;
    if (!error && !(r->flags & MREMAP_FIXED) &&
        !(r->new = map_find_place(vm, r->new, r->new_size, false)))
        error = -ENOMEM;
    return error ? error : move(r);
}

/* Grow at the end, if the region ends there and there is room. */
static bool
grow_in_place(const struct remap *r, struct region *region)
{
    vaddr_t end = r->old + r->new_size;
    if (r->old_size == 0 || region->end != r->old + r->old_size ||
        !range_below(r->old, r->new_size, user_top) || !map_place_free(r->vm, region->end, end))
        return false;
    region_resize(region, region->start, end);
    region_join(r->vm, end, end);
    return true;
}

static int64_t
remap_locked(struct remap *r)
{
    struct vmspace *vm = r->vm;
    struct region *region = region_find(vm, r->old, false);
    if (!region)
        return -EFAULT;
    if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
        return remap_to(r);

    if (r->old_size >= r->new_size) {
        int error = cut_tail(r);
        return error ? error : (int64_t)r->old;
    }
    int error = check_region(r, region);
    if (error)
        return error;
    if (grow_in_place(r, region))
        return r->old;
    if (!(r->flags & MREMAP_MAYMOVE) || !(r->new = map_find_place(vm, 0, r->new_size, !region->ops)))
        return -ENOMEM;
    return move(r);
}

int64_t
vm_remap(struct vmspace *vm, vaddr_t old, uint64_t old_size, uint64_t new_size,
         uint32_t mremap_flags, vaddr_t new_address)
{
    struct remap r = {
        .vm = vm,
        .old = old,
        .new = mremap_flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? new_address : 0,
        .old_size = PAGE_ALIGN_UP(old_size),
        .new_size = PAGE_ALIGN_UP(new_size),
        .flags = mremap_flags,
    };
    int error = check_arguments(&r);
    if (error)
        return error;

    mutex_lock(&vm->lock);
    int64_t va = remap_locked(&r);
    const struct region *region = va >= 0 ? region_find(vm, va, false) : NULL;
    bool locked = region && (region->flags & REGION_LOCKED);
    vm_unlock(vm);
    if (locked)
        (void)vm_populate(vm, va, va + r.new_size);
    return va;
}
