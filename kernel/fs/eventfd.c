/*
 * eventfd: a 64-bit counter in the shape of a file.
 *
 * A write adds to the counter and waits if it would pass MOST; a read takes
 * what is there (a semaphore's read takes 1) and waits while that is nothing.
 */
#include "fs/eventfd.h"

#include "arch/riscv/spinlock.h"
#include "mem/slab.h"
#include "sched/wait.h"
#include "vfs/file.h"

#define MOST (UINT64_MAX - 1) /* eventfd(2) */

/* Guarded by: (L) lock  (C) constant */
struct eventfd {
    struct spinlock lock;
    uint64_t count;               /* (L) */
    struct waitq readers, writers; /* they sleep with lock */
    bool semaphore;               /* (C) */
};

/* Wait until the counter may be read or (adding n) written; lock held. 0, -EAGAIN, -ERESTARTSYS. */
static int
wait_for_turn(struct eventfd *event, bool nonblock, bool write, uint64_t n)
{
    struct waitq *queue = write ? &event->writers : &event->readers;

    while (write ? n > MOST - event->count : event->count == 0) {
        if (nonblock)
            return -EAGAIN;
        if (wait_on(queue, &event->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER))
            return -ERESTARTSYS;
    }
    return 0;
}

static ssize_t
eventfd_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct eventfd *event = file->private;
    uint64_t count = 0;

    if (uio->residue < sizeof(count))
        return -EINVAL;
    spin_lock(&event->lock);
    int error = wait_for_turn(event, (file->flags & O_NONBLOCK) || uio->nowait, false, 0);
    if (!error) {
        count = event->semaphore ? 1 : event->count;
        event->count -= count;
        wake_key(&event->writers, POLLOUT);
    }
    spin_unlock(&event->lock);
    if (error)
        return error;
    return uio_copyout(uio, &count, sizeof(count)) == sizeof(count) ? (ssize_t)sizeof(count)
                                                                    : -EFAULT;
}

static ssize_t
eventfd_write(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct eventfd *event = file->private;
    uint64_t n;

    if (uio->residue != sizeof(n))
        return -EINVAL;
    if (uio_copyin(uio, &n, sizeof(n)) != sizeof(n))
        return -EFAULT;
    if (n > MOST)
        return -EINVAL;
    spin_lock(&event->lock);
    int error = wait_for_turn(event, (file->flags & O_NONBLOCK) || uio->nowait, true, n);
    if (!error) {
        event->count += n;
        wake_key(&event->readers, POLLIN);
    }
    spin_unlock(&event->lock);
    return error ? error : (ssize_t)sizeof(n);
}

static uint32_t
eventfd_poll(struct file *file, struct poll_table *table)
{
    struct eventfd *event = file->private;

    poll_wait(table, file, &event->readers);
    poll_wait(table, file, &event->writers);
    SCOPED_SPIN(&event->lock);
    return (event->count > 0 ? POLLIN : 0) | (event->count < MOST ? POLLOUT : 0);
}

static int64_t
eventfd_seek(struct file *file __unused, int64_t offset __unused, int whence __unused)
{
    return 0;
}

static void
eventfd_release(struct file *file)
{
    kmfree(file->private);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .seek = eventfd_seek,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .nowait = true,
    .unseekable = true, /* whoever waits must not hold a position */
};

int
eventfd_create(uint32_t count, bool semaphore, uint32_t flags, struct file **file)
{
    struct eventfd *event = kmalloc(sizeof(*event));

    if (!event)
        return -ENOMEM;
    spin_init(&event->lock, "eventfd");
    event->count = count;
    event->semaphore = semaphore;
    waitq_init(&event->readers);
    waitq_init(&event->writers);
    int error =
        file_anonymous("eventfd", &eventfd_ops, event, FILE_READ | FILE_WRITE, flags, file);
    if (error)
        kmfree(event);
    return error;
}
