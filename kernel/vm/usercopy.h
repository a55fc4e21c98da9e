/*
 * Copies between the kernel and the user program.
 *
 * The only code that touches user addresses, and the only code that sets
 * sstatus.SUM. The routines go straight through the user's address, take page
 * faults like any access (lazy memory is filled, copy-on-write is copied), and
 * stop at the first byte that cannot be reached: an exception table names the
 * instructions that may fault and where to go on.
 *
 * May sleep. The caller holds no spinlock, not the lock of the current address
 * space, and no page-cache page lock; other mutexes are fine.
 *
 * QEMU 7.2 (and some cores) drop the whole TLB whenever SUM changes, which
 * costs more than the copy. Release builds therefore leave SUM set on a hart
 * after its first copy ("usercopy=open"); debug builds, and the boot argument
 * usercopy=guard, set and clear it around each copy, so that a stray access to
 * a user address faults and panics.
 */
#ifndef QUIRE_VM_USERCOPY_H
#define QUIRE_VM_USERCOPY_H

#include "arch/riscv/layout.h"
#include "lib/types.h"

/* Copy n bytes from / to the user, none from or to anywhere. 0 or -EFAULT (some bytes may have been copied). */
int copyin(void *dst, vaddr_t src, size_t n) __must_check;
int copyout(vaddr_t dst, const void *src, size_t n) __must_check;
/* The same, returning how many bytes were copied before the first that could not. */
size_t copyin_some(void *dst, vaddr_t src, size_t n) __must_check;
size_t copyout_some(vaddr_t dst, const void *src, size_t n) __must_check;
/* Zero n user bytes; returns how many. */
size_t zeroout_some(vaddr_t dst, size_t n) __must_check;
/*
 * Copy a string of at most size - 1 letters, and its NUL. Returns its length,
 * -EFAULT, or -ENAMETOOLONG if no NUL was among the first `size` bytes.
 */
ssize_t copyinstr(char *dst, vaddr_t src, size_t size) __must_check;
/* One word, naturally aligned or not: 0 or -EFAULT. */
int get_user32(uint32_t *value, vaddr_t src) __must_check;
int put_user32(vaddr_t dst, uint32_t value) __must_check;
int get_user64(uint64_t *value, vaddr_t src) __must_check;
int put_user64(vaddr_t dst, uint64_t value) __must_check;
/*
 * Atomic operations on an aligned user word, for futexes: the old value in
 * *old. 0, -EFAULT; -EAGAIN if the compare-and-swap found another value.
 */
int user_cmpxchg32(vaddr_t address, uint32_t expected, uint32_t value, uint32_t *old) __must_check;
enum user_atomic { USER_SET, USER_ADD, USER_OR, USER_ANDN, USER_XOR };
int user_atomic32(vaddr_t address, enum user_atomic op, uint32_t operand, uint32_t *old) __must_check;

/* The kernel half of an exception: where to continue after a fault at epc; 0: nowhere. */
uint64_t usercopy_fixup(uint64_t epc);

/* True if [va, va + size) lies in the user half. */
static inline bool
user_range(vaddr_t va, uint64_t size)
{
    return range_below(va, size, user_top);
}

struct trapframe;
/*
 * First thing in a page fault of a user copy. True: all that was missing is
 * SUM, which is set in tf now; retry. False: a real fault, and SUM is clear
 * if the mode wants that while the handler runs.
 */
bool usercopy_open_fault(struct trapframe *tf);
/* Bits to set in the sstatus of a new user trap frame (SUM, or none); spares its first copy a fault. */
extern uint64_t usercopy_user_sstatus;

#define UACCESS_MAX_STRING 4096 /* PATH_MAX, and the longest an argument may be fetched at a time */

void usercopy_init(void);
/* Counters for /proc/vmstat, per hart, summed by the reader: calls and bytes. */
struct usercopy_stats {
    uint64_t ncopyin, ncopyout, ncopyinstr, copyin_bytes, copyout_bytes;
};
void usercopy_stats(struct usercopy_stats *stats);

#endif
