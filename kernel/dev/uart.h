/*
 * The serial port of the device tree: the terminal ttyS0, and where the
 * kernel's messages go.
 */
#ifndef QUIRE_DEV_UART_H
#define QUIRE_DEV_UART_H

/*
 * Take the serial port over from the firmware, as the console of the kernel
 * log too, without interrupts yet. Boot hart, as soon as ioremap() and
 * kmalloc() work; does nothing if the machine has no port we know.
 */
void uart_init(void);
/* Be a terminal: register ttyS0 and take interrupts. After plic_init(). */
void uart_start(void);
/* Send all that waits in the output ring, without interrupts: before the machine ends. */
void uart_flush(void);

#endif
