/*
 * The clocks of clock_gettime(2), built on arch's time since boot.
 *
 * CLOCK_REALTIME is the time since boot plus an offset, which the RTC sets at
 * boot and clock_settime(2) changes. The offset is kept in the vDSO's data page, so
 * that programs that read the clock there see the same one.
 */
#ifndef QUIRE_PROC_CLOCK_H
#define QUIRE_PROC_CLOCK_H

#include "arch/riscv/clock.h"
#include "lib/types.h"

struct proc;
struct task;

#define CLOCK_COARSE_NSEC (4 * NSEC_PER_MSEC) /* resolution of the _COARSE clocks: Linux's tick */

/*
 * CLOCK_REALTIME is to be nsec (since 1970) now. Waits until an absolute time
 * of it end when that time has come by the new clock; others keep their
 * length. -EINVAL: that is before the boot, or too far ahead. May sleep.
 */
int clock_realtime_set(uint64_t nsec);
/* Now, in ns since 1970. */
uint64_t clock_realtime(void);
/* What to add to ns since boot. */
uint64_t clock_realtime_offset(void);
/* Any clock id, those of processes and threads included: 0, -EINVAL. */
int clock_read(int clock, uint64_t *nsec);
/* Its resolution, ns. */
int clock_resolution(int clock, uint64_t *nsec);
/*
 * How to wait (sched/wait.h) until an absolute time of a clock that goes on by
 * itself: WAIT_WALL for REALTIME and TAI, 0 for MONOTONIC and BOOTTIME.
 * -EINVAL for others.
 */
int clock_wait_flags(int clock);
/*
 * What a CPU clock id counts: *task or (for a whole process) *proc, with a
 * reference. False: it is no such clock, or of nobody that is there.
 */
bool clock_cpu_target(int clock, struct task **task, struct proc **proc);
/* Running time of a task or process, ns. */
uint64_t clock_cpu_nsec(struct task *task, struct proc *proc);
/* Fill in vfs's hook. */
void clocks_init(void);

#endif
