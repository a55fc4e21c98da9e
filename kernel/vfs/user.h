/*
 * What one user (real uid) has in all processes together, to hold it against
 * limits: processes (RLIMIT_NPROC), signals that wait and POSIX timers
 * (RLIMIT_SIGPENDING), pages of pipes (pipe-user-pages-soft and -hard), files
 * that epolls watch (max_user_watches). What is counted keeps a reference to
 * its user, for the process that made it may change its uid.
 *
 * Credentials hold the user of their real uid, so what holds a struct cred
 * may use cred->user.
 */
#ifndef QUIRE_VFS_USER_H
#define QUIRE_VFS_USER_H

#include "lib/list.h"
#include "lib/refcount.h"
#include "lib/types.h"

/* Guarded by: (A) atomic  (C) constant  (B) the hash bucket's lock */
struct user {
    uint32_t uid;        /* (C) */
    struct refcount refs; /* (A, B for the last) */
    uint32_t nprocesses; /* (A) threads, and processes that have ended and are not waited for */
    uint32_t nsignals;   /* (A) queued, and POSIX timers */
    int64_t npipe_pages; /* (A) that the user's pipes may fill */
    int64_t nwatches;    /* (A) items of the user's epolls */
    struct list link;    /* (B) [L] */
};

extern struct user root_user;

/* The one for uid, made if need be, with a reference. NULL: memory is out. */
struct user *user_find(uint32_t uid);
/* The one for the current thread's real uid, with a reference. */
struct user *user_current(void);
/* One more reference for a caller that has one. Returns user. */
struct user *user_get(struct user *user);
/* Drop a reference; the last one frees. Any context. */
void user_put(struct user *user);
/* Make the table. Boot hart, once. */
void user_init(void);

#endif
