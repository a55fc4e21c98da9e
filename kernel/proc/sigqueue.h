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
/* Forget at most so many entries of signals of `set`. True: there are more. Lock held. */
bool sigpending_discard_some(struct sigpending *pending, uint64_t set, unsigned most);
/* Forget all, and let others run meanwhile. `pending` stays. Lock held; let go meanwhile. */
void sigpending_discard_slowly(struct proc *proc, struct sigpending *pending, uint64_t set);
/* An entry of signo was taken off: unless there is another, signo waits no more. Lock held. */
void sigpending_forget(struct sigpending *pending, int signo);

#endif
