/*
 * The vDSO: a shared object of ours in every process, with functions that
 * answer without a trap what the kernel can tell everybody the same
 * (kernel/proc/vdso/). exec maps it, AT_SYSINFO_EHDR says where, and the C library
 * finds the functions by their names.
 *
 *      [vvar]   r--   one page of data, which the kernel writes
 *      [vdso]   r-x   the ELF image
 *
 * Both are pages of the kernel's own image, the same frames in every process,
 * and nobody can make them writable: their regions have no REGION_MAY_WRITE.
 * For the rest they are regions like others, which a program may unmap.
 */
#ifndef QUIRE_PROC_VDSO_H
#define QUIRE_PROC_VDSO_H

#include "lib/types.h"
#include "proc/vdso/data.h"

struct trapframe;
struct vmspace;

/* What is mapped as [vvar]. There from the start; complete after vdso_init(). */
extern struct vdso_data vdso_data;

/* Fill in vdso_data. After every hart has started, before the first exec. */
void vdso_init(void);
/* Map data and image into vm, above the stack if that is free; the image's address, or -ENOMEM. */
int64_t vdso_map(struct vmspace *vm);
/* Where handlers return to, in a process with its image at `vdso`. */
vaddr_t vdso_sigreturn(vaddr_t vdso);
/*
 * The current thread cannot be helped past a fault in user mode. If it was the vDSO, at
 * a pointer of its caller's, send it to where it asks the kernel instead, and return true.
 */
bool vdso_fixup(struct trapframe *tf);

#endif
