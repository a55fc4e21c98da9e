/*
 * Credentials: who is asking.
 *
 * A struct cred is built by one thread and changes only until it is
 * published; from then on all see it through pointers to const, until its
 * last reference is dropped. To change ids a thread publishes a new one
 * (proc/credentials.c).
 *
 * A thread has two:
 *
 *      published   what the thread is to others. Another thread reads it by
 *                  thread_cred() alone: in a read section, with a count that
 *                  fails once it is 0. Its memory is freed when no reader can
 *                  know it any more (vfs/deferred.h).
 *      acting      what the thread's own calls are judged by: current_cred().
 *                  The same, but while cred_act_as() lasts. No other thread
 *                  looks at it.
 *
 * The fields of struct thread that hold them are named here and in cred.c, and
 * nowhere else; tests/system/test_fields.py sees to that.
 */
#ifndef QUIRE_VFS_CRED_H
#define QUIRE_VFS_CRED_H

#include "lib/refcount.h"
#include "lib/types.h"
#include "sched/thread.h"
#include "vfs/deferred.h"

#define NGROUPS_MAX 65536 /* Linux, limits.h */

struct user;

/* Guarded by: (A) atomic; all else is constant once it is published. */
struct cred {
    struct refcount refs; /* (A) */
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t securebits; /* SECBIT_*: capabilities(7) */
    uint32_t ngroups;
    uint32_t *groups;     /* [O] sorted, from kmalloc() */
    struct user *user;    /* [C] of uid, for counts */
    struct deferred deferred;
};

extern const struct cred root_cred; /* of kernel threads and the first process */

/* One more reference for a caller that has one, or whose own credentials they are. Returns cred. */
const struct cred *cred_get(const struct cred *cred);
/* Drop a reference; the last one frees the cred and its groups. Not in a read section. */
void cred_put(const struct cred *cred);
/* A changeable copy with one reference; NULL: memory is out. */
struct cred *cred_copy(const struct cred *from);
/* Give a copy another real uid, and its user. 0, or -EAGAIN: memory is out. */
int cred_set_real_uid(struct cred *cred, uint32_t uid);

/* What the current thread acts by, no reference taken; root's for a kernel thread. */
static inline const struct cred *
current_cred(void)
{
    const struct cred *cred = current_thread()->cred_acting;

    return likely(cred) ? cred : &root_cred;
}

/* True if the effective set holds capability `cap` (CAP_*, linux/capability.h). */
static inline bool
capable(int cap)
{
    return current_cred()->cap_effective & BIT(cap);
}

/* True if gid is the fs group or a supplementary one. */
bool cred_in_group(const struct cred *cred, uint32_t gid);

/* What any thread is to others, with a reference; root's for a kernel thread. No lock needed. */
const struct cred *thread_cred(struct thread *thread);
/* A new thread's first, taking over the reference; from here its user counts it. */
void thread_cred_start(struct thread *thread, const struct cred *cred);
/* Publish the current thread's new ones, taking over the reference. Not while it acts as another. */
void thread_cred_change(const struct cred *cred);
/* The thread has ended, or never ran: its user counts it no more. Once; its credentials stay. */
void thread_cred_end(struct thread *thread);
/* No other thread can reach `thread` any more: drop its credentials. */
void thread_cred_free(struct thread *thread);

/* Judge the current thread by cred, which the caller keeps, until cred_act_as_self(). Does not nest. */
void cred_act_as(const struct cred *cred);
void cred_act_as_self(void);

#endif
