/*
 * Run queues: order and weights (runqueue.h).
 */
#include "sched/runqueue.h"

#include <linux/sched.h>

#include "arch/riscv/panic.h"
#include "lib/atomic.h"

struct runqueue runqueues[MAX_HARTS];
cpumask_t idle_harts;

/*
 * How much slower vruntime passes by nice value, -20 first: 1024 * 1.25^nice,
 * so that each step of nice changes a thread's share by about a tenth.
 */
static const uint32_t nice_cost[40] = {
    12,    15,    18,    23,    29,    36,    45,    56,    70,    88,
    110,   137,   172,   215,   268,   336,   419,   524,   655,   819,
    1024,  1280,  1600,  2000,  2500,  3125,  3906,  4883,  6104,  7629,
    9537,  11921, 14901, 18626, 23283, 29104, 36380, 45475, 56843, 71054};

static bool
is_realtime(const struct thread *thread)
{
    return thread->policy == SCHED_FIFO || thread->policy == SCHED_RR;
}

static int64_t
key_of(const struct thread *thread)
{
    if (is_realtime(thread))
        return INT64_MIN + (100 - (int64_t)thread->rt_priority);
    return (int64_t)thread->vruntime;
}

static void
add(struct runqueue *queue, struct thread *thread, bool before_equals)
{
    assert(thread->state == THREAD_READY && queue == &runqueues[thread->hart]);
    assert((thread->affinity & BIT(thread->hart)) && (!thread->on_hart || thread == queue->current));
    thread->run_key = key_of(thread);
    int64_t bound = thread->run_key + !before_equals;
    struct rbnode **link = &queue->ready.root, *parent = NULL;
    while (*link) {
        parent = *link;
        bool left = bound <= container_of(parent, struct thread, run_node)->run_key;
        link = left ? &parent->left : &parent->right;
    }
    rb_insert_at(&queue->ready, &thread->run_node, parent, link);
    store_relaxed(&queue->nready, queue->nready + 1);
}

void
runqueue_add(struct runqueue *queue, struct thread *thread)
{
    add(queue, thread, false);
}

void
runqueue_add_preempted(struct runqueue *queue, struct thread *thread)
{
    add(queue, thread, thread->policy == SCHED_FIFO);
}

void
runqueue_remove(struct runqueue *queue, struct thread *thread)
{
    rb_erase(&queue->ready, &thread->run_node);
    store_relaxed(&queue->nready, queue->nready - 1);
}

void
runqueue_detach(struct runqueue *queue, struct thread *thread)
{
    thread->state = THREAD_MOVING;
    thread->vruntime -= queue->min_vruntime; /* signed from here on */
}

void
runqueue_attach(struct runqueue *queue, struct thread *thread)
{
    assert(thread->state == THREAD_MOVING && !thread->on_hart);
    int64_t vruntime = (int64_t)(thread->vruntime + queue->min_vruntime);
    thread->vruntime = vruntime > 0 ? vruntime : 0;
    thread->state = THREAD_READY;
}

struct thread *
runqueue_first(struct runqueue *queue)
{
    if (queue->nready == 0)
        return NULL;
    return container_of(rb_first(&queue->ready), struct thread, run_node);
}

/* The ready thread with the lowest key among those that are not of real time. */
static struct thread *
first_fair(struct runqueue *queue)
{
    struct thread *found = NULL;

    for (struct rbnode *node = queue->ready.root; node;) {
        struct thread *thread = container_of(node, struct thread, run_node);
        bool fair = thread->run_key >= 0;
        found = fair ? thread : found;
        node = fair ? node->left : node->right;
    }
    return found;
}

struct thread *
runqueue_next(struct runqueue *queue, uint64_t now)
{
    struct thread *fair = NULL;

    if (unlikely(queue->fair_until)) {
        if (queue->fair_until > now)
            fair = first_fair(queue);
        else
            queue->fair_until = 0;
    }
    return fair ? fair : runqueue_first(queue);
}

void
runqueue_note_running(struct runqueue *queue, const struct thread *thread, uint64_t now)
{
    if (likely(!is_realtime(thread)))
        queue->rt_since = 0;
    else if (!queue->rt_since)
        queue->rt_since = now;
}

bool
runqueue_tick_preempts(struct runqueue *queue, const struct thread *self, uint64_t now)
{
    const struct thread *first = runqueue_next(queue, now);

    runqueue_note_running(queue, self, now); /* its policy may be another one by now */
    if (!first)
        return false;
    if (likely(!is_realtime(self)))
        return first->run_key < (int64_t)self->vruntime;
    if (now - queue->rt_since >= RT_MOST && first_fair(queue)) {
        queue->fair_until = now + FAIR_SHARE;
        return true;
    }
    return first->run_key < key_of(self) + (self->policy == SCHED_RR);
}

struct runqueue *
runqueue_lock_of(struct thread *thread)
{
    for (;;) {
        uint32_t hart = __atomic_load_n(&thread->hart, __ATOMIC_ACQUIRE);
        struct runqueue *queue = &runqueues[hart];
        spin_lock(&queue->lock);
        if (thread->hart == hart)
            return queue;
        spin_unlock(&queue->lock);
    }
}

void
runqueue_charge(struct runqueue *queue, struct thread *thread, uint64_t now)
{
    uint64_t ran = now - thread->ran_since;
    thread->ran_since = now;
    thread->run_nsec += ran;
    if (is_realtime(thread))
        return;
    thread->vruntime += ran * nice_cost[thread->nice + 20] / 1024;
    if (thread->vruntime > queue->min_vruntime) {
        struct thread *first = runqueue_first(queue);
        uint64_t floor = thread->vruntime;
        if (first && first->run_key >= 0 && (uint64_t)first->run_key < floor)
            floor = first->run_key;
        queue->min_vruntime = max(queue->min_vruntime, floor);
    }
}

bool
runqueue_preempts(const struct thread *challenger, const struct thread *current, bool sync)
{
    if (is_realtime(challenger))
        return key_of(challenger) < key_of(current);
    return !sync && key_of(challenger) + (int64_t)PREEMPT_GRANULARITY < key_of(current);
}
