/*
 * Waiting for children: wait4(2), waitid(2); see exit.h.
 *
 * Living children and zombies are on two lists of the parent, so that a wait
 * for any child that has ended takes the first zombie, however many children
 * live.
 */
#include <linux/wait.h>
#include "lib/errno.h"
#include "proc/exit.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/reparent.h"
#include "proc/signal.h"

/* Is the child one that is asked for? The parent's lock is held. */
static bool
eligible(const struct wait_request *request, const struct proc *child)
{
    if (request->kind == WAIT_PID && child->pid != request->id)
        return false;
    if (request->kind == WAIT_GROUP && child->pgid != request->id)
        return false;
    if ((request->options & __WNOTHREAD) && child->maker != current_task())
        return false;
    bool clone = child->exit_signal != SIGCHLD;
    return (request->options & __WALL) || clone == !!(request->options & __WCLONE);
}

/* The child's lock is held, or it is dead. */
static void
fill_result(struct wait_result *result, struct proc *child)
{
    result->pid = child->pid;
    result->uid = proc_uid(child);
    proc_usage_locked(child, &result->usage);
    usage_add(&result->usage, &child->children_usage);
}

/* A dead child: its status, and unless WNOWAIT its end. lock held; returns true when it was let go. */
static bool
take_zombie(struct proc *proc, struct proc *child, const struct wait_request *request,
            struct wait_result *result)
{
    fill_result(result, child);
    result->raw = child->exit_status;
    result->code = exit_code_of(child->exit_status, &result->status);
    if (request->options & WNOWAIT)
        return false;
    parent_forget(child);
    usage_add(&proc->children_usage, &result->usage);
    spin_unlock(&proc->lock);
    proc_release(child);
    return true;
}

/*
 * The same for a child that lives: what its threads used, who may be thousands, is added when no
 * lock is held any more. Its lock is held.
 */
static void
fill_living(struct wait_result *result, struct proc *child)
{
    result->pid = child->pid;
    result->uid = proc_uid(child);
    result->usage = child->children_usage;
    result->living = child;
    proc_get(child);
}

static void
add_living(struct wait_result *result)
{
    struct usage usage;

    proc_usage(result->living, &usage);
    usage_add(&result->usage, &usage);
    proc_put(result->living);
}

/* A child that is stopped, or has been continued, and was not waited for since. Its lock is held. */
static bool
take_stop(struct proc *child, const struct wait_request *request, struct wait_result *result)
{
    bool keep = request->options & WNOWAIT;

    if ((request->options & WSTOPPED) && child->stop_unwaited) {
        fill_living(result, child);
        result->code = CLD_STOPPED;
        result->status = child->stop_unwaited;
        result->raw = child->stop_unwaited << 8 | 0x7f;
        if (!keep)
            child->stop_unwaited = 0;
        return true;
    }
    if ((request->options & WCONTINUED) && child->continue_unwaited) {
        fill_living(result, child);
        result->code = CLD_CONTINUED;
        result->status = SIGCONT;
        result->raw = 0xffff;
        if (!keep)
            child->continue_unwaited = false;
        return true;
    }
    return false;
}

/* The same for a child whose lock is not held; its parent's is. */
static bool
take_report(struct proc *child, const struct wait_request *request, struct wait_result *result)
{
    if (!(request->options & (WSTOPPED | WCONTINUED)))
        return false;
    /* What comes after this look is told to us, under our lock. Thousands may have nothing to report. */
    if (!__atomic_load_n(&child->stop_unwaited, __ATOMIC_RELAXED) &&
        !__atomic_load_n(&child->continue_unwaited, __ATOMIC_RELAXED))
        return false;
    spin_lock_nested(&child->lock, 1);
    bool taken = take_stop(child, request, result);
    spin_unlock(&child->lock);
    return taken;
}

enum look { FOUND, FOUND_UNLOCKED, NOTHING_YET, NO_CHILD };

/* Look at one child. lock held, unless it says otherwise. */
static enum look
consider(struct proc *proc, struct proc *child, const struct wait_request *request,
         struct wait_result *result)
{
    if (!eligible(request, child))
        return NO_CHILD;
    if (child->state == PROC_ZOMBIE && !(request->options & WEXITED))
        return NO_CHILD;
    if (child->state == PROC_ZOMBIE)
        return take_zombie(proc, child, request, result) ? FOUND_UNLOCKED : FOUND;
    return take_report(child, request, result) ? FOUND : NOTHING_YET;
}

/* Look through the children once. lock held, unless it says otherwise. */
static enum look
look(struct proc *proc, const struct wait_request *request, struct wait_result *result)
{
    bool reports = request->options & (WSTOPPED | WCONTINUED);
    enum look outcome = NO_CHILD;
    struct proc *child;

    LIST_FOREACH(child, &proc->zombies, sibling) {
        enum look found = consider(proc, child, request, result);
        if (found != NO_CHILD)
            return found;
    }
    LIST_FOREACH(child, &proc->children, sibling) {
        enum look found = consider(proc, child, request, result);
        if (found == FOUND)
            return found;
        if (found == NOTHING_YET)
            outcome = found;
        if (found == NOTHING_YET && !reports)
            break;
    }
    return outcome;
}

/* The same for the one child that is asked for by its number. */
static enum look
look_at(struct proc *proc, struct proc *child, const struct wait_request *request,
        struct wait_result *result)
{
    if (!child || child->parent != proc || child->state == PROC_REAPED)
        return NO_CHILD;
    return consider(proc, child, request, result);
}

int
wait_for_child(const struct wait_request *request, struct wait_result *result)
{
    struct proc *proc = current_proc();
    struct proc *one = request->kind == WAIT_PID ? pid_proc(request->id) : NULL;
    int error = 0;
    enum look found;

    result->pid = 0;
    result->living = NULL;
    spin_lock(&proc->lock);
    do {
        found = request->kind == WAIT_PID ? look_at(proc, one, request, result)
                                          : look(proc, request, result);
        if (found == NO_CHILD)
            error = -ECHILD;
        if (found != NOTHING_YET || (request->options & WNOHANG))
            break;
        error = wait_on(&proc->child_wait, &proc->lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER);
    } while (!error);
    if (found != FOUND_UNLOCKED)
        spin_unlock(&proc->lock);
    if (result->living)
        add_living(result);
    if (one)
        proc_put(one);
    return error == -EINTR ? -ERESTARTSYS : error;
}
