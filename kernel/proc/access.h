/*
 * What one process may learn of another, and do to it: the questions that
 * procfs, scheduling calls and their kin ask in one place. Signals ask
 * signal_permission(), files inode_permission().
 */
#ifndef QUIRE_PROC_ACCESS_H
#define QUIRE_PROC_ACCESS_H

#include "proc/task.h"

struct vmspace;

/* By which of its ids and capabilities the current thread asks; ptrace(2), "access mode checking". */
enum access_ids {
    ACCESS_BY_FS_IDS,   /* the file-system ids, the effective capabilities: for names in /proc */
    ACCESS_BY_REAL_IDS, /* the real ids, the permitted capabilities: for system calls */
};

/*
 * May the current thread look into the task's memory, files and paths? The same process may.
 * Another needs the same user and group in all ids, no fewer capabilities than the task may
 * use, and a task that is dumpable; or CAP_SYS_PTRACE. vm is what it will look at, from
 * task_vm() (share.h); NULL: there is none.
 */
bool access_inspect(struct task *task, const struct vmspace *vm, enum access_ids ids);
/* Is the task of the current thread's effective user, or has that CAP_SYS_NICE? */
bool access_same_user(struct task *task);
/* Has the current thread every capability that the task may use, or CAP_SYS_NICE? */
bool access_holds_all(struct task *task);

#endif
