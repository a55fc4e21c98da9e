/*
 * Tasks and processes as objects: memory, references, parents; see task.h.
 */
#include "proc/task.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/clock.h"
#include "proc/cputimer.h"
#include "proc/exec.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/oom.h"
#include "proc/procinfo.h"
#include "proc/sigdeliver.h"
#include "proc/signal.h"
#include "proc/telling.h"

static struct slab_cache *task_cache, *proc_cache;

struct task *
task_alloc(void)
{
    struct task *task = slab_alloc(task_cache);

    if (!task)
        return NULL;
    memset(&task->thread, 0, offsetof(struct thread, fp));
    memset(&task->thread.fp + 1, 0, sizeof(*task) - offsetof(struct thread, fp) - sizeof(struct fpstate));
    ref_init(&task->refs, 1);
    task->thread.task = task;
    list_init(&task->link);
    list_init(&task->made);
    sigpending_init(&task->pending);
    return task;
}

struct proc *
proc_alloc(void)
{
    struct proc *proc = slab_alloc_zeroed(proc_cache);

    if (!proc)
        return NULL;
    proc->signalfds = waitq_shared("signalfd waiters"); /* taken with a proc->lock held */
    if (!proc->signalfds) {
        slab_free(proc_cache, proc);
        return NULL;
    }
    ref_init(&proc->refs, 1);
    spin_init(&proc->lock, "process");
    spin_init(&proc->parent_lock, "parent");
    waitq_init(&proc->child_wait);
    waitq_init(&proc->exec_wait);
    waitq_init(&proc->stop_wait);
    list_init(&proc->sibling);
    list_init(&proc->made_link);
    list_init(&proc->children);
    list_init(&proc->zombies);
    list_init(&proc->group_link);
    list_init(&proc->threads);
    list_init(&proc->walks);
    list_init(&proc->sums);
    telling_init(proc);
    sigpending_init(&proc->pending);
    cputimer_init(proc);
    proc->adopts = true;
    return proc;
}

void
proc_get(struct proc *proc)
{
    ref_get(&proc->refs);
}

void
proc_put(struct proc *proc)
{
    if (!ref_put(&proc->refs))
        return;
    assert(!proc->leader && !proc->parent && !proc->group && !proc->nthreads);
    assert(!proc->real_timer.armed && !proc->timers);
    assert(list_empty(&proc->children) && list_empty(&proc->zombies));
    assert(list_empty(&proc->sibling) && list_empty(&proc->made_link));
    sigpending_flush(&proc->pending);
    if (proc->sighand)
        sighand_put(proc->sighand);
    waitq_shared_put(proc->signalfds);
    slab_free(proc_cache, proc);
}

void
task_get(struct task *task)
{
    ref_get(&task->refs);
}

void
task_put(struct task *task)
{
    if (ref_put(&task->refs))
        task_free(task);
}

void
task_free(struct task *task)
{
    assert(list_empty(&task->link) && list_empty(&task->made));
    sigpending_flush(&task->pending);
    thread_cred_free(&task->thread);
    if (task->proc)
        proc_put(task->proc);
    slab_free(task_cache, task);
}

struct proc *
proc_lock_parent(struct proc *child)
{
    for (;;) {
        spin_lock(&child->parent_lock);
        struct proc *parent = child->parent;
        if (parent)
            proc_get(parent);
        spin_unlock(&child->parent_lock);
        if (!parent)
            return NULL;
        spin_lock(&parent->lock);
        if (child->parent == parent)
            return parent;
        spin_unlock(&parent->lock);
        proc_put(parent);
    }
}

struct task *
proc_leader(struct proc *proc)
{
    SCOPED_SPIN(&proc->lock);
    struct task *leader = proc->leader;

    if (leader)
        task_get(leader);
    return leader;
}

uint32_t
proc_uid(struct proc *proc)
{
    const struct cred *cred = task_cred(proc->leader);
    uint32_t uid = cred->uid;

    cred_put(cred);
    return uid;
}

void
proc_init(void)
{
    task_cache = slab_cache_create("task", sizeof(struct task), 64);
    proc_cache = slab_cache_create("process", sizeof(struct proc), 64);
    signal_init();
    group_init();
    limits_init();
    clocks_init();
    futex_init();
    exec_init();
    procinfo_init();
    trap_ops.user_return = signal_user_return;
    trap_ops.user_exception = signal_user_exception;
    vm_signal_hook = signal_page_fault;
    oom_init();
    cputimers_init();
    vm_end_hook = signal_fatal_pending;
}
