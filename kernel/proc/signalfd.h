/*
 * signalfd: signals to read instead of to handle.
 */
#ifndef QUIRE_PROC_SIGNALFD_H
#define QUIRE_PROC_SIGNALFD_H

#include "lib/types.h"
#include "sched/wait.h"

struct file;

/* A file that signals of `set` can be read from. flags: O_NONBLOCK. 0 or -ENOMEM. */
int signalfd_create(uint64_t set, uint32_t flags, struct file **file);
bool file_is_signalfd(const struct file *file);
/* Have it read those of another set. */
void signalfd_change(struct file *file, uint64_t set);

/* Who waits at a signalfd, in any process. */
extern struct waitq signalfd_waiters;
/* A signal has joined a pending set. proc->lock held. */
static inline void
signalfd_tell(void)
{
    if (!waitq_empty(&signalfd_waiters))
        wake_all(&signalfd_waiters);
}

#endif
