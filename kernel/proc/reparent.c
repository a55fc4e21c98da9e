/*
 * Orphans and their new parents; see reparent.h.
 */
#include "proc/reparent.h"
#include "lib/atomic.h"
#include "proc/exit.h"
#include "proc/group.h"
#include "proc/signal.h"

#define GROUP_BATCH 8
#define CHILD_BATCH 8 /* children that change hands while locks are held */

struct proc *init_proc;

/* What a move collects to be done without locks. */
struct aftermath {
    struct list released;               /* zombies that nobody waits for, by sibling */
    struct group *groups[GROUP_BATCH];  /* counted; may be orphaned now */
    unsigned ngroups;
};

/*
 * The signal that the parent gets. One that it was not born to expect, for it has exec'd
 * since it asked for it, is none that a child may choose.
 */
static int
exit_signal_for(const struct proc *parent, const struct proc *child)
{
    int signo = child->exit_signal;

    if (signo != SIGCHLD && child->parent_nexecs != parent->nexecs)
        return SIGCHLD;
    return signo <= _NSIG ? signo : 0;
}

void
parent_forget(struct proc *child)
{
    child->state = PROC_REAPED;
    list_del(&child->sibling);
    list_del(&child->made_link);
    child->maker = NULL;
    spin_lock(&child->parent_lock);
    child->parent = NULL;
    spin_unlock(&child->parent_lock);
}

bool
exit_notify_parent(struct proc *parent, struct proc *child)
{
    const struct sigaction *action =
        parent->sighand ? &parent->sighand->actions[SIGCHLD - 1] : NULL;
    int signo = exit_signal_for(parent, child);
    bool release = false;
    siginfo_t info __uninitialized; /* exit_child_info() writes it whole */
    int status;

    if (signo == SIGCHLD && action) {
        bool ignored = action->sa_handler == SIG_IGN;
        release = ignored || (action->sa_flags & SA_NOCLDWAIT);
        if (ignored)
            signo = 0;
    }
    if (release) {
        parent_forget(child);
    } else {
        child->state = PROC_ZOMBIE;
        list_move_tail(&parent->zombies, &child->sibling);
    }
    if (signo) {
        int code = exit_code_of(child->exit_status, &status);
        exit_child_info(&info, child, code, status, &child->dead);
        info.si_signo = signo;
        signal_proc_locked(parent, signo, &info);
    }
    wake_key_sync(&parent->child_wait, 0);
    return release;
}

/* The nearest ancestor that adopts, locked and with a reference. */
static struct proc *
lock_reaper(struct proc *proc)
{
    struct proc *from = proc;

    proc_get(from);
    for (;;) {
        struct proc *ancestor = proc_lock_parent(from);
        proc_put(from);
        if (ancestor && (ancestor == init_proc || (ancestor->subreaper && ancestor->adopts)))
            return ancestor;
        /* One that was waited for meanwhile has no parent any more: begin again. */
        if (ancestor) {
            spin_unlock(&ancestor->lock);
            from = ancestor;
        } else {
            proc_get(proc);
            from = proc;
        }
    }
}

/*
 * A child whose group may have lost its last anchor in its parent, whether or not the child
 * itself is stopped. Both parents' locks held.
 */
static void
note_group(struct proc *proc, struct proc *child, struct aftermath *after)
{
    if (child->pgid == proc->pgid || child->sid != proc->sid)
        return;
    spin_lock_nested(&child->lock, 2);
    struct group *group = child->group;
    if (!after->ngroups || after->groups[after->ngroups - 1] != group) {
        group_get(group);
        after->groups[after->ngroups++] = group;
    }
    spin_unlock(&child->lock);
}

/*
 * The thread that made the child ends. Each of the child's threads may have asked for a
 * signal, which comes from the current thread as if by kill(2), so only if that may send it.
 * The parent's lock is held, and with depth 2 a reaper's.
 */
static void
send_death_signals(struct proc *child, unsigned depth)
{
    struct task *task;

    spin_lock_nested(&child->lock, depth);
    LIST_FOREACH(task, &child->threads, link) {
        int signo = __atomic_load_n(&task->death_signal, __ATOMIC_RELAXED);
        siginfo_t info;
        if (!signo || signal_permission(task, signo) < 0)
            continue;
        siginfo_user(&info, signo, SI_USER);
        signal_proc_locked(child, signo, &info);
    }
    spin_unlock(&child->lock);
}

/* A thread of a process that can take over another's children; NULL: all are ending. lock held. */
static struct task *
heir_in(struct proc *proc)
{
    struct task *task;

    LIST_FOREACH(task, &proc->threads, link)
        if (!task->exiting)
            return task;
    return NULL;
}

static void
set_maker(struct proc *child, struct task *maker)
{
    list_del(&child->made_link);
    child->maker = maker;
    if (maker)
        list_add_tail(&maker->made, &child->made_link);
}

static void
set_parent(struct proc *child, struct proc *parent)
{
    set_maker(child, heir_in(parent));
    spin_lock(&child->parent_lock);
    child->parent = parent;
    store_relaxed(&child->parent_pid, parent->pid);
    spin_unlock(&child->parent_lock);
    child->exit_signal = SIGCHLD;
}

/*
 * Move some children, as long as there is room for their groups. Both locks held. True: some
 * are left.
 */
static bool
move_children(struct proc *proc, struct proc *reaper, struct aftermath *after)
{
    struct list *link;
    unsigned left = CHILD_BATCH;

    for (; left && (link = list_first(&proc->children)) && after->ngroups < GROUP_BATCH; left--) {
        struct proc *child = LIST_ENTRY(link, struct proc, sibling);
        list_move_tail(&reaper->children, &child->sibling);
        set_parent(child, reaper);
        send_death_signals(child, 2);
        note_group(proc, child, after);
    }
    for (; left && (link = list_pop(&proc->zombies)); left--) {
        struct proc *child = LIST_ENTRY(link, struct proc, sibling);
        set_parent(child, reaper);
        if (exit_notify_parent(reaper, child))
            list_add_tail(&after->released, &child->sibling);
    }
    return !list_empty(&proc->children) || !list_empty(&proc->zombies);
}

static void
finish(struct aftermath *after)
{
    struct list *link;

    while ((link = list_pop(&after->released)))
        proc_release(LIST_ENTRY(link, struct proc, sibling));
    while (after->ngroups) {
        struct group *group = after->groups[--after->ngroups];
        group_hang_up_if_orphaned(group, NULL);
        group_put(group);
    }
}

void
reparent_made(struct task *task)
{
    struct proc *proc = task->proc;
    bool more = true;

    while (more) {
        spin_lock(&proc->lock);
        struct task *heir = heir_in(proc);
        for (int i = 0; i < CHILD_BATCH && !list_empty(&task->made); i++) {
            struct proc *child = LIST_FIRST(&task->made, struct proc, made_link);
            set_maker(child, heir);
            if (heir)
                send_death_signals(child, 1);
        }
        more = !list_empty(&task->made);
        spin_unlock(&proc->lock);
        preempt_point();
    }
}

void
reparent_children(struct proc *proc)
{
    spin_lock(&proc->lock);
    proc->adopts = false;
    bool more = !list_empty(&proc->children) || !list_empty(&proc->zombies);
    spin_unlock(&proc->lock);

    while (more) {
        struct aftermath after = {.ngroups = 0};
        list_init(&after.released);
        struct proc *reaper = lock_reaper(proc);
        spin_lock_nested(&proc->lock, 1);
        more = move_children(proc, reaper, &after);
        spin_unlock(&proc->lock);
        spin_unlock(&reaper->lock);
        proc_put(reaper);
        finish(&after);
        preempt_point();
    }
}

void
reparent_check_group(struct proc *proc)
{
    struct proc *parent = proc_lock_parent(proc);
    bool anchored = parent->pgid != proc->pgid && parent->sid == proc->sid;

    spin_unlock(&parent->lock);
    proc_put(parent);
    if (!anchored)
        return;
    struct group *group = proc_group(proc);
    group_hang_up_if_orphaned(group, proc);
    group_put(group);
}
