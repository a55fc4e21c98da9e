/*
 * set*id(2), setgroups(2), capset(2), and exec's credentials; see
 * credentials.h for the shape of it.
 */
#include "proc/credentials.h"
#include <linux/securebits.h>
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/limits.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"
#include "vfs/user.h"

/* What the file-system uid gives and takes: capabilities(7), "effect of user ID changes". */
#define CAP_FS_SET                                                                                 \
    (BIT(CAP_CHOWN) | BIT(CAP_MKNOD) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |          \
     BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MAC_OVERRIDE))

/* Did the thread gain anything by which it must not be looked into, or told to end, as before? */
static bool
gains(const struct cred *new, const struct cred *old)
{
    return new->euid != old->euid || new->egid != old->egid || new->fsuid != old->fsuid ||
           new->fsgid != old->fsgid || (new->cap_permitted & ~old->cap_permitted);
}

bool
cred_over_nproc(const struct cred *cred)
{
    return __atomic_load_n(&cred->user->nprocesses, __ATOMIC_RELAXED) > limit_soft(RLIMIT_NPROC) &&
           cred->uid != 0;
}

void
cred_commit(const struct cred *cred)
{
    struct task *task = current_task();
    const struct cred *old = current_cred();

    if (gains(cred, old)) {
        store_relaxed(&task->thread.vm->dumpable, 0);
        store_relaxed(&task->death_signal, 0);
    }
    /* setuid(2) does not fail for a user with too many; exec does, if there still are. */
    if (cred->user != old->user)
        task->over_nproc = cred_over_nproc(cred);
    thread_cred_change(cred);
}

/* Capabilities after a change of user ids; capabilities(7). */
static void
fix_capabilities(struct cred *new, const struct cred *old)
{
    if (old->securebits & SECBIT_NO_SETUID_FIXUP)
        return;
    bool had_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool has_root = new->uid == 0 || new->euid == 0 || new->suid == 0;
    if (had_root && !has_root) {
        if (!(old->securebits & SECBIT_KEEP_CAPS))
            new->cap_permitted = new->cap_effective = 0;
        new->cap_ambient = 0;
    }
    if (old->euid == 0 && new->euid != 0)
        new->cap_effective = 0;
    if (old->euid != 0 && new->euid == 0)
        new->cap_effective = new->cap_permitted;
}

/* Is id one of three, or unchanged, or may the caller choose any? */
static bool
may_take(uint32_t id, uint32_t a, uint32_t b, uint32_t c, int capability)
{
    return id == ID_UNCHANGED || id == a || id == b || id == c || capable(capability);
}

/* Set user ids (ID_UNCHANGED: leave) in a copy and install it; fsuid follows euid. */
static int
set_uids(uint32_t ruid, uint32_t euid, uint32_t suid)
{
    const struct cred *old = current_cred();
    struct cred *new = cred_copy(old);

    if (!new)
        return -ENOMEM;
    if (ruid != ID_UNCHANGED && cred_set_real_uid(new, ruid) < 0) {
        cred_put(new);
        return -EAGAIN;
    }
    if (euid != ID_UNCHANGED)
        new->euid = euid;
    if (suid != ID_UNCHANGED)
        new->suid = suid;
    new->fsuid = new->euid;
    fix_capabilities(new, old);
    cred_commit(new);
    return 0;
}

static int
set_gids(uint32_t rgid, uint32_t egid, uint32_t sgid)
{
    struct cred *new = cred_copy(current_cred());

    if (!new)
        return -ENOMEM;
    if (rgid != ID_UNCHANGED)
        new->gid = rgid;
    if (egid != ID_UNCHANGED)
        new->egid = egid;
    if (sgid != ID_UNCHANGED)
        new->sgid = sgid;
    new->fsgid = new->egid;
    cred_commit(new);
    return 0;
}

int
cred_setuid(uint32_t uid)
{
    const struct cred *old = current_cred();

    if (uid == ID_UNCHANGED)
        return -EINVAL;
    if (capable(CAP_SETUID))
        return set_uids(uid, uid, uid);
    if (uid != old->uid && uid != old->suid)
        return -EPERM;
    return set_uids(ID_UNCHANGED, uid, ID_UNCHANGED);
}

int
cred_setgid(uint32_t gid)
{
    const struct cred *old = current_cred();

    if (gid == ID_UNCHANGED)
        return -EINVAL;
    if (capable(CAP_SETGID))
        return set_gids(gid, gid, gid);
    if (gid != old->gid && gid != old->sgid)
        return -EPERM;
    return set_gids(ID_UNCHANGED, gid, ID_UNCHANGED);
}

int
cred_setreuid(uint32_t ruid, uint32_t euid)
{
    const struct cred *old = current_cred();
    uint32_t suid = ID_UNCHANGED;

    if (!may_take(ruid, old->uid, old->euid, old->euid, CAP_SETUID) ||
        !may_take(euid, old->uid, old->euid, old->suid, CAP_SETUID))
        return -EPERM;
    if (ruid != ID_UNCHANGED || (euid != ID_UNCHANGED && euid != old->uid))
        suid = euid != ID_UNCHANGED ? euid : old->euid;
    return set_uids(ruid, euid, suid);
}

int
cred_setregid(uint32_t rgid, uint32_t egid)
{
    const struct cred *old = current_cred();
    uint32_t sgid = ID_UNCHANGED;

    if (!may_take(rgid, old->gid, old->egid, old->egid, CAP_SETGID) ||
        !may_take(egid, old->gid, old->egid, old->sgid, CAP_SETGID))
        return -EPERM;
    if (rgid != ID_UNCHANGED || (egid != ID_UNCHANGED && egid != old->gid))
        sgid = egid != ID_UNCHANGED ? egid : old->egid;
    return set_gids(rgid, egid, sgid);
}

int
cred_setresuid(uint32_t ruid, uint32_t euid, uint32_t suid)
{
    const struct cred *old = current_cred();

    if (!may_take(ruid, old->uid, old->euid, old->suid, CAP_SETUID) ||
        !may_take(euid, old->uid, old->euid, old->suid, CAP_SETUID) ||
        !may_take(suid, old->uid, old->euid, old->suid, CAP_SETUID))
        return -EPERM;
    return set_uids(ruid, euid, suid);
}

int
cred_setresgid(uint32_t rgid, uint32_t egid, uint32_t sgid)
{
    const struct cred *old = current_cred();

    if (!may_take(rgid, old->gid, old->egid, old->sgid, CAP_SETGID) ||
        !may_take(egid, old->gid, old->egid, old->sgid, CAP_SETGID) ||
        !may_take(sgid, old->gid, old->egid, old->sgid, CAP_SETGID))
        return -EPERM;
    return set_gids(rgid, egid, sgid);
}

int64_t
cred_setfsuid(uint32_t uid)
{
    const struct cred *old = current_cred();
    uint32_t before = old->fsuid;

    if (uid == ID_UNCHANGED || uid == before ||
        (uid != old->fsuid && !may_take(uid, old->uid, old->euid, old->suid, CAP_SETUID)))
        return before;
    struct cred *new = cred_copy(old);
    if (!new)
        return before;
    new->fsuid = uid;
    if (!(old->securebits & SECBIT_NO_SETUID_FIXUP)) {
        if (before == 0)
            new->cap_effective &= ~CAP_FS_SET;
        if (uid == 0)
            new->cap_effective |= new->cap_permitted & CAP_FS_SET;
    }
    cred_commit(new);
    return before;
}

int64_t
cred_setfsgid(uint32_t gid)
{
    const struct cred *old = current_cred();
    uint32_t before = old->fsgid;

    if (gid == ID_UNCHANGED || gid == before ||
        !may_take(gid, old->gid, old->egid, old->sgid, CAP_SETGID))
        return before;
    struct cred *new = cred_copy(old);
    if (!new)
        return before;
    new->fsgid = gid;
    cred_commit(new);
    return before;
}

#define SORT_AT_ONCE 256 /* steps between two preemption points */

/* Heapsort: groups come from the user, so no order of theirs may make this slow. */
static void
sift_down(uint32_t *a, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && a[child] < a[child + 1])
            child++;
        if (a[root] >= a[child])
            return;
        uint32_t t = a[root];
        a[root] = a[child];
        a[child] = t;
    }
}

static void
sort(uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(a, i, n);
        if (i % SORT_AT_ONCE == 0)
            preempt_point();
    }
    for (size_t end = n; end-- > 1;) {
        uint32_t t = a[0];
        a[0] = a[end];
        a[end] = t;
        sift_down(a, 0, end);
        if (end % SORT_AT_ONCE == 0)
            preempt_point();
    }
}

int
cred_setgroups(uint32_t *groups, uint32_t ngroups)
{
    struct cred *new = capable(CAP_SETGID) ? cred_copy(current_cred()) : NULL;

    if (!new) {
        kmfree(groups);
        return capable(CAP_SETGID) ? -ENOMEM : -EPERM;
    }
    kmfree(new->groups);
    sort(groups, ngroups);
    new->groups = groups;
    new->ngroups = ngroups;
    cred_commit(new);
    return 0;
}

int
cred_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    const struct cred *old = current_cred();

    if (!capable(CAP_SETPCAP) && (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
        return -EPERM;
    if (inheritable & ~(old->cap_inheritable | old->cap_bounding))
        return -EPERM;
    if ((permitted & ~old->cap_permitted) || (effective & ~permitted))
        return -EPERM;
    struct cred *new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->cap_effective = effective;
    new->cap_permitted = permitted;
    new->cap_inheritable = inheritable;
    new->cap_ambient &= permitted & inheritable;
    cred_commit(new);
    return 0;
}

/* Ids after exec of an inode, by its set-ID bits. Returns whether they count. */
static bool
exec_ids(struct cred *new, const struct file *file)
{
    struct inode_access access = inode_access(file->inode);
    uint32_t bits = mode_set_id(access.mode);

    if (!bits || !mount_may_suid(file->path.mount) || current_task()->no_new_privs)
        return false;
    /* The file may have been given away since it was opened: the bits are for who may execute it now. */
    if (inode_permission_by(file->inode, &access, MAY_EXEC) < 0)
        return false;
    if (bits & S_ISUID)
        new->euid = access.uid;
    if (bits & S_ISGID)
        new->egid = access.gid;
    return true;
}

/*
 * What a program gets because root runs it, or it is root's by a set-user-ID bit: all that the
 * bounding set lets through. Returns whether that is effective, too.
 */
static bool
exec_root(struct cred *new)
{
    new->cap_permitted = 0;
    if (new->securebits & SECBIT_NOROOT)
        return false;
    if (new->uid == 0 || new->euid == 0)
        new->cap_permitted = new->cap_bounding | new->cap_inheritable;
    return new->euid == 0;
}

const struct cred *
cred_for_exec(struct file *file, bool shared, struct exec_rights *rights)
{
    const struct cred *old = current_cred();
    struct cred *new = cred_copy(old);

    if (!new)
        return NULL;
    rights->set_id = exec_ids(new, file);
    bool effective = exec_root(new);
    bool set_id = new->euid != old->uid || new->egid != old->gid;
    bool limited = shared || current_task()->no_new_privs;
    if (limited && (set_id || (new->cap_permitted & ~old->cap_permitted))) {
        if (!capable(CAP_SETUID) || current_task()->no_new_privs) {
            new->euid = new->uid;
            new->egid = new->gid;
        }
        new->cap_permitted &= old->cap_permitted;
    }
    new->suid = new->fsuid = new->euid;
    new->sgid = new->fsgid = new->egid;
    if (set_id)
        new->cap_ambient = 0;
    new->cap_permitted |= new->cap_ambient;
    new->cap_effective = effective ? new->cap_permitted : new->cap_ambient;
    new->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
    rights->secure = set_id ||
                     (new->uid != 0 && (effective || (new->cap_permitted & ~new->cap_ambient) != 0));
    if (new->euid != old->euid || new->suid != old->suid || new->fsuid != old->fsuid ||
        new->egid != old->egid || new->sgid != old->sgid || new->fsgid != old->fsgid ||
        new->cap_permitted != old->cap_permitted || new->cap_effective != old->cap_effective ||
        new->cap_ambient != old->cap_ambient || new->securebits != old->securebits)
        return new;
    cred_put(new);
    return cred_get(old);
}
