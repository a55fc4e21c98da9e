/*
 * What a program asks of its harts: where it runs, what they can do, and that
 * they see code it has written.
 */
#include <asm/unistd.h>
#include "proc/vdso/user.h"

struct getcpu_cache;

int __vdso_getcpu(unsigned *cpu, unsigned *node, struct getcpu_cache *unused);
int __vdso_riscv_hwprobe(struct hwprobe_pair *pairs, size_t npairs, size_t cpusetsize,
                         unsigned long *cpus, unsigned flags);
int __vdso_flush_icache(void *start, void *end, unsigned long flags);

/*
 * Always a call: user mode has no register that tells harts apart (mhartid is
 * the machine's alone), and a page that did would have to differ from hart to
 * hart under one page table.
 */
int
__vdso_getcpu(unsigned *cpu, unsigned *node, struct getcpu_cache *unused)
{
    return (int)system_call(__NR_getcpu, (long)cpu, (long)node, (long)unused, 0, 0);
}

/* From the data page if all harts are meant; a subset, or a flag, is for the kernel to look at. */
int
__vdso_riscv_hwprobe(struct hwprobe_pair *pairs, size_t npairs, size_t cpusetsize,
                     unsigned long *cpus, unsigned flags)
{
    bool good = !cpusetsize && !cpus && !flags;

    for (size_t i = 0; good && i < npairs; i++) {
        uint64_t key;
        good = get(&key, (uint64_t *)&pairs[i].key);
        if (!good)
            break;
        bool known = key < HWPROBE_NKEYS;
        good = (known || put((uint64_t *)&pairs[i].key, -1UL)) &&
               put(&pairs[i].value, known ? vdso_data.hwprobe[key] : 0);
    }
    if (good)
        return 0;
    return (int)system_call(NR_RISCV_HWPROBE, (long)pairs, (long)npairs, (long)cpusetsize,
                            (long)cpus, flags);
}

/* Always a call: fence.i reaches this hart alone, and the thread may be moved at any moment. */
int
__vdso_flush_icache(void *start, void *end, unsigned long flags)
{
    return (int)system_call(__NR_riscv_flush_icache, (long)start, (long)end, (long)flags, 0, 0);
}
