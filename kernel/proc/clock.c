/*
 * The clocks; see clock.h.
 *
 * Ids of CPU clocks are made from process and thread ids as Linux makes them
 * (clock_getcpuclockid(3)): the complement of the id shifted left by three,
 * bit 2 for a thread, the low bits for which time; 2 is all of it.
 */
#include "proc/clock.h"
#include <linux/time.h>
#include "dev/rtc.h"
#include "fs/timerfd.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/vdso.h"
#include "sched/mutex.h"
#include "sched/timer.h"
#include "vfs/inode.h"

#define CPUCLOCK_THREAD 4
#define CPUCLOCK_WHICH 3
#define CPUCLOCK_SCHED 2
#define MAX_SETTABLE (INT64_MAX / 1000000000 - 30L * 365 * 24 * 3600) /* s; Linux's TIME_SETTOD_SEC_MAX */

uint64_t
clock_realtime_offset(void)
{
    return __atomic_load_n(&vdso_data.realtime_offset, __ATOMIC_RELAXED);
}

int
clock_realtime_set(uint64_t nsec)
{
    static struct mutex setting = MUTEX_INIT(setting, "wall clock");
    SCOPED_LOCK(&setting);
    uint64_t now = clock_now();

    if (nsec < now || nsec / NSEC_PER_SEC >= MAX_SETTABLE)
        return -EINVAL;
    store_relaxed(&vdso_data.realtime_offset, nsec - now);
    timers_wall_set(nsec - now);
    timerfd_clock_was_set();
    return 0;
}

uint64_t
clock_realtime(void)
{
    return clock_now() + clock_realtime_offset();
}

/* The target of a clock id made from a number. */
static bool
dynamic_target(int clock, struct task **task, struct proc **proc)
{
    uint32_t id = ~(uint32_t)(clock >> 3);

    if ((clock & CPUCLOCK_WHICH) > CPUCLOCK_SCHED)
        return false;
    if (clock & CPUCLOCK_THREAD) {
        *task = id ? pid_task(id) : current_task();
        if (*task && !id)
            task_get(*task);
        if (*task && (*task)->proc != current_proc()) {
            task_put(*task);
            *task = NULL;
        }
        return *task != NULL;
    }
    *proc = id ? pid_proc(id) : current_proc();
    if (*proc && !id)
        proc_get(*proc);
    return *proc != NULL;
}

bool
clock_cpu_target(int clock, struct task **task, struct proc **proc)
{
    *task = NULL;
    *proc = NULL;
    if (clock < 0)
        return dynamic_target(clock, task, proc);
    if (clock == CLOCK_THREAD_CPUTIME_ID) {
        *task = current_task();
        task_get(*task);
        return true;
    }
    if (clock != CLOCK_PROCESS_CPUTIME_ID)
        return false;
    *proc = current_proc();
    proc_get(*proc);
    return true;
}

uint64_t
clock_cpu_nsec(struct task *task, struct proc *proc)
{
    struct usage usage = {};

    if (task)
        usage_add_task(&usage, task);
    else
        proc_usage(proc, &usage);
    return usage.user + usage.system;
}

/* A clock to be read may name the caller's process by the number of the calling thread. */
static bool
names_itself(int clock, struct proc **proc)
{
    uint32_t id = ~(uint32_t)(clock >> 3);

    if (clock >= 0 || (clock & CPUCLOCK_THREAD) || (clock & CPUCLOCK_WHICH) > CPUCLOCK_SCHED ||
        id != current_task()->tid)
        return false;
    *proc = current_proc();
    proc_get(*proc);
    return true;
}

static int
read_cpu_clock(int clock, uint64_t *nsec)
{
    struct task *task;
    struct proc *proc;

    if (!clock_cpu_target(clock, &task, &proc) && !names_itself(clock, &proc))
        return -EINVAL;
    *nsec = clock_cpu_nsec(task, proc);
    if (task)
        task_put(task);
    if (proc)
        proc_put(proc);
    return 0;
}

int
clock_read(int clock, uint64_t *nsec)
{
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME_ALARM:
        *nsec = clock_now();
        return 0;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        *nsec = clock_realtime();
        return 0;
    default:
        return read_cpu_clock(clock, nsec);
    }
}

int
clock_resolution(int clock, uint64_t *nsec)
{
    uint64_t now;
    int error = clock_read(clock, &now);

    *nsec = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE ? CLOCK_COARSE_NSEC : 1;
    return error;
}

int
clock_wait_flags(int clock)
{
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return 0;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        return WAIT_WALL;
    default:
        return -EINVAL;
    }
}

static struct timespec64
realtime_of_vfs(void)
{
    uint64_t nsec = clock_realtime();
    return (struct timespec64){(int64_t)(nsec / NSEC_PER_SEC), (uint32_t)(nsec % NSEC_PER_SEC)};
}

void
clocks_init(void)
{
    uint64_t nsec;

    vfs_realtime = realtime_of_vfs;
    if (rtc_read(&nsec))
        clock_realtime_set(nsec);
}
