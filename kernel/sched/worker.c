/*
 * The worker (see worker.h).
 */
#include "sched/worker.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/spinlock.h"
#include "arch/riscv/trap.h"
#include "sched/thread.h"
#include "sched/wait.h"

static struct spinlock lock = SPINLOCK_INIT("worker");
static struct list works = LIST_INIT(works); /* guarded by lock; oldest first */
static bool wanted;                          /* (A) */
static struct thread *worker;                /* constant once there; NULL: not yet */

bool
worker_runs(void)
{
    return worker;
}

void
work_queue(struct work *work)
{
    spin_lock(&lock);
    if (!work->queued)
        list_add_tail(&works, &work->link);
    work->queued = true;
    spin_unlock(&lock);
    __atomic_store_n(&wanted, true, __ATOMIC_SEQ_CST);
    thread_wake(worker, false);
}

static struct work *
next_work(void)
{
    SCOPED_SPIN(&lock);
    struct work *work = LIST_FIRST(&works, struct work, link);
    if (work) {
        list_del(&work->link);
        work->queued = false;
    }
    return work;
}

static void
do_works(void *unused __unused)
{
    for (;;) {
        __atomic_store_n(&wanted, false, __ATOMIC_SEQ_CST);
        struct work *work = next_work();
        if (!work)
            (void)sleep_unless(&wanted, DEADLINE_NEVER, WAIT_UNINTERRUPTIBLE);
        else if (work->fn(work))
            work_queue(work);
        preempt_point();
    }
}

void
worker_start(void)
{
    worker = kthread_create("worker", do_works, NULL);
    if (!worker)
        panic("no memory for the thread that does what takes long");
}
