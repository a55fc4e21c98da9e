/*
 * Process groups and sessions: membership; see group.h. What terminals ask
 * about them is in jobs.c.
 */
#include "proc/group.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "mem/slab.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/task.h"

#define MEMBERS_AT_ONCE 8 /* met with the lock held */

static struct slab_cache *group_cache;

void
group_get(struct group *group)
{
    ref_get(&group->refs);
}

void
session_put(struct session *session)
{
    if (!ref_put(&session->refs))
        return;
    pid_clear(session->id, PID_SESSION, session);
    kmfree(session);
}

void
group_put(struct group *group)
{
    if (!ref_put(&group->refs))
        return;
    pid_clear(group->id, PID_GROUP, group);
    session_put(group->session);
    slab_free(group_cache, group);
}

/*
 * An empty group with one reference, to bear proc's number once that is claimed. It owns
 * the caller's reference to session. NULL: memory is out.
 */
static struct group *
group_create(const struct proc *proc, struct session *session)
{
    struct group *group = slab_alloc(group_cache);

    if (!group)
        return NULL;
    *group = (struct group){
        .id = proc->pid, .key = proc->key, .refs = REF_INIT(1), .session = session};
    spin_init(&group->lock, "process group");
    list_init(&group->members);
    list_init(&group->walks);
    return group;
}

/* A session with its first group, neither of which has its number yet. NULL: memory is out. */
static struct group *
session_with_group(const struct proc *proc)
{
    struct session *session = kzalloc(sizeof(*session));

    if (!session)
        return NULL;
    session->id = proc->pid;
    session->key = proc->key;
    ref_init(&session->refs, 1);
    struct group *group = group_create(proc, session);
    if (!group)
        kmfree(session);
    return group;
}

void
group_add(struct group *group, struct proc *child, struct proc *parent)
{
    child->group = group;
    store_relaxed(&child->pgid, group->id);
    store_relaxed(&child->sid, group->session->id);
    /* A walk that has met the parent has met the child, and one that has not will. */
    list_add_after(parent ? &parent->group_link : &group->members, &child->group_link);
}

/* Take a member off; its group and it locked. */
static void
unlist(struct group *group, struct proc *proc)
{
    walk_leave(&group->walks, &proc->group_link);
    list_del(&proc->group_link);
}

void
group_walk_begin(struct group_walk *walk, struct group *group)
{
    *walk = (struct group_walk){.group = group};
    spin_lock(&group->lock);
    walk_begin(&group->walks, &walk->walk, &group->members);
}

struct proc *
group_walk_next_now(struct group_walk *walk)
{
    struct list *node = walk_next(&walk->walk, &walk->group->members);
    return node ? LIST_ENTRY(node, struct proc, group_link) : NULL;
}

struct proc *
group_walk_next(struct group_walk *walk)
{
    if (++walk->nmet % MEMBERS_AT_ONCE == 0) {
        spin_unlock(&walk->group->lock);
        preempt_point();
        spin_lock(&walk->group->lock);
    }
    return group_walk_next_now(walk);
}

void
group_walk_end(struct group_walk *walk)
{
    walk_end(&walk->walk);
    spin_unlock(&walk->group->lock);
}

int
group_create_first(struct proc *proc)
{
    struct group *group = session_with_group(proc);

    if (!group)
        return -ENOMEM;
    pid_set(proc->pid, PID_GROUP, group);
    pid_set(proc->pid, PID_SESSION, group->session);
    group_add(group, proc, NULL);
    return 0;
}

struct group *
proc_group(struct proc *proc)
{
    SCOPED_SPIN(&proc->lock);
    struct group *group = proc->group;

    if (group)
        group_get(group);
    return group;
}

/* The group of a process that has not been released, locked and with a reference. */
static struct group *
lock_group_of(struct proc *proc)
{
    for (;;) {
        struct group *group = proc_group(proc);
        spin_lock(&group->lock);
        if (proc->group == group)
            return group;
        spin_unlock(&group->lock);
        group_put(group);
    }
}

struct group *
group_lock_current(void)
{
    return lock_group_of(current_proc());
}

void
group_leave(struct proc *proc)
{
    struct group *group = lock_group_of(proc);

    spin_lock(&proc->lock);
    unlist(group, proc);
    proc->group = NULL;
    spin_unlock(&proc->lock);
    spin_unlock(&group->lock);
    group_put(group); /* that of lock_group_of() */
    group_put(group);
}

/*
 * Move a process to another group, taking over the reference to it. Both
 * groups are locked, in the order of their addresses, so that a signal to
 * either reaches the process once. `expected` is the group it was seen in.
 * False: it is no longer there. A process may be moved until it is released.
 */
static bool
group_move(struct proc *proc, struct group *expected, struct group *to)
{
    struct group *first = expected < to ? expected : to;
    struct group *second = expected < to ? to : expected;
    bool moved = false;

    spin_lock(&first->lock);
    spin_lock_nested(&second->lock, 1);
    spin_lock(&proc->lock);
    if (proc->group == expected) {
        unlist(expected, proc);
        group_add(to, proc, NULL);
        if (to->session != expected->session)
            proc->no_tty = false;
        moved = true;
    }
    spin_unlock(&proc->lock);
    spin_unlock(&second->lock);
    spin_unlock(&first->lock);
    if (moved)
        group_put(expected);
    return moved;
}

/*
 * A new group for proc, whose number is proc's. NULL with *error 0: there is one already, or
 * proc has been released.
 */
static struct group *
make_group(struct proc *proc, struct session *session, int *error)
{
    ref_get(&session->refs);
    struct group *group = group_create(proc, session);
    if (!group) {
        session_put(session);
        *error = -ENOMEM;
        return NULL;
    }
    if (!pid_claim(proc, group, NULL)) {
        session_put(session);
        slab_free(group_cache, group);
        return NULL;
    }
    return group;
}

/*
 * Move proc from its group `old` to the group numbered pgid, made if that is
 * proc's own number. 0, -EPERM, -ENOMEM; -EAGAIN: something changed, look again.
 */
static int
enter_group(struct proc *proc, struct group *old, uint32_t pgid)
{
    struct group *group = pid_group(pgid);
    int error = 0;

    if (group && group->session != old->session) {
        group_put(group);
        return -EPERM;
    }
    if (!group && pgid != proc->pid)
        return -EPERM;
    if (!group)
        group = make_group(proc, old->session, &error);
    if (!group)
        return error ? error : -EAGAIN;
    if (group_move(proc, old, group))
        return 0;
    group_put(group);
    return -EAGAIN;
}

/* The process one of whose threads, but not the main one, has the number; with a reference, or NULL. */
static struct proc *
proc_of_other_thread(uint32_t number)
{
    struct task *task = pid_task(number);
    struct proc *proc = NULL;

    if (!task)
        return NULL;
    if (task->proc->pid != number) {
        proc = task->proc;
        proc_get(proc);
    }
    task_put(task);
    return proc;
}

/* The process that setpgid() is about: the caller or a child of it that has not exec'd. */
static int
setpgid_target(int pid, struct proc **target)
{
    struct proc *me = current_proc();

    if (pid == 0 || (uint32_t)pid == me->pid) {
        proc_get(me);
        *target = me;
        return 0;
    }
    struct proc *proc = pid_proc((uint32_t)pid);
    if (!proc) {
        proc = proc_of_other_thread((uint32_t)pid);
        if (!proc)
            return -ESRCH;
        proc_put(proc);
        return -EINVAL;
    }
    int error = 0;
    spin_lock(&me->lock);
    if (proc->parent != me || proc->state == PROC_REAPED)
        error = -ESRCH;
    else if (proc->sid != me->sid)
        error = -EPERM;
    else if (__atomic_load_n(&proc->nexecs, __ATOMIC_RELAXED))
        error = -EACCES;
    spin_unlock(&me->lock);
    if (error)
        proc_put(proc);
    *target = proc;
    return error;
}

int64_t
group_set(int pid, int pgid)
{
    struct proc *proc;

    if (pgid < 0 || (pgid == 0 && pid < 0))
        return -EINVAL;
    if (pid < 0)
        return -ESRCH;
    int error = setpgid_target(pid, &proc);
    if (error)
        return error;

    uint32_t wanted = pgid ? (uint32_t)pgid : proc->pid;
    do {
        struct group *old = proc_group(proc);
        if (!old)
            error = -ESRCH;
        else if (old->session->id == proc->pid)
            error = -EPERM;
        else
            error = old->id == wanted ? 0 : enter_group(proc, old, wanted);
        if (old)
            group_put(old);
    } while (error == -EAGAIN);
    proc_put(proc);
    return error;
}

int64_t
session_create(void)
{
    struct proc *proc = current_proc();
    struct group *group = session_with_group(proc);

    if (!group)
        return -ENOMEM;
    if (!pid_claim(proc, group, group->session)) {
        kmfree(group->session);
        slab_free(group_cache, group);
        return -EPERM;
    }
    for (;;) {
        struct group *old = proc_group(proc);
        bool moved = group_move(proc, old, group);
        group_put(old);
        if (moved)
            return proc->pid;
    }
}

/*
 * The process that getpgid() and getsid() are about, named by the number of any thread of it,
 * with a reference; NULL: none.
 */
static struct proc *
asked_for(int pid)
{
    struct proc *proc;

    if (pid < 0)
        return NULL;
    if (pid) {
        proc = pid_proc((uint32_t)pid);
        return proc ? proc : proc_of_other_thread((uint32_t)pid);
    }
    proc = current_proc();
    proc_get(proc);
    return proc;
}

int64_t
group_get_id(int pid)
{
    struct proc *proc = asked_for(pid);

    if (!proc)
        return -ESRCH;
    uint32_t id = __atomic_load_n(&proc->pgid, __ATOMIC_RELAXED);
    proc_put(proc);
    return id;
}

int64_t
session_get_id(int pid)
{
    struct proc *proc = asked_for(pid);

    if (!proc)
        return -ESRCH;
    uint32_t id = __atomic_load_n(&proc->sid, __ATOMIC_RELAXED);
    proc_put(proc);
    return id;
}

/* Does proc's parent keep its group from being orphaned? The group's lock is held. */
static bool
anchors(struct group *group, struct proc *proc)
{
    SCOPED_SPIN(&proc->parent_lock);
    const struct proc *parent = proc->parent;

    return parent && !parent->init &&
           __atomic_load_n(&parent->pgid, __ATOMIC_RELAXED) != group->id &&
           __atomic_load_n(&parent->sid, __ATOMIC_RELAXED) == group->session->id;
}

bool
group_is_orphaned(struct group *group, const struct proc *leaving)
{
    struct group_walk walk;
    struct proc *proc;
    bool anchored = false;

    group_walk_begin(&walk, group);
    while (!anchored && (proc = group_walk_next(&walk)))
        anchored = proc != leaving && __atomic_load_n(&proc->nthreads, __ATOMIC_RELAXED) &&
                   anchors(group, proc);
    group_walk_end(&walk);
    return !anchored;
}

/* Is some member stopped? */
static bool
has_stopped_member(struct group *group)
{
    struct group_walk walk;
    struct proc *proc;
    bool stopped = false;

    group_walk_begin(&walk, group);
    while (!stopped && (proc = group_walk_next(&walk))) {
        SCOPED_SPIN(&proc->lock);
        stopped = proc->stop_signal && proc->nthreads;
    }
    group_walk_end(&walk);
    return stopped;
}

void
group_hang_up_if_orphaned(struct group *group, const struct proc *leaving)
{
    if (!group_is_orphaned(group, leaving) || !has_stopped_member(group))
        return;
    signal_group(group, SIGHUP, NULL);
    signal_group(group, SIGCONT, NULL);
}

void
group_init(void)
{
    group_cache = slab_cache_create("process group", sizeof(struct group), 0);
    jobs_init();
}
