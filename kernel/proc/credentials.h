/*
 * Changing who one is: set*id, groups, capabilities.
 *
 * A struct cred never changes once a thread uses it (vfs/cred.h). Each call
 * here makes a copy, changes it by credentials(7) and capabilities(7), and
 * makes it the current thread's.
 */
#ifndef QUIRE_PROC_CREDENTIALS_H
#define QUIRE_PROC_CREDENTIALS_H

#include <linux/capability.h>
#include "lib/types.h"
#include "vfs/cred.h"

#define ID_UNCHANGED (~0U) /* -1: leave as it is */
#define CAP_ALL (BIT(CAP_LAST_CAP + 1) - 1)

struct file;
struct task;

/*
 * Give the current thread new credentials, taking over the reference. What they let it do
 * more than before makes it undumpable and clears its parent-death signal.
 */
void cred_commit(const struct cred *cred);
/* Has the user of cred more processes than the current one's RLIMIT_NPROC? Never root. */
bool cred_over_nproc(const struct cred *cred);

/* 0, -EPERM, -EINVAL, -EAGAIN, -ENOMEM. setfs*id return the old id. */
int cred_setuid(uint32_t uid);
int cred_setgid(uint32_t gid);
int cred_setreuid(uint32_t ruid, uint32_t euid);
int cred_setregid(uint32_t rgid, uint32_t egid);
int cred_setresuid(uint32_t ruid, uint32_t euid, uint32_t suid);
int cred_setresgid(uint32_t rgid, uint32_t egid, uint32_t sgid);
int64_t cred_setfsuid(uint32_t uid);
int64_t cred_setfsgid(uint32_t gid);
/* Takes groups (kmalloc'ed, unsorted) over. */
int cred_setgroups(uint32_t *groups, uint32_t ngroups);
/* capset(2). */
int cred_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);

/* What exec of a file does besides. */
struct exec_rights {
    bool secure; /* the program must not trust its environment: AT_SECURE */
    bool set_id; /* the file's set-ID bits counted, whether or not they changed an id */
};

/*
 * The credentials after exec of file: setuid and setgid bits, capabilities.
 * shared: another process shares what the program would rely on, so it gains no rights.
 * *rights is filled in. NULL: memory is out.
 */
const struct cred *cred_for_exec(struct file *file, bool shared, struct exec_rights *rights);

#endif
