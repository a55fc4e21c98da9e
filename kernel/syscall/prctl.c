/*
 * Decoders: prctl(2).
 *
 * Each option is one small function; the table below maps numbers to them. Its
 * arguments are prctl's after the option.
 */
#include <linux/prctl.h>
#include <linux/securebits.h>
#include "lib/string.h"
#include "proc/credentials.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

static int64_t
set_name(const uint64_t *args)
{
    struct thread *thread = current_thread();
    char name[sizeof(thread->name)] = {};
    ssize_t length = copyinstr(name, args[0], sizeof(name));

    if (length < 0 && length != -ENAMETOOLONG)
        return length;
    name[sizeof(name) - 1] = '\0';
    memcpy(thread->name, name, sizeof(name));
    return 0;
}

static int64_t
get_name(const uint64_t *args)
{
    char name[sizeof(current_thread()->name)] = {};

    strscpy(name, current_thread()->name, sizeof(name));
    return copyout(args[0], name, sizeof(name));
}

static int64_t
set_death_signal(const uint64_t *args)
{
    if (args[0] > _NSIG)
        return -EINVAL;
    store_relaxed(&current_task()->death_signal, (int)args[0]);
    return 0;
}

static int64_t
get_death_signal(const uint64_t *args)
{
    return put_user32(args[0], (uint32_t)current_task()->death_signal);
}

static int64_t
set_dumpable(const uint64_t *args)
{
    if (args[0] > 1)
        return -EINVAL;
    store_relaxed(&current_thread()->vm->dumpable, (uint8_t)args[0]);
    return 0;
}

static int64_t
get_dumpable(const uint64_t *args)
{
    (void)args;
    return __atomic_load_n(&current_thread()->vm->dumpable, __ATOMIC_RELAXED);
}

static int64_t
set_subreaper(const uint64_t *args)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);

    proc->subreaper = args[0] != 0;
    return 0;
}

static int64_t
get_subreaper(const uint64_t *args)
{
    return put_user32(args[0], current_proc()->subreaper);
}

static int64_t
set_no_new_privs(const uint64_t *args)
{
    if (args[0] != 1 || args[1] || args[2] || args[3])
        return -EINVAL;
    current_task()->no_new_privs = true;
    return 0;
}

static int64_t
get_no_new_privs(const uint64_t *args)
{
    if (args[0] || args[1] || args[2] || args[3])
        return -EINVAL;
    return current_task()->no_new_privs;
}

static int64_t
install_securebits(uint32_t securebits)
{
    struct cred *cred = cred_copy(current_cred());

    if (!cred)
        return -ENOMEM;
    cred->securebits = securebits;
    cred_commit(cred);
    return 0;
}

static int64_t
set_keep_caps(const uint64_t *args)
{
    uint32_t securebits = current_cred()->securebits;

    if (args[0] > 1)
        return -EINVAL;
    if (securebits & SECBIT_KEEP_CAPS_LOCKED)
        return -EPERM;
    return install_securebits((securebits & ~(uint32_t)SECBIT_KEEP_CAPS) |
                              (args[0] ? SECBIT_KEEP_CAPS : 0));
}

static int64_t
set_thp_disable(const uint64_t *args)
{
    if (args[1] || args[2] || args[3])
        return -EINVAL;
    store_relaxed(&current_thread()->vm->no_superpages, args[0] != 0);
    return 0;
}

static int64_t
get_thp_disable(const uint64_t *args)
{
    if (args[0] || args[1] || args[2] || args[3])
        return -EINVAL;
    return current_thread()->vm->no_superpages;
}

static int64_t
get_keep_caps(const uint64_t *args)
{
    (void)args;
    return (current_cred()->securebits & SECBIT_KEEP_CAPS) != 0;
}

static int64_t
set_securebits(const uint64_t *args)
{
    uint32_t old = current_cred()->securebits, locked = (old & SECURE_ALL_LOCKS) >> 1;

    if (!capable(CAP_SETPCAP) || (args[0] & ~(uint64_t)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) ||
        ((old ^ args[0]) & locked) || (old & SECURE_ALL_LOCKS & ~args[0]))
        return -EPERM;
    return install_securebits((uint32_t)args[0]);
}

static int64_t
get_securebits(const uint64_t *args)
{
    (void)args;
    return current_cred()->securebits;
}

static int64_t
read_bounding(const uint64_t *args)
{
    if (args[0] > CAP_LAST_CAP)
        return -EINVAL;
    return current_cred()->cap_bounding >> args[0] & 1;
}

static int64_t
drop_bounding(const uint64_t *args)
{
    if (!capable(CAP_SETPCAP))
        return -EPERM;
    if (args[0] > CAP_LAST_CAP)
        return -EINVAL;
    struct cred *cred = cred_copy(current_cred());
    if (!cred)
        return -ENOMEM;
    cred->cap_bounding &= ~BIT(args[0]);
    cred_commit(cred);
    return 0;
}

static int64_t
change_ambient(const uint64_t *args)
{
    const struct cred *old = current_cred();
    bool clear = args[0] == PR_CAP_AMBIENT_CLEAR_ALL;

    if ((clear ? args[1] != 0 : args[1] > CAP_LAST_CAP) || args[2] || args[3])
        return -EINVAL;
    uint64_t bit = clear ? 0 : BIT(args[1]);
    if (args[0] == PR_CAP_AMBIENT_IS_SET)
        return (old->cap_ambient & bit) != 0;
    if (args[0] != PR_CAP_AMBIENT_RAISE && args[0] != PR_CAP_AMBIENT_LOWER && !clear)
        return -EINVAL;
    if (args[0] == PR_CAP_AMBIENT_RAISE &&
        (!(old->cap_permitted & old->cap_inheritable & bit) ||
         (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)))
        return -EPERM;
    struct cred *cred = cred_copy(old);
    if (!cred)
        return -ENOMEM;
    if (clear)
        cred->cap_ambient = 0;
    else if (args[0] == PR_CAP_AMBIENT_RAISE)
        cred->cap_ambient |= bit;
    else
        cred->cap_ambient &= ~bit;
    cred_commit(cred);
    return 0;
}

static int64_t
set_timer_slack(const uint64_t *args)
{
    current_task()->timer_slack = args[0] ? (uint32_t)args[0] : 50000;
    return 0;
}

static int64_t
get_timer_slack(const uint64_t *args)
{
    (void)args;
    return current_task()->timer_slack;
}

static int64_t
get_tid_address(const uint64_t *args)
{
    return put_user64(args[0], current_task()->clear_tid);
}

/* Accepted and without effect: there are no transparent huge pages to turn off, no timing mode. */
static int64_t
nothing(const uint64_t *args)
{
    (void)args;
    return 0;
}

static int64_t
sys_prctl(const uint64_t *args)
{
    static const struct {
        int option;
        syscall_fn fn;
    } options[] = {
        {PR_SET_NAME, set_name},
        {PR_GET_NAME, get_name},
        {PR_SET_PDEATHSIG, set_death_signal},
        {PR_GET_PDEATHSIG, get_death_signal},
        {PR_SET_DUMPABLE, set_dumpable},
        {PR_GET_DUMPABLE, get_dumpable},
        {PR_SET_CHILD_SUBREAPER, set_subreaper},
        {PR_GET_CHILD_SUBREAPER, get_subreaper},
        {PR_SET_NO_NEW_PRIVS, set_no_new_privs},
        {PR_GET_NO_NEW_PRIVS, get_no_new_privs},
        {PR_SET_KEEPCAPS, set_keep_caps},
        {PR_GET_KEEPCAPS, get_keep_caps},
        {PR_SET_SECUREBITS, set_securebits},
        {PR_GET_SECUREBITS, get_securebits},
        {PR_CAPBSET_READ, read_bounding},
        {PR_CAPBSET_DROP, drop_bounding},
        {PR_CAP_AMBIENT, change_ambient},
        {PR_SET_TIMERSLACK, set_timer_slack},
        {PR_GET_TIMERSLACK, get_timer_slack},
        {PR_GET_TID_ADDRESS, get_tid_address},
        {PR_GET_TIMING, nothing},
        {PR_SET_THP_DISABLE, set_thp_disable},
        {PR_GET_THP_DISABLE, get_thp_disable},
        {PR_GET_SECCOMP, nothing},
    };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].option == (int)args[0])
            return options[i].fn(args + 1);
    return -EINVAL;
}

const struct syscall_row prctl_syscalls[] = {
    {__NR_prctl, sys_prctl},
    {0, NULL},
};
