/*
 * The set of regions of an address space: inside vm/ only.
 *
 * Every function here is called with vm->lock held. A region in the tree is
 * counted in vm's totals (nregions, npages_mapped, npages_data, npages_stack, npages_locked);
 * whoever changes its bounds or flags does it through this file.
 *
 * To let go of an object may take locks that are held while user memory is
 * touched, so it must wait until vm->lock is free. Regions that are dropped
 * gather on vm->dropped, and whoever may have dropped some unlocks with
 * vm_unlock().
 */
#ifndef QUIRE_VM_REGION_H
#define QUIRE_VM_REGION_H

#include "vm/vmspace.h"

#define REGION_RWX (REGION_READ | REGION_WRITE | REGION_EXEC)
#define REGION_MAY_SHIFT 6 /* REGION_MAY_x is REGION_x shifted by this */

#define VM_LOWEST 0x10000UL              /* lowest address that needs no privilege: vm.mmap_min_addr */
#define STACK_GUARD_GAP (256 * PAGE_SIZE) /* kept free below a region that grows down */

static inline uint64_t
region_npages(const struct region *region)
{
    return (region->end - region->start) >> PAGE_SHIFT;
}

/* The object's page behind va. */
static inline uint64_t
region_pgoff(const struct region *region, vaddr_t va)
{
    return region->pgoff + ((va - region->start) >> PAGE_SHIFT);
}

/* Let *to map what *from maps. How it is found, and by whom, is left alone. */
static inline void
region_copy_mapped(struct region *to, const struct region *from)
{
    to->start = from->start;
    to->end = from->end;
    to->pgoff = from->pgoff;
    to->pass = from->pass;
    to->flags = from->flags;
    to->ops = from->ops;
    to->object = from->object;
    to->label = from->label;
}

void region_init(void);

struct region *region_prev(struct region *region);

/*
 * Put a region like *model into vm, where nothing is: by growing a
 * neighbour that it continues, or as a new one, which takes a reference on the
 * object. Returns the region that now covers it; NULL: memory is out.
 */
struct region *region_place(struct vmspace *vm, const struct region *model);
/* Take a region out of vm and have its object let go of. Its pages are gone already. */
void region_drop(struct vmspace *vm, struct region *region);
/* Take every region out, without keeping the tree in order: vm is ending. */
void region_drop_all(struct vmspace *vm);
/*
 * Cut a region at va, strictly inside it. Returns the upper part, the lower keeps
 * its struct; NULL: memory is out, nothing changed.
 */
struct region *region_split(struct region *region, vaddr_t va);
/*
 * Cut regions so that start and end fall on bounds: afterwards each region
 * lies wholly inside or wholly outside the range. 0, -ENOMEM (nothing changed).
 */
int region_cut(struct vmspace *vm, vaddr_t start, vaddr_t end);
/* Join each region that touches [start, end] to its neighbours where they continue one another. */
void region_join(struct vmspace *vm, vaddr_t start, vaddr_t end);
/* Change a region's bounds; no other region is in the way. pgoff stays that of the new start. */
void region_resize(struct region *region, vaddr_t start, vaddr_t end);
/* Take a region elsewhere, where nothing is; its pages are the caller's to move. */
void region_move(struct region *region, vaddr_t start, vaddr_t end);
void region_set_flags(struct region *region, uint32_t flags);

/*
 * A loop that changes region after region calls this for each, with a counter of its own that
 * begins at 0: other threads may run now and then. No spinlock held.
 */
static inline void
region_pause(unsigned *n)
{
    if (++*n % 16 == 0)
        preempt_point();
}

/* True if no region touches [start, end). */
bool region_free_range(struct vmspace *vm, vaddr_t start, vaddr_t end);
/* True if regions cover all of [start, end). */
bool region_covers(struct vmspace *vm, vaddr_t start, vaddr_t end);
/* Mapped pages within [start, end). */
uint64_t region_count_pages(struct vmspace *vm, vaddr_t start, vaddr_t end);
/*
 * The highest address of `size` free bytes within [low, high), 0 if there is
 * none. In time logarithmic in the number of regions.
 */
vaddr_t region_find_gap(struct vmspace *vm, uint64_t size, vaddr_t low, vaddr_t high);

/* Let go of the objects of dropped regions and free these. No lock held. */
void region_release(struct list *dropped);

/* Unlock vm->lock, then release what was dropped under it. */
void vm_unlock(struct vmspace *vm);

static inline void
vm_unlock_scope(struct vmspace **vm)
{
    vm_unlock(*vm);
}

/* Hold vm->lock to the end of the enclosing block, and end with vm_unlock(). */
#define SCOPED_VM(v)                                                                               \
    struct vmspace *CONCAT(scoped_vm_, __LINE__)                                                   \
        __attribute__((cleanup(vm_unlock_scope), unused)) = (mutex_lock(&(v)->lock), (v))

#endif
