/*
 * Stopping and continuing; see sigdeliver.h.
 *
 * proc->stop_signal set means "stop". Each thread that sees it, on its way to
 * user mode, counts itself in nstopped and sleeps; with the last one the stop
 * is complete. SIGCONT clears stop_signal and wakes all.
 *
 * What wait4() says of a stop is no message but a state, stop_unwaited and
 * continue_unwaited, that changes in the moment in which the process does,
 * under proc->lock; wait4() takes that lock to look. Only the SIGCHLD comes
 * later: sending it takes the parent's lock, which comes before the child's,
 * so stop_tell says what is to be told, and the next thread of the process
 * that passes here tells what is true then.
 */
#include "lib/string.h"
#include "lib/atomic.h"
#include "proc/exit.h"
#include "proc/limits.h"
#include "proc/sigdeliver.h"
#include "proc/signal.h"
#include "proc/telling.h"

void
stop_begin(struct proc *proc, int signo)
{
    if (proc->stop_signal || proc->group_exit)
        return;
    proc->stop_signal = signo;
    proc->stop_complete = false;
    proc_tell_threads(proc);
}

void
stop_end(struct proc *proc)
{
    if (!proc->stop_signal)
        return;
    proc->stop_tell = proc->stop_complete ? CLD_CONTINUED : CLD_STOPPED;
    proc->stop_signal = proc->stop_unwaited = 0;
    proc->stop_complete = false;
    proc->continue_unwaited = true;
    wake_all(&proc->stop_wait);
}

void
stop_cancel(struct proc *proc)
{
    proc->stop_signal = proc->stop_unwaited = proc->stop_tell = 0;
    proc->stop_complete = proc->continue_unwaited = false;
    wake_all(&proc->stop_wait);
}

/* Have all stopped? lock held. */
static void
check_complete(struct proc *proc)
{
    if (!proc->stop_signal || proc->stop_complete || !proc->nthreads ||
        proc->nstopped != proc->nthreads)
        return;
    proc->stop_complete = true;
    proc->stop_unwaited = proc->stop_signal;
    proc->continue_unwaited = false;
    proc->stop_tell = CLD_STOPPED;
}

/* Take what is to be told as a siginfo. False: nothing. The child's lock is held. */
static bool
take_news(struct proc *child, siginfo_t *info, const struct usage *usage)
{
    int code = child->stop_tell;

    if (!code)
        return false;
    child->stop_tell = 0;
    exit_child_info(info, child, code, code == CLD_STOPPED ? child->stop_signal : SIGCONT, usage);
    return true;
}

void
stop_tell_parent(struct proc *proc)
{
    siginfo_t info __uninitialized; /* take_news() writes it whole, if there is news */

    if (!proc->stop_tell)
        return;
    spin_unlock(&proc->lock);
    struct usage usage;
    proc_usage(proc, &usage);
    struct proc *parent = proc_lock_parent(proc);
    if (!parent) {
        spin_lock(&proc->lock);
        proc->stop_tell = 0;
        return;
    }
    spin_lock_nested(&proc->lock, 1);
    bool news = take_news(proc, &info, &usage);
    spin_unlock(&proc->lock);
    const struct sigaction *action =
        parent->sighand ? &parent->sighand->actions[SIGCHLD - 1] : NULL;
    if (news && action && action->sa_handler != SIG_IGN && !(action->sa_flags & SA_NOCLDSTOP))
        signal_proc_locked(parent, SIGCHLD, &info);
    if (news)
        wake_all(&parent->child_wait);
    spin_unlock(&parent->lock);
    proc_put(parent);
    spin_lock(&proc->lock);
}

void
stop_recount(struct proc *proc)
{
    SCOPED_SPIN(&proc->lock);
    check_complete(proc);
    stop_tell_parent(proc);
}

void
stop_here(struct proc *proc)
{
    struct task *task = current_task();

    proc->nstopped++;
    store_relaxed(&task->stopped, true);
    for (;;) {
        check_complete(proc);
        if (proc->stop_tell)
            stop_tell_parent(proc);
        else if (proc->stop_signal && !task->must_die)
            wait_on(&proc->stop_wait, &proc->lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
        else
            break;
    }
    store_relaxed(&task->stopped, false);
    proc->nstopped--;
}
