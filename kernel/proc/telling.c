/*
 * See telling.h.
 */
#include "proc/telling.h"
#include "lib/atomic.h"
#include "proc/fork.h"

#define TOLD_AT_ONCE 16

void
thread_condemn(struct task *task)
{
    store_release(&task->must_die, true);
    thread_set_work(&task->thread, WORK_SIGNAL);
    thread_interrupt(&task->thread);
    vfork_interrupt(task);
}

static void
tell(struct proc *proc, struct task *task)
{
    if (proc->group_exit) {
        thread_condemn(task);
    } else {
        thread_set_work(&task->thread, WORK_SIGNAL);
        thread_interrupt(&task->thread);
    }
}

/* Tell some threads. True: there are more. lock held. */
static bool
tell_some(struct proc *proc)
{
    struct telling *telling = &proc->telling;
    struct list *node;

    for (int i = 0; i < TOLD_AT_ONCE && (node = walk_next(&telling->walk, &proc->threads)); i++)
        tell(proc, LIST_ENTRY(node, struct task, link));
    if (telling->walk.next != &proc->threads)
        return true;
    walk_end(&telling->walk);
    telling->on = telling->again;
    telling->again = false;
    if (telling->on)
        walk_begin(&proc->walks, &telling->walk, &proc->threads);
    return telling->on;
}

static bool
go_on(struct work *work)
{
    struct proc *proc = container_of(work, struct proc, telling.work);

    spin_lock(&proc->lock);
    bool more = tell_some(proc);
    spin_unlock(&proc->lock);
    if (!more)
        proc_put(proc);
    return more;
}

void
proc_tell_threads(struct proc *proc)
{
    struct telling *telling = &proc->telling;

    if (telling->on) {
        telling->again = true;
        return;
    }
    telling->on = true;
    walk_begin(&proc->walks, &telling->walk, &proc->threads);
    if (!tell_some(proc))
        return;
    proc_get(proc);
    work_queue(&telling->work);
}

bool
told_or_tell(struct proc *proc)
{
    struct task *me = current_task();

    if ((proc->group_exit || (proc->execing && proc->execing != me)) && !me->must_die)
        thread_condemn(me);
    else if (proc->stop_signal)
        thread_set_work(&me->thread, WORK_SIGNAL);
    return thread_interrupted();
}

void
telling_init(struct proc *proc)
{
    proc->telling.work.fn = go_on;
    list_init(&proc->telling.work.link);
}
