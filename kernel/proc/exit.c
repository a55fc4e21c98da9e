/*
 * Ends; see exit.h.
 *
 * A thread leaves in two steps; task_exit() is the one place with their order.
 *
 *      begin()             it counts itself as exiting: signals go to others
 *      (robust list, the word of CLONE_CHILD_CLEARTID)
 *      stop_what_acts()    the last of the process: timers, the terminal
 *      drop_resources()    memory, files, names
 *      reparent_made()     its children become another thread's
 *      leave()             it takes itself off proc->threads, and what waits
 *                          for it goes; with the last one all of the process's
 *      become_zombie()     the last: children, groups, the parent is told
 *
 * What one step has stopped does not begin again; become_zombie() and
 * proc_put() assert that. The stack is freed by the hart's next thread
 * (task_dead).
 */
#include "proc/exit.h"
#include <linux/wait.h>
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "dev/tty.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/cputimer.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/ptimer.h"
#include "proc/reparent.h"
#include "proc/sigdeliver.h"
#include "proc/signal.h"
#include "proc/sigqueue.h"
#include "proc/share.h"
#include "proc/telling.h"
#include "vfs/fdtable.h"
#include "vfs/namei.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define CONDEMNED_AT_ONCE 16
#define NSEC_PER_CLOCK_TICK (NSEC_PER_SEC / 100) /* USER_HZ */

void
proc_begin_exit(struct proc *proc, int status)
{
    struct task *me = current_task();

    if (proc->group_exit)
        return;
    proc->group_exit = true;
    proc->exit_status = status;
    bool own = me && me->proc == proc;
    if (own)
        thread_condemn(me);
    if (!own || proc->nthreads > 1)
        proc_tell_threads(proc);
    stop_cancel(proc);
    wake_all(&proc->exec_wait);
}

void
proc_exit(int status)
{
    struct proc *proc = current_proc();

    spin_lock(&proc->lock);
    proc_begin_exit(proc, status);
    status = proc->exit_status;
    spin_unlock(&proc->lock);
    task_exit(status);
}

/* The last thread becomes the main one. lock held. */
static void
take_lead(struct proc *proc, struct task *task)
{
    struct task *old = proc->leader;

    pid_clear(task->tid, PID_TASK, task);
    pid_replace(proc->pid, PID_TASK, old, task);
    store_relaxed(&task->tid, proc->pid);
    task->started = old->started;
    task_get(task);
    proc->leader = task;
    thread_cred_end(&old->thread);
    task_put(old);
}

/* Tell all threads but the caller to go, and let others run now and then. lock held; let go meanwhile. */
static void
condemn_others(struct proc *proc)
{
    struct walk walk;
    struct list *node;
    unsigned n = 0;

    walk_begin(&proc->walks, &walk, &proc->threads);
    while ((node = walk_next(&walk, &proc->threads))) {
        struct task *task = LIST_ENTRY(node, struct task, link);
        if (task != current_task())
            thread_condemn(task);
        if (++n % CONDEMNED_AT_ONCE)
            continue;
        spin_unlock(&proc->lock);
        preempt_point();
        spin_lock(&proc->lock);
    }
    walk_end(&walk);
}

int
proc_end_other_threads(void)
{
    struct task *me = current_task();
    struct proc *proc = me->proc;
    SCOPED_SPIN(&proc->lock);

    if (proc->group_exit || proc->execing)
        (void)told_or_tell(proc);
    if (me->must_die)
        return -EAGAIN;
    proc->execing = me;
    condemn_others(proc);
    wake_all(&proc->stop_wait);
    while (proc->nthreads > 1 && !me->must_die)
        wait_on(&proc->exec_wait, &proc->lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
    proc->execing = NULL;
    if (me->must_die)
        return -EAGAIN;
    if (me != proc->leader)
        take_lead(proc, me);
    return 0;
}

void
exit_child_info(siginfo_t *info, struct proc *child, int code, int status,
                const struct usage *usage)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = SIGCHLD;
    info->si_code = code;
    info->si_pid = (int)child->pid;
    info->si_uid = proc_uid(child);
    info->si_status = status;
    info->si_utime = (long)(usage->user / NSEC_PER_CLOCK_TICK);
    info->si_stime = (long)(usage->system / NSEC_PER_CLOCK_TICK);
}

int
exit_code_of(int raw, int *status)
{
    if ((raw & 0x7f) == 0) {
        *status = (raw >> 8) & 0xff;
        return CLD_EXITED;
    }
    *status = raw & 0x7f;
    return raw & 0x80 ? CLD_DUMPED : CLD_KILLED;
}

void
proc_release(struct proc *proc)
{
    struct task *leader = proc->leader;

    pid_clear(proc->pid, PID_PROC, proc);
    pid_clear(proc->pid, PID_TASK, leader);
    group_leave(proc);
    thread_cred_end(&leader->thread);
    spin_lock(&proc->lock);
    proc->leader = NULL;
    spin_unlock(&proc->lock);
    task_put(leader);
    proc_put(proc);
}

/* First step. Returns whether this is the last living thread. */
static bool
begin(struct task *task, int status)
{
    struct proc *proc = task->proc;
    SCOPED_SPIN(&proc->lock);

    task->exiting = true;
    proc->nexiting++;
    if (!proc->group_exit && task == proc->leader)
        proc->exit_status = status;
    bool last = proc->nexiting == proc->nthreads;
    if (last && proc->init)
        panic("Attempted to kill init: it ended with status 0x%x", proc->exit_status);
    if (!last)
        signal_retarget(proc, ~task->blocked);
    return last;
}

void
task_clear_tid(struct task *task)
{
    const struct vmspace *vm = task->thread.vm;
    vaddr_t word = task->clear_tid;

    task->clear_tid = 0;
    if (!word || !vm || ref_count(&vm->refs) < 2)
        return;
    if (put_user32(word, 0) == 0)
        futex_wake(word, true, 1, ~0U);
}

/* Give up memory, files and names. */
static void
drop_resources(struct task *task, bool last)
{
    struct proc *proc = task->proc;

    spin_lock(&proc->lock);
    struct shares had = shares_give_up();
    if (had.vm && last && !task->vfork)
        usage_add_vm(&proc->dead, had.vm);
    spin_unlock(&proc->lock);

    if (had.vm && last)
        vm_usyscall_leave(had.vm, proc->pid);
    vfork_done(task);
    preempt_point();
    if (had.vm)
        vm_put(had.vm);
    preempt_point();
    if (had.files)
        fdtable_leave(had.files);
    if (had.fs)
        fs_context_put(had.fs);
}

/*
 * The process ends: stop what could still act for it or upon it. In this order, and nowhere
 * else; from here on nothing of this begins again.
 */
static void
stop_what_acts(struct proc *proc)
{
    cputimer_stop(proc);
    ptimer_delete_all(proc);
    if (proc->sid == proc->pid)
        tty_session_exit();
}

/* The process has no thread left. */
static void
become_zombie(struct proc *proc)
{
    assert(proc->timers_over && !proc->timers && !proc->sighand);
    assert(!proc->pending.set && list_empty(&proc->pending.queue));
    reparent_children(proc);
    reparent_check_group(proc);

    struct proc *parent = proc_lock_parent(proc);
    bool release = exit_notify_parent(parent, proc);
    spin_unlock(&parent->lock);
    proc_put(parent);
    if (release)
        proc_release(proc);
}

/* Forget the signals that wait for the thread, which is exiting and gets no more, and for its process if `last`. */
static void
forget_signals(struct task *task, bool last)
{
    struct proc *proc = task->proc;

    if (!task->pending.set && !(last && proc->pending.set))
        return; /* what comes now is forgotten by leave() */
    SCOPED_SPIN(&proc->lock);
    sigpending_discard_slowly(proc, &task->pending, ~0UL);
    if (last)
        sigpending_discard_slowly(proc, &proc->pending, ~0UL);
}

/* Second step. Returns whether the process has no thread left. */
static bool
leave(struct task *task)
{
    struct proc *proc = task->proc;
    struct sighand *sighand = NULL;

    __atomic_fetch_sub(&proc_nthreads, 1, __ATOMIC_RELAXED);
    /* The main thread keeps number and place until the process is released. */
    if (task != proc->leader) {
        pid_clear(task->tid, PID_TASK, task);
        thread_cred_end(&task->thread);
    }

    spin_lock(&proc->lock);
    sigpending_flush(&task->pending);
    usage_task_leaves(proc, task);
    walk_leave(&proc->walks, &task->link);
    list_del(&task->link);
    task->left = true;
    proc->nthreads--;
    proc->nexiting--;
    if (proc->leader == task)
        strscpy(proc->name, task->thread.name, sizeof(proc->name));
    bool dead = proc->nthreads == 0;
    if (dead) {
        sigpending_flush(&proc->pending);
        sighand = proc->sighand;
        proc->sighand = NULL;
        if (proc->oom_victim)
            vm_oom_victim(true);
    } else if (proc->execing && proc->nthreads == 1) {
        wake_all(&proc->exec_wait);
    }
    spin_unlock(&proc->lock);
    if (sighand)
        sighand_put(sighand);
    return dead;
}

/* On the hart's next thread: the stack is not in use any more. */
static void
task_dead(struct thread *thread)
{
    struct task *task = thread->task;

    thread_destroy(thread);
    task_put(task);
}

void
task_exit(int status)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    bool last = begin(task, status);

    futex_exit_robust(task);
    task_clear_tid(task);
    preempt_point();
    if (last)
        stop_what_acts(proc);
    drop_resources(task, last);
    reparent_made(task);
    forget_signals(task, last);
    if (leave(task))
        become_zombie(proc);
    else
        stop_recount(proc);
    preempt_point();
    thread_exit(task_dead);
}
