/*
 * Decoders: getpriority(2), setpriority(2).
 */
#include <linux/capability.h>
#include <linux/resource.h>
#include "arch/riscv/trap.h"
#include "proc/access.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "syscall/syscall.h"

/* What a call is about, and what it found; nice is set unless `get`. */
struct priority_call {
    bool get;
    int nice;
    int best;  /* get: the lowest nice seen */
    int error; /* set: -ESRCH until somebody was found */
};

static bool
is_users(struct task *task, uint32_t uid)
{
    const struct cred *cred = task_cred(task);
    bool same = cred->uid == uid;

    cred_put(cred);
    return same;
}

/* One thread. proc->lock held. */
static void
visit_task(struct priority_call *call, struct task *task)
{
    struct thread *thread = &task->thread;

    if (call->get) {
        call->best = min(call->best, thread->nice);
        call->error = 0;
        return;
    }
    if (!access_same_user(task)) {
        call->error = -EPERM;
        return;
    }
    if (call->nice < thread->nice && !capable(CAP_SYS_NICE) &&
        (uint64_t)(20 - call->nice) > task->proc->limits[RLIMIT_NICE].rlim_cur) {
        call->error = -EACCES;
        return;
    }
    if (!access_holds_all(task)) {
        call->error = -EPERM;
        return;
    }
    if (call->error == -ESRCH)
        call->error = 0;
    thread_set_nice(thread, call->nice);
}

/* A process's threads, those of one user (uid) if `by_user`. */
static void
visit_proc(struct priority_call *call, struct proc *proc, bool by_user, uint32_t uid)
{
    struct task *task;
    SCOPED_SPIN(&proc->lock);

    LIST_FOREACH(task, &proc->threads, link)
        if (!by_user || is_users(task, uid))
            visit_task(call, task);
}

static void
visit_one(struct priority_call *call, uint32_t tid)
{
    struct task *task = tid ? pid_task(tid) : current_task();

    if (!task)
        return;
    spin_lock(&task->proc->lock);
    visit_task(call, task);
    spin_unlock(&task->proc->lock);
    if (tid)
        task_put(task);
}

static void
visit_group(struct priority_call *call, uint32_t pgid)
{
    struct group *group = pid_group(pgid ? pgid : current_proc()->pgid);
    struct proc *proc;

    if (!group)
        return;
    struct group_walk walk;
    group_walk_begin(&walk, group);
    while ((proc = group_walk_next(&walk)))
        visit_proc(call, proc, false, 0);
    group_walk_end(&walk);
    group_put(group);
}

static void
visit_user(struct priority_call *call, uint32_t uid)
{
    struct proc *proc;

    for (uint32_t nr = 1; (proc = pid_next_proc(nr)) != NULL; nr++) {
        nr = proc->pid;
        visit_proc(call, proc, true, uid);
        proc_put(proc);
        preempt_point();
    }
}

static int
visit(struct priority_call *call, int which, uint32_t who)
{
    switch (which) {
    case PRIO_PROCESS:
        visit_one(call, who);
        break;
    case PRIO_PGRP:
        visit_group(call, who);
        break;
    case PRIO_USER:
        visit_user(call, who ? who : current_cred()->uid);
        break;
    default:
        return -EINVAL;
    }
    return call->error;
}

static int64_t
sys_getpriority(const uint64_t *args)
{
    struct priority_call call = {.get = true, .best = PRIO_MAX, .error = -ESRCH};
    int error = visit(&call, (int)args[0], (uint32_t)args[1]);

    return error ? error : 20 - call.best;
}

static int64_t
sys_setpriority(const uint64_t *args)
{
    struct priority_call call = {.nice = (int)args[2], .error = -ESRCH};

    call.nice = max(min(call.nice, PRIO_MAX - 1), PRIO_MIN);
    return visit(&call, (int)args[0], (uint32_t)args[1]);
}

const struct syscall_row priority_syscalls[] = {
    {__NR_getpriority, sys_getpriority},
    {__NR_setpriority, sys_setpriority},
    {0, NULL},
};
