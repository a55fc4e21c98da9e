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
#ifndef QUIRE_ARCH_LAYOUT_H
#define QUIRE_ARCH_LAYOUT_H

#ifndef __ASSEMBLER__
#include "lib/types.h"
#define LAYOUT(n) n##UL
#else
#define LAYOUT(n) n
#endif

#define DIRECT_BASE LAYOUT(0xffffffc000000000)
#define DIRECT_SIZE (LAYOUT(192) << 30)
#define DEVICE_BASE LAYOUT(0xfffffff000000000)
#define DEVICE_SIZE (LAYOUT(1) << 30)
#define STACK_BASE LAYOUT(0xfffffff800000000)
#define STACK_WINDOW_SIZE (LAYOUT(4) << 30)
#define KERNEL_BASE LAYOUT(0xffffffff80000000)
#define KERNEL_HALF LAYOUT(0xffffffc000000000) /* lowest kernel address */

/*
 * A kernel stack is the upper half of a slot of twice its size, aligned to
 * it, so one bit of sp tells whether it has run into the guard.
 */
#ifdef DEBUG
#define KSTACK_SHIFT 15 /* UBSan's code needs more room */
#else
#define KSTACK_SHIFT 14
#endif
#define KSTACK_SIZE (LAYOUT(1) << KSTACK_SHIFT)

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

#ifdef DEBUG
/* Panics: va is no address of the direct map, and translating it as one is a mistake. */
void virt_to_phys_refuse(const void *va) __noreturn;
#endif

/* The physical address behind a direct-map address (not the image's, a stack's or a user's). */
static inline paddr_t
virt_to_phys(const void *va)
{
#ifdef DEBUG
    if (unlikely((vaddr_t)va - DIRECT_BASE >= DIRECT_SIZE))
        virt_to_phys_refuse(va);
#endif
    return (paddr_t)va - direct_offset;
}

#else
void *phys_to_virt(paddr_t pa);
paddr_t virt_to_phys(const void *va);
#endif

extern vaddr_t user_top; /* first address above the user half: 1 << 38 (Sv39), 1 << 47 (Sv48) */
#endif
#endif
