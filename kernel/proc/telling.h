/*
 * Telling the threads of a process that it ends or stops.
 *
 * A process may have thousands, and its lock is held. So some are told at once, and the worker
 * tells the others in pieces. A thread that has not been told yet goes on; it makes no thread
 * and no process meanwhile (told_or_tell()).
 */
#ifndef QUIRE_PROC_TELLING_H
#define QUIRE_PROC_TELLING_H

#include "proc/task.h"

void telling_init(struct proc *proc);
/* Tell every thread to go, if the process ends, or else to look at proc->stop_signal. lock held. */
void proc_tell_threads(struct proc *proc);
/* Tell one thread to go. proc->lock held. */
void thread_condemn(struct task *task);
/*
 * Has the current thread been told of a signal, or is its process ending, stopping or another
 * thread's to exec? Then it has been told from now on. lock held.
 */
bool told_or_tell(struct proc *proc);

#endif
