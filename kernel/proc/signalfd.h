/*
 * signalfd: signals to read instead of to handle.
 */
#ifndef QUIRE_PROC_SIGNALFD_H
#define QUIRE_PROC_SIGNALFD_H

#include "lib/types.h"
#include "proc/task.h"
#include "sched/wait.h"

struct file;

/* A file that signals of `set` can be read from. flags: O_NONBLOCK. 0 or -ENOMEM. */
int signalfd_create(uint64_t set, uint32_t flags, struct file **file);
bool file_is_signalfd(const struct file *file);
/* Have it read those of another set. */
void signalfd_change(struct file *file, uint64_t set);

/* A signal has joined a pending set of the process. proc->lock held. */
static inline void
signalfd_tell(struct proc *proc)
{
    if (!waitq_empty(&proc->signalfds->queue))
        wake_all(&proc->signalfds->queue);
}

#endif
