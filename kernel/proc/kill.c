/*
 * Signals from one process to another: kill(2) and its kin.
 */
#include <linux/capability.h>
#include "arch/riscv/trap.h"
#include "proc/group.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/task.h"

static uint32_t
session_of(const struct proc *proc)
{
    return __atomic_load_n(&proc->sid, __ATOMIC_RELAXED);
}

int
signal_permission(struct task *task, int signo)
{
    const struct proc *me = current_proc();

    if (task->proc == me)
        return 0;
    const struct cred *mine = current_cred(), *theirs = task_cred(task);
    bool allowed = mine->euid == theirs->suid || mine->euid == theirs->uid ||
                   mine->uid == theirs->suid || mine->uid == theirs->uid || capable(CAP_KILL);
    cred_put(theirs);
    if (allowed || (signo == SIGCONT && session_of(me) == session_of(task->proc)))
        return 0;
    return -EPERM;
}

/*
 * Check with the task's own credentials, and send to it alone or to its process, unless
 * signo is 0. info may come from the user.
 */
static int
send_checked(struct task *task, bool alone, int signo, const siginfo_t *info)
{
    int error = signal_permission(task, signo);

    if (error || !signo)
        return error;
    return alone ? signal_task(task, signo, info) : signal_proc(task->proc, signo, info);
}

/* What kill(-1) is to do, and what it has met. */
struct kill_all {
    int signo;
    const siginfo_t *info;
    uint64_t round;  /* its number */
    int result;
    bool any;        /* there was some process */
    bool reached;    /* the pass met one that had not been met before */
};

/* Mark a process: neither it nor what it forks from now on is met again. False: it was marked. */
static bool
mark(struct kill_all *all, struct proc *proc)
{
    if (proc->reached_by == all->round)
        return false;
    proc->reached_by = all->round;
    return true;
}

/*
 * Send to one process, unless this kill(-1) has met it or one that forked it afterwards. One
 * that the sender may not reach is marked too, so that its forks do not keep the sender here.
 */
static void
kill_one_of_all(struct kill_all *all, struct proc *proc, struct task *task)
{
    int error = signal_permission(task, all->signo);

    all->any = true;
    if (!all->signo)
        return;
    SCOPED_SPIN(&proc->lock);
    if (!mark(all, proc))
        return;
    all->reached = true;
    if (!error)
        error = signal_proc_locked(proc, all->signo, all->info);
    if (error && error != -EPERM)
        all->result = error;
}

/* Go once through all processes but init and the sender. */
static void
kill_pass(struct kill_all *all)
{
    struct proc *proc, *me = current_proc();

    all->reached = false;
    for (uint32_t nr = 2; (proc = pid_next_proc(nr)) != NULL; nr++) {
        nr = proc->pid;
        struct task *task = proc != me ? proc_leader(proc) : NULL;
        if (task) {
            kill_one_of_all(all, proc, task);
            task_put(task);
        }
        proc_put(proc);
        preempt_point();
    }
}

/*
 * Every process that may be reached, but init and the sender. As on Linux there is no error
 * if there are some and none may be reached.
 *
 * A process that is forked while others are being reached may get a number that has been
 * passed already. So it takes as many passes as it needs until one meets no process that
 * has not been met. A fork by a process that has been met makes none such, and the sender,
 * whose other threads may fork for ever, counts as met from the beginning.
 */
static int
kill_all(int signo, const siginfo_t *info)
{
    static struct mutex lock = MUTEX_INIT(lock, "kill all"); /* one at a time marks the reached */
    static uint64_t rounds;                                  /* (lock) */
    struct kill_all all = {.signo = signo, .info = info};
    struct proc *me = current_proc();
    SCOPED_LOCK(&lock);

    all.round = ++rounds;
    spin_lock(&me->lock);
    mark(&all, me);
    spin_unlock(&me->lock);
    do
        kill_pass(&all);
    while (all.reached && !signal_fatal_pending());
    return all.any ? all.result : -ESRCH;
}

/* Takes over the reference to the group; NULL: there is none. */
static int
kill_group(struct group *group, int signo, const siginfo_t *info)
{
    if (!group)
        return -ESRCH;
    int error = signal_group(group, signo, info);
    group_put(group);
    return error;
}

static int
kill_one(uint32_t pid, int signo, const siginfo_t *info)
{
    /* Linux lets any thread's id stand for its process. */
    struct task *task = pid_task(pid);

    if (!task)
        return -ESRCH;
    int error = send_checked(task, false, signo, info);
    task_put(task);
    return error;
}

int
signal_kill(int pid, int signo)
{
    siginfo_t info __uninitialized; /* siginfo_user() writes it whole */

    if (signo < 0 || signo > _NSIG)
        return -EINVAL;
    siginfo_user(&info, signo, SI_USER);
    if (pid > 0)
        return kill_one((uint32_t)pid, signo, &info);
    if (pid == 0)
        return kill_group(proc_group(current_proc()), signo, &info);
    if (pid == -1)
        return kill_all(signo, &info);
    if (pid == INT32_MIN)
        return -ESRCH;
    return kill_group(pid_group((uint32_t)-pid), signo, &info);
}

int
signal_tgkill(int tgid, int tid, int signo, const siginfo_t *info)
{
    siginfo_t own __uninitialized; /* siginfo_user() writes it whole */

    if (signo < 0 || signo > _NSIG)
        return -EINVAL;
    struct task *task = pid_task((uint32_t)tid);
    if (!task)
        return -ESRCH;
    if (!info) {
        siginfo_user(&own, signo, SI_TKILL);
        info = &own;
    }
    int error = -ESRCH;
    if (tgid == 0 || (uint32_t)tgid == task->proc->pid)
        error = send_checked(task, true, signo, info);
    task_put(task);
    return error;
}

int
signal_sigqueue(int tgid, int signo, const siginfo_t *info)
{
    if (signo < 0 || signo > _NSIG)
        return -EINVAL;
    return kill_one((uint32_t)tgid, signo, info);
}
