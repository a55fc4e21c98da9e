/*
 * Isolation of the kernel from user mode, in two ways.
 *
 *   shared   (the default) user mode runs on the process's kernel tree. The
 *            kernel's pages are there, closed by U = 0; a trap changes no satp.
 *   strict   (boot argument isolation=strict) user mode runs on a second root,
 *            which holds the user half (the same tables) and of the kernel only
 *            the way through: the trampoline page, executable, with the code of
 *            entry.S, and the gate page, writable, with a struct gate for each
 *            hart. Both are where they are in the kernel's tree, too, so that
 *            the instruction after a change of satp is found in either.
 *
 *              user mode         trap_entry_strict         kernel
 *            user_root     --->  gate->satp          --->  root
 *                          <---  gate->user_satp     <---
 *                                strict_return
 *
 * In strict mode sscratch holds the hart's gate while in user mode, and its
 * struct hart while in the kernel. A struct hart begins with a gate of its own,
 * so that a trap from the kernel passes through the same instructions: it loads
 * the satp that is there already.
 *
 * What user mode must not find, not even by a hardware's guess, must not be in
 * the TLB under its ASID, either. So the two roots of a process have two ASIDs,
 * a pair (tlb.h), and no leaf of the kernel's is global. A hart without ASIDs
 * flushes its TLB whenever it passes the gate.
 *
 * What the gate page tells whoever can read it after all: the physical
 * addresses of roots, where the struct harts are, and two registers of the
 * user's own.
 */
#ifndef QUIRE_ARCH_ISOLATION_H
#define QUIRE_ARCH_ISOLATION_H

#include "lib/types.h"

struct hart;

/*
 * What entry.S reaches before it has changed satp; it knows the offsets. Only its
 * own hart uses it.
 */
struct gate {
    uint64_t t0;        /* the user's, while we pass */
    uint64_t tp;        /* the user's, on the way out */
    uint64_t satp;      /* for the kernel: that of the hart's address space */
    uint64_t user_satp; /* the same one's for user mode */
    uint64_t flush;     /* not 0: no ASIDs, so flush after each change */
    struct hart *hart;
} __cacheline;

extern bool isolation_strict; /* constant once the kernel's tree is built */
extern struct gate gates[];   /* a page, by hart index */

/* Read the boot argument. Boot hart, before the kernel's tree is built. */
void isolation_init(void);
/*
 * Set this hart's stvec, and with strict isolation its gate. Runs for the second time on the
 * boot hart when its tree is loaded.
 */
void isolation_init_hart(void);

#endif
