/*
 * Address spaces: their beginning and end.
 *
 * The end, when the last reference goes: no thread runs there any more, but
 * an idle hart may still have the tree loaded. mmu_retire() makes it leave; from then on
 * nothing translates through the tree, so frames and tables are freed at once
 * and without a flush.
 */
#include "vm/vmspace.h"

#include "arch/riscv/isolation.h"
#include "arch/riscv/panic.h"
#include "mem/kspace.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vm/fault.h"
#include "vm/leaf.h"
#include "vm/map.h"
#include "vm/region.h"
#include "vm/superpage.h"
#include "vm/usercopy.h"

/* Kept free at the top of the user half, for what every process has there. */
#define TOP_RESERVE (1UL << 20)
/* Room for the stack to grow, at least and at most, above where mmap begins. */
#define STACK_ROOM_MIN (128UL << 20)
#define STACK_ROOM_MAX (user_top / 6 * 5)

static struct slab_cache *vmspace_cache;

void (*vm_exe_get)(void *exe);
void (*vm_exe_put)(void *exe);

void
vm_init(void)
{
    vmspace_cache = slab_cache_create("vmspace", sizeof(struct vmspace), 64);
    region_init();
    shared_init();
    superpage_init();
    struct frame *zero = frame_alloc_zeroed(FRAME_KERNEL);
    if (!zero)
        panic("no memory for the zero frame");
    pt_zero_ppn = pte_make(frame_pa(zero), 0);
    usercopy_init();
    trap_ops.page_fault = vm_page_fault;
}

/* The tree that the kernel runs on, and with strict isolation user mode's root; -ENOMEM: neither. */
static int
make_roots(struct mmu *mmu)
{
    mmu->root = pt_create();
    if (!mmu->root)
        return -ENOMEM;
    kspace_share(mmu->root);
    if (!isolation_strict)
        return 0;
    mmu->user_root = pt_create();
    if (!mmu->user_root) {
        pt_destroy(mmu->root);
        return -ENOMEM;
    }
    kspace_share_trampoline(mmu->user_root);
    pt_set_mirror(mmu->root, mmu->user_root);
    return 0;
}

uint64_t
vm_new_serial(void)
{
    static uint64_t last; /* atomic; it does not wrap in a machine's life */
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct vmspace *
vm_create(void)
{
    struct vmspace *vm = slab_alloc_zeroed(vmspace_cache);
    if (!vm)
        return NULL;
    if (make_roots(&vm->mmu)) {
        slab_free(vmspace_cache, vm);
        return NULL;
    }
    vm->serial = vm_new_serial();
    mutex_init(&vm->lock, "vmspace");
    rb_init(&vm->regions);
    list_init(&vm->dropped);
    list_init(&vm->thin_link);
    ref_init(&vm->refs, 1);
    ref_init(&vm->holders, 1);
    const struct vmspace *maker = current_thread()->vm;
    vm->no_superpages = maker && maker->no_superpages;

    struct vm_limits limits;
    vm_get_limits(&limits);
    uint64_t room = max(min(limits.stack, STACK_ROOM_MAX), STACK_ROOM_MIN);
    vm->stack_top = user_top - TOP_RESERVE;
    vm->mmap_top = PAGE_ALIGN_DOWN(vm->stack_top - room - STACK_GUARD_GAP);
    return vm;
}

void
vm_get(struct vmspace *vm)
{
    ref_get(&vm->refs);
}

bool
vm_tryget(struct vmspace *vm)
{
    return ref_tryget(&vm->refs);
}

void
vm_unlock(struct vmspace *vm)
{
    if (likely(list_empty(&vm->dropped))) {
        mutex_unlock(&vm->lock);
        return;
    }
    struct list dropped;
    list_init(&dropped);
    list_splice_tail(&dropped, &vm->dropped);
    mutex_unlock(&vm->lock);
    region_release(&dropped);
}

void
vm_hold(struct vmspace *vm)
{
    ref_get(&vm->holders);
}

void
vm_release(struct vmspace *vm)
{
    if (ref_put(&vm->holders))
        slab_free(vmspace_cache, vm);
}

/*
 * A truncation that found one of our regions may hold vm->lock, and work on the tree,
 * until we have it; after us it finds no region of ours.
 */
static void
destroy(struct vmspace *vm)
{
    vm_thin_leave(vm);
    mmu_retire(&vm->mmu);
    mutex_lock(&vm->lock);
    pt_release_all(vm->mmu.root);
    pt_destroy(vm->mmu.root);
    region_drop_all(vm);
    vm_unlock(vm);
    if (vm->exe && vm_exe_put)
        vm_exe_put(vm->exe);
    vm_release(vm);
}

void
vm_put(struct vmspace *vm)
{
    if (ref_put(&vm->refs))
        destroy(vm);
}

struct vmspace *
vm_install(struct vmspace *vm)
{
    struct thread *thread = current_thread();
    struct vmspace *old = thread->vm;
    thread->vm = vm;
    thread->mmu = vm ? &vm->mmu : NULL;
    mmu_switch(thread->mmu);
    return old;
}
