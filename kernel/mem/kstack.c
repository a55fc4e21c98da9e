/*
 * Kernel stacks.
 *
 * The stack window is divided into slots of twice a stack's size. The upper
 * half of a slot is the stack, the lower half is never mapped, so whatever
 * runs off a stack faults before it meets another.
 *
 * Mapping and unmapping costs a flush on every hart, so stacks of threads that
 * ended are kept, mapped, on a list of the hart they ended on, linked through
 * their topmost words. Their frames are counted as FRAME_CACHED meanwhile. A
 * hart that has more than CACHE_MAX gives CACHE_BATCH of them back.
 */
#include "arch/riscv/hart.h"
#include "arch/riscv/layout.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/tlb.h"
#include "lib/bitmap.h"
#include "mem/frame.h"
#include "mem/kspace.h"
#include "mem/pagetable.h"

#define SLOT_SIZE (2 * KSTACK_SIZE)
#define NSLOTS (STACK_WINDOW_SIZE / SLOT_SIZE)
#define STACK_PAGES (KSTACK_SIZE / PAGE_SIZE)
#define CACHE_MAX 16
#define CACHE_BATCH 8

/* Touched only by its own hart. */
static struct stack_cache {
    vaddr_t free; /* top of a stack, or 0 */
    uint32_t nfree;
} __cacheline caches[MAX_HARTS];

static uint64_t slots[BITMAP_WORDS(NSLOTS)]; /* guarded by kspace_lock; set: in use */
static size_t next_slot;                     /* guarded by kspace_lock; where to look first */

static inline vaddr_t *
link_of(vaddr_t top)
{
    return (vaddr_t *)top - 1;
}

/* Count the frames of a stack that goes from a thread to the cache, or back. */
static inline void
account(enum frame_owner from, enum frame_owner to)
{
    frame_account(from, -(int64_t)STACK_PAGES);
    frame_account(to, STACK_PAGES);
}

/* Map the frames into a free slot; returns the stack's top, or 0. */
static vaddr_t
map_stack(struct frame *stack[STACK_PAGES])
{
    SCOPED_SPIN(&kspace_lock);
    size_t slot = bitmap_next_zero(slots, NSLOTS, next_slot);
    if (slot == NSLOTS)
        slot = bitmap_first_zero(slots, NSLOTS);
    if (slot == NSLOTS)
        return 0;
    vaddr_t base = STACK_BASE + slot * SLOT_SIZE + KSTACK_SIZE;
    pte_t *entry = walk(kernel_root, base, true);
    if (!entry)
        return 0;
    for (unsigned i = 0; i < STACK_PAGES; i++)
        pt_set(&entry[i], pte_make(frame_pa(stack[i]),
                                   PTE_V | PTE_R | PTE_W | PTE_A | PTE_D | kspace_global));
    bitmap_set(slots, slot);
    next_slot = slot + 1;
    return base + KSTACK_SIZE;
}

static __noinline vaddr_t
make_stack(void)
{
    struct frame *stack[STACK_PAGES];
    unsigned n = 0;
    vaddr_t top = 0;

    while (n < STACK_PAGES && (stack[n] = frame_alloc(0, FRAME_STACK)))
        n++;
    if (n == STACK_PAGES)
        top = map_stack(stack);
    if (!top) {
        while (n > 0)
            frame_free(stack[--n]);
        return 0;
    }
    /* Nobody takes a spurious fault on a stack: make all harts forget that it was not there. */
    tlb_flush_kernel(top - KSTACK_SIZE, KSTACK_SIZE);
    return top;
}

vaddr_t
kstack_alloc(void)
{
    struct stack_cache *cache = &caches[this_hart()->index];
    vaddr_t top = cache->free;

    if (unlikely(!top))
        return make_stack();
    cache->free = *link_of(top);
    cache->nfree--;
    account(FRAME_CACHED, FRAME_STACK);
    return top;
}

/* Unmap a batch of the hart's stacks and free their frames. */
static __noinline void
drain(struct stack_cache *cache)
{
    struct frame *frames_freed[CACHE_BATCH * STACK_PAGES];
    vaddr_t tops[CACHE_BATCH];
    vaddr_t low = ~0UL, high = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < CACHE_BATCH; i++) {
        vaddr_t top = tops[i] = cache->free;
        cache->free = *link_of(top);
        cache->nfree--;
        account(FRAME_CACHED, FRAME_STACK);
        low = min(low, top - KSTACK_SIZE);
        high = max(high, top);

        SCOPED_SPIN(&kspace_lock);
        const pte_t *entry = walk(kernel_root, top - KSTACK_SIZE, false);
        assert(entry);
        for (unsigned page = 0; page < STACK_PAGES; page++)
            frames_freed[n++] = frame_of(pte_pa(entry[page]));
        pt_unmap(kernel_root, top - KSTACK_SIZE, KSTACK_SIZE);
    }
    tlb_flush_kernel(low, high - low);
    while (n > 0)
        frame_free(frames_freed[--n]);
    SCOPED_SPIN(&kspace_lock);
    for (unsigned i = 0; i < CACHE_BATCH; i++)
        bitmap_clear(slots, (tops[i] - STACK_BASE) / SLOT_SIZE - 1);
}

void
kstack_free(vaddr_t top)
{
    struct stack_cache *cache = &caches[this_hart()->index];

    if (unlikely(cache->nfree >= CACHE_MAX))
        drain(cache);
    *link_of(top) = cache->free;
    cache->free = top;
    cache->nfree++;
    account(FRAME_STACK, FRAME_CACHED);
}

bool
kstack_in_guard(vaddr_t va)
{
    return va - STACK_BASE < STACK_WINDOW_SIZE && !(va & KSTACK_SIZE);
}
