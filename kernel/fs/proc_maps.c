/*
 * What /proc tells of a process's memory: its regions, and the strings that
 * exec put at the top of its stack.
 */
#include <linux/capability.h>
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vm/vmspace.h"

#define NAME_COLUMN 73        /* where Linux puts the name of a region */

/* A name on one line: nothing but its newlines is escaped, as on Linux. */
static void
region_name(struct seq *seq, const char *name, size_t length)
{
    const char *end = name + length, *newline;

    while ((newline = memchr(name, '\n', (size_t)(end - name)))) {
        seq_write(seq, name, (size_t)(newline - name));
        seq_puts(seq, "\\012");
        name = newline + 1;
    }
    seq_write(seq, name, (size_t)(end - name));
}

/* One line of maps. vm->lock held. */
static void
region_line(struct seq *seq, const struct region *r, char *name, size_t size)
{
    size_t start = seq->length;
    uint64_t dev = 0, ino = 0;
    ssize_t length = 0;
    if (r->ops && r->ops->identity)
        r->ops->identity(r->object, &dev, &ino);
    if (r->label)
        length = strscpy(name, r->label, size);
    else if (r->ops && r->ops->name)
        length = r->ops->name(r->object, name, size);

    seq_printf(seq, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", r->start, r->end,
               r->flags & REGION_READ ? 'r' : '-', r->flags & REGION_WRITE ? 'w' : '-',
               r->flags & REGION_EXEC ? 'x' : '-', r->flags & REGION_SHARED ? 's' : 'p',
               r->ops ? r->pgoff << PAGE_SHIFT : 0, dev_major(dev), dev_minor(dev), ino);
    if (length > 0) {
        seq_pad(seq, start, NAME_COLUMN);
        region_name(seq, name, (size_t)length);
    }
    seq_putc(seq, '\n');
}

/* What is told of memory that has ended: nothing, and an error once the process has gone as well. */
static int
without_memory(const struct file *file)
{
    return procfs_ops.exists(&proc_target_of(file->inode)->id) ? 0 : -ESRCH;
}

/* In parts, seq->from being an address: a process may have many regions of files with long names. */
int
proc_show_maps(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file)
{
    if (!lives)
        return without_memory(file);
    char *name = kmalloc(PATH_MAX);
    if (name) {
        mutex_lock(&vm->lock);
        struct region *r = region_find(vm, seq->from, true);
        for (; r && seq->length < PAGE_SIZE; r = region_next(r)) {
            region_line(seq, r, name, PATH_MAX);
            seq->from = r->end;
        }
        mutex_unlock(&vm->lock);
    }
    kmfree(name);
    return name ? 0 : -ENOMEM;
}

static bool
pagetable_line(void *to, const char *line)
{
    struct seq *seq = to;
    seq_puts(seq, line);
    seq_putc(seq, '\n');
    return !seq->failed;
}

/* May the opener of a file learn physical addresses? As with Linux's pagemap. */
static bool
may_see_addresses(const struct file *file)
{
    return file->cred->cap_effective & BIT(CAP_SYS_ADMIN);
}

/* Quire's own: the process's tree as vmprint shows it, with flags in letters. */
int
proc_show_pagetable(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file)
{
    if (!lives)
        return without_memory(file);
    vm_print(vm, true, !may_see_addresses(file), pagetable_line, seq);
    return 0;
}

/* Quire's own: all that its user mode and the kernel on its behalf can reach. */
int
proc_show_roots(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file)
{
    if (!may_see_addresses(file))
        return -EPERM;
    if (!lives)
        return without_memory(file);
    vm_print_roots(vm, pagetable_line, seq);
    return 0;
}

/* Append [start, end) of a process's memory, as far as it can be read, in parts: seq->from bytes are done. */
static void
show_memory(struct seq *seq, struct vmspace *vm, vaddr_t start, vaddr_t end)
{
    if (end < start || seq->from >= end - start)
        return;
    size_t n = min(end - start - seq->from, PAGE_SIZE);
    char *room = seq_reserve(seq, n);
    if (!room)
        return;
    size_t got = vm_peek(vm, start + seq->from, room, n);
    seq_shorten(seq, n - got);
    seq->from += got;
}

/*
 * A program that writes a title over its arguments may run into the environment behind them.
 * The arguments' last byte tells: it is no NUL then, and what there is ends at the first NUL,
 * within a page.
 */
static void
show_title(struct seq *seq, struct vmspace *vm)
{
    size_t before = seq->length;

    if (seq->from) /* one part is all */
        return;
    show_memory(seq, vm, vm->arg_start, min(vm->arg_start + PAGE_SIZE, vm->env_end));
    if (seq->length == before)
        return;
    const char *end = memchr(seq->text + before, 0, seq->length - before);
    if (end)
        seq_shorten(seq, seq->length - (size_t)(end + 1 - seq->text));
}

int
proc_show_cmdline(struct seq *seq, const struct proc_target *target)
{
    struct vmspace *vm = procfs_ops.vm(&target->id);
    if (!vm)
        return 0;
    char last = 0;
    bool title = vm->env_start == vm->arg_end && vm->env_end > vm->env_start &&
                 vm->arg_end > vm->arg_start && vm_peek(vm, vm->arg_end - 1, &last, 1) == 1 && last;
    if (title)
        show_title(seq, vm);
    else
        show_memory(seq, vm, vm->arg_start, vm->arg_end);
    vm_put(vm);
    return 0;
}

int
proc_show_environ(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file __unused)
{
    if (lives)
        show_memory(seq, vm, vm->env_start, vm->env_end);
    return 0;
}

/* The structure keeps it, so it can be told when the memory is gone. */
int
proc_show_auxv(struct seq *seq, struct vmspace *vm, bool lives __unused,
               const struct file *file __unused)
{
    if (vm)
        seq_write(seq, vm->auxv,
                  min(vm->nauxv, (uint32_t)ARRAY_SIZE(vm->auxv)) * sizeof(vm->auxv[0]));
    return 0;
}
