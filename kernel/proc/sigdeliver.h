/*
 * Signals: what a thread does about them on its way to user mode.
 *
 * sigdeliver.c takes pending signals one by one: ignores, stops, ends the
 * process, or sets up a handler. Afterwards it settles the system call that a
 * signal interrupted: restart it, go on with it, or let it fail with EINTR.
 *
 * sigframe.c builds the handler's frame on the user stack exactly as Linux
 * does for riscv64, and undoes it in rt_sigreturn(2).
 */
#ifndef QUIRE_PROC_SIGDELIVER_H
#define QUIRE_PROC_SIGDELIVER_H

#include "arch/riscv/trap.h"
#include "proc/task.h"
#include "vm/vmspace.h"

/* All work of the way to user mode; trap_ops.user_return. */
void signal_user_return(struct trapframe *tf);
/* Exceptions in user mode that are no page faults; trap_ops.user_exception. */
void signal_user_exception(struct trapframe *tf, uint64_t cause, uint64_t value);

/*
 * Put a frame on the user stack and point tf at the handler. 0 or -EFAULT.
 * `mask` is what sigreturn restores.
 */
int sigframe_push(struct trapframe *tf, int signo, const siginfo_t *info,
                  const struct sigaction *action, uint64_t mask);
/* rt_sigreturn(2): the user's a0. */
int64_t sigframe_return(struct trapframe *tf);
/* sigaltstack(2) with kernel copies; sp is the user's. 0, -EPERM, -EINVAL, -ENOMEM. */
int sigaltstack_set(const stack_t *new, stack_t *old, vaddr_t sp);

/* vm's hook for faults that no region permits. */
void signal_page_fault(struct trapframe *tf, vaddr_t va, struct fault_verdict verdict);

/* stop.c: */
/* A default stop action: every thread of the current process is to stop. lock held. */
void stop_begin(struct proc *proc, int signo);
/* Sleep while the current process is stopped. lock held; let go meanwhile. */
void stop_here(struct proc *proc);
/* SIGCONT was sent: go on. lock held. */
void stop_end(struct proc *proc);
/* The process ends: go on, and nothing is to be said of stops any more. lock held. */
void stop_cancel(struct proc *proc);
/* Send the parent the SIGCHLD about a stop or its end that is due. lock held; let go meanwhile. */
void stop_tell_parent(struct proc *proc);
/* A thread has left: if all others are stopped now, the parent is told. No lock held. */
void stop_recount(struct proc *proc);

#endif
