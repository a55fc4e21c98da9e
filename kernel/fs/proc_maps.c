/*
 * What /proc tells of a process's memory: its regions, and the strings that
 * exec put at the top of its stack.
 */
#include <linux/capability.h>
#include "arch/riscv/isolation.h"
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vm/vmspace.h"

#define NAME_COLUMN 73 /* where Linux puts the name of a region */

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

/*
 * One line of maps, of the part of a region from `start` on. name: a buffer of `size` bytes.
 * vm->lock held.
 */
static void
region_line(struct seq *seq, const struct region *r, vaddr_t start, char *name, size_t size)
{
    size_t column = seq->length;
    uint64_t dev = 0, ino = 0;
    uint64_t offset = r->ops ? (r->pgoff << PAGE_SHIFT) + (start - r->start) : 0;
    ssize_t length = 0;
    if (r->ops && r->ops->identity)
        r->ops->identity(r->object, &dev, &ino);
    if (r->label)
        length = strscpy(name, r->label, size);
    else if (r->ops && r->ops->name)
        length = r->ops->name(r->object, name, size);

    seq_printf(seq, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", start, r->end,
               r->flags & REGION_READ ? 'r' : '-', r->flags & REGION_WRITE ? 'w' : '-',
               r->flags & REGION_EXEC ? 'x' : '-', r->flags & REGION_SHARED ? 's' : 'p',
               offset, dev_major(dev), dev_minor(dev), ino);
    if (length > 0) {
        seq_pad(seq, column, NAME_COLUMN);
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

#define AT_END UINT64_MAX

/*
 * The region at cursor->at or above. Addresses only rise: of a region that has grown meanwhile
 * around what was printed, only the rest is shown.
 */
int
proc_next_maps(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
               struct seq_cursor *cursor)
{
    if (cursor->at == AT_END)
        return 0;
    if (!lives)
        return without_memory(file);
    char *name = seq_scratch(seq);
    if (!name)
        return -ENOMEM;
    SCOPED_LOCK(&vm->lock);
    const struct region *r = region_find(vm, cursor->at, true);
    if (r)
        region_line(seq, r, max(r->start, cursor->at), name, PATH_MAX);
    cursor->at = r ? r->end : AT_END;
    return r != NULL;
}

/* May the opener of a file learn physical addresses? As with Linux's pagemap. */
static bool
may_see_addresses(const struct file *file)
{
    return file->cred->cap_effective & BIT(CAP_SYS_ADMIN);
}

/* The next line of a tree. 1, or 0: it has no more. */
static int
next_entry(struct seq *seq, struct vmspace *vm, bool users, unsigned how, struct pt_place *place)
{
    char line[PT_PRINT_LINE];
    if (!vm_print_next(vm, users, how, place, line, sizeof(line)))
        return 0;
    seq_printf(seq, "%s\n", line);
    return 1;
}

/* Quire's own: the process's tree as vmprint shows it, with flags in letters. */
int
proc_next_pagetable(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                    struct seq_cursor *cursor)
{
    unsigned how = PT_PRINT_FLAGS | (may_see_addresses(file) ? 0 : PT_PRINT_BLANK);
    if (cursor->at == AT_END)
        return 0;
    if (!lives)
        return without_memory(file);
    int got = next_entry(seq, vm, false, how, &cursor->place);
    cursor->at = got ? 0 : AT_END;
    return got;
}

/* Quire's own: all that its user mode and the kernel on its behalf can reach. */
int
proc_next_roots(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                struct seq_cursor *cursor)
{
    enum { KIND, KERNELS, USERS, END };
    unsigned how = PT_PRINT_ALL | PT_PRINT_FLAGS;
    if (cursor->part == END)
        return 0;
    if (!may_see_addresses(file))
        return -EPERM;
    if (!lives)
        return without_memory(file);
    bool more = cursor->part != KIND && next_entry(seq, vm, cursor->part == USERS, how, &cursor->place);
    if (more)
        return 1;
    if (cursor->part == KIND)
        seq_puts(seq, isolation_strict ? "isolation: strict\n" : "isolation: shared\n");
    *cursor = (struct seq_cursor){.part = cursor->part + 1};
    return 1;
}

/* [start, end) of a process's memory is a file: peek at a position of it. */
static size_t
peek_range(struct vmspace *vm, vaddr_t start, vaddr_t end, uint64_t pos, char *buf, size_t n)
{
    if (end <= start || pos >= end - start)
        return 0;
    return vm_peek(vm, start + pos, buf, min(n, end - start - pos));
}

/*
 * A program that writes a title over its arguments may run into the environment behind them.
 * The arguments' last byte tells: it is no NUL then, and what there is ends at the first NUL,
 * within a page. buf has a page's room only if n is as much, so the NUL is looked for apart.
 */
static size_t
peek_title(struct vmspace *vm, vaddr_t start, vaddr_t end, uint64_t pos, char *buf, size_t n)
{
    if (pos >= PAGE_SIZE)
        return 0;
    char *page = kmalloc(PAGE_SIZE);
    if (!page)
        return 0;
    size_t length = peek_range(vm, start, end, 0, page, PAGE_SIZE);
    const char *nul = memchr(page, 0, length);
    if (nul)
        length = (size_t)(nul + 1 - page);
    n = pos < length ? min(n, length - pos) : 0;
    memcpy(buf, page + pos, n);
    kmfree(page);
    return n;
}

size_t
proc_peek_cmdline(struct vmspace *vm, uint64_t pos, char *buf, size_t n)
{
    char last = 0;
    bool title = vm->env_start == vm->arg_end && vm->env_end > vm->env_start &&
                 vm->arg_end > vm->arg_start && vm_peek(vm, vm->arg_end - 1, &last, 1) == 1 && last;
    if (title)
        return peek_title(vm, vm->arg_start, vm->env_end, pos, buf, n);
    return peek_range(vm, vm->arg_start, vm->arg_end, pos, buf, n);
}

size_t
proc_peek_environ(struct vmspace *vm, uint64_t pos, char *buf, size_t n)
{
    return peek_range(vm, vm->env_start, vm->env_end, pos, buf, n);
}

/* The structure keeps it, so it can be told when the memory is gone. */
int
proc_next_auxv(struct seq *seq, struct vmspace *vm, bool lives __unused,
               const struct file *file __unused, struct seq_cursor *cursor)
{
    if (!vm || cursor->at == AT_END)
        return 0;
    cursor->at = AT_END;
    seq_write(seq, vm->auxv,
              min(vm->nauxv, (uint32_t)ARRAY_SIZE(vm->auxv)) * sizeof(vm->auxv[0]));
    return 1;
}
