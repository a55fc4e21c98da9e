/*
 * Whom to kill when memory is out; vm/oom.c tells when.
 *
 * As on Linux the address space with the most points goes, and every process that
 * runs on it. Its points are the pages it has in memory and its page tables, and for
 * each thousandth of oom_score_adj a thousandth of all memory more. Process 1 is spared, and one
 * whose oom_score_adj is the least possible, and so is an address space that such
 * a process shares.
 *
 * The killer is one thread, so the marks in address spaces need no lock. No lock
 * is held from the choice to the kill: a process may come, end or exec
 * meanwhile, and is then chosen or spared as it was a moment before.
 */
#include "proc/oom.h"
#include <linux/oom.h>
#include "arch/riscv/klog.h"
#include "lib/atomic.h"
#include "mem/frame.h"
#include "proc/pid.h"
#include "proc/share.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "vfs/cred.h"
#include "vm/fault.h"
#include "vm/vmspace.h"

static uint64_t choice; /* the number of this choice: marks of earlier ones are void */

/* The address space of a process, with a reference; NULL: it has none any more. */
static struct vmspace *
proc_vm(struct proc *proc)
{
    struct task *task;
    SCOPED_SPIN(&proc->lock);

    LIST_FOREACH(task, &proc->threads, link) {
        struct vmspace *vm = task_vm_locked(task);
        if (!vm)
            continue;
        vm_get(vm);
        return vm;
    }
    return NULL;
}

static bool
spared(const struct proc *proc)
{
    return proc->init || __atomic_load_n(&proc->oom_score_adj, __ATOMIC_RELAXED) == OOM_SCORE_ADJ_MIN;
}

/* Call fn for each process that has an address space. */
static void
for_each(void (*fn)(struct proc *proc, struct vmspace *vm, void *ctx), void *ctx)
{
    struct proc *proc;

    for (uint32_t nr = 1; (proc = pid_next_proc(nr)) != NULL; nr++) {
        nr = proc->pid;
        struct vmspace *vm = proc_vm(proc);
        if (vm) {
            fn(proc, vm, ctx);
            vm_put(vm);
        }
        proc_put(proc);
        preempt_point();
    }
}

static void
mark_spared(struct proc *proc, struct vmspace *vm, void *ctx __unused)
{
    if (spared(proc))
        vm->spared_in = choice;
}

struct best {
    struct vmspace *vm; /* counted */
    int64_t points;
};

static int64_t
points_of(const struct proc *proc, struct vmspace *vm)
{
    int64_t adjust = __atomic_load_n(&proc->oom_score_adj, __ATOMIC_RELAXED);
    return (int64_t)(vm_resident(vm) + vm_ntables(vm)) +
           adjust * (int64_t)(nframes_ram / OOM_SCORE_ADJ_MAX);
}

int
oom_score(struct proc *proc)
{
    struct vmspace *vm = spared(proc) ? NULL : proc_vm(proc);

    if (!vm)
        return 0;
    /* Linux's scale (proc_oom_score()): two thirds of 1000 and the points in thousandths. */
    int64_t share = points_of(proc, vm) * 1000 / (int64_t)nframes_ram;
    vm_put(vm);
    return (int)((1000 + share) * 2 / 3);
}

static void
consider(struct proc *proc, struct vmspace *vm, void *ctx)
{
    struct best *best = ctx;

    if (vm->spared_in == choice || __atomic_load_n(&vm->ending, __ATOMIC_RELAXED))
        return;
    int64_t points = points_of(proc, vm);
    if (best->vm && points < best->points)
        return;
    if (best->vm)
        vm_put(best->vm);
    vm_get(vm);
    *best = (struct best){vm, points};
}

static void
kill_if_on(struct proc *proc, struct vmspace *vm, void *ctx)
{
    if (vm != ctx)
        return;
    SCOPED_SPIN(&proc->lock);
    struct task *task = LIST_FIRST(&proc->threads, struct task, link);
    if (!task || proc->oom_victim)
        return;
    proc->oom_victim = true;
    vm_oom_victim(false);
    const struct cred *cred = thread_cred(&task->thread);
    pr_err("Out of memory: killed process %u (%s), %lu kB in memory, %lu kB of page tables, UID %u, "
           "oom_score_adj %d",
           proc->pid, task->thread.name, vm_resident(vm) * (PAGE_SIZE / 1024),
           vm_ntables(vm) * (PAGE_SIZE / 1024), cred->uid, proc->oom_score_adj);
    cred_put(cred);
    signal_proc_locked(proc, SIGKILL, NULL);
}

static struct vmspace *
pick(void)
{
    struct best best = {0};

    choice++;
    for_each(mark_spared, NULL);
    for_each(consider, &best);
    if (!best.vm)
        return NULL;
    __atomic_store_n(&best.vm->ending, 1, __ATOMIC_SEQ_CST);
    for_each(kill_if_on, best.vm);
    return best.vm;
}

void
oom_init(void)
{
    vm_oom_pick = pick;
}
