/*
 * Terminals: opening, reading, writing, polling, and the driver's door.
 *
 * Every open makes a struct tty_file, which remembers the terminal's
 * generation. A hang-up raises the generation, and the files from before are
 * dead: they read an end of file and refuse to write. Files opened through
 * /dev/console are not bound to a generation, so that init keeps its console
 * when a session on it ends.
 *
 * Readers and writers sleep on the terminal's queues with tty->lock. A reader
 * takes what it wants out of the line buffer in one go, under the lock, into a
 * buffer of its own, and copies that to the user with the lock let go.
 */
#include <linux/capability.h>
#include <linux/signal.h>
#include "dev/ldisc.h"
#include "dev/tty.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "sched/timer.h"
#include "vfs/cred.h"
#include "vfs/inode.h"

#define READ_READY (POLLIN | POLLRDNORM)
#define WRITE_READY (POLLOUT | POLLWRNORM)
#define TENTH_SECOND (NSEC_PER_SEC / 10) /* VTIME's unit */
#define STACK_BUFFER 256                 /* reads and writes up to this need no allocation */

static struct tty *console; /* constant after boot */

/* Constant after creation. */
struct tty_file {
    struct tty *tty;
    uint32_t generation;
    bool console; /* opened as /dev/console */
};

const struct ktermios tty_default_termios = {
    .c_iflag = ICRNL | IXON,
    .c_oflag = OPOST | ONLCR,
    .c_cflag = B9600 | CS8 | CREAD | HUPCL | CLOCAL,
    .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .c_cc = {
        [VINTR] = 'C' - '@', [VQUIT] = '\\' - '@', [VERASE] = 0x7f, [VKILL] = 'U' - '@',
        [VEOF] = 'D' - '@', [VMIN] = 1, [VSTART] = 'Q' - '@', [VSTOP] = 'S' - '@',
        [VSUSP] = 'Z' - '@', [VREPRINT] = 'R' - '@', [VDISCARD] = 'O' - '@',
        [VWERASE] = 'W' - '@', [VLNEXT] = 'V' - '@',
    },
    .c_ispeed = 9600,
    .c_ospeed = 9600,
};

int
tty_init(struct tty *tty, const char *name, uint64_t rdev, const struct tty_driver *driver,
         void *driver_data)
{
    void *output = kmalloc(TTY_OUTPUT_SIZE);
    if (!output)
        return -ENOMEM;
    memset(tty, 0, sizeof(*tty));
    spin_init(&tty->lock, "tty");
    tty->name = name;
    tty->rdev = rdev;
    tty->driver = driver;
    tty->driver_data = driver_data;
    tty->termios = tty_default_termios;
    ring_init(&tty->output, output, TTY_OUTPUT_SIZE);
    waitq_init(&tty->readers);
    waitq_init(&tty->writers);
    return 0;
}

/* The driver's door. */

/* Have the driver send, and wake writers if there is room. tty->lock held. */
static void
push_output(struct tty *tty)
{
    if (!ring_empty(&tty->output))
        tty->driver->start(tty);
    if (!waitq_empty(&tty->writers) && ring_count(&tty->output) <= TTY_OUTPUT_SIZE / 2)
        wake_key(&tty->writers, WRITE_READY);
}

/* Send the foreground group the signals that input gave rise to. No lock held. */
static void
send_signals(uint64_t pgrp, uint32_t signals)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTSTP}; /* in order of LDISC_*'s bits */
    for (size_t i = 0; pgrp && i < ARRAY_SIZE(numbers); i++) {
        if (signals & BIT(i))
            tty_job_ops.signal_group(pgrp, numbers[i]);
    }
}

uint32_t
tty_input_room(struct tty *tty)
{
    SCOPED_SPIN(&tty->lock);
    uint32_t room = ldisc_room(tty);
    tty->throttled = !room;
    return room;
}

void
tty_input(struct tty *tty, const uint8_t *bytes, size_t n)
{
    uint32_t signals = 0;
    spin_lock(&tty->lock);
    for (size_t i = 0; i < n; i++)
        ldisc_input(tty, bytes[i], &signals);
    if (!(tty->termios.c_lflag & ICANON) && tty->head != tty->tail)
        wake_key(&tty->readers, READ_READY);
    push_output(tty);
    uint64_t pgrp = tty->pgrp;
    spin_unlock(&tty->lock);
    send_signals(pgrp, signals);
}

void
tty_input_break(struct tty *tty)
{
    uint32_t signals = 0;
    spin_lock(&tty->lock);
    ldisc_input_break(tty, &signals);
    wake_key(&tty->readers, READ_READY);
    uint64_t pgrp = tty->pgrp;
    spin_unlock(&tty->lock);
    send_signals(pgrp, signals);
}

void
tty_output_ready(struct tty *tty)
{
    SCOPED_SPIN(&tty->lock);
    push_output(tty);
}

/* Files. */

static inline bool
is_dead(const struct tty_file *tf)
{
    return !tf->console && tf->generation != tf->tty->generation;
}

/* The terminal that opening this device reaches; NULL with *error set if there is none. */
static struct tty *
tty_of_device(const struct device *device, int *error)
{
    if (device->private)
        return device->private;
    if (device->rdev == dev_make(5, 0)) {
        *error = -ENXIO;
        return tty_job_ops.controlling();
    }
    *error = -ENODEV;
    return console;
}

static int
tty_open(struct inode *inode __unused, struct file *file)
{
    struct device *device = device_of(file);
    int error = 0;
    struct tty *tty = tty_of_device(device, &error);
    if (!tty)
        return error;
    struct tty_file *tf = kmalloc(sizeof(*tf));
    if (!tf)
        return -ENOMEM;
    *tf = (struct tty_file){.tty = tty, .console = device->rdev == dev_make(5, 1)};

    spin_lock(&tty->lock);
    bool refused = tty->exclusive && tty->nopen && !capable(CAP_SYS_ADMIN);
    if (!refused) {
        tf->generation = tty->generation;
        tty->nopen++;
    }
    spin_unlock(&tty->lock);
    if (refused) {
        kmfree(tf);
        return -EBUSY;
    }
    file->private = tf;
    if (device->private && !(file->flags & O_NOCTTY) && (file->access & FILE_READ))
        tty_acquire(tty);
    return 0;
}

static void
tty_release(struct file *file)
{
    struct tty_file *tf = file->private;
    struct tty *tty = tf->tty;
    spin_lock(&tty->lock);
    if (--tty->nopen == 0) {
        tty->exclusive = false;
        ldisc_flush_input(tty);
        ldisc_stop_output(tty, false);
    }
    spin_unlock(&tty->lock);
    kmfree(tf);
}

/* What a read in raw mode waits for (termios(3), "Canonical and noncanonical mode"). */
struct read_goal {
    size_t minimum;     /* bytes that are enough */
    uint64_t gap;       /* ns that may pass after a byte; 0: for ever */
    uint64_t deadline;  /* of the wait now; 0: do not wait */
};

static struct read_goal
read_goal(const struct tty *tty, size_t n)
{
    struct read_goal goal = {.minimum = 1, .deadline = DEADLINE_NEVER};
    if (tty->termios.c_lflag & ICANON)
        return goal;
    size_t vmin = tty->termios.c_cc[VMIN];
    uint64_t vtime = tty->termios.c_cc[VTIME] * TENTH_SECOND;
    if (vmin) {
        goal.minimum = min(vmin, n);
        goal.gap = vtime;
    } else {
        goal.deadline = vtime ? clock_now() + vtime : 0;
    }
    return goal;
}

/* Take up to n bytes, waiting as the settings say. tty->lock held. */
static ssize_t
tty_take(struct file *file, uint8_t *buf, size_t n)
{
    struct tty_file *tf = file->private;
    struct tty *tty = tf->tty;
    struct read_goal goal = read_goal(tty, n);
    size_t done = 0;
    while (!is_dead(tf)) {
        bool canonical = tty->termios.c_lflag & ICANON;
        if (ldisc_readable(tty, false)) {
            bool ended;
            done += ldisc_take(tty, buf + done, n - done, &ended);
            if (canonical || done >= goal.minimum)
                break;
            if (goal.gap)
                goal.deadline = clock_now() + goal.gap;
            continue;
        }
        if (!goal.deadline)
            break;
        if (file->flags & O_NONBLOCK)
            return done ? (ssize_t)done : -EAGAIN;
        int error = wait_on(&tty->readers, &tty->lock, WAIT_INTERRUPTIBLE, goal.deadline);
        if (error == -ETIMEDOUT)
            break;
        if (error)
            return done ? (ssize_t)done : -ERESTARTSYS;
    }
    return (ssize_t)done;
}

static ssize_t
tty_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct tty_file *tf = file->private;
    size_t n = min(uio->residue, (size_t)TTY_LINE_SIZE);
    if (!n || is_dead(tf))
        return 0;
    int error = tty_job_check(tf->tty, SIGTTIN);
    if (error)
        return error;

    uint8_t small[STACK_BUFFER];
    uint8_t *buf = n <= sizeof(small) ? small : kmalloc(n);
    if (!buf)
        return -ENOMEM;
    spin_lock(&tf->tty->lock);
    ssize_t count = tty_take(file, buf, n);
    spin_unlock(&tf->tty->lock);
    if (count > 0 && uio_copyout(uio, buf, count) != (size_t)count)
        count = -EFAULT;
    if (buf != small)
        kmfree(buf);
    return count;
}

/* Put all n bytes into the output ring, waiting for room. Returns how many, or an error if none. */
static ssize_t
tty_put(struct file *file, const uint8_t *buf, size_t n)
{
    struct tty_file *tf = file->private;
    struct tty *tty = tf->tty;
    size_t done = 0;
    int error = 0;
    spin_lock(&tty->lock);
    while (done < n && !error) {
        if (is_dead(tf)) {
            error = -EIO;
            break;
        }
        done += opost_write(tty, buf + done, n - done);
        push_output(tty);
        if (done == n)
            break;
        if (ring_count(&tty->output) <= TTY_OUTPUT_SIZE / 2)
            continue; /* what push_output sent made room */
        if (file->flags & O_NONBLOCK)
            error = -EAGAIN;
        else if (wait_on(&tty->writers, &tty->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER))
            error = -ERESTARTSYS;
    }
    spin_unlock(&tty->lock);
    return done ? (ssize_t)done : error;
}

static ssize_t
tty_write(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct tty_file *tf = file->private;
    if (is_dead(tf))
        return -EIO;
    if (tf->tty->termios.c_lflag & TOSTOP) {
        int error = tty_job_check(tf->tty, SIGTTOU);
        if (error)
            return error;
    }

    uint8_t small[STACK_BUFFER];
    size_t size = min(uio->residue, (size_t)PAGE_SIZE);
    uint8_t *buf = size <= sizeof(small) ? small : kmalloc(size);
    if (!buf)
        return -ENOMEM;
    ssize_t done = 0, count = 0;
    while (uio->residue) {
        size_t n = uio_copyin(uio, buf, min(uio->residue, size));
        count = n ? tty_put(file, buf, n) : -EFAULT;
        if (count > 0)
            done += count;
        if (count < (ssize_t)n || !n)
            break;
    }
    if (buf != small)
        kmfree(buf);
    return done ? done : min(count, (ssize_t)0);
}

static uint32_t
tty_poll(struct file *file, struct poll_table *table)
{
    struct tty_file *tf = file->private;
    struct tty *tty = tf->tty;
    poll_wait(table, file, &tty->readers);
    poll_wait(table, file, &tty->writers);

    SCOPED_SPIN(&tty->lock);
    if (is_dead(tf))
        return READ_READY | WRITE_READY | POLLERR | POLLHUP;
    uint32_t events = 0;
    if (ldisc_readable(tty, true))
        events |= READ_READY;
    if (ring_count(&tty->output) <= TTY_OUTPUT_SIZE / 2)
        events |= WRITE_READY;
    return events;
}

static int64_t
tty_ioctl(struct file *file, uint32_t command, uint64_t arg)
{
    struct tty_file *tf = file->private;
    if (is_dead(tf))
        return command == TIOCSPGRP ? -ENOTTY : -EIO;
    int64_t result = termios_ioctl(tf->tty, command, arg);
    if (result == -ENOIOCTLCMD)
        result = tty_queue_ioctl(tf->tty, command, arg);
    if (result == -ENOIOCTLCMD)
        result = tty_job_ioctl(file, tf->tty, command, arg);
    return result == -ENOIOCTLCMD ? -ENOTTY : result;
}

int
tty_wait_sent(struct tty *tty)
{
    spin_lock(&tty->lock);
    while (!ring_empty(&tty->output) && !tty->stopped) {
        if (wait_on(&tty->writers, &tty->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER)) {
            spin_unlock(&tty->lock);
            return -ERESTARTSYS;
        }
    }
    uint32_t left = tty->driver->in_flight ? tty->driver->in_flight(tty) : 0;
    spin_unlock(&tty->lock);
    /* A device's own queue is some milliseconds long at most; give it that time. */
    if (left && sleep_until(clock_now() + 2 * NSEC_PER_MSEC, WAIT_INTERRUPTIBLE) == -EINTR)
        return -ERESTARTSYS;
    return 0;
}

static const struct file_ops tty_file_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .open = tty_open,
    .release = tty_release,
    .unseekable = true,
};

bool
file_is_tty(const struct file *file)
{
    return file->ops == &tty_file_ops;
}

/* Device nodes. */

void
tty_register(struct tty *tty)
{
    struct device *device = kzalloc(sizeof(*device));
    if (!device)
        return; /* at boot, with all memory free, this cannot be */
    device->name = tty->name;
    device->mode = S_IFCHR | 0600;
    device->rdev = tty->rdev;
    device->ops = &tty_file_ops;
    device->private = tty;
    if (!console)
        console = tty;
    device_register(device);
}

void
tty_dev_init(void)
{
    static struct device current_device = {
        .name = "tty", .mode = S_IFCHR | 0666, .rdev = 5 << 8 | 0, .ops = &tty_file_ops};
    static struct device console_device = {
        .name = "console", .mode = S_IFCHR | 0600, .rdev = 5 << 8 | 1, .ops = &tty_file_ops};
    device_register(&current_device);
    device_register(&console_device);
}
