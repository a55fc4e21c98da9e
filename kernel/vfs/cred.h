/*
 * Credentials: who is asking. A struct cred never changes once a thread uses
 * it; to change ids a thread installs a new one (proc/cred.c).
 */
#ifndef QUIRE_VFS_CRED_H
#define QUIRE_VFS_CRED_H

#include "lib/refcount.h"
#include "lib/types.h"

#define NGROUPS_MAX 65536 /* Linux, limits.h */

struct cred {
    struct refcount refs; /* (A) */
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t ngroups;
    uint32_t *groups; /* sorted */
};

extern struct cred root_cred; /* of kernel threads and the first process */

void cred_get(struct cred *cred);
/* Drop a reference; the last one frees the cred and its groups, both from kmalloc(). */
void cred_put(struct cred *cred);
/* The current thread's, no reference taken; root's for a kernel thread. */
struct cred *current_cred(void);
/* True if the effective set holds capability `cap` (CAP_*, linux/capability.h). */
bool capable(int cap);
/* True if gid is the fs group or a supplementary one. */
bool cred_in_group(const struct cred *cred, uint32_t gid);

#endif
