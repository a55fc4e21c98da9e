/*
 * Ends: of a thread, of a process; and waiting for them.
 */
#ifndef QUIRE_PROC_EXIT_H
#define QUIRE_PROC_EXIT_H

#include "lib/types.h"
#include "proc/task.h"

/* End the current thread; `status` as wait4() gives it counts if it is the last. */
void task_exit(int status) __noreturn;
/*
 * The current thread leaves its memory: zero and wake the word that it named for that (its
 * address space is loaded), if others use the memory; once.
 */
void task_clear_tid(struct task *task);
/* End the current process. */
void proc_exit(int status) __noreturn;
/*
 * Tell every other thread of the process to go, and say with which status it
 * ends. The first call decides the status. lock held.
 */
void proc_begin_exit(struct proc *proc, int status);
/*
 * exec: end every other thread and wait until they are gone; the caller becomes
 * the main thread. -EAGAIN: the process ends instead.
 */
int proc_end_other_threads(void);
/* A SIGCHLD's siginfo. code: CLD_*; status: exit code or signal. child's lock held, or it is dead. */
void exit_child_info(siginfo_t *info, struct proc *child, int code, int status,
                     const struct usage *usage);
/* CLD_* and si_status of an exit status as wait4() gives it. */
int exit_code_of(int raw, int *status);
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
    struct proc *living; /* waitchild.c's: the child, counted, until its usage is added */
};
/* 0; -ECHILD, -ERESTARTSYS. */
int wait_for_child(const struct wait_request *request, struct wait_result *result);

#endif
