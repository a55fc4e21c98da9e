/* Mapped files, and Quire's own calls as the course names them. */
#include "call.h"
#include "kernel/memlayout.h"
#include "kernel/riscv.h"

#define NR_PGACCESS 1000 /* quire.h */

void *
mmap(void *at, int size, int protection, int flags, int fd, int offset)
{
    return (void *)xv6_result(SYS_mmap, linux_call(mmap, at, (long)size, protection, flags, fd,
                                                   (long)offset));
}

int
munmap(void *at, int size)
{
    return xv6_result(SYS_munmap, linux_call(munmap, at, (long)size));
}

/* quire.h tells when the page has a 0. */
int
ugetpid(void)
{
    int pid = ((const volatile struct usyscall *)USYSCALL)->pid;

    return pid ? pid : (int)linux_call(getpid);
}

int
pgaccess(void *base, int npages, void *bits)
{
    return xv6_result(SYS_pgaccess, call6(NR_PGACCESS, (long)base, npages, (long)bits, 0, 0, 0));
}
