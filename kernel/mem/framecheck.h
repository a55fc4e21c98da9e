/*
 * What debug builds check about frames. In release builds all of it compiles
 * to nothing.
 */
#ifndef QUIRE_MEM_FRAMECHECK_H
#define QUIRE_MEM_FRAMECHECK_H

#include "mem/frame.h"

#ifdef DEBUG

/*
 * Panic, naming frame, owner and caller, unless frame heads an allocated block
 * with at least one reference. `last`: it is to be freed, so it must have just
 * one, and no user page table may map any of it.
 */
void framecheck_put(const struct frame *frame, bool last, const void *caller);
/* Panic unless page is what kalloc() may have given. */
void framecheck_kfree(const void *page, const void *caller);
/* Fill a block that is being freed, and remember who freed it. */
void framecheck_junk_freed(struct frame *frame, const void *caller);
/* Fill a block that was just allocated; panic if it was written to while free. */
void framecheck_junk_fresh(struct frame *frame);
/* Note that a user leaf maps (delta 1) or no longer maps (-1) npages frames from pa. */
void framecheck_mapped(paddr_t pa, uint64_t npages, int delta);
/* True if this allocation is to fail (frame_fail_after). */
bool framecheck_fail(void);
/* Bytes of bookkeeping a frame needs beside its descriptor, and where they are. */
#define FRAMECHECK_SIZE sizeof(uint32_t)
void framecheck_init(void *room);
/* Describe a code address, for a panic: "name+0x12". Good for two in one message. */
const char *framecheck_symbol(const void *address);

#else

#define framecheck_put(frame, last, caller) ((void)(frame))
#define framecheck_kfree(page, caller) ((void)(page))
#define framecheck_junk_freed(frame, caller) ((void)(frame))
#define framecheck_junk_fresh(frame) ((void)(frame))
#define framecheck_mapped(pa, npages, delta) ((void)(pa), (void)(npages))
#define framecheck_fail() false
#define FRAMECHECK_SIZE 0
#define framecheck_init(room) ((void)(room))

#endif
#endif
