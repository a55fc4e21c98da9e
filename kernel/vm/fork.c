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
 * On failure the child is taken down like any address space. The parent's
 * pages that became COW stay so; the first write finds itself alone and
 * takes COW off again.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/framecheck.h"
#include "vm/leaf.h"
#include "vm/region.h"

struct fork {
    struct vmspace *parent, *child;
    bool alone; /* no other thread runs on the parent now */
    bool flush; /* some entry of the parent was changed that a TLB may hold */
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
        pte_store(entry, new);
    } else {
        /* The hardware may be setting A or D for another thread. */
        while (!__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            new = shared(old, writable);
    }
    fork->flush |= old & ~new & PTE_A;
    return new;
}

/* Copy the entries of a run, of which `first` is the first in use. */
static int
copy_run(struct fork *fork, const struct leaf_run *run, unsigned first, bool writable)
{
    struct vmspace *child = fork->child;
    pte_t *to = walk(child->mmu.root, run->va + ((uint64_t)first << PAGE_SHIFT), true);
    if (!to)
        return -ENOMEM;
    to -= first;

    unsigned ncopied = 0;
    for (unsigned i = first; i < run->n; i++) {
        pte_t pte = pte_load(&run->entries[i]);
        if (pte == 0)
            continue;
        pte = share_entry(fork, &run->entries[i], pte, writable);
        if (!leaf_is_zero(pte)) {
            struct frame *frame = leaf_frame(pte);
            frame_get(frame);
            leaf_account(child, frame, 1);
        }
        if (pte & PTE_V)
            framecheck_mapped(pte_pa(pte), 1, 1);
        __atomic_store_n(&to[i], pte & ~(PTE_A | PTE_D | PTE_AGED), __ATOMIC_RELAXED);
        ncopied++;
    }
    pt_table_of(to + first)->nptes += ncopied;
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
