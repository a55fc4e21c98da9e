/*
 * Resource limits and usage; see limits.h.
 */
#include "proc/limits.h"
#include <linux/capability.h>
#include <linux/fs.h>
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "proc/cputimer.h"
#include "proc/share.h"
#include "proc/signal.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vm/vmspace.h"

#define SUMMED_AT_ONCE 32 /* threads whose usage is added with the lock held */

uint64_t
limit_soft(unsigned resource)
{
    struct task *task = current_task();

    if (!task)
        return RLIM64_INFINITY;
    return __atomic_load_n(&task->proc->limits[resource].rlim_cur, __ATOMIC_RELAXED);
}

int
limit_change(struct proc *proc, unsigned resource, const struct rlimit64 *new, struct rlimit64 *old)
{
    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    if (new && new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (new && resource == RLIMIT_NOFILE && new->rlim_max > fd_nr_open)
        return -EPERM;

    spin_lock(&proc->lock);
    struct rlimit64 *limit = &proc->limits[resource];
    int error = 0;
    if (old)
        *old = *limit;
    if (new && new->rlim_max > limit->rlim_max && !capable(CAP_SYS_RESOURCE)) {
        error = -EPERM;
    } else if (new) {
        limit->rlim_max = new->rlim_max;
        store_relaxed(&limit->rlim_cur, new->rlim_cur);
    }
    spin_unlock(&proc->lock);
    if (!error && new && resource == RLIMIT_CPU)
        cputimer_changed(proc);
    return error;
}

void
limits_first(struct proc *proc)
{
    /* Linux's: half of the threads whose stacks fit an eighth of memory. */
    uint64_t nthreads = nframes_ram * PAGE_SIZE / 8 / 16384 / 2;

    for (unsigned i = 0; i < RLIM_NLIMITS; i++)
        proc->limits[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
    proc->limits[RLIMIT_STACK].rlim_cur = _STK_LIM;
    proc->limits[RLIMIT_CORE].rlim_cur = 0;
    proc->limits[RLIMIT_NPROC] = (struct rlimit64){nthreads, nthreads};
    proc->limits[RLIMIT_SIGPENDING] = (struct rlimit64){nthreads, nthreads};
    proc->limits[RLIMIT_NOFILE] = (struct rlimit64){INR_OPEN_CUR, INR_OPEN_MAX};
    proc->limits[RLIMIT_MEMLOCK] = (struct rlimit64){MLOCK_LIMIT, MLOCK_LIMIT};
    proc->limits[RLIMIT_MSGQUEUE] = (struct rlimit64){819200, 819200}; /* MQ_BYTES_MAX */
    proc->limits[RLIMIT_NICE] = (struct rlimit64){0, 0};
    proc->limits[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
}

static void
vm_limits_of_current(struct vm_limits *limits)
{
    limits->as = limit_soft(RLIMIT_AS);
    limits->data = limit_soft(RLIMIT_DATA);
    limits->stack = limit_soft(RLIMIT_STACK);
    limits->low = capable(CAP_SYS_RAWIO);
    limits->memlock = capable(CAP_IPC_LOCK) ? RLIM64_INFINITY : limit_soft(RLIMIT_MEMLOCK);
}

static uint32_t
fd_limit_of_current(void)
{
    uint64_t limit = limit_soft(RLIMIT_NOFILE);

    return (uint32_t)min(limit, (uint64_t)fd_nr_open);
}

void
limits_init(void)
{
    vm_get_limits = vm_limits_of_current;
    fd_limit = fd_limit_of_current;
}

void
usage_add_task(struct usage *usage, struct task *task)
{
    uint64_t user, system;

    thread_times(&task->thread, &user, &system);
    usage->user += user;
    usage->system += system;
    usage->nvoluntary += task->thread.nvoluntary;
    usage->ninvoluntary += task->thread.ninvoluntary;
}

void
usage_add_vm(struct usage *usage, struct vmspace *vm)
{
    usage->nminor += vm->nfaults_minor;
    usage->nmajor += vm->nfaults_major;
    usage->max_resident = max(usage->max_resident, vm->max_resident);
}

void
usage_add(struct usage *to, const struct usage *what)
{
    to->user += what->user;
    to->system += what->system;
    to->nminor += what->nminor;
    to->nmajor += what->nmajor;
    to->nvoluntary += what->nvoluntary;
    to->ninvoluntary += what->ninvoluntary;
    to->max_resident = max(to->max_resident, what->max_resident);
}

void
proc_usage_locked(struct proc *proc, struct usage *usage)
{
    struct task *task;
    struct vmspace *vm = NULL;

    *usage = proc->dead;
    LIST_FOREACH(task, &proc->threads, link) {
        usage_add_task(usage, task);
        if (task_vm_locked(task))
            vm = task_vm_locked(task);
    }
    if (vm)
        usage_add_vm(usage, vm);
}

/* A sum under way. lock held for what is in it. */
struct sum {
    struct walk walk; /* in proc->sums */
    struct usage usage;
};

void
usage_task_leaves(struct proc *proc, struct task *task)
{
    struct walk *walk;

    usage_add_task(&proc->dead, task);
    LIST_FOREACH(walk, &proc->sums, link)
        if (walk_comes_to(walk, &task->link, &proc->threads))
            usage_add_task(&container_of(walk, struct sum, walk)->usage, task);
    walk_leave(&proc->sums, &task->link);
}

void
proc_usage(struct proc *proc, struct usage *usage)
{
    struct sum sum;
    struct list *node;
    struct vmspace *vm = NULL;
    unsigned n = 0;

    spin_lock(&proc->lock);
    sum.usage = proc->dead;
    walk_begin(&proc->sums, &sum.walk, &proc->threads);
    while ((node = walk_next(&sum.walk, &proc->threads))) {
        struct task *task = LIST_ENTRY(node, struct task, link);
        usage_add_task(&sum.usage, task);
        if (!vm && (vm = task_vm_locked(task)))
            usage_add_vm(&sum.usage, vm); /* the address space is all threads' */
        if (++n % SUMMED_AT_ONCE)
            continue;
        spin_unlock(&proc->lock);
        preempt_point();
        spin_lock(&proc->lock);
    }
    walk_end(&sum.walk);
    spin_unlock(&proc->lock);
    *usage = sum.usage;
}

static struct __kernel_old_timeval
to_timeval(uint64_t nsec)
{
    return (struct __kernel_old_timeval){(long)(nsec / NSEC_PER_SEC),
                                         (long)(nsec % NSEC_PER_SEC / NSEC_PER_USEC)};
}

void
usage_to_rusage(const struct usage *usage, struct rusage *rusage)
{
    memset(rusage, 0, sizeof(*rusage));
    rusage->ru_utime = to_timeval(usage->user);
    rusage->ru_stime = to_timeval(usage->system);
    rusage->ru_maxrss = (long)(usage->max_resident * (PAGE_SIZE / 1024));
    rusage->ru_minflt = (long)usage->nminor;
    rusage->ru_majflt = (long)usage->nmajor;
    rusage->ru_nvcsw = (long)usage->nvoluntary;
    rusage->ru_nivcsw = (long)usage->ninvoluntary;
}
