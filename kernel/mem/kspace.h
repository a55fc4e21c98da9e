/*
 * The kernel's own address space (map: layout.h).
 *
 * One tree, made at boot: direct map in the largest leaves, the image with
 * text r-x, constants r--, data rw-, device registers, the stack window. Its
 * upper-half root entries are all present from the start (the tables below
 * them are never freed), so every process's root copies them once and sees
 * every later kernel mapping.
 */
#ifndef QUIRE_MEM_KSPACE_H
#define QUIRE_MEM_KSPACE_H

#include "arch/riscv/spinlock.h"
#include "lib/types.h"

/*
 * Build the kernel's tree, check W^X, and load it on the boot hart; the others
 * load it as they start (mmu_load_kernel). With boot argument paging=sv48 the
 * machine is switched to Sv48 if it has it.
 */
void kspace_init(void);
/* Root of the kernel's own tree. */
extern paddr_t kernel_root;
/* Guards the windows of the kernel's tree that change after boot: devices and stacks. */
extern struct spinlock kspace_lock;
/* What every leaf of the kernel's tree has set beside its rights: G, unless isolation is strict. */
extern uint64_t kspace_global;
/*
 * Copy the kernel's upper-half entries into a fresh root. They are not counted
 * in the root's nptes: what lies under them is the kernel tree's own.
 */
void kspace_share(paddr_t root);
/*
 * Strict isolation: put the ways to the trampoline page and the gate page, and
 * nothing else of the kernel, into a fresh root that is to be user mode's.
 */
void kspace_share_trampoline(paddr_t root);

/*
 * Map device registers; returns their kernel address, or NULL (memory or
 * window used up). Registers that are mapped already are not mapped again.
 */
volatile void *ioremap(paddr_t pa, uint64_t size);

/*
 * A kernel stack of KSTACK_SIZE above an unmapped guard page area. Returns its
 * top, or 0 if memory is out. Freed stacks are kept per hart and in a pool for reuse,
 * their frames counted as FRAME_CACHED; kstack_init(), at boot after slab_init(), has
 * those of the pool given back when memory is short. (mem/kstack.c)
 */
void kstack_init(void);
vaddr_t kstack_alloc(void);
void kstack_free(vaddr_t top);
/* True if va lies in a stack's guard. */
bool kstack_in_guard(vaddr_t va);

#endif
