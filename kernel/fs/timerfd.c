/*
 * timerfd.
 *
 * A timer that is due counts one expiration and rests. A periodic one goes on
 * when it is read (or asked, or set): the periods that passed meanwhile are
 * counted then, and it is armed for the next. So a timer that nobody reads
 * costs nothing.
 *
 * Deadlines are kept in ns since boot. An absolute time of CLOCK_REALTIME is
 * kept beside its deadline, and the deadline is made anew when that clock is
 * set; `absolute` lists the timers that this concerns.
 *
 * The mutex serialises whoever arms the timer. The timer's function, which
 * runs in the interrupt, takes only the spinlock, and it is not running
 * between timer_cancel() and timer_set().
 */
#include "fs/timerfd.h"

#include <linux/time.h>
#include <linux/timerfd.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/trap.h"
#include "lib/list.h"
#include "mem/slab.h"
#include "sched/mutex.h"
#include "sched/timer.h"
#include "vfs/file.h"
#include "vfs/inode.h"

#define TIMERS_AT_ONCE 32 /* that follow the clock between two preemption points */

/* Guarded by: (M) mutex  (L) lock  (A) absolute_lock  (C) constant */
struct timerfd {
    struct mutex mutex;
    struct timer timer;     /* (M) */
    struct spinlock lock;
    struct waitq readers;   /* they sleep with lock */
    bool realtime;          /* (C) by CLOCK_REALTIME */
    bool expired;           /* (L) was due at `deadline` and rests */
    uint64_t deadline;      /* (M) of the first or next expiration; 0: off */
    uint64_t interval;      /* (M) ns; 0: once */
    uint64_t ticks;         /* (L) expirations not read yet */
    uint64_t wall;          /* (M) absolute realtime of the deadline; 0: not kept */
    bool cancel_on_set;     /* (M) */
    bool cancelled;         /* (L) the clock was set: the next read says so */
    struct list absolute_link; /* (A) */
};

/* Timers with absolute times of CLOCK_REALTIME. The lock is taken before theirs. */
static struct mutex absolute_lock = MUTEX_INIT(absolute_lock, "absolute timerfds");
static struct list absolute = LIST_INIT(absolute);

/* The deadline of a time of CLOCK_REALTIME; not too early. At least 1. */
static uint64_t
wall_deadline(uint64_t wall)
{
    struct timespec64 now = vfs_realtime();
    uint64_t offset = (uint64_t)now.sec * NSEC_PER_SEC + now.nsec - clock_now();

    return wall > offset ? wall - offset : 1;
}

static void
timer_due(struct timer *timer)
{
    struct timerfd *tfd = container_of(timer, struct timerfd, timer);
    SCOPED_SPIN(&tfd->lock);

    tfd->expired = true;
    tfd->ticks++;
    wake_key(&tfd->readers, POLLIN);
}

/* Count the periods that a resting periodic timer missed, and arm it for the next. mutex held. */
static void
catch_up(struct timerfd *tfd, uint64_t *missed)
{
    uint64_t now = clock_now();

    *missed = 0;
    spin_lock(&tfd->lock);
    bool resting = tfd->expired && tfd->interval;
    if (resting)
        tfd->expired = false;
    spin_unlock(&tfd->lock);
    if (!resting)
        return;
    uint64_t periods = now > tfd->deadline ? (now - tfd->deadline) / tfd->interval : 0;
    *missed = periods;
    tfd->deadline += (periods + 1) * tfd->interval;
    if (tfd->wall)
        tfd->wall += (periods + 1) * tfd->interval;
    timer_set(&tfd->timer, tfd->deadline);
}

/* Take what there is to read: the expirations, 0 if none, -ECANCELED. */
static int64_t
take_ticks(struct timerfd *tfd)
{
    uint64_t missed;
    SCOPED_LOCK(&tfd->mutex);

    spin_lock(&tfd->lock);
    bool cancelled = tfd->cancelled;
    uint64_t ticks = tfd->ticks;
    tfd->cancelled = false;
    tfd->ticks = 0;
    spin_unlock(&tfd->lock);
    if (cancelled)
        return -ECANCELED;
    if (!ticks)
        return 0;
    catch_up(tfd, &missed);
    return (int64_t)(ticks + missed);
}

static ssize_t
timerfd_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct timerfd *tfd = file->private;
    int64_t ticks;
    int error = 0;

    if (uio->residue < sizeof(ticks))
        return -EINVAL;
    while ((ticks = take_ticks(tfd)) == 0) {
        if ((file->flags & O_NONBLOCK) || uio->nowait)
            return -EAGAIN;
        spin_lock(&tfd->lock);
        while (!tfd->ticks && !tfd->cancelled && !error)
            error = wait_on(&tfd->readers, &tfd->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER);
        spin_unlock(&tfd->lock);
        if (error)
            return -ERESTARTSYS;
    }
    if (ticks < 0)
        return ticks;
    return uio_copyout(uio, &ticks, sizeof(ticks)) == sizeof(ticks) ? (ssize_t)sizeof(ticks)
                                                                    : -EFAULT;
}

static uint32_t
timerfd_poll(struct file *file, struct poll_table *table)
{
    struct timerfd *tfd = file->private;

    poll_wait(table, file, &tfd->readers);
    SCOPED_SPIN(&tfd->lock);
    return tfd->ticks || tfd->cancelled ? POLLIN : 0;
}

/* What is left, after missed periods were counted. mutex held. */
static void
get_locked(struct timerfd *tfd, struct timerfd_spec *spec)
{
    uint64_t missed, now = clock_now();

    catch_up(tfd, &missed);
    spin_lock(&tfd->lock);
    tfd->ticks += missed;
    spin_unlock(&tfd->lock);
    spec->interval = tfd->interval;
    spec->first = tfd->deadline > now ? tfd->deadline - now : 0;
}

void
timerfd_get(struct file *file, struct timerfd_spec *spec)
{
    struct timerfd *tfd = file->private;
    SCOPED_LOCK(&tfd->mutex);

    get_locked(tfd, spec);
}

/* A timer by CLOCK_REALTIME is to be on the list of those that follow it, or not. absolute_lock held. */
static void
follow_clock(struct timerfd *tfd, bool follow)
{
    list_del(&tfd->absolute_link);
    if (follow)
        list_add_tail(&absolute, &tfd->absolute_link);
}

/* Forget what was, and arm by spec. mutex held. */
static void
arm(struct timerfd *tfd, uint32_t flags, const struct timerfd_spec *spec)
{
    bool is_absolute = flags & TFD_TIMER_ABSTIME;

    timer_cancel(&tfd->timer);
    tfd->interval = spec->interval;
    tfd->wall = is_absolute && tfd->realtime ? spec->first : 0;
    if (!spec->first)
        tfd->deadline = 0;
    else if (tfd->wall)
        tfd->deadline = wall_deadline(tfd->wall);
    else if (is_absolute)
        tfd->deadline = spec->first;
    else if (__builtin_add_overflow(clock_now(), spec->first, &tfd->deadline))
        tfd->deadline = DEADLINE_NEVER - 1;
    spin_lock(&tfd->lock);
    tfd->expired = false;
    tfd->ticks = 0;
    spin_unlock(&tfd->lock);
    if (tfd->deadline)
        timer_set(&tfd->timer, tfd->deadline);
}

static int
set(struct timerfd *tfd, uint32_t flags, const struct timerfd_spec *spec, struct timerfd_spec *old)
{
    bool follows = tfd->realtime && (flags & TFD_TIMER_ABSTIME);
    SCOPED_LOCK(&tfd->mutex);

    if (tfd->realtime)
        follow_clock(tfd, follows);
    get_locked(tfd, old);
    tfd->cancel_on_set = follows && (flags & TFD_TIMER_CANCEL_ON_SET);
    arm(tfd, flags, spec);
    spin_lock(&tfd->lock);
    bool cancelled = tfd->cancelled;
    tfd->cancelled = false;
    spin_unlock(&tfd->lock);
    return cancelled && tfd->cancel_on_set && spec->first ? -ECANCELED : 0;
}

int
timerfd_set(struct file *file, uint32_t flags, const struct timerfd_spec *spec,
            struct timerfd_spec *old)
{
    struct timerfd *tfd = file->private;

    if (!tfd->realtime)
        return set(tfd, flags, spec, old);
    SCOPED_LOCK(&absolute_lock);
    return set(tfd, flags, spec, old);
}

/* The clock was set: one timer. */
static void
follow(struct timerfd *tfd)
{
    SCOPED_LOCK(&tfd->mutex);

    if (tfd->cancel_on_set) {
        SCOPED_SPIN(&tfd->lock);
        tfd->cancelled = true;
        tfd->ticks++;
        wake_key(&tfd->readers, POLLIN);
    }
    if (!tfd->wall || !timer_cancel(&tfd->timer))
        return;
    tfd->deadline = wall_deadline(tfd->wall);
    timer_set(&tfd->timer, tfd->deadline);
}

void
timerfd_clock_was_set(void)
{
    struct timerfd *tfd;
    unsigned ntimers = 0;
    SCOPED_LOCK(&absolute_lock);

    LIST_FOREACH(tfd, &absolute, absolute_link) {
        follow(tfd);
        preempt_every(&ntimers, TIMERS_AT_ONCE);
    }
}

static int64_t
timerfd_seek(struct file *file __unused, int64_t offset __unused, int whence __unused)
{
    return 0;
}

static void
timerfd_release(struct file *file)
{
    struct timerfd *tfd = file->private;

    if (tfd->realtime) {
        mutex_lock(&absolute_lock);
        follow_clock(tfd, false);
        mutex_unlock(&absolute_lock);
    }
    timer_cancel(&tfd->timer);
    kmfree(tfd);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .seek = timerfd_seek,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .nowait = true,
    .unseekable = true, /* whoever waits must not hold a position */
};

bool
file_is_timerfd(const struct file *file)
{
    return file->ops == &timerfd_ops;
}

int
timerfd_create_file(int clock, uint32_t flags, struct file **file)
{
    bool realtime = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;

    if (!realtime && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
        clock != CLOCK_BOOTTIME_ALARM)
        return -EINVAL;
    struct timerfd *tfd = kzalloc(sizeof(*tfd));
    if (!tfd)
        return -ENOMEM;
    mutex_init(&tfd->mutex, "timerfd");
    spin_init(&tfd->lock, "timerfd state");
    timer_init(&tfd->timer, timer_due);
    waitq_init(&tfd->readers);
    list_init(&tfd->absolute_link);
    tfd->realtime = realtime;
    int error = file_anonymous("timerfd", &timerfd_ops, tfd, FILE_READ | FILE_WRITE, flags, file);
    if (error)
        kmfree(tfd);
    return error;
}
