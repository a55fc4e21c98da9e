/*
 * The map of virtual memory.
 *
 *   0x0000000000000000   user (256 GiB with Sv39; 128 TiB with Sv48)
 *   ...                  non-canonical
 *   0xffffffc000000000   direct map of RAM: va = pa - ram_base + DIRECT_BASE
 *   0xfffffff000000000   device registers (DEVICE_BASE)
 *   0xfffffff800000000   kernel stacks, each above an unmapped guard (STACK_BASE)
 *   0xffffffff80000000   kernel image
 *
 * The kernel half is the same with Sv39 and Sv48: all of it lies under the
 * one Sv48 root entry 511. ram_base is the lowest RAM address rounded down to
 * 1 GiB, so that the direct map uses the largest leaves.
 */
#ifndef QUIRE_MEM_LAYOUT_H
#define QUIRE_MEM_LAYOUT_H

#include "lib/types.h"

#define DIRECT_BASE 0xffffffc000000000UL
#define DIRECT_SIZE (192UL << 30)
#define DEVICE_BASE 0xfffffff000000000UL
#define DEVICE_SIZE (1UL << 30)
#define STACK_BASE 0xfffffff800000000UL
#define STACK_WINDOW_SIZE (4UL << 30)
#define KERNEL_BASE 0xffffffff80000000UL
#define KERNEL_HALF 0xffffffc000000000UL /* lowest kernel address */

/*
 * A kernel stack is the upper half of a slot of twice its size, aligned to
 * it, so one bit of sp tells whether it has run into the guard.
 */
#ifdef DEBUG
#define KSTACK_SHIFT 15 /* UBSan's code needs more room */
#else
#define KSTACK_SHIFT 14
#endif
#define KSTACK_SIZE (1UL << KSTACK_SHIFT)

#ifndef __ASSEMBLER__
#ifndef QUIRE_HOST

extern uint64_t direct_offset; /* va - pa in the direct map; constant after boot */
extern uint64_t image_offset;  /* va - pa in the kernel image; constant after boot */

/* The kernel's address of a byte of RAM. */
static inline void *
phys_to_virt(paddr_t pa)
{
    return (void *)(pa + direct_offset);
}

/* The physical address behind a direct-map address (not the image's, a stack's or a user's). */
static inline paddr_t
virt_to_phys(const void *va)
{
    return (paddr_t)va - direct_offset;
}

#else
void *phys_to_virt(paddr_t pa);
paddr_t virt_to_phys(const void *va);
#endif

extern vaddr_t user_top; /* first address above the user half: 1 << 38 (Sv39), 1 << 47 (Sv48) */
#endif
#endif
