/*
 * cbo.zero for host tests: a cache block of host_cbo_size bytes.
 */
#ifndef QUIRE_ARCH_CBO_H
#define QUIRE_ARCH_CBO_H

#include <stdint.h>
#include <string.h>

extern uint32_t host_cbo_size;

static inline void
cbo_zero(void *to)
{
    memset((void *)((uintptr_t)to & -(uintptr_t)host_cbo_size), 0, host_cbo_size);
}

#endif
