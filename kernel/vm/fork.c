/*
 * Fork, page by page.
 *
 * The child gets a region for each of the parent's, and for private memory a
 * copy of every entry, both sides then being COW: without W, so that whoever
 * writes first copies. Shared regions are left to be filled again by faults.
 * The work goes table by table: a walk for 512 entries, not for one.
 *
 * The parent's TLBs may still hold W for what became COW, so one flush of it
 * all follows, before anybody can run in the child.
 *
 * The child's entries start with A clear: it has used none of them. So its
 * first write to a page that it never read needs no flush (leaf.h).
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
    bool protected; /* some entry of the parent lost W */
};

/* Make an entry of the parent COW; returns it as it is now. */
static pte_t
protect_entry(struct fork *fork, pte_t *entry, pte_t pte)
{
    pte_t cow = (pte & ~PTE_W) | PTE_COW;
    if (cow == pte)
        return pte;
    if (pte & PTE_W)
        fork->protected = true;
    if (fork->alone) {
        pte_store(entry, cow);
        return cow;
    }
    /* The hardware may be setting A or D for another thread. */
    while (!__atomic_compare_exchange_n(entry, &pte, cow, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        cow = (pte & ~PTE_W) | PTE_COW;
    return cow;
}

/* Copy the entries of a run, of which `first` is the first in use. */
static int
copy_run(struct fork *fork, const struct leaf_run *run, unsigned first)
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
        pte = protect_entry(fork, &run->entries[i], pte);
        if (!leaf_is_zero(pte)) {
            struct frame *frame = leaf_frame(pte);
            frame_get(frame);
            leaf_account(child, frame, 1);
        }
        if (pte & PTE_V)
            framecheck_mapped(pte_pa(pte), 1, 1);
        __atomic_store_n(&to[i], pte & ~(PTE_A | PTE_D), __ATOMIC_RELAXED);
        ncopied++;
    }
    pt_table_of(to + first)->nptes += ncopied;
    return 0;
}

static int
copy_leaves(struct fork *fork, vaddr_t start, vaddr_t end)
{
    struct leaf_run run;
    while (leaf_next_run(fork->parent->mmu.root, &start, end, &run)) {
        unsigned first = 0;
        while (first < run.n && pte_load(&run.entries[first]) == 0)
            first++;
        if (first == run.n)
            continue;
        int error = copy_run(fork, &run, first);
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
    return copy_leaves(fork, region->start, region->end);
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
    if (fork.protected)
        tlb_flush_all(&parent->mmu);
    mutex_unlock(&fork.child->lock);
    mutex_unlock(&parent->lock);

    if (error) {
        vm_put(fork.child);
        return NULL;
    }
    return fork.child;
}
