/*
 * Tasks and processes.
 *
 * A struct task is one thread of a user program: a struct thread (floor 3)
 * and what this floor adds to it. A struct proc is what its threads share and
 * what a parent waits for: Linux's thread group.
 *
 *      proc:  ALIVE ---last thread exits---> ZOMBIE ---parent waits---> gone
 *      task:  on proc->threads until its exit; its memory stays while
 *             somebody holds a reference
 *
 * Locks, in the order they are taken:
 *
 *      group->lock         the members of a process group
 *      parent's proc->lock then the child's (spin_lock_nested, depth 1)
 *      proc->parent_lock, sighand->lock
 *
 * There is no lock of the whole process tree. A process's list of children is
 * guarded by its own lock, and so are the fields of the children that say
 * what became of them (marked P below). child->parent changes only with both
 * the old parent's lock and the child's parent_lock held, so that it may be
 * read under either; proc_lock_parent() does the dance.
 *
 * Lookups by number (pid.h) return references; nothing found there goes away
 * before it is put.
 *
 * What a pointer leads to lives, or a listed structure is used, by one of these
 * rules, which stands beside the field: [L] locked for the whole use, by what
 * guards the field  [C] counted, and looked up under that lock or by a count
 * that fails at 0  [R] read section, and freed late  [O] as long as this
 * structure, its owner, and followed by that alone  [S] for ever
 */
#ifndef QUIRE_PROC_TASK_H
#define QUIRE_PROC_TASK_H

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/resource.h>
#include "arch/riscv/spinlock.h"
#include "lib/list.h"
#include "lib/refcount.h"
#include "lib/walk.h"
#include "lib/types.h"
#include "sched/mutex.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "vfs/cred.h"

struct group;
struct posix_timers;
struct proc;
struct session;
struct tty;
struct vfork;

/* Signals that wait: a set, and for each of them one or more entries with a siginfo. */
struct sigpending {
    uint64_t set; /* bit signo - 1 */
    struct list queue; /* [L] struct sigqueue, oldest first; by the lock of the task or process */
};

/* What to do about each signal; shared by CLONE_SIGHAND. Guarded by: (A) atomic (L) lock */
struct sighand {
    struct refcount refs;           /* (A) */
    struct spinlock lock;
    struct sigaction actions[_NSIG]; /* (L to write) [signo - 1]; the handler word may be read alone */
};

/* A call that goes on after a signal where it left off (restart_syscall(2)). */
struct restart {
    int64_t (*fn)(struct restart *restart);
    uint64_t args[6];
};

/*
 * Guarded by: (C) constant after creation  (O) the task itself  (L) proc->lock
 *             (A) atomic
 */
struct task {
    struct thread thread; /* first: thread->task points back */
    struct proc *proc;    /* (C) [C] */
    uint32_t tid;         /* (C), but exec gives a thread its leader's */
    struct refcount refs; /* (A) the running thread has one */
    struct list link;     /* (L) [L] in proc->threads */

    struct sigpending pending; /* (L) for this thread alone */
    uint64_t blocked;     /* (O to write, under L) */
    uint64_t saved_mask;  /* (O) to restore after a call with a mask of its own */
    bool restore_mask;    /* (O) saved_mask is to be restored */
    bool must_die;        /* (L) the process ends, or exec in another thread: exit, whatever else */
    bool exiting;         /* (L) on its way out; signals go to others */
    bool left;            /* (L) off proc->threads */
    bool stopped;         /* (L) counted in proc->nstopped */
    bool stop_taken;      /* (L) took a stop signal off the queue, and no SIGCONT came since */
    struct list made;     /* (L) [L] children it made, living and dead, by proc->made_link */
    uint64_t waiting_for; /* (L) signals that sigtimedwait() waits for: wake for them though blocked */
    stack_t altstack;     /* (O) */
    struct restart restart; /* (O) */

    vaddr_t clear_tid;    /* (O) zero and wake a futex here at exit; 0: none */
    vaddr_t set_tid;      /* (O) CLONE_CHILD_SETTID */
    vaddr_t robust_list;  /* (O) */
    struct vfork *vfork;  /* (O) [C] child: tell the parent when done with its memory */
    struct vfork *vforked; /* (L) [L] parent: what it waits for, so that SIGKILL can end that */
    struct vmspace *shown_vm; /* (L) [C] while exec builds another: what others see; see share.h */
    bool no_new_privs;    /* (O) */
    bool over_nproc;      /* (O) its user had too many when it became the user: exec fails if it still has */
    int death_signal;     /* (A) PR_SET_PDEATHSIG; for the process, when the thread that made it ends */
    uint32_t timer_slack; /* (O) ns */
    uint32_t personality; /* (O to write, A) personality(2) */
    uint64_t started;     /* (C) ns since boot */
};

enum proc_state { PROC_ALIVE, PROC_ZOMBIE, PROC_REAPED };

/* What is used up, of a process or of its dead children. Times in ns. */
struct usage {
    uint64_t user, system;
    uint64_t nminor, nmajor; /* page faults; of the address space */
    uint64_t nvoluntary, ninvoluntary;
    uint64_t max_resident; /* pages */
};

/* An interval timer (setitimer(2)). Times in ns. */
struct itimer {
    uint64_t interval;
    uint64_t deadline; /* REAL: ns since boot; VIRTUAL, PROF: of the process's running time. 0: off */
};

/*
 * Guarded by: (C) constant after creation  (L) lock  (P) the parent's lock
 *             (A) atomic  (G) the group's lock, and lock to write
 */
struct proc {
    struct refcount refs;   /* (A) alive or zombie: one; each task: one */
    uint32_t pid;           /* (C) the thread-group id */
    uint64_t key;           /* (C) pid_key(pid) */
    struct spinlock lock;
    struct waitq child_wait; /* wait4() sleeps here, with lock */

    struct spinlock parent_lock; /* guards parent */
    struct proc *parent;    /* (P and parent_lock) [L] NULL once nobody waits for this any more */
    uint32_t parent_pid;    /* (A, changes with parent) 0 for process 1 */
    struct list sibling;    /* (P) [L] in parent->children or parent->zombies */
    struct list children;   /* (L) [L] alive */
    struct list zombies;    /* (L) [L] dead, not waited for, oldest first */
    struct task *maker;     /* (P) [L] the thread of the parent that it is a child of; NULL: none lives */
    struct list made_link;  /* (P) [L] in maker->made */
    uint32_t parent_nexecs; /* (P) the parent's nexecs when it was made */
    bool subreaper;         /* (L) PR_SET_CHILD_SUBREAPER */
    bool adopts;            /* (L) false once it hands its children to others */

    struct group *group;    /* (G) [C] NULL once released */
    struct list group_link; /* (G) [L] */
    uint32_t pgid, sid;     /* (G to write, A) the group's number and its session's */
    bool no_tty;            /* (L) gave up its session's terminal for itself (TIOCNOTTY) */
    uint32_t nexecs;        /* (A) execs since fork: after one setpgid() by the parent is refused */

    struct list threads;    /* (L) [L] tasks that have not exited, the oldest first */
    uint32_t nthreads;      /* (L) */
    uint32_t nexiting;      /* (L) of those, on their way out */
    struct task *leader;    /* (L to write) [C] the task whose tid is pid; stays, ended, until the release */
    struct waitq exec_wait; /* exec waits here, with lock, until it is the only thread */
    struct task *execing;   /* (L) [L] the thread that execs and ends the others */

    enum proc_state state;  /* (P) */
    bool group_exit;        /* (L) every thread must go; exit_status is set */
    int exit_status;        /* (L) as wait4() gives it */
    int exit_signal;        /* (P) for the parent when it ends; 0: none */

    struct sigpending pending; /* (L) for whichever thread comes first */
    struct sighand *sighand; /* (L) [L] counted; NULL once all threads have left */
    bool init;              /* (C) process 1: signals it does not handle are dropped */
    int stop_signal;        /* (L) nonzero: threads stop */
    uint32_t nstopped;      /* (L) */
    bool stop_complete;     /* (L) all have */
    int stop_unwaited;      /* (L) completely stopped by this signal, and not waited for; 0: no */
    bool continue_unwaited; /* (L) continued since, and not waited for */
    int stop_tell;          /* (L) a CLD_* that the parent is still to get a SIGCHLD about; 0: none */
    struct shared_waitq *signalfds; /* (C) [C] woken by signals: signalfd.c */
    struct waitq stop_wait; /* stopped threads sleep here, with lock */
    struct list walks;      /* (L) [L] over the threads: lib/walk.h */
    struct list sums;       /* (L) [L] those that add up what the threads used: limits.c */
    struct telling {        /* (L) many threads being told that the process ends or stops: telling.c */
        struct work work;
        struct walk walk;
        bool on, again;     /* it is under way; then all are told once more */
    } telling;

    struct rlimit64 limits[RLIM_NLIMITS]; /* (L to write) */
    struct usage dead;      /* (L) of threads that have exited */
    struct usage children_usage; /* (L) of children waited for */
    uint64_t started;       /* (C) ns since boot */
    struct itimer itimers[3]; /* (L) */
    struct mutex timer_lock; /* serialises whoever sets the timers below: see cputimer.h */
    struct timer real_timer; /* ITIMER_REAL */
    bool real_resting;      /* (L) it is periodic and due; not armed until SIGALRM is taken */
    bool timers_over;       /* (L and timer_lock) the process ends: no timer is armed any more */
    uint64_t cpu_look;      /* (L to write, A) ns since boot at which to look: cputimer.h */
    uint64_t cpu_rest;      /* (L) ns since boot before which no tick looks */
    struct work cpu_work;   /* a look that would be long for a tick */
    bool cpu_looking;       /* (L) it is queued, or under way */
    uint32_t cpu_changes;   /* (L) looks begun and timers set: a look that paused may have missed them */
    struct posix_timers *timers; /* (L, and timer_lock to write) [L] NULL: none made */

    vaddr_t vdso;           /* (O) where exec put its image: vdso.h */
    char name[16];          /* (L) comm of the main thread once it has gone */
    int oom_score_adj;      /* (A) */
    int oom_score_adj_min;  /* (A) down to here it may be set without CAP_SYS_RESOURCE */
    bool oom_victim;        /* (L) killed for want of memory */
    uint64_t reached_by;    /* (L) the kill(-1) that reached it, or the process it was forked by, last */
};

static inline struct task *
current_task(void)
{
    return current_thread()->task;
}

static inline struct proc *
current_proc(void)
{
    return current_task()->proc;
}

/* New ones, with one reference and everything zero but what must not be. NULL: memory is out. */
struct task *task_alloc(void);
struct proc *proc_alloc(void);
/* Free one that never ran. */
void task_free(struct task *task);
/* References. The last one frees. Any context. */
void proc_get(struct proc *proc);
void proc_put(struct proc *proc);
void task_get(struct task *task);
void task_put(struct task *task);

/* Lock the parent of child and return it, with a reference (unlock, then put). NULL for process 1. */
struct proc *proc_lock_parent(struct proc *child);

/* Fill in trap_ops, vm's and vfs's hooks, caches and tables. Boot hart, once, before any process. */
void proc_init(void);

/* What any task is to others, with a reference; it may have ended. No lock needed. */
static inline const struct cred *
task_cred(struct task *task)
{
    return thread_cred(&task->thread);
}

/* A process's main thread, with a reference; it may have ended. NULL: the process has been released. */
struct task *proc_leader(struct proc *proc);
/* The real uid of a process that has not been released: its main thread's. proc->lock held, or it is dead. */
uint32_t proc_uid(struct proc *proc);

/* Counters for /proc: forks since boot, threads now. */
extern uint64_t proc_nforks;
extern uint32_t proc_nthreads;

#endif
