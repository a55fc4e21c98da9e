/*
 * The scheduler: switching, waking, placing.
 *
 * thread->hart names a queue. That queue's lock guards the thread's state,
 * and under it
 *
 *      READY       the thread is in the queue's tree, is allowed on that hart,
 *                  and its registers are saved (on_hart is false)
 *      RUNNING     it is the queue's current thread (on_hart is true)
 *      SLEEPING    it is in no tree. If on_hart is still true it has not come
 *                  to schedule() yet, and a wake makes it RUNNING again.
 *      MOVING      it is in no tree and on no hart, but ready. It belongs to
 *                  the hart that took it out of a tree or switched away from
 *                  it; only that hart puts it into a tree, by place().
 *      DEAD        it is in no tree. The hart that it left calls on_dead().
 *
 * A queue's lock is held without a break from the choice of the next thread
 * until the switch is complete: the thread that leaves takes the lock, the one
 * that arrives lets it go (finish_switch). Meanwhile, and only then, the
 * thread that leaves is READY, MOVING or DEAD with live registers, and no
 * other hart can see it so: to steal it, wake it or move it, that hart needs
 * the lock.
 *
 * No code holds two queues' locks. A thread goes from one queue to another as
 * MOVING: out under the one lock, in under the other. Its affinity may change
 * between the two, so place() looks at it under the lock of the queue that the
 * thread goes into.
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
#include "arch/riscv/stalls.h"
#include "arch/riscv/tlb.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/hostile.h"
#include "lib/string.h"
#include "mem/block.h"
#include "mem/kspace.h"
#include "sched/runqueue.h"
#include "sched/stalls.h"
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

static void place(struct thread *thread, bool sync);

/* The second half of a switch, in the thread that arrives. */
static void
finish_switch(void)
{
    struct hart *hart = this_hart();
    struct runqueue *queue = &runqueues[hart->index];
    struct thread *previous = queue->previous;
    enum thread_state state = previous->state;
    assert(previous->on_hart && (state != THREAD_RUNNING || previous == hart->idle));
    previous->on_hart = false;
    spin_unlock(&queue->lock); /* unless it is MOVING or DEAD, previous may end from here on */
    struct thread *self = hart->current;
    if (self->mmu && (thread_trapframe(self)->sstatus & SSTATUS_FS)) {
        csr_set("sstatus", SSTATUS_FS);
        hart_sstatus_changed();
        fp_load(&self->fp);
    }
    if (likely(state < THREAD_MOVING))
        return;
    if (state == THREAD_MOVING)
        place(previous, false);
    else
        previous->on_dead(previous);
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
    assert(!next->on_hart && (next->affinity & BIT(hart->index)));
    next->state = THREAD_RUNNING;
    next->on_hart = true;
    next->ran_since = now;
    queue->current = next;
    queue->previous = self;
    queue->nswitches++;
    runqueue_note_running(queue, next, now);
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

/* The thread to run next, taken out of the tree. Lock held. */
static struct thread *
pick_next(struct runqueue *queue, uint64_t now)
{
    struct thread *next = runqueue_next(queue, now);
    if (!next)
        return this_hart()->idle;
    runqueue_remove(queue, next);
    return next;
}

/* yields: a thread that could go on goes behind its equals. */
static void
give_way(bool yields)
{
    lockcheck_may_sleep("schedule");
    struct runqueue *queue = this_runqueue();
    struct thread *self = current_thread();

    stall_given();
    spin_lock(&queue->lock);
    uint64_t now = clock_now(); /* with the lock held: what another hart was told before is no later */
    __atomic_fetch_and(&self->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
    if (is_idle(self))
        queue->idle_nsec += now - self->ran_since;
    else
        runqueue_charge(queue, self, now);
    if (self->state == THREAD_RUNNING && !is_idle(self)) {
        if (unlikely(!(self->affinity & BIT(self->hart)))) {
            runqueue_detach(queue, self);
        } else if (queue->nready == 0) {
            spin_unlock(&queue->lock);
            return;
        } else {
            self->state = THREAD_READY;
            if (yields)
                runqueue_add(queue, self);
            else
                runqueue_add_preempted(queue, self);
        }
        self->ninvoluntary++;
    } else {
        self->nvoluntary++;
        self->distrust -= self->distrust > 0;
    }
    struct thread *next = pick_next(queue, now);
    if (next == self) {
        self->state = THREAD_RUNNING;
        self->ran_since = now;
        spin_unlock(&queue->lock);
        return;
    }
    switch_to(queue, self, next, now);
}

void
schedule(void)
{
    give_way(false);
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
    give_way(true);
}

void
thread_exit(void (*on_dead)(struct thread *thread))
{
    struct thread *self = current_thread();
    struct runqueue *queue = this_runqueue();
    self->on_dead = on_dead;
    spin_lock(&queue->lock); /* a waker that saw it SLEEPING has written its state, and no other will */
    self->state = THREAD_DEAD;
    spin_unlock(&queue->lock);
    schedule();
    panic("%s runs on after its death", self->name);
}

/* Which hart's queue a woken thread goes to. */
static inline uint32_t
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
    bool preempt = !idle && runqueue_preempts(thread, running, sync);
    if (preempt) {
        __atomic_fetch_or(&running->work, WORK_RESCHED, __ATOMIC_RELAXED);
        stall_wanted(target, clock_now());
    }
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

/* Put a MOVING thread, which belongs to the caller, into the queue of a hart that it may run on. No lock held. */
static void
place(struct thread *thread, bool sync)
{
    for (;;) {
        struct runqueue *queue = &runqueues[thread->hart];
        spin_lock(&queue->lock);
        if (likely(thread->affinity & BIT(thread->hart))) {
            runqueue_attach(queue, thread);
            make_ready(queue, thread, sync);
            return;
        }
        store_release(&thread->hart, choose_hart(thread, sync));
        spin_unlock(&queue->lock);
    }
}

/* Take a thread that is in no tree away from its queue, whose lock is held and let go, to another hart's. */
static void
send(struct runqueue *queue, struct thread *thread, uint32_t target, bool sync)
{
    runqueue_detach(queue, thread);
    store_release(&thread->hart, target);
    spin_unlock(&queue->lock);
    place(thread, sync);
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
    uint32_t target = choose_hart(thread, sync);
    if (target != thread->hart) {
        send(queue, thread, target, sync);
        return;
    }
    thread->state = THREAD_READY;
    make_ready(queue, thread, sync);
}

void
thread_wake(struct thread *thread, bool sync)
{
    hostile_delay();
    /* What the caller wrote is seen by a sleeper that looks once more, or SLEEPING is seen here. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
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
    if (affinity & BIT(thread->hart)) {
        spin_unlock(&queue->lock);
    } else if (thread->state == THREAD_READY) {
        runqueue_remove(queue, thread);
        send(queue, thread, choose_hart(thread, false), false);
    } else {
        bool on_hart = thread->on_hart; /* if not, the wake or place() chooses an allowed hart */
        spin_unlock(&queue->lock);
        if (thread == current_thread())
            schedule();
        else if (on_hart)
            thread_set_work(thread, WORK_RESCHED);
    }
    return 0;
}

/* What decides a thread's place has changed; the lock of its queue is held, and let go. */
static void
place_again(struct runqueue *queue, struct thread *thread)
{
    if (thread->state == THREAD_READY) {
        runqueue_remove(queue, thread);
        make_ready(queue, thread, false);
        return;
    }
    bool on_hart = thread->on_hart;
    spin_unlock(&queue->lock);
    if (on_hart)
        thread_set_work(thread, WORK_RESCHED);
}

void
thread_set_nice(struct thread *thread, int nice)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    thread->nice = nice;
    place_again(queue, thread);
}

void
thread_set_policy(struct thread *thread, uint32_t policy, uint32_t rt_priority,
                  bool reset_on_fork)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    if (thread->state != THREAD_MOVING) /* of real time it was not charged: it has no claim to that time */
        thread->vruntime = max(thread->vruntime, queue->min_vruntime);
    thread->policy = policy;
    thread->rt_priority = rt_priority;
    thread->reset_on_fork = reset_on_fork;
    place_again(queue, thread);
}

/* A ready thread of another hart that this one may run, among the first few. Lock held; NULL: none. */
static struct thread *
find_stealable(struct runqueue *victim)
{
    cpumask_t here = BIT(this_hart()->index);
    unsigned nseen = 0;
    struct thread *thread;
    RB_FOREACH(thread, &victim->ready, run_node) {
        if (thread->affinity & here)
            return thread;
        if (++nseen == STEAL_DEPTH)
            break;
    }
    return NULL;
}

/* Take one thread that this hart may run from another's queue. Says whether it found one. */
static bool
steal(void)
{
    uint32_t here = this_hart()->index;
    for (uint32_t i = 1; i < nharts; i++) {
        struct runqueue *victim = &runqueues[(here + i) % nharts];
        if (__atomic_load_n(&victim->nready, __ATOMIC_RELAXED) == 0 || !spin_trylock(&victim->lock))
            continue;
        struct thread *thread = find_stealable(victim);
        if (thread) {
            runqueue_remove(victim, thread);
            send(victim, thread, here, false);
            return true;
        }
        spin_unlock(&victim->lock);
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
        if (__atomic_load_n(&queue->nready, __ATOMIC_RELAXED) || steal()) {
            schedule();
            continue;
        }
        __atomic_fetch_or(&idle_harts, self, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&queue->nready, __ATOMIC_SEQ_CST) == 0 && !block_prepare()) {
            stall_end();
            wfi();
            stall_begin(0);
        }
        __atomic_fetch_and(&idle_harts, ~self, __ATOMIC_SEQ_CST);
        interrupts_window(0);
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
    timer_reprogram(); /* waking from WFI, or the return to user mode, does the rest */
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
