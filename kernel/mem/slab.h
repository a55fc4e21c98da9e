/*
 * The object allocator: objects of one size from whole frames.
 *
 * A cache serves one type. Each hart has a magazine of free objects per cache
 * and uses it without a lock; magazines trade with the cache's slabs under
 * its spinlock. kmalloc() serves odd sizes from caches of powers of two.
 */
#ifndef QUIRE_MEM_SLAB_H
#define QUIRE_MEM_SLAB_H

#include "lib/types.h"

struct slab_cache;

#define SLAB_NO_CACHE 0xffff /* frame->slab.cache of kmalloc's whole frames */
#define SLAB_END 0xffff      /* frame->slab.free: no free object */

/*
 * Make a cache of objects of `size` bytes, aligned to `align` (a power of two,
 * 0 for 8). The name is shown in /proc/slabinfo. Panics at boot if memory
 * is out; caches live for ever.
 */
struct slab_cache *slab_cache_create(const char *name, size_t size, size_t align);
/* An object with undefined contents; NULL if memory is out. Never sleeps. */
void *slab_alloc(struct slab_cache *cache) __must_check;
/* The same, zeroed. */
void *slab_alloc_zeroed(struct slab_cache *cache) __must_check;
void slab_free(struct slab_cache *cache, void *object);
#ifdef DEBUG
/* The same, for a caller that frees for another: whom a panic about the object will name. */
void slab_free_by(struct slab_cache *cache, void *object, const void *caller);
#else
#define slab_free_by(cache, object, caller) slab_free(cache, object)
#endif
/* The cache that an object whose slab is one frame came from; NULL if the frame is no slab. */
struct slab_cache *slab_cache_of(const void *object);

/* Any size up to 4 MiB; larger than half a page comes in whole frames. NULL if memory is out. */
void *kmalloc(size_t size) __must_check;
void *kzalloc(size_t size) __must_check;
/* NULL is allowed. */
void kmfree(void *object);

void slab_init(void);
/* Call fn for every cache: name, object size, objects in use, objects in all, frames. */
void slab_foreach(void (*fn)(void *ctx, const char *name, size_t size, uint64_t used,
                             uint64_t total, uint64_t nframes),
                  void *ctx);
/*
 * Give this hart's magazines and the empty slabs back. Returns frames freed.
 * Passes over caches whose lock is held, so it may be called with any lock held.
 */
size_t slab_reclaim(void);

#endif
