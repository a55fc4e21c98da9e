/*
 * What one user (real uid) has in all processes together: their number and
 * the signals that wait, for RLIMIT_NPROC and RLIMIT_SIGPENDING.
 */
#ifndef QUIRE_PROC_USER_H
#define QUIRE_PROC_USER_H

#include "lib/list.h"
#include "lib/refcount.h"
#include "lib/types.h"

/* Guarded by: (A) atomic  (C) constant  (B) the hash bucket's lock */
struct user {
    uint32_t uid;        /* (C) */
    struct refcount refs; /* (A, B for the last) */
    uint32_t nprocesses; /* (A) threads, as Linux counts */
    uint32_t nsignals;   /* (A) */
    struct list link;    /* (B) */
};

/* The one for uid, made if need be, with a reference. NULL: memory is out. */
struct user *user_find(uint32_t uid);
void user_get(struct user *user);
void user_put(struct user *user);
void user_init(void);

#endif
