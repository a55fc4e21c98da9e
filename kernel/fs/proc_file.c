/*
 * Text files of procfs.
 *
 * The text is printed while it is read, record by record (seq.h); what is a process's own memory is
 * copied by position. A reading thread takes the state of the open file out of it, works on it
 * alone, and puts it back. A second thread that reads at the same time finds no state and
 * begins with a new one. So no lock is held while records are printed or copied to the user.
 * A write is one line, handed over whole.
 */
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vm/vmspace.h"

#define WRITE_MAX (PAGE_SIZE - 1)

/* Guarded by: (C) constant  (L) lock */
struct proc_open {
    struct vmspace *vm; /* (C) [C] a file about memory: what it is about, held; NULL: none */
    struct spinlock lock;
    struct seq seq; /* (L) all zeros while a thread reads */
};

/* One read. */
struct reading {
    const struct file *file;
    const struct proc_target *target;
    struct vmspace *vm; /* of a file about memory */
    bool lives;         /* ... and is it still in use? With a reference, then */
    bool printed;       /* something was asked for */
};

/* Is the entry about the address space that is found at open, whatever its process runs on later? */
static bool
bound_to_memory(const struct proc_entry *entry)
{
    return entry->next_vm || (entry->peek && entry->guard == PROC_GUARDED);
}

int
proc_check_access(const struct proc_target *target)
{
    if (target->entry->guard == PROC_OPEN || !target->id.tgid)
        return 0;
    return procfs_ops.may_inspect(&target->id, NULL) ? 0 : -EACCES;
}

/* Find the address space that a file is about from now on. The right is asked for once it is found. */
static int
find_vm(const struct proc_target *target, struct vmspace **held)
{
    struct vmspace *vm = procfs_ops.vm(&target->id);
    int error = procfs_ops.may_inspect(&target->id, vm) ? 0
                : procfs_ops.exists(&target->id)        ? -EACCES
                                                        : -ESRCH;
    if (!vm)
        return error;
    if (!error) {
        vm_hold(vm);
        *held = vm;
    }
    vm_put(vm);
    return error;
}

static int
proc_open(struct inode *inode, struct file *file)
{
    const struct proc_target *target = proc_target_of(inode);
    struct vmspace *vm = NULL;
    int error = 0;
    if (bound_to_memory(target->entry))
        error = find_vm(target, &vm);
    else if (target->entry->guard == PROC_GUARDED)
        error = proc_check_access(target);
    if (error)
        return error;
    struct proc_open *open = kzalloc(sizeof(*open));
    if (!open) {
        if (vm)
            vm_release(vm);
        return -ENOMEM;
    }
    open->vm = vm;
    spin_init(&open->lock, "proc file");
    file->private = open;
    return 0;
}

static void
proc_release(struct file *file)
{
    struct proc_open *open = file->private;
    seq_free(&open->seq);
    if (open->vm)
        vm_release(open->vm);
    kmfree(open);
}

/* A producer (seq.h). */
static int
next_record(struct seq *seq, struct seq_cursor *cursor, void *ctx)
{
    struct reading *reading = ctx;
    const struct proc_entry *entry = reading->target->entry;
    int got;

    if (entry->next_vm) {
        got = entry->next_vm(seq, reading->vm, reading->lives, reading->file, cursor);
    } else if (entry->next) {
        got = entry->next(seq, reading->target, cursor);
    } else {
        if (cursor->at)
            return 0;
        cursor->at = 1;
        got = entry->show(seq, reading->target);
        got = got ? got : 1;
    }
    reading->printed |= got != 0;
    return got;
}

static int
begin_reading(struct reading *reading, struct file *file)
{
    const struct proc_open *open = file->private;

    *reading = (struct reading){.file = file, .target = proc_target_of(file->inode)};
    if (bound_to_memory(reading->target->entry)) {
        reading->vm = open->vm;
        reading->lives = open->vm && vm_tryget(open->vm);
        return 0;
    }
    return proc_check_access(reading->target);
}

/* What was found counts only if the reader may see it, and it was the right process's. */
static int
end_reading(struct reading *reading, int error)
{
    const struct proc_target *target = reading->target;

    if (reading->lives)
        vm_put(reading->vm);
    if (bound_to_memory(target->entry) || !target->id.tgid || !reading->printed)
        return error;
    if (!procfs_ops.exists(&target->id))
        return -ESRCH;
    return error ? error : proc_check_access(target);
}

/* Have the text from pos on in *seq, n bytes if there are so many and they are near. */
static int
print(struct file *file, struct seq *seq, uint64_t pos, size_t n)
{
    struct reading reading;
    int error = begin_reading(&reading, file);

    if (!error)
        error = seq_seek(seq, pos, next_record, &reading);
    if (!error && seq->pos == pos)
        error = seq_fill(seq, n, next_record, &reading);
    return end_reading(&reading, error);
}

/* Exchange the open file's state and *seq. */
static void
exchange(struct proc_open *open, struct seq *seq)
{
    SCOPED_SPIN(&open->lock);
    struct seq old = open->seq;
    open->seq = *seq;
    *seq = old;
}

static ssize_t
read_records(struct file *file, struct uio *uio, uint64_t *pos)
{
    struct proc_open *open = file->private;
    struct seq seq = {0};
    size_t n = 0, copied = 0;

    exchange(open, &seq);
    int error = print(file, &seq, *pos, uio->residue);
    if (!error && seq.pos == *pos) {
        n = min(uio->residue, seq_nrest(&seq));
        copied = uio_copyout(uio, seq_rest(&seq), n);
        seq_take(&seq, copied);
        *pos += copied;
    }
    if (error)
        seq_free(&seq);
    seq_keep(&seq);
    exchange(open, &seq);
    seq_free(&seq); /* another reader's, who was faster */
    if (n && !copied)
        error = -EFAULT;
    return error ? error : (ssize_t)copied;
}

/* Up to n bytes of a process's memory, in a file of which they are at pos. */
static ssize_t
peek(struct file *file, uint64_t pos, char *buf, size_t n)
{
    struct reading reading;
    int error = begin_reading(&reading, file);
    size_t got = 0;

    if (!error && !bound_to_memory(reading.target->entry)) {
        reading.vm = procfs_ops.vm(&reading.target->id);
        reading.lives = reading.vm;
        reading.printed = true;
    }
    if (!error && reading.lives)
        got = reading.target->entry->peek(reading.vm, pos, buf, n);
    error = end_reading(&reading, error);
    return error ? error : (ssize_t)got;
}

static ssize_t
read_memory(struct file *file, struct uio *uio, uint64_t *pos)
{
    size_t most = min(uio->residue, PAGE_SIZE);
    char *page = kmalloc(most);
    ssize_t done = 0, error = page ? 0 : -ENOMEM;

    while (!error && uio->residue) {
        size_t n = min(uio->residue, most);
        ssize_t got = peek(file, *pos, page, n);
        size_t copied = got > 0 ? uio_copyout(uio, page, (size_t)got) : 0;
        if (got <= 0)
            error = got;
        else if (!copied)
            error = -EFAULT;
        done += copied;
        *pos += copied;
        if (copied < n)
            break;
        preempt_point();
        if (vm_end_hook())
            error = -EINTR;
    }
    kmfree(page);
    return done ? done : error;
}

static ssize_t
proc_read(struct file *file, struct uio *uio, uint64_t *pos)
{
    const struct proc_target *target = proc_target_of(file->inode);
    const struct proc_entry *entry = target->entry;

    if (target->knob && !proc_knob_allowed(file->inode->mode, MAY_READ))
        return -EPERM;
    if (!uio->residue)
        return 0;
    if (entry->peek)
        return read_memory(file, uio, pos);
    if (!entry->show && !entry->next && !entry->next_vm)
        return -EINVAL;
    return read_records(file, uio, pos);
}

static ssize_t
proc_write(struct file *file, struct uio *uio, uint64_t *pos)
{
    const struct proc_target *target = proc_target_of(file->inode);
    if (target->knob && !proc_knob_allowed(file->inode->mode, MAY_WRITE))
        return -EPERM;
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
    if (target->knob) /* of all files, only these have a position for writes */
        *pos += n;
    return (ssize_t)n;
}

const struct file_ops proc_text_ops = {
    .read = proc_read,
    .write = proc_write,
    .open = proc_open,
    .release = proc_release,
};
