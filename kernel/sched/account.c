/*
 * Where the time went.
 *
 * How long a thread ran is measured at every switch. How much of it was user
 * and how much system time is sampled, by the tick that a busy hart takes
 * anyway: reading the clock at each entry to the kernel would cost a good part
 * of a system call. Since the kernel runs with interrupts disabled, a tick
 * that fell into a system call is taken at the very moment user mode resumes:
 * so a tick whose epc is where user mode was last resumed is the system's, any
 * other the user's.
 */
#include "arch/riscv/sbi.h"
#include "lib/bits.h"
#include "sched/runqueue.h"
#include "sched/stalls.h"
#include "sched/thread.h"
#include "sched/wait.h"

#define LOAD_SHIFT 11 /* fixed point of /proc/loadavg's sources */
#define LOAD_PERIOD (5 * NSEC_PER_SEC)

void (*sched_tick_hook)(struct thread *thread);

static struct spinlock load_lock = SPINLOCK_INIT("loadavg");
static uint64_t load[3]; /* (load_lock) */
static uint64_t load_sampled; /* (load_lock) when */

static uint32_t
count_running(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < nharts; i++) {
        struct runqueue *queue = &runqueues[i];
        n += __atomic_load_n(&queue->nready, __ATOMIC_RELAXED);
        n += __atomic_load_n(&queue->current, __ATOMIC_RELAXED) != harts[i].idle;
    }
    return n;
}

/*
 * Bring the load averages up to date. Nobody samples while every hart idles,
 * so periods that were missed count as idle. Each average decays by
 * exp(-5 s / 60, 300, 900 s), in units of 2^-11.
 */
static void
sample_load(uint64_t now)
{
    static const uint64_t decay[3] = {1884, 2014, 2037};
    if (now - __atomic_load_n(&load_sampled, __ATOMIC_RELAXED) < LOAD_PERIOD ||
        !spin_trylock(&load_lock))
        return;
    uint64_t running = (uint64_t)count_running() << LOAD_SHIFT;
    uint64_t nperiods = min((now - load_sampled) / LOAD_PERIOD, 4096UL);
    for (uint64_t p = 1; p <= nperiods; p++)
        for (unsigned i = 0; i < 3; i++) {
            uint64_t active = p == nperiods ? running : 0;
            load[i] = (load[i] * decay[i] + active * ((1 << LOAD_SHIFT) - decay[i])) >> LOAD_SHIFT;
        }
    load_sampled = now - (now - load_sampled) % LOAD_PERIOD;
    spin_unlock(&load_lock);
}

void
sched_loadavg(uint64_t avg[3], uint32_t *nrunning)
{
    sample_load(clock_now());
    SCOPED_SPIN(&load_lock);
    for (unsigned i = 0; i < 3; i++)
        avg[i] = load[i];
    *nrunning = count_running();
}

/* Charge the tick to user or system time of the thread and the hart. */
static void
sample_mode(struct runqueue *queue, struct thread *thread)
{
    if (thread->mmu && thread_trapframe(thread)->epc != this_hart()->return_epc) {
        thread->user_ticks++;
        queue->user_ticks++;
    } else {
        thread->system_ticks++;
        queue->system_ticks++;
    }
}

/* Idle harts that may take one of the first threads that wait in a queue. Lock held. */
static cpumask_t
idle_for(struct runqueue *queue)
{
    cpumask_t idle = __atomic_load_n(&idle_harts, __ATOMIC_RELAXED), allowed = 0;
    unsigned nseen = 0;
    struct thread *thread;

    if (!idle)
        return 0;
    RB_FOREACH(thread, &queue->ready, run_node) {
        allowed |= thread->affinity;
        if (++nseen == STEAL_DEPTH)
            break;
    }
    return idle & allowed;
}

void
sched_tick(uint64_t now)
{
    struct runqueue *queue = this_runqueue();
    struct thread *self = current_thread();
    if (self == this_hart()->idle) {
        queue->tick_deadline = DEADLINE_NEVER;
        return;
    }
    sample_mode(queue, self);
    sample_load(now);
    if (sched_tick_hook)
        sched_tick_hook(self);
    uint64_t due = min(now, queue->tick_deadline);
    queue->tick_deadline = now + TICK_NSEC;

    /* Charged also while it is alone: what wakes next is placed by how far the queue has come. */
    spin_lock(&queue->lock);
    runqueue_charge(queue, self, now);
    struct thread *first = runqueue_first(queue);
    bool resched = runqueue_tick_preempts(queue, self, now);
    cpumask_t idle = first ? idle_for(queue) : 0;
    spin_unlock(&queue->lock);
    if (resched) {
        __atomic_fetch_or(&self->work, WORK_RESCHED, __ATOMIC_RELAXED);
        stall_wanted(this_hart()->index, due);
    }
    if (idle) {
        self->distrust = DISTRUST;
        queue->tick_deadline = now + BALANCE_TICK_NSEC;
        sbi_send_ipi(BIT(ctz64(idle)));
    }
}

/* The user's part of `total` ns, by samples; all of it while there are none of the system's. */
static uint64_t
user_part(uint64_t total, uint64_t nuser, uint64_t nsystem)
{
    uint64_t n = nuser + nsystem;
    if (nsystem == 0)
        return total;
    return total / n * nuser + total % n * nuser / n;
}

/*
 * Split `total` ns into *user and *system, which hold what was told last: a sample more
 * changes the parts of all time before it, but programs take differences, so neither goes
 * back. `total` is their sum or more.
 */
static void
split(uint64_t total, uint64_t nuser, uint64_t nsystem, uint64_t *user, uint64_t *system)
{
    uint64_t part = max(user_part(total, nuser, nsystem), *user);
    *user = min(part, total - *system);
    *system = total - *user;
}

void
thread_times(struct thread *thread, uint64_t *user, uint64_t *system)
{
    struct runqueue *queue = runqueue_lock_of(thread);
    uint64_t total = thread->run_nsec;
    if (thread->on_hart)
        total += clock_now() - thread->ran_since;
    split(total, thread->user_ticks, thread->system_ticks, &thread->user_told, &thread->system_told);
    *user = thread->user_told;
    *system = thread->system_told;
    spin_unlock(&queue->lock);
}

void
sched_hart_times(uint32_t hart, uint64_t *user, uint64_t *system, uint64_t *idle)
{
    struct runqueue *queue = &runqueues[hart];
    spin_lock(&queue->lock);
    *idle = queue->idle_nsec;
    uint64_t now = clock_now();
    if (queue->current == harts[hart].idle)
        *idle += now - harts[hart].idle->ran_since;
    uint64_t busy = now - min(now, *idle);
    split(busy, queue->user_ticks, queue->system_ticks, &queue->user_told, &queue->system_told);
    *user = queue->user_told;
    *system = queue->system_told;
    spin_unlock(&queue->lock);
}

uint64_t
sched_nswitches(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < nharts; i++)
        n += __atomic_load_n(&runqueues[i].nswitches, __ATOMIC_RELAXED);
    return n;
}
