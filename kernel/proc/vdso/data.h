/*
 * [vvar]: the page that the kernel writes and the vDSO reads, just before the
 * vDSO's image in every address space.
 *
 * Nothing in it ever needs two words to agree: the scale of the clock and what
 * the harts can do are settled before the first process, and the one thing that
 * changes, how far the time of day is from the time since boot, is a single
 * word, which the kernel's own clock_gettime(2) reads from here too. So there is
 * no sequence count to wait on, and a clock that is set is set for both at
 * once.
 */
#ifndef QUIRE_PROC_VDSO_DATA_H
#define QUIRE_PROC_VDSO_DATA_H

#include "lib/types.h"
#include "proc/vdso/hwprobe.h"

struct vdso_data {
    uint64_t clock_base, clock_mult; /* (C) see arch/riscv/clock.h */
    uint32_t clock_shift;            /* (C) */
    uint32_t time_readable;          /* (C) user mode may read the time CSR on every hart */
    uint64_t realtime_offset;        /* (A) CLOCK_REALTIME minus the time since boot, ns */
    uint64_t hwprobe[HWPROBE_NKEYS]; /* (C) answers for all harts, by key */
} __aligned(PAGE_SIZE); /* and nothing else on its page */

#endif
