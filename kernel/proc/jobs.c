/*
 * Job control: what a terminal asks about processes (dev/tty.h).
 *
 * The terminal keeps the keys of its session and of the foreground group, a
 * session keeps a pointer to its terminal. The pointer is one word, changed
 * under tty_job.c's mutex, and terminals live for ever. The session itself is
 * kept by its groups, and a group by its members: so the current process's is
 * looked at under proc->lock, without which another thread's setsid(2) may
 * free it, and another's by its key, counted.
 */
#include "dev/tty.h"
#include "lib/atomic.h"
#include "proc/group.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/task.h"

/* A group by its key, with a reference; NULL: it has gone. */
static struct group *
group_of_key(uint64_t key)
{
    struct group *group = pid_group(pid_of_key(key));

    if (group && group->key != key) {
        group_put(group);
        return NULL;
    }
    return group;
}

static struct session *
session_of_key(uint64_t key)
{
    struct session *session = pid_session(pid_of_key(key));

    if (session && session->key != key) {
        session_put(session);
        return NULL;
    }
    return session;
}

static void
signal_key(uint64_t key, int signo, const siginfo_t *info)
{
    struct group *group = group_of_key(key);

    if (!group)
        return;
    if (info)
        signal_group(group, signo, info);
    else
        signal_group_now(group, signo); /* an interrupt may bring the character */
    group_put(group);
}

static void
job_signal_group(uint64_t group, int signo)
{
    signal_key(group, signo, NULL);
}

static void
job_signal_group_as_user(uint64_t group, int signo)
{
    siginfo_t info;

    siginfo_user(&info, signo, SI_USER);
    signal_key(group, signo, &info);
}

static void
job_signal_session(uint64_t key, int signo)
{
    /* While the session lives its number is its leader's or no process's. */
    struct session *session = session_of_key(key);
    struct proc *leader = session ? pid_proc(session->id) : NULL;

    if (leader) {
        signal_proc(leader, signo, NULL);
        proc_put(leader);
    }
    if (session)
        session_put(session);
}

static uint64_t
job_session(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    return proc->group->session->key;
}

static uint64_t
job_group(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    return proc->group->key;
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
job_find_group(uint32_t number, uint64_t *key, uint64_t *session)
{
    struct group *group = pid_group(number);
    struct proc *proc = group ? NULL : pid_proc(number);

    *key = group ? group->key : proc ? proc->key : 0;
    if (proc) {
        group = proc_group(proc);
        proc_put(proc);
    }
    if (!group)
        return -ESRCH;
    *session = group->session->key;
    group_put(group);
    return 0;
}

static struct tty *
job_controlling(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    return proc->no_tty ? NULL : __atomic_load_n(&proc->group->session->tty, __ATOMIC_RELAXED);
}

static void
job_set_controlling(struct tty *tty)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    store_relaxed(&proc->group->session->tty, tty);
    proc->group->session->old_foreground = 0;
}

static void
job_clear_controlling(uint64_t key, uint64_t foreground)
{
    struct session *session = session_of_key(key);

    if (!session)
        return;
    store_relaxed(&session->tty, NULL);
    session->old_foreground = foreground;
    session_put(session);
}

static uint64_t
job_old_foreground(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    return proc->group->session->old_foreground;
}

static void
job_drop_controlling(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);
    proc->no_tty = true;
}

void
jobs_init(void)
{
    tty_job_ops = (struct tty_job_ops){
        .signal_group = job_signal_group,
        .signal_group_as_user = job_signal_group_as_user,
        .signal_session = job_signal_session,
        .session = job_session,
        .group = job_group,
        .is_session_leader = job_is_session_leader,
        .ignores = signal_is_ignored,
        .is_orphaned = job_is_orphaned,
        .find_group = job_find_group,
        .controlling = job_controlling,
        .set_controlling = job_set_controlling,
        .clear_controlling = job_clear_controlling,
        .old_foreground = job_old_foreground,
        .drop_controlling = job_drop_controlling,
    };
}
