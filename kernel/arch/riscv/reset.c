/*
 * Ending the machine: through the firmware (SBI SRST), else through the test
 * device (QEMU's hw/misc/sifive_test: 0x5555 pass, 0x3333 | code << 16 fail,
 * 0x7777 reset).
 *
 * A failure goes to the test device first: it alone can give QEMU a failing
 * exit status.
 */
#include "arch/riscv/csr.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/sbi.h"

#define TEST_FAIL 0x3333U
#define TEST_PASS 0x5555U
#define TEST_RESET 0x7777U

#define SRST_SHUTDOWN 0
#define SRST_COLD_REBOOT 1

static volatile uint32_t *test_registers;

void
machine_reset_init(volatile void *registers)
{
    test_registers = registers;
}

static void
write_test(uint32_t value)
{
    if (test_registers)
        *test_registers = value;
}

void
machine_poweroff(bool failed)
{
    interrupts_off();
    if (failed)
        write_test(1U << 16 | TEST_FAIL);
    sbi_system_reset(SRST_SHUTDOWN, failed);
    write_test(TEST_PASS);
    for (;;)
        wfi();
}

void
machine_reboot(void)
{
    interrupts_off();
    sbi_system_reset(SRST_COLD_REBOOT, 0);
    write_test(TEST_RESET);
    for (;;)
        wfi();
}
