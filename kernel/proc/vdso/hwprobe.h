/*
 * riscv_hwprobe: keys and what their values mean. Numbers: Linux,
 * Documentation/arch/riscv/hwprobe.rst; Linux's headers have them from 6.4 on.
 */
#ifndef QUIRE_PROC_VDSO_HWPROBE_H
#define QUIRE_PROC_VDSO_HWPROBE_H

#include "lib/types.h"

#define NR_RISCV_HWPROBE 258 /* newer headers call it __NR_riscv_hwprobe */

enum {
    HWPROBE_MVENDORID,
    HWPROBE_MARCHID,
    HWPROBE_MIMPID,
    HWPROBE_BASE, /* what every program may count on */
    HWPROBE_EXT,  /* and extensions beyond */
    HWPROBE_SPEED, /* of misaligned accesses; 0: unknown */
    HWPROBE_ZICBOZ_SIZE, /* 0: not for user mode */
    HWPROBE_HIGHEST_VA,
    HWPROBE_TIMEBASE, /* Hz of the time CSR */
    HWPROBE_NKEYS
};

#define HWPROBE_BASE_IMA BIT(0)
#define HWPROBE_EXT_FD BIT(0)
#define HWPROBE_EXT_C BIT(1)
#define HWPROBE_EXT_ZBA BIT(3)
#define HWPROBE_EXT_ZBB BIT(4)
#define HWPROBE_EXT_ZBS BIT(5)

struct hwprobe_pair {
    int64_t key; /* -1: not known here */
    uint64_t value;
};

#endif
