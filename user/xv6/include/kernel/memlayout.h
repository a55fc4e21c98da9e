/* The addresses that xv6's programs know: the kernel's, out of their reach, and USYSCALL. */
#ifndef QUIRE_XV6_MEMLAYOUT_H
#define QUIRE_XV6_MEMLAYOUT_H

#ifndef __ASSEMBLER__
#include "kernel/types.h"
#endif

#define UART0 0x10000000L
#define UART0_IRQ 10
#define VIRTIO0 0x10001000L
#define VIRTIO0_IRQ 1
#define CLINT 0x2000000L
#define PLIC 0x0c000000L

/* Where xv6's kernel lies. Nothing of a program built here is there. */
#define KERNBASE 0x80000000L
#define PHYSTOP (KERNBASE + 128 * 1024 * 1024)

/* The top of the user half: two pages that are never mapped, then USYSCALL. */
#define TRAMPOLINE (MAXVA - PGSIZE)
#define TRAPFRAME (TRAMPOLINE - PGSIZE)
#define USYSCALL (TRAPFRAME - PGSIZE)

#ifndef __ASSEMBLER__
/* A read-only page in every process begins with this; quire.h tells all. */
struct usyscall {
    int pid;
};
#endif

#endif
