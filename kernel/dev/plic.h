/*
 * The platform-level interrupt controller: which device's interrupt goes to
 * which hart.
 */
#ifndef QUIRE_DEV_PLIC_H
#define QUIRE_DEV_PLIC_H

#include "lib/types.h"

/* Map the controller and become trap_ops.external_interrupt. Boot hart, once, before any irq_register(). */
void plic_init(void);
/* Let interrupts through to this hart. Every hart, the boot hart too. */
void plic_init_hart(void);

/*
 * Call handler(arg), in interrupt context, whenever source `irq` fires. The
 * name is for /proc/interrupts. One handler a source. 0; -EINVAL (no such
 * source), -EBUSY. Interrupts go to the boot hart until irq_set_hart().
 */
int irq_register(uint32_t irq, const char *name, void (*handler)(void *arg), void *arg);
/* Send a source to the hart of that index from now on. 0 or -EINVAL. */
int irq_set_hart(uint32_t irq, uint32_t hart);
/* Call fn for each registered source, with how often it fired on each hart index (nharts of them). */
void irq_foreach(void (*fn)(void *ctx, uint32_t irq, const char *name, const uint64_t *counts),
                 void *ctx);

#endif
