/*
 * Ends: of a thread, of a process; and waiting for them.
 */
#ifndef QUIRE_PROC_EXIT_H
#define QUIRE_PROC_EXIT_H

#include "lib/types.h"
#include "proc/task.h"

/* End the current thread; `status` as wait4() gives it counts if it is the last. */
void task_exit(int status) __noreturn;
/* End the current process. */
void proc_exit(int status) __noreturn;
/*
 * Tell every other thread of the process to go, and say with which status it
 * ends. The first call decides the status. lock held.
 */
void proc_begin_exit(struct proc *proc, int status);
/* exec: end every other thread and wait until they are gone. -EAGAIN: the process ends instead. */
int proc_end_other_threads(struct proc *proc);
/* Tell the parent of a process that ended (or of an orphan that has a new one). parent->lock held. */
void exit_notify_parent_locked(struct proc *parent, struct proc *child);
/* Free a zombie that has been taken off its parent's list. No lock held. */
void proc_release(struct proc *proc);

/* What waitid(2) asks for. */
struct wait_request {
    enum { WAIT_ANY, WAIT_PID, WAIT_GROUP } kind;
    uint32_t id;
    uint32_t options; /* W* of linux/wait.h: WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __W* */
};
struct wait_result {
    uint32_t pid; /* 0: WNOHANG and nothing there */
    uint32_t uid;
    int code;     /* CLD_* */
    int status;   /* as waitid() gives it: exit code or signal */
    int raw;      /* as wait4() gives it */
    struct usage usage;
};
/* 0; -ECHILD, -ERESTARTSYS. */
int wait_for_child(const struct wait_request *request, struct wait_result *result);

#endif
