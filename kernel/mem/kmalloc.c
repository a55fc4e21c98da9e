/*
 * Memory of any size: a slab cache for each of a few sizes, whole frames above
 * half a page. What to do with a freed address is told by its frame: the
 * caches here have slabs of one frame, and larger blocks start on a frame of
 * their own.
 */
#include "arch/riscv/panic.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/framecheck.h"
#include "mem/slab.h"

static const struct {
    uint16_t size;
    const char *name;
} classes[] = {
    {16, "kmalloc-16"},   {32, "kmalloc-32"},   {64, "kmalloc-64"},     {96, "kmalloc-96"},
    {128, "kmalloc-128"}, {192, "kmalloc-192"}, {256, "kmalloc-256"},   {512, "kmalloc-512"},
    {1024, "kmalloc-1k"}, {2048, "kmalloc-2k"},
};
#define MAX_SMALL 2048

static struct slab_cache *class_caches[ARRAY_SIZE(classes)];
/* For each size up to 256, in sixteens rounded up, its class. */
static const uint8_t class_of_sixteens[] = {0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6};

static inline struct slab_cache *
cache_for(size_t size)
{
    if (likely(size <= 256))
        return class_caches[class_of_sixteens[(size + 15) / 16]];
    return class_caches[size <= 512 ? 7 : size <= 1024 ? 8 : 9];
}

/* Whole frames, for what is larger than half a page. */
static void *
large_alloc(size_t size)
{
    unsigned order = 0;
    if (size > PAGE_SIZE << FRAME_MAX_ORDER)
        return NULL;
    while ((PAGE_SIZE << order) < size)
        order++;
    struct frame *frame = frame_alloc(order, FRAME_BUFFER);
    return frame ? frame_va(frame) : NULL;
}

void *
kmalloc(size_t size)
{
    return likely(size <= MAX_SMALL) ? slab_alloc(cache_for(size)) : large_alloc(size);
}

void *
kzalloc(size_t size)
{
    if (likely(size <= MAX_SMALL))
        return slab_alloc_zeroed(cache_for(size));
    char *block = large_alloc(size);
    for (size_t done = 0; block && done < size; done += PAGE_SIZE)
        page_zero(block + done);
    return block;
}

void
kmfree(void *object)
{
    if (!object)
        return;
#ifdef DEBUG
    if (!frame_valid(virt_to_phys(object)))
        panic("kmfree of foreign pointer %p, which is no RAM, called from %s", object,
              framecheck_symbol(__builtin_return_address(0)));
#endif
    struct slab_cache *cache = slab_cache_of(object);
    if (likely(cache))
        slab_free_by(cache, object, __builtin_return_address(0));
    else
        frame_free(frame_of_va(object));
}

static size_t
reclaim(size_t wanted)
{
    (void)wanted;
    return slab_reclaim();
}

void
slab_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
        class_caches[i] = slab_cache_create(classes[i].name, classes[i].size, 0);
    frame_reclaim = reclaim;
}
