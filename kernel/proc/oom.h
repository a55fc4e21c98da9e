/*
 * Choosing whom to kill for want of memory.
 */
#ifndef QUIRE_PROC_OOM_H
#define QUIRE_PROC_OOM_H

struct proc;

/*
 * How likely this process is to be killed when memory is out, for /proc/PID/oom_score:
 * 0 (never, or it has no memory) to about 2000. Takes proc->lock; may sleep.
 */
int oom_score(struct proc *proc);

/* Fill in vm_oom_pick. Boot hart, once. */
void oom_init(void);

#endif
