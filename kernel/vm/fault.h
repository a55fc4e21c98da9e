/*
 * Faults, from the inside of vm/.
 */
#ifndef QUIRE_VM_FAULT_H
#define QUIRE_VM_FAULT_H

#include "vm/vmspace.h"

/* vm_fault() with vm->lock held. */
struct fault_verdict vm_fault_locked(struct vmspace *vm, vaddr_t va, enum fault_access access);

/*
 * Touch every page of [start, end) as its region allows: to write where that
 * makes a private copy, else to read. 0, -ENOMEM (a hole, or memory is out),
 * -EFAULT (beyond the end of a file), -EINTR (a signal is waiting). Takes
 * vm->lock, for a while at a time.
 */
int vm_populate(struct vmspace *vm, vaddr_t start, vaddr_t end);
/* The same with one kind of access for all; -EACCES where a region forbids it. */
int vm_populate_access(struct vmspace *vm, vaddr_t start, vaddr_t end, enum fault_access access);

/*
 * A fault from user mode found no memory: is it worth trying again? May sleep; no lock
 * held. False: the process is to be killed, and counts as ending until vm_oom_gone(),
 * when its address space has been freed. (oom.c)
 */
bool vm_oom_retry(struct vmspace *vm);
void vm_oom_gone(struct vmspace *vm);

#endif
