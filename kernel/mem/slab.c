/*
 * The object allocator.
 *
 * A slab is a block of frames cut into objects of one size. Its state is in
 * the descriptor of its first frame; its free objects are linked through their
 * first words, as offsets in units of eight bytes. A cache keeps the slabs
 * that have a free object on a list; full ones are on no list and found again
 * from the address of an object that is freed. One empty slab stays with the
 * cache, so that an object that comes and goes does not take a frame each time.
 *
 * In front of that every hart has a magazine: a list of free objects that it
 * alone touches, so an allocation is a pop. An empty magazine loads half of
 * what it holds, and a full one unloads half, under the cache's lock.
 *
 * Debug builds fill free objects with 0x06, and put a mark that depends on
 * the address in the second word of a free object, by which a double free
 * shows. A freed object is kept back, in one queue for all caches, until
 * KEPT_OBJECTS others or KEPT_BYTES were freed after it: a pointer that is
 * used too late meets the fill and not the next owner's data. The fill is checked
 * when the object leaves the queue, and again when it is allocated.
 */
#include "mem/slab.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/spinlock.h"
#include "lib/atomic.h"
#include "lib/fill.h"
#include "lib/list.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/framecheck.h"

#define MAX_CACHES 256
#define MAX_SLAB_ORDER 3
#define MAX_OBJECT (PAGE_SIZE << MAX_SLAB_ORDER)
#define MAGAZINE_BYTES 8192 /* what a full magazine may hold, within 4..64 objects */

/* A free object. */
struct object {
    struct object *next;
    uint64_t mark;      /* debug builds */
    const void *freer;  /* debug builds, while it is kept back: where it was freed; if there is room */
};

struct magazine {
    struct object *free;
    uint32_t nfree;
} __cacheline;

/* Guarded by: (L) lock  (A) atomic  (C) constant  (H) one hart each */
struct slab_cache {
    const char *name;     /* (C) */
    uint32_t stride;      /* (C) bytes from an object to the next */
    uint32_t size;        /* (C) bytes asked for */
    uint16_t number;      /* (C) */
    uint16_t order;       /* (C) of a slab */
    uint16_t nobjects;    /* (C) in a slab */
    uint16_t magazine_max;/* (C) objects in a full magazine */
    struct spinlock lock;
    struct list partial;  /* (L) slabs with a free object */
    uint64_t nslabs;      /* (L) */
    uint64_t nempty;      /* (L) slabs of which no object is used */
    uint64_t nout;        /* (L) objects in magazines or in use, or kept back */
    uint64_t nkept;       /* (A) debug builds: of those, kept back */
    struct magazine magazines[]; /* (H) machine.nharts of them */
};

static struct spinlock caches_lock = SPINLOCK_INIT("slab caches");
static struct slab_cache *caches[MAX_CACHES]; /* append only */
static unsigned ncaches;

static inline struct magazine *
this_magazine(struct slab_cache *cache)
{
    return &cache->magazines[this_hart()->index];
}

/* The first frame of the slab that holds an object. Slabs are aligned to their size. */
static inline struct frame *
slab_of(const struct slab_cache *cache, const void *object)
{
    return frame_of_va((void *)ALIGN_DOWN((uintptr_t)object, PAGE_SIZE << cache->order));
}

#ifdef DEBUG

#define POISON_WORD FILL_WORD(FILL_FREED_OBJECT)
#define MARK 0xf4eef4eef4eef4eeUL
#define KEPT_OBJECTS 1024
#define KEPT_BYTES (256UL << 10)

/* Where a freed object was freed, in words. */
static const char *
freer_name(const struct slab_cache *cache, const struct object *object)
{
    uintptr_t freer = cache->stride >= sizeof(*object) ? (uintptr_t)object->freer : POISON_WORD;
    return freer == POISON_WORD ? "one unknown by now" : framecheck_symbol((const void *)freer);
}

/* Called with a freed object, before it is put anywhere. */
static void
check_free(struct slab_cache *cache, struct object *object, const void *caller)
{
    if (!frame_valid(virt_to_phys(object)))
        panic("slab %s: freeing foreign pointer %p, which is no RAM, called from %s", cache->name,
              (void *)object, framecheck_symbol(caller));
    struct frame *slab = slab_of(cache, object);
    if (slab->owner != FRAME_SLAB || slab->slab.cache != cache->number)
        panic("slab %s: freeing foreign pointer %p in frame 0x%lx, whose owner is %s %s, called "
              "from %s",
              cache->name, (void *)object, (unsigned long)frame_pa(slab),
              frame_owner_name(slab->owner),
              slab->owner == FRAME_SLAB && slab->slab.cache < ncaches
                  ? caches[slab->slab.cache]->name
                  : "",
              framecheck_symbol(caller));
    if (((char *)object - (char *)frame_va(slab)) % cache->stride)
        panic("slab %s: freeing misaligned pointer %p, called from %s", cache->name,
              (void *)object, framecheck_symbol(caller));
    if (object->mark == (MARK ^ (uintptr_t)object))
        panic("slab %s: double free of object %p, freed before by %s, called from %s", cache->name,
              (void *)object, freer_name(cache, object), framecheck_symbol(caller));
}

static void
poison(struct slab_cache *cache, struct object *object)
{
    memset(object, FILL_FREED_OBJECT, cache->stride);
    object->mark = MARK ^ (uintptr_t)object;
}

/* Panic unless an object that was freed is as poison() left it, but for the words in use. */
static void
check_poison(struct slab_cache *cache, struct object *object, const char *freer, const void *finder)
{
    const uint64_t *words = (const uint64_t *)object;
    unsigned i = 1;
    if (object->mark == (MARK ^ (uintptr_t)object))
        for (i = 2; i < cache->stride / 8 && words[i] == POISON_WORD;)
            i++;
    if (i < cache->stride / 8)
        panic("slab %s: object %p was written to after it was freed by %s: 0x%lx at offset %u; found "
              "by %s",
              cache->name, (void *)object, freer, (unsigned long)words[i], i * 8,
              framecheck_symbol(finder));
}

/* Called with an object that leaves for its user. */
static void
check_alloc(struct slab_cache *cache, struct object *object, const void *caller)
{
    check_poison(cache, object, "one unknown by now", caller);
    memset(object, FILL_FRESH_OBJECT, cache->stride);
}

/*
 * Freed objects that are kept back, the oldest first. Each hart adds one before it
 * takes one out, so there may be one too many for each hart.
 */
static struct {
    struct spinlock lock;
    uint32_t first, n;
    size_t nbytes;
    struct kept {
        struct slab_cache *cache;
        struct object *object;
        const void *freer;
    } ring[KEPT_OBJECTS + MAX_HARTS];
} quarantine = {.lock = SPINLOCK_INIT("slab quarantine")};

static void
keep(struct slab_cache *cache, struct object *object, const void *freer)
{
    poison(cache, object);
    if (cache->stride >= sizeof(*object))
        object->freer = freer;
    __atomic_fetch_add(&cache->nkept, 1, __ATOMIC_RELAXED);
    SCOPED_SPIN(&quarantine.lock);
    assert(quarantine.n < ARRAY_SIZE(quarantine.ring));
    uint32_t last = (quarantine.first + quarantine.n++) % ARRAY_SIZE(quarantine.ring);
    quarantine.ring[last] = (struct kept){cache, object, freer};
    quarantine.nbytes += cache->stride;
}

/* Take the oldest object out if more than so many objects or bytes are kept, and check it. */
static bool
release_kept(struct kept *kept, uint32_t max_objects, size_t max_bytes)
{
    spin_lock(&quarantine.lock);
    bool found = quarantine.n > max_objects || quarantine.nbytes > max_bytes;
    if (found) {
        *kept = quarantine.ring[quarantine.first];
        quarantine.first = (quarantine.first + 1) % ARRAY_SIZE(quarantine.ring);
        quarantine.n--;
        quarantine.nbytes -= kept->cache->stride;
    }
    spin_unlock(&quarantine.lock);
    if (!found)
        return false;
    uint64_t *words = (uint64_t *)kept->object;
    if (kept->cache->stride >= sizeof(*kept->object) && kept->object->freer == kept->freer)
        words[2] = POISON_WORD;
    __atomic_fetch_sub(&kept->cache->nkept, 1, __ATOMIC_RELAXED);
    if (words[0] != POISON_WORD)
        words[1] = words[0]; /* for the message */
    check_poison(kept->cache, kept->object, framecheck_symbol(kept->freer),
                 __builtin_return_address(0));
    return true;
}

#else
#define check_free(cache, object, caller) ((void)(cache))
#define poison(cache, object) ((void)(cache))
#define check_alloc(cache, object, caller) ((void)(cache))
#endif

/* Take an object off a slab of the partial list. Lock held. */
static struct object *
slab_take(struct slab_cache *cache, struct frame *slab)
{
    struct object *object = (struct object *)((char *)frame_va(slab) + 8UL * slab->slab.free);

    if (slab->slab.nused++ == 0)
        cache->nempty--;
    slab->slab.free = (uint16_t)(uintptr_t)object->next;
    if (slab->slab.free == SLAB_END)
        list_del(&slab->link);
    cache->nout++;
    return object;
}

/* Put an object back on its slab. Returns the slab if it shall be freed. Lock held. */
static struct frame *
slab_give(struct slab_cache *cache, struct object *object)
{
    struct frame *slab = slab_of(cache, object);

    if (slab->slab.free == SLAB_END)
        list_add_head(&cache->partial, &slab->link);
    object->next = (struct object *)(uintptr_t)slab->slab.free;
    slab->slab.free = ((char *)object - (char *)frame_va(slab)) / 8;
    cache->nout--;
    if (--slab->slab.nused > 0)
        return NULL;
    if (cache->nempty == 0) {
        cache->nempty++;
        list_move_tail(&cache->partial, &slab->link);
        return NULL;
    }
    list_del(&slab->link);
    cache->nslabs--;
    return slab;
}

/* A new slab on the partial list. False if memory is out. Lock not held. */
static bool
slab_grow(struct slab_cache *cache)
{
    struct frame *slab = frame_alloc(cache->order, FRAME_SLAB);
    if (!slab)
        return false;

    char *base = frame_va(slab);
    for (unsigned i = 0; i < cache->nobjects; i++) {
        struct object *object = (struct object *)(base + i * cache->stride);
        uintptr_t next = i + 1 < cache->nobjects ? (i + 1) * cache->stride / 8 : SLAB_END;
        poison(cache, object);
        object->next = (struct object *)next;
    }
    slab->slab.cache = cache->number;
    slab->slab.nused = 0;
    slab->slab.free = 0;
    SCOPED_SPIN(&cache->lock);
    list_add_tail(&cache->partial, &slab->link);
    cache->nslabs++;
    cache->nempty++;
    return true;
}

/* Load half a magazine and return one object more; NULL if memory is out. */
static __noinline struct object *
magazine_load(struct slab_cache *cache)
{
    struct magazine *magazine = this_magazine(cache);
    struct object *object = NULL;
    unsigned wanted = cache->magazine_max / 2;

    do {
        SCOPED_SPIN(&cache->lock);
        while (!list_empty(&cache->partial) && wanted > 0) {
            if (object) {
                object->next = magazine->free;
                magazine->free = object;
                magazine->nfree++;
            }
            object = slab_take(cache, LIST_ENTRY(cache->partial.next, struct frame, link));
            wanted--;
        }
    } while (!object && slab_grow(cache));
    return object;
}

/* Unload a magazine until it holds nkept. Lock held. Returns frames freed. */
static size_t
magazine_unload(struct slab_cache *cache, unsigned nkept)
{
    struct magazine *magazine = this_magazine(cache);
    size_t nfreed = 0;

    while (magazine->nfree > nkept) {
        struct object *object = magazine->free;
        magazine->free = object->next;
        magazine->nfree--;
        struct frame *slab = slab_give(cache, object);
        if (slab) {
            frame_free(slab);
            nfreed += 1UL << cache->order;
        }
    }
    return nfreed;
}

static inline struct object *
take(struct slab_cache *cache)
{
    struct magazine *magazine = this_magazine(cache);
    struct object *object = magazine->free;

    if (framecheck_fail())
        return NULL;
    if (unlikely(!object))
        return magazine_load(cache);
    magazine->free = object->next;
    magazine->nfree--;
    return object;
}

static inline void
give(struct slab_cache *cache, struct object *object)
{
    struct magazine *magazine = this_magazine(cache);

    if (unlikely(magazine->nfree >= cache->magazine_max)) {
        SCOPED_SPIN(&cache->lock);
        magazine_unload(cache, cache->magazine_max / 2);
    }
    object->next = magazine->free;
    magazine->free = object;
    magazine->nfree++;
}

void *
slab_alloc(struct slab_cache *cache)
{
    struct object *object = take(cache);
    if (likely(object))
        check_alloc(cache, object, __builtin_return_address(0));
    return object;
}

void *
slab_alloc_zeroed(struct slab_cache *cache)
{
    struct object *object = take(cache);
    if (unlikely(!object))
        return NULL;
    check_alloc(cache, object, __builtin_return_address(0));
    return memset(object, 0, cache->size);
}

#ifdef DEBUG

void
slab_free_by(struct slab_cache *cache, void *object, const void *caller)
{
    struct kept kept;

    check_free(cache, object, caller);
    keep(cache, object, caller);
    while (release_kept(&kept, KEPT_OBJECTS, KEPT_BYTES))
        give(kept.cache, kept.object);
}

void
slab_free(struct slab_cache *cache, void *object)
{
    slab_free_by(cache, object, __builtin_return_address(0));
}

/* Let all objects that are kept back go to their slabs, but for those whose cache is locked. */
static size_t
release_all_kept(void)
{
    struct kept kept;
    size_t nfreed = 0;

    for (uint32_t n = __atomic_load_n(&quarantine.n, __ATOMIC_RELAXED);
         n > 0 && release_kept(&kept, 0, 0); n--) {
        if (!spin_trylock(&kept.cache->lock)) {
            keep(kept.cache, kept.object, kept.freer);
            continue;
        }
        struct frame *slab = slab_give(kept.cache, kept.object);
        spin_unlock(&kept.cache->lock);
        if (slab) {
            frame_free(slab);
            nfreed += 1UL << kept.cache->order;
        }
    }
    return nfreed;
}

#else

void
slab_free(struct slab_cache *cache, void *object)
{
    give(cache, object);
}

static inline size_t
release_all_kept(void)
{
    return 0;
}

#endif

struct slab_cache *
slab_cache_of(const void *object)
{
    struct frame *frame = frame_of_va(object);
    return frame->owner == FRAME_SLAB ? caches[frame->slab.cache] : NULL;
}

/* Bytes of 2^order frames that objects of this stride leave unused. */
static size_t
waste(size_t stride, unsigned order)
{
    return (PAGE_SIZE << order) % stride;
}

/* Room for a cache: cut from frames that are never freed. */
static void *
cache_room(size_t size)
{
    static char *room;
    static size_t nleft;
    if (nleft < size) {
        unsigned order = 0;
        while ((PAGE_SIZE << order) < size)
            order++;
        struct frame *frame = frame_alloc(order, FRAME_SLAB);
        if (!frame)
            panic("no memory for an object cache");
        frame->slab.cache = SLAB_NO_CACHE;
        room = frame_va(frame);
        nleft = PAGE_SIZE << order;
    }
    void *start = room;
    room += size;
    nleft -= size;
    return start;
}

struct slab_cache *
slab_cache_create(const char *name, size_t size, size_t align)
{
    size_t stride = ALIGN_UP(max(size, sizeof(struct object)), max(align, (size_t)8));
    unsigned order = 0;

    assert(stride <= MAX_OBJECT);
    while (order < MAX_SLAB_ORDER && waste(stride, order) * 8 > PAGE_SIZE << order)
        order++;
    SCOPED_SPIN(&caches_lock);
    if (ncaches == MAX_CACHES)
        panic("more than %d object caches", MAX_CACHES);
    size_t room = ALIGN_UP(sizeof(struct slab_cache) + machine.nharts * sizeof(struct magazine),
                           _Alignof(struct slab_cache));
    struct slab_cache *cache = cache_room(room);
    memset(cache, 0, room);
    cache->name = name;
    cache->stride = stride;
    cache->size = size;
    cache->number = ncaches;
    cache->order = order;
    cache->nobjects = (PAGE_SIZE << order) / stride;
    cache->magazine_max = min(max(MAGAZINE_BYTES / stride, 4UL), 64UL);
    spin_init(&cache->lock, "slab");
    list_init(&cache->partial);
    caches[ncaches] = cache;
    store_release(&ncaches, ncaches + 1);
    return cache;
}

void
slab_foreach(void (*fn)(void *ctx, const char *name, size_t size, uint64_t used, uint64_t total,
                        uint64_t nframes),
             void *ctx)
{
    unsigned n = __atomic_load_n(&ncaches, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < n; i++) {
        struct slab_cache *cache = caches[i];
        spin_lock(&cache->lock);
        uint64_t used = cache->nout, nslabs = cache->nslabs;
        spin_unlock(&cache->lock);
        used -= min(used, __atomic_load_n(&cache->nkept, __ATOMIC_RELAXED));
        for (unsigned hart = 0; hart < machine.nharts; hart++)
            used -= min(used, (uint64_t)__atomic_load_n(&cache->magazines[hart].nfree,
                                                        __ATOMIC_RELAXED));
        fn(ctx, cache->name, cache->size, used, nslabs * cache->nobjects,
           nslabs << cache->order);
    }
}

/* Free the slabs of a cache that no object of is used. Lock held. */
static size_t
free_empty(struct slab_cache *cache)
{
    struct frame *slab, *next;
    size_t nfreed = 0;

    LIST_FOREACH_SAFE (slab, next, &cache->partial, link) {
        if (slab->slab.nused > 0)
            continue;
        list_del(&slab->link);
        cache->nslabs--;
        cache->nempty--;
        frame_free(slab);
        nfreed += 1UL << cache->order;
    }
    return nfreed;
}

size_t
slab_reclaim(void)
{
    unsigned n = __atomic_load_n(&ncaches, __ATOMIC_ACQUIRE);
    size_t nfreed = release_all_kept();
    for (unsigned i = 0; i < n; i++) {
        struct slab_cache *cache = caches[i];
        if (!spin_trylock(&cache->lock))
            continue;
        nfreed += magazine_unload(cache, 0);
        nfreed += free_empty(cache);
        spin_unlock(&cache->lock);
    }
    return nfreed;
}
