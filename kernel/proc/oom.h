/*
 * Choosing whom to kill for want of memory.
 */
#ifndef QUIRE_PROC_OOM_H
#define QUIRE_PROC_OOM_H

/* Fill in vm_oom_pick. Boot hart, once. */
void oom_init(void);

#endif
