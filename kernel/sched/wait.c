/*
 * Wait queues (wait.h).
 */
#include "sched/wait.h"

#include "lib/atomic.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sched/wakerest.h"

struct timeout {
    struct timer timer;
    struct thread *thread;
    bool expired; /* (A) */
};

void
waitq_init(struct waitq *queue)
{
    spin_init(&queue->lock, "waitq");
    queue->counted = false;
    list_init(&queue->entries);
    queue->rest = NULL;
}

struct shared_waitq *
waitq_shared(const char *name)
{
    struct shared_waitq *shared = kmalloc(sizeof(*shared));

    if (!shared)
        return NULL;
    spin_init(&shared->queue.lock, name);
    shared->queue.counted = true;
    list_init(&shared->queue.entries);
    shared->queue.rest = NULL;
    ref_init(&shared->refs, 1);
    return shared;
}

void
waitq_shared_put(struct shared_waitq *shared)
{
    if (ref_put(&shared->refs))
        kmfree(shared);
}

void
waitq_add(struct waitq *queue, struct wait_entry *entry)
{
    if (queue->counted)
        ref_get(&container_of(queue, struct shared_waitq, queue)->refs);
    SCOPED_SPIN(&queue->lock);
    entry->queue = queue;
    if (entry->exclusive)
        list_add_tail(&queue->entries, &entry->link);
    else
        list_add_head(&queue->entries, &entry->link);
}

void
waitq_remove(struct wait_entry *entry)
{
    struct waitq *queue = entry->queue;
    if (!queue)
        return;
    spin_lock(&queue->lock);
    list_del(&entry->link);
    entry->queue = NULL;
    if (unlikely(queue->rest))
        wake_entry_left(queue);
    spin_unlock(&queue->lock);
    if (queue->counted)
        waitq_shared_put(container_of(queue, struct shared_waitq, queue));
}

static bool
notify_thread(struct wait_entry *entry, uint64_t key, bool sync)
{
    if (entry->woken)
        return false;
    entry->woken = true;
    thread_wake(entry->thread, sync);
    return true;
}

static void
timeout_expired(struct timer *timer)
{
    struct timeout *timeout = container_of(timer, struct timeout, timer);
    store_release(&timeout->expired, true);
    thread_wake(timeout->thread, false);
}

static void
start_timeout(struct timeout *timeout, unsigned flags, uint64_t deadline)
{
    timer_init(&timeout->timer, timeout_expired);
    if (flags & WAIT_WALL)
        timer_set_wall(&timeout->timer, deadline);
    else
        timer_set(&timeout->timer, deadline);
}

/*
 * The common end of every wait: the state is set, the caller is listed where
 * wakers find it; sleep unless something happened already.
 */
static void
sleep_prepared(struct thread *self, bool interruptible)
{
    if (interruptible && thread_interrupted()) {
        self->wake_interrupted = true;
        __atomic_store_n(&self->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
        return;
    }
    schedule();
}

/* Say that the current thread sleeps from now on; wakers see it before what follows. */
static void
prepare_sleep(struct thread *self, bool interruptible)
{
    self->interruptible = interruptible;
    self->wake_interrupted = false;
    __atomic_store_n(&self->state, THREAD_SLEEPING, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int
wait_on(struct waitq *queue, struct spinlock *lock, unsigned flags, uint64_t deadline)
{
    struct thread *self = current_thread();
    bool interruptible = flags & WAIT_INTERRUPTIBLE;
    if (interruptible && thread_interrupted())
        return -EINTR;
    struct wait_entry entry = {
        .notify = notify_thread, .thread = self, .exclusive = flags & WAIT_EXCLUSIVE};
    struct timeout timeout = {.thread = self};

    prepare_sleep(self, interruptible);
    waitq_add(queue, &entry);
    if (lock)
        spin_unlock(lock);
    if (deadline != DEADLINE_NEVER)
        start_timeout(&timeout, flags, deadline);
    sleep_prepared(self, interruptible);
    if (deadline != DEADLINE_NEVER)
        timer_cancel(&timeout.timer);
    waitq_remove(&entry);
    if (lock)
        spin_lock(lock);
    if (entry.woken)
        return 0;
    if (self->wake_interrupted)
        return -EINTR;
    return timeout.expired ? -ETIMEDOUT : 0;
}

int
sleep_until(uint64_t deadline, unsigned flags)
{
    const bool never = false;
    return sleep_unless(&never, deadline, flags);
}

int
sleep_unless(const bool *happened, uint64_t deadline, unsigned flags)
{
    struct thread *self = current_thread();
    struct timeout timeout = {.thread = self};
    bool interruptible = flags & WAIT_INTERRUPTIBLE;

    prepare_sleep(self, interruptible);
    if (__atomic_load_n(happened, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&self->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
        return 0;
    }
    if (deadline != DEADLINE_NEVER)
        start_timeout(&timeout, flags, deadline);
    sleep_prepared(self, interruptible);
    if (deadline != DEADLINE_NEVER)
        timer_cancel(&timeout.timer);
    if (self->wake_interrupted)
        return -EINTR;
    return timeout.expired ? -ETIMEDOUT : 0;
}

/* Tell the entries. A queue with one, the usual case, needs no counting. Lock held. */
static inline void
tell(struct waitq *queue, uint64_t key, bool sync, uint32_t nexclusive)
{
    struct list *first = queue->entries.next;
    struct wait_entry *entry = LIST_ENTRY(first, struct wait_entry, link);

    if (likely(first->next == &queue->entries && first != &queue->entries && !queue->rest))
        entry->notify(entry, key, sync);
    else
        wake_begin(queue, key, sync, nexclusive);
}

static void
wake(struct waitq *queue, uint64_t key, bool sync, uint32_t nexclusive)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (list_empty(&queue->entries))
        return;
    SCOPED_SPIN(&queue->lock);
    tell(queue, key, sync, nexclusive);
}

void
wake_all(struct waitq *queue)
{
    wake(queue, 0, false, WAKE_EVERY);
}

void
wake_one(struct waitq *queue)
{
    wake(queue, 0, false, 1);
}

void
wake_key(struct waitq *queue, uint64_t key)
{
    wake(queue, key, false, 1);
}

void
wake_key_sync(struct waitq *queue, uint64_t key)
{
    wake(queue, key, true, 1);
}

void
wake_key_nested(struct waitq *queue, uint64_t key, bool sync, unsigned depth)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (list_empty(&queue->entries))
        return;
    spin_lock_nested(&queue->lock, depth);
    tell(queue, key, sync, 1);
    spin_unlock(&queue->lock);
}
