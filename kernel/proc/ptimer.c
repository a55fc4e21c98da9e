/*
 * POSIX timers; see ptimer.h, and cputimer.h for how timers are turned off.
 */
#include "proc/ptimer.h"
#include <linux/time.h>
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/clock.h"
#include "proc/cputimer.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/sigqueue.h"
#include "proc/task.h"
#include "sched/timer.h"
#include "sched/wait.h"

#define IGNORED_PERIOD CPUTIMER_GRAIN /* least, while the signal is ignored: Linux's tick */
#define IGNORED_SHARE (50 * NSEC_PER_USEC) /* the same for each timer that there is */
#define CHECKED_AT_ONCE 32              /* CPU timers, with proc->lock held */
#define MAX_TIMERS 4096                 /* of a process */

/* Guarded by: (C) constant  (L) proc->lock  (T) proc->timer_lock */
struct posix_timer {
    struct timer timer;
    struct sigqueue entry;   /* (L) its signal */
    struct proc *proc;       /* (C) [O] its timers end before it does */
    struct user *user;       /* (C) [C] the timer is one of its nsignals */
    struct task *target;     /* (C) [C] SIGEV_THREAD_ID; NULL: the process */
    bool silent;             /* (C) SIGEV_NONE */
    int clock;               /* (C) */
    struct task *cpu_task;   /* (C) [C] a thread's CPU clock */
    bool cpu;                /* (C) a CPU clock */
    uint64_t interval;       /* (L) ns */
    bool wall;               /* (L) `deadline` is a time of CLOCK_REALTIME, which may be set */
    uint64_t deadline;       /* (L) ns since boot, of the wall clock, or of running time; 0: off */
    bool resting;            /* (L) periodic, not armed: its signal waits to be taken */
    int overrun;             /* (L) of the signal taken last */
};

struct posix_timers {
    int capacity;               /* (T, L) */
    struct posix_timer **slots; /* (T, L) [L] by id */
};

static uint64_t ntimers; /* (A) of all processes */

/*
 * The least time from one expiration to the next while the signal is ignored. No taker
 * paces such timers. So the more timers there are, the longer each rests, and all of them
 * together fire once in IGNORED_SHARE at most: no hart is kept busy by them.
 */
static uint64_t
ignored_period(void)
{
    return max(IGNORED_PERIOD, __atomic_load_n(&ntimers, __ATOMIC_RELAXED) * IGNORED_SHARE);
}

/* Count expirations up to now and move the deadline on; 0 if it is not due. lock held. */
static int
expire(struct posix_timer *timer, uint64_t now)
{
    if (!timer->deadline || timer->deadline > now)
        return 0;
    if (!timer->interval) {
        timer->deadline = 0;
        return 1;
    }
    uint64_t count = (now - timer->deadline) / timer->interval + 1;
    timer->deadline += count * timer->interval;
    return (int)min(count, (uint64_t)INT32_MAX);
}

/* Queue the signal. False: it is ignored. lock held. */
static bool
notify(struct posix_timer *timer, int count)
{
    return signal_queue_entry(timer->proc, timer->target, &timer->entry, count);
}

/* The clock it counts by, now, if that is no CPU clock. lock held. */
static uint64_t
clock_of(const struct posix_timer *timer)
{
    return timer->wall ? clock_realtime() : clock_now();
}

/* The clock it counts by, now. timer_lock held. */
static uint64_t
timer_now(struct posix_timer *timer)
{
    if (!timer->cpu)
        return clock_of(timer);
    struct task *task = timer->cpu_task;
    return clock_cpu_nsec(task, task ? NULL : timer->proc);
}

/* lock held. */
static void
start(struct posix_timer *timer, uint64_t deadline)
{
    if (timer->wall)
        timer_set_wall(&timer->timer, deadline);
    else
        timer_set(&timer->timer, deadline);
}

static void
timer_fired(struct timer *fired)
{
    struct posix_timer *timer = container_of(fired, struct posix_timer, timer);
    SCOPED_SPIN(&timer->proc->lock);
    uint64_t now = clock_of(timer);
    int count = expire(timer, now);
    bool queued = count && notify(timer, count);

    timer->resting = queued && timer->deadline;
    if (timer->deadline && !queued)
        start(timer, count ? max(timer->deadline, now + ignored_period()) : timer->deadline);
}

/*
 * The signal was taken, or thrown away. A periodic timer goes on: the periods that passed
 * since are counted as overruns, and it is armed for the next. Nothing waits here for the
 * timer's function: a timer that rests is not armed, and its function needs no lock any more.
 */
static void
entry_left(struct sigqueue *entry, siginfo_t *info)
{
    struct posix_timer *timer = container_of(entry, struct posix_timer, entry);
    uint64_t now = timer->resting ? clock_of(timer) : 0;

    if (info && timer->resting)
        info->si_overrun = signal_add_overruns(info->si_overrun, expire(timer, now));
    if (info)
        timer->overrun = info->si_overrun;
    if (!timer->resting)
        return;
    timer->resting = false;
    start(timer, info ? timer->deadline : max(timer->deadline, now + ignored_period()));
}

uint64_t
ptimer_check_cpu(struct proc *proc, uint64_t total)
{
    uint64_t left = ~0UL;

    /* The timers may go at any pause. */
    for (int i = 0; proc->timers && i < proc->timers->capacity; i++) {
        if (i % CHECKED_AT_ONCE == CHECKED_AT_ONCE - 1) {
            spin_unlock(&proc->lock);
            preempt_point();
            spin_lock(&proc->lock);
            if (!proc->timers || proc->timers_over)
                break;
        }
        struct posix_timer *timer = proc->timers->slots[i];
        if (!timer || !timer->cpu || !timer->deadline)
            continue;
        uint64_t now = timer->cpu_task ? clock_cpu_nsec(timer->cpu_task, NULL) : total;
        int count = expire(timer, now);
        if (count && !timer->silent)
            notify(timer, count);
        if (timer->deadline)
            left = min(left, timer->deadline - min(now, timer->deadline));
    }
    return left;
}

/* Make room for more timers. timer_lock held. 0, -EAGAIN, -ENOMEM. */
static int
grow(struct proc *proc)
{
    struct posix_timers *timers = proc->timers;
    int capacity = timers ? timers->capacity * 2 : 8;

    if (capacity > MAX_TIMERS)
        return -EAGAIN;
    struct posix_timer **slots = kzalloc((size_t)capacity * sizeof(*slots));
    struct posix_timers *fresh = timers ? timers : kzalloc(sizeof(*fresh));
    if (!slots || !fresh) {
        kmfree(slots);
        if (!timers)
            kmfree(fresh);
        return -ENOMEM;
    }
    spin_lock(&proc->lock);
    struct posix_timer **old = fresh->slots;
    if (old)
        memcpy(slots, old, (size_t)fresh->capacity * sizeof(*slots));
    fresh->slots = slots;
    fresh->capacity = capacity;
    proc->timers = fresh;
    spin_unlock(&proc->lock);
    kmfree(old);
    return 0;
}

/* A free id. timer_lock held. */
static int
free_id(struct proc *proc)
{
    for (;;) {
        for (int i = 0; proc->timers && i < proc->timers->capacity; i++)
            if (!proc->timers->slots[i])
                return i;
        int error = grow(proc);
        if (error)
            return error;
    }
}

/* The timer of an id. timer_lock held. */
static struct posix_timer *
find(struct proc *proc, int id)
{
    if (!proc->timers || id < 0 || id >= proc->timers->capacity)
        return NULL;
    return proc->timers->slots[id];
}

static void
free_timer(struct posix_timer *timer)
{
    if (timer->target)
        task_put(timer->target);
    if (timer->cpu_task)
        task_put(timer->cpu_task);
    if (timer->user) {
        sigqueue_uncharge(timer->user);
        __atomic_fetch_sub(&ntimers, 1, __ATOMIC_RELAXED);
    }
    kmfree(timer);
}

/* What the timer counts by. 0 or -EINVAL. */
static int
decode_clock(struct posix_timer *timer, int clock)
{
    struct proc *proc;

    timer->clock = clock;
    if (clock_wait_flags(clock) >= 0)
        return 0;
    uint64_t now;
    if (clock > CLOCK_THREAD_CPUTIME_ID && clock_read(clock, &now) == 0)
        return -EOPNOTSUPP; /* a clock to read only */
    if (!clock_cpu_target(clock, &timer->cpu_task, &proc))
        return -EINVAL;
    timer->cpu = true;
    bool own = timer->cpu_task ? timer->cpu_task->proc == timer->proc : proc == timer->proc;
    if (proc)
        proc_put(proc);
    return own ? 0 : -EINVAL;
}

/* How it tells. 0 or -EINVAL. */
static int
decode_event(struct posix_timer *timer, const sigevent_t *event)
{
    int notify = event->sigev_notify;

    timer->silent = notify == SIGEV_NONE;
    if (notify == (SIGEV_SIGNAL | SIGEV_THREAD_ID)) {
        timer->target = pid_task((uint32_t)event->sigev_notify_thread_id);
        if (!timer->target || timer->target->proc != timer->proc)
            return -EINVAL;
    } else if (notify != SIGEV_SIGNAL && notify != SIGEV_THREAD && notify != SIGEV_NONE) {
        return -EINVAL;
    }
    if (!timer->silent && (event->sigev_signo < 1 || event->sigev_signo > _NSIG))
        return -EINVAL;
    timer->entry.info.si_signo = event->sigev_signo;
    timer->entry.info.si_code = SI_TIMER;
    timer->entry.info.si_value = event->sigev_value;
    return 0;
}

int
ptimer_create(int clock, const sigevent_t *event, int *id)
{
    struct proc *proc = current_proc();
    struct posix_timer *timer = kzalloc(sizeof(*timer));

    if (!timer)
        return -EAGAIN;
    timer->proc = proc;
    timer->entry.left = entry_left;
    list_init(&timer->entry.link);
    timer_init(&timer->timer, timer_fired);
    int error = decode_clock(timer, clock);
    if (!error)
        error = decode_event(timer, event);
    if (!error) {
        timer->user = sigqueue_charge(current_task(), false);
        error = timer->user ? 0 : -EAGAIN;
    }
    if (error) {
        free_timer(timer);
        return error;
    }
    __atomic_fetch_add(&ntimers, 1, __ATOMIC_RELAXED);

    SCOPED_LOCK(&proc->timer_lock);
    assert(!proc->timers_over);
    int slot = free_id(proc);
    if (slot < 0) {
        free_timer(timer);
        return slot;
    }
    timer->entry.info.si_tid = slot;
    spin_lock(&proc->lock);
    proc->timers->slots[slot] = timer;
    spin_unlock(&proc->lock);
    *id = slot;
    return 0;
}

/* Turn a timer off, and its function with it; timer_lock held. */
static void
turn_off(struct posix_timer *timer)
{
    spin_lock(&timer->proc->lock);
    timer->deadline = 0;
    timer->resting = false;
    spin_unlock(&timer->proc->lock);
    timer_cancel(&timer->timer);
}

/* A signal of the timer's that waits may be `kept`, or goes with it. timer_lock held. */
static void
delete_slot(struct proc *proc, int id, bool kept)
{
    struct posix_timer *timer = proc->timers->slots[id];

    turn_off(timer);
    signal_unqueue_entry(proc, timer->target, &timer->entry, kept);
    spin_lock(&proc->lock);
    proc->timers->slots[id] = NULL;
    spin_unlock(&proc->lock);
    free_timer(timer);
}

int
ptimer_delete(int id)
{
    struct proc *proc = current_proc();
    SCOPED_LOCK(&proc->timer_lock);

    if (!find(proc, id))
        return -EINVAL;
    delete_slot(proc, id, true);
    return 0;
}

void
ptimer_delete_all(struct proc *proc)
{
    SCOPED_LOCK(&proc->timer_lock);
    struct posix_timers *timers = proc->timers;

    if (!timers)
        return;
    for (int i = 0; i < timers->capacity; i++) {
        if (timers->slots[i])
            delete_slot(proc, i, false);
        preempt_point();
    }
    spin_lock(&proc->lock);
    proc->timers = NULL;
    spin_unlock(&proc->lock);
    kmfree(timers->slots);
    kmfree(timers);
}

static void
read_timer(struct posix_timer *timer, uint64_t *interval, uint64_t *value)
{
    uint64_t now = timer_now(timer);
    SCOPED_SPIN(&timer->proc->lock);

    *interval = timer->interval;
    *value = 0;
    if (timer->deadline > now)
        *value = timer->deadline - now;
    else if (timer->deadline && timer->interval && (timer->resting || timer->silent))
        *value = timer->interval - (now - timer->deadline) % timer->interval;
    else if (timer->deadline && !timer->silent)
        *value = 1; /* it is due: the interrupt is on its way */
}

int
ptimer_get(int id, uint64_t *interval, uint64_t *value)
{
    struct proc *proc = current_proc();
    SCOPED_LOCK(&proc->timer_lock);
    struct posix_timer *timer = find(proc, id);

    if (!timer)
        return -EINVAL;
    read_timer(timer, interval, value);
    return 0;
}

int
ptimer_set(int id, bool absolute, uint64_t interval, uint64_t value, uint64_t *old_interval,
           uint64_t *old_value)
{
    struct proc *proc = current_proc();
    SCOPED_LOCK(&proc->timer_lock);
    struct posix_timer *timer = find(proc, id);
    uint64_t deadline = 0;

    if (!timer)
        return -EINVAL;
    read_timer(timer, old_interval, old_value);
    turn_off(timer);
    if (value && timer->cpu)
        deadline = absolute ? value : timer_now(timer) + value;
    else if (value && absolute)
        deadline = value;
    else if (value)
        deadline = clock_now() + value;

    spin_lock(&proc->lock);
    timer->interval = interval;
    timer->wall = absolute && !timer->cpu && clock_wait_flags(timer->clock) == WAIT_WALL;
    timer->deadline = deadline;
    timer->overrun = 0;
    timer->resting = false;
    if (deadline && !timer->cpu && !timer->silent)
        start(timer, deadline);
    spin_unlock(&proc->lock);
    if (timer->cpu && deadline) {
        uint64_t now = timer_now(timer);
        cputimer_due_in(proc, deadline - min(now, deadline));
    }
    return 0;
}

int
ptimer_overrun(int id)
{
    struct proc *proc = current_proc();
    SCOPED_LOCK(&proc->timer_lock);
    struct posix_timer *timer = find(proc, id);

    return timer ? timer->overrun : -EINVAL;
}
