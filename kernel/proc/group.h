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
#include "lib/refcount.h"
#include "lib/walk.h"
#include "lib/types.h"

struct proc;
struct task;
struct tty;

/* Guarded by: (A) atomic  (C) constant  (J) the mutex of dev/tty_job.c */
struct session {
    uint32_t id;     /* (C) its first process's pid */
    struct refcount refs; /* (A) groups and lookups */
    uint64_t key;    /* (C) pid_key(id) */
    struct tty *tty; /* (J to write, A) [S] controlling terminal, or NULL */
    uint64_t old_foreground; /* (J) foreground group when a hang-up took the terminal; 0: none */
};

/* Guarded by: (A) atomic  (C) constant  (L) lock */
struct group {
    uint32_t id;             /* (C) */
    struct refcount refs;    /* (A) members and lookups */
    uint64_t key;            /* (C) pid_key(id) */
    struct session *session; /* (C) [C] */
    struct spinlock lock;
    struct list members;     /* (L) [L] proc->group_link; a child stands behind its parent */
    struct list walks;       /* (L) [L] over the members: lib/walk.h */
};

/* One more reference for a caller that has one. */
void group_get(struct group *group);
/* Drop a reference; the last one gives the number up and frees. */
void group_put(struct group *group);
void session_put(struct session *session);
/* A group and session for process 1, which it enters. 0 or -ENOMEM. */
int group_create_first(struct proc *proc);

/*
 * The current process's group, with a reference and its lock held, for fork to
 * put the child into: group_add(), then unlock; the reference is the child's.
 */
struct group *group_lock_current(void);
/* `parent` is the member that forks, or NULL: the process comes from elsewhere. */
void group_add(struct group *group, struct proc *child, struct proc *parent);
/* Leave at the end; drops the reference. */
void group_leave(struct proc *proc);
/* A process's group, with a reference (it may be another's process). NULL: it has been released. */
struct group *proc_group(struct proc *proc);

/* setpgid(2), setsid(2), getpgid(2), getsid(2): checks and all. */
int64_t group_set(int pid, int pgid);
int64_t session_create(void);
int64_t group_get_id(int pid);
int64_t session_get_id(int pid);

/*
 * A walk over the members, with pauses in which the lock is free. Whoever is a member when it begins is met, unless it leaves before; of the
 * others, children that are forked by members not yet met.
 */
struct group_walk {
    struct walk walk;
    struct group *group;
    unsigned nmet;
};
/* Lock the group and begin. No lock of a process held. */
void group_walk_begin(struct group_walk *walk, struct group *group);
/* The next member, which stays until the next call; NULL: no more. */
struct proc *group_walk_next(struct group_walk *walk);
/* The same without a pause, for an interrupt. */
struct proc *group_walk_next_now(struct group_walk *walk);
/* End the walk and unlock the group. */
void group_walk_end(struct group_walk *walk);

/* Is the group orphaned? `leaving` (or NULL) counts as gone already. No proc's lock held. */
bool group_is_orphaned(struct group *group, const struct proc *leaving);
/* If the group is orphaned and a member is stopped: SIGHUP and SIGCONT to all. No lock held. */
void group_hang_up_if_orphaned(struct group *group, const struct proc *leaving);
void group_init(void);
/* jobs.c: fill in dev/tty's hooks. */
void jobs_init(void);

#endif
