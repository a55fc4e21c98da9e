/*
 * Shared anonymous memory: an object without a file.
 *
 * What mmap(MAP_SHARED | MAP_ANONYMOUS) makes, and fork hands on: frames by
 * page number, made when first touched, gone with the last region. Touching
 * beyond the size it was made with (after mremap) is an error, as beyond the
 * end of a file.
 */
#include "lib/errno.h"
#include "lib/radix.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vm/map.h"

/* Guarded by: (L) this->lock  (A) atomic  (C) constant */
struct shared {
    struct mutex lock;
    struct radix pages; /* (L) struct frame *, each with a reference of ours */
    uint64_t npages;    /* (C) */
    uint64_t serial;    /* (C) vm_new_serial() */
    struct refcount refs; /* (A) regions */
};

static struct slab_cache *cache;

static void *
node_alloc(void)
{
    return kmalloc(sizeof(struct radix_node));
}

static const struct radix_ops node_ops = {node_alloc, kmfree};

void
shared_init(void)
{
    cache = slab_cache_create("shared", sizeof(struct shared), 0);
}

void *
shared_create(uint64_t npages)
{
    struct shared *shared = slab_alloc_zeroed(cache);
    if (!shared)
        return NULL;
    mutex_init(&shared->lock, "shared memory");
    radix_init(&shared->pages, &node_ops);
    shared->npages = npages;
    shared->serial = vm_new_serial();
    ref_init(&shared->refs, 1);
    return shared;
}

static void
shared_get(void *object)
{
    struct shared *shared = object;
    ref_get(&shared->refs);
}

static void
put_page(void *ctx, uint64_t index, void *frame)
{
    (void)ctx, (void)index;
    frame_put(frame);
}

static void
shared_put(void *object)
{
    struct shared *shared = object;
    if (!ref_put(&shared->refs))
        return;
    radix_destroy(&shared->pages, put_page, NULL);
    slab_free(cache, shared);
}

static int
shared_get_frame(void *object, uint64_t pgoff, bool write, struct frame **found)
{
    struct shared *shared = object;
    (void)write;
    if (pgoff >= shared->npages)
        return -EFAULT;

    SCOPED_LOCK(&shared->lock);
    struct frame *frame = radix_get(&shared->pages, pgoff);
    if (!frame) {
        frame = frame_alloc_zeroed(FRAME_ANON);
        if (!frame)
            return -ENOMEM;
        if (radix_set(&shared->pages, pgoff, frame) != 0) {
            frame_put(frame);
            return -ENOMEM;
        }
    }
    frame_get(frame);
    *found = frame;
    return 0;
}

static unsigned
shared_get_run(void *object, uint64_t pgoff, unsigned n, struct frame **run)
{
    struct shared *shared = object;
    SCOPED_LOCK(&shared->lock);
    unsigned found = radix_get_run(&shared->pages, pgoff, n, (void **)run);
    for (unsigned i = 0; i < found; i++)
        frame_get(run[i]);
    return found;
}

static bool
shared_next_resident(void *object, uint64_t *pgoff)
{
    struct shared *shared = object;
    SCOPED_LOCK(&shared->lock);
    return radix_next(&shared->pages, *pgoff, pgoff);
}

static ssize_t
shared_name(void *object, char *buf, size_t size)
{
    (void)object;
    return strscpy(buf, "/dev/zero (deleted)", size);
}

static void
shared_identity(void *object, uint64_t *dev, uint64_t *ino)
{
    const struct shared *shared = object;
    *dev = 1;
    *ino = shared->serial;
}

static uint64_t
shared_serial(void *object)
{
    return ((const struct shared *)object)->serial;
}

const struct region_ops shared_ops = {
    .get_frame = shared_get_frame,
    .get_run = shared_get_run,
    .get = shared_get,
    .put = shared_put,
    .next_resident = shared_next_resident,
    .name = shared_name,
    .identity = shared_identity,
    .serial = shared_serial,
};
