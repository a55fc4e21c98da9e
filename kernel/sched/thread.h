/*
 * Threads: what runs.
 *
 * A thread is a kernel stack, a saved context and a scheduling state. Threads
 * of processes also point to what the floors above keep for them (address
 * space, files, credentials, process): those pointers are opaque here.
 *
 *      READY ----> RUNNING ----> SLEEPING ----> READY ...   (wake)
 *        ^------------'  preempted or yielded
 *                        `-----> DEAD    (freed by on_dead, see thread_exit)
 *
 * and MOVING in place of READY between the queues of two harts.
 *
 * A thread belongs to one hart's run queue; that queue's lock guards its
 * state (sched.c says what each state means). A waker takes that lock, so a
 * wake cannot slip in between deciding to sleep and switching away: sleepers
 * set SLEEPING first, then check their condition, then switch (wait.h wraps
 * this up).
 *
 * The kernel is not preemptible: a thread leaves its hart when it sleeps, at
 * preempt_point(), or on the way back to user mode.
 */
#ifndef QUIRE_SCHED_THREAD_H
#define QUIRE_SCHED_THREAD_H

#include "arch/riscv/fp.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/lockcheck.h"
#include "arch/riscv/trap.h"
#include "lib/rbtree.h"
#include "lib/types.h"

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_MOVING, THREAD_DEAD };

/* What a thread must do before it returns to user mode (thread->work). */
#define WORK_RESCHED BIT(0) /* something else should run */
#define WORK_SIGNAL BIT(1)  /* a signal may be pending: proc/ looks */
#define WORK_WAKES BIT(2)   /* a wake of many goes on: wake_finish() */

/* Callee-saved registers across a switch; swtch.S knows the order. */
struct context {
    uint64_t ra, sp;
    uint64_t s[12];
};

/*
 * Guarded by: (Q) the run queue's lock  (O) the thread itself  (A) atomic  (C) constant
 *             (P) proc->lock to write
 * What a pointer leads to: [C] counted  [R] read section  [O] lives as long as this; docs/locking.md
 */
struct thread {
    struct context context; /* (Q) valid while not running */
    uint64_t work;          /* (A) WORK_* */
    vaddr_t kstack;         /* (C) top of the kernel stack */
    struct mmu *mmu;        /* (O) [O] of vm: what to load; NULL: a kernel thread */

    enum thread_state state; /* (Q) */
    bool on_hart;            /* (Q) its registers are live on a hart */
    bool interruptible;      /* (Q) a signal may end its sleep */
    bool wake_interrupted;   /* (Q) the last sleep was ended by thread_interrupt() */
    uint32_t hart;           /* (Q) index of the hart whose queue it is on */
    struct rbnode run_node;  /* (Q) in its hart's queue while READY */
    int64_t run_key;         /* (Q) place in the queue */
    cpumask_t affinity;      /* (Q) harts it may run on */
    int nice;                /* (Q) -20..19 */
    uint32_t policy, rt_priority; /* (Q) SCHED_* as the user set them */
    bool reset_on_fork;           /* (Q) children begin with the default policy */
    uint64_t vruntime;       /* (Q) weighted running time, ns */
    uint64_t ran_since;      /* (Q) when it last got the hart, ns */
    uint32_t distrust;       /* (Q) sleeps until it is believed to sleep after a wake; see sched.c */

    uint64_t run_nsec;       /* (Q) time on a hart, up to ran_since */
    uint64_t user_ticks, system_ticks; /* (O) samples that split it; see account.c */
    uint64_t user_told, system_told;   /* (Q) what thread_times() said last */
    uint64_t nvoluntary, ninvoluntary; /* (Q) switches */

    struct fpstate fp;       /* (O) valid while not running, if the trap frame's FS is not off */

    char name[16];           /* (O) as /proc/PID/comm */
    void (*on_dead)(struct thread *thread); /* (O) see thread_exit() */
    struct lockcheck_held mutexes; /* (O) debug builds: mutexes held */

    /* The floors above. NULL for kernel threads. */
    struct vmspace *vm;         /* (P) [C] vm/; of others only by task_vm(), proc/share.h */
    struct fdtable *files;      /* (P) [C] vfs/; of others only by task_files() */
    struct fs_context *fs;      /* (P) [C] vfs/: root, cwd, umask; of others only by task_fs() */
    /* vfs/: ids and capabilities; vfs/cred.h tells, and only vfs/cred.c names them. */
    const struct cred *cred_published; /* (O to write) [R] what it is to others */
    const struct cred *cred_acting;    /* (O) [O] what its own calls are judged by */
    struct task *task;          /* (C) [O] proc/: everything else; this thread is part of it */
};

/* The trap frame of a user thread: at the top of its kernel stack. */
static inline struct trapframe *
thread_trapframe(struct thread *thread)
{
    return (struct trapframe *)thread->kstack - 1;
}

/* Run queues and this hart's idle thread. Boot hart, once. */
void sched_init(void);
/* Turn a secondary hart's boot code into its idle thread; does not return. */
void sched_start_hart(void) __noreturn;
/* If any hart idles, have one look for work. */
void sched_kick_idle(void);

/*
 * Prepare a thread (zeroed or copied memory, owned by the caller) to call
 * start(arg) when first woken; allocates its kernel stack. 0 or -ENOMEM.
 */
int thread_init(struct thread *thread, const char *name, void (*start)(void *), void *arg);
/* Free what thread_init() allocated; the thread must be DEAD and off its hart. */
void thread_destroy(struct thread *thread);
/* A busy hart's tick met this thread; proc/ fills it in at boot. Runs in the interrupt. */
extern void (*sched_tick_hook)(struct thread *thread);
/* A kernel thread, running. NULL if memory is out. */
struct thread *kthread_create(const char *name, void (*start)(void *), void *arg);

/* Put a new thread on a run queue. */
void thread_start(struct thread *thread);
/*
 * Make a sleeping thread ready; nothing if it is not sleeping. `sync`: the
 * waker is about to sleep itself, so run it here next. Any context.
 */
void thread_wake(struct thread *thread, bool sync);
/* End a thread's sleep if it is interruptible (its wait returns -EINTR). Any context. */
void thread_interrupt(struct thread *thread);
/* Set work bits and make the thread notice soon, if it is in user mode on another hart. */
void thread_set_work(struct thread *thread, uint64_t work);

/* Give up the hart. If the state is SLEEPING (set by the caller), until woken. No spinlock held. */
void schedule(void);
/* Let others of the same hart run first. */
void thread_yield(void);
/*
 * End the current thread: it never runs again. After it left its hart,
 * on_dead(thread) runs on that hart (with no lock held) and may free it.
 */
void thread_exit(void (*on_dead)(struct thread *thread)) __noreturn;
/*
 * Change on which harts a thread may run. -EINVAL: none of them is there. The
 * caller itself has moved on return; another thread that runs moves when it
 * next returns to user mode or sleeps.
 */
int thread_set_affinity(struct thread *thread, cpumask_t harts);
/* Change a thread's weight, or its policy and real-time priority; its place in the queue follows. */
void thread_set_nice(struct thread *thread, int nice);
void thread_set_policy(struct thread *thread, uint32_t policy, uint32_t rt_priority,
                       bool reset_on_fork);
/* True if a signal (or another interruption) waits for the current thread. */
bool thread_interrupted(void);

/* Load averages (1, 5, 15 minutes; fixed point with 11 bits), threads running, for /proc. */
void sched_loadavg(uint64_t avg[3], uint32_t *nrunning);
/*
 * A thread's running time, split into user and system time by the samples of
 * its ticks, as ns. Any thread; none of the two ever goes back.
 */
void thread_times(struct thread *thread, uint64_t *user, uint64_t *system);
/* Idle, user, system time of a hart in ns, none of which goes back; context switches in all. */
void sched_hart_times(uint32_t hart, uint64_t *user, uint64_t *system, uint64_t *idle);
uint64_t sched_nswitches(void);

/*
 * The current thread's floating-point registers: bring thread->fp up to date
 * (fork, a signal frame); load the registers from thread->fp (return from a
 * signal). FS off in the trap frame means that all are zero and never used.
 */
void thread_fp_sync(void);
void thread_fp_reload(void);

#endif
