/*
 * Calls to the firmware. Extension ids are the specification's.
 */
#include "arch/riscv/sbi.h"

#include "lib/bits.h"

#define SBI_BASE 0x10
#define SBI_LEGACY_PUTCHAR 0x01
#define SBI_TIME 0x54494D45
#define SBI_IPI 0x735049
#define SBI_RFENCE 0x52464E43
#define SBI_HSM 0x48534D
#define SBI_SRST 0x53525354

static struct sbi_result
sbi_call(uint64_t extension, uint64_t function, uint64_t arg0, uint64_t arg1, uint64_t arg2,
         uint64_t arg3, uint64_t arg4)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a2 __asm__("a2") = arg2;
    register uint64_t a3 __asm__("a3") = arg3;
    register uint64_t a4 __asm__("a4") = arg4;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1)
                     : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
                     : "memory");
    return (struct sbi_result){.error = (long)a0, .value = (long)a1};
}

bool
sbi_has_extension(uint64_t id)
{
    struct sbi_result result = sbi_call(SBI_BASE, 3, id, 0, 0, 0, 0);
    return result.error == 0 && result.value != 0;
}

void
sbi_putchar(char c)
{
    sbi_call(SBI_LEGACY_PUTCHAR, 0, (uint8_t)c, 0, 0, 0, 0);
}

void
sbi_set_timer(uint64_t ticks)
{
    sbi_call(SBI_TIME, 0, ticks, 0, 0, 0, 0);
}

/*
 * SBI names harts by (mask, base) pairs of hardware ids: call fn once for each
 * run of 64 ids that the mask of indices touches.
 */
static void
for_hartids(cpumask_t mask, void (*fn)(uint64_t bits, uint64_t base, const uint64_t *args),
            const uint64_t *args)
{
    while (mask) {
        uint64_t base = harts[ctz64(mask)].hartid & ~63UL;
        uint64_t bits = 0;
        for (cpumask_t rest = mask; rest; rest &= rest - 1) {
            unsigned index = ctz64(rest);
            if ((harts[index].hartid & ~63UL) == base) {
                bits |= BIT(harts[index].hartid & 63);
                mask &= ~BIT(index);
            }
        }
        fn(bits, base, args);
    }
}

static void
call_ipi(uint64_t bits, uint64_t base, const uint64_t *args)
{
    sbi_call(SBI_IPI, 0, bits, base, 0, 0, 0);
}

static void
call_fence(uint64_t bits, uint64_t base, const uint64_t *args)
{
    if (args[2] == ~0UL)
        sbi_call(SBI_RFENCE, 1, bits, base, args[0], args[1], 0);
    else
        sbi_call(SBI_RFENCE, 2, bits, base, args[0], args[1], args[2]);
}

static void
call_fence_i(uint64_t bits, uint64_t base, const uint64_t *args)
{
    sbi_call(SBI_RFENCE, 0, bits, base, 0, 0, 0);
}

void
sbi_send_ipi(cpumask_t mask)
{
    for_hartids(mask, call_ipi, NULL);
}

void
sbi_remote_fence(cpumask_t mask, vaddr_t start, uint64_t size, uint64_t asid)
{
    uint64_t args[3] = {start, size, asid};
    for_hartids(mask, call_fence, args);
}

void
sbi_remote_fence_i(cpumask_t mask)
{
    for_hartids(mask, call_fence_i, NULL);
}

long
sbi_hart_start(uint32_t hartid, paddr_t entry, uint64_t opaque)
{
    return sbi_call(SBI_HSM, 0, hartid, entry, opaque, 0, 0).error;
}

void
sbi_system_reset(uint32_t type, uint32_t reason)
{
    if (sbi_has_extension(SBI_SRST))
        sbi_call(SBI_SRST, 0, type, reason, 0, 0, 0);
}
