/*
 * What a process's end means to its relatives.
 */
#ifndef QUIRE_PROC_REPARENT_H
#define QUIRE_PROC_REPARENT_H

#include "proc/task.h"

/*
 * Give a dying process's children to the nearest ancestor that is a
 * subreaper, or to process 1, send them their parent-death signals, and hang
 * up the groups that this orphans. No lock held.
 */
void reparent_children(struct proc *proc);
/*
 * The current thread ends: another thread of its process takes over the children that it
 * made, and they get their parent-death signals. If all threads are ending, that is left to
 * reparent_children(). No lock held.
 */
void reparent_made(struct task *task);
/* Nobody waits for a child any more: off its parent's lists, REAPED. The parent's lock held. */
void parent_forget(struct proc *child);
/* Hang up the process's own group if its end orphans it. No lock held. */
void reparent_check_group(struct proc *proc);
/*
 * Make a dead child a zombie of its parent, and tell the parent. parent->lock held.
 * True: nobody will wait for it (SIGCHLD is ignored), so the caller releases it.
 */
bool exit_notify_parent(struct proc *parent, struct proc *child);

/* Process 1, once it is there. */
extern struct proc *init_proc;

#endif
