/*
 * For host tests: a hart is a host thread. A test that wants several either
 * starts threads, each with its own host_hart, or changes host_hart.index.
 */
#ifndef QUIRE_ARCH_HART_H
#define QUIRE_ARCH_HART_H

#include "lib/types.h"

#define MAX_HARTS 64

typedef uint64_t cpumask_t;

struct hart {
    uint32_t index;
};

extern __thread struct hart host_hart;
extern cpumask_t harts_online;

static inline struct hart *
this_hart(void)
{
    return &host_hart;
}

#endif
