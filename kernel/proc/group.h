/*
 * Process groups and sessions.
 *
 * A group is a set of processes of one session; a session is a set of groups
 * that share a controlling terminal. Both live while a process is in them.
 * A process's session is its group's.
 *
 * A group is orphaned when no member has a parent outside the group but in
 * the same session: nobody is left who would continue it. When an exit makes
 * that so and a member is stopped, all get SIGHUP and SIGCONT.
 */
#ifndef QUIRE_PROC_GROUP_H
#define QUIRE_PROC_GROUP_H

#include "arch/riscv/spinlock.h"
#include "lib/list.h"
#include "lib/types.h"

struct proc;
struct task;
struct tty;

/* Guarded by: (A) atomic  (C) constant */
struct session {
    uint32_t id;     /* (C) its first process's pid */
    uint32_t refs;   /* (A) groups */
    struct tty *tty; /* (A) controlling terminal, or NULL */
};

/* Guarded by: (A) atomic  (C) constant  (L) lock */
struct group {
    uint32_t id;             /* (C) */
    uint32_t refs;           /* (A) members and lookups */
    struct session *session; /* (C) counted */
    struct spinlock lock;
    struct list members;     /* (L) proc->group_link */
};

void group_get(struct group *group);
void group_put(struct group *group);
/* A group (and session) for process 1. NULL: memory is out. */
struct group *group_create_first(uint32_t id);

/* Enter a child's group into it at fork, unless a signal came: false, nothing done. */
bool group_add_child(struct group *group, struct proc *child);
/* Leave at the end; drops the reference. */
void group_leave(struct proc *proc);
/* A process's group, with a reference (it may be another's process). */
struct group *proc_group(struct proc *proc);
uint32_t proc_group_id(struct proc *proc);
uint32_t proc_session_id(struct proc *proc);

/* setpgid(2), setsid(2), getpgid(2), getsid(2): checks and all. */
int64_t group_set(int pid, int pgid);
int64_t session_create(void);
int64_t group_get_id(int pid);
int64_t session_get_id(int pid);

/* Is the group orphaned? `leaving` (or NULL) counts as gone already. */
bool group_is_orphaned(struct group *group, struct proc *leaving);
/* `proc` leaves its parent (exit of either): hang up the groups that this orphans and that are stopped. */
void group_check_orphaned(struct proc *proc, struct proc *parent, bool parent_exits);
/* Fill in dev/tty's hooks. */
void group_init(void);

#endif
