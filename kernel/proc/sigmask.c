/*
 * Masks, actions, and waiting for signals; see signal.h.
 */
#include "proc/signal.h"
#include "proc/sigqueue.h"
#include "lib/atomic.h"
#include "sched/wait.h"

void
signal_set_mask_locked(uint64_t blocked)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;

    blocked &= ~SIGSET_UNBLOCKABLE;
    uint64_t added = blocked & ~task->blocked;
    task->blocked = blocked;
    if (unlikely(proc->pending.set & added))
        signal_retarget(proc, added);
    signal_recalc(task);
}

void
signal_set_mask(uint64_t blocked)
{
    SCOPED_SPIN(&current_proc()->lock);
    signal_set_mask_locked(blocked);
}

void
signal_set_temporary_mask(uint64_t blocked)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);

    task->saved_mask = task->blocked;
    task->restore_mask = true;
    signal_set_mask_locked(blocked);
}

void
signal_end_temporary_mask(void)
{
    struct task *task = current_task();

    if (!task->restore_mask)
        return;
    SCOPED_SPIN(&task->proc->lock);
    task->restore_mask = false;
    signal_set_mask_locked(task->saved_mask);
}

uint64_t
signal_pending_blocked(void)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);

    return (task->pending.set | task->proc->pending.set) & task->blocked;
}

void
signal_restart_pending(void)
{
    __atomic_fetch_or(&current_thread()->work, WORK_SIGNAL, __ATOMIC_RELAXED);
}

struct restart *
signal_restart_with(int64_t (*fn)(struct restart *restart))
{
    struct restart *restart = &current_task()->restart;

    restart->fn = fn;
    return restart;
}

/* Forget what waits for one thread, which may leave meanwhile. lock held; let go meanwhile. */
static void
forget_of_thread(struct proc *proc, struct task *task, uint64_t set)
{
    if (!(task->pending.set & set))
        return;
    task_get(task);
    sigpending_discard_slowly(proc, &task->pending, set);
    spin_unlock(&proc->lock);
    task_put(task);
    spin_lock(&proc->lock);
}

/* A signal that is now ignored does not wait any more. proc->lock held; let go meanwhile. */
static void
forget_ignored(struct proc *proc, int signo)
{
    struct walk walk;
    struct list *node;

    sigpending_discard_slowly(proc, &proc->pending, sigbit(signo));
    walk_begin(&proc->walks, &walk, &proc->threads);
    while ((node = walk_next(&walk, &proc->threads)))
        forget_of_thread(proc, LIST_ENTRY(node, struct task, link), sigbit(signo));
    walk_end(&walk);
}

int
signal_action(int signo, const struct sigaction *act, struct sigaction *old)
{
    struct proc *proc = current_proc();

    if (signo < 1 || signo > _NSIG || (act && (sigbit(signo) & SIGSET_UNBLOCKABLE)))
        return -EINVAL;

    SCOPED_SPIN(&proc->lock);
    struct sighand *sighand = proc->sighand;
    spin_lock(&sighand->lock);
    struct sigaction *action = &sighand->actions[signo - 1];
    if (old)
        *old = *action;
    if (act) {
        action->sa_mask.sig[0] = act->sa_mask.sig[0] & ~SIGSET_UNBLOCKABLE;
        action->sa_flags = act->sa_flags;
        store_relaxed(&action->sa_handler, act->sa_handler);
    }
    spin_unlock(&sighand->lock);

    bool by_default = (sigbit(signo) & SIGSET_IGNORED) != 0;
    if (act && (act->sa_handler == SIG_IGN || (act->sa_handler == SIG_DFL && by_default)))
        forget_ignored(proc, signo);
    return 0;
}

int64_t
signal_timedwait(uint64_t set, siginfo_t *info, uint64_t deadline)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    int error = 0;

    set &= ~SIGSET_UNBLOCKABLE;
    for (;;) {
        spin_lock(&proc->lock);
        int signo = signal_dequeue(task, set, info);
        task->waiting_for = signo || error ? 0 : set;
        signal_recalc(task);
        bool interrupted = thread_interrupted();
        if (signo || error || interrupted)
            task->waiting_for = 0;
        spin_unlock(&proc->lock);

        if (signo)
            return signo;
        if (error == -ETIMEDOUT)
            return -EAGAIN;
        if (error || interrupted)
            return -EINTR;
        error = sleep_until(deadline, WAIT_INTERRUPTIBLE);
    }
}
