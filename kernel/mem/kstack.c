/*
 * Kernel stacks.
 *
 * The stack window is divided into slots of twice a stack's size. The upper
 * half of a slot is the stack, the lower half is never mapped, so whatever
 * runs off a stack faults before it meets another.
 *
 * Mapping and unmapping costs a flush on every hart, so stacks of threads that
 * ended are kept, mapped, on a list of the hart they ended on, linked through
 * their topmost words. Their frames are counted as FRAME_CACHED meanwhile. Threads
 * often end on another hart than they began on, so harts exchange batches through
 * a pool: who has more than CACHE_MAX gives, who has none takes. What the
 * pool holds beyond POOL_MAX, and all of it when memory is short, is unmapped and freed.
 * The window's tables stay; so a new stack takes the lowest free slot, and there are no
 * more tables than the most stacks at a time have needed.
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
#define BATCH 8
#define POOL_MAX 64

/* A hart's: touched by it alone. The pool's: guarded by pool_lock. */
static struct stack_cache {
    vaddr_t free; /* top of a stack, or 0 */
    uint32_t nfree;
} __cacheline caches[MAX_HARTS], pool;

static struct spinlock pool_lock = SPINLOCK_INIT("stack pool");

static uint64_t slots[BITMAP_WORDS(NSLOTS)]; /* guarded by kspace_lock; set: in use */
static size_t first_free;                    /* guarded by kspace_lock; all below are in use */

static inline vaddr_t *
link_of(vaddr_t top)
{
    return (vaddr_t *)top - 1;
}

static vaddr_t
pop(struct stack_cache *cache)
{
    vaddr_t top = cache->free;
    cache->free = *link_of(top);
    cache->nfree--;
    return top;
}

static void
push(struct stack_cache *cache, vaddr_t top)
{
    *link_of(top) = cache->free;
    cache->free = top;
    cache->nfree++;
}

/* Move up to n stacks from one list to another. */
static void
move(struct stack_cache *from, struct stack_cache *to, unsigned n)
{
    for (; n > 0 && from->nfree > 0; n--)
        push(to, pop(from));
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
    size_t slot = bitmap_next_zero(slots, NSLOTS, first_free);
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
    first_free = slot + 1;
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

/* Take up to BATCH stacks out of the pool, unmap them and free their frames. Returns how many. */
static unsigned
release_batch(void)
{
    struct frame *frames_freed[BATCH * STACK_PAGES];
    vaddr_t tops[BATCH];
    vaddr_t low = ~0UL, high = 0;
    unsigned n = 0, nframes_freed = 0;

    for (; n < BATCH && pool.nfree > 0; n++) {
        vaddr_t top = tops[n] = pop(&pool);
        account(FRAME_CACHED, FRAME_STACK);
        low = min(low, top - KSTACK_SIZE);
        high = max(high, top);

        SCOPED_SPIN(&kspace_lock);
        const pte_t *entry = walk(kernel_root, top - KSTACK_SIZE, false);
        assert(entry);
        for (unsigned page = 0; page < STACK_PAGES; page++)
            frames_freed[nframes_freed++] = frame_of(pte_pa(entry[page]));
        pt_unmap(kernel_root, top - KSTACK_SIZE, KSTACK_SIZE);
    }
    if (n == 0)
        return 0;
    tlb_flush_kernel(low, high - low);
    while (nframes_freed > 0)
        frame_free(frames_freed[--nframes_freed]);
    SCOPED_SPIN(&kspace_lock);
    for (unsigned i = 0; i < n; i++) {
        size_t slot = (tops[i] - STACK_BASE) / SLOT_SIZE - 1;
        bitmap_clear(slots, slot);
        first_free = min(first_free, slot);
    }
    return n;
}

/* The hart has none: take some from the pool. */
static __noinline void
refill(struct stack_cache *cache)
{
    SCOPED_SPIN(&pool_lock);
    move(&pool, cache, BATCH);
}

/* The hart has too many: give some to the pool. */
static __noinline void
spill(struct stack_cache *cache)
{
    SCOPED_SPIN(&pool_lock);
    move(cache, &pool, BATCH);
    if (pool.nfree > POOL_MAX)
        release_batch();
}

vaddr_t
kstack_alloc(void)
{
    struct stack_cache *cache = &caches[this_hart()->index];

    if (unlikely(!cache->free))
        refill(cache);
    if (unlikely(!cache->free))
        return make_stack();
    account(FRAME_CACHED, FRAME_STACK);
    return pop(cache);
}

void
kstack_free(vaddr_t top)
{
    struct stack_cache *cache = &caches[this_hart()->index];

    if (unlikely(cache->nfree >= CACHE_MAX))
        spill(cache);
    push(cache, top);
    account(FRAME_STACK, FRAME_CACHED);
}

static size_t (*reclaim_others)(size_t wanted);

/* frame_reclaim: what others have, and the pool's stacks. */
static size_t
reclaim(size_t wanted)
{
    size_t nfreed = reclaim_others(wanted);

    /* Whoever is short of memory may hold the tree's lock, or be unmapping stacks himself. */
    if (nfreed >= wanted || !spin_trylock(&pool_lock))
        return nfreed;
    if (spin_trylock(&kspace_lock)) {
        spin_unlock(&kspace_lock);
        nfreed += release_batch() * STACK_PAGES;
    }
    spin_unlock(&pool_lock);
    return nfreed;
}

void
kstack_init(void)
{
    reclaim_others = frame_reclaim;
    frame_reclaim = reclaim;
}

bool
kstack_in_guard(vaddr_t va)
{
    return va - STACK_BASE < STACK_WINDOW_SIZE && !(va & KSTACK_SIZE);
}
