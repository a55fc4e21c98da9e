/*
 * Decoders: signals.
 */
#include "proc/signal.h"
#include <linux/signal.h>
#include "proc/sigdeliver.h"
#include "sched/wait.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

static int64_t
sys_rt_sigaction(const uint64_t *args)
{
    struct sigaction act, old;

    if (args[3] != sizeof(sigset_t))
        return -EINVAL;
    if (args[1] && copyin(&act, args[1], sizeof(act)) < 0)
        return -EFAULT;
    int error = signal_action((int)args[0], args[1] ? &act : NULL, &old);
    if (!error && args[2])
        error = copyout(args[2], &old, sizeof(old));
    return error;
}

static int64_t
sys_rt_sigprocmask(const uint64_t *args)
{
    uint64_t old = current_task()->blocked, set;

    if (args[3] != sizeof(sigset_t))
        return -EINVAL;
    if (args[1]) {
        if (get_user64(&set, args[1]) < 0)
            return -EFAULT;
        switch ((int)args[0]) {
        case SIG_BLOCK:
            signal_set_mask(old | set);
            break;
        case SIG_UNBLOCK:
            signal_set_mask(old & ~set);
            break;
        case SIG_SETMASK:
            signal_set_mask(set);
            break;
        default:
            return -EINVAL;
        }
    }
    return args[2] ? put_user64(args[2], old) : 0;
}

static int64_t
sys_rt_sigpending(const uint64_t *args)
{
    uint64_t set = signal_pending_blocked();

    if (args[1] > sizeof(sigset_t))
        return -EINVAL;
    return copyout(args[0], &set, args[1]);
}

static int64_t
sys_rt_sigsuspend(const uint64_t *args)
{
    uint64_t set;
    int error = get_sigset(&set, args[0], args[1]);

    if (error)
        return error;
    signal_set_temporary_mask(set);
    while (!thread_interrupted())
        sleep_until(DEADLINE_NEVER, WAIT_INTERRUPTIBLE);
    return -ERESTARTNOHAND;
}

static int64_t
sys_rt_sigtimedwait(const uint64_t *args)
{
    uint64_t set, deadline;
    siginfo_t info;
    int error = get_sigset(&set, args[0], args[3]);

    if (!error)
        error = get_timeout(&deadline, args[2]);
    if (error)
        return error;
    int64_t signo = signal_timedwait(set, &info, deadline);
    if (signo > 0 && args[1] && copyout(args[1], &info, sizeof(info)) < 0)
        return -EFAULT;
    return signo;
}

static int64_t
sys_kill(const uint64_t *args)
{
    return signal_kill((int)args[0], (int)args[1]);
}

static int64_t
sys_tkill(const uint64_t *args)
{
    if ((int)args[0] <= 0)
        return -EINVAL;
    return signal_tgkill(0, (int)args[0], (int)args[1], NULL);
}

static int64_t
sys_tgkill(const uint64_t *args)
{
    if ((int)args[0] <= 0 || (int)args[1] <= 0)
        return -EINVAL;
    return signal_tgkill((int)args[0], (int)args[1], (int)args[2], NULL);
}

static int
get_siginfo(siginfo_t *info, vaddr_t user, int signo)
{
    if (copyin(info, user, sizeof(*info)) < 0)
        return -EFAULT;
    info->si_signo = signo;
    return 0;
}

/* A thread may pretend to be the kernel, kill(2) or tgkill(2) to its own number alone. */
static bool
may_pretend(const siginfo_t *info, int number)
{
    return (info->si_code < 0 && info->si_code != SI_TKILL) ||
           (uint32_t)number == current_task()->tid;
}

static int64_t
sys_rt_sigqueueinfo(const uint64_t *args)
{
    siginfo_t info;
    int error = get_siginfo(&info, args[2], (int)args[1]);

    if (error)
        return error;
    if (!may_pretend(&info, (int)args[0]))
        return -EPERM;
    return signal_sigqueue((int)args[0], (int)args[1], &info);
}

static int64_t
sys_rt_tgsigqueueinfo(const uint64_t *args)
{
    siginfo_t info;
    int error = get_siginfo(&info, args[3], (int)args[2]);

    if (error)
        return error;
    if ((int)args[0] <= 0 || (int)args[1] <= 0)
        return -EINVAL;
    if (!may_pretend(&info, (int)args[1]))
        return -EPERM;
    return signal_tgkill((int)args[0], (int)args[1], (int)args[2], &info);
}

static int64_t
sys_sigaltstack(const uint64_t *args)
{
    stack_t new, old;
    vaddr_t sp = thread_trapframe(current_thread())->sp;

    if (args[0] && copyin(&new, args[0], sizeof(new)) < 0)
        return -EFAULT;
    int error = sigaltstack_set(args[0] ? &new : NULL, args[1] ? &old : NULL, sp);
    if (!error && args[1])
        error = copyout(args[1], &old, sizeof(old));
    return error;
}

static int64_t
sys_rt_sigreturn(const uint64_t *args)
{
    (void)args;
    return sigframe_return(thread_trapframe(current_thread()));
}

static int64_t
sys_restart_syscall(const uint64_t *args)
{
    struct restart *restart = &current_task()->restart;
    (void)args;

    return restart->fn ? restart->fn(restart) : -EINTR;
}

const struct syscall_row signal_syscalls[] = {
    {__NR_rt_sigaction, sys_rt_sigaction},
    {__NR_rt_sigprocmask, sys_rt_sigprocmask},
    {__NR_rt_sigpending, sys_rt_sigpending},
    {__NR_rt_sigsuspend, sys_rt_sigsuspend},
    {__NR_rt_sigtimedwait, sys_rt_sigtimedwait},
    {__NR_kill, sys_kill},
    {__NR_tkill, sys_tkill},
    {__NR_tgkill, sys_tgkill},
    {__NR_rt_sigqueueinfo, sys_rt_sigqueueinfo},
    {__NR_rt_tgsigqueueinfo, sys_rt_tgsigqueueinfo},
    {__NR_sigaltstack, sys_sigaltstack},
    {__NR_rt_sigreturn, sys_rt_sigreturn},
    {__NR_restart_syscall, sys_restart_syscall},
    {0, NULL},
};
