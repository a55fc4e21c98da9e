/*
 * What /proc tells of a process in numbers: stat, status, statm, limits, io
 * (proc(5)).
 */
#include "arch/riscv/clock.h"
#include "fs/proc_entry.h"
#include "lib/string.h"
#include "vfs/cred.h"
#include "vfs/fdtable.h"
#include "vm/vmspace.h"

#define NSEC_PER_TICK (NSEC_PER_SEC / 100) /* USER_HZ */
#define GROUPS_AT_ONCE 64 /* of status, in one record */
#define KIB(npages) ((npages) * (PAGE_SIZE / 1024))

static const char *
state_name(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'S':
        return "sleeping";
    case 'D':
        return "disk sleep";
    case 'T':
        return "stopped";
    case 't':
        return "tracing stop";
    case 'Z':
        return "zombie";
    default:
        return "dead";
    }
}

static int
info_of(const struct proc_target *target, struct proc_info *info)
{
    memset(info, 0, sizeof(*info));
    return procfs_ops.info(&target->id, info);
}

/* Sizes of an address space, in pages; all zeros for NULL. */
struct vm_sizes {
    uint64_t mapped, resident, shared, text, data, stack, peak_resident, locked, tables;
    vaddr_t start_code, end_code, start_data, end_data, start_brk, start_stack;
    vaddr_t arg_start, arg_end, env_start, env_end;
};

static void
measure(struct vmspace *vm, struct vm_sizes *sizes)
{
    memset(sizes, 0, sizeof(*sizes));
    if (!vm)
        return;
    mutex_lock(&vm->lock);
    sizes->mapped = vm->npages_mapped;
    sizes->resident = vm->nresident_anon + vm->nresident_file;
    sizes->shared = vm->nresident_file;
    sizes->peak_resident = max(vm->max_resident, sizes->resident);
    sizes->locked = vm->npages_locked;
    sizes->tables = vm_ntables(vm);
    sizes->text = PAGE_ALIGN_UP(vm->end_code - PAGE_ALIGN_DOWN(vm->start_code)) >> PAGE_SHIFT;
    sizes->data = vm->npages_data;
    sizes->stack = vm->npages_stack;
    sizes->start_code = vm->start_code;
    sizes->end_code = vm->end_code;
    sizes->start_data = vm->start_data;
    sizes->end_data = vm->end_data;
    sizes->start_brk = vm->brk_start;
    sizes->start_stack = vm->arg_start ? ALIGN_DOWN(vm->arg_start, 16UL) : 0;
    sizes->arg_start = vm->arg_start;
    sizes->arg_end = vm->arg_end;
    sizes->env_start = vm->env_start;
    sizes->env_end = vm->env_end;
    mutex_unlock(&vm->lock);
}

/* The sizes of what a process runs on now, for those who need no right to see them. */
static void
measure_target(const struct proc_target *target, struct vm_sizes *sizes)
{
    struct vmspace *vm = procfs_ops.vm(&target->id);

    measure(vm, sizes);
    if (vm)
        vm_put(vm);
}

/* The priority column: 20 + nice, or below zero for real-time threads. */
static int
shown_priority(const struct proc_info *info)
{
    return info->rt_priority ? -1 - (int)info->rt_priority : 20 + info->nice;
}

/* A thread's name on one line, whatever was written to comm. */
static void
show_name(struct seq *seq, const char *comm)
{
    for (; *comm; comm++) {
        if (*comm == '\n')
            seq_puts(seq, "\\n");
        else if (*comm == '\\')
            seq_puts(seq, "\\\\");
        else
            seq_putc(seq, *comm);
    }
}

/* What a stranger sees in place of addresses: enough to tell a process from a kernel thread. */
static void
hide_addresses(struct proc_info *info, struct vm_sizes *sizes)
{
    bool has_memory = sizes->mapped;
    sizes->start_code = sizes->end_code = has_memory;
    sizes->start_stack = sizes->start_data = sizes->end_data = sizes->start_brk = 0;
    sizes->arg_start = sizes->arg_end = sizes->env_start = sizes->env_end = 0;
    info->exit_code = 0;
}

int
proc_show_stat(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    struct vm_sizes m;
    int error = info_of(target, &p);
    if (error)
        return error;
    struct vmspace *vm = procfs_ops.vm(&target->id);
    measure(vm, &m);
    /* The right is to what was measured, not to what may have taken its place by now. */
    bool hidden = !procfs_ops.may_inspect(&target->id, vm);
    if (vm)
        vm_put(vm);
    if (hidden)
        hide_addresses(&p, &m);
    bool asleep = p.state == 'S' || p.state == 'D';
    bool wchan = asleep && !hidden && (target->id.tid || p.nthreads < 2);
    seq_printf(seq, "%d (", p.pid);
    show_name(seq, p.comm);
    seq_printf(seq, ") %c %d %d %d %d %d %u ", p.state, p.ppid, p.pgrp, p.session, (int)p.tty,
               p.tty_pgrp, p.flags);
    seq_printf(seq, "%lu %lu %lu %lu %lu %lu %lu %lu ", p.minor_faults, p.child_minor_faults,
               p.major_faults, p.child_major_faults, p.user / NSEC_PER_TICK,
               p.system / NSEC_PER_TICK, p.child_user / NSEC_PER_TICK,
               p.child_system / NSEC_PER_TICK);
    seq_printf(seq, "%d %d %u 0 %lu %lu %lu %lu ", shown_priority(&p), p.nice, p.nthreads,
               p.started / NSEC_PER_TICK, m.mapped << PAGE_SHIFT, m.resident,
               (uint64_t)p.limits[RLIMIT_RSS].rlim_cur);
    seq_printf(seq, "%lu %lu %lu 0 0 %lu %lu %lu %lu ", m.start_code, m.end_code, m.start_stack,
               p.pending & 0x7fffffff, p.blocked & 0x7fffffff, p.ignored & 0x7fffffff,
               p.caught & 0x7fffffff);
    seq_printf(seq, "%d 0 0 %d %u %u %u 0 0 0 ", wchan, p.exit_signal,
               p.hart, p.rt_priority, p.policy);
    seq_printf(seq, "%lu %lu %lu %lu %lu %lu %lu %d\n", m.start_data, m.end_data, m.start_brk,
               m.arg_start, m.arg_end, m.env_start, m.env_end, p.exit_code);
    return 0;
}

int
proc_show_statm(struct seq *seq, const struct proc_target *target)
{
    struct vm_sizes m;
    measure_target(target, &m);
    seq_printf(seq, "%lu %lu %lu %lu 0 %lu 0\n", m.mapped, m.resident, m.shared, m.text,
               m.data + m.stack);
    return 0;
}

/* status, part by part. */

static void
status_caps(struct seq *seq, const struct cred *c)
{
    seq_printf(seq, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", c->cap_inheritable,
               c->cap_permitted, c->cap_effective);
    seq_printf(seq, "CapBnd:\t%016lx\nCapAmb:\t%016lx\n", c->cap_bounding, c->cap_ambient);
}

static void
status_memory(struct seq *seq, const struct proc_target *target)
{
    struct vm_sizes m;
    measure_target(target, &m);
    seq_printf(seq, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8u kB\n",
               KIB(m.mapped), KIB(m.mapped), KIB(m.locked), 0);
    seq_printf(seq, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", KIB(m.peak_resident), KIB(m.resident));
    seq_printf(seq, "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8u kB\n",
               KIB(m.resident - m.shared), KIB(m.shared), 0);
    seq_printf(seq, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8u kB\n",
               KIB(m.data), KIB(m.stack), KIB(m.text), 0);
    seq_printf(seq, "VmPTE:\t%8lu kB\nVmSwap:\t%8u kB\n", KIB(m.tables), 0);
}

static void
status_signals(struct seq *seq, const struct proc_info *p)
{
    seq_printf(seq, "Threads:\t%u\nSigQ:\t%lu/%lu\n", p->nthreads, p->nqueued,
               (uint64_t)p->limits[RLIMIT_SIGPENDING].rlim_cur);
    seq_printf(seq, "SigPnd:\t%016lx\nShdPnd:\t%016lx\n", p->pending, p->shared_pending);
    seq_printf(seq, "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", p->blocked, p->ignored,
               p->caught);
}

/* A set of harts as "0-3,5". */
static void
hart_list(struct seq *seq, cpumask_t mask)
{
    const char *comma = "";
    for (uint32_t i = 0; i < nharts; i++) {
        if (!(mask >> i & 1))
            continue;
        uint32_t last = i;
        while (last + 1 < nharts && mask >> (last + 1) & 1)
            last++;
        seq_printf(seq, last > i ? "%s%u-%u" : "%s%u", comma, i, last);
        comma = ",";
        i = last;
    }
    seq_putc(seq, '\n');
}

/* All before the list of groups. */
static void
status_head(struct seq *seq, const struct proc_target *target, const struct proc_info *p,
            const struct cred *c)
{
    struct fdtable *files = procfs_ops.files(&target->id);
    seq_puts(seq, "Name:\t");
    show_name(seq, p->comm);
    seq_printf(seq, "\nUmask:\t%04o\nState:\t%c (%s)\n", p->umask, p->state,
               state_name(p->state));
    seq_printf(seq, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", p->tgid,
               p->pid, p->ppid, p->tracer);
    seq_printf(seq, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
    seq_printf(seq, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
    seq_printf(seq, "FDSize:\t%u\nGroups:\t", files ? files->capacity : 0);
    if (files)
        fdtable_put(files);
}

/* All behind it. */
static void
status_tail(struct seq *seq, const struct proc_target *target, const struct proc_info *p,
            const struct cred *c)
{
    seq_puts(seq, c->ngroups ? "\n" : " \n");
    seq_printf(seq, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t%d\n", p->tgid,
               p->pid, p->pgrp, p->session, p->kernel_thread);
    if (!p->kernel_thread && p->state != 'Z')
        status_memory(seq, target);
    status_signals(seq, p);
    status_caps(seq, c);
    seq_printf(seq, "NoNewPrivs:\t%d\nSeccomp:\t%u\n", p->no_new_privs, p->seccomp);
    seq_printf(seq, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", p->affinity & harts_online);
    hart_list(seq, p->affinity);
    seq_puts(seq, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    seq_printf(seq, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
               p->nvoluntary, p->ninvoluntary);
}

/* One record, unless the list of groups is long. cursor->at: groups printed; part: 1 at the end. */
int
proc_next_status(struct seq *seq, const struct proc_target *target, struct seq_cursor *cursor)
{
    struct proc_info p;
    if (cursor->part)
        return 0;
    int error = info_of(target, &p);
    if (error)
        return error;
    const struct cred *cred = procfs_ops.cred(&target->id);
    const struct cred *c = cred ? cred : &root_cred;
    uint32_t last = min((uint64_t)c->ngroups, cursor->at + GROUPS_AT_ONCE);
    if (cursor->at == 0)
        status_head(seq, target, &p, c);
    for (uint32_t i = (uint32_t)cursor->at; i < last; i++)
        seq_printf(seq, "%u ", c->groups[i]);
    if (last == c->ngroups)
        status_tail(seq, target, &p, c);
    cursor->part = last == c->ngroups;
    cursor->at = last;
    if (cred)
        cred_put(cred);
    return 1;
}

/* limits */

static const struct {
    const char *name, *unit;
} limit_names[RLIM_NLIMITS] = {
    [RLIMIT_CPU] = {"Max cpu time", "seconds"},
    [RLIMIT_FSIZE] = {"Max file size", "bytes"},
    [RLIMIT_DATA] = {"Max data size", "bytes"},
    [RLIMIT_STACK] = {"Max stack size", "bytes"},
    [RLIMIT_CORE] = {"Max core file size", "bytes"},
    [RLIMIT_RSS] = {"Max resident set", "bytes"},
    [RLIMIT_NPROC] = {"Max processes", "processes"},
    [RLIMIT_NOFILE] = {"Max open files", "files"},
    [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
    [RLIMIT_AS] = {"Max address space", "bytes"},
    [RLIMIT_LOCKS] = {"Max file locks", "locks"},
    [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
    [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
    [RLIMIT_NICE] = {"Max nice priority", ""},
    [RLIMIT_RTPRIO] = {"Max realtime priority", ""},
    [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
};

static void
limit_value(struct seq *seq, uint64_t value)
{
    if (value == RLIM64_INFINITY)
        seq_printf(seq, "%-20s ", "unlimited");
    else
        seq_printf(seq, "%-20lu ", value);
}

int
proc_show_limits(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    seq_printf(seq, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        seq_printf(seq, "%-25s ", limit_names[i].name);
        limit_value(seq, p.limits[i].rlim_cur);
        limit_value(seq, p.limits[i].rlim_max);
        if (*limit_names[i].unit)
            seq_printf(seq, "%-10s", limit_names[i].unit);
        seq_putc(seq, '\n');
    }
    return 0;
}

int
proc_show_io(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    seq_printf(seq, "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\n", p.read_chars,
               p.write_chars, p.read_calls, p.write_calls);
    seq_puts(seq, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
    return 0;
}
