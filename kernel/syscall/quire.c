/*
 * Decoders: the calls that only Quire has (user/include/quire.h).
 */
#include <linux/capability.h>
#include "mem/slab.h"
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vfs/cred.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define NR_PGACCESS 1000
#define NR_VMPRINT 1001
#define PGACCESS_MAX 65536 /* pages in one call */

/* pgaccess(base, npages, bitmask) */
static int64_t
sys_pgaccess(const uint64_t *args)
{
    vaddr_t base = args[0], bitmask = args[2];
    int32_t npages = (int32_t)args[1];

    if (npages < 0 || npages > PGACCESS_MAX)
        return -EINVAL;
    uint64_t nbytes = ((uint64_t)npages + 7) / 8;
    if (!user_range(PAGE_ALIGN_DOWN(base), (uint64_t)npages << PAGE_SHIFT))
        return -EINVAL;
    if (npages == 0)
        return 0;
    if (!user_range(bitmask, nbytes))
        return -EFAULT;
    uint64_t *bits = kmalloc(VM_ACCESSED_BYTES(npages));
    if (!bits)
        return -ENOMEM;
    int error = vm_accessed(current_thread()->vm, base, (uint64_t)npages, bits);
    if (!error)
        error = copyout(bitmask, bits, nbytes);
    kmfree(bits);
    return error;
}

/* vmprint(): to the console, with physical addresses, and so not for everybody. */
static int64_t
sys_vmprint(const uint64_t *args)
{
    (void)args;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    vm_print_log(current_thread()->vm, true);
    return 0;
}

const struct syscall_row quire_syscalls[] = {
    {NR_PGACCESS, sys_pgaccess},
    {NR_VMPRINT, sys_vmprint},
    {0, NULL},
};
