/*
 * What one process may learn of another, and do to it; see access.h.
 */
#include "proc/access.h"

#include <linux/capability.h>
#include "vm/vmspace.h"

bool
access_inspect(struct task *task, const struct vmspace *vm, enum access_ids ids)
{
    if (task->proc == current_proc() || capable(CAP_SYS_PTRACE))
        return true;
    const struct cred *theirs = task_cred(task), *mine = current_cred();
    bool by_fs = ids == ACCESS_BY_FS_IDS;
    uint32_t uid = by_fs ? mine->fsuid : mine->uid, gid = by_fs ? mine->fsgid : mine->gid;
    uint64_t caps = by_fs ? mine->cap_effective : mine->cap_permitted;
    bool allowed = uid == theirs->uid && uid == theirs->euid && uid == theirs->suid &&
                   gid == theirs->gid && gid == theirs->egid && gid == theirs->sgid &&
                   !(theirs->cap_permitted & ~caps);

    cred_put(theirs);
    return allowed && (!vm || __atomic_load_n(&vm->dumpable, __ATOMIC_RELAXED) == 1);
}

bool
access_same_user(struct task *task)
{
    const struct cred *theirs = task_cred(task), *mine = current_cred();
    bool same = mine->euid == theirs->euid || mine->euid == theirs->uid;

    cred_put(theirs);
    return same || capable(CAP_SYS_NICE);
}

bool
access_holds_all(struct task *task)
{
    const struct cred *theirs = task_cred(task);
    bool all = !(theirs->cap_permitted & ~current_cred()->cap_permitted);

    cred_put(theirs);
    return all || capable(CAP_SYS_NICE);
}
