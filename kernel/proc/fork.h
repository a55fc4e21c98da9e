/*
 * New tasks: clone(2), clone3(2), fork, vfork.
 */
#ifndef QUIRE_PROC_FORK_H
#define QUIRE_PROC_FORK_H

#include "lib/types.h"

struct proc;
struct task;

/* What clone(2) and clone3(2) ask for, decoded and checked. */
struct clone_request {
    uint64_t flags;      /* CLONE_*, without the signal in the low byte */
    int exit_signal;
    vaddr_t stack;       /* the child's sp; 0: as the parent's */
    vaddr_t tls;
    vaddr_t parent_tid, child_tid;
    const int32_t *set_tid; /* NULL: any */
};

/*
 * Make a task as the current one. Its tid; -EINVAL (flags that contradict),
 * -EAGAIN (RLIMIT_NPROC, numbers), -ENOMEM, -EPERM, -EFAULT. For CLONE_VFORK
 * returns when the child has exec'd or exited.
 */
int64_t task_clone(const struct clone_request *request);

/* The first process; it starts in start(arg). NULL: memory is out. */
struct task *task_create_first(void (*start)(void *), void *arg);

/* A vfork child is done with its parent's memory (exec, exit). */
void vfork_done(struct task *task);
/* task is to die: end its wait for a vfork child. Its proc->lock held. */
void vfork_interrupt(struct task *task);

#endif
