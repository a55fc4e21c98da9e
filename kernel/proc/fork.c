/*
 * New tasks; see fork.h.
 *
 * First everything the child needs is allocated, copied or counted; each step
 * notes itself in the child, so that one function undoes whatever was done.
 * Then, with the locks of the group and the parent held, the child becomes
 * visible in one step, unless a signal has come for the parent: then the
 * call is restarted, so that a signal to a group misses no child.
 */
#include "proc/fork.h"
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include "arch/riscv/csr.h"
#include "arch/riscv/klog.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/credentials.h"
#include "proc/cputimer.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/reparent.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "proc/telling.h"
#include "vfs/fdtable.h"
#include "vfs/namei.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

/* A vfork parent waits for this; the child holds it until it has exec'd or exited. */
struct vfork {
    struct refcount refs; /* (A) parent and child */
    struct spinlock lock;
    struct waitq waiter;
    bool done;     /* (lock) */
};

uint64_t proc_nforks;
uint32_t proc_nthreads;

static void
vfork_put(struct vfork *vfork)
{
    if (ref_put(&vfork->refs))
        kmfree(vfork);
}

void
vfork_done(struct task *task)
{
    struct vfork *vfork = task->vfork;

    if (!vfork)
        return;
    task->vfork = NULL;
    spin_lock(&vfork->lock);
    vfork->done = true;
    wake_key_sync(&vfork->waiter, 0);
    spin_unlock(&vfork->lock);
    vfork_put(vfork);
}

void
vfork_interrupt(struct task *task)
{
    if (!task->vforked)
        return;
    spin_lock(&task->vforked->lock);
    wake_all(&task->vforked->waiter);
    spin_unlock(&task->vforked->lock);
}

static void
set_vforked(struct task *task, struct vfork *vfork)
{
    SCOPED_SPIN(&task->proc->lock);
    task->vforked = vfork;
}

/* Sleep until the child is done or this process is killed. */
static void
vfork_wait(struct task *task, struct vfork *vfork)
{
    set_vforked(task, vfork);
    spin_lock(&vfork->lock);
    while (!vfork->done && !signal_fatal_pending())
        wait_on(&vfork->waiter, &vfork->lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
    spin_unlock(&vfork->lock);
    set_vforked(task, NULL);
    vfork_put(vfork);
}

/* Flags that contradict each other, or ask for what is not there. clone(2). */
static int
check_flags(const struct clone_request *request)
{
    uint64_t flags = request->flags;

    if (flags & (CLONE_NAMESPACES | CLONE_INTO_CGROUP | CLONE_NEWTIME | CLONE_PIDFD))
        return -EINVAL;
    if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND))
        return -EINVAL;
    if ((flags & CLONE_PARENT) && current_proc()->init)
        return -EINVAL;
    return 0;
}

/* The child's credentials, and its place among its user's processes. 0, -EAGAIN. */
static int
inherit_cred(struct thread *child)
{
    const struct cred *cred = cred_get(current_cred());

    /* Counted before it is compared, so that two at once cannot both be the last. */
    thread_cred_start(child, cred);
    if (cred_over_nproc(cred) && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
        return -EAGAIN;
    current_task()->over_nproc = false;
    return 0;
}

/* What a process is born with, from the process that made it. 0 or -ENOMEM. */
static int
inherit_proc(struct proc *child, const struct clone_request *request)
{
    struct proc *proc = current_proc();
    uint64_t flags = request->flags;

    if (flags & CLONE_SIGHAND) {
        child->sighand = proc->sighand;
        sighand_get(child->sighand);
    } else {
        child->sighand =
            flags & CLONE_CLEAR_SIGHAND ? sighand_create() : sighand_copy(proc->sighand);
    }
    if (!child->sighand)
        return -ENOMEM;
    if (flags & CLONE_CLEAR_SIGHAND) {
        struct sigaction *to = child->sighand->actions, *from = proc->sighand->actions;
        for (int i = 0; i < _NSIG; i++)
            if (from[i].sa_handler == SIG_IGN)
                to[i].sa_handler = SIG_IGN;
    }
    spin_lock(&proc->lock); /* prlimit(2) changes soft and hard limit together */
    memcpy(child->limits, proc->limits, sizeof(child->limits));
    spin_unlock(&proc->lock);
    child->vdso = proc->vdso;
    child->oom_score_adj = proc->oom_score_adj;
    child->oom_score_adj_min = proc->oom_score_adj_min;
    child->no_tty = proc->no_tty;
    child->exit_signal = flags & CLONE_PARENT ? proc->exit_signal : request->exit_signal;
    child->started = clock_now();
    return 0;
}

/* The address space, for the process `pid`. 0 or -ENOMEM. */
static int
inherit_vm(struct thread *child, uint64_t flags, uint32_t pid)
{
    struct vmspace *vm = current_thread()->vm;

    if (!(flags & CLONE_VM)) {
        child->vm = vm_fork(vm);
        if (!child->vm)
            return -ENOMEM;
        child->mmu = &child->vm->mmu;
        return vm_usyscall_map(child->vm, pid);
    }
    vm_get(vm);
    child->vm = vm;
    child->mmu = &vm->mmu;
    if (!(flags & CLONE_THREAD))
        vm_usyscall_join(vm, pid);
    return 0;
}

/* Files, names: shared or copied. 0, -ENOMEM, or -EAGAIN (another thread execs). */
static int
inherit_resources(struct thread *child, uint64_t flags)
{
    struct thread *self = current_thread();

    if (flags & CLONE_FILES) {
        child->files = self->files;
        fdtable_use(child->files);
    } else {
        child->files = fdtable_copy(self->files);
    }
    if (flags & CLONE_FS) {
        int error = fs_context_use(self->fs);
        if (error)
            return error;
        child->fs = self->fs;
    } else {
        child->fs = fs_context_copy(self->fs);
    }
    return child->files && child->fs ? 0 : -ENOMEM;
}

/* Registers, and what else a thread starts with. */
static void
inherit_thread(struct task *child, const struct clone_request *request)
{
    struct task *self = current_task();
    struct trapframe *tf = thread_trapframe(&child->thread);

    thread_fp_sync();
    *tf = *thread_trapframe(&self->thread);
    if ((tf->sstatus & SSTATUS_FS) != SSTATUS_FS_OFF)
        child->thread.fp = self->thread.fp;
    tf->a0 = 0;
    tf->nsyscall = ~0UL;
    if (request->stack)
        tf->sp = request->stack;
    if (request->flags & CLONE_SETTLS)
        tf->tp = request->tls;

    child->blocked = self->blocked;
    if (self->restore_mask)
        child->blocked = self->saved_mask;
    child->altstack = self->altstack;
    if ((request->flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM)
        child->altstack = (stack_t){.ss_flags = SS_DISABLE};
    child->no_new_privs = self->no_new_privs;
    child->timer_slack = self->timer_slack;
    child->personality = self->personality;
    if (request->flags & CLONE_CHILD_CLEARTID)
        child->clear_tid = request->child_tid;
    if (request->flags & CLONE_CHILD_SETTID)
        child->set_tid = request->child_tid;
    child->started = clock_now();
}

/* Undo what was done to a task that will not run. */
static void
abandon(struct task *child)
{
    struct thread *thread = &child->thread;

    if (thread->vm && child->proc != current_proc())
        vm_usyscall_leave(thread->vm, child->tid);
    if (thread->vm)
        vm_put(thread->vm);
    if (thread->files)
        fdtable_leave(thread->files);
    if (thread->fs && fs_context_leave(thread->fs))
        fs_context_put(thread->fs);
    if (thread->kstack)
        thread_destroy(thread);
    if (child->tid)
        pid_cancel(child->tid);
    thread_cred_end(thread);
    if (child->proc && child->proc != current_proc())
        proc_put(child->proc); /* its own reference; task_free() drops the task's */
    if (child->vfork) {
        vfork_put(child->vfork);
        vfork_put(child->vfork);
    }
    task_free(child);
}

/* A new task's first steps, on its own stack. */
static void
child_start(void *arg)
{
    struct task *task = current_task();
    (void)arg;

    if (task->set_tid && put_user32(task->set_tid, task->tid) < 0)
        task->set_tid = 0;
    trap_return(thread_trapframe(&task->thread));
}

static int
take_tid(struct task *child, const int32_t *wanted)
{
    int nr = wanted ? *wanted : pid_alloc();

    if (wanted) {
        int error = capable(CAP_SYS_ADMIN) ? pid_take((uint32_t)nr) : -EPERM;
        if (error)
            return error;
    }
    if (nr < 0)
        return nr;
    child->tid = (uint32_t)nr;
    return 0;
}

/* What the policy gave to the parent the child does not get, if it was asked so: sched(7). */
static void
inherit_schedule(struct thread *child, const struct thread *self)
{
    bool realtime = self->policy == SCHED_FIFO || self->policy == SCHED_RR;

    if (self->reset_on_fork && realtime)
        return;
    child->nice = self->reset_on_fork ? max(self->nice, 0) : self->nice;
    child->policy = self->policy;
    child->rt_priority = self->rt_priority;
}

/* Everything that can fail. */
static int
prepare(struct task *child, const struct clone_request *request)
{
    struct thread *self = current_thread();
    struct thread *thread = &child->thread;

    int error = inherit_cred(thread);
    if (error)
        return error;
    if (request->flags & CLONE_THREAD) {
        child->proc = current_proc();
        proc_get(child->proc);
    } else {
        child->proc = proc_alloc();
        if (!child->proc)
            return -ENOMEM;
        proc_get(child->proc);
        if (inherit_proc(child->proc, request) < 0)
            return -ENOMEM;
    }
    if (request->flags & CLONE_VFORK) {
        child->vfork = kzalloc(sizeof(struct vfork));
        if (!child->vfork)
            return -ENOMEM;
        ref_init(&child->vfork->refs, 2);
        spin_init(&child->vfork->lock, "vfork");
        waitq_init(&child->vfork->waiter);
    }
    thread->affinity = self->affinity;
    inherit_schedule(thread, self);
    if (thread_init(thread, self->name, child_start, NULL) < 0)
        return -ENOMEM;
    error = take_tid(child, request->set_tid);
    if (!error)
        error = inherit_resources(thread, request->flags);
    if (!error)
        error = inherit_vm(thread, request->flags, child->tid);
    if (!error)
        inherit_thread(child, request);
    return error;
}

/* Make a thread part of its process. False: a signal came first. */
static bool
join(struct task *child)
{
    struct proc *proc = child->proc;
    SCOPED_SPIN(&proc->lock);

    if (told_or_tell(proc))
        return false;
    list_add_tail(&proc->threads, &child->link);
    proc->nthreads++;
    return true;
}

/* Make a process a child of its parent and a member of the group. False: a signal came first. */
static bool
enter(struct task *task, uint64_t flags)
{
    struct proc *child = task->proc, *me = current_proc(), *parent = me;
    struct group *group = group_lock_current();

    struct task *maker = current_task();

    if (flags & CLONE_PARENT) {
        parent = proc_lock_parent(me);
        maker = me->maker;
        spin_lock_nested(&me->lock, 1);
    } else {
        spin_lock(&me->lock);
    }
    bool entered = !told_or_tell(me);
    if (entered) {
        child->pid = task->tid;
        child->key = pid_key(task->tid);
        task_get(task);
        child->leader = task;
        child->nthreads = 1;
        list_add_tail(&child->threads, &task->link);
        child->parent = parent;
        child->parent_pid = parent->pid;
        child->parent_nexecs = flags & CLONE_PARENT ? me->parent_nexecs : me->nexecs;
        list_add_tail(&parent->children, &child->sibling);
        child->maker = maker;
        if (maker)
            list_add_tail(&maker->made, &child->made_link);
        group_add(group, child, me);
        /* Found by its number before its parent can be reached by a kill(-1) that looks for more. */
        child->reached_by = me->reached_by;
        pid_set(task->tid, PID_TASK, task);
        pid_set(task->tid, PID_PROC, child);
    }
    if (parent != me)
        spin_unlock(&me->lock);
    spin_unlock(&parent->lock);
    spin_unlock(&group->lock);
    if (parent != me)
        proc_put(parent);
    if (!entered)
        group_put(group);
    return entered;
}

int64_t
task_clone(const struct clone_request *request)
{
    int error = check_flags(request);

    if (error)
        return error;
    struct task *child = task_alloc();
    if (!child)
        return -ENOMEM;
    error = prepare(child, request);
    bool thread = request->flags & CLONE_THREAD;
    if (!error && !(thread ? join(child) : enter(child, request->flags)))
        error = -ERESTARTNOINTR;
    if (error) {
        abandon(child);
        return error;
    }

    uint32_t tid = child->tid;
    struct vfork *vfork = child->vfork;
    __atomic_fetch_add(&proc_nforks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&proc_nthreads, 1, __ATOMIC_RELAXED);
    if (thread)
        pid_set(tid, PID_TASK, child);
    if (!thread && child->proc->limits[RLIMIT_CPU].rlim_cur != RLIM64_INFINITY)
        cputimer_changed(child->proc);
    if ((request->flags & CLONE_PARENT_SETTID) && put_user32(request->parent_tid, tid) < 0)
        pr_debug("%s: parent_tid is no address", current_thread()->name);
    thread_start(&child->thread);
    if (vfork)
        vfork_wait(current_task(), vfork);
    return tid;
}

struct task *
task_create_first(void (*start)(void *), void *arg)
{
    struct task *task = task_alloc();
    struct proc *proc = proc_alloc();

    if (!task || !proc)
        return NULL;
    task->proc = proc;
    proc_get(proc);
    task->tid = proc->pid = (uint32_t)pid_alloc();
    task->altstack.ss_flags = SS_DISABLE;
    task->timer_slack = 50 * NSEC_PER_USEC; /* Linux's default, prctl(2) */
    task->started = proc->started = clock_now();
    thread_cred_start(&task->thread, cred_get(&root_cred));
    task->thread.files = fdtable_create();
    task->thread.fs = fs_context_copy(NULL);
    proc->init = true;
    init_proc = proc;
    proc->key = pid_key(proc->pid);
    task_get(task);
    proc->leader = task;
    proc->nthreads = 1;
    proc->sighand = sighand_create();
    limits_first(proc);
    list_add_tail(&proc->threads, &task->link);
    if (!task->thread.files || !task->thread.fs || !proc->sighand ||
        thread_init(&task->thread, "init", start, arg) < 0 || group_create_first(proc) < 0)
        return NULL;
    proc_nthreads++;
    pid_set(proc->pid, PID_TASK, task);
    pid_set(proc->pid, PID_PROC, proc);
    thread_start(&task->thread);
    return task;
}
