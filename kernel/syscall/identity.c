/*
 * Decoders: users, groups, capabilities.
 */
#include "mem/slab.h"
#include "proc/credentials.h"
#include "proc/pid.h"
#include "proc/task.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

static int64_t
sys_getuid(const uint64_t *args)
{
    (void)args;
    return current_cred()->uid;
}

static int64_t
sys_geteuid(const uint64_t *args)
{
    (void)args;
    return current_cred()->euid;
}

static int64_t
sys_getgid(const uint64_t *args)
{
    (void)args;
    return current_cred()->gid;
}

static int64_t
sys_getegid(const uint64_t *args)
{
    (void)args;
    return current_cred()->egid;
}

static int64_t
put_three(const uint64_t *args, uint32_t a, uint32_t b, uint32_t c)
{
    if (put_user32(args[0], a) < 0 || put_user32(args[1], b) < 0 || put_user32(args[2], c) < 0)
        return -EFAULT;
    return 0;
}

static int64_t
sys_getresuid(const uint64_t *args)
{
    const struct cred *cred = current_cred();
    return put_three(args, cred->uid, cred->euid, cred->suid);
}

static int64_t
sys_getresgid(const uint64_t *args)
{
    const struct cred *cred = current_cred();
    return put_three(args, cred->gid, cred->egid, cred->sgid);
}

static int64_t
sys_setuid(const uint64_t *args)
{
    return cred_setuid((uint32_t)args[0]);
}

static int64_t
sys_setgid(const uint64_t *args)
{
    return cred_setgid((uint32_t)args[0]);
}

static int64_t
sys_setreuid(const uint64_t *args)
{
    return cred_setreuid((uint32_t)args[0], (uint32_t)args[1]);
}

static int64_t
sys_setregid(const uint64_t *args)
{
    return cred_setregid((uint32_t)args[0], (uint32_t)args[1]);
}

static int64_t
sys_setresuid(const uint64_t *args)
{
    return cred_setresuid((uint32_t)args[0], (uint32_t)args[1], (uint32_t)args[2]);
}

static int64_t
sys_setresgid(const uint64_t *args)
{
    return cred_setresgid((uint32_t)args[0], (uint32_t)args[1], (uint32_t)args[2]);
}

static int64_t
sys_setfsuid(const uint64_t *args)
{
    return cred_setfsuid((uint32_t)args[0]);
}

static int64_t
sys_setfsgid(const uint64_t *args)
{
    return cred_setfsgid((uint32_t)args[0]);
}

static int64_t
sys_getgroups(const uint64_t *args)
{
    const struct cred *cred = current_cred();
    int size = (int)args[0];

    if (size < 0)
        return -EINVAL;
    if (size == 0)
        return cred->ngroups;
    if ((uint32_t)size < cred->ngroups)
        return -EINVAL;
    if (copyout(args[1], cred->groups, cred->ngroups * sizeof(uint32_t)) < 0)
        return -EFAULT;
    return cred->ngroups;
}

static int64_t
sys_setgroups(const uint64_t *args)
{
    uint32_t n = (uint32_t)args[0], *groups = NULL;

    if (!capable(CAP_SETGID))
        return -EPERM;
    if (n > NGROUPS_MAX)
        return -EINVAL;
    if (n) {
        groups = kmalloc(n * sizeof(uint32_t));
        if (!groups)
            return -ENOMEM;
        int error = copyin(groups, args[1], n * sizeof(uint32_t));
        for (uint32_t i = 0; !error && i < n; i++)
            if (groups[i] == ID_UNCHANGED)
                error = -EINVAL;
        if (error) {
            kmfree(groups);
            return error;
        }
    }
    return cred_setgroups(groups, n);
}

/* Words of capability sets that a version of the header has; 0: an unknown version. */
static unsigned
capability_words(uint32_t version)
{
    switch (version) {
    case _LINUX_CAPABILITY_VERSION_1:
        return _LINUX_CAPABILITY_U32S_1;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
        return _LINUX_CAPABILITY_U32S_3;
    default:
        return 0;
    }
}

/* Fetch the header; a wrong version is answered with the right one. */
static int
get_capability_header(struct __user_cap_header_struct *header, vaddr_t user, unsigned *nwords)
{
    if (copyin(header, user, sizeof(*header)) < 0)
        return -EFAULT;
    *nwords = capability_words(header->version);
    if (*nwords)
        return 0;
    return put_user32(user, _LINUX_CAPABILITY_VERSION_3) < 0 ? -EFAULT : -EINVAL;
}

static int64_t
sys_capget(const uint64_t *args)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    unsigned nwords;
    int error = get_capability_header(&header, args[0], &nwords);

    if (error || !args[1])
        return error == -EINVAL && !args[1] ? 0 : error;
    if (header.pid < 0)
        return -EINVAL;
    struct task *task = header.pid ? pid_task((uint32_t)header.pid) : current_task();
    if (!task)
        return -ESRCH;
    const struct cred *cred = task_cred(task);
    if (header.pid)
        task_put(task);
    for (unsigned i = 0; i < nwords; i++) {
        data[i].effective = (uint32_t)(cred->cap_effective >> (32 * i));
        data[i].permitted = (uint32_t)(cred->cap_permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(cred->cap_inheritable >> (32 * i));
    }
    cred_put(cred);
    return copyout(args[1], data, nwords * sizeof(data[0]));
}

static int64_t
sys_capset(const uint64_t *args)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    uint64_t effective = 0, permitted = 0, inheritable = 0;
    unsigned nwords;
    int error = get_capability_header(&header, args[0], &nwords);

    if (error)
        return error;
    if (header.pid && (uint32_t)header.pid != current_task()->tid)
        return -EPERM;
    if (copyin(data, args[1], nwords * sizeof(data[0])) < 0)
        return -EFAULT;
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        effective |= (uint64_t)data[i].effective << (32 * i);
        permitted |= (uint64_t)data[i].permitted << (32 * i);
        inheritable |= (uint64_t)data[i].inheritable << (32 * i);
    }
    return cred_capset(effective & CAP_ALL, permitted & CAP_ALL, inheritable & CAP_ALL);
}

const struct syscall_row identity_syscalls[] = {
    {__NR_getuid, sys_getuid},
    {__NR_geteuid, sys_geteuid},
    {__NR_getgid, sys_getgid},
    {__NR_getegid, sys_getegid},
    {__NR_getresuid, sys_getresuid},
    {__NR_getresgid, sys_getresgid},
    {__NR_setuid, sys_setuid},
    {__NR_setgid, sys_setgid},
    {__NR_setreuid, sys_setreuid},
    {__NR_setregid, sys_setregid},
    {__NR_setresuid, sys_setresuid},
    {__NR_setresgid, sys_setresgid},
    {__NR_setfsuid, sys_setfsuid},
    {__NR_setfsgid, sys_setfsgid},
    {__NR_getgroups, sys_getgroups},
    {__NR_setgroups, sys_setgroups},
    {__NR_capget, sys_capget},
    {__NR_capset, sys_capset},
    {0, NULL},
};
