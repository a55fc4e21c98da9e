/*
 * Signals: sending them.
 *
 * A signal is sent to a thread or to a process. It is dropped if the process
 * ignores it (and nobody blocks it), joins the pending set otherwise, and a
 * thread that does not block it is told by WORK_SIGNAL in its work bits, and
 * woken if it sleeps interruptibly. WORK_SIGNAL says "look", no more: the
 * thread finds out on its way to user mode (sigdeliver.h), and a sleep that
 * finds it set ends with -EINTR.
 *
 * Standard signals wait at most once, real-time ones queue in order, each
 * with its siginfo, up to RLIMIT_SIGPENDING for each user.
 */
#ifndef QUIRE_PROC_SIGNAL_H
#define QUIRE_PROC_SIGNAL_H

#include "lib/errno.h"
#include "proc/task.h"

#define ERESTARTNOINTR 513         /* restart always */
#define ERESTART_RESTARTBLOCK 516  /* call task->restart.fn if no handler runs; else EINTR */

static inline bool
is_restart_error(int64_t result)
{
    return result >= -ERESTART_RESTARTBLOCK && result <= -ERESTARTSYS;
}

static inline uint64_t
sigbit(int signo)
{
    return BIT(signo - 1);
}

/* Sets by what is done without a handler; signal(7). */
#define SIGSET_STOP (sigbit(SIGSTOP) | sigbit(SIGTSTP) | sigbit(SIGTTIN) | sigbit(SIGTTOU))
#define SIGSET_UNBLOCKABLE (sigbit(SIGKILL) | sigbit(SIGSTOP))
#define SIGSET_SYNCHRONOUS                                                                         \
    (sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGFPE) |        \
     sigbit(SIGSYS))
#define SIGSET_IGNORED (sigbit(SIGCONT) | sigbit(SIGCHLD) | sigbit(SIGWINCH) | sigbit(SIGURG))
#define SIGSET_CORE                                                                                \
    (sigbit(SIGQUIT) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGABRT) | sigbit(SIGFPE) |       \
     sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGSYS) | sigbit(SIGXCPU) | sigbit(SIGXFSZ))

/* A queued signal. */
struct sigqueue {
    struct list link;
    siginfo_t info;
    struct user *user; /* [C] whose count it is in; NULL: preallocated, its owner frees it */
    /*
     * Preallocated: called when it leaves its queue, with the siginfo that the taker gets, or
     * NULL if the signal is thrown away. proc->lock held.
     */
    void (*left)(struct sigqueue *entry, siginfo_t *info);
};

/* A siginfo for a signal from kill(2) by the current process / from the kernel. */
void siginfo_user(siginfo_t *info, int signo, int code);
void siginfo_kernel(siginfo_t *info, int signo);

/*
 * Send to a process or one thread. info NULL: from the kernel. 0, or -EAGAIN
 * (the queue's limit, for real-time signals not from the kernel). Any context;
 * the _locked form has proc->lock held.
 */
int signal_proc(struct proc *proc, int signo, const siginfo_t *info);
int signal_proc_locked(struct proc *proc, int signo, const siginfo_t *info);
int signal_task(struct task *task, int signo, const siginfo_t *info);
/*
 * Send what a trap caused to the current thread: if it is blocked or ignored the
 * process ends by it.
 */
void signal_force(int signo, int code, vaddr_t address);
/* Would signal_force() end the process? */
bool signal_force_is_fatal(int signo);
/* End the current process as by signo, whatever it says about it. */
void signal_force_fatal(int signo);
/* A sum of overruns, each not negative; it stops at INT32_MAX, as on Linux (timer_getoverrun(2)). */
static inline int
signal_add_overruns(int a, int b)
{
    return (int)min((int64_t)a + b, (int64_t)INT32_MAX);
}

/*
 * Queue a preallocated entry (POSIX timers), for one thread or (task NULL) the
 * process. If it is queued already, `count` is added to its si_overrun, else
 * that becomes count - 1. False: it goes no further, being ignored or for a thread that
 * has gone. proc->lock held.
 */
bool signal_queue_entry(struct proc *proc, struct task *task, struct sigqueue *entry, int count);
/*
 * Take a preallocated entry, queued for task (NULL: the process), off its queue, if it is on it.
 * Its signal goes on waiting, as `kept`, in an entry of its own; else it waits no more. No lock held.
 */
void signal_unqueue_entry(struct proc *proc, struct task *task, struct sigqueue *entry, bool kept);
/*
 * Send to every member of a group. info NULL: no permission is needed. Others may run meanwhile.
 * 0, -ESRCH, -EPERM.
 */
int signal_group(struct group *group, int signo, const siginfo_t *info);
/* The same without a pause or a permission, for an interrupt. */
void signal_group_now(struct group *group, int signo);

/* kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2), rt_tgsigqueueinfo(2). (kill.c) */
int signal_kill(int pid, int signo);
int signal_tgkill(int tgid, int tid, int signo, const siginfo_t *info);
int signal_sigqueue(int tgid, int signo, const siginfo_t *info);
/* May the current thread send signo to the task, or to its process in its name? 0 or -EPERM. */
int signal_permission(struct task *task, int signo);

/* Change the current thread's mask; what becomes deliverable is noticed. */
void signal_set_mask(uint64_t blocked);
/*
 * Use a mask for the length of one call (ppoll, pselect6, sigsuspend): the old
 * one comes back on the way to user mode, after a handler was set up if one
 * runs. signal_end_temporary_mask() restores it at once, for calls that were not
 * interrupted.
 */
void signal_set_temporary_mask(uint64_t blocked);
void signal_end_temporary_mask(void);
/* Is signo blocked or ignored by the current thread? */
bool signal_is_ignored(int signo);
/* Every pending signal that the thread blocks (sigpending(2)). */
uint64_t signal_pending_blocked(void);
/* Set or clear the current thread's WORK_SIGNAL, by what waits for it. proc->lock held. */
void signal_recalc(struct task *task);
/* Wake other threads for shared signals of `set` that the current one will not take. proc->lock held. */
void signal_retarget(struct proc *proc, uint64_t set);
/* Take the current thread's blocked set. proc->lock held. */
void signal_set_mask_locked(uint64_t blocked);
/* Take the first pending signal in `set`. Its number, or 0. proc->lock held. */
int signal_dequeue(struct task *task, uint64_t set, siginfo_t *info);
/* A call returned -ERESTART*: make the way to user mode look at it. */
void signal_restart_pending(void);
/* How to go on with a call after a signal: fill in args and return -ERESTART_RESTARTBLOCK. */
struct restart *signal_restart_with(int64_t (*fn)(struct restart *restart));
/* Is a SIGKILL (or the end of the process) waiting for the current thread? */
bool signal_fatal_pending(void);

/* sigaction(2). act, old may be NULL. 0 or -EINVAL. */
int signal_action(int signo, const struct sigaction *act, struct sigaction *old);
/* Wait for a signal of `set`. Its number, -EAGAIN (deadline), -EINTR. */
int64_t signal_timedwait(uint64_t set, siginfo_t *info, uint64_t deadline);

/* Sets of actions. NULL: memory is out. */
struct sighand *sighand_create(void);
struct sighand *sighand_copy(struct sighand *from);
/* Copy from's actions; `to` is known to no other thread yet. */
void sighand_fill(struct sighand *to, struct sighand *from);
void sighand_get(struct sighand *sighand);
void sighand_put(struct sighand *sighand);
/* exec: caught signals go back to their defaults; flags and masks are cleared. clone3: all do. */
void sighand_reset(struct sighand *sighand, bool ignored_too);
/* Sets ignored and caught, for /proc. */
void sighand_sets(struct sighand *sighand, uint64_t *ignored, uint64_t *caught);

void sigpending_init(struct sigpending *pending);
/* Forget everything that waits. The owner's lock held, or nobody else left. */
void sigpending_flush(struct sigpending *pending);
/* Forget the signals of a set. Lock held. */
void sigpending_discard(struct sigpending *pending, uint64_t set);

void signal_init(void);

#endif
