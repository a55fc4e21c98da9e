/*
 * quire.h: what Quire offers beyond Linux's ABI.
 *
 *      ugetpid()       the process's id, read from a page, without a trap
 *      pgaccess()      which pages were accessed since the last call
 *      vmprint()       print this process's page table
 *
 * Everything is inline, so that a program needs no library of ours:
 *
 *      riscv64-linux-gnu-gcc -Iuser/include prog.c
 *
 * The kernel's side of the contract:
 *
 * The page USYSCALL. Every address space has one page there, readable by the
 * user and nothing else, beginning with struct usyscall; the rest of it is
 * zero. It cannot be unmapped, moved or given other rights. exec puts it there
 * before the first instruction. The two pages above it, to the end of the
 * Sv39 user half, stay unmapped; so does at least the one below.
 *
 * usyscall.pid is what getpid() would return, or 0. It is 0 only while the
 * address space belongs to more than one process (vfork, or clone with
 * CLONE_VM but without CLONE_THREAD), when one page cannot hold the answer.
 * Threads of one process share its id and so its page.
 *
 * Call 1000, pgaccess: a0 = base, a1 = npages (an int), a2 = bitmask. Bit i
 * (bit i % 8 of byte i / 8) becomes 1 if the page i pages above the one that
 * holds base was accessed since the last call, or since it was mapped; its
 * accessed flag is then clear again, and no hart keeps a translation that
 * would hide the next access. Pages that are not mapped give 0; each 4 KiB
 * part of a larger leaf gives that leaf's flag. Exactly (npages + 7) / 8 bytes
 * are written, unused bits as 0. Returns 0, or
 *
 *      -EINVAL     npages is negative or above PGACCESS_MAX, or the range
 *                  leaves the user half
 *      -EFAULT     bitmask cannot be written; some flags may be clear already
 *      -ENOMEM     no memory for the bits on their way; nothing has changed
 *
 * Call 1001, vmprint: no arguments. Prints the caller's user half to the
 * console in the form of the boot argument vmprint=, whatever the log level,
 * each leaf followed by its flags in letters: "rwxu ad". Returns 0, or
 * fails with EPERM without CAP_SYS_ADMIN. /proc/PID/pagetable gives any
 * process's in the same form, physical addresses as zeros without it.
 *
 * On a kernel other than Quire the calls fail with ENOSYS, and ugetpid() must
 * not be used: the page is not there.
 */
#ifndef QUIRE_H
#define QUIRE_H

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

#define USYSCALL 0x3fffffd000UL /* the third page from the top of the Sv39 user half */

#define QUIRE_NR_PGACCESS 1000
#define QUIRE_NR_VMPRINT 1001
#define PGACCESS_MAX 65536 /* pages in one call */

struct usyscall {
    int pid; /* 0: ask getpid(), see above */
};

/* A system call with up to three arguments; the kernel's own result. */
static inline long
quire_call(long number, long arg0, long arg1, long arg2)
{
    register long a0 __asm__("a0") = arg0;
    register long a1 __asm__("a1") = arg1;
    register long a2 __asm__("a2") = arg2;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

/* As libc does: a negative errno becomes -1 and errno. */
static inline int
quire_result(long result)
{
    if (result < 0 && result >= -4095) {
        errno = (int)-result;
        return -1;
    }
    return (int)result;
}

/* This process's id: one load where getpid() is a trap. */
static inline int
ugetpid(void)
{
    int pid = ((const volatile struct usyscall *)USYSCALL)->pid;

    return pid ? pid : (int)quire_call(172, 0, 0, 0); /* __NR_getpid */
}

/*
 * Which of npages pages, from the one that holds base upwards, were accessed
 * since the last call: lowest page in the lowest bit of the first byte of
 * bitmask, which has (npages + 7) / 8 bytes. 0, or -1 and errno.
 */
static inline int
pgaccess(void *base, int npages, void *bitmask)
{
    return quire_result(quire_call(QUIRE_NR_PGACCESS, (long)base, npages, (long)bitmask));
}

/* Print this process's page table to the console. 0, or -1 and errno. */
static inline int
vmprint(void)
{
    return quire_result(quire_call(QUIRE_NR_VMPRINT, 0, 0, 0));
}

#ifdef __cplusplus
}
#endif

#endif
