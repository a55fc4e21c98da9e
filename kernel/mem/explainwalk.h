/*
 * The walk of an address, level by level, for panics.
 */
#ifndef QUIRE_MEM_EXPLAINWALK_H
#define QUIRE_MEM_EXPLAINWALK_H

#include "arch/riscv/trap.h"
#include "mem/pagetable.h"

/*
 * Log the entry that the hardware finds for va at each level of the tree at
 * root, and at the level that stops it what is wrong there with this access by
 * the kernel. Trusts nothing that it reads, and takes no locks.
 */
void explain_walk(paddr_t root, vaddr_t va, enum fault_access access);

#endif
