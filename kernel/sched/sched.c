/*
 * The scheduler: switching, waking, placing.
 *
 * A queue's lock is held from the choice of the next thread until the switch
 * is complete: the thread that leaves takes it, the one that arrives lets it
 * go (finish_switch). So whoever holds the lock sees each thread of the queue
 * either wholly on its hart (on_hart) or wholly off it.
 *
 * Where a woken thread goes:
 *
 *      the waker is about to sleep ("sync": a pipe's writer, an exiting child;
 *      or it wakes a thread of its own address space, and nothing waits here)
 *              here, behind the waker: no interrupt, and what it will read is
 *              in this hart's cache
 *      its last hart, or any other, idles
 *              there, with an interrupt
 *      else    its last hart
 *
 * A waker that keeps running all the same would starve the one it woke while
 * another hart idles; the tick sees that, hands the work to an idle hart, and
 * the waker is not trusted again until it has slept DISTRUST times.
 */
#include <linux/sched.h>

#include "arch/riscv/csr.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/tlb.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/hostile.h"
#include "lib/string.h"
#include "mem/block.h"
#include "mem/kspace.h"
#include "sched/runqueue.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sched/wait.h"

void swtch(struct context *from, struct context *to);
void thread_first_run(void);

static struct thread idle_threads[MAX_HARTS];

static bool
is_idle(const struct thread *thread)
{
    return thread == this_hart()->idle;
}

/* The second half of a switch, in the thread that arrives. */
static void
finish_switch(void)
{
    struct hart *hart = this_hart();
    struct runqueue *queue = &runqueues[hart->index];
    struct thread *previous = queue->previous;
    previous->on_hart = false;
    void (*on_dead)(struct thread *) = previous->state == THREAD_DEAD ? previous->on_dead : NULL;
    spin_unlock(&queue->lock);
    struct thread *self = hart->current;
    if (self->mmu && (thread_trapframe(self)->sstatus & SSTATUS_FS)) {
        csr_set("sstatus", SSTATUS_FS);
        hart_sstatus_changed();
        fp_load(&self->fp);
    }
    if (on_dead)
        on_dead(previous);
}

void
thread_first_run(void)
{
    finish_switch();
}

/* Save what the switch itself does not: the FP registers, if they changed. */
static void
save_fp(struct thread *thread)
{
    if (!thread->mmu)
        return;
    struct trapframe *tf = thread_trapframe(thread);
    if ((tf->sstatus & SSTATUS_FS) == SSTATUS_FS_DIRTY) {
        csr_set("sstatus", SSTATUS_FS);
        hart_sstatus_changed();
        fp_save(&thread->fp);
        tf->sstatus = (tf->sstatus & ~SSTATUS_FS) | SSTATUS_FS_CLEAN;
    }
}

static void
set_current(struct hart *hart, struct thread *next)
{
    hart->current = next;
    hart->work = &next->work;
    hart->kernel_sp = next->kstack;
#ifdef DEBUG
    hart->mutexes_held = &next->mutexes;
#endif
}

/* Run `next` instead of `self`. The queue's lock is held, and let go on the other side. */
static void
switch_to(struct runqueue *queue, struct thread *self, struct thread *next, uint64_t now)
{
    struct hart *hart = this_hart();
    next->state = THREAD_RUNNING;
    next->on_hart = true;
    next->ran_since = now;
    queue->current = next;
    queue->previous = self;
    queue->nswitches++;
    save_fp(self);
    set_current(hart, next);
    mmu_switch(next->mmu);
    if (!is_idle(next) && queue->tick_deadline == DEADLINE_NEVER) {
        queue->tick_deadline = now + TICK_NSEC;
        timer_program();
    }
    swtch(&self->context, &next->context);
    finish_switch();
}

/* Put a thread that may no longer run on this hart on another's queue. Lock held, and held again. */
static void
expel(struct runqueue *queue, struct thread *thread)
{
    uint32_t target = ctz64(thread->affinity & harts_online);
    thread->hart = target;
    spin_unlock(&queue->lock);
    struct runqueue *other = &runqueues[target];
    spin_lock(&other->lock);
    thread->vruntime = max(thread->vruntime, other->min_vruntime);
    runqueue_add(other, thread);
    spin_unlock(&other->lock);
    sbi_send_ipi(BIT(target));
    spin_lock(&queue->lock);
}

/* The thread to run next, taken out of the tree. */
static struct thread *
pick_next(struct runqueue *queue)
{
    struct hart *hart = this_hart();
    struct thread *next;
    while ((next = runqueue_first(queue))) {
        runqueue_remove(queue, next);
        if (likely(next->affinity & BIT(hart->index)))
            return next;
        expel(queue, next);
    }
    return hart->idle;
}

/* Leave a hart that the affinity no longer allows: sleep for a moment; the wake chooses another. */
static void
migrate(void)
{
    sleep_until(clock_now(), WAIT_UNINTERRUPTIBLE);
}

void
schedule(void)
{
    lockcheck_may_sleep("schedule");
    struct runqueue *queue = this_runqueue();
    struct thread *self = current_thread();
    uint64_t now = clock_now();

    if (unlikely(!(self->affinity & BIT(this_hart()->index))) && self->state == THREAD_RUNNING) {
        migrate();
        return;
    }
    spin_lock(&queue->lock);
    __atomic_fetch_and(&self->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
    if (is_idle(self))
        queue->idle_nsec += now - self->ran_since;
    else
        runqueue_charge(queue, self, now);
    if (self->state == THREAD_RUNNING && !is_idle(self)) {
        if (queue->nready == 0) {
            spin_unlock(&queue->lock);
            return;
        }
        self->state = THREAD_READY;
        self->ninvoluntary++;
        runqueue_add(queue, self);
    } else {
        self->nvoluntary++;
        self->distrust -= self->distrust > 0;
    }
    struct thread *next = pick_next(queue);
    if (next == self) {
        self->state = THREAD_RUNNING;
        self->ran_since = now;
        spin_unlock(&queue->lock);
        return;
    }
    switch_to(queue, self, next, now);
}

void
thread_yield(void)
{
    struct runqueue *queue = this_runqueue();
    if (__atomic_load_n(&queue->nready, __ATOMIC_RELAXED) == 0)
        return;
    struct thread *self = current_thread();
    spin_lock(&queue->lock);
    struct thread *first = runqueue_first(queue);
    if (first && first->run_key >= 0 && self->vruntime <= (uint64_t)first->run_key)
        self->vruntime = first->run_key + 1;
    spin_unlock(&queue->lock);
    schedule();
}

void
thread_exit(void (*on_dead)(struct thread *thread))
{
    struct thread *self = current_thread();
    self->on_dead = on_dead;
    self->state = THREAD_DEAD;
    schedule();
    panic("%s runs on after its death", self->name);
}

/* Which hart's queue a woken thread goes to. */
static uint32_t
choose_hart(const struct thread *thread, bool sync)
{
    uint32_t here = this_hart()->index;
    cpumask_t allowed = thread->affinity & __atomic_load_n(&harts_online, __ATOMIC_RELAXED);
    const struct thread *waker = current_thread();
    if (!sync)
        sync = thread->mmu && thread->mmu == waker->mmu && this_runqueue()->nready == 0;
    if (sync && (allowed & BIT(here)) && waker->distrust == 0)
        return here;
    cpumask_t idle = __atomic_load_n(&idle_harts, __ATOMIC_RELAXED) & allowed;
    if (is_idle(waker))
        idle |= BIT(here) & allowed;
    if (idle & BIT(thread->hart))
        return thread->hart;
    if (idle)
        return idle & BIT(here) ? here : ctz64(idle);
    if (allowed & BIT(thread->hart))
        return thread->hart;
    return allowed & BIT(here) ? here : ctz64(allowed);
}

/* While work waits behind the running thread and another hart idles, look again soon. */
static void
hasten_tick(struct runqueue *queue)
{
    if (!__atomic_load_n(&idle_harts, __ATOMIC_RELAXED))
        return;
    uint64_t soon = clock_now() + BALANCE_TICK_NSEC;
    if (queue->tick_deadline > soon) {
        queue->tick_deadline = soon;
        timer_program();
    }
}

/* Enqueue a READY thread of this queue's, lock held; lets it go, and tells the hart if it should switch. */
static void
make_ready(struct runqueue *queue, struct thread *thread, bool sync)
{
    uint32_t target = thread->hart;
    uint64_t floor = queue->min_vruntime > WAKE_BONUS ? queue->min_vruntime - WAKE_BONUS : 0;
    thread->vruntime = max(thread->vruntime, floor);
    runqueue_add(queue, thread);
    struct thread *running = queue->current;
    bool idle = running == harts[target].idle;
    bool preempt = !idle && !sync && runqueue_preempts(thread, running);
    if (preempt)
        __atomic_fetch_or(&running->work, WORK_RESCHED, __ATOMIC_RELAXED);
    spin_unlock(&queue->lock);

    if (target == this_hart()->index) {
        if (!idle && !preempt)
            hasten_tick(queue);
        return;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (preempt || (__atomic_load_n(&idle_harts, __ATOMIC_RELAXED) & BIT(target)))
        sbi_send_ipi(BIT(target));
}

/* Wake a sleeping thread; the lock of its queue is held, and let go. */
static void
wake_locked(struct runqueue *queue, struct thread *thread, bool sync)
{
    if (thread->on_hart) { /* it has not switched away yet: it just goes on */
        thread->state = THREAD_RUNNING;
        spin_unlock(&queue->lock);
        return;
    }
    thread->state = THREAD_READY;
    uint32_t target = choose_hart(thread, sync);
    if (target != thread->hart) {
        struct runqueue *other = &runqueues[target];
        int64_t lag = (int64_t)(thread->vruntime - queue->min_vruntime);
        store_release(&thread->hart, target);
        spin_unlock(&queue->lock);
        spin_lock(&other->lock);
        int64_t moved = (int64_t)other->min_vruntime + lag;
        thread->vruntime = moved > 0 ? moved : 0;
        queue = other;
    }
    make_ready(queue, thread, sync);
}

void
thread_wake(struct thread *thread, bool sync)
{
    hostile_delay();
    struct runqueue *queue = runqueue_lock_of(thread);
    if (thread->state == THREAD_SLEEPING)
        wake_locked(queue, thread, sync);
    else
        spin_unlock(&queue->lock);
}

void
thread_interrupt(struct thread *thread)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    if (thread->state == THREAD_SLEEPING && thread->interruptible) {
        thread->wake_interrupted = true;
        wake_locked(queue, thread, false);
    } else {
        spin_unlock(&queue->lock);
    }
}

void
thread_start(struct thread *thread)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    thread->vruntime = max(thread->vruntime, queue->min_vruntime);
    thread->state = THREAD_SLEEPING;
    wake_locked(queue, thread, true);
}

void
thread_set_work(struct thread *thread, uint64_t work)
{
    __atomic_fetch_or(&thread->work, work, __ATOMIC_SEQ_CST);
    uint32_t hart = __atomic_load_n(&thread->hart, __ATOMIC_RELAXED);
    if (hart != this_hart()->index && __atomic_load_n(&thread->on_hart, __ATOMIC_RELAXED))
        sbi_send_ipi(BIT(hart));
}

int
thread_set_affinity(struct thread *thread, cpumask_t affinity)
{
    if (!(affinity & harts_online))
        return -EINVAL;
    struct runqueue *queue = runqueue_lock_of(thread);
    thread->affinity = affinity;
    bool misplaced = !(affinity & BIT(thread->hart));
    spin_unlock(&queue->lock);
    if (misplaced && thread == current_thread())
        schedule();
    else if (misplaced)
        thread_set_work(thread, WORK_RESCHED);
    return 0;
}

void
thread_set_nice(struct thread *thread, int nice)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    thread->nice = nice;
    spin_unlock(&queue->lock);
}

/* Take one thread that this hart may run from a longer queue. */
static bool
steal(struct runqueue *queue)
{
    uint32_t here = this_hart()->index;
    for (uint32_t i = 1; i < nharts; i++) {
        struct runqueue *victim = &runqueues[(here + i) % nharts];
        if (__atomic_load_n(&victim->nready, __ATOMIC_RELAXED) == 0 || !spin_trylock(&victim->lock))
            continue;
        struct thread *thread;
        RB_FOREACH(thread, &victim->ready, run_node)
            if (thread->affinity & BIT(here))
                break;
        if (thread) {
            runqueue_remove(victim, thread);
            thread->vruntime -= min(thread->vruntime, victim->min_vruntime);
            store_release(&thread->hart, here);
        }
        spin_unlock(&victim->lock);
        if (!thread)
            continue;
        spin_lock(&queue->lock);
        thread->vruntime += queue->min_vruntime;
        runqueue_add(queue, thread);
        spin_unlock(&queue->lock);
        return true;
    }
    return false;
}

/*
 * What a hart does when nothing is ready: zero memory ahead, if any is wanted, and
 * wait. It says so in idle_harts before it
 * looks at its queue a last time; a waker puts its thread in the queue before
 * it looks at idle_harts; so one of them sees the other.
 */
static void
idle_loop(void)
{
    struct runqueue *queue = this_runqueue();
    cpumask_t self = BIT(this_hart()->index);
    for (;;) {
        if (__atomic_load_n(&queue->nready, __ATOMIC_RELAXED) || steal(queue)) {
            schedule();
            continue;
        }
        __atomic_fetch_or(&idle_harts, self, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&queue->nready, __ATOMIC_SEQ_CST) == 0 && !block_prepare())
            wfi();
        __atomic_fetch_and(&idle_harts, ~self, __ATOMIC_SEQ_CST);
        interrupts_on();
        interrupts_off();
    }
}


void
sched_kick_idle(void)
{
    cpumask_t idle = __atomic_load_n(&idle_harts, __ATOMIC_RELAXED);
    if (idle)
        sbi_send_ipi(BIT(ctz64(idle)));
}

static void
preempt(void)
{
    if (__atomic_load_n(&current_thread()->work, __ATOMIC_RELAXED) & WORK_RESCHED)
        schedule();
}

static void
handle_ipi(void)
{
    /* Waking from WFI, or the return to user mode, does the rest. */
}

static const char *
name_of_current(void)
{
    return current_thread() ? current_thread()->name : "boot";
}

/* Make the code that runs now this hart's idle thread. */
static void
adopt_idle(void)
{
    struct hart *hart = this_hart();
    struct runqueue *queue = &runqueues[hart->index];
    struct thread *idle = &idle_threads[hart->index];
    idle->kstack = hart->kernel_sp;
    idle->state = THREAD_RUNNING;
    idle->on_hart = true;
    idle->hart = hart->index;
    idle->affinity = BIT(hart->index);
    idle->ran_since = clock_now();
    strscpy(idle->name, "idle", sizeof(idle->name));
    hart->idle = idle;
    queue->current = idle;
    queue->tick_deadline = DEADLINE_NEVER;
    set_current(hart, idle);
}

void
sched_init(void)
{
    for (uint32_t i = 0; i < MAX_HARTS; i++)
        spin_init(&runqueues[i].lock, "runqueue");
    adopt_idle();
    trap_ops.ipi = handle_ipi;
    trap_ops.thread_name = name_of_current;
    preempt_hook = preempt;
    hart_main = sched_start_hart;
    hart_stack_alloc = kstack_alloc;
    timers_init();
}

void
sched_start_hart(void)
{
    if (!this_hart()->idle)
        adopt_idle();
    clock_set_deadline(DEADLINE_NEVER);
    timer_program();
    idle_loop();
    __builtin_unreachable();
}
