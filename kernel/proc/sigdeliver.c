/*
 * The way back to user mode; see sigdeliver.h.
 */
#include "proc/sigdeliver.h"
#include <asm/unistd.h>
#include "arch/riscv/csr.h"
#include "arch/riscv/klog.h"
#include "proc/exit.h"
#include "proc/group.h"
#include "proc/signal.h"
#include "proc/vdso.h"

/* The thread has been told to go. lock held. */
static void __noreturn
die(struct proc *proc)
{
    int status = proc->exit_status;

    spin_unlock(&proc->lock);
    task_exit(status);
}

/*
 * A terminal's stop signal does nothing in an orphaned group, where nobody
 * could continue it. lock held; let go and taken again. Returns whether to stop.
 */
static bool
may_stop(struct proc *proc, int signo)
{
    struct task *task = current_task();

    if (signo == SIGSTOP)
        return true;
    task->stop_taken = true;
    spin_unlock(&proc->lock);
    struct group *group = proc_group(proc);
    bool orphaned = group_is_orphaned(group, NULL);
    group_put(group);
    spin_lock(&proc->lock);

    /* A SIGCONT that came meanwhile takes the stop back. */
    return !orphaned && task->stop_taken;
}

/* What happens without a handler. lock held. */
static void
default_action(struct proc *proc, int signo)
{
    if (proc->init || (sigbit(signo) & SIGSET_IGNORED))
        return;
    if (!(sigbit(signo) & SIGSET_STOP))
        proc_begin_exit(proc, signo);
    else if (may_stop(proc, signo))
        stop_begin(proc, signo);
}

/*
 * The next signal that has a handler, whose action is copied; 0: none waits.
 * Does what has to be done about all others. lock held.
 */
static int
next_signal(struct task *task, siginfo_t *info, struct sigaction *action)
{
    struct proc *proc = task->proc;

    for (;;) {
        if (task->must_die)
            die(proc);
        if (proc->stop_signal) {
            stop_here(proc);
            continue;
        }
        if (proc->stop_tell) {
            stop_tell_parent(proc);
            continue;
        }
        int signo = signal_dequeue(task, ~task->blocked, info);
        if (!signo)
            return 0;
        struct sighand *sighand = proc->sighand;
        spin_lock(&sighand->lock);
        *action = sighand->actions[signo - 1];
        bool caught = action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
        if (caught && (action->sa_flags & SA_RESETHAND))
            sighand->actions[signo - 1].sa_handler = SIG_DFL;
        spin_unlock(&sighand->lock);
        if (caught)
            return signo;
        if (action->sa_handler == SIG_DFL)
            default_action(proc, signo);
    }
}

/*
 * Settle the call that a signal interrupted: once, right before the handler
 * (action) or, when none runs, on the way out.
 */
static void
settle_call(struct trapframe *tf, const struct sigaction *action)
{
    if (tf->nsyscall == ~0UL)
        return;
    tf->nsyscall = ~0UL;
    switch (-(int64_t)tf->a0) {
    case ERESTART_RESTARTBLOCK:
        if (!action)
            tf->a7 = __NR_restart_syscall;
        break;
    case ERESTARTNOHAND:
        break;
    case ERESTARTSYS:
        if (action && (action->sa_flags & SA_RESTART))
            action = NULL;
        break;
    case ERESTARTNOINTR:
        action = NULL;
        break;
    default:
        return;
    }
    if (action) {
        tf->a0 = (uint64_t)-EINTR;
        return;
    }
    tf->a0 = tf->orig_a0;
    tf->epc -= 4; /* back to the ecall */
}

/* Run a handler: its frame, and its mask. */
static void
handle(struct trapframe *tf, struct task *task, int signo, const siginfo_t *info,
       const struct sigaction *action)
{
    settle_call(tf, action);
    uint64_t mask = task->restore_mask ? task->saved_mask : task->blocked;
    if (sigframe_push(tf, signo, info, action, mask) < 0) {
        /* A fault like any other: SIGSEGV may have a stack of its own to be handled on. */
        if (signo == SIGSEGV)
            signal_force_fatal(SIGSEGV);
        else
            signal_force(SIGSEGV, SI_KERNEL, 0);
        return;
    }

    SCOPED_SPIN(&task->proc->lock);
    task->restore_mask = false;
    uint64_t blocked = task->blocked | action->sa_mask.sig[0];
    if (!(action->sa_flags & SA_NODEFER))
        blocked |= sigbit(signo);
    signal_set_mask_locked(blocked);
}

static void
deliver(struct trapframe *tf)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    struct sigaction action __uninitialized;
    siginfo_t info __uninitialized;

    /* Threads that stop, one after the other, are many switches without a return to user mode. */
    preempt_point();
    spin_lock(&proc->lock);
    int signo = next_signal(task, &info, &action);
    if (signo) {
        spin_unlock(&proc->lock);
        handle(tf, task, signo, &info, &action);
        return;
    }
    settle_call(tf, NULL);
    if (task->restore_mask) {
        task->restore_mask = false;
        signal_set_mask_locked(task->saved_mask);
    } else {
        signal_recalc(task);
    }
    spin_unlock(&proc->lock);
}

void
signal_user_return(struct trapframe *tf)
{
    uint64_t work = __atomic_load_n(&current_thread()->work, __ATOMIC_RELAXED);

    if (work & WORK_RESCHED)
        schedule();
    if (work & WORK_WAKES)
        wake_finish();
    if (work & WORK_SIGNAL)
        deliver(tf);
}

static struct klog_limit fault_messages = {.what = "programs' faults"};

void
signal_user_exception(struct trapframe *tf, uint64_t cause, uint64_t value)
{
    static const struct {
        uint64_t cause;
        int signo, code;
        const char *what;
    } kinds[] = {
        {EXC_INSN_MISALIGNED, SIGBUS, BUS_ADRALN, "misaligned instruction"},
        {EXC_INSN_ACCESS, SIGSEGV, SEGV_ACCERR, "instruction access fault"},
        {EXC_ILLEGAL, SIGILL, ILL_ILLOPC, "illegal instruction"},
        {EXC_BREAKPOINT, SIGTRAP, TRAP_BRKPT, "breakpoint"},
        {EXC_LOAD_MISALIGNED, SIGBUS, BUS_ADRALN, "misaligned load"},
        {EXC_LOAD_ACCESS, SIGSEGV, SEGV_ACCERR, "load access fault"},
        {EXC_STORE_MISALIGNED, SIGBUS, BUS_ADRALN, "misaligned store"},
        {EXC_STORE_ACCESS, SIGSEGV, SEGV_ACCERR, "store access fault"},
    };
    struct task *task = current_task();
    size_t i = 0;

    while (i < ARRAY_SIZE(kinds) - 1 && kinds[i].cause != cause)
        i++;
    if (signal_force_is_fatal(kinds[i].signo) && klog_may_print(&fault_messages))
        pr_info("%s[%u]: %s at 0x%lx (0x%lx)", task->thread.name, task->proc->pid, kinds[i].what,
                tf->epc, value);
    signal_force(kinds[i].signo, kinds[i].code, tf->epc);
}

void
signal_page_fault(struct trapframe *tf, vaddr_t va, struct fault_verdict verdict)
{
    struct task *task = current_task();
    char why[200];

    if (verdict.signal != SIGKILL && vdso_fixup(tf))
        return;
    bool killed = verdict.signal == SIGKILL;
    bool told = (killed || signal_force_is_fatal(verdict.signal)) && klog_may_print(&fault_messages);
    if (told && killed)
        pr_warn("%s[%u]: out of memory, killed", task->thread.name, task->proc->pid);
    else if (told)
        pr_info("%s[%u]: %s (pc 0x%lx)", task->thread.name, task->proc->pid,
                vm_explain(task->thread.vm, va, verdict.access, why, sizeof(why)), tf->epc);
    signal_force(verdict.signal, verdict.code, va);
}
