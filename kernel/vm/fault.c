/*
 * Faults: a page is touched, and its region's promise is kept.
 *
 * A fault that a region permits finds the page's entry in the tree empty, or
 * present but without the right that is asked for. Which function resolves it
 * is looked up by what backs the region:
 *
 *                      empty, read     empty, write     present, write
 *      anonymous       zero frame      zeroed frame     copy
 *      private file    file's frame    copy of it       copy
 *      shared object   file's frame    file's frame     tell the object
 *
 * A fault that finds no table of level 0, or a superpage, goes to superpage.c first.
 *
 * "Copy" copies nothing when nobody else uses the frame any more. A fault for
 * which the entry has all the rights already is spurious: another hart has
 * resolved it, this hart remembered the entry as it was, or the hardware wants
 * software to set A and D.
 *
 * The states of an entry are described in leaf.h.
 */
#include "vm/fault.h"

#include <asm/siginfo.h>
#include <asm/signal.h>

#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "mem/framecheck.h"
#include "sched/thread.h"
#include "vm/leaf.h"
#include "vm/region.h"
#include "vm/superpage.h"
#include "vm/usercopy.h"

/* A file's resident pages around a read fault are mapped too: a window of this many, aligned. */
#define AROUND_PAGES 16

struct fault {
    struct vmspace *vm;
    struct region *region;
    vaddr_t va; /* of the page */
    enum fault_access access;
    pte_t *entry;
    pte_t pte; /* *entry as it was found */
};

uint64_t vm_nfault, vm_nmajfault, vm_ncow, vm_nzero;

static void
no_signal(struct trapframe *tf, vaddr_t va, struct fault_verdict verdict)
{
    panic_trap(tf, "signal %d for a fault at 0x%lx, and no process to take it", verdict.signal,
               (unsigned long)va);
}

void (*vm_signal_hook)(struct trapframe *tf, vaddr_t va, struct fault_verdict verdict) = no_signal;

static bool
no_end(void)
{
    return false;
}

bool (*vm_end_hook)(void) = no_end;

static inline void
tick(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/*
 * The resolvers. Each returns 0, -ENOMEM, or an error of the object's: -EFAULT
 * if it has no such page.
 */

static int
read_zero(struct fault *f)
{
    uint64_t rights = leaf_rights(f->region->flags) & ~PTE_W;
    pt_set(f->entry, pt_zero_ppn | rights | PTE_V | PTE_A | PTE_COW);
    return 0;
}

static int
write_zeroed(struct fault *f)
{
    if (superpage_fill_64k(f->vm, f->region, f->va, f->entry))
        return 0;
    struct frame *frame = frame_alloc_zeroed(FRAME_ANON);
    if (!frame)
        return -ENOMEM;
    uint64_t rights = leaf_rights(f->region->flags);
    leaf_fill(f->vm, f->entry, pte_make(frame_pa(frame), rights | PTE_V | PTE_A | PTE_D));
    tick(&vm_nzero);
    return 0;
}

/*
 * Map what the file has in memory of the page and those around it, without A:
 * they may not be used.
 */
static void
map_around(struct fault *f, uint64_t rights)
{
    const struct region *region = f->region;
    vaddr_t window = ALIGN_DOWN(f->va, AROUND_PAGES * PAGE_SIZE);
    vaddr_t start = max(window, region->start);
    unsigned nentries = (min(window + AROUND_PAGES * PAGE_SIZE, region->end) - start) >> PAGE_SHIFT;
    pte_t *entries = f->entry - ((f->va - start) >> PAGE_SHIFT);
    struct frame *run[AROUND_PAGES] __uninitialized;

    for (unsigned i = 0; i < nentries;) {
        unsigned nempty = 0;
        while (i + nempty < nentries && pte_load(&entries[i + nempty]) == 0)
            nempty++;
        if (nempty == 0) {
            i++;
            continue;
        }
        uint64_t pgoff = region_pgoff(region, start) + i;
        unsigned n = region->ops->get_run(region->object, pgoff, nempty, run);
        leaf_fill_run(f->vm, &entries[i], run, n, rights);
        i += n + (n < nempty);
    }
}

static int
read_file(struct fault *f)
{
    const struct region *region = f->region;
    const struct region_ops *ops = region->ops;
    uint64_t rights = leaf_rights(region->flags);
    /* An object that is never written back need not know when it is first written. */
    bool write = (region->flags & REGION_SHARED) && (rights & PTE_W) && !ops->sync;
    if (!write)
        rights &= ~PTE_W;
    if (!(region->flags & REGION_SHARED))
        rights |= PTE_COW;

    if (ops->get_run) {
        map_around(f, rights);
        if (pte_load(f->entry)) {
            __atomic_fetch_or(f->entry, PTE_A, __ATOMIC_RELAXED);
            return 0;
        }
        f->vm->nfaults_major++;
        tick(&vm_nmajfault);
    }
    struct frame *frame;
    int error = ops->get_frame(region->object, region_pgoff(region, f->va), write, &frame);
    if (error)
        return error;
    leaf_fill(f->vm, f->entry, pte_make(frame_pa(frame), rights | PTE_V | PTE_A));
    return 0;
}

static int
write_private(struct fault *f)
{
    const struct region *region = f->region;
    struct frame *source;
    int error = region->ops->get_frame(region->object, region_pgoff(region, f->va), false, &source);
    if (error)
        return error;
    struct frame *frame = frame_alloc(0, FRAME_ANON);
    if (frame) {
        page_copy(frame_va(frame), frame_va(source));
        uint64_t rights = leaf_rights(region->flags);
        leaf_fill(f->vm, f->entry, pte_make(frame_pa(frame), rights | PTE_V | PTE_A | PTE_D));
        tick(&vm_ncow);
    }
    frame_put(source);
    return frame ? 0 : -ENOMEM;
}

/*
 * Put another frame in place of f->pte's, and let go of that. If a TLB may have the old
 * one, the entry is empty until no hart has it: else one hart could write to the new
 * frame while another still reads the old, and sees stores in the wrong order. Harts that
 * meet the empty entry fault, and wait for vm->lock.
 */
static void
replace(struct fault *f, struct frame *frame)
{
    uint64_t rights = leaf_rights(f->region->flags);
    pte_t value = pte_make(frame_pa(frame), rights | PTE_V | PTE_A | PTE_D);
    pte_t old = f->pte;
    framecheck_mapped(frame_pa(frame), 1, 1);
    if ((old & PTE_A) || !__atomic_compare_exchange_n(f->entry, &old, value, false,
                                                      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        old = __atomic_exchange_n(f->entry, 0, __ATOMIC_ACQ_REL);
        tlb_flush_page(&f->vm->mmu, f->va);
        pte_store(f->entry, value);
    }
    framecheck_mapped(pte_pa(old), 1, -1);
    struct frame *table = pt_table_of(f->entry);
    leaf_account_frame(f->vm, table, frame, 1);
    if (!leaf_is_zero(old)) {
        leaf_account_frame(f->vm, table, leaf_frame(old), -1);
        frame_put(leaf_frame(old));
    }
}

static int
write_copy(struct fault *f)
{
    struct frame *frame;
    if (unlikely(pte_is_napot(f->pte))) {
        pt_napot_break(f->entry);
        f->pte = pte_load(f->entry);
    }
    if (leaf_is_zero(f->pte)) {
        frame = frame_alloc_zeroed(FRAME_ANON);
        if (!frame)
            return -ENOMEM;
        tick(&vm_nzero);
    } else {
        struct frame *source = leaf_frame(f->pte);
        if (source->owner == FRAME_ANON && __atomic_load_n(&source->refs, __ATOMIC_ACQUIRE) == 1) {
            uint64_t rights = leaf_rights(f->region->flags) | PTE_V | PTE_A | PTE_D;
            pte_store(f->entry, (f->pte & PTE_PPN_MASK) | rights);
            return 0;
        }
        frame = frame_alloc(0, FRAME_ANON);
        if (!frame)
            return -ENOMEM;
        page_copy(frame_va(frame), frame_va(source));
        tick(&vm_ncow);
    }
    replace(f, frame);
    return 0;
}

static int
write_shared(struct fault *f)
{
    const struct region *region = f->region;
    struct frame *frame;
    int error = region->ops->get_frame(region->object, region_pgoff(region, f->va), true, &frame);
    if (error)
        return error;
    uint64_t rights = leaf_rights(region->flags);
    pte_t value = pte_make(frame_pa(frame), rights | PTE_V | PTE_A | PTE_D);
    if (f->pte == 0) {
        leaf_fill(f->vm, f->entry, value);
    } else if (leaf_frame(f->pte) == frame) {
        pte_store(f->entry, value);
        frame_put(frame);
    } else {
        replace(f, frame);
    }
    return 0;
}

/* The tables at the head of this file. */
enum backing { ANONYMOUS, PRIVATE, SHARED };
enum state { EMPTY_READ, EMPTY_WRITE, PRESENT_WRITE };

static int (*const resolvers[3][3])(struct fault *) = {
    [ANONYMOUS] = {[EMPTY_READ] = read_zero, [EMPTY_WRITE] = write_zeroed, [PRESENT_WRITE] = write_copy},
    [PRIVATE] = {[EMPTY_READ] = read_file, [EMPTY_WRITE] = write_private, [PRESENT_WRITE] = write_copy},
    [SHARED] = {[EMPTY_READ] = read_file, [EMPTY_WRITE] = write_shared, [PRESENT_WRITE] = write_shared},
};

static const uint64_t right_for[] = {
    [FAULT_READ] = PTE_R, [FAULT_WRITE] = PTE_W, [FAULT_EXEC] = PTE_X,
};

/* The entry has the right that is asked for. */
static int
spurious(struct fault *f)
{
    pte_mark_used(f->entry, f->access == FAULT_WRITE);
    tlb_flush_local_page(f->va);
    return 0;
}

static int
resolve(struct fault *f)
{
    bool write = f->access == FAULT_WRITE;
    enum state state = EMPTY_READ;
    if (f->pte) {
        if (f->pte & right_for[f->access])
            return spurious(f);
        assert(write && pte_valid(f->pte));
        state = PRESENT_WRITE;
    } else if (write) {
        state = EMPTY_WRITE;
    }
    enum backing backing = !f->region->ops ? ANONYMOUS
                           : f->region->flags & REGION_SHARED ? SHARED
                                                              : PRIVATE;
    return resolvers[backing][state](f);
}

/* Find the entry, and resolve the fault there. */
static int
resolve_at(struct vmspace *vm, struct region *region, vaddr_t va, enum fault_access access)
{
    pte_t *large = pt_walk_level(vm->mmu.root, va, 1, true);
    pte_t *entry;
    if (unlikely(!large))
        return -ENOMEM;
    if (likely(pte_is_table(pte_load(large)))) {
        entry = (pte_t *)phys_to_virt(pte_pa(pte_load(large))) + pt_index(va, 0);
    } else {
        int error = superpage_fault(vm, region, va, access, large);
        if (error != -EAGAIN)
            return error;
        entry = walk(vm->mmu.root, va, true);
        if (!entry)
            return -ENOMEM;
    }
    struct fault fault = {vm, region, PAGE_ALIGN_DOWN(va), access, entry, pte_load(entry)};
    return resolve(&fault);
}

/* Let the stack above va grow down to it; NULL if it must not. */
static struct region *
grow_stack(struct vmspace *vm, vaddr_t va)
{
    struct region *region = region_find(vm, va, true);
    if (!region || !(region->flags & REGION_STACK) || vm != current_thread()->vm)
        return NULL;

    vaddr_t start = PAGE_ALIGN_DOWN(va);
    struct vm_limits limits;
    vm_get_limits(&limits);
    uint64_t npages = vm->npages_mapped + ((region->start - start) >> PAGE_SHIFT);
    if (region->end - start > limits.stack || npages > limits.as >> PAGE_SHIFT)
        return NULL;

    struct region *prev = region_prev(region);
    vaddr_t floor = prev ? prev->end : VM_LOWEST;
    if (prev && (prev->flags & REGION_RWX) && !(prev->flags & REGION_STACK))
        floor += STACK_GUARD_GAP;
    if (start < floor)
        return NULL;
    region_resize(region, start, region->end);
    return region;
}

static bool
permitted(uint32_t flags, enum fault_access access)
{
    switch (access) {
    case FAULT_READ:
        return flags & (REGION_READ | REGION_WRITE);
    case FAULT_WRITE:
        return flags & REGION_WRITE;
    case FAULT_EXEC:
        return flags & REGION_EXEC;
    }
    return false;
}

struct fault_verdict
vm_fault_locked(struct vmspace *vm, vaddr_t va, enum fault_access access)
{
    vm->nfaults_minor++;
    tick(&vm_nfault);
    if (unlikely(vm->ending))
        return (struct fault_verdict){SIGKILL, SI_KERNEL, access};

    struct region *region = region_find(vm, va, false);
    if (unlikely(!region) && !(region = grow_stack(vm, va)))
        return (struct fault_verdict){SIGSEGV, SEGV_MAPERR, access};
    if (unlikely(!permitted(region->flags, access)))
        return (struct fault_verdict){SIGSEGV, SEGV_ACCERR, access};

    int error;
    do
        error = resolve_at(vm, region, va, access);
    while (unlikely(error == -ENOMEM) && vm_thin(vm) > 0);
    if (unlikely(error == -ENOMEM))
        return (struct fault_verdict){SIGKILL, SI_KERNEL, access};
    if (unlikely(error))
        return (struct fault_verdict){SIGBUS, BUS_ADRERR, access};
    if (region->flags & REGION_EXEC)
        icache_flush(&vm->mmu);
    return (struct fault_verdict){0, 0, access};
}

struct fault_verdict
vm_fault(struct vmspace *vm, vaddr_t va, enum fault_access access)
{
    SCOPED_LOCK(&vm->lock);
    return vm_fault_locked(vm, va, access);
}

bool
vm_page_fault(struct trapframe *tf, vaddr_t va, enum fault_access access, bool user)
{
    struct vmspace *vm = current_thread()->vm;
    if (user) {
        tf->sstatus |= usercopy_user_sstatus;
        struct fault_verdict verdict = {SIGSEGV, SEGV_MAPERR, access};
        if (vm && va < user_top)
            verdict = vm_fault(vm, va, access);
        if (unlikely(verdict.signal == SIGKILL) && (vm_oom_wait(vm) || vm_end_hook()))
            return true; /* it faults again, or ends on the way back to user mode */
        if (unlikely(verdict.signal))
            vm_signal_hook(tf, va, verdict);
        return true;
    }

    uint64_t fixup = usercopy_fixup(tf->epc);
    if (!fixup || va >= user_top)
        return false;
    if (usercopy_open_fault(tf))
        return true;
    struct fault_verdict verdict = {SIGSEGV, SEGV_MAPERR, access};
    if (vm)
        verdict = vm_fault(vm, va, access);
    if (likely(verdict.signal == 0) || (verdict.signal == SIGKILL && vm_oom_wait(vm)))
        return true; /* to the same instruction */
    /* A program does not learn that its call was cut short for memory: it ends. */
    if (verdict.signal == SIGKILL && !vm_end_hook())
        vm_signal_hook(tf, va, verdict);
    tf->epc = fixup;
    return true;
}

/* Touching ahead. */

#define POPULATE_BATCH 64

/*
 * Touch up to POPULATE_BATCH pages from *va; `access` NULL: as the region suggests. -EAGAIN:
 * memory is out.
 */
static int
populate_some(struct vmspace *vm, vaddr_t *va, vaddr_t end, const enum fault_access *access)
{
    SCOPED_LOCK(&vm->lock);
    for (unsigned i = 0; i < POPULATE_BATCH && *va < end; i++, *va += PAGE_SIZE) {
        struct region *region = region_find(vm, *va, false);
        if (!region)
            return -ENOMEM;
        uint32_t flags = region->flags;
        enum fault_access how = FAULT_READ;
        if (access)
            how = *access;
        else if ((flags & (REGION_WRITE | REGION_SHARED)) == REGION_WRITE)
            how = FAULT_WRITE;
        else if (!permitted(flags, how))
            continue;
        if (!permitted(flags, how))
            return -EACCES;

        unsigned level;
        const pte_t *entry = pt_leaf(vm->mmu.root, *va, &level);
        if (entry && (pte_load(entry) & right_for[how]))
            continue;
        struct fault_verdict verdict = vm_fault_locked(vm, *va, how);
        if (verdict.signal)
            return verdict.signal == SIGBUS ? -EFAULT : -EAGAIN;
    }
    return 0;
}

static int
populate(struct vmspace *vm, vaddr_t start, vaddr_t end, const enum fault_access *access)
{
    while (start < end) {
        int error = populate_some(vm, &start, end, access);
        if (error == -EAGAIN && !vm_oom_wait(vm))
            return -ENOMEM;
        if (error && error != -EAGAIN)
            return error;
        preempt_point();
        if (vm_end_hook()) /* a signal that is caught waits: what was asked for can be had */
            return -EINTR;
    }
    return 0;
}

int
vm_populate(struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    return populate(vm, start, end, NULL);
}

int
vm_populate_access(struct vmspace *vm, vaddr_t start, vaddr_t end, enum fault_access access)
{
    return populate(vm, start, end, &access);
}
