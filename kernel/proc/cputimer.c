/*
 * Timers of running time, and interval timers; see cputimer.h.
 */
#include "proc/cputimer.h"
#include <linux/time.h>
#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "proc/limits.h"
#include "proc/ptimer.h"
#include "proc/signal.h"

#define LOOK_REST 8

/* Deadlines of a process by its running time. */
struct meter {
    uint64_t user, total; /* used so far, ns */
    uint64_t left;        /* least that is left of anything, ns; CPUTIMER_NEVER: nothing counts */
};

static uint64_t
until(uint64_t deadline, uint64_t now)
{
    return deadline > now ? deadline - now : 0;
}

/* Look at one interval timer; send its signal if it is due. lock held. */
static void
check_itimer(struct proc *proc, int which, int signo, uint64_t used, struct meter *meter)
{
    struct itimer *timer = &proc->itimers[which];

    if (!timer->deadline)
        return;
    if (timer->deadline <= used) {
        signal_proc_locked(proc, signo, NULL);
        timer->deadline = timer->interval ? used + timer->interval : 0;
    }
    if (timer->deadline)
        meter->left = min(meter->left, until(timer->deadline, used));
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and every second after, SIGKILL at the hard one. lock held. */
static void
check_limit(struct proc *proc, struct meter *meter)
{
    struct rlimit64 *limit = &proc->limits[RLIMIT_CPU];

    if (limit->rlim_cur == RLIM64_INFINITY || limit->rlim_cur > UINT64_MAX / NSEC_PER_SEC)
        return;
    uint64_t soft = limit->rlim_cur * NSEC_PER_SEC;
    if (limit->rlim_max <= UINT64_MAX / NSEC_PER_SEC &&
        meter->total >= limit->rlim_max * NSEC_PER_SEC) {
        signal_proc_locked(proc, SIGKILL, NULL);
        return;
    }
    if (meter->total >= soft) {
        signal_proc_locked(proc, SIGXCPU, NULL);
        limit->rlim_cur++;
        soft += NSEC_PER_SEC;
    }
    meter->left = min(meter->left, until(soft, meter->total));
}

/* The earliest time at which `left` ns of running time can have passed: every hart may run a thread. */
static uint64_t
time_after(uint64_t now, uint64_t left)
{
    uint64_t least = left / nharts;

    return left < CPUTIMER_NEVER && least < CPUTIMER_NEVER - now ? now + least : CPUTIMER_NEVER;
}

/*
 * Send what is due, now that so much is used, and note when to look again. A look at many timers
 * takes long, so ticks leave the process alone for LOOK_REST times as long. lock held; let go
 * now and then.
 */
static void
look(struct proc *proc, const struct usage *usage, uint64_t begin)
{
    uint64_t left = CPUTIMER_NEVER;
    uint32_t change = ++proc->cpu_changes;

    if (proc->nthreads && !proc->group_exit && !proc->timers_over) {
        struct meter meter = {
            .user = usage->user, .total = usage->user + usage->system, .left = CPUTIMER_NEVER};
        check_itimer(proc, ITIMER_VIRTUAL, SIGVTALRM, meter.user, &meter);
        check_itimer(proc, ITIMER_PROF, SIGPROF, meter.total, &meter);
        check_limit(proc, &meter);
        meter.left = min(meter.left, ptimer_check_cpu(proc, meter.total));
        left = meter.left;
    }
    uint64_t now = clock_now();
    proc->cpu_rest = now + LOOK_REST * (now - begin);
    uint64_t next = max(time_after(now, left), proc->cpu_rest);
    /* Who set a timer or looked at a pause knows of what this look has passed. */
    store_relaxed(&proc->cpu_look, change == proc->cpu_changes ? next : min(next, proc->cpu_look));
}

void
cputimer_changed(struct proc *proc)
{
    uint64_t begin = clock_now();
    struct usage usage;

    proc_usage(proc, &usage);
    SCOPED_SPIN(&proc->lock);
    look(proc, &usage, begin);
}

/* What a tick leaves to the worker. */
static bool
look_later(struct work *work)
{
    struct proc *proc = container_of(work, struct proc, cpu_work);

    cputimer_changed(proc);
    spin_lock(&proc->lock);
    proc->cpu_looking = false;
    spin_unlock(&proc->lock);
    proc_put(proc);
    return false;
}

/* sched_tick_hook. */
static void
tick(struct thread *thread)
{
    struct proc *proc = thread->task ? thread->task->proc : NULL;

    if (!proc || __atomic_load_n(&proc->cpu_look, __ATOMIC_RELAXED) == CPUTIMER_NEVER)
        return;
    uint64_t now = clock_now();
    if (now < __atomic_load_n(&proc->cpu_look, __ATOMIC_RELAXED))
        return;
    SCOPED_SPIN(&proc->lock);
    if (now < proc->cpu_look || proc->cpu_looking)
        return; /* another hart has looked meanwhile, or the worker will */
    proc->cpu_looking = true;
    proc_get(proc);
    work_queue(&proc->cpu_work);
}

void
cputimer_due_in(struct proc *proc, uint64_t left)
{
    SCOPED_SPIN(&proc->lock);

    uint64_t soonest = max(time_after(clock_now(), left), proc->cpu_rest);
    proc->cpu_changes++;
    store_relaxed(&proc->cpu_look, min(proc->cpu_look, soonest));
}

static void
real_timer_fired(struct timer *timer)
{
    struct proc *proc = container_of(timer, struct proc, real_timer);
    struct itimer *itimer = &proc->itimers[ITIMER_REAL];
    SCOPED_SPIN(&proc->lock);
    uint64_t now = clock_now();

    /* Set anew, or off, since the interrupt was on its way. */
    if (!itimer->deadline || proc->real_resting || itimer->deadline > now || !proc->nthreads)
        return;
    proc->real_resting = itimer->interval != 0;
    if (!itimer->interval)
        itimer->deadline = 0;
    signal_proc_locked(proc, SIGALRM, NULL);
}

void
itimer_taken(struct proc *proc)
{
    struct itimer *itimer = &proc->itimers[ITIMER_REAL];
    uint64_t now = clock_now();

    if (!proc->real_resting)
        return;
    assert(!proc->timers_over);
    proc->real_resting = false;
    if (itimer->deadline <= now)
        itimer->deadline += ((now - itimer->deadline) / itimer->interval + 1) * itimer->interval;
    timer_set(&proc->real_timer, itimer->deadline);
}

void
cputimer_init(struct proc *proc)
{
    mutex_init(&proc->timer_lock, "process timers");
    proc->cpu_look = CPUTIMER_NEVER;
    proc->cpu_rest = 0;
    proc->cpu_work.fn = look_later;
    list_init(&proc->cpu_work.link);
    timer_init(&proc->real_timer, real_timer_fired);
}

void
cputimer_stop(struct proc *proc)
{
    SCOPED_LOCK(&proc->timer_lock);
    spin_lock(&proc->lock);
    proc->timers_over = true;
    proc->real_resting = false;
    for (unsigned i = 0; i < ARRAY_SIZE(proc->itimers); i++)
        proc->itimers[i] = (struct itimer){};
    spin_unlock(&proc->lock);
    timer_cancel(&proc->real_timer);
}

/* The clock an interval timer counts by; `usage` is what the process has used. */
static uint64_t
itimer_now(int which, const struct usage *usage)
{
    if (which == ITIMER_REAL)
        return clock_now();
    return which == ITIMER_VIRTUAL ? usage->user : usage->user + usage->system;
}

/* What is left; at least a microsecond while it is armed, for 0 means that it is not. lock held. */
static uint64_t
itimer_left(struct proc *proc, int which, const struct usage *usage)
{
    uint64_t deadline = proc->itimers[which].deadline;

    if (!deadline || (which == ITIMER_REAL && proc->real_resting))
        return 0;
    return max(until(deadline, itimer_now(which, usage)), NSEC_PER_USEC);
}

int
itimer_get(int which, uint64_t *interval, uint64_t *value)
{
    struct proc *proc = current_proc();

    if (which < 0 || which > ITIMER_PROF)
        return -EINVAL;
    struct usage usage;
    proc_usage(proc, &usage);
    SCOPED_SPIN(&proc->lock);
    *interval = proc->itimers[which].interval;
    *value = itimer_left(proc, which, &usage);
    return 0;
}

int
itimer_set(int which, uint64_t interval, uint64_t value, uint64_t *old_interval,
           uint64_t *old_value)
{
    struct proc *proc = current_proc();

    if (which < 0 || which > ITIMER_PROF)
        return -EINVAL;
    SCOPED_LOCK(&proc->timer_lock);
    assert(!proc->timers_over);
    struct itimer *timer = &proc->itimers[which];
    struct usage usage;
    proc_usage(proc, &usage);
    spin_lock(&proc->lock);
    *old_interval = timer->interval;
    *old_value = itimer_left(proc, which, &usage);
    bool was_armed = timer->deadline != 0;
    timer->deadline = 0;
    if (which == ITIMER_REAL)
        proc->real_resting = false;
    spin_unlock(&proc->lock);
    if (which == ITIMER_REAL && was_armed)
        timer_cancel(&proc->real_timer);

    spin_lock(&proc->lock);
    timer->interval = interval;
    timer->deadline = value ? itimer_now(which, &usage) + value : 0;
    if (which == ITIMER_REAL && value)
        timer_set(&proc->real_timer, timer->deadline);
    spin_unlock(&proc->lock);
    if (which != ITIMER_REAL)
        cputimer_changed(proc);
    return 0;
}

void
cputimers_init(void)
{
    sched_tick_hook = tick;
}
