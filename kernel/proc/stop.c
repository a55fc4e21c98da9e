/*
 * Stopping and continuing; see sigdeliver.h.
 *
 * proc->stop_signal set means "stop". Each thread that sees it, on its way to
 * user mode, counts itself in nstopped and sleeps; the last one tells the
 * parent. SIGCONT clears stop_signal and wakes all; the first to wake tells
 * the parent, for whoever sent SIGCONT may not take the parent's lock.
 */
#include "lib/string.h"
#include "lib/atomic.h"
#include "proc/exit.h"
#include "proc/limits.h"
#include "proc/sigdeliver.h"
#include "proc/signal.h"

void
stop_begin(struct proc *proc, int signo)
{
    struct task *task;

    if (proc->stop_signal || proc->group_exit)
        return;
    proc->stop_signal = signo;
    proc->stop_told = false;
    proc->continue_to_tell = false;
    LIST_FOREACH(task, &proc->threads, link) {
        thread_set_work(&task->thread, WORK_SIGNAL);
        thread_interrupt(&task->thread);
    }
}

void
stop_end(struct proc *proc)
{
    if (!proc->stop_signal)
        return;
    proc->stop_signal = 0;
    proc->continue_to_tell = proc->stop_told && !proc->group_exit;
    wake_all(&proc->stop_wait);
}

/* Tell the parent that the child stopped (by signo) or continued (signo SIGCONT). No lock held. */
static void
tell_parent(struct proc *proc, int code, int signo)
{
    siginfo_t info;
    struct usage usage;

    spin_lock(&proc->lock);
    proc_usage_locked(proc, &usage);
    exit_child_info(&info, proc, code, signo, &usage);
    spin_unlock(&proc->lock);

    struct proc *parent = proc_lock_parent(proc);
    if (!parent)
        return;
    proc->report_stop = code == CLD_STOPPED ? signo : 0;
    proc->report_continue = code == CLD_CONTINUED;
    const struct sigaction *action =
        parent->sighand ? &parent->sighand->actions[SIGCHLD - 1] : NULL;
    if (action && action->sa_handler != SIG_IGN && !(action->sa_flags & SA_NOCLDSTOP))
        signal_proc_locked(parent, SIGCHLD, &info);
    wake_all(&parent->child_wait);
    spin_unlock(&parent->lock);
    proc_put(parent);
}

/* The signal of a stop that is complete and that the parent does not know of; 0: none. lock held. */
static int
complete_stop(struct proc *proc)
{
    if (!proc->stop_signal || proc->stop_told || proc->nstopped != proc->nthreads)
        return 0;
    proc->stop_told = true;
    return proc->stop_signal;
}

void
stop_recount(struct proc *proc)
{
    spin_lock(&proc->lock);
    int signo = proc->nthreads ? complete_stop(proc) : 0;
    spin_unlock(&proc->lock);
    if (signo)
        tell_parent(proc, CLD_STOPPED, signo);
}

void
stop_here(struct proc *proc)
{
    struct task *task = current_task();

    proc->nstopped++;
    store_relaxed(&task->stopped, true);
    int signo = complete_stop(proc);
    if (signo) {
        spin_unlock(&proc->lock);
        tell_parent(proc, CLD_STOPPED, signo);
        spin_lock(&proc->lock);
    }
    while (proc->stop_signal && !task->must_die)
        wait_on(&proc->stop_wait, &proc->lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
    store_relaxed(&task->stopped, false);
    proc->nstopped--;

    if (proc->continue_to_tell) {
        proc->continue_to_tell = false;
        spin_unlock(&proc->lock);
        tell_parent(proc, CLD_CONTINUED, SIGCONT);
        spin_lock(&proc->lock);
    }
}
