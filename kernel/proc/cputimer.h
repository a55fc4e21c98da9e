/*
 * What counts running time: ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU, and POSIX
 * timers on CPU clocks. And ITIMER_REAL, which does not.
 *
 * Running time is looked at in the ticks of threads that run: a process that
 * sleeps costs nothing. cpu_look is the time at which something may be due, if all harts
 * run the process's threads; before it, and without such clocks (CPUTIMER_NEVER), a tick
 * costs nothing either. A look sums up what the threads used and visits the timers: its
 * length grows with their number, and the time until the next look with its length.
 *
 * ITIMER_REAL has a timer. A periodic one rests when it has sent its signal, and is
 * armed again when the signal is taken, so one that nobody takes costs nothing.
 * The timer's function takes proc->lock, so timer_cancel() must not be called with
 * that lock held; setitimer(2) holds proc->timer_lock, a mutex, instead.
 *
 * Another process may change a limit (prlimit(2)) at any time, so the end of a
 * process is a state: from cputimer_stop() on timers_over is set, under both
 * locks, and nothing is armed or due again.
 */
#ifndef QUIRE_PROC_CPUTIMER_H
#define QUIRE_PROC_CPUTIMER_H

#include "lib/types.h"
#include "proc/task.h"

#define CPUTIMER_GRAIN (4 * NSEC_PER_MSEC) /* how late such clocks may be: Linux's tick */

#define CPUTIMER_NEVER (~0UL)

/* Something that counts running time was changed: look again. Takes proc->lock. */
void cputimer_changed(struct proc *proc);
/* Something new is due after `left` ns of running time, at the soonest. Takes proc->lock. */
void cputimer_due_in(struct proc *proc, uint64_t left);
/* SIGALRM was taken: a periodic ITIMER_REAL that rests goes on. proc->lock held. */
void itimer_taken(struct proc *proc);
/* Fill in sched_tick_hook. Boot hart, once. */
void cputimers_init(void);
/* A new process's timers. */
void cputimer_init(struct proc *proc);
/* The last thread ends: no timer runs any more, and none is armed again. No lock held. */
void cputimer_stop(struct proc *proc);

/* getitimer(2), setitimer(2) of the current process, in ns. -EINVAL. value: from now, 0: off. */
int itimer_get(int which, uint64_t *interval, uint64_t *value);
int itimer_set(int which, uint64_t interval, uint64_t value, uint64_t *old_interval,
               uint64_t *old_value);

#endif
