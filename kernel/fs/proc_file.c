/*
 * Text files of procfs.
 *
 * The text is printed when a file is read from its beginning (again) and kept
 * in the open file, so a reader who takes it in pieces gets pieces of one text.
 * What a process can make as long as it likes is printed and kept in parts.
 * A write is one line, handed over whole.
 */
#include "arch/riscv/trap.h"
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vm/vmspace.h"

#define WRITE_MAX (PAGE_SIZE - 1)

/* Guarded by: (C) constant  (L) lock */
struct proc_open {
    struct vmspace *vm; /* (C) a file about memory: what it is about, held; NULL: none */
    struct mutex lock;
    struct seq seq; /* (L) the text, or the part of it that was printed last */
    uint64_t start; /* (L) the position where that begins */
    bool printed;   /* (L) */
};

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
    if (target->entry->show_vm)
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
    mutex_init(&open->lock, "proc file");
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

static int
show_memory(struct proc_open *open, const struct proc_target *target, const struct file *file)
{
    bool lives = open->vm && vm_tryget(open->vm);
    int error = target->entry->show_vm(&open->seq, open->vm, lives, file);
    if (lives)
        vm_put(open->vm);
    return error;
}

/* Any other: what was found counts only if the reader may see it, and it was the right process's. */
static int
show_target(struct proc_open *open, const struct proc_target *target)
{
    int error = proc_check_access(target);
    if (!error)
        error = target->entry->show(&open->seq, target);
    if (!target->id.tgid)
        return error;
    if (!procfs_ops.exists(&target->id))
        return -ESRCH;
    return error ? error : proc_check_access(target);
}

/* Print the file into open->seq. Lock held. */
static int
print(struct proc_open *open, const struct file *file)
{
    const struct proc_target *target = proc_target_of(file->inode);
    open->seq.length = 0;
    open->seq.failed = false;
    open->seq.user = file->cred->user;
    open->printed = false;
    int error = target->entry->show_vm ? show_memory(open, target, file)
                                       : show_target(open, target);
    if (!error && open->seq.failed)
        error = -ENOMEM;
    if (error)
        seq_free(&open->seq);
    open->printed = !error;
    return error;
}

/*
 * See to it that what there is at pos, if anything, is in open->seq. A text in parts is printed
 * part by part from its beginning, or from the part that is there. -EINTR: the thread is to end.
 */
static int
print_at(struct proc_open *open, const struct file *file, uint64_t pos)
{
    bool parts = proc_target_of(file->inode)->entry->parts;
    int error = 0;

    if (pos == 0 || !open->printed || pos < open->start) {
        open->start = open->seq.from = 0;
        error = print(open, file);
    }
    while (parts && !error && open->seq.length && pos >= open->start + open->seq.length) {
        open->start += open->seq.length;
        preempt_point();
        error = vm_end_hook() ? -EINTR : print(open, file);
    }
    return error;
}

/* Copy what there is at pos to the reader, from one text or part. 0: its end, or nothing wanted. */
static ssize_t
read_some(struct proc_open *open, const struct file *file, struct uio *uio, uint64_t pos)
{
    int error = print_at(open, file, pos);
    if (error)
        return error;
    if (pos >= open->start + open->seq.length)
        return 0;
    size_t at = pos - open->start;
    size_t n = min(uio->residue, open->seq.length - at);
    size_t copied = uio_copyout(uio, open->seq.text + at, n);
    return n && !copied ? -EFAULT : (ssize_t)copied;
}

static ssize_t
proc_read(struct file *file, struct uio *uio, uint64_t *pos)
{
    const struct proc_target *target = proc_target_of(file->inode);
    const struct proc_entry *entry = target->entry;
    struct proc_open *open = file->private;
    ssize_t done = 0, n;
    if (!entry->show && !entry->show_vm)
        return -EINVAL;
    if (target->knob && !proc_knob_allowed(file->inode->mode, MAY_READ))
        return -EPERM;
    SCOPED_LOCK(&open->lock);
    do {
        n = read_some(open, file, uio, *pos);
        if (n > 0) {
            done += n;
            *pos += (uint64_t)n;
        }
    } while (entry->parts && n > 0 && uio->residue);
    return done ? done : n;
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
    *pos += n;
    return (ssize_t)n;
}

const struct file_ops proc_text_ops = {
    .read = proc_read,
    .write = proc_write,
    .open = proc_open,
    .release = proc_release,
};
