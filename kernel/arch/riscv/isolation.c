/*
 * The choice between shared and strict isolation; isolation.h tells what they are.
 */
#include "arch/riscv/isolation.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "lib/string.h"

bool isolation_strict;
struct gate gates[MAX_HARTS] __attribute__((section(".data.trampoline"), aligned(PAGE_SIZE)));

_Static_assert(sizeof(gates) == PAGE_SIZE, "the gates fill one page");
_Static_assert(offsetof(struct hart, gate) == 0, "a hart is a gate, too");
_Static_assert(offsetof(struct gate, t0) == 0, "entry.S: GATE_T0");
_Static_assert(offsetof(struct gate, tp) == 8, "entry.S: GATE_TP");
_Static_assert(offsetof(struct gate, satp) == 16, "entry.S: GATE_SATP");
_Static_assert(offsetof(struct gate, user_satp) == 24, "entry.S: GATE_USER_SATP");
_Static_assert(offsetof(struct gate, flush) == 32, "entry.S: GATE_FLUSH");
_Static_assert(offsetof(struct gate, hart) == 40, "entry.S: GATE_HART");

void trap_entry(void);
void trap_entry_strict(void);

void
isolation_init(void)
{
    char word[16];
    if (!machine_bootarg("isolation", word, sizeof(word)))
        return;
    isolation_strict = strcmp(word, "strict") == 0;
    if (!isolation_strict && strcmp(word, "shared") != 0)
        pr_warn("isolation=%s: there are shared and strict; shared it is", word);
}

void
isolation_init_hart(void)
{
    struct hart *hart = this_hart();
    if (isolation_strict) {
        hart->user_gate = &gates[hart->index];
        hart->user_gate->hart = hart;
    }
    csr_write("stvec", (uint64_t)(isolation_strict ? trap_entry_strict : trap_entry));
}
