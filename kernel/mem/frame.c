/*
 * Frames: allocation, references, and the harts' caches.
 *
 * Each hart keeps up to CACHE_MAX free frames on a list of its own, and fills
 * and empties it against the buddy allocator CACHE_BATCH frames at a time. Only
 * the hart itself touches its cache, with interrupts disabled, so the common
 * allocation is a pop with no lock and no atomic instruction.
 *
 * When memory is short a hart may have to empty the caches of the others.
 * Making every pop safe against that with an atomic exchange would cost more
 * than the pop, so all of the price is put on the thief:
 *
 *      owner                           thief (holds steal_lock)
 *      busy = 1                        stealing = 1
 *      stealing?  leave the cache      make every hart execute a fence
 *      ... pop or push ...             wait until busy is 0
 *      busy = 0                        make every hart execute a fence
 *                                      ... take what is there ...
 *                                      stealing = 0
 *
 * The fences are run on the other harts by the firmware (a remote sfence.vma,
 * whose effect on the TLB is not what we want from it). After the first one an
 * owner either sees `stealing`, or set `busy` before it and is waited for; the
 * second one makes the owner's last stores visible to the thief. An owner that
 * finds itself locked out goes to the buddy allocator.
 *
 * Frames are counted by owner, each hart for itself: a hart's count may be
 * negative if it frees what others allocated, the sums are right.
 */
#include "mem/frame.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"
#include "lib/atomic.h"
#include "mem/buddy.h"
#include "mem/framecheck.h"

#define CACHE_MAX 64
#define CACHE_BATCH_ORDER 5
#define CACHE_BATCH (1U << CACHE_BATCH_ORDER)

/* Guarded by: (H) only its hart, or a thief by the protocol above  (A) atomic */
struct frame_cache {
    struct frame *free;            /* (H) linked by frame->next */
    uint32_t nfree;                /* (H) */
    bool busy;                     /* (A) the owner is at the list */
    bool stealing;                 /* (A) the owner must keep away */
    bool reclaiming;               /* (H) inside frame_reclaim */
    int64_t counts[FRAME_NOWNERS]; /* (H) read by everybody */
} __cacheline;

static struct frame_cache caches[MAX_HARTS];
static struct spinlock steal_lock = SPINLOCK_INIT("frame caches");

struct frame *frames;
paddr_t frames_base;
uint64_t nframes;
uint64_t nframes_ram;
size_t (*frame_reclaim)(size_t wanted);

#define compiler_barrier() __asm__ volatile("" : : : "memory")

static inline struct frame_cache *
this_cache(void)
{
    return &caches[this_hart()->index];
}

/* Claim this hart's cache; false while a thief has it. */
static inline bool
cache_enter(struct frame_cache *cache)
{
    store_relaxed(&cache->busy, true);
    compiler_barrier();
    if (likely(!__atomic_load_n(&cache->stealing, __ATOMIC_RELAXED)))
        return true;
    store_relaxed(&cache->busy, false);
    return false;
}

static inline void
cache_leave(struct frame_cache *cache)
{
    compiler_barrier();
    store_relaxed(&cache->busy, false);
}

static inline struct frame *
cache_pop(struct frame_cache *cache)
{
    struct frame *frame = NULL;
    if (cache_enter(cache)) {
        frame = cache->free;
        if (likely(frame)) {
            cache->free = frame->next;
            cache->nfree--;
        }
        cache_leave(cache);
    }
    return frame;
}

static inline bool
cache_push(struct frame_cache *cache, struct frame *frame)
{
    if (!cache_enter(cache))
        return false;
    bool room = cache->nfree < CACHE_MAX;
    if (likely(room)) {
        frame->refs = 0;
        frame->owner = FRAME_CACHED;
        frame->next = cache->free;
        cache->free = frame;
        cache->nfree++;
    }
    cache_leave(cache);
    return room;
}

/* Give a list of cached frames back to the buddy allocator. */
static void
give_list(struct frame *list)
{
    SCOPED_SPIN(&buddy_lock);
    while (list) {
        struct frame *next = list->next;
        buddy_give(list, 0);
        list = next;
    }
}

/* Make room in this hart's cache. */
static void
cache_drain(struct frame_cache *cache, unsigned nkept)
{
    if (!cache_enter(cache))
        return;
    struct frame *list = NULL;
    while (cache->nfree > nkept) {
        struct frame *frame = cache->free;
        cache->free = frame->next;
        cache->nfree--;
        frame->next = list;
        list = frame;
    }
    cache_leave(cache);
    give_list(list);
}

/* Take one frame from the buddy allocator, and a batch for the cache with it. */
static struct frame *
cache_refill(struct frame_cache *cache)
{
    struct frame *block = NULL;
    unsigned order = CACHE_BATCH_ORDER + 1;

    spin_lock(&buddy_lock);
    while (!block && order-- > 0)
        block = buddy_take(order);
    spin_unlock(&buddy_lock);
    if (!block)
        return NULL;

    if (order > 0)
        block->state = frame_state(0, FRAME_CACHED, FRAME_HEAD);
    for (uint64_t i = (1UL << order) - 1; i > 0; i--) {
        struct frame *frame = &block[i];
        frame->state = frame_state(0, FRAME_CACHED, FRAME_HEAD);
        if (!cache_push(cache, frame)) {
            SCOPED_SPIN(&buddy_lock);
            buddy_give(frame, 0);
        }
    }
    return block;
}

/*
 * The other harts whose caches seem to hold something; none if all together
 * hold less than a batch, which is not worth interrupting them.
 */
static cpumask_t
worth_stealing(void)
{
    cpumask_t online = __atomic_load_n(&harts_online, __ATOMIC_RELAXED) & ~BIT(this_hart()->index);
    cpumask_t found = 0;
    unsigned nfound = 0;

    for (unsigned i = 0; i < MAX_HARTS; i++) {
        uint32_t nfree = __atomic_load_n(&caches[i].nfree, __ATOMIC_RELAXED);
        if ((online & BIT(i)) && nfree > 0) {
            found |= BIT(i);
            nfound += nfree;
        }
    }
    return nfound >= CACHE_BATCH ? found : 0;
}

/* Empty every hart's cache into the buddy allocator; protocol above. */
static void
steal_caches(void)
{
    cache_drain(this_cache(), 0);
    if (!worth_stealing())
        return;
    SCOPED_SPIN(&steal_lock);
    cpumask_t others = worth_stealing();
    if (!others)
        return;
    for (unsigned i = 0; i < MAX_HARTS; i++)
        if (others & BIT(i))
            store_relaxed(&caches[i].stealing, true);
    sbi_remote_fence(others, 0, PAGE_SIZE, ~0UL);
    for (unsigned i = 0; i < MAX_HARTS; i++)
        while ((others & BIT(i)) && __atomic_load_n(&caches[i].busy, __ATOMIC_RELAXED))
            ;
    sbi_remote_fence(others, 0, PAGE_SIZE, ~0UL);
    for (unsigned i = 0; i < MAX_HARTS; i++) {
        if (!(others & BIT(i)))
            continue;
        give_list(caches[i].free);
        caches[i].free = NULL;
        caches[i].nfree = 0;
        store_release(&caches[i].stealing, false);
    }
}

static struct frame *
take(struct frame_cache *cache, unsigned order)
{
    if (order == 0) {
        struct frame *frame = cache_pop(cache);
        return frame ? frame : cache_refill(cache);
    }
    SCOPED_SPIN(&buddy_lock);
    return buddy_take(order);
}

/* What to do when the hart's cache has nothing to offer. */
static struct frame *
take_slowly(struct frame_cache *cache, unsigned order)
{
    struct frame *frame = take(cache, order);
    if (frame)
        return frame;
    steal_caches();
    frame = take(cache, order);
    if (frame || !frame_reclaim || cache->reclaiming)
        return frame;

    cache->reclaiming = true;
    size_t nfreed = frame_reclaim(1UL << order);
    cache->reclaiming = false;
    if (nfreed == 0)
        return NULL;
    if (order > 0)
        cache_drain(cache, 0);
    return take(cache, order);
}

static inline struct frame *
hand_out(struct frame_cache *cache, struct frame *frame, unsigned order, enum frame_owner owner)
{
    framecheck_junk_fresh(frame);
    frame->refs = 1;
    frame->state = frame_state(order, owner, FRAME_HEAD);
    cache->counts[owner] += 1L << order;
    return frame;
}

static __noinline struct frame *
alloc_slowly(struct frame_cache *cache, unsigned order, enum frame_owner owner)
{
    if (order > FRAME_MAX_ORDER)
        return NULL;
    struct frame *frame = take_slowly(cache, order);
    return frame ? hand_out(cache, frame, order, owner) : NULL;
}

struct frame *
frame_alloc(unsigned order, enum frame_owner owner)
{
    struct frame_cache *cache = this_cache();

    if (framecheck_fail())
        return NULL;
    if (likely(order == 0)) {
        struct frame *frame = cache_pop(cache);
        if (likely(frame))
            return hand_out(cache, frame, 0, owner);
    }
    return alloc_slowly(cache, order, owner);
}

struct frame *
frame_alloc_spare(unsigned order, enum frame_owner owner)
{
    struct frame_cache *cache = this_cache();

    if (order > FRAME_MAX_ORDER || framecheck_fail())
        return NULL;
    struct frame *frame = take(cache, order);
    return frame ? hand_out(cache, frame, order, owner) : NULL;
}

struct frame *
frame_alloc_zeroed(enum frame_owner owner)
{
    struct frame *frame = frame_alloc(0, owner);
    if (likely(frame))
        page_zero(frame_va(frame));
    return frame;
}

void
frame_get(struct frame *frame)
{
    __atomic_fetch_add(&frame->refs, 1, __ATOMIC_RELAXED);
}

static inline void
release(struct frame *frame, const void *caller)
{
    struct frame_cache *cache = this_cache();
    unsigned order = frame->order;

    framecheck_put(frame, true, caller);
    framecheck_junk_freed(frame, caller);
    cache->counts[frame->owner] -= 1L << order;
    if (likely(order == 0)) {
        if (likely(cache_push(cache, frame)))
            return;
        cache_drain(cache, CACHE_MAX - CACHE_BATCH);
        if (cache_push(cache, frame))
            return;
    }
    SCOPED_SPIN(&buddy_lock);
    buddy_give(frame, order);
}

void
frame_put(struct frame *frame)
{
    framecheck_put(frame, false, __builtin_return_address(0));
    /* One reference is the caller's own: nobody else can change it. */
    if (__atomic_load_n(&frame->refs, __ATOMIC_ACQUIRE) != 1) {
        if (__atomic_sub_fetch(&frame->refs, 1, __ATOMIC_ACQ_REL) != 0)
            return;
        frame->refs = 1;
    }
    release(frame, __builtin_return_address(0));
}

void
frame_free(struct frame *frame)
{
    release(frame, __builtin_return_address(0));
}

void
frame_split(struct frame *frame)
{
    uint64_t n = 1UL << frame->order;
    uint32_t state = frame_state(0, frame->owner, FRAME_HEAD);
    for (uint64_t i = 0; i < n; i++) {
        frame[i].refs = 1;
        frame[i].state = state;
    }
}

void
frame_join(struct frame *frame, unsigned order)
{
    uint32_t middle = frame_state(0, frame->owner, 0);
    for (uint64_t i = 1; i < 1UL << order; i++)
        frame[i].state = middle;
    frame->state = frame_state(order, frame->owner, FRAME_HEAD);
}

void
frame_account(enum frame_owner owner, int64_t n)
{
    this_cache()->counts[owner] += n;
}

void
frame_set_owner(struct frame *frame, enum frame_owner owner)
{
    frame_account(frame->owner, -(1L << frame->order));
    frame_account(owner, 1L << frame->order);
    frame->owner = owner;
}

void
frame_release_range(paddr_t start, uint64_t size)
{
    paddr_t end = PAGE_ALIGN_DOWN(start + size);
    SCOPED_SPIN(&buddy_lock);
    for (paddr_t pa = PAGE_ALIGN_UP(start); pa < end; pa += PAGE_SIZE) {
        if (!frame_valid(pa))
            continue;
        struct frame *frame = frame_of(pa);
        if ((frame->flags & FRAME_HEAD) || frame->owner != FRAME_INITRD)
            continue; /* somebody else's too, or released before */
        frame_account(FRAME_INITRD, -1);
        buddy_give(frame, 0);
    }
}

void *
kalloc(void)
{
    struct frame *frame = frame_alloc(0, FRAME_BUFFER);
    return frame ? frame_va(frame) : NULL;
}

void
kfree(void *page)
{
    framecheck_kfree(page, __builtin_return_address(0));
    release(frame_of_va(page), __builtin_return_address(0));
}

/* One look at all counts; they may not add up if other harts are at work. */
static uint64_t
look_at_counts(uint64_t counts[FRAME_NOWNERS])
{
    int64_t sums[FRAME_NOWNERS] = {0};
    uint64_t total = 0;

    sums[FRAME_FREE] = __atomic_load_n(&buddy_nfree, __ATOMIC_RELAXED);
    for (unsigned hart = 0; hart < MAX_HARTS; hart++) {
        for (unsigned owner = 0; owner < FRAME_NOWNERS; owner++)
            sums[owner] += __atomic_load_n(&caches[hart].counts[owner], __ATOMIC_RELAXED);
        sums[FRAME_CACHED] += __atomic_load_n(&caches[hart].nfree, __ATOMIC_RELAXED);
    }
    for (unsigned owner = 0; owner < FRAME_NOWNERS; owner++) {
        counts[owner] = sums[owner];
        total += sums[owner];
    }
    return total;
}

/*
 * Frames that another hart has just taken off one count and not yet put on
 * the next are in transit between its cache and their owner. A few looks
 * nearly always find a moment without any; if none did, they count as cached.
 */
void
frame_counts(uint64_t counts[FRAME_NOWNERS])
{
    uint64_t total = 0;
    for (int tries = 0; tries < 100 && total != nframes_ram; tries++)
        total = look_at_counts(counts);
    counts[FRAME_CACHED] += nframes_ram - total;
}

uint64_t
frame_nfree(void)
{
    uint64_t n = __atomic_load_n(&buddy_nfree, __ATOMIC_RELAXED);
    for (unsigned hart = 0; hart < MAX_HARTS; hart++)
        n += __atomic_load_n(&caches[hart].nfree, __ATOMIC_RELAXED) +
             __atomic_load_n(&caches[hart].counts[FRAME_CACHED], __ATOMIC_RELAXED);
    return n;
}

const char *
frame_owner_name(enum frame_owner owner)
{
    static const char *const names[FRAME_NOWNERS] = {
        [FRAME_FREE] = "free",      [FRAME_CACHED] = "cached", [FRAME_KERNEL] = "kernel",
        [FRAME_RESERVED] = "reserved", [FRAME_INITRD] = "initrd", [FRAME_TABLE] = "table",
        [FRAME_SLAB] = "slab",      [FRAME_STACK] = "stack",   [FRAME_ANON] = "anon",
        [FRAME_PAGE] = "page",      [FRAME_BUFFER] = "buffer", [FRAME_DEVICE] = "device",
    };
    return owner < FRAME_NOWNERS ? names[owner] : "nobody";
}
