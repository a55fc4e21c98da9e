/*
 * signalfd.
 *
 * The file holds a set and nothing else: what it reads is whatever waits for
 * the thread that reads it, or for that thread's process. So there is no queue
 * that belongs to the file. Each process has one queue, for all signalfds that
 * its threads read, poll, or have had an epoll watch. A signal to the process wakes
 * it, and each waiting thread looks again, under the process's lock. As on Linux an
 * epoll is told of signals to the process that made it watch the file, whichever
 * process asks it. Its item may stay longer than that process, so the queue is
 * counted.
 */
#include "proc/signalfd.h"

#include <linux/signalfd.h>
#include "lib/atomic.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/signal.h"
#include "vfs/file.h"

/* Guarded by: (A) atomic */
struct signalfd {
    uint64_t set; /* (A) */
};

/* Is it of the kind whose si_code says what the siginfo holds? */
static bool
code_is_own(const siginfo_t *info)
{
    return info->si_code > SI_USER && info->si_code < SI_KERNEL;
}

/* The fields that the signal's kind gives a meaning; signalfd(2). */
static void
fill_kind(struct signalfd_siginfo *out, const siginfo_t *info)
{
    bool fault = sigbit(info->si_signo) & SIGSET_SYNCHRONOUS;

    if (code_is_own(info) && info->si_signo == SIGCHLD) {
        out->ssi_pid = (uint32_t)info->si_pid;
        out->ssi_uid = info->si_uid;
        out->ssi_status = info->si_status;
        out->ssi_utime = (uint64_t)info->si_utime;
        out->ssi_stime = (uint64_t)info->si_stime;
    } else if (code_is_own(info) && fault) {
        out->ssi_addr = (uint64_t)info->si_addr;
    } else if (code_is_own(info) || info->si_code == SI_SIGIO) {
        out->ssi_band = (uint32_t)info->si_band;
        out->ssi_fd = info->si_fd;
    } else if (info->si_code == SI_TIMER) {
        out->ssi_tid = (uint32_t)info->si_tid;
        out->ssi_overrun = (uint32_t)info->si_overrun;
        out->ssi_ptr = (uint64_t)info->si_ptr;
        out->ssi_int = info->si_int;
    } else {
        out->ssi_pid = (uint32_t)info->si_pid;
        out->ssi_uid = info->si_uid;
        if (info->si_code < 0) {
            out->ssi_ptr = (uint64_t)info->si_ptr;
            out->ssi_int = info->si_int;
        }
    }
}

static bool
put_siginfo(struct uio *uio, const siginfo_t *info)
{
    struct signalfd_siginfo out;

    _Static_assert(sizeof(out) == 128, "signalfd(2)");
    memset(&out, 0, sizeof(out));
    out.ssi_signo = (uint32_t)info->si_signo;
    out.ssi_errno = info->si_errno;
    out.ssi_code = info->si_code;
    fill_kind(&out, info);
    return uio_copyout(uio, &out, sizeof(out)) == sizeof(out);
}

/* Take a signal of the file's set; wait for one if `wait`. Its number, -EAGAIN, -ERESTARTSYS. */
static int
take_signal(struct signalfd *sfd, siginfo_t *info, bool wait)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    SCOPED_SPIN(&proc->lock);

    for (;;) {
        int signo = signal_dequeue(task, __atomic_load_n(&sfd->set, __ATOMIC_RELAXED), info);
        if (signo) {
            signal_recalc(task);
            return signo;
        }
        if (!wait)
            return -EAGAIN;
        if (wait_on(&proc->signalfds->queue, &proc->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER))
            return -ERESTARTSYS;
    }
}

static ssize_t
signalfd_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct signalfd *sfd = file->private;
    ssize_t done = 0;
    siginfo_t info;

    if (uio->residue < sizeof(struct signalfd_siginfo))
        return -EINVAL;
    while (uio->residue >= sizeof(struct signalfd_siginfo)) {
        int signo = take_signal(sfd, &info, !done && !(file->flags & O_NONBLOCK) && !uio->nowait);
        if (signo < 0)
            return done ? done : signo;
        if (!put_siginfo(uio, &info))
            return done ? done : -EFAULT;
        done += (ssize_t)sizeof(struct signalfd_siginfo);
    }
    return done;
}

static uint32_t
signalfd_poll(struct file *file, struct poll_table *table)
{
    struct signalfd *sfd = file->private;
    struct task *task = current_task();

    poll_wait(table, file, &task->proc->signalfds->queue);
    SCOPED_SPIN(&task->proc->lock);
    uint64_t waiting = task->pending.set | task->proc->pending.set;
    return waiting & __atomic_load_n(&sfd->set, __ATOMIC_RELAXED) ? POLLIN : 0;
}

void
signalfd_change(struct file *file, uint64_t set)
{
    struct signalfd *sfd = file->private;

    store_relaxed(&sfd->set, set & ~SIGSET_UNBLOCKABLE);
    wake_all(&current_proc()->signalfds->queue);
}

static int64_t
signalfd_seek(struct file *file __unused, int64_t offset __unused, int whence __unused)
{
    return 0;
}

static void
signalfd_release(struct file *file)
{
    kmfree(file->private);
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .seek = signalfd_seek,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .nowait = true,
    .unseekable = true, /* whoever waits must not hold a position */
};

bool
file_is_signalfd(const struct file *file)
{
    return file->ops == &signalfd_ops;
}

int
signalfd_create(uint64_t set, uint32_t flags, struct file **file)
{
    struct signalfd *sfd = kmalloc(sizeof(*sfd));

    if (!sfd)
        return -ENOMEM;
    sfd->set = set & ~SIGSET_UNBLOCKABLE;
    int error =
        file_anonymous("signalfd", &signalfd_ops, sfd, FILE_READ | FILE_WRITE, flags, file);
    if (error)
        kmfree(sfd);
    return error;
}
