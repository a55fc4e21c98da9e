/*
 * The ns16550 and its kin, with the 16-byte FIFOs of the 16550A (PC16550D
 * data sheet).
 *
 * Output waits in the terminal's ring. Whoever puts bytes there calls
 * start(), which fills the transmitter at once as far as it takes them; what is
 * left goes out from the interrupt "transmitter empty", which is enabled only
 * while the ring holds something. Input is read by the interrupt handler while
 * the line discipline has room; when it has none, the receive interrupt is
 * switched off, the FIFO fills, and the other side waits.
 *
 * The kernel log writes past the ring, by polling, from any context: it first
 * sends what the ring holds, so that the order on the screen is the order of
 * events. A panic may find the lock held by a hart that was stopped, so this
 * path waits for it only so long.
 *
 * Locks: uart.lock guards the registers and the consumer's side of the ring.
 * It is taken inside tty->lock and nothing is taken inside it.
 */
#include "arch/riscv/clock.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "dev/mmio.h"
#include "dev/plic.h"
#include "dev/tty.h"
#include "dev/uart.h"
#include "mem/kspace.h"
#include "vfs/inode.h"

/* Registers (data sheet, table II). */
#define UART_RBR 0 /* read: received byte */
#define UART_THR 0 /* write: byte to send */
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5

#define IER_RECEIVED 0x01
#define IER_TRANSMITTER 0x02
#define FCR_ENABLE 0x01
#define FCR_CLEAR 0x06 /* both FIFOs */
#define FCR_TRIGGER_1 0x00 /* interrupt at the first byte */
#define LCR_8N1 0x03
#define MCR_DTR_RTS_OUT2 0x0b
#define LSR_READY 0x01
#define LSR_BREAK 0x10
#define LSR_EMPTY 0x20 /* the transmit FIFO is empty */
#define LSR_IDLE 0x40  /* and the shift register too */

#define FIFO_SIZE 16
#define BUDGET 512     /* bytes sent at most with the lock held once */
#define LOCK_TRIES 1000000
#define POLL_NSEC (200 * NSEC_PER_MSEC) /* how long a byte may take before we give it up, */
#define FLUSH_NSEC (5 * NSEC_PER_SEC)   /* and when the machine is about to end */

/* Guarded by: (L) lock  (C) constant after uart_init() */
static struct {
    struct spinlock lock;
    volatile uint8_t *registers; /* (C) NULL: no port */
    uint32_t reg_shift, reg_width; /* (C) */
    uint8_t ier;                 /* (L) what the register holds */
    bool deaf;                   /* (L) the other side does not take our bytes */
    struct tty tty;
} uart = {.lock = SPINLOCK_INIT("uart")};

static uint8_t
reg_read(unsigned reg)
{
    volatile uint8_t *address = uart.registers + (reg << uart.reg_shift);
    return uart.reg_width == 4 ? (uint8_t)mmio_read32(address) : mmio_read8(address);
}

static void
reg_write(unsigned reg, uint8_t value)
{
    volatile uint8_t *address = uart.registers + (reg << uart.reg_shift);
    if (uart.reg_width == 4)
        mmio_write32(address, value);
    else
        mmio_write8(address, value);
}

/* Enable or disable interrupts; lock held. */
static void
set_ier(uint8_t bit, bool on)
{
    uint8_t ier = on ? uart.ier | bit : uart.ier & ~bit;
    if (ier != uart.ier) {
        uart.ier = ier;
        reg_write(UART_IER, ier);
    }
}

/* Move bytes from the ring to the transmitter while it is empty. Lock held. */
static void
transmit(uint32_t budget)
{
    struct ring *ring = &uart.tty.output;
    while (budget && !uart.tty.stopped && !ring_empty(ring) && (reg_read(UART_LSR) & LSR_EMPTY)) {
        uint8_t burst[FIFO_SIZE];
        uint32_t n = ring_read(ring, burst, min(budget, (uint32_t)FIFO_SIZE));
        for (uint32_t i = 0; i < n; i++)
            reg_write(UART_THR, burst[i]);
        budget -= n;
    }
    set_ier(IER_TRANSMITTER, !uart.tty.stopped && !ring_empty(ring));
}

/* The terminal's driver. */

static void
uart_tty_start(struct tty *tty __unused)
{
    SCOPED_SPIN(&uart.lock);
    transmit(BUDGET);
}

static void
uart_tty_discard(struct tty *tty)
{
    SCOPED_SPIN(&uart.lock);
    ring_clear(&tty->output);
    set_ier(IER_TRANSMITTER, false);
}

static void
uart_tty_unthrottle(struct tty *tty __unused)
{
    SCOPED_SPIN(&uart.lock);
    set_ier(IER_RECEIVED, true);
}

static uint32_t
uart_tty_in_flight(struct tty *tty __unused)
{
    SCOPED_SPIN(&uart.lock);
    return reg_read(UART_LSR) & LSR_IDLE ? 0 : 1;
}

static const struct tty_driver uart_tty_driver = {
    .start = uart_tty_start,
    .discard = uart_tty_discard,
    .unthrottle = uart_tty_unthrottle,
    .in_flight = uart_tty_in_flight,
};

/* The interrupt. */

/* Read what has arrived, at most `size` bytes. *is_break: a break ended it. */
static uint32_t
receive(uint8_t *buf, uint32_t size, bool *is_break)
{
    SCOPED_SPIN(&uart.lock);
    uint32_t n = 0;
    while (n < size && !*is_break) {
        uint8_t status = reg_read(UART_LSR);
        if (!(status & LSR_READY))
            break;
        uint8_t byte = reg_read(UART_RBR);
        if (status & LSR_BREAK)
            *is_break = true;
        else
            buf[n++] = byte;
    }
    return n;
}

/* Room for input. Where there is none, stop listening until unthrottle() is called. */
static uint32_t
input_room(struct tty *tty)
{
    uint32_t room = tty_input_room(tty);
    if (room)
        return room;
    spin_lock(&uart.lock);
    set_ier(IER_RECEIVED, false);
    spin_unlock(&uart.lock);
    /* A reader may have made room before the interrupt was off: then it has not switched it on. */
    room = tty_input_room(tty);
    if (room)
        uart_tty_unthrottle(tty);
    return room;
}

static void
uart_interrupt(void *arg)
{
    struct tty *tty = arg;
    for (;;) {
        uint8_t buf[64];
        uint32_t room = input_room(tty);
        bool is_break = false;
        uint32_t n = room ? receive(buf, min(room, (uint32_t)sizeof(buf)), &is_break) : 0;
        if (n)
            tty_input(tty, buf, n);
        if (is_break)
            tty_input_break(tty);
        if (!n && !is_break)
            break;
    }
    spin_lock(&uart.lock);
    transmit(BUDGET);
    bool low = ring_count(&tty->output) <= TTY_OUTPUT_SIZE / 2;
    spin_unlock(&uart.lock);
    if (low)
        tty_output_ready(tty);
}

/* The kernel log. */

/* Send one byte by polling; gives up if the other side takes nothing for long. */
static void
send_polled(uint8_t byte)
{
    uint64_t start = 0;
    while (!(reg_read(UART_LSR) & LSR_EMPTY)) {
        uint64_t now = clock_now();
        start = start ? start : now;
        if (uart.deaf || now - start > POLL_NSEC) {
            uart.deaf = true; /* wait no more for the bytes that follow */
            return;
        }
    }
    uart.deaf = false;
    reg_write(UART_THR, byte);
}

/* Take the lock unless its holder seems to be gone for good. */
static bool
lock_patiently(void)
{
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (spin_trylock(&uart.lock))
            return true;
    }
    return false;
}

static void
drain_polled(void)
{
    int byte;
    while (!uart.tty.stopped && !uart.deaf && (byte = ring_get(&uart.tty.output)) >= 0)
        send_polled((uint8_t)byte);
}

static void
uart_log(const char *text, size_t length)
{
    bool locked = lock_patiently();
    if (locked) /* two at the ring's end could take the same byte, and count it twice */
        drain_polled();
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            send_polled('\r');
        send_polled((uint8_t)text[i]);
    }
    if (locked)
        spin_unlock(&uart.lock);
}

void
uart_flush(void)
{
    if (!uart.registers)
        return;
    bool locked = lock_patiently();
    uint64_t deadline = clock_now() + FLUSH_NSEC;
    while (clock_now() < deadline) {
        uint8_t status = reg_read(UART_LSR);
        if (ring_empty(&uart.tty.output) && (status & LSR_IDLE))
            break;
        if (!ring_empty(&uart.tty.output) && (status & LSR_EMPTY)) {
            reg_write(UART_THR, (uint8_t)ring_get(&uart.tty.output));
            deadline = clock_now() + FLUSH_NSEC;
        }
    }
    if (locked)
        spin_unlock(&uart.lock);
}

void
uart_init(void)
{
    if (!machine.uart.reg.size)
        return;
    uart.reg_shift = machine.uart_reg_shift;
    uart.reg_width = machine.uart_reg_width;
    if (tty_init(&uart.tty, "ttyS0", dev_make(4, 64), &uart_tty_driver, NULL))
        return;
    uart.registers = ioremap(machine.uart.reg.start, machine.uart.reg.size);
    if (!uart.registers)
        return;
    /* The speed stays as the firmware set it. */
    reg_write(UART_IER, 0);
    reg_write(UART_LCR, LCR_8N1);
    reg_write(UART_FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_1);
    reg_write(UART_MCR, MCR_DTR_RTS_OUT2);
    klog_set_console(uart_log);
}

void
uart_start(void)
{
    if (!uart.registers)
        return;
    tty_register(&uart.tty);
    int error = irq_register(machine.uart.irq, "ttyS0", uart_interrupt, &uart.tty);
    if (error) {
        pr_err("uart: no interrupt (%d), so the console reads nothing", error);
        return;
    }
    SCOPED_SPIN(&uart.lock);
    set_ier(IER_RECEIVED, true);
}
