/*
 * Job control: what a terminal asks about processes (dev/tty.h).
 *
 * The terminal keeps the numbers of its session and of the foreground group,
 * a session keeps a pointer to its terminal. The pointer is one word, set by
 * the session's leader and cleared by whoever hangs up, so it needs no lock;
 * terminals live for ever.
 */
#include "dev/tty.h"
#include "lib/atomic.h"
#include "proc/group.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/task.h"

/* The current process's session, which is alive as long as the process is in it. */
static struct session *
current_session(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    return proc->group->session;
}

static void
job_signal_group(int pgrp, int signo)
{
    struct group *group = pid_group((uint32_t)pgrp);

    if (!group)
        return;
    signal_group(group, signo, NULL);
    group_put(group);
}

static void
job_signal_session(int session, int signo)
{
    struct proc *leader = pid_proc((uint32_t)session);

    if (!leader)
        return;
    signal_proc(leader, signo, NULL);
    proc_put(leader);
}

static int
job_session(void)
{
    return (int)current_proc()->sid;
}

static int
job_group(void)
{
    return (int)current_proc()->pgid;
}

static bool
job_is_session_leader(void)
{
    return current_proc()->sid == current_proc()->pid;
}

static bool
job_is_orphaned(void)
{
    struct group *group = proc_group(current_proc());
    bool orphaned = group_is_orphaned(group, NULL);

    group_put(group);
    return orphaned;
}

static int
job_session_of_group(int pgrp)
{
    struct group *group = pid_group((uint32_t)pgrp);

    if (!group)
        return -ESRCH;
    int id = (int)group->session->id;
    group_put(group);
    return id;
}

static struct tty *
job_controlling(void)
{
    if (current_proc()->no_tty)
        return NULL;
    return __atomic_load_n(&current_session()->tty, __ATOMIC_RELAXED);
}

static void
job_set_controlling(struct tty *tty)
{
    store_relaxed(&current_session()->tty, tty);
}

static void
job_clear_controlling(int id)
{
    struct session *session = pid_session((uint32_t)id);

    if (!session)
        return;
    store_relaxed(&session->tty, NULL);
    session_put(session);
}

static void
job_drop_controlling(void)
{
    current_proc()->no_tty = true;
}

void
jobs_leader_exit(void)
{
    struct proc *proc = current_proc();

    if (proc->sid != proc->pid)
        return;
    struct tty *tty = __atomic_load_n(&current_session()->tty, __ATOMIC_RELAXED);
    if (tty)
        tty_session_exit(tty, (int)proc->sid);
}

void
jobs_init(void)
{
    tty_job_ops = (struct tty_job_ops){
        .signal_group = job_signal_group,
        .signal_session = job_signal_session,
        .session = job_session,
        .group = job_group,
        .is_session_leader = job_is_session_leader,
        .ignores = signal_is_ignored,
        .is_orphaned = job_is_orphaned,
        .session_of_group = job_session_of_group,
        .controlling = job_controlling,
        .set_controlling = job_set_controlling,
        .clear_controlling = job_clear_controlling,
        .drop_controlling = job_drop_controlling,
    };
}
