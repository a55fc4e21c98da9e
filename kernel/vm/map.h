/*
 * What the mapping calls share: inside vm/ only. vm->lock held.
 */
#ifndef QUIRE_VM_MAP_H
#define QUIRE_VM_MAP_H

#include "vm/vmspace.h"

/* May vm map npages more with these flags (RLIMIT_AS, RLIMIT_DATA, and no more than could ever be had)? */
bool map_allowed(struct vmspace *vm, uint32_t flags, uint64_t npages);
/* The same when the pages are mapped already and only become private and writable. */
bool map_allowed_data(struct vmspace *vm, uint64_t npages);
/* May vm lock npages more in memory (RLIMIT_MEMLOCK)? */
bool map_allowed_locked(struct vmspace *vm, uint64_t npages);

/* May the current process map at va? */
bool map_allowed_at(vaddr_t va);
/* May any page be locked (mlock(2)'s EPERM)? */
bool map_may_lock(void);

/* Does [start, end) touch what is kept for USYSCALL, or the page itself? */
static inline bool
map_reserved(vaddr_t start, vaddr_t end)
{
    return start < USYSCALL_ROOM_END && end > USYSCALL_ROOM_START;
}
static inline bool
map_has_usyscall(vaddr_t start, vaddr_t end)
{
    return start < USYSCALL + PAGE_SIZE && end > USYSCALL;
}

/* True if a new mapping fits at [start, end), clear of a stack's room to grow. */
bool map_place_free(struct vmspace *vm, vaddr_t start, vaddr_t end);
/*
 * A place for size bytes: at the hint if it fits there, else as high as can be; 0: none.
 * Plain anonymous memory of the size of a table's span or more begins where a table
 * does: it can be mapped by superpages, and fork can share its tables whole.
 */
vaddr_t map_find_place(struct vmspace *vm, vaddr_t hint, uint64_t size, bool plain);

/* Remove everything from [start, end). 0; -ENOMEM, -EPERM (USYSCALL is there): nothing changed. */
int map_remove(struct vmspace *vm, vaddr_t start, vaddr_t end);

/* A new object of npages zeroed pages for a shared anonymous mapping, one reference; NULL: memory is out. */
void *shared_create(uint64_t npages);
extern const struct region_ops shared_ops;

/* Make the caches and counters behind these. Boot, once. */
void shared_init(void);

#endif
