/*
 * Signals from one process to another: kill(2) and its kin.
 */
#include <linux/capability.h>
#include "proc/group.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/task.h"

int
signal_permission_locked(struct proc *proc, int signo)
{
    struct proc *me = current_proc();
    struct task *task = LIST_FIRST(&proc->threads, struct task, link);

    if (proc == me || !task)
        return 0;
    const struct cred *cred = current_cred(), *theirs = task->thread.cred;
    if (cred->euid == theirs->suid || cred->euid == theirs->uid || cred->uid == theirs->suid ||
        cred->uid == theirs->uid || capable(CAP_KILL))
        return 0;
    if (signo == SIGCONT && me->sid == proc->sid)
        return 0;
    return -EPERM;
}

/* Check, and send unless signo is 0. info may come from the user. */
static int
send_checked(struct proc *proc, struct task *task, int signo, const siginfo_t *info)
{
    spin_lock(&proc->lock);
    int error = signal_permission_locked(proc, signo);
    if (!error && signo && !task)
        error = signal_proc_locked(proc, signo, info);
    spin_unlock(&proc->lock);
    if (!error && signo && task)
        error = signal_task(task, signo, info);
    return error;
}

/* Every process that may be reached, but init and the sender. */
static int
kill_all(int signo, const siginfo_t *info)
{
    struct proc *proc, *me = current_proc();
    int result = -ESRCH;

    for (uint32_t nr = 2; (proc = pid_next_proc(nr)) != NULL; nr++) {
        nr = proc->pid;
        if (proc != me) {
            int error = send_checked(proc, NULL, signo, info);
            if (error != -EPERM)
                result = error;
            else if (result == -ESRCH)
                result = -EPERM;
        }
        proc_put(proc);
    }
    return result;
}

static int
kill_group(uint32_t pgid, int signo, const siginfo_t *info)
{
    struct group *group = pid_group(pgid);

    if (!group)
        return -ESRCH;
    int error = signal_group(group, signo, info);
    group_put(group);
    return error;
}

static int
kill_one(uint32_t pid, int signo, const siginfo_t *info)
{
    struct proc *proc = pid_proc(pid);

    /* Linux lets any thread's id stand for its process. */
    if (!proc) {
        struct task *task = pid_task(pid);
        if (!task)
            return -ESRCH;
        proc = task->proc;
        proc_get(proc);
        task_put(task);
    }
    int error = send_checked(proc, NULL, signo, info);
    proc_put(proc);
    return error;
}

int
signal_kill(int pid, int signo)
{
    siginfo_t info;

    if (signo < 0 || signo > _NSIG)
        return -EINVAL;
    siginfo_user(&info, signo, SI_USER);
    if (pid > 0)
        return kill_one((uint32_t)pid, signo, &info);
    if (pid == 0)
        return kill_group(current_proc()->pgid, signo, &info);
    if (pid == -1)
        return kill_all(signo, &info);
    if (pid == INT32_MIN)
        return -ESRCH;
    return kill_group((uint32_t)-pid, signo, &info);
}

int
signal_tgkill(int tgid, int tid, int signo, const siginfo_t *info)
{
    siginfo_t own;

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
        error = send_checked(task->proc, task, signo, info);
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
