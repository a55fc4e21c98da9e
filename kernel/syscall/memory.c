/*
 * Decoders: memory.
 */
#include <asm/mman.h>
#include <linux/mman.h>
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vm/vmspace.h"

#define PROT_RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define REGION_MAY_RWX (REGION_MAY_READ | REGION_MAY_WRITE | REGION_MAY_EXEC)
/* Flags that MAP_SHARED_VALIDATE knows; all that mmap(2) lists. */
#define MAP_KNOWN                                                                                  \
    (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE |       \
     MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |          \
     MAP_FIXED_NOREPLACE)

static uint32_t
region_rights(uint64_t prot)
{
    return (prot & PROT_READ ? REGION_READ : 0) | (prot & PROT_WRITE ? REGION_WRITE : 0) |
           (prot & PROT_EXEC ? REGION_EXEC : 0);
}

/* What mmap's flags ask for, apart from the file. */
static int
decode_flags(struct map_request *request, uint32_t flags)
{
    switch (flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
        if (flags & ~(uint32_t)MAP_KNOWN)
            return -EOPNOTSUPP;
        request->flags |= REGION_SHARED;
        break;
    case MAP_SHARED:
        request->flags |= REGION_SHARED;
        break;
    case MAP_PRIVATE:
        break;
    default:
        return -EINVAL;
    }
    if (flags & MAP_HUGETLB)
        return -ENOMEM; /* none are set aside */
    request->fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    request->noreplace = flags & MAP_FIXED_NOREPLACE;
    request->populate = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
    if (flags & MAP_LOCKED)
        request->flags |= REGION_LOCKED;
    if (flags & MAP_NORESERVE)
        request->flags |= REGION_NORESERVE;
    if (flags & MAP_STACK)
        request->flags |= REGION_NOHUGE;
    if ((flags & MAP_GROWSDOWN) && (flags & MAP_ANONYMOUS) && !(request->flags & REGION_SHARED))
        request->flags |= REGION_STACK;
    return 0;
}

/* Map a file, or (file NULL) anonymous memory. */
static int64_t
map(struct map_request *request, uint32_t flags, struct file *file)
{
    if (!request->size)
        return -EINVAL;
    int error = decode_flags(request, flags);
    if (error)
        return error;
    if (!request->fixed)
        request->va = PAGE_ALIGN_DOWN(request->va);
    if (file) {
        error = file_mmap(file, request);
        if (error)
            return error;
    } else {
        request->flags |= REGION_MAY_RWX;
        request->pgoff = 0;
    }
    return vm_map(current_thread()->vm, request);
}

static int64_t
sys_mmap(const uint64_t *args)
{
    uint32_t flags = (uint32_t)args[3];
    struct map_request request = {
        .va = args[0],
        .size = args[1],
        .flags = region_rights(args[2]),
        .pgoff = args[5] >> PAGE_SHIFT,
    };

    if (args[5] & PAGE_MASK)
        return -EINVAL;
    if (flags & MAP_ANONYMOUS)
        return map(&request, flags, NULL);
    struct fd_ref ref = fd_borrow((int)args[4]);
    if (!ref.file)
        return -EBADF;
    int64_t va = map(&request, flags, ref.file);
    fd_return(ref);
    return va;
}

static int64_t
sys_munmap(const uint64_t *args)
{
    return vm_unmap(current_thread()->vm, args[0], args[1]);
}

static int64_t
sys_mprotect(const uint64_t *args)
{
    if (args[2] & ~(uint64_t)(PROT_RWX | PROT_SEM))
        return -EINVAL;
    return vm_protect(current_thread()->vm, args[0], args[1], region_rights(args[2]));
}

static int64_t
sys_mremap(const uint64_t *args)
{
    return vm_remap(current_thread()->vm, args[0], args[1], args[2], (uint32_t)args[3], args[4]);
}

static int64_t
sys_madvise(const uint64_t *args)
{
    return vm_advise(current_thread()->vm, args[0], args[1], (int)args[2]);
}

static int64_t
sys_msync(const uint64_t *args)
{
    return vm_sync(current_thread()->vm, args[0], args[1], (int)args[2]);
}

static int64_t
sys_mincore(const uint64_t *args)
{
    return vm_incore(current_thread()->vm, args[0], args[1], args[2]);
}

static int64_t
sys_mlock(const uint64_t *args)
{
    return vm_lock_range(current_thread()->vm, args[0], args[1], true);
}

static int64_t
sys_mlock2(const uint64_t *args)
{
    if ((uint32_t)args[2] & ~(uint32_t)MLOCK_ONFAULT)
        return -EINVAL;
    return vm_lock_range(current_thread()->vm, args[0], args[1], true);
}

static int64_t
sys_munlock(const uint64_t *args)
{
    return vm_lock_range(current_thread()->vm, args[0], args[1], false);
}

/* Memory never leaves: there is nowhere to swap it to. So all of it is locked as it is. */
static int64_t
sys_mlockall(const uint64_t *args)
{
    uint64_t flags = (uint32_t)args[0];

    if (!flags || (flags & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
        flags == MCL_ONFAULT)
        return -EINVAL;
    return vm_may_lock_all(current_thread()->vm, flags & MCL_CURRENT);
}

static int64_t
sys_munlockall(const uint64_t *args)
{
    (void)args;
    return 0;
}

static int64_t
sys_brk(const uint64_t *args)
{
    return (int64_t)vm_brk(current_thread()->vm, args[0]);
}

const struct syscall_row memory_syscalls[] = {
    {__NR_mmap, sys_mmap},
    {__NR_munmap, sys_munmap},
    {__NR_mprotect, sys_mprotect},
    {__NR_mremap, sys_mremap},
    {__NR_madvise, sys_madvise},
    {__NR_msync, sys_msync},
    {__NR_mincore, sys_mincore},
    {__NR_mlock, sys_mlock},
    {__NR_mlock2, sys_mlock2},
    {__NR_munlock, sys_munlock},
    {__NR_mlockall, sys_mlockall},
    {__NR_munlockall, sys_munlockall},
    {__NR_brk, sys_brk},
    {0, NULL},
};
