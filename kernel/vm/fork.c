/*
 * Fork: tables that are shared, and small ones copied.
 *
 * The child gets a region for each of the parent's, and for private memory what
 * the parent's tree has there. A table that covers nothing but private anonymous
 * memory is shared with the child and frozen on both sides (mem/freeze.h), which
 * takes the same time whatever is below it. Of other tables, and of those that are
 * not worth_sharing(), the child gets a copy of every entry, both sides then being
 * COW: without W, so that whoever writes first copies. Shared regions are left to
 * be filled again by faults, and so no frozen table ever maps an object's pages.
 *
 * The parent's TLBs may still hold what was frozen, and W for what became COW, so
 * one flush of it all follows, before anybody can run in the child. What can be
 * written is marked "aged" instead of accessed on both sides, the child's because
 * it is new and the parent's because of that flush; so the first write to a page
 * that was not read before it needs no flush of its own (leaf.h).
 *
 * Two pages are copied at once: the one under the stack pointer, and the
 * thread's own data behind tp. Parent and child are both about to write
 * there, and a copy costs less than their two faults. While other threads run they
 * are made COW like all else, and copied after the flush.
 *
 * The child sees the parent's memory as it was at one moment: for each hart, that of its
 * flush. What a hart stores before, by the translations that it remembers, lands in
 * frames that the child has, too; what it would store after faults, and waits for the
 * parent's lock. So no page may be copied before the flush, unless no other thread runs.
 *
 * On failure the child is taken down like any address space. The parent's tables
 * that were frozen stay so, and pages that became COW; the first touch finds
 * itself alone and takes it off again.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/framecheck.h"
#include "sched/thread.h"
#include "vm/leaf.h"
#include "vm/region.h"

#define REGIONS_AT_ONCE 16 /* copied before a look at SIGKILL */

struct fork {
    struct vmspace *parent, *child;
    bool alone;  /* no other thread runs on the parent now */
    bool flush;  /* some entry of the parent was changed that a TLB may hold */
    bool tables; /* ... and that named a table */
    vaddr_t eager[2];      /* pages to copy at once */
    struct late {          /* those of them that are to be copied after the flush */
        pte_t *from, *to;
    } late[2];
    unsigned nlate;
    vaddr_t done;          /* entries below this have been dealt with */
    vaddr_t unshared;      /* regions that are not plain reach up to here ... */
    struct region *ahead;  /* ... and from the one being dealt with to this one all are; NULL: to the last */
};

/*
 * The policy: is it better to share a table than to copy its n entries now?
 *
 * Counted in instructions from fork to wait (`./quire run --icount`), to copy costs 135 an
 * entry. To share costs nothing to speak of if nobody touches what is below; if one
 * side does, 5,000 and 100 an entry; if both do, 13,000 and 100 an entry. So sharing
 * wins at once, from 150 entries on, or from 380. At 64 what is lost if both touch
 * it is about what is won if nobody does. A table with the stack's top or the
 * thread's data is touched by both at once.
 */
#define SHARE_MIN_ENTRIES 64

static bool
worth_sharing(const struct fork *fork, const struct frame *table, vaddr_t start, vaddr_t end)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fork->eager); i++)
        if (fork->eager[i] >= start && fork->eager[i] < end)
            return false;
    return table->nptes >= SHARE_MIN_ENTRIES;
}

/* Private anonymous memory that the child is to have as it is. */
static bool
is_plain(const struct region *region)
{
    return !region->ops && !(region->flags & (REGION_SHARED | REGION_DONTFORK | REGION_WIPEONFORK));
}

/* May all of [start, end), within which we are, be shared? In all of a fork this looks at each region once. */
static bool
all_plain(struct fork *fork, vaddr_t start, vaddr_t end)
{
    if (start < fork->unshared)
        return false;
    while (fork->ahead && fork->ahead->start < end && is_plain(fork->ahead))
        fork->ahead = region_next(fork->ahead);
    return !fork->ahead || fork->ahead->start >= end;
}

/* A is taken away, but not what it meant. */
static inline pte_t
aged(pte_t pte)
{
    return (pte & ~(PTE_A | PTE_D)) | (pte & PTE_A ? PTE_AGED : 0);
}

static inline pte_t
shared(pte_t pte, bool writable)
{
    return writable ? (aged(pte) & ~PTE_W) | PTE_COW : pte | PTE_COW;
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
 * entry for the child, or 0 if it must be shared, for good or for now.
 */
static pte_t
copy_now(struct fork *fork, pte_t *from, pte_t pte, pte_t *to)
{
    if (!(pte & PTE_W))
        return 0;
    if (!fork->alone) {
        fork->late[fork->nlate++] = (struct late){from, to};
        return 0;
    }
    struct frame *frame = frame_alloc(0, FRAME_ANON);
    if (!frame)
        return 0;
    page_copy(frame_va(frame), frame_va(leaf_frame(pte)));
    return pte_make(frame_pa(frame), aged(pte) & PTE_FLAGS);
}

/*
 * The parent's translations are flushed: give the child its copy of a page that both share
 * for now, and the parent its right to write back. That no hart knows the child's tree yet, and
 * that the parent's entry only gains a right, is why nothing is flushed.
 */
static void
copy_late(const struct late *late)
{
    pte_t shared = pte_load(late->to);
    struct frame *frame = frame_alloc(0, FRAME_ANON);

    if (!frame)
        return; /* they go on sharing */
    page_copy(frame_va(frame), frame_va(leaf_frame(shared)));
    pte_t own = (shared & PTE_FLAGS & ~PTE_COW) | PTE_W;
    pt_set(late->to, pte_make(frame_pa(frame), own));
    frame_put(leaf_frame(shared));
    pte_t old = pte_load(late->from);
    while (!__atomic_compare_exchange_n(late->from, &old, (old & ~PTE_COW) | PTE_W, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
}

/* Copy the entries of a run at level 0. */
static int
copy_run(struct fork *fork, const struct leaf_run *run, bool writable)
{
    pte_t *const from = run->entries;
    const unsigned n = run->n, nused = pt_table_of(from)->nptes;
    unsigned first = 0;
    while (first < n && pte_load(&from[first]) == 0)
        first++;
    if (first == n)
        return 0;
    pte_t *to = walk(fork->child->mmu.root, run->va + ((uint64_t)first << PAGE_SHIFT), true);
    if (!to)
        return -ENOMEM;
    to -= first;

    const uint64_t eager[2] = {(fork->eager[0] - run->va) >> PAGE_SHIFT,
                               (fork->eager[1] - run->va) >> PAGE_SHIFT};
    unsigned ncopied = 0, nzero = 0, nanon = 0;
    for (unsigned i = first; i < n && ncopied < nused; i++) {
        pt_napot_break(&from[i]);
        pte_t pte = pte_load(&from[i]);
        if (pte == 0)
            continue;
        pte_t copy = 0;
        if (unlikely(i == eager[0] || i == eager[1]))
            copy = copy_now(fork, &from[i], pte, &to[i]);
        bool copied = copy;
        if (likely(!copied))
            copy = share_entry(fork, &from[i], pte, writable);
        struct frame *frame = leaf_frame(copy);
        if (unlikely(leaf_is_zero(copy))) {
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
    struct frame *table = pt_table_of(to + first);
    table->nptes += ncopied;
    leaf_account_table(fork->child, table, nanon, ncopied - nzero - nanon);
    return 0;
}

/* Share a superpage's leaf, copy-on-write. */
static int
copy_block(struct fork *fork, pte_t *entry, unsigned level, vaddr_t start, bool writable)
{
    pte_t *to = pt_walk_level(fork->child->mmu.root, start, level, true);
    if (!to)
        return -ENOMEM;
    pte_t pte = share_entry(fork, entry, pte_load(entry), writable);
    leaf_ref_get(pte, level);
    pt_set(to, pte);
    leaf_account(fork->child, pt_span(level) >> PAGE_SHIFT, 0);
    return 0;
}

/*
 * Share the tables of entries from entry on, the first of which spans [start, end):
 * that one, and as many more as lie within the region and are worth_sharing(). Returns where
 * the last one ends, or 0: memory is out.
 */
static vaddr_t
share_tables(struct fork *fork, const struct region *region, pte_t *entry, unsigned level,
             vaddr_t start, vaddr_t end)
{
    const uint64_t span = end - start;
    const unsigned room = PT_FANOUT - pt_index(start, level);
    unsigned n = 1;
    for (; n < room && end + span <= region->end; n++, end += span) {
        pte_t pte = pte_load(&entry[n]);
        if (pte != 0 && (pte_maps(pte) || !worth_sharing(fork, leaf_frame(pte), end, end + span)))
            break;
    }
    pte_t *to = pt_walk_level(fork->child->mmu.root, start, level, true);
    if (!to)
        return 0;
    struct pt_resident resident = {0};
    fork->tables |= pt_share(entry, to, n, &resident);
    pt_count_tables(fork->child->mmu.root, resident.ntables);
    leaf_account(fork->child, resident.nanon, resident.nfile);
    return end;
}

/* Deal with what is at fork->done, within region, up to where that table or entry ends. */
static int
copy_next(struct fork *fork, struct region *region)
{
    vaddr_t va = fork->done;
    bool writable = region->flags & REGION_WRITE;
    pte_t *table = phys_to_virt(fork->parent->mmu.root);

    for (unsigned level = pt_levels - 1; level > 0; level--) {
        pte_t *entry = &table[pt_index(va, level)];
        pte_t pte = pte_load(entry);
        vaddr_t start = ALIGN_DOWN(va, pt_span(level)), end = start + pt_span(level);
        if (pte == 0 || pte_maps(pte)) {
            fork->done = end;
            return pte ? copy_block(fork, entry, level, start, writable) : 0;
        }
        if (worth_sharing(fork, leaf_frame(pte), start, end) &&
            all_plain(fork, start, end)) {
            fork->done = share_tables(fork, region, entry, level, start, end);
            return fork->done ? 0 : -ENOMEM;
        }
        if (pte_is_frozen(pte) && pt_thaw(entry) != 0)
            return -ENOMEM;
        table = phys_to_virt(pte_pa(pte_load(entry)));
    }
    fork->done = min(ALIGN_DOWN(va, pt_span(1)) + pt_span(1), region->end);
    struct leaf_run run = {&table[pt_index(va, 0)], va, (fork->done - va) >> PAGE_SHIFT, 0};
    return copy_run(fork, &run, writable);
}

/* From one table to the next: other threads may run, and a process about to end needs no child. */
static int
pause(void)
{
    preempt_point();
    return vm_end_hook() ? -EINTR : 0;
}

static int
copy_region(struct fork *fork, struct region *region)
{
    if (!is_plain(region)) {
        fork->unshared = region->end;
        if (fork->ahead && fork->ahead->start <= region->start)
            fork->ahead = region_next(region);
    }
    if (region->flags & REGION_DONTFORK)
        return 0;
    if (region->ops && region->ops->settle)
        region->ops->settle(region->object, region);
    struct region model __uninitialized;
    region_copy_mapped(&model, region);
    model.flags &= ~REGION_LOCKED;
    if (!region_place(fork->child, &model))
        return -ENOMEM;
    if (region->flags & (REGION_SHARED | REGION_WIPEONFORK))
        return 0;
    int error = 0;
    fork->done = max(fork->done, region->start);
    while (!error && fork->done < region->end) {
        error = copy_next(fork, region);
        if (fork->done % pt_span(1) == 0 && !error)
            error = pause();
    }
    return error;
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
    child->dumpable = __atomic_load_n(&parent->dumpable, __ATOMIC_RELAXED);
    child->barriers = __atomic_load_n(&parent->barriers, __ATOMIC_RELAXED);
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
    fork.alone = ref_count(&parent->refs) == 1;
    copy_fields(fork.child, parent);
    int error = 0;
    unsigned n = 0;
    fork.ahead = region_first(parent);
    for (struct region *region = fork.ahead; region && !error; region = region_next(region)) {
        error = copy_region(&fork, region);
        if (!error && ++n % REGIONS_AT_ONCE == 0)
            error = pause();
    }
    if (fork.tables)
        tlb_flush_tables(&parent->mmu);
    else if (fork.flush)
        tlb_flush_all(&parent->mmu);
    for (unsigned i = 0; i < fork.nlate && !error; i++)
        copy_late(&fork.late[i]);
    mutex_unlock(&parent->lock);
    vm_unlock(fork.child);

    if (error) {
        vm_put(fork.child);
        return NULL;
    }
    return fork.child;
}
