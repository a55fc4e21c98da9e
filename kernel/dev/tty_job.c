/*
 * Job control: which session a terminal belongs to, which process group is in
 * its foreground, and what happens to the others.
 *
 * A session leader without a terminal gets one by opening it (tty_acquire) or
 * by TIOCSCTTY. A process of another group of the session that reads, changes
 * settings, or (with TOSTOP) writes, gets its whole group stopped by SIGTTIN
 * or SIGTTOU, and its call is begun again once it is continued.
 */
#include <linux/capability.h>
#include <linux/signal.h>
#include "dev/tty.h"
#include "vfs/cred.h"
#include "vm/usercopy.h"

struct tty_job_ops tty_job_ops;

/* Guards which session has which terminal, on both sides; comes before tty->lock. */
static struct mutex control = MUTEX_INIT(control, "controlling terminals");

int
tty_job_check(struct tty *tty, int signal)
{
    if (tty_job_ops.controlling() != tty)
        return 0;
    uint64_t group = tty_job_ops.group();
    uint64_t foreground = __atomic_load_n(&tty->pgrp, __ATOMIC_RELAXED);
    if (!foreground || foreground == group)
        return 0;
    if (tty_job_ops.ignores(signal))
        return signal == SIGTTIN ? -EIO : 0;
    if (tty_job_ops.is_orphaned())
        return -EIO;
    tty_job_ops.signal_group(group, signal);
    return -ERESTARTSYS;
}

/* Give a terminal that controls no session to the current one. control held. */
static void
claim(struct tty *tty)
{
    uint64_t session = tty_job_ops.session(), group = tty_job_ops.group();

    spin_lock(&tty->lock);
    tty->session = session;
    tty->pgrp = group;
    spin_unlock(&tty->lock);
    tty_job_ops.set_controlling(tty);
}

void
tty_acquire(struct tty *tty)
{
    if (!tty_job_ops.is_session_leader())
        return;
    SCOPED_LOCK(&control);
    if (!tty->session && !tty_job_ops.controlling())
        claim(tty);
}

/*
 * Take the terminal from the session that it controls: its files die if `hang_up`. Returns
 * the foreground group. control held.
 */
static uint64_t
detach(struct tty *tty, bool hang_up)
{
    spin_lock(&tty->lock);
    uint64_t session = tty->session, group = tty->pgrp;
    tty->session = tty->pgrp = 0;
    tty->generation += hang_up;
    wake_key(&tty->readers, POLLIN | POLLRDNORM | POLLHUP);
    wake_key(&tty->writers, POLLOUT | POLLWRNORM | POLLHUP | POLLERR);
    spin_unlock(&tty->lock);
    if (session)
        tty_job_ops.clear_controlling(session, hang_up ? group : 0);
    return group;
}

void
tty_session_exit(void)
{
    SCOPED_LOCK(&control);
    struct tty *tty = tty_job_ops.controlling();

    if (tty) {
        uint64_t group = detach(tty, true);
        if (group)
            tty_job_ops.signal_group(group, SIGHUP);
        return;
    }
    uint64_t group = tty_job_ops.old_foreground();
    if (group) {
        tty_job_ops.signal_group(group, SIGHUP);
        tty_job_ops.signal_group(group, SIGCONT);
    }
}

void
tty_hangup(struct tty *tty)
{
    SCOPED_LOCK(&control);
    uint64_t session = tty->session;

    detach(tty, true);
    if (session) {
        tty_job_ops.signal_session(session, SIGHUP);
        tty_job_ops.signal_session(session, SIGCONT);
    }
}

/* TIOCSCTTY: make it the controlling terminal; with arg 1 root may take it from another session. */
static int
set_controlling(struct file *file, struct tty *tty, uint64_t arg)
{
    bool leader = tty_job_ops.is_session_leader();
    SCOPED_LOCK(&control);

    if (leader && tty->session == tty_job_ops.session())
        return 0;
    if (!leader || tty_job_ops.controlling())
        return -EPERM;
    if (tty->session && (arg != 1 || !capable(CAP_SYS_ADMIN)))
        return -EPERM;
    if (!(file->access & FILE_READ) && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (tty->session)
        detach(tty, false);
    claim(tty);
    return 0;
}

/* TIOCNOTTY: give it up. A session leader gives it up for the whole session. */
static int
give_up(struct tty *tty)
{
    SCOPED_LOCK(&control);

    if (tty_job_ops.controlling() != tty)
        return -ENOTTY;
    if (!tty_job_ops.is_session_leader()) {
        tty_job_ops.drop_controlling();
        return 0;
    }
    uint64_t group = detach(tty, false);
    if (group) {
        tty_job_ops.signal_group_as_user(group, SIGHUP);
        tty_job_ops.signal_group_as_user(group, SIGCONT);
    }
    return 0;
}

/* TIOCSPGRP: bring a group of the session into the foreground. */
static int
set_foreground(struct tty *tty, uint64_t arg)
{
    uint64_t group, session;
    uint32_t number;

    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error == -EIO ? -ENOTTY : error;
    if (get_user32(&number, arg))
        return -EFAULT;
    if ((int)number < 0)
        return -EINVAL;
    SCOPED_LOCK(&control);
    if (tty_job_ops.controlling() != tty || tty->session != tty_job_ops.session())
        return -ENOTTY;
    error = tty_job_ops.find_group(number, &group, &session);
    if (error)
        return error;
    if (session != tty->session)
        return -EPERM;
    SCOPED_SPIN(&tty->lock);
    tty->pgrp = group;
    return 0;
}

int64_t
tty_job_ioctl(struct file *file, struct tty *tty, uint32_t command, uint64_t arg)
{
    switch (command) {
    case TIOCSCTTY:
        return set_controlling(file, tty, arg);
    case TIOCNOTTY:
        return give_up(tty);
    case TIOCGPGRP:
        if (tty_job_ops.controlling() != tty)
            return -ENOTTY;
        return put_user32(arg, (uint32_t)tty->pgrp);
    case TIOCSPGRP:
        return set_foreground(tty, arg);
    case TIOCGSID:
        if (tty_job_ops.controlling() != tty || !tty->session)
            return -ENOTTY;
        return put_user32(arg, (uint32_t)tty->session);
    case TIOCVHANGUP:
        if (!capable(CAP_SYS_ADMIN))
            return -EPERM;
        tty_hangup(tty);
        return 0;
    }
    return -ENOIOCTLCMD;
}
