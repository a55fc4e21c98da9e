/*
 * The clock: the time CSR, scaled to nanoseconds.
 */
#include "arch/riscv/clock.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/sbi.h"

uint64_t clock_mult, clock_base;
uint32_t clock_shift;
bool clock_user_readable = true;
static uint64_t ticks_mult; /* ns to ticks: ticks = ns * ticks_mult >> 32 */

void
clock_init(void)
{
    /*
     * ns = ticks * mult >> shift. With a 24-bit mult at 1 GHz and a larger one
     * for slower clocks, the product is taken in 128 bits, so it never overflows.
     */
    clock_shift = 24;
    clock_mult = (NSEC_PER_SEC << clock_shift) / machine.timebase;
    clock_base = rdtime();
    ticks_mult = (machine.timebase << 32) / NSEC_PER_SEC; /* timebase is a 32-bit cell */
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
    if (deadline != ~0UL) {
        unsigned __int128 product = (unsigned __int128)deadline * ticks_mult;
        product = (product >> 32) + 1 + clock_base;
        if (product < ~0UL)
            ticks = (uint64_t)product;
    }
    if (machine.extensions & EXT_SSTC)
        write_stimecmp(ticks);
    else
        sbi_set_timer(ticks);
}
