/*
 * POSIX timers: timer_create(2) and its kin.
 *
 * A timer owns the queue entry of its signal, so an expiration needs no
 * memory and cannot be lost. A periodic timer rests from then on until the signal
 * is taken: the periods that passed meanwhile are counted as overruns, and it is
 * armed for the next. So a timer of a nanosecond costs what its signals cost, and
 * one whose signal is blocked costs nothing. One that sends no signal is
 * never armed; its time is computed when it is asked for.
 */
#ifndef QUIRE_PROC_PTIMER_H
#define QUIRE_PROC_PTIMER_H

#include <asm/siginfo.h>
#include "lib/types.h"

struct proc;

/* All about the current process. Times in ns; value 0: off. -EINVAL, -EAGAIN, -ENOMEM. */
int ptimer_create(int clock, const sigevent_t *event, int *id);
int ptimer_delete(int id);
int ptimer_get(int id, uint64_t *interval, uint64_t *value);
int ptimer_set(int id, bool absolute, uint64_t interval, uint64_t value, uint64_t *old_interval,
               uint64_t *old_value);
int ptimer_overrun(int id);

/* Delete all: exec, and the end of a process. No lock held. */
void ptimer_delete_all(struct proc *proc);
/*
 * Look at timers on CPU clocks: send what is due, return how much running time is left
 * until the next, ~0 if none. proc->lock held.
 */
uint64_t ptimer_check_cpu(struct proc *proc, uint64_t total);

#endif
