/*
 * /dev/null, /dev/zero and /dev/full.
 *
 * Writes to null and zero succeed without looking at the bytes. Long reads of
 * zeros let others run now and then, and end early when a signal comes.
 */
#include "arch/riscv/trap.h"
#include "dev/mem.h"
#include "sched/thread.h"
#include "vfs/device.h"
#include "vfs/inode.h"
#include "vm/vmspace.h"

#define ZERO_STEP (64 * 1024UL) /* bytes between two looks around */

static ssize_t
null_read(struct file *file __unused, struct uio *uio __unused, uint64_t *pos __unused)
{
    return 0;
}

static ssize_t
null_write(struct file *file __unused, struct uio *uio, uint64_t *pos __unused)
{
    size_t n = uio->residue;
    uio_advance(uio, n);
    return (ssize_t)n;
}

static ssize_t
zero_read(struct file *file __unused, struct uio *uio, uint64_t *pos __unused)
{
    size_t done = 0;
    while (uio->residue) {
        size_t n = min(uio->residue, ZERO_STEP);
        size_t copied = uio_zero(uio, n);
        done += copied;
        if (copied < n)
            return done ? (ssize_t)done : -EFAULT;
        if (uio->residue) {
            preempt_point();
            if (thread_interrupted())
                break;
        }
    }
    return (ssize_t)done;
}

static ssize_t
full_write(struct file *file __unused, struct uio *uio __unused, uint64_t *pos __unused)
{
    return -ENOSPC;
}

/* There is nothing to move over: every offset is the beginning. */
static int64_t
mem_seek(struct file *file, int64_t offset __unused, int whence __unused)
{
    file->pos = 0;
    return 0;
}

/* Mapping /dev/zero is asking for anonymous memory. */
static int
zero_mmap(struct file *file __unused, struct map_request *request)
{
    request->ops = NULL;
    request->object = NULL;
    return 0;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .seek = mem_seek, .nowait = true};
static const struct file_ops zero_ops = {
    .read = zero_read, .write = null_write, .seek = mem_seek, .mmap = zero_mmap, .nowait = true};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .seek = mem_seek, .nowait = true};

void
mem_dev_init(void)
{
    static struct device devices[] = {
        {.name = "null", .mode = S_IFCHR | 0666, .rdev = 1 << 8 | 3, .ops = &null_ops},
        {.name = "zero", .mode = S_IFCHR | 0666, .rdev = 1 << 8 | 5, .ops = &zero_ops},
        {.name = "full", .mode = S_IFCHR | 0666, .rdev = 1 << 8 | 7, .ops = &full_ops},
    };
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        device_register(&devices[i]);
}
