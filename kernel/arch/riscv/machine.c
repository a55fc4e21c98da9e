/*
 * Reading the device tree (devicetree specification 0.4; bindings named at
 * each function).
 */
#include "arch/riscv/machine.h"

#include "arch/riscv/image.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/klog.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "arch/riscv/layout.h"

struct machine machine;

static struct fdt fdt;

static void
add_range(struct phys_range *ranges, unsigned *count, unsigned max, uint64_t start, uint64_t size)
{
    if (size == 0)
        return;
    if (*count == max) {
        pr_warn("device tree: more than %u memory ranges; 0x%lx+0x%lx is ignored", max, start, size);
        return;
    }
    ranges[(*count)++] = (struct phys_range){.start = start, .size = size};
}

/* Memory nodes, the reservation block, and /reserved-memory (specification 3.4, 3.5). */
static void
read_memory(void)
{
    uint64_t start, size;
    fdt_node node = FDT_NONE;
    while ((node = fdt_find_device_type(&fdt, node, "memory")) != FDT_NONE)
        for (uint32_t i = 0; fdt_reg(&fdt, node, i, &start, &size) == 0; i++)
            add_range(machine.ram, &machine.nram, MAX_BANKS, start, size);
    if (machine.nram == 0)
        panic("the device tree names no memory");

    for (uint32_t i = 0; fdt_reserved(&fdt, i, &start, &size); i++)
        add_range(machine.reserved, &machine.nreserved, MAX_RESERVED, start, size);
    fdt_node parent = fdt_find_path(&fdt, "/reserved-memory");
    if (parent != FDT_NONE) {
        FDT_FOREACH_CHILD(node, &fdt, parent)
            for (uint32_t i = 0; fdt_reg(&fdt, node, i, &start, &size) == 0; i++)
                add_range(machine.reserved, &machine.nreserved, MAX_RESERVED, start, size);
    }
}

/* True if an ISA string ("rv64imafdc_zba_sstc") has a multi-letter extension. */
static bool
isa_string_has(const char *isa, const char *extension)
{
    size_t length = strlen(extension);
    for (const char *p = strchr(isa, '_'); p; p = strchr(p + 1, '_'))
        if (strncmp(p + 1, extension, length) == 0 && (p[1 + length] == '_' || p[1 + length] == 0))
            return true;
    return false;
}

/* Extensions of one cpu node: riscv,isa-extensions if it is there, else riscv,isa. */
static uint64_t
read_extensions(fdt_node cpu)
{
    static const struct {
        const char *name;
        uint64_t bit;
    } known[] = {
        {"sstc", EXT_SSTC},     {"svnapot", EXT_SVNAPOT}, {"svinval", EXT_SVINVAL},
        {"svpbmt", EXT_SVPBMT}, {"zba", EXT_ZBA},         {"zbb", EXT_ZBB},
        {"zbs", EXT_ZBS},       {"zicboz", EXT_ZICBOZ},
    };
    bool list = fdt_has_prop(&fdt, cpu, "riscv,isa-extensions");
    const char *isa = fdt_prop_string(&fdt, cpu, "riscv,isa", 0);
    uint64_t bits = 0;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (list ? fdt_prop_has_string(&fdt, cpu, "riscv,isa-extensions", known[i].name)
                 : isa && isa_string_has(isa, known[i].name))
            bits |= known[i].bit;
    return bits;
}

/* The block that cbo.zero clears, the smallest of all harts: steps of that are right on each. */
static void
read_cboz_size(fdt_node cpu)
{
    uint32_t size = 0;
    fdt_prop_cell(&fdt, cpu, "riscv,cboz-block-size", 0, &size);
    if (machine.cboz_size == 0 || size < machine.cboz_size)
        machine.cboz_size = size;
}

/* /cpus (specification 3.8 and riscv's cpus.yaml); the boot hart gets index 0. */
static void
read_harts(uint32_t boot_hartid)
{
    machine.boot_hartid = boot_hartid;
    machine.hartids[0] = boot_hartid;
    machine.nharts = 1;
    machine.extensions = ~0UL;
    fdt_node cpus = fdt_find_path(&fdt, "/cpus");
    uint32_t timebase = 0;
    if (cpus != FDT_NONE)
        fdt_prop_cell(&fdt, cpus, "timebase-frequency", 0, &timebase);

    fdt_node cpu = FDT_NONE;
    while ((cpu = fdt_find_device_type(&fdt, cpu, "cpu")) != FDT_NONE) {
        uint64_t hartid, unused;
        if (!fdt_enabled(&fdt, cpu) || fdt_reg(&fdt, cpu, 0, &hartid, &unused) != 0)
            continue;
        if (timebase == 0)
            fdt_prop_cell(&fdt, cpu, "timebase-frequency", 0, &timebase);
        machine.extensions &= read_extensions(cpu);
        read_cboz_size(cpu);
        if (hartid == boot_hartid) {
            const char *isa = fdt_prop_string(&fdt, cpu, "riscv,isa", 0);
            strscpy(machine.isa, isa ? isa : "rv64imafdc", sizeof(machine.isa));
        } else if (machine.nharts < MAX_HARTS) {
            machine.hartids[machine.nharts++] = hartid;
        }
    }
    if (timebase == 0)
        panic("the device tree does not tell the timebase frequency");
    machine.timebase = timebase;
}

/* First register range and first interrupt of a device. */
static struct machine_device
read_device(fdt_node node)
{
    struct machine_device device = {};
    if (node != FDT_NONE && fdt_reg(&fdt, node, 0, &device.reg.start, &device.reg.size) == 0)
        fdt_prop_cell(&fdt, node, "interrupts", 0, &device.irq);
    return device;
}

/* The hart index of a cpu's interrupt controller, by phandle; -1 if it is none of ours. */
static int
hart_of_controller(uint32_t phandle)
{
    fdt_node controller = fdt_find_phandle(&fdt, phandle);
    uint64_t hartid, unused;
    if (controller == FDT_NONE ||
        fdt_reg(&fdt, fdt_parent(&fdt, controller), 0, &hartid, &unused) != 0)
        return -1;
    for (unsigned i = 0; i < machine.nharts; i++)
        if (machine.hartids[i] == hartid)
            return i;
    return -1;
}

/* PLIC: contexts are numbered by their place in interrupts-extended (sifive,plic-1.0.0.yaml). */
static void
read_plic(void)
{
    for (unsigned i = 0; i < MAX_HARTS; i++)
        machine.plic_context[i] = ~0U;
    fdt_node node = fdt_find_compatible(&fdt, FDT_NONE, "sifive,plic-1.0.0");
    if (node == FDT_NONE)
        node = fdt_find_compatible(&fdt, FDT_NONE, "riscv,plic0");
    if (node == FDT_NONE)
        return;
    fdt_reg(&fdt, node, 0, &machine.plic.start, &machine.plic.size);
    fdt_prop_cell(&fdt, node, "riscv,ndev", 0, &machine.plic_nsources);
    uint32_t phandle, irq;
    for (uint32_t context = 0;
         fdt_prop_cell(&fdt, node, "interrupts-extended", 2 * context, &phandle) == 0 &&
         fdt_prop_cell(&fdt, node, "interrupts-extended", 2 * context + 1, &irq) == 0;
         context++) {
        int index = irq == 9 ? hart_of_controller(phandle) : -1; /* 9: supervisor external */
        if (index >= 0)
            machine.plic_context[index] = context;
    }
}

/* The console: /chosen stdout-path if it is an 8250, else the first one. */
static void
read_uart(fdt_node chosen)
{
    fdt_node node = FDT_NONE;
    char path[128];
    const char *stdout_path =
        chosen == FDT_NONE ? NULL : fdt_prop_string(&fdt, chosen, "stdout-path", 0);
    if (stdout_path && strscpy(path, stdout_path, sizeof(path)) > 0) {
        char *options = strchr(path, ':');
        if (options)
            *options = 0;
        node = fdt_find_path(&fdt, path);
    }
    if (node == FDT_NONE || !fdt_prop_has_string(&fdt, node, "compatible", "ns16550a"))
        node = fdt_find_compatible(&fdt, FDT_NONE, "ns16550a");
    if (node == FDT_NONE)
        return;
    machine.uart = read_device(node);
    machine.uart_reg_width = 1;
    fdt_prop_cell(&fdt, node, "clock-frequency", 0, &machine.uart_clock);
    fdt_prop_cell(&fdt, node, "reg-shift", 0, &machine.uart_reg_shift);
    fdt_prop_cell(&fdt, node, "reg-io-width", 0, &machine.uart_reg_width);
}

/* /chosen (specification 3.6), and Linux's initrd and seed properties in it. */
static void
read_chosen(fdt_node chosen)
{
    if (chosen == FDT_NONE)
        return;
    const char *bootargs = fdt_prop_string(&fdt, chosen, "bootargs", 0);
    if (bootargs)
        strscpy(machine.bootargs, bootargs, sizeof(machine.bootargs));
    uint64_t start, end;
    if (fdt_prop_number(&fdt, chosen, "linux,initrd-start", &start) == 0 &&
        fdt_prop_number(&fdt, chosen, "linux,initrd-end", &end) == 0 && end > start)
        machine.initrd = (struct phys_range){.start = start, .size = end - start};
    uint32_t size = 0;
    const void *seed = fdt_prop(&fdt, chosen, "rng-seed", &size);
    if (seed) {
        machine.rng_seed_size = min(size, (uint32_t)sizeof(machine.rng_seed));
        memcpy(machine.rng_seed, seed, machine.rng_seed_size);
    }
}

void
machine_init(const void *dtb, paddr_t dtb_pa, uint32_t boot_hartid)
{
    size_t size = fdt_total_size(dtb);
    if (size == 0 || fdt_init(&fdt, dtb, size) != 0)
        panic("there is no device tree at 0x%lx", dtb_pa);
    machine.dtb = (struct phys_range){.start = dtb_pa, .size = size};
    machine.image.size = (uint64_t)(_end - _text);
    machine.image.start = (vaddr_t)_text - image_offset;
    const char *model = fdt_prop_string(&fdt, fdt_root(&fdt), "model", 0);
    strscpy(machine.model, model ? model : "unknown", sizeof(machine.model));

    read_memory();
    read_harts(boot_hartid);
    read_plic();
    fdt_node chosen = fdt_find_path(&fdt, "/chosen");
    read_chosen(chosen);
    read_uart(chosen);
    fdt_node node = FDT_NONE;
    while ((node = fdt_find_compatible(&fdt, node, "virtio,mmio")) != FDT_NONE)
        if (machine.nvirtio < MAX_VIRTIO)
            machine.virtio[machine.nvirtio++] = read_device(node);
    machine.test_device = read_device(fdt_find_compatible(&fdt, FDT_NONE, "sifive,test0")).reg;
    machine.rtc = read_device(fdt_find_compatible(&fdt, FDT_NONE, "google,goldfish-rtc"));
}

bool
machine_bootarg(const char *name, char *buf, size_t size)
{
    return bootarg_get(machine.bootargs, name, buf, size) >= 0;
}
