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
 * A fault on vm found no memory: wait for some. No spinlock and not vm->lock held; mutexes
 * may be. True: try the fault again. False: do not, the thread's process is to end. (oom.c)
 */
bool vm_oom_wait(struct vmspace *vm);
/*
 * A system call of the current thread has failed with -ENOMEM and has undone what it did; it
 * was made again ntries times. Is it to be made once more? True: processes that were killed for
 * memory have ended meanwhile; this waits for them, for 5 seconds at most. False: none has, it
 * was tried often enough, or the caller's process is to end. No lock held. (oom.c)
 */
bool vm_oom_retry(unsigned ntries);

#endif
