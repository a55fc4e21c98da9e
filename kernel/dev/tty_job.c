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

int
tty_job_check(struct tty *tty, int signal)
{
    if (tty_job_ops.controlling() != tty)
        return 0;
    int group = tty_job_ops.group();
    int foreground = __atomic_load_n(&tty->pgrp, __ATOMIC_RELAXED);
    if (!foreground || foreground == group)
        return 0;
    if (tty_job_ops.ignores(signal))
        return signal == SIGTTIN ? -EIO : 0;
    if (tty_job_ops.is_orphaned())
        return -EIO;
    tty_job_ops.signal_group(group, signal);
    return -ERESTARTSYS;
}

/* Give a terminal nobody has to the current session; says whether it did. */
static bool
claim(struct tty *tty)
{
    int session = tty_job_ops.session(), group = tty_job_ops.group();
    spin_lock(&tty->lock);
    bool free = tty->session == 0;
    if (free) {
        tty->session = session;
        tty->pgrp = group;
    }
    spin_unlock(&tty->lock);
    if (free)
        tty_job_ops.set_controlling(tty);
    return free;
}

void
tty_acquire(struct tty *tty)
{
    if (tty_job_ops.is_session_leader() && !tty_job_ops.controlling())
        claim(tty);
}

/*
 * Take the terminal from `session`: its files die if `hang_up`, its session
 * has it no more. Returns the foreground group; -1 if it was not the session's.
 */
static int
detach(struct tty *tty, int session, bool hang_up)
{
    spin_lock(&tty->lock);
    if (tty->session != session) {
        spin_unlock(&tty->lock);
        return -1;
    }
    int group = tty->pgrp;
    tty->session = tty->pgrp = 0;
    tty->generation += hang_up;
    wake_key(&tty->readers, POLLIN | POLLRDNORM | POLLHUP);
    wake_key(&tty->writers, POLLOUT | POLLWRNORM | POLLHUP | POLLERR);
    spin_unlock(&tty->lock);
    if (session)
        tty_job_ops.clear_controlling(session);
    return group;
}

/* Tell a foreground group that its terminal is gone; stopped ones must wake to hear it. */
static void
signal_hangup(int group)
{
    if (group > 0) {
        tty_job_ops.signal_group(group, SIGHUP);
        tty_job_ops.signal_group(group, SIGCONT);
    }
}

void
tty_session_exit(struct tty *tty, int session)
{
    signal_hangup(detach(tty, session, true));
}

void
tty_hangup(struct tty *tty)
{
    int session = __atomic_load_n(&tty->session, __ATOMIC_RELAXED);
    if (detach(tty, session, true) < 0 || !session)
        return;
    tty_job_ops.signal_session(session, SIGHUP);
    tty_job_ops.signal_session(session, SIGCONT);
}

/* TIOCSCTTY: make it the controlling terminal; with arg 1 root may take it from another session. */
static int
set_controlling(struct file *file, struct tty *tty, uint64_t arg)
{
    int owner = __atomic_load_n(&tty->session, __ATOMIC_RELAXED);
    if (tty_job_ops.is_session_leader() && owner == tty_job_ops.session())
        return 0;
    if (!tty_job_ops.is_session_leader() || tty_job_ops.controlling())
        return -EPERM;
    if (owner) {
        if (arg != 1 || !capable(CAP_SYS_ADMIN))
            return -EPERM;
        detach(tty, owner, false);
    }
    if (!(file->access & FILE_READ) && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    return claim(tty) ? 0 : -EPERM;
}

/* TIOCNOTTY: give it up. A session leader gives it up for the whole session. */
static int
give_up(struct tty *tty)
{
    if (tty_job_ops.controlling() != tty)
        return -ENOTTY;
    if (tty_job_ops.is_session_leader())
        signal_hangup(detach(tty, tty_job_ops.session(), false));
    else
        tty_job_ops.drop_controlling();
    return 0;
}

/* TIOCSPGRP: bring a group of the session into the foreground. */
static int
set_foreground(struct tty *tty, uint64_t arg)
{
    int error = tty_job_check(tty, SIGTTOU);
    if (error)
        return error == -EIO ? -ENOTTY : error;
    int session = tty_job_ops.session();
    if (tty_job_ops.controlling() != tty || tty->session != session)
        return -ENOTTY;
    uint32_t value;
    if (get_user32(&value, arg))
        return -EFAULT;
    int group = (int)value;
    if (group < 0)
        return -EINVAL;
    int its_session = tty_job_ops.session_of_group(group);
    if (its_session < 0)
        return its_session;
    if (its_session != session)
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
        return put_user32(arg, tty->pgrp);
    case TIOCSPGRP:
        return set_foreground(tty, arg);
    case TIOCGSID:
        if (tty_job_ops.controlling() != tty || !tty->session)
            return -ENOTTY;
        return put_user32(arg, tty->session);
    case TIOCVHANGUP:
        if (!capable(CAP_SYS_ADMIN))
            return -EPERM;
        tty_hangup(tty);
        return 0;
    }
    return -ENOIOCTLCMD;
}
