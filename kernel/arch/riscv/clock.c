/*
 * The clock: the time CSR, scaled to nanoseconds.
 */
#include "arch/riscv/clock.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"

uint64_t clock_mult, clock_base;
uint32_t clock_shift;
bool clock_user_readable = true;

void
clock_init(void)
{
    /*
     * ns = ticks * mult >> shift. With a 24-bit mult at 1 GHz and a larger one
     * for slower clocks, the product is taken in 128 bits, so it never overflows.
     */
    clock_shift = CLOCK_SHIFT;
    clock_mult = (NSEC_PER_SEC << clock_shift) / machine.timebase;
    if (clock_mult > CLOCK_MULT_MAX)
        panic("a timebase of %lu Hz is too slow", machine.timebase);
    clock_base = rdtime();
}

uint64_t
clock_now(void)
{
    return clock_scale(rdtime() - clock_base, clock_mult, clock_shift);
}

void
clock_init_hart(void)
{
    csr_set("scounteren", SCOUNTEREN_TM);
    if (!(csr_read("scounteren") & SCOUNTEREN_TM))
        clock_user_readable = false;
}

void
clock_set_deadline(uint64_t deadline)
{
    uint64_t ticks = ~0UL;
    if (deadline != ~0UL &&
        __builtin_add_overflow(clock_unscale(deadline, clock_mult, clock_shift), clock_base, &ticks))
        ticks = ~0UL;
    if (machine.extensions & EXT_SSTC)
        write_stimecmp(ticks);
    else
        sbi_set_timer(ticks);
}
