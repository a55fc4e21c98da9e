/*
 * Decoders: the calls that only RISC-V has.
 */
#include "arch/riscv/machine.h"
#include "arch/riscv/tlb.h"
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

/* riscv_flush_icache(start, end, flags): flag 1 asks for the current thread alone. */
static int64_t
sys_riscv_flush_icache(const uint64_t *args)
{
    if (args[2] & ~1UL)
        return -EINVAL;
    icache_flush(&current_thread()->vm->mmu);
    return 0;
}

/*
 * riscv_hwprobe(pairs, npairs, size of mask, mask, flags). Numbers: Linux,
 * Documentation/riscv/hwprobe.rst.
 */
#define NR_RISCV_HWPROBE 258 /* newer headers than 6.1 call it __NR_riscv_hwprobe */
enum { HWPROBE_MVENDORID, HWPROBE_MARCHID, HWPROBE_MIMPID, HWPROBE_BASE, HWPROBE_EXT, HWPROBE_SPEED };
#define HWPROBE_BASE_IMA 1UL
#define HWPROBE_EXT_FD BIT(0)
#define HWPROBE_EXT_C BIT(1)
#define HWPROBE_EXT_ZBA BIT(3)
#define HWPROBE_EXT_ZBB BIT(4)
#define HWPROBE_EXT_ZBS BIT(5)

struct hwprobe_pair {
    int64_t key;
    uint64_t value;
};

static void
answer(struct hwprobe_pair *pair)
{
    uint64_t extensions = machine.extensions;

    pair->value = 0;
    switch (pair->key) {
    case HWPROBE_MVENDORID:
    case HWPROBE_MARCHID:
    case HWPROBE_MIMPID:
    case HWPROBE_SPEED: /* of misaligned accesses: unknown */
        break;
    case HWPROBE_BASE:
        pair->value = HWPROBE_BASE_IMA;
        break;
    case HWPROBE_EXT:
        pair->value = HWPROBE_EXT_FD | HWPROBE_EXT_C;
        pair->value |= extensions & EXT_ZBA ? HWPROBE_EXT_ZBA : 0;
        pair->value |= extensions & EXT_ZBB ? HWPROBE_EXT_ZBB : 0;
        pair->value |= extensions & EXT_ZBS ? HWPROBE_EXT_ZBS : 0;
        break;
    default:
        pair->key = -1;
    }
}

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
    }
    return 0;
}

const struct syscall_row riscv_syscalls[] = {
    {__NR_riscv_flush_icache, sys_riscv_flush_icache},
    {NR_RISCV_HWPROBE, sys_riscv_hwprobe},
    {0, NULL},
};
