/*
 * Fork, page by page.
 *
 * The child gets a region for each of the parent's, and for private memory a
 * copy of every entry, both sides then being COW: without W, so that whoever
 * writes first copies. Shared regions are left to be filled again by faults.
 * The work goes table by table: a walk for 512 entries, not for one.
 *
 * The parent's TLBs may still hold W for what became COW, so one flush of it
 * all follows, before anybody can run in the child. What can be written is
 * marked not accessed on both sides, the child's because it is new and the
 * parent's because of that flush; so the first write to a page that was not
 * read before it needs no flush of its own (leaf.h).
 *
 * Two pages are copied at once: the one under the stack pointer, and the
 * thread's own data behind tp. Parent and child are both about to write
 * there, and a copy costs less than their two faults.
 *
 * On failure the child is taken down like any address space. The parent's
 * pages that became COW stay so; the first write finds itself alone and
 * takes COW off again.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/framecheck.h"
#include "sched/thread.h"
#include "vm/leaf.h"
#include "vm/region.h"

struct fork {
    struct vmspace *parent, *child;
    bool alone; /* no other thread runs on the parent now */
    bool flush; /* some entry of the parent was changed that a TLB may hold */
    vaddr_t eager[2]; /* pages to copy at once */
};

static inline pte_t
shared(pte_t pte, bool writable)
{
    if (!writable)
        return pte | PTE_COW;
    return (pte & ~(PTE_W | PTE_A | PTE_D)) | PTE_COW | (pte & PTE_A ? PTE_AGED : 0);
}

/* Make an entry of the parent COW; returns it as it is now. `writable`: its region is. */
static pte_t
share_entry(struct fork *fork, pte_t *entry, pte_t old, bool writable)
{
    pte_t new = shared(old, writable);
    if (new == old)
        return new;
    if (fork->alone) {
        leaf_write(entry, new);
    } else {
        /* The hardware may be setting A or D for another thread. */
        while (!__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            new = shared(old, writable);
    }
    fork->flush |= old & ~new & PTE_A;
    return new;
}

/*
 * Give the child a copy of a page at once, the parent keeping its own: the
 * entry for the child, or 0 if it must be shared after all.
 */
static pte_t
copy_now(pte_t pte)
{
    if (!(pte & PTE_W))
        return 0;
    struct frame *frame = frame_alloc(0, FRAME_ANON);
    if (!frame)
        return 0;
    page_copy(frame_va(frame), frame_va(leaf_frame(pte)));
    return pte_make(frame_pa(frame), pte & (PTE_FLAGS & ~(PTE_A | PTE_D | PTE_AGED)));
}

/* Copy the entries of a run, of which `first` is the first in use. */
static int
copy_run(struct fork *fork, const struct leaf_run *run, unsigned first, bool writable)
{
    pte_t *to = walk(fork->child->mmu.root, run->va + ((uint64_t)first << PAGE_SHIFT), true);
    if (!to)
        return -ENOMEM;
    to -= first;

    pte_t *const from = run->entries;
    const unsigned n = run->n, nused = pt_table_of(from)->nptes;
    const uint64_t eager[2] = {(fork->eager[0] - run->va) >> PAGE_SHIFT,
                               (fork->eager[1] - run->va) >> PAGE_SHIFT};
    unsigned ncopied = 0, nzero = 0, nanon = 0;
    for (unsigned i = first; i < n && ncopied < nused; i++) {
        pte_t pte = pte_load(&from[i]);
        if (pte == 0)
            continue;
        pte_t copy = unlikely(i == eager[0] || i == eager[1]) ? copy_now(pte) : 0;
        bool copied = copy;
        if (likely(!copied))
            copy = share_entry(fork, &from[i], pte, writable) & ~(PTE_A | PTE_D | PTE_AGED);
        struct frame *frame = leaf_frame(copy);
        if (unlikely(frame == vm_zero_frame)) {
            nzero++;
        } else {
            nanon += frame->owner == FRAME_ANON;
            if (likely(!copied))
                frame_get(frame);
        }
        if (copy & PTE_V)
            framecheck_mapped(pte_pa(copy), 1, 1);
        leaf_write(&to[i], copy);
        ncopied++;
    }
    pt_table_of(to + first)->nptes += ncopied;
    leaf_account(fork->child, nanon, ncopied - nzero - nanon);
    return 0;
}

static int
copy_leaves(struct fork *fork, const struct region *region)
{
    vaddr_t start = region->start, end = region->end;
    bool writable = region->flags & REGION_WRITE;
    struct leaf_run run;
    while (leaf_next_run(fork->parent->mmu.root, &start, end, &run)) {
        unsigned first = 0;
        while (first < run.n && pte_load(&run.entries[first]) == 0)
            first++;
        if (first == run.n)
            continue;
        int error = copy_run(fork, &run, first, writable);
        if (error)
            return error;
    }
    return 0;
}

static int
copy_region(struct fork *fork, const struct region *region)
{
    if (region->flags & REGION_DONTFORK)
        return 0;
    struct region model = *region;
    model.flags &= ~REGION_LOCKED;
    if (!region_place(fork->child, &model))
        return -ENOMEM;
    if (region->flags & (REGION_SHARED | REGION_WIPEONFORK))
        return 0;
    return copy_leaves(fork, region);
}

static void
copy_fields(struct vmspace *child, const struct vmspace *parent)
{
    child->brk_start = parent->brk_start;
    child->brk = parent->brk;
    child->mmap_top = parent->mmap_top;
    child->stack_top = parent->stack_top;
    child->start_code = parent->start_code;
    child->end_code = parent->end_code;
    child->start_data = parent->start_data;
    child->end_data = parent->end_data;
    child->arg_start = parent->arg_start;
    child->arg_end = parent->arg_end;
    child->env_start = parent->env_start;
    child->env_end = parent->env_end;
    memcpy(child->auxv, parent->auxv, sizeof(child->auxv));
    child->nauxv = parent->nauxv;
    child->exe = parent->exe;
    if (child->exe && vm_exe_get)
        vm_exe_get(child->exe);
}

struct vmspace *
vm_fork(struct vmspace *parent)
{
    struct fork fork = {.parent = parent, .child = vm_create()};
    if (!fork.child)
        return NULL;

    mutex_lock(&parent->lock);
    mutex_lock_nested(&fork.child->lock, 1); /* a new one: nobody waits for it with ours held */
    if (parent == current_thread()->vm) {
        const struct trapframe *tf = thread_trapframe(current_thread());
        fork.eager[0] = PAGE_ALIGN_DOWN(tf->sp);
        fork.eager[1] = PAGE_ALIGN_DOWN(tf->tp);
    }
    fork.alone = __atomic_load_n(&parent->refs, __ATOMIC_RELAXED) == 1;
    copy_fields(fork.child, parent);
    int error = 0;
    for (struct region *region = region_first(parent); region && !error;
         region = region_next(region))
        error = copy_region(&fork, region);
    if (fork.flush)
        tlb_flush_all(&parent->mmu);
    mutex_unlock(&parent->lock);
    vm_unlock(fork.child);

    if (error) {
        vm_put(fork.child);
        return NULL;
    }
    return fork.child;
}
