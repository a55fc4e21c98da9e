/*
 * Timers (timer.h), and the timer interrupt.
 */
#include "sched/timer.h"

#include "lib/atomic.h"
#include "sched/runqueue.h"
#include "sched/wait.h"

/* Guarded by: (L) lock  (H) its own hart only */
struct timer_queue {
    struct spinlock lock;
    struct rbtree timers;  /* (L) by deadline */
    struct timer *running; /* (L to write, A to read) whose function runs now */
    uint64_t first;        /* (L to write, A to read) the earliest deadline */
} __cacheline;

static struct timer_queue queues[MAX_HARTS];

void
timer_init(struct timer *timer, void (*fn)(struct timer *timer))
{
    timer->fn = fn;
    timer->armed = false;
    timer->hart = 0;
}

static void
insert(struct timer_queue *queue, struct timer *timer)
{
    struct rbnode **link = &queue->timers.root, *parent = NULL;
    while (*link) {
        parent = *link;
        bool left = timer->deadline < container_of(parent, struct timer, node)->deadline;
        link = left ? &parent->left : &parent->right;
    }
    rb_insert_at(&queue->timers, &timer->node, parent, link);
}

static void
update_first(struct timer_queue *queue)
{
    struct rbnode *node = rb_first(&queue->timers);
    uint64_t first = node ? container_of(node, struct timer, node)->deadline : DEADLINE_NEVER;
    store_relaxed(&queue->first, first);
}

void
timer_program(void)
{
    uint32_t here = this_hart()->index;
    clock_set_deadline(min(__atomic_load_n(&queues[here].first, __ATOMIC_RELAXED),
                           runqueues[here].tick_deadline));
}

void
timer_set(struct timer *timer, uint64_t deadline)
{
    timer_cancel(timer);
    uint32_t here = this_hart()->index;
    struct timer_queue *queue = &queues[here];
    spin_lock(&queue->lock);
    timer->deadline = deadline;
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

/* Take the timer off its queue; says in *running whether its function runs on another hart now. */
static bool
disarm(struct timer *timer, bool *running)
{
    struct timer_queue *queue = &queues[__atomic_load_n(&timer->hart, __ATOMIC_RELAXED)];
    SCOPED_SPIN(&queue->lock);
    bool armed = timer->armed;
    if (armed) {
        rb_erase(&queue->timers, &timer->node);
        timer->armed = false;
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

static void
run_expired(struct timer_queue *queue, uint64_t now)
{
    if (__atomic_load_n(&queue->first, __ATOMIC_RELAXED) > now)
        return;
    spin_lock(&queue->lock);
    while (queue->first <= now) {
        struct timer *timer = container_of(rb_first(&queue->timers), struct timer, node);
        rb_erase(&queue->timers, &timer->node);
        timer->armed = false;
        update_first(queue);
        store_relaxed(&queue->running, timer);
        spin_unlock(&queue->lock);
        timer->fn(timer);
        spin_lock(&queue->lock);
        store_release(&queue->running, NULL);
    }
    spin_unlock(&queue->lock);
}

static void
timer_interrupt(void)
{
    uint64_t now = clock_now();
    run_expired(&queues[this_hart()->index], now);
    if (this_runqueue()->tick_deadline <= now)
        sched_tick(now);
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
