/*
 * The SiFive PLIC (RISC-V platform-level interrupt controller specification
 * 1.0.0).
 *
 * Each hart has a context in it, and each context an enable bit for every
 * source. A hart that takes an external interrupt claims the source with the
 * highest priority, handles it, and completes it; until then the controller
 * does not deliver that source again, so a handler never runs on two harts at
 * once. A source is enabled for one hart only: a second one would be woken
 * just to find nothing left to claim.
 */
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/spinlock.h"
#include "arch/riscv/trap.h"
#include "dev/mmio.h"
#include "dev/plic.h"
#include "lib/errno.h"
#include "mem/kspace.h"
#include "mem/slab.h"

#define NO_CONTEXT (~0U)

/* Offsets (specification, "memory map"). */
#define PRIORITY(irq) (4UL * (irq))
#define ENABLE(context, irq) (0x2000UL + 0x80UL * (context) + 4UL * ((irq) / 32))
#define THRESHOLD(context) (0x200000UL + 0x1000UL * (context))
#define CLAIM(context) (THRESHOLD(context) + 4)

/* Guarded by: (L) irq_lock to write; handlers are read without */
struct irq {
    const char *name;
    void (*handler)(void *arg); /* NULL: not registered */
    void *arg;
    uint32_t hart;              /* (L) it goes to */
    uint64_t *counts;           /* by hart index; each written by its own hart */
};

static volatile uint8_t *plic; /* NULL: the machine has none */
static struct irq *irqs;
static uint32_t nirqs;
static struct spinlock irq_lock = SPINLOCK_INIT("irq");

static void
plic_interrupt(void)
{
    uint32_t index = this_hart()->index;
    volatile uint8_t *claim = plic + CLAIM(machine.plic_context[index]);
    uint32_t number;
    while ((number = mmio_read32(claim)) != 0) {
        struct irq *irq = number < nirqs ? &irqs[number] : NULL;
        if (irq && irq->handler) {
            irq->counts[index]++;
            irq->handler(irq->arg);
        }
        mmio_write32(claim, number);
    }
}

void
plic_init(void)
{
    if (!machine.plic.size) {
        pr_warn("plic: none in the device tree, so devices cannot interrupt");
        return;
    }
    nirqs = machine.plic_nsources + 1;
    irqs = kzalloc(nirqs * sizeof(*irqs));
    volatile uint8_t *registers = ioremap(machine.plic.start, machine.plic.size);
    if (!irqs || !registers) {
        pr_err("plic: no memory, so devices cannot interrupt");
        return;
    }
    for (uint32_t irq = 1; irq < nirqs; irq++)
        mmio_write32(registers + PRIORITY(irq), 0);
    plic = registers;
    trap_ops.external_interrupt = plic_interrupt;
}

void
plic_init_hart(void)
{
    uint32_t context = machine.plic_context[this_hart()->index];
    if (plic && context != NO_CONTEXT)
        mmio_write32(plic + THRESHOLD(context), 0);
}

/* Set or clear a source's enable bit for a hart. irq_lock held. */
static void
enable(uint32_t irq, uint32_t hart, bool on)
{
    uint32_t context = machine.plic_context[hart];
    if (context == NO_CONTEXT)
        return;
    volatile uint8_t *word = plic + ENABLE(context, irq);
    uint32_t bit = 1U << (irq % 32);
    uint32_t value = mmio_read32(word);
    mmio_write32(word, on ? value | bit : value & ~bit);
}

int
irq_register(uint32_t number, const char *name, void (*handler)(void *arg), void *arg)
{
    if (!plic || number == 0 || number >= nirqs)
        return -EINVAL;
    struct irq *irq = &irqs[number];
    uint64_t *counts = kzalloc(machine.nharts * sizeof(*counts));
    if (!counts)
        return -ENOMEM;

    SCOPED_SPIN(&irq_lock);
    if (irq->handler) {
        kmfree(counts);
        return -EBUSY;
    }
    *irq = (struct irq){.name = name, .handler = handler, .arg = arg, .counts = counts};
    mmio_write32(plic + PRIORITY(number), 1);
    enable(number, irq->hart, true);
    return 0;
}

int
irq_set_hart(uint32_t number, uint32_t hart)
{
    if (!plic || number == 0 || number >= nirqs || hart >= machine.nharts)
        return -EINVAL;
    SCOPED_SPIN(&irq_lock);
    struct irq *irq = &irqs[number];
    if (!irq->handler || machine.plic_context[hart] == NO_CONTEXT)
        return -EINVAL;
    enable(number, irq->hart, false);
    irq->hart = hart;
    enable(number, hart, true);
    return 0;
}

void
irq_foreach(void (*fn)(void *ctx, uint32_t irq, const char *name, const uint64_t *counts),
            void *ctx)
{
    for (uint32_t number = 1; number < nirqs; number++) {
        const struct irq *irq = &irqs[number];
        if (irq->handler)
            fn(ctx, number, irq->name, irq->counts);
    }
}
