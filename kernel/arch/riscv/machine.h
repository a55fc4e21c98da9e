/*
 * The machine, as the device tree describes it. Everything that Quire knows
 * about its hardware comes from here; no address of any board is compiled in.
 */
#ifndef QUIRE_ARCH_MACHINE_H
#define QUIRE_ARCH_MACHINE_H

#include "arch/riscv/hart.h"
#include "lib/fdt.h"
#include "lib/types.h"

#define MAX_BANKS 16
#define MAX_RESERVED 32
#define MAX_VIRTIO 32

struct phys_range {
    paddr_t start;
    uint64_t size;
};

/* Extensions that some hart may lack; set only if every hart has it. */
#define EXT_SSTC BIT(0)
#define EXT_SVNAPOT BIT(1)
#define EXT_SVINVAL BIT(2)
#define EXT_SVPBMT BIT(3)
#define EXT_ZBA BIT(4)
#define EXT_ZBB BIT(5)
#define EXT_ZBS BIT(6)
#define EXT_ZICBOZ BIT(7)

struct machine_device {
    struct phys_range reg;
    uint32_t irq; /* PLIC source; 0: none */
};

struct machine {
    struct phys_range ram[MAX_BANKS];
    unsigned nram;
    struct phys_range reserved[MAX_RESERVED]; /* not to be used as RAM: firmware, /reserved-memory */
    unsigned nreserved;
    struct phys_range image; /* the kernel's own, .bss included */
    struct phys_range dtb;
    struct phys_range initrd; /* size 0: none */
    uint32_t boot_hartid;
    uint32_t hartids[MAX_HARTS]; /* boot hart first */
    unsigned nharts;
    uint64_t timebase; /* ticks of the time CSR a second */
    uint64_t extensions;
    uint32_t cboz_size; /* bytes that cbo.zero clears on every hart (Zicboz); 0: not known */
    char isa[128];     /* riscv,isa of the boot hart */
    struct machine_device uart; /* ns16550a; reg.size 0: none */
    uint32_t uart_clock, uart_reg_shift, uart_reg_width;
    struct phys_range plic;
    uint32_t plic_nsources;
    uint32_t plic_context[MAX_HARTS]; /* supervisor context of each hart index; ~0: none */
    struct machine_device virtio[MAX_VIRTIO];
    unsigned nvirtio;
    struct phys_range test_device; /* sifive,test: poweroff and reboot */
    struct machine_device rtc;     /* google,goldfish-rtc */
    uint8_t rng_seed[64];
    unsigned rng_seed_size;
    char bootargs[2048];
    char model[64];
};

extern struct machine machine;

/*
 * Read the device tree at dtb (mapped) into `machine`. Panics, with a
 * sentence, if the tree lacks what no kernel can do without (RAM, a
 * timebase).
 */
void machine_init(const void *dtb, paddr_t dtb_pa, uint32_t boot_hartid);

/* Where the test device's registers are mapped; NULL if there is none. */
void machine_reset_init(volatile void *registers);
/* End the machine: through SBI SRST, or the test device. `failed`: QEMU exits with a failing status. */
void machine_poweroff(bool failed) __noreturn;
void machine_reboot(void) __noreturn;

/* Boot arguments (lib/parse.h reads them): value of name in buf; false if absent. */
bool machine_bootarg(const char *name, char *buf, size_t size);

#endif
