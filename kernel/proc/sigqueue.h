/*
 * Between the files of signal code: entries of pending sets.
 */
#ifndef QUIRE_PROC_SIGQUEUE_H
#define QUIRE_PROC_SIGQUEUE_H

#include "proc/signal.h"

/*
 * Count one more in the task's user, which is returned with a reference; NULL: RLIMIT_SIGPENDING
 * is reached and `over_limit` false. sigqueue_uncharge() undoes it.
 */
struct user *sigqueue_charge(struct task *task, bool over_limit);
void sigqueue_uncharge(struct user *user);
/*
 * An entry counted in the task's user; NULL: memory is out, or (unless
 * over_limit) RLIMIT_SIGPENDING is reached. proc->lock held.
 */
struct sigqueue *sigqueue_alloc(struct task *task, bool over_limit);
/* Let signo wait, with an entry or (NULL) without. Lock held. */
void sigpending_add(struct sigpending *pending, int signo, struct sigqueue *entry);
/* An entry of signo was taken off: unless there is another, signo waits no more. Lock held. */
void sigpending_forget(struct sigpending *pending, int signo);

#endif
