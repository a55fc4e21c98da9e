/*
 * What counts running time: ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU, and POSIX
 * timers on CPU clocks. And ITIMER_REAL, which does not.
 *
 * A process's running time goes on at most as fast as its threads have harts,
 * so nothing can be due before the least of what is left, divided among the
 * threads. One timer of the process is armed for then, and looks again. A
 * process without such clocks has no timer armed.
 *
 * A timer's function takes proc->lock, so nobody may wait for the function to
 * end with that lock held. Whoever sets one holds proc->timer_lock, a mutex,
 * and turns the timer off first: by a field that the function looks at, under
 * proc->lock, so that it does not arm itself again; then by timer_cancel(),
 * without; only then it is set anew.
 */
#ifndef QUIRE_PROC_CPUTIMER_H
#define QUIRE_PROC_CPUTIMER_H

#include "lib/types.h"
#include "proc/task.h"

#define CPUTIMER_GRAIN (4 * NSEC_PER_MSEC) /* how late such clocks may be: Linux's tick */

/* Something that counts running time was changed: look again. May sleep; no lock held. */
void cputimer_changed(struct proc *proc);
/* The same with timer_lock held. */
void cputimer_changed_locked(struct proc *proc);
/* A new process's timers. */
void cputimer_init(struct proc *proc);
/* The last thread ends: no timer runs any more. No lock held. */
void cputimer_stop(struct proc *proc);

/* getitimer(2), setitimer(2) of the current process, in ns. -EINVAL. value: from now, 0: off. */
int itimer_get(int which, uint64_t *interval, uint64_t *value);
int itimer_set(int which, uint64_t interval, uint64_t value, uint64_t *old_interval,
               uint64_t *old_value);

#endif
