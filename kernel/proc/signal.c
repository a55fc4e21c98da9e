/*
 * Sending signals; see signal.h.
 *
 * Everything below happens under proc->lock of the process that gets the
 * signal. A signal whose default is to end the process, and that nobody
 * catches, ends it at once: every thread is told to go, whatever it waits
 * for, and no queue is needed.
 */
#include "proc/signal.h"
#include "arch/riscv/klog.h"
#include "lib/string.h"
#include "proc/exit.h"
#include "proc/group.h"
#include "proc/sigdeliver.h"
#include "proc/signalfd.h"
#include "proc/sigqueue.h"

void
siginfo_user(siginfo_t *info, int signo, int code)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = signo;
    info->si_code = code;
    info->si_pid = (int)current_proc()->pid;
    info->si_uid = current_cred()->uid;
}

void
siginfo_kernel(siginfo_t *info, int signo)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = signo;
    info->si_code = SI_KERNEL;
}

static __sighandler_t
handler_of(const struct proc *proc, int signo)
{
    return __atomic_load_n(&proc->sighand->actions[signo - 1].sa_handler, __ATOMIC_RELAXED);
}

/* Would nothing happen if it were delivered? */
static bool
is_ignored(const struct proc *proc, int signo)
{
    __sighandler_t handler = handler_of(proc, signo);

    if (handler == SIG_DFL)
        return proc->init || (sigbit(signo) & SIGSET_IGNORED);
    return handler == SIG_IGN;
}

/* Does the signal end the process without further ado? */
static bool
ends_process(const struct proc *proc, int signo)
{
    return handler_of(proc, signo) == SIG_DFL && !proc->init &&
           !(sigbit(signo) & (SIGSET_STOP | SIGSET_IGNORED | SIGSET_CORE));
}

static bool
would_take(const struct task *task, int signo)
{
    return !task->exiting && !task->stopped &&
           (!(task->blocked & sigbit(signo)) || (task->waiting_for & sigbit(signo)));
}

static void
tell(struct task *task)
{
    thread_set_work(&task->thread, WORK_SIGNAL);
    thread_interrupt(&task->thread);
}

/* The thread to tell of a shared signal: the main one if it would take it, else any. NULL: all block it. */
static struct task *
choose(struct proc *proc, int signo)
{
    struct task *task;

    LIST_FOREACH(task, &proc->threads, link)
        if (would_take(task, signo))
            return task;
    return NULL;
}

/* Forget signals of `set` wherever they wait in the process. */
static void
discard_everywhere(struct proc *proc, uint64_t set)
{
    struct task *task;

    sigpending_discard(&proc->pending, set);
    LIST_FOREACH(task, &proc->threads, link)
        sigpending_discard(&task->pending, set);
}

/* A thread that has a stop signal in hand but has not acted on it yet does not. */
static void
take_stops_back(struct proc *proc)
{
    struct task *task;

    LIST_FOREACH(task, &proc->threads, link)
        task->stop_taken = false;
}

/*
 * What a signal does by being sent, whether or not it is then delivered.
 * False: it goes no further.
 */
static bool
prepare(struct proc *proc, struct task *task, int signo)
{
    if (!proc->nthreads || proc->group_exit)
        return false;
    if (signo == SIGKILL) {
        if (!proc->init)
            proc_begin_exit(proc, SIGKILL);
        return false;
    }
    if (sigbit(signo) & SIGSET_STOP)
        discard_everywhere(proc, sigbit(SIGCONT));
    if (signo == SIGCONT) {
        discard_everywhere(proc, SIGSET_STOP);
        take_stops_back(proc);
        stop_end(proc);
    }
    if (!task)
        task = LIST_FIRST(&proc->threads, struct task, link);
    return (task->blocked & sigbit(signo)) || !is_ignored(proc, signo);
}

/* Tell a thread of a signal that has just joined its pending set (or, task NULL, the process's). */
static void
notify(struct proc *proc, struct task *task, int signo)
{
    signalfd_tell(proc);
    if (!task)
        task = choose(proc, signo);
    else if (!would_take(task, signo))
        return;
    if (!task)
        return;
    if (ends_process(proc, signo) && !(task->blocked & sigbit(signo)))
        proc_begin_exit(proc, signo);
    else
        tell(task);
}

static int
send_locked(struct proc *proc, struct task *task, int signo, const siginfo_t *info)
{
    struct sigpending *pending = task ? &task->pending : &proc->pending;

    if (!prepare(proc, task, signo))
        return 0;
    if (signo < SIGRTMIN && (pending->set & sigbit(signo)))
        return 0;

    bool from_kernel = !info || info->si_code >= 0;
    struct sigqueue *entry = sigqueue_alloc(task ? task : proc->leader, from_kernel && signo < SIGRTMIN);
    if (!entry && signo >= SIGRTMIN && info && info->si_code != SI_USER)
        return -EAGAIN;
    if (entry && info)
        entry->info = *info;
    else if (entry)
        siginfo_kernel(&entry->info, signo);
    sigpending_add(pending, signo, entry);
    notify(proc, task, signo);
    return 0;
}

int
signal_proc_locked(struct proc *proc, int signo, const siginfo_t *info)
{
    return send_locked(proc, NULL, signo, info);
}

int
signal_proc(struct proc *proc, int signo, const siginfo_t *info)
{
    SCOPED_SPIN(&proc->lock);
    return send_locked(proc, NULL, signo, info);
}

int
signal_task(struct task *task, int signo, const siginfo_t *info)
{
    SCOPED_SPIN(&task->proc->lock);
    if (task->exiting)
        return 0;
    return send_locked(task->proc, task, signo, info);
}

/* Is a signal that a trap causes deadly? lock held. */
static bool
force_is_fatal(const struct task *task, int signo)
{
    __sighandler_t handler = handler_of(task->proc, signo);

    return handler == SIG_DFL || handler == SIG_IGN || (task->blocked & sigbit(signo)) ||
           signo == SIGKILL;
}

bool
signal_force_is_fatal(int signo)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);
    return force_is_fatal(task, signo);
}

void
signal_force(int signo, int code, vaddr_t address)
{
    struct task *task = current_task();
    siginfo_t info = {.si_signo = signo, .si_code = code};
    SCOPED_SPIN(&task->proc->lock);

    info.si_addr = (void *)address;
    if (force_is_fatal(task, signo))
        proc_begin_exit(task->proc, signo);
    else
        send_locked(task->proc, task, signo, &info);
}

void
signal_force_fatal(int signo)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    proc_begin_exit(proc, signo);
}

bool
signal_queue_entry(struct proc *proc, struct task *task, struct sigqueue *entry, int count)
{
    int signo = entry->info.si_signo;

    if (!list_empty(&entry->link)) {
        entry->info.si_overrun = signal_add_overruns(entry->info.si_overrun, count);
        return true;
    }
    entry->info.si_overrun = count - 1;
    if ((task && task->exiting) || !prepare(proc, task, signo))
        return false;
    sigpending_add(task ? &task->pending : &proc->pending, signo, entry);
    notify(proc, task, signo);
    return true;
}

void
signal_unqueue_entry(struct proc *proc, struct task *task, struct sigqueue *entry, bool kept)
{
    SCOPED_SPIN(&proc->lock);
    if (list_empty(&entry->link))
        return;
    if (kept) {
        struct sigqueue *heir = sigqueue_alloc(current_task(), true);
        if (heir) {
            heir->info = entry->info;
            list_add_tail(&entry->link, &heir->link);
        }
        list_del(&entry->link);
    } else {
        list_del(&entry->link);
        sigpending_forget(task ? &task->pending : &proc->pending, entry->info.si_signo);
    }
}

void
signal_retarget(struct proc *proc, uint64_t set)
{
    struct task *task, *me = current_task();
    uint64_t left = proc->pending.set & set;

    if (!left)
        return;
    LIST_FOREACH(task, &proc->threads, link) {
        uint64_t takes = left & (~task->blocked | task->waiting_for);
        if (task == me || task->exiting || task->stopped || !takes)
            continue;
        tell(task);
        left &= ~takes;
        if (!left)
            return;
    }
}

void
signal_recalc(struct task *task)
{
    uint64_t waiting = (task->pending.set | task->proc->pending.set) & ~task->blocked;

    if (waiting || task->must_die || task->proc->stop_signal || task->proc->stop_tell)
        __atomic_fetch_or(&task->thread.work, WORK_SIGNAL, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&task->thread.work, ~WORK_SIGNAL, __ATOMIC_RELAXED);
}

bool
signal_is_ignored(int signo)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);

    return (task->blocked & sigbit(signo)) || handler_of(task->proc, signo) == SIG_IGN;
}

bool
signal_fatal_pending(void)
{
    const struct task *task = current_task();

    return task && __atomic_load_n(&task->must_die, __ATOMIC_ACQUIRE);
}

/* One member; *result: what signal_group() answers. The group's lock held. */
static void
send_to_member(struct proc *proc, int signo, const siginfo_t *info, int *result)
{
    SCOPED_SPIN(&proc->lock);
    int error = info ? signal_permission(proc->leader, signo) : 0;

    if (!error && signo)
        error = send_locked(proc, NULL, signo, info);
    if (!error || *result == -ESRCH)
        *result = error;
}

int
signal_group(struct group *group, int signo, const siginfo_t *info)
{
    struct group_walk walk;
    struct proc *proc;
    int result = -ESRCH;

    group_walk_begin(&walk, group);
    while ((proc = group_walk_next(&walk)))
        send_to_member(proc, signo, info, &result);
    group_walk_end(&walk);
    return result;
}

void
signal_group_now(struct group *group, int signo)
{
    struct group_walk walk;
    struct proc *proc;
    int result = -ESRCH;

    group_walk_begin(&walk, group);
    while ((proc = group_walk_next_now(&walk)))
        send_to_member(proc, signo, NULL, &result);
    group_walk_end(&walk);
}
