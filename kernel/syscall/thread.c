/*
 * Decoders: futexes, scheduling, and what else is about threads.
 */
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/time.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/sbi.h"
#include "lib/string.h"
#include "proc/access.h"
#include "proc/clock.h"
#include "proc/futex.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/share.h"
#include "proc/signal.h"
#include "sched/wait.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define MAX_RT_PRIORITY 99 /* sched(7) */
#define RR_SLICE (100 * NSEC_PER_MSEC)

/* A wait with a deadline goes on after a signal that ran no handler. args: as futex_wait()'s. */
static int64_t
futex_wait_on(struct restart *restart)
{
    const uint64_t *a = restart->args;
    int64_t result = futex_wait(a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], (unsigned)a[4],
                                a[5]);

    return result == -EINTR ? -ERESTART_RESTARTBLOCK : result;
}

static int64_t
do_futex_wait(const uint64_t *args, int op, bool shared, uint32_t bitset)
{
    bool absolute = (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    unsigned wait_flags = absolute && (op & FUTEX_CLOCK_REALTIME) ? WAIT_WALL : 0;
    uint64_t deadline = DEADLINE_NEVER;
    struct timespec64 ts __uninitialized;

    if (args[3]) {
        int error = get_timespec(&ts, args[3]);
        if (error)
            return error;
        uint64_t nsec = timespec_nsec(&ts);
        deadline = absolute ? nsec : deadline_after(nsec);
    }
    int64_t result = futex_wait(args[0], shared, (uint32_t)args[2], bitset, wait_flags, deadline);
    if (result != -EINTR)
        return result;
    if (!args[3])
        return -ERESTARTSYS;
    struct restart *restart = signal_restart_with(futex_wait_on);
    memcpy(restart->args,
           (uint64_t[]){args[0], shared, (uint32_t)args[2], bitset, wait_flags, deadline},
           6 * sizeof(uint64_t));
    return -ERESTART_RESTARTBLOCK;
}

/* How many waiters a wake is for: one at least, also if 0 or a negative number is asked for. */
static uint32_t
wake_count(uint32_t asked)
{
    return (int)asked < 1 ? 1 : asked;
}

/* futex(address, op, value, timeout or value2, address2, value3) */
static int64_t
sys_futex(const uint64_t *args)
{
    int op = (int)args[1];
    bool shared = !(op & FUTEX_PRIVATE_FLAG);
    uint32_t value = (uint32_t)args[2], value2 = (uint32_t)args[3], value3 = (uint32_t)args[5];
    int command = op & FUTEX_CMD_MASK;

    if ((op & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET)
        return -ENOSYS;
    switch (command) {
    case FUTEX_WAIT:
        return do_futex_wait(args, op, shared, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return do_futex_wait(args, op, shared, value3);
    case FUTEX_WAKE:
        return futex_wake(args[0], shared, wake_count(value), FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return futex_wake(args[0], shared, wake_count(value), value3);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        if ((int)value < 0 || (int)value2 < 0)
            return -EINVAL;
        return futex_requeue(args[0], args[4], shared, value, value2,
                             command == FUTEX_CMP_REQUEUE, value3);
    case FUTEX_WAKE_OP:
        return futex_wake_op(args[0], args[4], shared, wake_count(value), wake_count(value2),
                             value3);
    default:
        return -ENOSYS; /* locks with priority inheritance among them */
    }
}

static int64_t
sys_set_robust_list(const uint64_t *args)
{
    if (args[1] != sizeof(struct robust_list_head))
        return -EINVAL;
    current_task()->robust_list = args[0];
    return 0;
}

/* The task a call names: 0 is the caller. With a reference; NULL: none. */
static struct task *
find_task(int tid)
{
    if (tid)
        return tid > 0 ? pid_task((uint32_t)tid) : NULL;
    task_get(current_task());
    return current_task();
}

static int64_t
sys_get_robust_list(const uint64_t *args)
{
    struct task *task = find_task((int)args[0]);

    if (!task)
        return -ESRCH;
    /* The right is asked for once the address was read: an exec in between may have changed both. */
    vaddr_t list = __atomic_load_n(&task->robust_list, __ATOMIC_ACQUIRE);
    struct vmspace *vm = task_vm(task);
    bool allowed = access_inspect(task, vm, ACCESS_BY_REAL_IDS);
    if (vm)
        vm_put(vm);
    task_put(task);
    if (!allowed)
        return -EPERM;
    if (put_user64(args[2], sizeof(struct robust_list_head)) < 0)
        return -EFAULT;
    return put_user64(args[1], list);
}

static int64_t
sys_sched_yield(const uint64_t *args)
{
    (void)args;
    thread_yield();
    return 0;
}

/* May the current thread change how task is scheduled? */
static bool
may_schedule(struct task *task)
{
    return access_same_user(task) && access_holds_all(task);
}

static int64_t
sys_sched_setaffinity(const uint64_t *args)
{
    cpumask_t mask = 0;

    if (copyin(&mask, args[2], min((uint32_t)args[1], sizeof(mask))) < 0)
        return -EFAULT;
    struct task *task = find_task((int)args[0]);
    if (!task)
        return -ESRCH;
    int64_t error = may_schedule(task) ? thread_set_affinity(&task->thread, mask) : -EPERM;
    task_put(task);
    return error;
}

static int64_t
sys_sched_getaffinity(const uint64_t *args)
{
    uint32_t size = (uint32_t)args[1];

    if (size < DIV_ROUND_UP(nharts, 8) || size % sizeof(long))
        return -EINVAL;
    struct task *task = find_task((int)args[0]);
    if (!task)
        return -ESRCH;
    cpumask_t mask = task->thread.affinity & harts_online;
    task_put(task);
    if (copyout(args[2], &mask, sizeof(mask)) < 0)
        return -EFAULT;
    return sizeof(mask);
}

static bool
policy_is_realtime(uint32_t policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* A limit of the task's process, whatever the caller's own is. */
static uint64_t
limit_of(const struct task *task, unsigned resource)
{
    return __atomic_load_n(&task->proc->limits[resource].rlim_cur, __ATOMIC_RELAXED);
}

/* Does a change of task's policy need CAP_SYS_NICE? sched(7). */
static bool
policy_is_privileged(struct task *task, uint32_t policy, int priority)
{
    const struct thread *thread = &task->thread;
    uint32_t kind = policy & ~(uint32_t)SCHED_RESET_ON_FORK;
    uint64_t allowed = limit_of(task, RLIMIT_RTPRIO);

    if (policy_is_realtime(kind) && kind != thread->policy && !allowed)
        return true;
    if (policy_is_realtime(kind) && priority > (int)thread->rt_priority &&
        (uint64_t)priority > allowed)
        return true;
    if (thread->policy == SCHED_IDLE && kind != SCHED_IDLE &&
        (uint64_t)(20 - thread->nice) > limit_of(task, RLIMIT_NICE))
        return true;
    return thread->reset_on_fork && !(policy & SCHED_RESET_ON_FORK);
}

/* Check and set a policy. -EINVAL, -EPERM. */
static int
set_policy(struct task *task, uint32_t policy, int priority)
{
    uint32_t kind = policy & ~(uint32_t)SCHED_RESET_ON_FORK;
    bool realtime = policy_is_realtime(kind);

    if (!realtime && kind != SCHED_NORMAL && kind != SCHED_BATCH && kind != SCHED_IDLE)
        return -EINVAL;
    if (realtime ? priority < 1 || priority > MAX_RT_PRIORITY : priority != 0)
        return -EINVAL;
    if (!may_schedule(task))
        return -EPERM;
    if (policy_is_privileged(task, policy, priority) && !capable(CAP_SYS_NICE))
        return -EPERM;
    thread_set_policy(&task->thread, kind, (uint32_t)priority, policy & SCHED_RESET_ON_FORK);
    return 0;
}

/* A task's policy as sched_getscheduler(2) shows it. */
static uint32_t
policy_of(const struct task *task)
{
    return task->thread.policy | (task->thread.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

static int64_t
set_scheduler(int tid, uint32_t policy, bool keep_policy, vaddr_t param)
{
    uint32_t priority;

    if (tid < 0 || !param)
        return -EINVAL;
    if (get_user32(&priority, param) < 0)
        return -EFAULT;
    struct task *task = find_task(tid);
    if (!task)
        return -ESRCH;
    int error = set_policy(task, keep_policy ? policy_of(task) : policy, (int)priority);
    task_put(task);
    return error;
}

static int64_t
sys_sched_setscheduler(const uint64_t *args)
{
    if ((int)args[1] < 0)
        return -EINVAL;
    return set_scheduler((int)args[0], (uint32_t)args[1], false, args[2]);
}

static int64_t
sys_sched_setparam(const uint64_t *args)
{
    return set_scheduler((int)args[0], 0, true, args[1]);
}

static int64_t
sys_sched_getscheduler(const uint64_t *args)
{
    struct task *task = (int)args[0] < 0 ? NULL : find_task((int)args[0]);

    if (!task)
        return (int)args[0] < 0 ? -EINVAL : -ESRCH;
    int64_t policy = policy_of(task);
    task_put(task);
    return policy;
}

static int64_t
sys_sched_getparam(const uint64_t *args)
{
    if ((int)args[0] < 0 || !args[1])
        return -EINVAL;
    struct task *task = find_task((int)args[0]);
    if (!task)
        return -ESRCH;
    uint32_t priority = task->thread.rt_priority;
    task_put(task);
    return put_user32(args[1], priority);
}

static int64_t
priority_bound(int policy, int realtime)
{
    switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return realtime;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
    case SCHED_DEADLINE:
        return 0;
    default:
        return -EINVAL;
    }
}

static int64_t
sys_sched_get_priority_max(const uint64_t *args)
{
    return priority_bound((int)args[0], MAX_RT_PRIORITY);
}

static int64_t
sys_sched_get_priority_min(const uint64_t *args)
{
    return priority_bound((int)args[0], 1);
}

static int64_t
sys_sched_rr_get_interval(const uint64_t *args)
{
    struct task *task = (int)args[0] < 0 ? NULL : find_task((int)args[0]);

    if (!task)
        return (int)args[0] < 0 ? -EINVAL : -ESRCH;
    struct timespec64 ts = nsec_timespec(task->thread.policy == SCHED_RR     ? RR_SLICE
                                         : task->thread.policy == SCHED_FIFO ? 0
                                                                             : 4 * NSEC_PER_MSEC);
    task_put(task);
    return put_timespec(args[1], &ts);
}

static int64_t
sys_getcpu(const uint64_t *args)
{
    uint32_t hart = this_hart()->index;

    if (args[0] && put_user32(args[0], hart) < 0)
        return -EFAULT;
    return args[1] ? put_user32(args[1], 0) : 0;
}

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9) /* linux/membarrier.h of Linux 6.3 and later */
#endif

/* Every other hart passes a barrier, and fetches instructions anew, before this returns. */
static void
barrier_everywhere(void)
{
    cpumask_t others = harts_online & ~BIT(this_hart()->index);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (others)
        sbi_remote_fence_i(others);
}

/* An address space must have asked for a private barrier before. */
static int
private_barrier(uint32_t registration)
{
    if (!(__atomic_load_n(&current_thread()->vm->barriers, __ATOMIC_RELAXED) & registration))
        return -EPERM;
    barrier_everywhere();
    return 0;
}

static int
register_barrier(uint32_t registration)
{
    __atomic_fetch_or(&current_thread()->vm->barriers, registration, __ATOMIC_RELAXED);
    return 0;
}

static int64_t
sys_membarrier(const uint64_t *args)
{
    const uint32_t commands = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
                              MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
                              MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                              MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                              MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
                              MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
                              MEMBARRIER_CMD_GET_REGISTRATIONS;
    uint32_t command = (uint32_t)args[0];

    if (args[1])
        return -EINVAL;
    switch (command) {
    case MEMBARRIER_CMD_QUERY:
        return commands;
    case MEMBARRIER_CMD_GET_REGISTRATIONS:
        return __atomic_load_n(&current_thread()->vm->barriers, __ATOMIC_RELAXED);
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
        return register_barrier(command);
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        barrier_everywhere();
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
        return private_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        return private_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
    default:
        return -EINVAL;
    }
}

const struct syscall_row thread_syscalls[] = {
    {__NR_futex, sys_futex},
    {__NR_set_robust_list, sys_set_robust_list},
    {__NR_get_robust_list, sys_get_robust_list},
    {__NR_sched_yield, sys_sched_yield},
    {__NR_sched_setaffinity, sys_sched_setaffinity},
    {__NR_sched_getaffinity, sys_sched_getaffinity},
    {__NR_sched_setscheduler, sys_sched_setscheduler},
    {__NR_sched_getscheduler, sys_sched_getscheduler},
    {__NR_sched_setparam, sys_sched_setparam},
    {__NR_sched_getparam, sys_sched_getparam},
    {__NR_sched_get_priority_max, sys_sched_get_priority_max},
    {__NR_sched_get_priority_min, sys_sched_get_priority_min},
    {__NR_sched_rr_get_interval, sys_sched_rr_get_interval},
    {__NR_getcpu, sys_getcpu},
    {__NR_membarrier, sys_membarrier},
    {0, NULL},
};
