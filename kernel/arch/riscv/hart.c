/*
 * Harts: the boot hart's first C, and the start of the others.
 */
#include "arch/riscv/hart.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/image.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/spinlock.h"
#include "arch/riscv/tlb.h"
#include "arch/riscv/trap.h"
#include "arch/riscv/layout.h"
#include "lib/atomic.h"

struct hart harts[MAX_HARTS];
uint32_t nharts = 1;
cpumask_t harts_online;
void (*hart_main)(void);
vaddr_t (*hart_stack_alloc)(void);
uint64_t direct_offset, image_offset;
const uint64_t hart_struct_size = sizeof(struct hart);

_Static_assert(STACK_BASE % (2 * KSTACK_SIZE) == 0, "one bit of sp tells stack from guard");

extern char boot_stack_top[], boot_spare_top[];
extern uint64_t early_root[512];
extern char start_secondary[];

void boot_main(uint32_t hartid, paddr_t dtb, paddr_t image, paddr_t direct_start) __noreturn;
void secondary_main(uint32_t index) __noreturn;
void kernel_main(void) __noreturn;

static uint64_t no_work;

static void
hart_init(struct hart *hart, uint32_t index, uint32_t hartid, vaddr_t stack, vaddr_t spare)
{
    hart->gate = (struct gate){.satp = kernel_satp, .hart = hart};
    hart->index = index;
    hart->hartid = hartid;
    hart->kernel_sp = stack;
    hart->spare_sp = spare;
    hart->work = &no_work;
}

/*
 * The early direct map starts at the image's GiB. If there is RAM below that,
 * start it at the lowest RAM instead, so that every bank is covered.
 */
static void
cover_low_memory(paddr_t direct_start)
{
    paddr_t lowest = direct_start;
    for (unsigned i = 0; i < machine.nram; i++)
        lowest = min(lowest, ALIGN_DOWN(machine.ram[i].start, 1UL << 30));
    if (lowest == direct_start)
        return;
    uint64_t ndown = (direct_start - lowest) >> 30;
    for (unsigned i = 447; i >= 256; i--)
        early_root[i] -= ndown << 28; /* a GiB's page number, in place in the entry */
    __asm__ volatile("sfence.vma" : : : "memory");
    direct_offset = DIRECT_BASE - lowest;
}

void
boot_main(uint32_t hartid, paddr_t dtb, paddr_t image, paddr_t direct_start)
{
    image_offset = KERNEL_BASE - image;
    direct_offset = DIRECT_BASE - direct_start;
    hart_init(&harts[0], 0, hartid, (vaddr_t)boot_stack_top, (vaddr_t)boot_spare_top);
    trap_init_hart();
    if (dtb < direct_start)
        panic("the device tree lies at 0x%lx, below the kernel's GiB of memory", dtb);
    machine_init((const void *)(dtb + direct_offset), dtb, hartid);
    cover_low_memory(direct_start);
    harts[0].online = true;
    harts_online = 1;
    kernel_main();
}

void
secondary_main(uint32_t index)
{
    trap_init_hart();
    harts[index].online = true;
    __atomic_fetch_or(&harts_online, BIT(index), __ATOMIC_SEQ_CST);
    hart_main();
    panic("hart %u left its idle loop", index);
}

/* Which hart is being started now, and as what, for one that the firmware sends astray (boot.S). */
uint64_t starting_hartid __attribute__((section(".data"))) = ~0UL;
uint64_t starting_index __attribute__((section(".data")));

void
harts_start_secondary(void)
{
    for (unsigned i = 1; i < machine.nharts; i++) {
        vaddr_t stack = hart_stack_alloc(), spare = hart_stack_alloc();
        struct hart *hart = &harts[nharts];
        if (!stack || !spare)
            panic("no memory for the stacks of hart %u", i);
        hart_init(hart, nharts, machine.hartids[i], stack, spare);
        starting_index = nharts;
        store_release(&starting_hartid, hart->hartid);
        long error = sbi_hart_start(hart->hartid, (vaddr_t)start_secondary - image_offset, nharts);
        if (error) {
            pr_err("hart %u does not start: SBI error %ld", hart->hartid, error);
            continue;
        }
        nharts++;
        while (!__atomic_load_n(&hart->online, __ATOMIC_ACQUIRE))
            ;
    }
}
