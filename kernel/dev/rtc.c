/*
 * The goldfish real-time clock (QEMU, docs of the goldfish virtual hardware):
 * one 64-bit count of nanoseconds since 1970. Reading the low half latches the
 * high one, so the two belong together.
 */
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/spinlock.h"
#include "dev/mmio.h"
#include "dev/rtc.h"
#include "mem/kspace.h"

#define RTC_TIME_LOW 0x00
#define RTC_TIME_HIGH 0x04

static volatile uint8_t *rtc; /* NULL: none */
static struct spinlock rtc_lock = SPINLOCK_INIT("rtc");

void
rtc_init(void)
{
    if (machine.rtc.reg.size)
        rtc = ioremap(machine.rtc.reg.start, machine.rtc.reg.size);
    if (!rtc)
        pr_warn("rtc: no clock, so the time of day begins in 1970");
}

bool
rtc_read(uint64_t *nsec)
{
    if (!rtc)
        return false;
    SCOPED_SPIN(&rtc_lock);
    uint64_t low = mmio_read32(rtc + RTC_TIME_LOW);
    uint64_t high = mmio_read32(rtc + RTC_TIME_HIGH);
    *nsec = high << 32 | low;
    return true;
}
