/*
 * Waiting for many files at once: what ppoll(2) and pselect6(2) share.
 *
 * The caller knows its files and what it wants of them; it gives a pass, a
 * function that asks each file once by poll_ask() and counts those that are
 * ready. poll_until() calls the pass
 *
 *      to look                     ready, or no time to wait: done, and no file
 *                                  was bothered with a waiter
 *      to look and list a waiter   on every queue of every file, up to the
 *                                  first that is ready after all
 *      to look, after each wake    until something is ready, or time is up
 *
 * A waiter is a wait_entry on a file's queue. It knows which events are wanted
 * of its file, and lets wakes for others pass. All waiters of a set tell the
 * one thread by one flag, `woken`.
 */
#ifndef QUIRE_VFS_POLL_H
#define QUIRE_VFS_POLL_H

#include "sched/wait.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"

/* Waiters that need no allocation: a terminal's descriptor takes two, a pipe's one. */
#define POLL_INLINE_WAITERS 6

#define POLL_NOW 0 /* as a deadline: do not wait */

struct poll_waiter {
    struct wait_entry entry;
    struct poll_set *set;
    uint32_t wanted;   /* events to be told of */
    struct file *file; /* counted; NULL: nobody else can close it meanwhile */
};

struct poll_chunk {
    struct poll_chunk *next;
    size_t used, size;
    struct poll_waiter waiters[];
};

/* All the calling thread's, but for (A) atomic. */
struct poll_set {
    struct poll_table table;
    struct thread *thread;
    bool woken;            /* (A) something happened since the last pass began */
    int error;             /* -ENOMEM: not every waiter could be listed */
    struct fd_ref asked;   /* whom poll_ask() asks now */
    uint32_t wanted;       /* and what for */
    size_t ninline;
    size_t nfiles;         /* how many the caller has: the size of a chunk */
    struct poll_chunk *chunks;
    struct poll_waiter inline_waiters[POLL_INLINE_WAITERS];
};

/*
 * Ask a file which events are ready; with a set, also list a waiter for `wanted`
 * (POLLERR and POLLHUP are added).
 */
uint32_t poll_ask(struct poll_set *set, struct fd_ref ref, uint32_t wanted);

/* One pass over the caller's files: how many are ready. set NULL: only look. */
typedef int64_t (*poll_pass)(void *ctx, struct poll_set *set);

/*
 * Wait until a pass finds something. Its count; 0 when the deadline (ns since
 * boot) is over; -EINTR, -ENOMEM.
 */
int64_t poll_until(poll_pass pass, void *ctx, size_t nfiles, uint64_t deadline);

#endif
