/*
 * /proc/sys: knobs.
 *
 * Most are numbers: a struct knob says where the number is and what may be
 * written. Where there is nothing to turn, the entry tells the value that
 * programs expect to find, and is read-only.
 */
#include <linux/capability.h>
#include "arch/riscv/klog.h"
#include "arch/riscv/layout.h"
#include "dev/kmsg.h"
#include "dev/random.h"
#include "fs/epoll.h"
#include "fs/pipe.h"
#include "fs/proc_entry.h"
#include "lib/atomic.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vfs/namei.h"
#include "vm/vmspace.h"

struct knob {
    void *value; /* uint32_t or int; `wide`: uint64_t */
    int64_t lowest, highest;
    bool wide;
};

/* Knobs that only hold what was written to them: Quire has one policy. */
static uint32_t overcommit_memory, overcommit_ratio = 50, swappiness = 60, drop_caches;
static uint32_t core_uses_pid, randomize_va_space = 2, sysrq = 1, panic_timeout;

bool
proc_knob_allowed(uint32_t mode, unsigned mask)
{
    const struct cred *cred = current_cred();

    if (cred->euid == 0)
        mode >>= 6;
    else if (cred->egid == 0 || cred_in_group(cred, 0))
        mode >>= 3;
    return (mask & ~mode & (MAY_READ | MAY_WRITE | MAY_EXEC)) == 0;
}

/*
 * A number as it is written to /proc/sys: blanks, then decimal, octal or hexadecimal. What
 * follows behind a blank is ignored, as on Linux. 0 or -EINVAL.
 */
static int
parse_knob(const char *text, int64_t *value)
{
    static const char blanks[] = " \t\n\v\f\r";
    uint64_t number;
    const char *end;

    while (*text && strchr(blanks, *text))
        text++;
    bool negative = *text == '-';
    if (parse_number(text + negative, &end, &number) || number > INT64_MAX)
        return -EINVAL;
    if (strchr("KMGTkmgt", end[-1]) || (*end && !strchr(blanks, *end)))
        return -EINVAL;
    *value = negative ? -(int64_t)number : (int64_t)number;
    return 0;
}

static int
show_number(struct seq *seq, const struct proc_target *target)
{
    const struct knob *knob = target->entry->data;
    if (knob->wide)
        seq_printf(seq, "%lu\n", __atomic_load_n((uint64_t *)knob->value, __ATOMIC_RELAXED));
    else
        seq_printf(seq, "%d\n", __atomic_load_n((int *)knob->value, __ATOMIC_RELAXED));
    return 0;
}

static int
store_number(const struct proc_target *target, char *text)
{
    const struct knob *knob = target->entry->data;
    int64_t value;
    int error = parse_knob(text, &value);
    if (error || value < knob->lowest || value > knob->highest)
        return -EINVAL;
    if (knob->wide)
        store_relaxed((uint64_t *)knob->value, (uint64_t)value);
    else
        store_relaxed((int *)knob->value, (int)value);
    return 0;
}

/* A text that is always the same. */
static int
show_text(struct seq *seq, const struct proc_target *target)
{
    seq_puts(seq, target->entry->data);
    seq_putc(seq, '\n');
    return 0;
}

static int
store_drop_caches(const struct proc_target *target, char *text)
{
    int error = store_number(target, text);
    if (error)
        return error;
    if (drop_caches & 2)
        dcache_shrink(~0UL);
    slab_reclaim();
    return 0;
}

/* The file's owner is not enough: uid 0 without capabilities must not open the log. */
static int
store_dmesg_restrict(const struct proc_target *target, char *text)
{
    return capable(CAP_SYS_ADMIN) ? store_number(target, text) : -EPERM;
}

/* Names of the machine. */

static struct new_utsname
names(void)
{
    struct new_utsname uts;
    memset(&uts, 0, sizeof(uts));
    if (procfs_ops.uts)
        procfs_ops.uts(&uts);
    return uts;
}

static int
show_hostname(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", names().nodename);
    return 0;
}

static int
show_domainname(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", names().domainname);
    return 0;
}

static int
show_ostype(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", names().sysname);
    return 0;
}

static int
show_osrelease(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", names().release);
    return 0;
}

static int
show_os_version(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%s\n", names().version);
    return 0;
}

static int
set_name(bool domain, char *text)
{
    text[strcspn(text, "\n")] = 0;
    return procfs_ops.set_uts ? procfs_ops.set_uts(domain, text) : -EPERM;
}

static int
store_hostname(const struct proc_target *target __unused, char *text)
{
    return set_name(false, text);
}

static int
store_domainname(const struct proc_target *target __unused, char *text)
{
    return set_name(true, text);
}

static int
show_pid_max(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%u\n", procfs_ops.pid_max);
    return 0;
}

static int
show_threads_max(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%lu\n", min(nframes_ram / 8, (uint64_t)procfs_ops.pid_max));
    return 0;
}

static int
show_printk(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%d\t%d\t%d\t%d\n", klog_console_level, LOG_WARNING, 1, LOG_DEBUG);
    return 0;
}

static int
store_printk(const struct proc_target *target __unused, char *text)
{
    int64_t level;
    if (parse_knob(text, &level) || level < 0 || level > LOG_DEBUG + 1)
        return -EINVAL;
    klog_console_level = (int)level;
    return 0;
}

/* random/ */

static void
print_uuid(struct seq *seq, const uint8_t id[16])
{
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            seq_putc(seq, '-');
        seq_printf(seq, "%02x", id[i]);
    }
    seq_putc(seq, '\n');
}

/* A random UUID (RFC 4122, 4.4). */
static void
make_uuid(uint8_t id[16])
{
    random_bytes(id, 16);
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
}

static int
show_uuid(struct seq *seq, const struct proc_target *target __unused)
{
    uint8_t id[16];
    make_uuid(id);
    print_uuid(seq, id);
    return 0;
}

static int
show_boot_id(struct seq *seq, const struct proc_target *target __unused)
{
    static struct mutex lock = MUTEX_INIT(lock, "boot_id");
    static uint8_t id[16]; /* (lock) all zeros until first asked for */
    SCOPED_LOCK(&lock);
    if (mem_is_zero(id, sizeof(id)))
        make_uuid(id);
    print_uuid(seq, id);
    return 0;
}

/* fs/ */

static int
show_file_nr(struct seq *seq, const struct proc_target *target __unused)
{
    seq_printf(seq, "%lu\t0\t%lu\n", file_count(), __atomic_load_n(&file_max, __ATOMIC_RELAXED));
    return 0;
}

/* As on Linux the size is rounded up to one that a pipe can have. */
static int
store_pipe_max_size(const struct proc_target *target __unused, char *text)
{
    int64_t value;
    int error = parse_knob(text, &value);
    uint32_t size = error || value < 0 ? 0 : pipe_round_size((uint64_t)value);
    if (!size)
        return -EINVAL;
    store_relaxed(&pipe_max_size, size);
    return 0;
}

#define CONSTANT(n, text) {.name = n, .mode = S_IFREG | 0444, .show = show_text, .data = text}
#define KNOB(n, variable, low, high)                                                               \
    {.name = n, .mode = S_IFREG | 0644, .show = show_number, .store = store_number,                \
     .data = &(const struct knob){&(variable), low, high, false}}
#define WIDE_KNOB(n, variable, low, high)                                                          \
    {.name = n, .mode = S_IFREG | 0644, .show = show_number, .store = store_number,                \
     .data = &(const struct knob){&(variable), low, high, true}}
#define TABLE(table) {.entries = table, .nentries = ARRAY_SIZE(table)}

static const struct proc_entry random_entries[] = {
    PROC_FILE("boot_id", 0444, show_boot_id),
    CONSTANT("entropy_avail", "256"),
    CONSTANT("poolsize", "256"),
    CONSTANT("urandom_min_reseed_secs", "60"),
    PROC_FILE("uuid", 0444, show_uuid),
    CONSTANT("write_wakeup_threshold", "256"),
};
static const struct proc_dir random_dir = TABLE(random_entries);

static const struct proc_entry kernel_entries[] = {
    CONSTANT("cap_last_cap", "40"), /* CAP_CHECKPOINT_RESTORE */
    CONSTANT("core_pattern", "core"),
    {.name = "dmesg_restrict", .mode = S_IFREG | 0644, .show = show_number,
     .store = store_dmesg_restrict, .data = &(const struct knob){&kmsg_restricted, 0, 1, false}},
    KNOB("core_uses_pid", core_uses_pid, 0, 1),
    {.name = "domainname",
     .mode = S_IFREG | 0644,
     .show = show_domainname,
     .store = store_domainname},
    {.name = "hostname", .mode = S_IFREG | 0644, .show = show_hostname, .store = store_hostname},
    CONSTANT("ngroups_max", "65536"),
    PROC_FILE("osrelease", 0444, show_osrelease),
    PROC_FILE("ostype", 0444, show_ostype),
    CONSTANT("overflowgid", "65534"),
    CONSTANT("overflowuid", "65534"),
    KNOB("panic", panic_timeout, -1, INT32_MAX),
    PROC_FILE("pid_max", 0444, show_pid_max),
    {.name = "printk", .mode = S_IFREG | 0644, .show = show_printk, .store = store_printk},
    PROC_DIR("random", 0555, &random_dir),
    KNOB("randomize_va_space", randomize_va_space, 0, 2),
    KNOB("sysrq", sysrq, 0, 511),
    CONSTANT("tainted", "0"),
    PROC_FILE("threads-max", 0444, show_threads_max),
    PROC_FILE("version", 0444, show_os_version),
};
static const struct proc_dir kernel_dir = TABLE(kernel_entries);

static const struct proc_entry vm_entries[] = {
    {.name = "drop_caches", .mode = S_IFREG | 0200, .show = show_number, .store = store_drop_caches,
     .data = &(const struct knob){&drop_caches, 1, 4, false}},
    KNOB("max_map_count", vm_max_regions, 0, INT32_MAX),
    CONSTANT("mmap_min_addr", "65536"),
    KNOB("overcommit_memory", overcommit_memory, 0, 2),
    KNOB("overcommit_ratio", overcommit_ratio, 0, INT32_MAX),
    KNOB("swappiness", swappiness, 0, 200),
};
static const struct proc_dir vm_dir = TABLE(vm_entries);

static const struct proc_entry epoll_entries[] = {
    WIDE_KNOB("max_user_watches", epoll_max_watches, 0, INT64_MAX),
};
static const struct proc_dir epoll_dir = TABLE(epoll_entries);

static const struct proc_entry fs_entries[] = {
    PROC_DIR("epoll", 0555, &epoll_dir),
    WIDE_KNOB("file-max", file_max, 0, INT64_MAX),
    PROC_FILE("file-nr", 0444, show_file_nr),
    KNOB("nr_open", fd_nr_open, 64, 1 << 30),
    {.name = "pipe-max-size", .mode = S_IFREG | 0644, .show = show_number,
     .store = store_pipe_max_size, .data = &(const struct knob){&pipe_max_size, 0, 0, false}},
    WIDE_KNOB("pipe-user-pages-hard", pipe_user_pages_hard, 0, INT64_MAX),
    WIDE_KNOB("pipe-user-pages-soft", pipe_user_pages_soft, 0, INT64_MAX),
};
static const struct proc_dir fs_dir = TABLE(fs_entries);

static const struct proc_entry sys_entries[] = {
    PROC_DIR("fs", 0555, &fs_dir),
    PROC_DIR("kernel", 0555, &kernel_dir),
    PROC_DIR("vm", 0555, &vm_dir),
};
const struct proc_dir proc_sys_dir = TABLE(sys_entries);
