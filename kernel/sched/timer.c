/*
 * Timers (timer.h), and the timer interrupt.
 */
#include "sched/timer.h"

#include "arch/riscv/sbi.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "sched/runqueue.h"
#include "sched/wait.h"
#include "sched/wakerest.h"

#define RUN_AT_ONCE 64

/* Guarded by: (L) lock  (H) its own hart only */
struct timer_queue {
    struct spinlock lock;
    struct rbtree timers[2]; /* (L) by deadline; [1] those by the wall clock */
    struct timer *running;   /* (L to write, A to read) whose function runs now */
    uint64_t first;          /* (L to write, A to read) the earliest deadline, ns since boot */
    uint32_t reprogram;      /* (A) 1: another hart has changed `first` */
} __cacheline;

static struct timer_queue queues[MAX_HARTS];
static uint64_t wall_offset; /* (A) the wall clock minus the time since boot */

void
timer_init(struct timer *timer, void (*fn)(struct timer *timer))
{
    timer->fn = fn;
    timer->armed = false;
    timer->wall = false;
    timer->hart = 0;
}

/* When it is due, ns since boot, as the wall clock goes now. */
static uint64_t
due(const struct timer *timer)
{
    uint64_t offset = timer->wall ? __atomic_load_n(&wall_offset, __ATOMIC_RELAXED) : 0;
    return timer->deadline > offset ? timer->deadline - offset : 0;
}

static void
insert(struct timer_queue *queue, struct timer *timer)
{
    struct rbtree *timers = &queue->timers[timer->wall];
    struct rbnode **link = &timers->root, *parent = NULL;
    while (*link) {
        parent = *link;
        bool left = timer->deadline < container_of(parent, struct timer, node)->deadline;
        link = left ? &parent->left : &parent->right;
    }
    rb_insert_at(timers, &timer->node, parent, link);
}

/* The timer that is due first, or NULL. Lock held. */
static struct timer *
first_timer(struct timer_queue *queue)
{
    struct rbnode *boot = rb_first(&queue->timers[0]), *wall = rb_first(&queue->timers[1]);
    if (likely(!wall))
        return boot ? container_of(boot, struct timer, node) : NULL;
    struct timer *first = container_of(wall, struct timer, node);
    if (boot && container_of(boot, struct timer, node)->deadline < due(first))
        first = container_of(boot, struct timer, node);
    return first;
}

/* Take an armed timer out of its tree. Lock held. */
static void
take_out(struct timer_queue *queue, struct timer *timer)
{
    rb_erase(&queue->timers[timer->wall], &timer->node);
    timer->armed = false;
}

static void
update_first(struct timer_queue *queue)
{
    const struct timer *first = first_timer(queue);
    store_relaxed(&queue->first, first ? due(first) : DEADLINE_NEVER);
}

void
timer_program(void)
{
    uint32_t here = this_hart()->index;
    clock_set_deadline(min(__atomic_load_n(&queues[here].first, __ATOMIC_RELAXED),
                           runqueues[here].tick_deadline));
}

void
timer_reprogram(void)
{
    uint32_t *reprogram = &queues[this_hart()->index].reprogram;
    if (unlikely(__atomic_load_n(reprogram, __ATOMIC_RELAXED)) &&
        __atomic_exchange_n(reprogram, 0, __ATOMIC_ACQUIRE))
        timer_program();
}

void
timers_wall_set(uint64_t offset)
{
    store_relaxed(&wall_offset, offset);
    for (uint32_t i = 0; i < nharts; i++) {
        struct timer_queue *queue = &queues[i];
        spin_lock(&queue->lock);
        uint64_t first = queue->first;
        update_first(queue);
        bool changed = queue->first != first;
        if (changed)
            store_release(&queue->reprogram, 1);
        spin_unlock(&queue->lock);
        if (changed && i != this_hart()->index)
            sbi_send_ipi(BIT(i));
    }
    timer_reprogram();
}

static void
arm(struct timer *timer, uint64_t deadline, bool wall)
{
    timer_cancel(timer);
    uint32_t here = this_hart()->index;
    struct timer_queue *queue = &queues[here];
    spin_lock(&queue->lock);
    timer->deadline = deadline;
    timer->wall = wall;
    timer->armed = true;
    timer->hart = here;
    uint64_t first = queue->first;
    insert(queue, timer);
    update_first(queue);
    bool earlier = queue->first < first && queue->first < runqueues[here].tick_deadline;
    spin_unlock(&queue->lock);
    if (earlier)
        timer_program();
}

void
timer_set(struct timer *timer, uint64_t deadline)
{
    arm(timer, deadline, false);
}

void
timer_set_wall(struct timer *timer, uint64_t time)
{
    arm(timer, time, true);
}

/* Take the timer off its queue; says in *running whether its function runs on another hart now. */
static bool
disarm(struct timer *timer, bool *running)
{
    struct timer_queue *queue = &queues[__atomic_load_n(&timer->hart, __ATOMIC_RELAXED)];
    SCOPED_SPIN(&queue->lock);
    bool armed = timer->armed;
    if (armed) {
        take_out(queue, timer);
        update_first(queue);
    }
    /* On its own hart the function cannot be running now, unless it is who calls. */
    *running = queue->running == timer && queue != &queues[this_hart()->index];
    return armed;
}

bool
timer_cancel(struct timer *timer)
{
    bool running, armed = false;
    do {
        armed |= disarm(timer, &running); /* again if its function armed it again */
    } while (running);
    return armed;
}

/*
 * Run what is due, but no more than RUN_AT_ONCE: thousands may be due at one moment. For the
 * others the interrupt comes again at once, after those that other harts sent meanwhile.
 */
static void
run_expired(struct timer_queue *queue, uint64_t now)
{
    if (__atomic_load_n(&queue->first, __ATOMIC_RELAXED) > now)
        return;
    wake_share(true);
    spin_lock(&queue->lock);
    struct timer *timer;
    for (unsigned n = 0; n < RUN_AT_ONCE && (timer = first_timer(queue)) && due(timer) <= now; n++) {
        take_out(queue, timer);
        update_first(queue);
        store_relaxed(&queue->running, timer);
        spin_unlock(&queue->lock);
        timer->fn(timer);
        spin_lock(&queue->lock);
        store_release(&queue->running, NULL);
    }
    spin_unlock(&queue->lock);
    wake_share(false);
}

static void
timer_interrupt(void)
{
    uint64_t now = clock_now();
    if (this_runqueue()->tick_deadline <= now)
        sched_tick(now); /* first: the running thread is charged before others wake and are placed */
    run_expired(&queues[this_hart()->index], now);
    timer_program();
}

void
timers_init(void)
{
    for (uint32_t i = 0; i < MAX_HARTS; i++) {
        spin_init(&queues[i].lock, "timers");
        queues[i].first = DEADLINE_NEVER;
    }
    trap_ops.timer_interrupt = timer_interrupt;
}
