/*
 * Resource limits, and what has been used.
 */
#ifndef QUIRE_PROC_LIMITS_H
#define QUIRE_PROC_LIMITS_H

#include "proc/task.h"

/* The current process's soft limit, RLIM64_INFINITY if none. */
uint64_t limit_soft(unsigned resource);
/* Set one limit of a process (new may be NULL) and give the old (old may be NULL). 0, -EINVAL, -EPERM. */
int limit_change(struct proc *proc, unsigned resource, const struct rlimit64 *new,
                 struct rlimit64 *old);
/* The first process's limits. */
void limits_first(struct proc *proc);
/* Fill in the hooks of the floors below. */
void limits_init(void);

/* What a process used: threads that live and that have gone. lock held. */
void proc_usage_locked(struct proc *proc, struct usage *usage);
/* The same for many threads. A thread that ends meanwhile counts once. No lock held. */
void proc_usage(struct proc *proc, struct usage *usage);
/* A thread leaves: what it used is the process's. It is still on proc->threads. lock held. */
void usage_task_leaves(struct proc *proc, struct task *task);
/* Add a thread's part, without page faults. */
void usage_add_task(struct usage *usage, struct task *task);
/* Add an address space's page faults and greatest size. */
void usage_add_vm(struct usage *usage, struct vmspace *vm);
void usage_add(struct usage *to, const struct usage *what);
/* As getrusage(2) gives it. */
void usage_to_rusage(const struct usage *usage, struct rusage *rusage);

#endif
