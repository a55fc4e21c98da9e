/*
 * System calls: from a number in a7 to a function.
 *
 * A decoder is one small function: it looks at its arguments (six words, as
 * the user put them into a0..a5), calls one function of a floor below, and
 * turns the result into the ABI's. Each file of decoders exports its rows,
 *
 *      const struct syscall_row file_syscalls[] = {
 *          {__NR_read, sys_read},
 *          ...
 *          {0, NULL},
 *      };
 *
 * and names them in SYSCALL_ROWS below; at boot the rows are laid out in one
 * flat array, so that a call costs a comparison, a load and an indirect call.
 *
 * A decoder returns a result or a negative errno. -ERESTARTSYS and its kin
 * (lib/errno.h, proc/signal.h) say that a signal came first: the way back to
 * the user turns them into a restart or -EINTR.
 */
#ifndef QUIRE_SYSCALL_SYSCALL_H
#define QUIRE_SYSCALL_SYSCALL_H

#include <asm/unistd.h>
#include "lib/errno.h"
#include "lib/types.h"
#include "vfs/inode.h"

/* Numbers younger than the installed headers (Linux 6.6; asm-generic/unistd.h). */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

/* args[0] to args[5] are a0 to a5; they lie in the caller's trap frame. */
typedef int64_t (*syscall_fn)(const uint64_t *args);

struct syscall_row {
    uint32_t number; /* __NR_* of asm/unistd.h, or Quire's own from 1000 */
    syscall_fn fn;   /* NULL ends the rows */
};

#define NSYSCALLS 1024 /* Linux's are below 500; Quire's own stand at 1000 */

/* Every file of decoders, by the name of its rows. */
#define SYSCALL_ROWS(X)                                                                            \
    X(process_syscalls)                                                                            \
    X(signal_syscalls)                                                                             \
    X(time_syscalls)                                                                               \
    X(memory_syscalls)                                                                             \
    X(system_syscalls)                                                                             \
    X(thread_syscalls)                                                                             \
    X(priority_syscalls)                                                                           \
    X(riscv_syscalls)                                                                              \
    X(prctl_syscalls)                                                                              \
    X(identity_syscalls)                                                                           \
    X(rw_syscalls)                                                                                 \
    X(fd_syscalls)                                                                                 \
    X(name_syscalls)                                                                               \
    X(attribute_syscalls)                                                                          \
    X(poll_syscalls)                                                                               \
    X(eventfile_syscalls)                                                                          \
    X(xattr_syscalls)                                                                              \
    X(quire_syscalls)

#define SYSCALL_DECLARE(rows) extern const struct syscall_row rows[];
SYSCALL_ROWS(SYSCALL_DECLARE)
#undef SYSCALL_DECLARE

/* Lay out the table and set trap_ops.syscall. Boot hart, once. */
void syscall_init(void);

/*
 * Arguments of many calls (args.c).
 *
 * A timespec in user memory, checked: seconds not negative, nanoseconds below
 * 10^9. 0, -EFAULT, -EINVAL.
 */
int get_timespec(struct timespec64 *ts, vaddr_t user);
int put_timespec(vaddr_t user, const struct timespec64 *ts); /* 0, -EFAULT */
/* Nanoseconds, at most INT64_MAX; and back. */
uint64_t timespec_nsec(const struct timespec64 *ts);
struct timespec64 nsec_timespec(uint64_t nsec);
/* The deadline (ns since boot) `nsec` from now; DEADLINE_NEVER if that is beyond reach. */
uint64_t deadline_after(uint64_t nsec);
/*
 * A timespec in user memory that says how long to wait at most: a NULL pointer
 * means for ever. 0, -EFAULT, -EINVAL.
 */
int get_timeout(uint64_t *deadline, vaddr_t user);
/*
 * A signal set in user memory, whose size the caller must know to be 8. 0,
 * -EINVAL, -EFAULT.
 */
int get_sigset(uint64_t *set, vaddr_t user, uint64_t size);
/* A path in user memory, in a kmalloc'ed buffer (kmfree it). err_ptr(-EFAULT, -ENAMETOOLONG, -ENOMEM). */
char *get_path(vaddr_t user);

#endif
