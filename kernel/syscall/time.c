/*
 * Decoders: clocks, sleeping, timers.
 */
#include <linux/capability.h>
#include <linux/time.h>
#include <linux/times.h>
#include <linux/timex.h>
#include "arch/riscv/clock.h"
#include "fs/timerfd.h"
#include "lib/string.h"
#include "proc/clock.h"
#include "proc/cputimer.h"
#include "proc/limits.h"
#include "proc/ptimer.h"
#include "proc/signal.h"
#include "sched/wait.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

#define CLOCK_TICKS 100 /* USER_HZ */

static int64_t
put_nsec(vaddr_t user, uint64_t nsec)
{
    struct timespec64 ts = nsec_timespec(nsec);
    return put_timespec(user, &ts);
}

static int64_t
sys_clock_gettime(const uint64_t *args)
{
    uint64_t nsec;
    int error = clock_read((int)args[0], &nsec);

    return error ? error : put_nsec(args[1], nsec);
}

static int64_t
sys_clock_getres(const uint64_t *args)
{
    uint64_t nsec;
    int error = clock_resolution((int)args[0], &nsec);

    if (error || !args[1])
        return error;
    return put_nsec(args[1], nsec);
}

static int
set_realtime(uint64_t nsec)
{
    if (!capable(CAP_SYS_TIME))
        return -EPERM;
    return clock_realtime_set(nsec);
}

static int64_t
sys_clock_settime(const uint64_t *args)
{
    struct timespec64 ts;
    uint64_t nsec;

    if ((int)args[0] != CLOCK_REALTIME)
        return clock_read((int)args[0], &nsec) < 0 || (int)args[0] >= 0 ? -EINVAL : -EPERM;
    int error = get_timespec(&ts, args[1]);
    return error ? error : set_realtime(timespec_nsec(&ts));
}

static int64_t
sys_gettimeofday(const uint64_t *args)
{
    uint64_t nsec = clock_realtime();
    struct __kernel_old_timeval tv = {(long)(nsec / NSEC_PER_SEC),
                                      (long)(nsec % NSEC_PER_SEC / NSEC_PER_USEC)};
    struct timezone tz = {};

    if (args[0] && copyout(args[0], &tv, sizeof(tv)) < 0)
        return -EFAULT;
    return args[1] ? copyout(args[1], &tz, sizeof(tz)) : 0;
}

static int64_t
sys_settimeofday(const uint64_t *args)
{
    struct __kernel_old_timeval tv;
    struct timezone tz;

    if (args[0] && copyin(&tv, args[0], sizeof(tv)) < 0)
        return -EFAULT;
    if (args[1] && copyin(&tz, args[1], sizeof(tz)) < 0)
        return -EFAULT;
    if (args[0] && (tv.tv_sec < 0 || tv.tv_usec < 0 || tv.tv_usec >= 1000000))
        return -EINVAL;
    if (!capable(CAP_SYS_TIME))
        return -EPERM;
    if (!args[0])
        return 0;
    struct timespec64 ts = {tv.tv_sec, (uint32_t)(tv.tv_usec * 1000)};
    return set_realtime(timespec_nsec(&ts));
}

/* A clock nobody disciplines, seen by adjtimex(2). */
static int64_t
adjust(vaddr_t user, int clock)
{
    struct timex tx;

    if (clock != CLOCK_REALTIME)
        return -EINVAL;
    if (copyin(&tx, user, sizeof(tx)) < 0)
        return -EFAULT;
    if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ) {
        if (!capable(CAP_SYS_TIME))
            return -EPERM;
        if ((tx.modes & ADJ_SETOFFSET) && (tx.time.tv_usec < 0 || tx.time.tv_usec >= 1000000))
            return -EINVAL;
        return -EPERM;
    }
    uint64_t nsec = clock_realtime();
    memset(&tx, 0, sizeof(tx));
    tx.status = STA_UNSYNC;
    tx.maxerror = tx.esterror = 16000000; /* NTP_PHASE_LIMIT, in us */
    tx.precision = 1;
    tx.tolerance = 500 << 16; /* MAXFREQ */
    tx.tick = 10000;
    tx.time.tv_sec = (long)(nsec / NSEC_PER_SEC);
    tx.time.tv_usec = (long)(nsec % NSEC_PER_SEC / NSEC_PER_USEC);
    return copyout(user, &tx, sizeof(tx)) < 0 ? -EFAULT : TIME_ERROR;
}

static int64_t
sys_adjtimex(const uint64_t *args)
{
    return adjust(args[0], CLOCK_REALTIME);
}

static int64_t
sys_clock_adjtime(const uint64_t *args)
{
    return adjust(args[1], (int)args[0]);
}

/* Sleep until a deadline. args: deadline, where to say what is left (0: nowhere). */
static int64_t
sleep_on(struct restart *restart)
{
    uint64_t deadline = restart->args[0];
    int error;

    do
        error = sleep_until(deadline, WAIT_INTERRUPTIBLE);
    while (!error);
    if (error == -ETIMEDOUT)
        return 0;
    if (restart->args[1]) {
        uint64_t now = clock_now();
        if (put_nsec(restart->args[1], deadline > now ? deadline - now : 0) < 0)
            return -EFAULT;
    }
    return -ERESTART_RESTARTBLOCK;
}

static int64_t
sleep_for(uint64_t nsec, vaddr_t left)
{
    struct restart *restart = signal_restart_with(sleep_on);

    restart->args[0] = deadline_after(nsec);
    restart->args[1] = left;
    return sleep_on(restart);
}

static int64_t
sys_nanosleep(const uint64_t *args)
{
    struct timespec64 ts;
    int error = get_timespec(&ts, args[0]);

    return error ? error : sleep_for(timespec_nsec(&ts), args[1]);
}

/* Sleep until a process's running time reaches a value, looking now and then. 0, -EINTR, -EINVAL. */
static int
sleep_until_used(int clock, uint64_t target)
{
    uint64_t now;
    int error = clock_read(clock, &now);

    while (!error && now < target) {
        uint64_t wait = (target - now) / max(nharts, 1U);
        error = sleep_until(deadline_after(max(wait, CPUTIMER_GRAIN)), WAIT_INTERRUPTIBLE);
        if (error == -EINTR)
            return error;
        error = clock_read(clock, &now);
    }
    return error;
}

/* args: clock, target, where to say what is left (0: nowhere). */
static int64_t
sleep_on_cpu_clock(struct restart *restart)
{
    int clock = (int)restart->args[0];
    uint64_t now, target = restart->args[1];
    int error = sleep_until_used(clock, target);

    if (error != -EINTR)
        return error;
    if (restart->args[2] && clock_read(clock, &now) == 0 &&
        put_nsec(restart->args[2], target > now ? target - now : 0) < 0)
        return -EFAULT;
    return -ERESTART_RESTARTBLOCK;
}

static int64_t
sleep_by_cpu_clock(int clock, bool absolute, uint64_t nsec, vaddr_t left)
{
    uint64_t now;

    if (clock_read(clock, &now) || clock == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL;
    if (absolute) {
        int error = sleep_until_used(clock, nsec);
        return error == -EINTR ? -ERESTARTNOHAND : error;
    }
    struct restart *restart = signal_restart_with(sleep_on_cpu_clock);
    restart->args[0] = (uint32_t)clock;
    restart->args[1] = now + nsec;
    restart->args[2] = left;
    return sleep_on_cpu_clock(restart);
}

static int64_t
sys_clock_nanosleep(const uint64_t *args)
{
    int clock = (int)args[0];
    bool absolute = args[1] & TIMER_ABSTIME;
    struct timespec64 ts;
    uint64_t ignored;
    int wait_flags = clock_wait_flags(clock);

    if (wait_flags < 0 && clock_read(clock, &ignored) < 0)
        return -EINVAL;
    int error = get_timespec(&ts, args[2]);
    if (error)
        return error;
    uint64_t nsec = timespec_nsec(&ts);
    if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
        return sleep_by_cpu_clock(clock, absolute, nsec, args[3]);
    if (wait_flags < 0)
        return -EOPNOTSUPP;
    if (!absolute)
        return sleep_for(nsec, args[3]);
    do
        error = sleep_until(nsec, WAIT_INTERRUPTIBLE | wait_flags);
    while (!error);
    return error == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
}

static int64_t
sys_times(const uint64_t *args)
{
    struct proc *proc = current_proc();
    struct usage self, children;
    uint64_t tick = NSEC_PER_SEC / CLOCK_TICKS;

    if (args[0]) {
        proc_usage(proc, &self);
        spin_lock(&proc->lock);
        children = proc->children_usage;
        spin_unlock(&proc->lock);
        struct tms tms = {(long)(self.user / tick), (long)(self.system / tick),
                          (long)(children.user / tick), (long)(children.system / tick)};
        if (copyout(args[0], &tms, sizeof(tms)) < 0)
            return -EFAULT;
    }
    return (int64_t)(clock_now() / tick);
}

static struct __kernel_old_timeval
nsec_timeval(uint64_t nsec)
{
    return (struct __kernel_old_timeval){(long)(nsec / NSEC_PER_SEC),
                                         (long)(nsec % NSEC_PER_SEC / NSEC_PER_USEC)};
}

static int
put_itimerval(vaddr_t user, uint64_t interval, uint64_t value)
{
    struct __kernel_old_itimerval it = {nsec_timeval(interval), nsec_timeval(value)};
    return copyout(user, &it, sizeof(it));
}

static bool
timeval_valid(const struct __kernel_old_timeval *tv)
{
    return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < 1000000;
}

static uint64_t
timeval_nsec(const struct __kernel_old_timeval *tv)
{
    struct timespec64 ts = {tv->tv_sec, (uint32_t)(tv->tv_usec * 1000)};
    return min(timespec_nsec(&ts), (uint64_t)INT64_MAX / 2);
}

static int64_t
sys_getitimer(const uint64_t *args)
{
    uint64_t interval, value;
    int error = itimer_get((int)args[0], &interval, &value);

    return error ? error : put_itimerval(args[1], interval, value);
}

static int64_t
sys_setitimer(const uint64_t *args)
{
    struct __kernel_old_itimerval it = {};
    uint64_t interval, value;

    if (args[1] && copyin(&it, args[1], sizeof(it)) < 0)
        return -EFAULT;
    if (!timeval_valid(&it.it_interval) || !timeval_valid(&it.it_value))
        return -EINVAL;
    int error = itimer_set((int)args[0], timeval_nsec(&it.it_interval), timeval_nsec(&it.it_value),
                           &interval, &value);
    if (error || !args[2])
        return error;
    return put_itimerval(args[2], interval, value);
}

static int64_t
sys_timer_create(const uint64_t *args)
{
    sigevent_t event;
    int id;

    if (args[1] && copyin(&event, args[1], sizeof(event)) < 0)
        return -EFAULT;
    if (!args[1]) {
        memset(&event, 0, sizeof(event));
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGALRM;
    }
    int error = ptimer_create((int)args[0], &event, &id);
    if (error)
        return error;
    if (put_user32(args[2], (uint32_t)id) < 0) {
        ptimer_delete(id);
        return -EFAULT;
    }
    return 0;
}

static int
put_itimerspec(vaddr_t user, uint64_t interval, uint64_t value)
{
    struct timespec64 i = nsec_timespec(interval), v = nsec_timespec(value);
    struct __kernel_itimerspec it = {{i.sec, i.nsec}, {v.sec, v.nsec}};
    return copyout(user, &it, sizeof(it));
}

static int64_t
sys_timer_settime(const uint64_t *args)
{
    struct timespec64 interval, value;
    uint64_t old_interval, old_value;

    if (!args[2])
        return -EINVAL;
    int error = get_timespec(&interval, args[2]);
    if (!error)
        error = get_timespec(&value, args[2] + sizeof(struct __kernel_timespec));
    if (!error)
        error = ptimer_set((int)args[0], args[1] & TIMER_ABSTIME,
                           min(timespec_nsec(&interval), (uint64_t)INT64_MAX / 2),
                           min(timespec_nsec(&value), (uint64_t)INT64_MAX / 2), &old_interval,
                           &old_value);
    if (error || !args[3])
        return error;
    return put_itimerspec(args[3], old_interval, old_value);
}

static int64_t
sys_timer_gettime(const uint64_t *args)
{
    uint64_t interval, value;
    int error = ptimer_get((int)args[0], &interval, &value);

    return error ? error : put_itimerspec(args[1], interval, value);
}

static int64_t
sys_timer_getoverrun(const uint64_t *args)
{
    return ptimer_overrun((int)args[0]);
}

static int64_t
sys_timer_delete(const uint64_t *args)
{
    return ptimer_delete((int)args[0]);
}

const struct syscall_row time_syscalls[] = {
    {__NR_clock_gettime, sys_clock_gettime},
    {__NR_clock_getres, sys_clock_getres},
    {__NR_clock_settime, sys_clock_settime},
    {__NR_clock_nanosleep, sys_clock_nanosleep},
    {__NR_clock_adjtime, sys_clock_adjtime},
    {__NR_adjtimex, sys_adjtimex},
    {__NR_gettimeofday, sys_gettimeofday},
    {__NR_settimeofday, sys_settimeofday},
    {__NR_nanosleep, sys_nanosleep},
    {__NR_times, sys_times},
    {__NR_getitimer, sys_getitimer},
    {__NR_setitimer, sys_setitimer},
    {__NR_timer_create, sys_timer_create},
    {__NR_timer_settime, sys_timer_settime},
    {__NR_timer_gettime, sys_timer_gettime},
    {__NR_timer_getoverrun, sys_timer_getoverrun},
    {__NR_timer_delete, sys_timer_delete},
    {0, NULL},
};
