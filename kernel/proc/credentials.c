/*
 * set*id(2), setgroups(2), capset(2), and exec's credentials; see
 * credentials.h for the shape of it.
 */
#include "proc/credentials.h"
#include <linux/mount.h>
#include <linux/securebits.h>
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
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

struct cred *
cred_copy(const struct cred *from)
{
    struct cred *cred = kmalloc(sizeof(*cred));

    if (!cred)
        return NULL;
    *cred = *from;
    ref_init(&cred->refs, 1);
    if (!from->ngroups)
        return cred;
    cred->groups = kmalloc(from->ngroups * sizeof(uint32_t));
    if (!cred->groups) {
        kmfree(cred);
        return NULL;
    }
    memcpy(cred->groups, from->groups, from->ngroups * sizeof(uint32_t));
    return cred;
}

/* Count the process under its new real uid. -EAGAIN: memory is out. */
static int
change_user(struct proc *proc, uint32_t uid)
{
    struct user *user = user_find(uid);

    if (!user)
        return -EAGAIN;
    spin_lock(&proc->lock);
    struct user *old = proc->user;
    __atomic_fetch_add(&user->nprocesses, proc->nthreads, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&old->nprocesses, proc->nthreads, __ATOMIC_RELAXED);
    proc->user = user;
    spin_unlock(&proc->lock);
    user_put(old);
    return 0;
}

int
cred_install(struct cred *cred)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    struct cred *old = task->thread.cred;

    if (cred->uid != proc->user->uid && change_user(proc, cred->uid) < 0) {
        cred_put(cred);
        return -EAGAIN;
    }
    if (cred->euid != old->euid || cred->egid != old->egid || cred->fsuid != old->fsuid ||
        cred->fsgid != old->fsgid) {
        proc->dumpable = 0;
        proc->parent_death_signal = 0;
    }
    spin_lock(&proc->lock);
    task->thread.cred = cred;
    spin_unlock(&proc->lock);
    cred_put(old);
    return 0;
}

/* Capabilities after a change of user ids; capabilities(7). */
static void
fix_capabilities(struct cred *new, const struct cred *old)
{
    uint32_t secure = current_proc()->securebits;

    if (secure & SECBIT_NO_SETUID_FIXUP)
        return;
    bool had_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool has_root = new->uid == 0 || new->euid == 0 || new->suid == 0;
    if (had_root && !has_root) {
        if (!current_task()->keep_caps)
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
    if (ruid != ID_UNCHANGED)
        new->uid = ruid;
    if (euid != ID_UNCHANGED)
        new->euid = euid;
    if (suid != ID_UNCHANGED)
        new->suid = suid;
    new->fsuid = new->euid;
    fix_capabilities(new, old);
    return cred_install(new);
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
    return cred_install(new);
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
    if (!(current_proc()->securebits & SECBIT_NO_SETUID_FIXUP)) {
        if (before == 0)
            new->cap_effective &= ~CAP_FS_SET;
        if (uid == 0)
            new->cap_effective |= new->cap_permitted & CAP_FS_SET;
    }
    (void)cred_install(new);
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
    (void)cred_install(new);
    return before;
}

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
    for (size_t i = n / 2; i-- > 0;)
        sift_down(a, i, n);
    for (size_t end = n; end-- > 1;) {
        uint32_t t = a[0];
        a[0] = a[end];
        a[end] = t;
        sift_down(a, 0, end);
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
    return cred_install(new);
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
    return cred_install(new);
}

/* Ids after exec of an inode. Returns whether a set-id bit was honoured. */
static bool
exec_ids(struct cred *new, const struct file *file)
{
    const struct inode *inode = file->inode;
    uint32_t mode = inode->mode;
    bool set_id = false;

    if ((file->path.mount->flags & MS_NOSUID) || current_task()->no_new_privs)
        return false;
    if (mode & S_ISUID) {
        new->euid = inode->uid;
        set_id = true;
    }
    if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
        new->egid = inode->gid;
        set_id = true;
    }
    return set_id;
}

struct cred *
cred_for_exec(struct file *file, bool *secure)
{
    struct cred *old = current_cred();
    struct cred changed = *old, *new;
    bool set_id = exec_ids(&changed, file);

    changed.suid = changed.fsuid = changed.euid;
    changed.sgid = changed.fsgid = changed.egid;
    if (set_id && (changed.euid != old->euid || changed.egid != old->egid))
        changed.cap_ambient = 0;
    changed.cap_permitted = changed.cap_effective = changed.cap_ambient;
    if (!(current_proc()->securebits & SECBIT_NOROOT)) {
        if (changed.uid == 0 || changed.euid == 0)
            changed.cap_permitted |= changed.cap_bounding | changed.cap_inheritable;
        if (changed.euid == 0)
            changed.cap_effective = changed.cap_permitted;
    }
    *secure = changed.uid != changed.euid || changed.gid != changed.egid;
    if (changed.euid == old->euid && changed.suid == old->suid && changed.fsuid == old->fsuid &&
        changed.egid == old->egid && changed.sgid == old->sgid && changed.fsgid == old->fsgid &&
        changed.cap_permitted == old->cap_permitted &&
        changed.cap_effective == old->cap_effective && changed.cap_ambient == old->cap_ambient) {
        cred_get(old);
        return old;
    }
    new = cred_copy(old);
    if (!new)
        return NULL;
    uint32_t *groups = new->groups;
    *new = changed;
    ref_init(&new->refs, 1);
    new->groups = groups;
    return new;
}
