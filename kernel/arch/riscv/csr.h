/*
 * Control and status registers (privileged specification 20211203) and the
 * instructions that go with them. Numbers are the specification's: sstatus
 * 4.1.1, sie/sip 4.1.3, scause table 4.2, satp 4.1.11.
 */
#ifndef QUIRE_ARCH_CSR_H
#define QUIRE_ARCH_CSR_H

#ifdef __ASSEMBLER__
#define CSR_BITS(n) n
#else
#define CSR_BITS(n) n##UL
#endif

#define SSTATUS_SIE (CSR_BITS(1) << 1)
#define SSTATUS_SPIE (CSR_BITS(1) << 5)
#define SSTATUS_SPP (CSR_BITS(1) << 8)
#define SSTATUS_FS (CSR_BITS(3) << 13) /* floating point: 0 off, 1 initial, 2 clean, 3 dirty */
#define SSTATUS_FS_OFF (CSR_BITS(0) << 13)
#define SSTATUS_FS_INITIAL (CSR_BITS(1) << 13)
#define SSTATUS_FS_CLEAN (CSR_BITS(2) << 13)
#define SSTATUS_FS_DIRTY (CSR_BITS(3) << 13)
#define SSTATUS_SUM (CSR_BITS(1) << 18)
#define SSTATUS_MXR (CSR_BITS(1) << 19)

#define SIE_SSIE (CSR_BITS(1) << 1) /* software interrupts: from other harts */
#define SIE_STIE (CSR_BITS(1) << 5) /* timer */
#define SIE_SEIE (CSR_BITS(1) << 9) /* external: the PLIC */

#define SCAUSE_INTERRUPT (CSR_BITS(1) << 63)
#define IRQ_SOFTWARE 1
#define IRQ_TIMER 5
#define IRQ_EXTERNAL 9

#define EXC_INSN_MISALIGNED 0
#define EXC_INSN_ACCESS 1
#define EXC_ILLEGAL 2
#define EXC_BREAKPOINT 3
#define EXC_LOAD_MISALIGNED 4
#define EXC_LOAD_ACCESS 5
#define EXC_STORE_MISALIGNED 6
#define EXC_STORE_ACCESS 7
#define EXC_ECALL_USER 8
#define EXC_INSN_PAGE 12
#define EXC_LOAD_PAGE 13
#define EXC_STORE_PAGE 15

#define SATP_MODE_SV39 (CSR_BITS(8) << 60)
#define SATP_MODE_SV48 (CSR_BITS(9) << 60)
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK CSR_BITS(0xffff)
#define SATP_PPN_MASK ((CSR_BITS(1) << 44) - 1)

#define SCOUNTEREN_TM (CSR_BITS(1) << 1) /* user mode may read the time CSR (4.1.5) */

/* stimecmp of Sstc; assemblers of 2022 do not know it by name. */
#define CSR_STIMECMP 0x14d

#ifndef __ASSEMBLER__

#include "lib/types.h"

#define csr_read(csr)                                                                              \
    ({                                                                                             \
        uint64_t csr_value;                                                                        \
        __asm__ volatile("csrr %0, " csr : "=r"(csr_value) : : "memory");                          \
        csr_value;                                                                                 \
    })
#define csr_write(csr, value) __asm__ volatile("csrw " csr ", %0" : : "rK"(value) : "memory")
#define csr_set(csr, bits) __asm__ volatile("csrs " csr ", %0" : : "rK"(bits) : "memory")
#define csr_clear(csr, bits) __asm__ volatile("csrc " csr ", %0" : : "rK"(bits) : "memory")

static inline uint64_t
rdtime(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

static inline void
write_stimecmp(uint64_t ticks)
{
    __asm__ volatile("csrw 0x14d, %0" : : "r"(ticks) : "memory");
}

/* Wait for an interrupt that sie enables; sstatus.SIE does not matter (3.3.3). */
static inline void
wfi(void)
{
    __asm__ volatile("wfi" : : : "memory");
}

static inline bool
interrupts_enabled(void)
{
    return csr_read("sstatus") & SSTATUS_SIE;
}

static inline void
interrupts_on(void)
{
    csr_set("sstatus", SSTATUS_SIE);
}

static inline void
interrupts_off(void)
{
    csr_clear("sstatus", SSTATUS_SIE);
}

#endif
#endif
