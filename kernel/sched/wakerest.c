/*
 * Wakes of many (see wakerest.h).
 *
 * The kernel thread comes from the list of rests to a queue, wakers and waiters the other
 * way, with the queue's lock held. So the thread tries the queue's lock: with that of the list
 * held, no queue on it can go.
 */
#include "sched/wakerest.h"

#include "arch/riscv/hart.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "sched/worker.h"

#define RESTS_SEEN 64 /* looked at for one's own; others are the kernel thread's */

/* Guarded by: (Q) the queue's lock  (R) rests_lock  (C) constant */
struct wake_rest {
    struct list link;       /* (R) in rests */
    struct waitq *queue;    /* (C) */
    const struct thread *maker; /* (Q to write, A) made the last wake in a call; compared only. NULL: none */
    struct wait_entry mark; /* (Q) on the queue; those before it have been told */
    uint64_t key;           /* (Q) of what */
    uint32_t nexclusive;    /* (Q) so many are still to wake */
    bool again;             /* (Q) wakes came since: another pass, with these two */
    uint64_t next_key;      /* (Q) */
    uint32_t next_nexclusive; /* (Q) */
};

static bool tell_rests(struct work *work);
static struct spinlock rests_lock = SPINLOCK_INIT("rests of wakes");
static struct list rests = LIST_INIT(rests); /* guarded by rests_lock */
static struct work rests_work = {.link = LIST_INIT(rests_work.link), .fn = tell_rests};

/* What the wake that goes on at a hart may still tell, and how many queues deep it is. */
static struct told {
    unsigned depth, left;
    bool timers; /* the wakes are those of timers, which share what may be told */
} told[MAX_HARTS];

static bool
tell_nothing(struct wait_entry *entry __unused, uint64_t key __unused, bool sync __unused)
{
    return false;
}

/*
 * Tell entries from `at` on, as many as may be told now. Returns where it stopped for want of
 * that, or NULL: it is through. Lock held.
 */
static struct list *
tell(struct waitq *queue, struct list *at, uint64_t key, bool sync, uint32_t *nexclusive)
{
    struct told *mine = &told[this_hart()->index];

    if (mine->depth++ == 0)
        mine->left = WAKE_BATCH;
    while (at != &queue->entries && *nexclusive && mine->left) {
        struct wait_entry *entry = LIST_ENTRY(at, struct wait_entry, link);
        mine->left--;
        at = at->next;
        if (entry->notify(entry, key, sync) && entry->exclusive && *nexclusive != WAKE_EVERY)
            --*nexclusive;
    }
    mine->depth--;
    return at != &queue->entries && *nexclusive ? at : NULL;
}

/* Two wakes as one: the events of both, or any (0). */
static uint64_t
merge_keys(uint64_t a, uint64_t b)
{
    return a && b ? a | b : 0;
}

static uint32_t
merge_counts(uint32_t a, uint32_t b)
{
    return a < WAKE_EVERY - b ? a + b : WAKE_EVERY;
}

/* A thread that wakes in a call helps to tell before it returns from the call. Lock held. */
static void
note_maker(struct wake_rest *rest)
{
    struct thread *self = current_thread();
    bool helps = self->mmu && !told[this_hart()->index].timers;

    store_relaxed(&rest->maker, helps ? self : NULL);
    if (helps)
        __atomic_fetch_or(&self->work, WORK_WAKES, __ATOMIC_RELAXED);
}

/* Another wake, while there is a rest. Lock held. */
static void
add(struct wake_rest *rest, uint64_t key, uint32_t nexclusive)
{
    rest->next_key = rest->again ? merge_keys(rest->next_key, key) : key;
    rest->next_nexclusive = rest->again ? merge_counts(rest->next_nexclusive, nexclusive) : nexclusive;
    rest->again = true;
    note_maker(rest);
}

/* Leave what begins at `at` to the thread. False: memory is out, or there is no worker yet. Lock held. */
static bool
leave(struct waitq *queue, struct list *at, uint64_t key, uint32_t nexclusive)
{
    struct wake_rest *rest = worker_runs() ? kmalloc(sizeof(*rest)) : NULL;

    if (!rest)
        return false;
    *rest = (struct wake_rest){.queue = queue, .key = key, .nexclusive = nexclusive};
    rest->mark.notify = tell_nothing;
    list_add_before(at, &rest->mark.link);
    queue->rest = rest;
    note_maker(rest);
    spin_lock(&rests_lock);
    list_add_tail(&rests, &rest->link);
    spin_unlock(&rests_lock);
    work_queue(&rests_work);
    return true;
}

void
wake_begin(struct waitq *queue, uint64_t key, bool sync, uint32_t nexclusive)
{
    if (unlikely(queue->rest)) {
        add(queue->rest, key, nexclusive);
        return;
    }
    struct list *at = tell(queue, queue->entries.next, key, sync, &nexclusive);
    while (unlikely(at) && !leave(queue, at, key, nexclusive)) {
        told[this_hart()->index].left = WAKE_BATCH;
        at = tell(queue, at, key, sync, &nexclusive);
    }
}

/* Nothing is left to tell. Lock held. */
static void
end(struct waitq *queue)
{
    struct wake_rest *rest = queue->rest;

    list_del(&rest->mark.link);
    queue->rest = NULL;
    spin_lock(&rests_lock);
    list_del(&rest->link);
    spin_unlock(&rests_lock);
    kmfree(rest);
}

void
wake_entry_left(struct waitq *queue)
{
    if (list_first(&queue->entries) == list_last(&queue->entries))
        end(queue);
}

/* The next piece of a rest. Its queue's lock is held. */
static void
go_on(struct wake_rest *rest)
{
    struct waitq *queue = rest->queue;
    struct list *at = tell(queue, rest->mark.link.next, rest->key, false, &rest->nexclusive);

    list_del(&rest->mark.link);
    if (!at && rest->again) {
        rest->again = false;
        rest->key = rest->next_key;
        rest->nexclusive = rest->next_nexclusive;
        at = list_first(&queue->entries);
    }
    if (at)
        list_add_before(at, &rest->mark.link);
    else
        end(queue);
}

/*
 * Some rest, with its queue locked: of this maker, or of any (NULL). NULL: none is seen, or
 * *busy: its lock was not free.
 */
static struct wake_rest *
lock_one(const struct thread *maker, bool *busy)
{
    struct wake_rest *rest;
    unsigned nseen = 0;
    SCOPED_SPIN(&rests_lock);

    *busy = false;
    LIST_FOREACH (rest, &rests, link) {
        if (++nseen > RESTS_SEEN)
            return NULL;
        if (maker && __atomic_load_n(&rest->maker, __ATOMIC_RELAXED) != maker)
            continue;
        if (!maker)
            list_move_tail(&rests, &rest->link); /* all have their turns */
        *busy = !spin_trylock(&rest->queue->lock);
        return *busy ? NULL : rest;
    }
    return NULL;
}

/* Tell a piece of some rest; see lock_one(). False: there is none. */
static bool
tell_some(const struct thread *maker)
{
    bool busy;
    struct wake_rest *rest = lock_one(maker, &busy);

    if (rest) {
        struct waitq *queue = rest->queue;
        go_on(rest);
        spin_unlock(&queue->lock);
    }
    if (rest || busy)
        preempt_point();
    return rest || busy;
}

static bool
tell_rests(struct work *work __unused)
{
    return tell_some(NULL);
}

void
wake_finish(void)
{
    struct thread *self = current_thread();

    __atomic_fetch_and(&self->work, ~WORK_WAKES, __ATOMIC_RELAXED);
    while (!thread_interrupted() && tell_some(self))
        ;
}

void
wake_share(bool begin)
{
    struct told *mine = &told[this_hart()->index];

    mine->timers = begin;
    mine->depth = begin;
    mine->left = WAKE_BATCH;
}
