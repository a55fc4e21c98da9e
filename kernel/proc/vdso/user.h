/*
 * What the vDSO's functions share: the data page, user pointers, system calls.
 * This code runs in user mode, in the middle of somebody else's program.
 *
 * A function given a pointer that leads nowhere must answer EFAULT, as the system call
 * does. It cannot look before it leaps; so each access to the caller's memory
 * is one instruction listed in the section .fixups, with where to go on if it
 * faults, and there the function asks the kernel, who says what is wrong.
 * kernel/proc/vdso.c reads the list. What has been stored by then, the call
 * stores again.
 */
#ifndef QUIRE_PROC_VDSO_USER_H
#define QUIRE_PROC_VDSO_USER_H

#include "proc/vdso/data.h"

/* vdso.lds puts it one page before the image. */
extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

/* An entry: both addresses from the start of the image, which is linked at 0. */
#define FIXUP(at, label)                                                                           \
    ".pushsection .fixups, \"a\"\n"                                                                \
    ".4byte " at " - vdso_start, %l[" #label "] - vdso_start\n"                                    \
    ".popsection\n"

/* Store a value at the caller's `to`: false if that faults. */
static inline bool
put(uint64_t *to, uint64_t value)
{
    __asm__ goto("1: sd %1, 0(%0)\n" FIXUP("1b", bad) : : "r"(to), "r"(value) : "memory" : bad);
    return true;
bad:
    return false;
}

static inline bool
put32(int *to, int value)
{
    __asm__ goto("1: sw %1, 0(%0)\n" FIXUP("1b", bad) : : "r"(to), "r"(value) : "memory" : bad);
    return true;
bad:
    return false;
}

/* Load *from into *value: false if that faults. */
static inline bool
get(uint64_t *value, const uint64_t *from)
{
    uint64_t loaded;

    __asm__ goto("1: ld %0, 0(%1)\n" FIXUP("1b", bad) : "=r"(loaded) : "r"(from) : "memory" : bad);
    *value = loaded;
    return true;
bad:
    return false;
}

/* The real thing. Arguments that a call does not have are not looked at. */
static inline long
system_call(long number, long a, long b, long c, long d, long e)
{
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b,
                  a2 __asm__("a2") = c, a3 __asm__("a3") = d, a4 __asm__("a4") = e;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4)
                     : "memory");
    return a0;
}

#endif
