/*
 * Calls to the firmware (RISC-V SBI specification 2.0; chapter numbers below).
 */
#ifndef QUIRE_ARCH_SBI_H
#define QUIRE_ARCH_SBI_H

#include "arch/riscv/hart.h"
#include "lib/types.h"

struct sbi_result {
    long error; /* 0, or negative: SBI's numbers, not errno (ch. 3) */
    long value;
};

/* True if the firmware implements extension `id` (ch. 4.5). */
bool sbi_has_extension(uint64_t id);
/* One character to the debug console (ch. 5, legacy console putchar). */
void sbi_putchar(char c);
/* Program the timer in ticks (ch. 6); for harts without Sstc. */
void sbi_set_timer(uint64_t ticks);
/* Interrupt the harts (by index) in mask (ch. 7). */
void sbi_send_ipi(cpumask_t mask);
/* sfence.vma on the harts in mask, and wait for it (ch. 8). asid ~0: every ASID. size ~0: all. */
void sbi_remote_fence(cpumask_t mask, vaddr_t start, uint64_t size, uint64_t asid);
/* fence.i on the harts in mask. */
void sbi_remote_fence_i(cpumask_t mask);
/* Start a stopped hart at physical address `entry` with a1 = opaque (ch. 9). Returns SBI's error. */
long sbi_hart_start(uint32_t hartid, paddr_t entry, uint64_t opaque);
/* Power off (0) or cold reboot (1) with reason 0 none or 1 failure (ch. 10). Returns if it cannot. */
void sbi_system_reset(uint32_t type, uint32_t reason);

#endif
