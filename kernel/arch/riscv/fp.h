/*
 * The floating-point registers. A thread starts with sstatus.FS off; its first
 * floating-point instruction traps and turns them on, zeroed. So programs
 * that compute with integers only never pay for saving them.
 */
#ifndef QUIRE_ARCH_FP_H
#define QUIRE_ARCH_FP_H

#include "lib/types.h"

struct fpstate {
    uint64_t f[32];
    uint64_t fcsr;
};

/* Store / load f0..f31 and fcsr; sstatus.FS must not be off. */
void fp_save(struct fpstate *state);
void fp_load(const struct fpstate *state);

#endif
