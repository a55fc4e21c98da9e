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

/* stop.c: */
/* A default stop action: stop every thread of the current process. lock held; let go and taken again. */
void stop_begin(struct proc *proc, int signo);
/* Sleep while the current process is stopped. lock held. */
void stop_here(struct proc *proc);
/* SIGCONT or SIGKILL was sent: go on. lock held. Returns true if it was stopped (the parent is to be told). */
bool stop_end(struct proc *proc);
/* Tell the parent that a child stopped or continued. No lock held. */
void stop_tell_parent(struct proc *proc, int code, int signo);

#endif
