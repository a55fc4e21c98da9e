/*
 * Decoders: the calls that only RISC-V has.
 */
#include "arch/riscv/hart.h"
#include "arch/riscv/tlb.h"
#include "arch/riscv/trap.h"
#include "proc/signal.h"
#include "proc/vdso.h"
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define HWPROBE_BATCH 256 /* pairs between two looks around */

/* riscv_flush_icache(start, end, flags): flag 1 asks for the current thread alone. */
static int64_t
sys_riscv_flush_icache(const uint64_t *args)
{
    if (args[2] & ~1UL)
        return -EINVAL;
    icache_flush(&current_thread()->vm->mmu);
    return 0;
}

/* One pair, from what the vDSO answers from too. */
static void
answer(struct hwprobe_pair *pair)
{
    bool known = (uint64_t)pair->key < HWPROBE_NKEYS;

    pair->value = known ? vdso_data.hwprobe[pair->key] : 0;
    if (!known)
        pair->key = -1;
}

/* riscv_hwprobe(pairs, npairs, size of mask, mask, flags). All harts have the same answers. */
static int64_t
sys_riscv_hwprobe(const uint64_t *args)
{
    struct hwprobe_pair pair;
    cpumask_t mask = 0;

    if (args[4])
        return -EINVAL;
    if (args[2] || args[3]) {
        if (copyin(&mask, args[3], min(args[2], sizeof(mask))) < 0)
            return -EFAULT;
        if (!(mask & harts_online))
            return -EINVAL;
    }
    for (uint64_t i = 0; i < args[1]; i++) {
        vaddr_t at = args[0] + i * sizeof(pair);
        if (copyin(&pair, at, sizeof(pair)) < 0)
            return -EFAULT;
        answer(&pair);
        if (copyout(at, &pair, sizeof(pair)) < 0)
            return -EFAULT;
        /* Their number is the user's. */
        if (i % HWPROBE_BATCH == HWPROBE_BATCH - 1) {
            preempt_point();
            if (signal_fatal_pending())
                return -EINTR;
        }
    }
    return 0;
}

const struct syscall_row riscv_syscalls[] = {
    {__NR_riscv_flush_icache, sys_riscv_flush_icache},
    {NR_RISCV_HWPROBE, sys_riscv_hwprobe},
    {0, NULL},
};
