/*
 * brk: the heap.
 *
 * The heap is the memory from brk_start, which exec sets, to the break. Its
 * region covers the whole pages of that; a page that brk_start lies within
 * belongs to the program's data.
 */
#include "arch/riscv/layout.h"
#include "vm/map.h"
#include "vm/region.h"

#define HEAP_FLAGS                                                                                 \
    (REGION_HEAP | REGION_READ | REGION_WRITE | REGION_MAY_READ | REGION_MAY_WRITE | REGION_MAY_EXEC)

static bool
grow(struct vmspace *vm, vaddr_t brk, vaddr_t start, vaddr_t end)
{
    struct vm_limits limits;
    vm_get_limits(&limits);
    if ((brk - vm->brk_start) + (vm->end_data - vm->start_data) > limits.data)
        return false;
    /* A page stays free above the heap. */
    if (!range_below(end, PAGE_SIZE, user_top) || !map_place_free(vm, start, end + PAGE_SIZE) ||
        vm->nregions >= vm_max_regions ||
        !map_allowed(vm, HEAP_FLAGS, (end - start) >> PAGE_SHIFT))
        return false;
    struct region model = {.start = start, .end = end, .flags = HEAP_FLAGS, .label = "[heap]"};
    return region_place(vm, &model);
}

vaddr_t
vm_brk(struct vmspace *vm, vaddr_t brk)
{
    SCOPED_VM(vm);
    if (!vm->brk_start || brk < vm->brk_start || brk > user_top)
        return vm->brk;
    vaddr_t old_end = PAGE_ALIGN_UP(vm->brk), end = PAGE_ALIGN_UP(brk);
    if (end < old_end ? map_remove(vm, end, old_end) == 0
                      : end == old_end || grow(vm, brk, old_end, end))
        vm->brk = brk;
    return vm->brk;
}
