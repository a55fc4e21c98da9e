/*
 * Between the files of advisory locks: locks.c (what is asked for, held and let go),
 * lockwait.c (requests that wait), lockset.c (each file's set, and the list of all).
 */
#ifndef QUIRE_VFS_LOCKS_INTERNAL_H
#define QUIRE_VFS_LOCKS_INTERNAL_H

#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/refcount.h"
#include "sched/mutex.h"
#include "vfs/locks.h"

#define LOCKS_AT_ONCE 64 /* looked at between two preemption points */

enum lock_kind { KIND_POSIX, KIND_OFD, KIND_FLOCK };

/*
 * A lock held, or a request for one. Guarded by: (C) constant  (L) file_locks.lock
 * (G) graph_lock  (A) atomic
 */
struct file_lock {
    struct list link;          /* (L) [L] in file_locks.ranges or flocks; a request is in neither */
    enum lock_kind kind;       /* (C) */
    void *owner;               /* (C) never followed: struct fdtable or struct file */
    bool write;                /* (C) */
    int pid;                   /* (C) */
    uint64_t start, end;       /* (L) inclusive */
    struct list waiters;       /* (G) [L] requests that wait for this, by wait_link, in order */
    struct file_lock *blocker; /* (G) [L] what this request waits for; NULL: it waits no more */
    struct list wait_link;     /* (G) [L] */
    struct list graph_link;    /* (G) [L] a POSIX request that waits: in the graph */
    struct thread *thread;     /* (C) [L] of a request: kept by its waiting there */
    bool woken;                /* (A) */
};

/* An inode's locks. Guarded by: (C) constant  (L) lock  (A) atomic  (S) all_lock */
struct file_locks {
    struct refcount refs; /* (A) the inode's; locks_next()'s */
    struct mutex lock;
    struct list ranges;   /* (L) [L] POSIX and OFD: each owner's together, sorted by start */
    struct list flocks;   /* (L) [L] */
    uint64_t dev, ino;    /* (C) */
    uint64_t nremoved;    /* (L) locks that ever left a list: see locks_next() */
    uint64_t number;      /* (C) unlike that of any other set, ever */
    struct rbnode node;   /* (S) [L] in all_locks, to the last reference */
};

/* The inode's set of locks, made if it has none; NULL: no memory. No lock needed. */
struct file_locks *locks_of(struct inode *inode);

/* Do the two exclude each other? The lock of the set of both held. */
static inline bool
lock_conflict(const struct file_lock *held, const struct file_lock *want)
{
    if ((held->kind == KIND_FLOCK) != (want->kind == KIND_FLOCK) || held->owner == want->owner)
        return false;
    return (held->write || want->write) && held->start <= want->end && want->start <= held->end;
}

/*
 * The lock goes or shrinks, or the request gives up: those that wait for it look again, but those
 * that exclude each other one after the other. May let other threads run. locks->lock held.
 */
void lock_release_waiters(struct file_lock *lock);
/*
 * What waits for `from` is to wait for `to`, if that is in its way, too. May let other threads run.
 * locks->lock held.
 */
void lock_pass_on(struct file_lock *from, struct file_lock *to);
/*
 * Sleep, with locks->lock let go meanwhile, until obstacle may no longer be in want's way. 0: look
 * again; -EDEADLK; -ERESTARTSYS. locks->lock held.
 */
int lock_wait_behind(struct file_locks *locks, struct file_lock *want, struct file_lock *obstacle);

#endif
