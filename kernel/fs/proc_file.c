/*
 * Text files of procfs.
 *
 * The text is printed when a file is read from its beginning (again) and kept
 * in the open file, so a reader who takes it in pieces gets pieces of one text.
 * A write is one line, handed over whole.
 */
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "mem/slab.h"

#define WRITE_MAX (PAGE_SIZE - 1)

/* Guarded by: (L) lock */
struct proc_open {
    struct mutex lock;
    struct seq seq; /* (L) */
    bool printed;   /* (L) */
};

int
proc_check_access(const struct proc_target *target)
{
    if (!target->entry->guarded || !target->tgid)
        return 0;
    return procfs_ops.may_inspect && procfs_ops.may_inspect(target_task(target)) ? 0 : -EACCES;
}

static int
proc_open(struct inode *inode, struct file *file)
{
    int error = proc_check_access(proc_target_of(inode));
    if (error)
        return error;
    struct proc_open *open = kzalloc(sizeof(*open));
    if (!open)
        return -ENOMEM;
    mutex_init(&open->lock, "proc file");
    file->private = open;
    return 0;
}

static void
proc_release(struct file *file)
{
    struct proc_open *open = file->private;
    seq_free(&open->seq);
    kmfree(open);
}

/* Print the file into open->seq. Lock held. */
static int
print(struct proc_open *open, const struct proc_target *target)
{
    open->seq.length = 0;
    open->seq.failed = false;
    open->printed = false;
    int error = target->entry->show(&open->seq, target);
    if (!error && open->seq.failed)
        error = -ENOMEM;
    open->printed = !error;
    return error;
}

static ssize_t
proc_read(struct file *file, struct uio *uio, uint64_t *pos)
{
    const struct proc_target *target = proc_target_of(file->inode);
    struct proc_open *open = file->private;
    if (!target->entry->show)
        return -EINVAL;
    SCOPED_LOCK(&open->lock);
    if (*pos == 0 || !open->printed) {
        int error = print(open, target);
        if (error)
            return error;
    }
    if (*pos >= open->seq.length)
        return 0;
    size_t n = min(uio->residue, open->seq.length - *pos);
    size_t copied = uio_copyout(uio, open->seq.text + *pos, n);
    if (n && !copied)
        return -EFAULT;
    *pos += copied;
    return (ssize_t)copied;
}

static ssize_t
proc_write(struct file *file, struct uio *uio, uint64_t *pos)
{
    const struct proc_target *target = proc_target_of(file->inode);
    if (!target->entry->store)
        return -EIO;
    size_t n = uio->residue;
    if (n > WRITE_MAX)
        return -EINVAL;
    char *text = kmalloc(n + 1);
    if (!text)
        return -ENOMEM;
    int error = uio_copyin(uio, text, n) == n ? 0 : -EFAULT;
    text[n] = 0;
    if (!error)
        error = target->entry->store(target, text);
    kmfree(text);
    if (error)
        return error;
    *pos += n;
    return (ssize_t)n;
}

const struct file_ops proc_text_ops = {
    .read = proc_read,
    .write = proc_write,
    .open = proc_open,
    .release = proc_release,
};
