/*
 * procfs: the kernel's own state as files.
 *
 * A file under /proc is an entry in a table: a name, a mode, and a function that prints
 * the record at a cursor (struct seq). Nothing of the text is stored: a read prints what it
 * takes, and an open file keeps the cursor and the rest of one record.
 * procfs.c holds the tree, proc_file.c the files; proc_system.c, proc_memory.c
 * and proc_mounts.c print what is known of the machine, proc_sys.c what is under
 * /proc/sys, proc_pid.c, proc_status.c and proc_maps.c what is known of a process.
 *
 * Processes live above this floor. What procfs needs to know about them comes
 * through procfs_ops, which proc/ fills in at boot. A process is named by its
 * process id (tgid), a thread by its own id; the main thread has both alike.
 *
 * What a process may keep from others is asked for under two rules:
 *
 *   - An inode and an open file name one process or thread for ever. When that has ended and
 *     its number is another's, they find nothing (struct proc_id).
 *   - An image that runs with other rights than the one before shows nothing to a descriptor
 *     from before. A file about memory holds the address space that it was opened on; all
 *     others ask after they have looked whether the reader may see what they found. exec
 *     makes the new rights effective before anything of the new image can be found.
 */
#ifndef QUIRE_FS_PROCFS_H
#define QUIRE_FS_PROCFS_H

#include <linux/resource.h>
#include <linux/utsname.h>
#include "arch/riscv/hart.h"
#include "lib/errno.h"
#include "lib/types.h"

struct cred;
struct fdtable;
struct path;
struct seq;
struct vmspace;

/*
 * Which process or thread a file is about. A number is another's once it is
 * free; its serial tells the uses of a number apart.
 */
struct proc_id {
    int tgid;        /* 0: none, the file is about the machine */
    int tid;         /* 0: the process as a whole */
    uint32_t serial; /* of the number tid, or of tgid if that is 0 */
};

/* A stable copy of what stat, status and their kin print. Times are in ns. */
struct proc_info {
    int pid;                 /* of the thread asked for; the tgid for a process as a whole */
    int tgid, ppid, pgrp, session;
    int tracer;              /* 0: none */
    uint64_t tty;            /* device number of the controlling terminal; 0: none */
    int tty_pgrp;            /* its foreground group; -1: none */
    char comm[16];
    char state;              /* R S D T t Z X */
    bool kernel_thread;
    uint32_t flags;          /* PF_* as Linux prints them; 0 is fine */
    uint32_t nthreads;
    int exit_signal, exit_code;
    int nice;
    uint32_t policy, rt_priority;
    uint32_t hart;           /* it last ran on */
    cpumask_t affinity;
    uint64_t user, system, child_user, child_system;
    uint64_t started;        /* since boot */
    uint64_t minor_faults, major_faults, child_minor_faults, child_major_faults;
    uint64_t nvoluntary, ninvoluntary;
    /* Signal sets, bit signo - 1. pending: the thread's; shared_pending: the process's. */
    uint64_t pending, shared_pending, blocked, ignored, caught;
    uint64_t nqueued;        /* signals queued, for SigQ */
    struct rlimit64 limits[RLIM_NLIMITS];
    uint32_t umask;
    uint32_t personality;
    int oom_score_adj;
    bool dumpable, no_new_privs;
    uint32_t seccomp;
    uint64_t read_chars, write_chars, read_calls, write_calls; /* io */
    char wchan[32];          /* where it sleeps; "" or "0": nowhere known */
};

/* Filled in by proc/. A NULL one counts as "there is nothing". */
struct procfs_ops {
    /* The lowest process id >= from, zombies included; 0: no more. */
    int (*next_process)(int from);
    /* The lowest thread id >= from of a process; 0: no more. */
    int (*next_thread)(const struct proc_id *id, int from);
    /* The process that a thread is of; 0: there is no such thread. */
    int (*process_of)(int tid);
    /* Fill in the serial of the process or thread that bears the numbers now. False: there is none. */
    bool (*identify)(struct proc_id *id);
    /*
     * Fill *info in for a thread, or for the process as a whole (times and
     * faults summed over its threads). -ESRCH.
     */
    int (*info)(const struct proc_id *id, struct proc_info *info);
    /* Is it still there? Cheaper than info(). */
    bool (*exists)(const struct proc_id *id);
    /* What a thread uses, each with a reference for the caller; NULL: gone, or a kernel thread. */
    struct vmspace *(*vm)(const struct proc_id *id);
    struct fdtable *(*files)(const struct proc_id *id);
    const struct cred *(*cred)(const struct proc_id *id);
    /* Paths with references. 0, -ESRCH, -ENOENT. */
    int (*root)(const struct proc_id *id, struct path *path);
    int (*cwd)(const struct proc_id *id, struct path *path);
    int (*exe)(const struct proc_id *id, struct path *path);
    /*
     * May the current thread look into its memory, files and paths (ptrace's
     * rule)? Asked after something was found, it is right for what was found. vm:
     * the memory that it is to look into; NULL: what the thread has now.
     */
    bool (*may_inspect)(const struct proc_id *id, const struct vmspace *vm);
    /*
     * May anybody of its own user's look (PR_SET_DUMPABLE)? Otherwise its
     * files are root's. False for what has no memory.
     */
    bool (*dumpable)(const struct proc_id *id);
    /* Is it the current process, or a thread of that? */
    bool (*is_own)(const struct proc_id *id);
    /* Write to comm: only for threads of the current process. 0, -ESRCH, -EINVAL. */
    int (*set_name)(const struct proc_id *id, const char *name);
    /* How likely it is to be killed for memory, 0 to about 2000; -ESRCH. */
    int (*oom_score)(const struct proc_id *id);
    /* 0, -ESRCH, -EACCES (lowering without CAP_SYS_RESOURCE). */
    int (*set_oom_score_adj)(const struct proc_id *id, int value);
    /* The current process's and thread's ids; 0 for a kernel thread. */
    int (*current_tgid)(void);
    int (*current_tid)(void);

    /* The system. */
    void (*uts)(struct new_utsname *uts);
    /* Set the host (false) or domain (true) name: 0, -EPERM, -EINVAL. */
    int (*set_uts)(bool domain, const char *name);
    void (*counts)(uint64_t *nforks, uint32_t *nthreads, uint32_t *nblocked, int *last_pid);
    /* Seconds since 1970 at boot (btime). */
    uint64_t (*boot_time)(void);
    uint32_t pid_max; /* ids are below it; a constant, not a function */
};
extern struct procfs_ops procfs_ops;

/* Register the file-system type "proc". */
void procfs_init(void);

#endif
