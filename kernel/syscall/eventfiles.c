/*
 * Files without names: eventfd, epoll, timerfd, signalfd, memfd.
 */
#include <linux/capability.h>
#include <linux/eventpoll.h>
#include <linux/limits.h>
#include <linux/memfd.h>
#include <linux/time.h>
#include <linux/timerfd.h>

#include "arch/riscv/clock.h"
#include "fs/epoll.h"
#include "fs/eventfd.h"
#include "fs/memfd.h"
#include "fs/timerfd.h"
#include "proc/signal.h"
#include "proc/signalfd.h"
#include "syscall/syscall.h"
#include "vfs/cred.h"
#include "vfs/fdtable.h"
#include "vfs/poll.h"
#include "vm/usercopy.h"

#define EFD_SEMAPHORE 1 /* eventfd(2) */
/* Younger than the installed headers (Linux 6.3; linux/memfd.h). */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif
#define CREATE_FLAGS (O_CLOEXEC | O_NONBLOCK) /* EFD_*, TFD_*, SFD_* are the same bits */

static int64_t
sys_eventfd2(const uint64_t *args)
{
    uint32_t flags = args[1];
    struct file *file;

    if (flags & ~(uint32_t)(CREATE_FLAGS | EFD_SEMAPHORE))
        return -EINVAL;
    int error = eventfd_create(args[0], flags & EFD_SEMAPHORE, flags & O_NONBLOCK, &file);
    return error ? error : fd_add(file, flags & O_CLOEXEC);
}

static int64_t
sys_epoll_create1(const uint64_t *args)
{
    uint32_t flags = args[0];
    struct file *file;

    if (flags & ~(uint32_t)EPOLL_CLOEXEC)
        return -EINVAL;
    int error = epoll_create_file(&file);
    return error ? error : fd_add(file, flags & EPOLL_CLOEXEC);
}

static int
epoll_control(struct file *epoll, int op, struct file *file, int fd,
              const struct epoll_event *event)
{
    if (!file->ops->poll)
        return -EPERM;
    if (file == epoll || !file_is_epoll(epoll))
        return -EINVAL;
    switch (op) {
    case EPOLL_CTL_ADD:
        return epoll_add(epoll, file, fd, event);
    case EPOLL_CTL_MOD:
        return epoll_modify(epoll, file, fd, event);
    case EPOLL_CTL_DEL:
        return epoll_remove(epoll, file, fd);
    default:
        return -EINVAL;
    }
}

static int64_t
sys_epoll_ctl(const uint64_t *args)
{
    int op = (int)args[1], fd = (int)args[2], error = -EBADF;
    struct epoll_event event = {};

    if (op != EPOLL_CTL_DEL && copyin(&event, args[3], sizeof(event)))
        return -EFAULT;
    event.events &= ~EPOLLWAKEUP; /* there is no suspending */
    struct fd_ref epoll = fd_borrow((int)args[0]);
    if (!epoll.file)
        return -EBADF;
    struct fd_ref target = fd_borrow(fd);
    if (target.file) {
        error = epoll_control(epoll.file, op, target.file, fd, &event);
        fd_return(target);
    }
    fd_return(epoll);
    return error;
}

static int64_t
epoll_wait(int fd, vaddr_t events, int max, uint64_t deadline)
{
    if (max <= 0 || max > (int)(INT32_MAX / sizeof(struct epoll_event)))
        return -EINVAL;
    if (!user_range(events, (uint64_t)max * sizeof(struct epoll_event)))
        return -EFAULT;
    struct fd_ref ref = fd_borrow(fd);
    if (!ref.file)
        return -EBADF;
    int64_t result = -EINVAL;
    if (file_is_epoll(ref.file))
        result = epoll_wait_events(ref.file, events, max, deadline);
    fd_return(ref);
    return result;
}

/* Wait under a mask, if there is one. args as epoll_pwait's, the deadline made of its fourth. */
static int64_t
epoll_pwait(const uint64_t *args, uint64_t deadline)
{
    uint64_t mask;

    if (args[4]) {
        int error = args[5] == sizeof(mask) ? get_sigset(&mask, args[4], args[5]) : -EINVAL;
        if (error)
            return error;
        signal_set_temporary_mask(mask);
    }
    int64_t result = epoll_wait((int)args[0], args[1], (int)args[2], deadline);
    if (result != -EINTR)
        signal_end_temporary_mask();
    return result;
}

static int64_t
sys_epoll_pwait(const uint64_t *args)
{
    int msec = (int)args[3];

    if (msec < 0)
        return epoll_pwait(args, DEADLINE_NEVER);
    return epoll_pwait(args, msec ? deadline_after((uint64_t)msec * NSEC_PER_MSEC) : POLL_NOW);
}

static int64_t
sys_epoll_pwait2(const uint64_t *args)
{
    struct timespec64 ts;

    if (!args[3])
        return epoll_pwait(args, DEADLINE_NEVER);
    int error = get_timespec(&ts, args[3]);
    if (error)
        return error;
    uint64_t nsec = timespec_nsec(&ts);
    return epoll_pwait(args, nsec ? deadline_after(nsec) : POLL_NOW);
}

static int64_t
sys_timerfd_create(const uint64_t *args)
{
    int clock = (int)args[0];
    uint32_t flags = args[1];
    struct file *file;

    if (flags & ~(uint32_t)CREATE_FLAGS)
        return -EINVAL;
    if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
        !capable(CAP_WAKE_ALARM))
        return -EPERM;
    int error = timerfd_create_file(clock, flags & O_NONBLOCK, &file);
    return error ? error : fd_add(file, flags & O_CLOEXEC);
}

/* A struct itimerspec in user memory: the interval, then the first time. */
static int
get_itimerspec(struct timerfd_spec *spec, vaddr_t user)
{
    struct __kernel_itimerspec raw;
    struct timespec64 ts;

    /* All of it must be readable before any of it is judged. */
    if (copyin(&raw, user, sizeof(raw)))
        return -EFAULT;
    if (raw.it_interval.tv_sec < 0 || raw.it_value.tv_sec < 0 ||
        (uint64_t)raw.it_interval.tv_nsec >= NSEC_PER_SEC ||
        (uint64_t)raw.it_value.tv_nsec >= NSEC_PER_SEC)
        return -EINVAL;
    ts = (struct timespec64){raw.it_interval.tv_sec, (uint32_t)raw.it_interval.tv_nsec};
    spec->interval = timespec_nsec(&ts);
    ts = (struct timespec64){raw.it_value.tv_sec, (uint32_t)raw.it_value.tv_nsec};
    spec->first = timespec_nsec(&ts);
    return 0;
}

static int
put_itimerspec(vaddr_t user, const struct timerfd_spec *spec)
{
    struct timespec64 interval = nsec_timespec(spec->interval), first = nsec_timespec(spec->first);
    struct __kernel_itimerspec raw = {
        .it_interval = {.tv_sec = interval.sec, .tv_nsec = interval.nsec},
        .it_value = {.tv_sec = first.sec, .tv_nsec = first.nsec},
    };

    return copyout(user, &raw, sizeof(raw));
}

/* -EBADF, or -EINVAL if it is no timerfd; else borrowed. */
static int
borrow_timerfd(int fd, struct fd_ref *ref)
{
    *ref = fd_borrow(fd);
    if (!ref->file)
        return -EBADF;
    if (file_is_timerfd(ref->file))
        return 0;
    fd_return(*ref);
    return -EINVAL;
}

static int64_t
sys_timerfd_settime(const uint64_t *args)
{
    uint32_t flags = args[1];
    struct timerfd_spec spec, old;
    struct fd_ref ref;
    int error = get_itimerspec(&spec, args[2]);

    if (error == -EFAULT)
        return error;
    if (error || (flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
        return -EINVAL;
    error = borrow_timerfd((int)args[0], &ref);
    if (error)
        return error;
    error = timerfd_set(ref.file, flags, &spec, &old);
    fd_return(ref);
    if (!error && args[3])
        error = put_itimerspec(args[3], &old);
    return error;
}

static int64_t
sys_timerfd_gettime(const uint64_t *args)
{
    struct timerfd_spec spec;
    struct fd_ref ref;
    int error = borrow_timerfd((int)args[0], &ref);

    if (error)
        return error;
    timerfd_get(ref.file, &spec);
    fd_return(ref);
    return put_itimerspec(args[1], &spec);
}

static int64_t
sys_signalfd4(const uint64_t *args)
{
    int fd = (int)args[0];
    uint32_t flags = args[3];
    uint64_t set;

    int error = args[2] == sizeof(set) ? get_sigset(&set, args[1], args[2]) : -EINVAL;
    if (!error && (flags & ~(uint32_t)CREATE_FLAGS))
        error = -EINVAL;
    if (error)
        return error;
    if (fd == -1) {
        struct file *file;
        error = signalfd_create(set, flags & O_NONBLOCK, &file);
        return error ? error : fd_add(file, flags & O_CLOEXEC);
    }
    struct fd_ref ref = fd_borrow(fd);
    if (!ref.file)
        return -EBADF;
    error = file_is_signalfd(ref.file) ? 0 : -EINVAL;
    if (!error)
        signalfd_change(ref.file, set);
    fd_return(ref);
    return error ? error : fd;
}

static int64_t
sys_memfd_create(const uint64_t *args)
{
    const uint32_t known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    char name[NAME_MAX + 1] = MEMFD_PREFIX;
    const size_t prefix = sizeof(MEMFD_PREFIX) - 1;
    uint32_t flags = args[1];
    struct file *file;

    if (flags & MFD_HUGETLB)
        return -ENOSYS;
    if ((flags & ~known) || (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) == (MFD_EXEC | MFD_NOEXEC_SEAL))
        return -EINVAL;
    ssize_t length = copyinstr(name + prefix, args[0], sizeof(name) - prefix);
    if (length < 0)
        return length == -ENAMETOOLONG ? -EINVAL : length;
    int error = memfd_open(name, flags & MFD_ALLOW_SEALING, flags & MFD_NOEXEC_SEAL, &file);
    return error ? error : fd_add(file, flags & MFD_CLOEXEC);
}

const struct syscall_row eventfile_syscalls[] = {
    {__NR_eventfd2, sys_eventfd2},
    {__NR_epoll_create1, sys_epoll_create1},
    {__NR_epoll_ctl, sys_epoll_ctl},
    {__NR_epoll_pwait, sys_epoll_pwait},
    {__NR_epoll_pwait2, sys_epoll_pwait2},
    {__NR_timerfd_create, sys_timerfd_create},
    {__NR_timerfd_settime, sys_timerfd_settime},
    {__NR_timerfd_gettime, sys_timerfd_gettime},
    {__NR_signalfd4, sys_signalfd4},
    {__NR_memfd_create, sys_memfd_create},
    {0, NULL},
};
