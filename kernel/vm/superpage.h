/*
 * Superpages: inside vm/ only, but for their mode. vm->lock held.
 */
#ifndef QUIRE_VM_SUPERPAGE_H
#define QUIRE_VM_SUPERPAGE_H

#include "mem/pagetable.h"
#include "vm/vmspace.h"

/* Read the boot argument superpages=off|advise|on. Boot, once. */
void superpage_init(void);

/*
 * A fault that the region permits, at an address whose level-1 entry names no
 * valid table. 0: resolved by a superpage; -EAGAIN: to be resolved by a page of 4 KiB.
 * -ENOMEM: a superpage is in the way and cannot be split; nothing changed.
 */
int superpage_fault(struct vmspace *vm, const struct region *region, vaddr_t va,
                    enum fault_access access, pte_t *entry);
/*
 * A write fault in anonymous memory, at an empty level-0 entry: fill it and its
 * fifteen neighbours with 64 KiB. False: not here, not now, or not on these harts.
 */
bool superpage_fill_64k(struct vmspace *vm, const struct region *region, vaddr_t va,
                        pte_t *entry);

/*
 * Take back what superpages hold untouched (thin.c): those of one address space,
 * or of all, with no lock held. Returns the number of frames freed.
 */
size_t vm_thin(struct vmspace *vm);
size_t vm_thin_others(void);
/* An address space has its first superpage; it ends. */
void vm_thin_join(struct vmspace *vm);
void vm_thin_leave(struct vmspace *vm);
extern uint64_t superpage_nthinned; /* for /proc/vmstat (atomic, relaxed) */

/* Counters for /proc/vmstat (atomic, relaxed): fallbacks for want of memory, leaves of 64 KiB. */
extern uint64_t superpage_nfallback, superpage_n64k;

#endif
