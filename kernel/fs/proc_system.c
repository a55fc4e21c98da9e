/*
 * What /proc tells of the machine, and the table of its root.
 */
#include <linux/capability.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "dev/kmsg.h"
#include "dev/plic.h"
#include "dev/uart.h"
#include "fs/proc_entry.h"
#include "lib/parse.h"
#include "lib/refcount.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/pagetable.h"
#include "mem/slab.h"
#include "sched/stalls.h"
#include "sched/thread.h"
#include "vfs/cred.h"
#include "vfs/device.h"
#include "vfs/locks.h"

#define USER_HZ 100 /* the ABI's unit of CPU time in /proc (times(2)) */
#define NSEC_PER_TICK (NSEC_PER_SEC / USER_HZ)

static int
show_cmdline(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", machine.bootargs);
    return 0;
}

/* A record for each hart. */
static int
next_cpuinfo(struct seq *seq, const struct proc_target *target __unused,
             struct seq_cursor *cursor)
{
    uint64_t i = cursor->at++;
    if (i >= nharts)
        return 0;
    seq_printf(seq, "processor\t: %lu\nhart\t\t: %u\n", i, harts[i].hartid);
    seq_printf(seq, "isa\t\t: %s\nmmu\t\t: %s\n", machine.isa, pt_levels == 4 ? "sv48" : "sv39");
    seq_printf(seq, "hart isa\t: %s\n\n", machine.isa);
    return 1;
}

/* /proc/devices: each major number once, the lowest first. */
struct device_list {
    uint32_t type;
    uint32_t above;        /* look for the lowest major number >= this */
    const struct device *found;
};

static void
look_at_device(void *ctx, struct device *device)
{
    struct device_list *list = ctx;
    uint32_t major = dev_major(device->rdev);
    if ((device->mode & S_IFMT) == list->type && major >= list->above &&
        (!list->found || major < dev_major(list->found->rdev)))
        list->found = device;
}

static void
list_devices(struct seq *seq, uint32_t type)
{
    struct device_list list = {.type = type};
    for (;;) {
        list.found = NULL;
        device_foreach(look_at_device, &list);
        if (!list.found)
            return;
        uint32_t major = dev_major(list.found->rdev);
        const char *name = major == 1 ? "mem" : major == 5 ? "/dev/tty" : list.found->name;
        seq_printf(seq, "%3u %.*s\n", major, (int)strcspn(name, "0123456789"), name);
        list.above = major + 1;
    }
}

static int
show_devices(struct seq *seq, const struct proc_target *target __unused)
{
    seq_puts(seq, "Character devices:\n");
    list_devices(seq, S_IFCHR);
    seq_puts(seq, "\nBlock devices:\n");
    list_devices(seq, S_IFBLK);
    return 0;
}

static int
list_fs(void *ctx, const struct fs_type *type)
{
    seq_printf(ctx, "%s\t%s\n", type->nodev ? "nodev" : "", type->name);
    return 0;
}

static int
show_filesystems(struct seq *seq, const struct proc_target *target __unused)
{
    fs_foreach(list_fs, seq);
    return 0;
}

static void
list_irq(void *ctx, uint32_t irq, const char *name, const uint64_t *counts)
{
    seq_printf(ctx, "%3u:", irq);
    for (uint32_t i = 0; i < nharts; i++)
        seq_printf(ctx, " %10lu", counts[i]);
    seq_printf(ctx, "  SiFive PLIC %3u Edge      %s\n", irq, name);
}

static int
show_interrupts(struct seq *seq, const struct proc_target *target __unused)
{
    seq_puts(seq, "    ");
    for (uint32_t i = 0; i < nharts; i++)
        seq_printf(seq, "       CPU%-1u", i);
    seq_putc(seq, '\n');
    irq_foreach(list_irq, seq);
    return 0;
}

static int
show_loadavg(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t avg[3], nforks = 0;
    uint32_t nrunning, nthreads = 0, nblocked = 0;
    int last = 0;
    sched_loadavg(avg, &nrunning);
    if (procfs_ops.counts)
        procfs_ops.counts(&nforks, &nthreads, &nblocked, &last);
    for (int i = 0; i < 3; i++) {
        uint64_t rounded = avg[i] + (1 << 11) / 200;
        seq_printf(seq, "%lu.%02lu ", rounded >> 11, ((rounded & 0x7ff) * 100) >> 11);
    }
    seq_printf(seq, "%u/%u %d\n", nrunning, nthreads, last);
    return 0;
}

/* One line of /proc/stat: times in ticks. */
static void
cpu_line(struct seq *seq, uint64_t user, uint64_t system, uint64_t idle)
{
    seq_printf(seq, " %lu 0 %lu %lu 0 0 0 0 0 0\n", user / NSEC_PER_TICK, system / NSEC_PER_TICK,
               idle / NSEC_PER_TICK);
}

static void
add_irq(void *ctx, uint32_t irq __unused, const char *name __unused, const uint64_t *counts)
{
    uint64_t *total = ctx;
    for (uint32_t i = 0; i < nharts; i++)
        *total += counts[i];
}

static int
show_stat(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t user = 0, system = 0, idle = 0, u, s, d;
    for (uint32_t i = 0; i < nharts; i++) {
        sched_hart_times(i, &u, &s, &d);
        user += u;
        system += s;
        idle += d;
    }
    seq_puts(seq, "cpu ");
    cpu_line(seq, user, system, idle);
    for (uint32_t i = 0; i < nharts; i++) {
        sched_hart_times(i, &u, &s, &d);
        seq_printf(seq, "cpu%u", i);
        cpu_line(seq, u, s, d);
    }

    uint64_t ninterrupts = 0, nforks = 0, avg[3];
    uint32_t nrunning, nthreads = 0, nblocked = 0;
    int last = 0;
    irq_foreach(add_irq, &ninterrupts);
    sched_loadavg(avg, &nrunning);
    if (procfs_ops.counts)
        procfs_ops.counts(&nforks, &nthreads, &nblocked, &last);
    seq_printf(seq, "intr %lu\nctxt %lu\nbtime %lu\nprocesses %lu\n", ninterrupts,
               sched_nswitches(), procfs_ops.boot_time ? procfs_ops.boot_time() : 0, nforks);
    seq_printf(seq, "procs_running %u\nprocs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n", nrunning,
               nblocked);
    return 0;
}

static int
show_uptime(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t idle = 0, u, s, d;
    for (uint32_t i = 0; i < nharts; i++) {
        sched_hart_times(i, &u, &s, &d);
        idle += d;
    }
    uint64_t now = clock_now() / (NSEC_PER_SEC / 100);
    idle /= NSEC_PER_SEC / 100;
    seq_printf(seq, "%lu.%02lu %lu.%02lu\n", now / 100, now % 100, idle / 100, idle % 100);
    return 0;
}

static int
show_version(struct seq *seq, const struct proc_target *target __unused)
{
    struct new_utsname uts = {.sysname = "Linux"};
    if (procfs_ops.uts)
        procfs_ops.uts(&uts);
    seq_printf(seq, "%s version %s (quire) (gcc %s) %s\n", uts.sysname, uts.release, __VERSION__,
               uts.version);
    return 0;
}

static int
next_lock(struct seq *seq, const struct proc_target *target __unused, struct seq_cursor *cursor)
{
    struct lock_info lock;
    if (!locks_next(&cursor->lock, &lock))
        return 0;
    if (!lock.kind)
        return 1;
    seq_printf(seq, "%lu: %-6s ADVISORY  %s %d %02x:%02x:%lu %lu ", ++cursor->part, lock.kind,
               lock.write ? "WRITE" : "READ ", lock.pid, dev_major(lock.dev), dev_minor(lock.dev),
               lock.ino, lock.start);
    if (lock.end == INT64_MAX)
        seq_puts(seq, "EOF\n");
    else
        seq_printf(seq, "%lu\n", lock.end);
    return 1;
}

static int
show_partitions(struct seq *seq, const struct proc_target *target __unused)
{
    seq_puts(seq, "major minor  #blocks  name\n\n");
    return 0;
}

static int
show_swaps(struct seq *seq, const struct proc_target *target __unused)
{
    seq_puts(seq, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

/* Files that list what Quire has none of. */
static int
show_nothing(struct seq *seq __unused, const struct proc_target *target __unused)
{
    return 0;
}

#define MUCH_STACK (16 * KSTACK_SIZE)

/* Use so many bytes of stack, a little at a time, each call reaching into its caller's part. */
static __noinline void
use_stack(volatile char *callers, size_t nbytes)
{
    volatile char own[256];

    own[0] = callers[0] + 1;
    if (nbytes > sizeof(own))
        use_stack(own, nbytes - sizeof(own));
    callers[0] = own[0];
}

/* Mistakes with an object's life, which debug kernels notice. */
static __noinline void
misuse_object(const char *how)
{
    char *object = kmalloc(100);
    if (!object)
        return;
    kmfree(object);
    if (str_starts_with(how, " twice")) {
        kmfree(object);
        asm volatile("" ::: "memory"); /* no tail call: the panic names this function */
    } else if (str_starts_with(how, " late")) {
        object[50] = 0;
        slab_reclaim();
    }
}

/*
 * A letter written to sysrq-trigger. Quire's own: "c ADDRESS" crashes by a store
 * there, "c stack" by running over the end of the stack, to show what a fault in the
 * kernel looks like. Debug kernels notice what the others do: "c phys" asks for the physical
 * address of something on the stack, "c publish" shows it to others, "c twice" frees an
 * object twice, "c late" writes to one that was freed.
 */
static int
store_sysrq(const struct proc_target *target __unused, char *text)
{
    uint64_t address;

    switch (text[0]) {
    case 'c':
        if (text[1] == ' ' && parse_u64(text + 2, &address) == 0)
            *(volatile char *)address = 0;
        if (str_starts_with(text + 1, " stack"))
            use_stack(text, MUCH_STACK);
        if (str_starts_with(text + 1, " phys"))
            pr_info("not noticed: 0x%lx", (unsigned long)virt_to_phys(&address));
        if (str_starts_with(text + 1, " publish"))
            pr_info("not noticed: %p", publish((void *)&address));
        misuse_object(text + 1);
        panic("a crash was asked for (sysrq-trigger)");
    case 'b':
        uart_flush();
        machine_reboot();
    case 'o':
        uart_flush();
        machine_poweroff(false);
    case 's':
        return vfs_sync_all();
    default:
        pr_info("sysrq: what does '%c' mean? I know c (crash), b (reboot), o (off), s (sync)",
                text[0]);
        return 0;
    }
}

#ifdef DEBUG

/* failalloc: write N and the Nth allocation from then on fails; read how many are left until then. */
static int
show_failalloc(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%lu\n", frame_fail_left());
    return 0;
}

static int
store_failalloc(const struct proc_target *target __unused, char *text)
{
    uint64_t n;
    int error = parse_u64(text, &n);
    if (!error)
        frame_fail_after(n, false);
    return error;
}

static void
print_function(struct seq *seq, vaddr_t address)
{
    uint64_t offset;
    const char *name = symbol_name(address - 1, &offset);
    seq_puts(seq, name ? name : "?");
}

/*
 * stalls: a line for each record of sched/stalls.h, "KIND NSEC COUNT CALL NAME FROM FUNCTION...":
 * the longest stretch in ns, how many there were, the system call or -1, the thread's name, the
 * function where the stretch began, and the functions where it ended, the innermost first; "user" is
 * user mode. Functions' names only, no address. A write forgets all.
 */
static int
next_stall(struct seq *seq, const struct proc_target *target __unused, struct seq_cursor *cursor)
{
    static const char *const kinds[NSTALLS] = {[STALL_OFF] = "off", [STALL_HELD] = "held"};
    struct stall stall;

    if (cursor->part == NSTALLS)
        return 0;
    if (!stalls_get(cursor->part, cursor->at++, &stall)) {
        cursor->part++;
        cursor->at = 0;
        return 1;
    }
    seq_printf(seq, "%s %lu %lu %ld ", kinds[cursor->part], stall.nsec, stall.count, (long)stall.call);
    seq_escape(seq, stall.name, " \n\t");
    seq_putc(seq, ' ');
    if (stall.from)
        print_function(seq, stall.from);
    else
        seq_puts(seq, "user");
    if (!stall.callers[0])
        seq_puts(seq, " user");
    for (unsigned i = 0; i < STALL_CALLERS && stall.callers[i]; i++) {
        seq_putc(seq, ' ');
        print_function(seq, stall.callers[i]);
    }
    seq_putc(seq, '\n');
    return 1;
}

static int
store_stalls(const struct proc_target *target __unused, char *text __unused)
{
    stalls_clear();
    return 0;
}

#endif

/* /proc/kmsg: messages as lines, each once, as syslog(2) takes them. */

static int
kmsg_file_open(struct inode *inode __unused, struct file *file __unused)
{
    return kmsg_check(KMSG_OPEN);
}

static ssize_t
kmsg_file_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    return kmsg_read_next(uio, file->flags & O_NONBLOCK);
}

static const struct file_ops kmsg_ops = {
    .open = kmsg_file_open, .read = kmsg_file_read, .poll = kmsg_poll_next, .unseekable = true};

static ssize_t
mounts_link(const struct proc_target *target __unused, char *buf, size_t size)
{
    return strscpy(buf, "self/mounts", size);
}

static const struct proc_entry root_entries[] = {
    {.name = "self", .mode = S_IFLNK | 0777, .link = proc_self_link},
    {.name = "thread-self", .mode = S_IFLNK | 0777, .link = proc_thread_self_link},
    PROC_FILE("cmdline", 0444, show_cmdline),
    PROC_LIST("cpuinfo", 0444, next_cpuinfo),
    PROC_FILE("devices", 0444, show_devices),
    PROC_FILE("diskstats", 0444, show_nothing),
#ifdef DEBUG
    {.name = "failalloc", .mode = S_IFREG | 0600, .show = show_failalloc, .store = store_failalloc},
#endif
    PROC_FILE("filesystems", 0444, show_filesystems),
    PROC_FILE("frames", 0400, proc_show_frames),
    PROC_FILE("interrupts", 0444, show_interrupts),
    {.name = "kmsg", .mode = S_IFREG | 0400, .ops = &kmsg_ops},
    PROC_FILE("loadavg", 0444, show_loadavg),
    PROC_LIST("locks", 0444, next_lock),
    PROC_FILE("meminfo", 0444, proc_show_meminfo),
    PROC_FILE("modules", 0444, show_nothing),
    {.name = "mounts",
     .mode = S_IFLNK | 0777,
     .size = sizeof("self/mounts") - 1,
     .link = mounts_link},
    PROC_FILE("partitions", 0444, show_partitions),
    PROC_FILE("slabinfo", 0400, proc_show_slabinfo),
#ifdef DEBUG
    {.name = "stalls", .mode = S_IFREG | 0600, .next = next_stall, .store = store_stalls},
#endif
    PROC_FILE("stat", 0444, show_stat),
    PROC_FILE("swaps", 0444, show_swaps),
    PROC_DIR("sys", 0555, &proc_sys_dir),
    {.name = "sysrq-trigger", .mode = S_IFREG | 0200, .store = store_sysrq},
    PROC_FILE("uptime", 0444, show_uptime),
    PROC_FILE("version", 0444, show_version),
    PROC_FILE("vmstat", 0444, proc_show_vmstat),
};

const struct proc_dir proc_root_dir = {
    .entries = root_entries,
    .nentries = ARRAY_SIZE(root_entries),
    .next_number = proc_next_process,
    .find_unlisted = proc_find_thread,
    .number = &proc_pid_entry,
    .number_offset = offsetof(struct proc_target, id.tgid),
};
