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
#include "proc/signal.h"

/* Is the child one that is asked for? The parent's lock is held. */
static bool
eligible(const struct wait_request *request, const struct proc *child)
{
    if (request->kind == WAIT_PID && child->pid != request->id)
        return false;
    if (request->kind == WAIT_GROUP && child->pgid != request->id)
        return false;
    if ((request->options & __WNOTHREAD) && child->parent_tid != current_task()->tid)
        return false;
    bool clone = child->exit_signal != SIGCHLD;
    return (request->options & __WALL) || clone == !!(request->options & __WCLONE);
}

static void
fill_result(struct wait_result *result, struct proc *child)
{
    result->pid = child->pid;
    result->uid = proc_uid(child);
    result->usage = child->dead;
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
    list_del(&child->sibling);
    child->state = PROC_REAPED;
    usage_add(&proc->children_usage, &result->usage);
    spin_unlock(&proc->lock);
    proc_release(child);
    return true;
}

/* A child that stopped or continued and has not been reported. lock held. */
static bool
take_report(struct proc *child, const struct wait_request *request, struct wait_result *result)
{
    bool keep = request->options & WNOWAIT;

    if ((request->options & WSTOPPED) && child->report_stop) {
        fill_result(result, child);
        result->code = CLD_STOPPED;
        result->status = child->report_stop;
        result->raw = child->report_stop << 8 | 0x7f;
        if (!keep)
            child->report_stop = 0;
        return true;
    }
    if ((request->options & WCONTINUED) && child->report_continue) {
        fill_result(result, child);
        result->code = CLD_CONTINUED;
        result->status = SIGCONT;
        result->raw = 0xffff;
        if (!keep)
            child->report_continue = false;
        return true;
    }
    return false;
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
    if (one)
        proc_put(one);
    return error == -EINTR ? -ERESTARTSYS : error;
}
