/*
 * For host tests of code that keeps a tree's root beside its own data.
 */
#ifndef QUIRE_ARCH_TLB_H
#define QUIRE_ARCH_TLB_H

#include "lib/types.h"

struct mmu {
    paddr_t root;
};

#endif
