/*
 * epoll: being told, and waiting.
 *
 * An item is one watched descriptor. It is listed on its file's queues for as
 * long as it is watched; a wake there puts it on the ready list (unless it is
 * there already) and wakes a sleeper. The ready list is a list of suspects:
 * whoever looks through it takes an item off, and only then asks its file, so
 * that what happens afterwards puts it back.
 *
 *      level-triggered     an item with events goes to the end of the list
 *                          again, and is asked again next time
 *      EPOLLET             it stays off, until the next wake
 *      EPOLLONESHOT        it stays off, and its events are cleared
 *
 * An epoll is itself a file that can be polled and watched: it is ready when
 * one of its suspects is. Watching never goes in a circle (epollset.c).
 */
#include "fs/epoll_internal.h"

#include "arch/riscv/hart.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/poll.h"
#include "vfs/user.h"
#include "vm/usercopy.h"

/* Suspects are as many as one user may watch files. */
#define ITEMS_AT_ONCE 32 /* asked between two preemption points */

static struct slab_cache *epoll_cache;

/* Wakes that pass through epolls on this hart, one within the other; wakes do not sleep. */
static unsigned wake_depth[MAX_HARTS];

static void
wake_waiters(struct epoll *epoll, bool sync)
{
    if (sync)
        wake_key_sync(&epoll->sleepers, 0);
    else
        wake_key(&epoll->sleepers, 0);
    unsigned *depth = &wake_depth[this_hart()->index];
    ++*depth;
    wake_key_nested(&epoll->pollers, POLLIN | POLLRDNORM, sync, *depth);
    --*depth;
}

/* Put an item on the ready list, unless it is there. lock held. */
static void
add_ready(struct epoll_item *item)
{
    if (item->ready)
        return;
    item->ready = true;
    list_add_tail(&item->epoll->ready, &item->ready_link);
}

/* Take an item off whatever list of suspects it is on. */
static void
drop_ready(struct epoll_item *item)
{
    SCOPED_SPIN(&item->epoll->lock);
    list_del(&item->ready_link);
    item->ready = false;
}

bool
epoll_item_ready(struct epoll_item *item, uint64_t key, bool sync)
{
    struct epoll *epoll = item->epoll;
    uint32_t events = __atomic_load_n(&item->events, __ATOMIC_RELAXED);

    if (!(events & ~EPOLL_FLAGS) || (key && !(key & events)))
        return false;
    spin_lock(&epoll->lock);
    add_ready(item);
    bool anybody = !waitq_empty(&epoll->sleepers);
    spin_unlock(&epoll->lock);
    wake_waiters(epoll, sync);
    return anybody;
}

static uint32_t poll_nested(struct file *file, struct poll_table *table, unsigned depth);

uint32_t
epoll_item_poll(struct epoll_item *item, struct poll_table *table, unsigned depth)
{
    uint32_t events = file_is_epoll(item->file) ? poll_nested(item->file, table, depth + 1)
                                                : file_poll(item->file, table);
    return events & item->events;
}

/* Take all suspects as a list of one's own; others see that somebody has them. mutex held. */
static void
scan_begin(struct epoll *epoll, struct list *suspects)
{
    list_init(suspects);
    SCOPED_SPIN(&epoll->lock);
    list_splice_tail(suspects, &epoll->ready);
    epoll->scanning = true;
}

/* Put the rest back, before what came meanwhile. Says whether anything is on the list. */
static bool
scan_end(struct epoll *epoll, struct list *suspects)
{
    SCOPED_SPIN(&epoll->lock);
    list_splice_tail(suspects, &epoll->ready);
    list_splice_tail(&epoll->ready, suspects);
    epoll->scanning = false;
    return !list_empty(&epoll->ready);
}

/* An item that was taken off stays the first suspect. */
static void
put_back(struct epoll_item *item, struct list *suspects)
{
    SCOPED_SPIN(&item->epoll->lock);
    if (!item->ready)
        list_add_head(suspects, &item->ready_link);
    item->ready = true;
}

/* Is any suspect ready? Those that are not are cleared of it. */
static bool
any_ready(struct epoll *epoll, unsigned depth)
{
    struct list suspects;
    struct epoll_item *item;
    bool found = false;
    unsigned nitems = 0;

    mutex_lock_nested(&epoll->mutex, depth);
    scan_begin(epoll, &suspects);
    for (; !found && (item = LIST_FIRST(&suspects, struct epoll_item, ready_link));
         preempt_every(&nitems, ITEMS_AT_ONCE)) {
        drop_ready(item);
        found = epoll_item_poll(item, NULL, depth) != 0;
        if (found)
            put_back(item, &suspects);
    }
    bool rest = scan_end(epoll, &suspects);
    mutex_unlock(&epoll->mutex);
    if (rest)
        wake_one(&epoll->sleepers);
    return found;
}

static uint32_t
poll_nested(struct file *file, struct poll_table *table, unsigned depth)
{
    struct epoll *epoll = file->private;

    poll_wait(table, file, &epoll->pollers);
    return any_ready(epoll, depth) ? POLLIN | POLLRDNORM : 0;
}

static uint32_t
epoll_poll(struct file *file, struct poll_table *table)
{
    return poll_nested(file, table, 0);
}

/* What becomes of an item whose events were delivered. mutex held. */
static void
settle(struct epoll_item *item)
{
    if (item->events & EPOLLONESHOT) {
        store_relaxed(&item->events, item->events & EPOLL_FLAGS);
    } else if (!(item->events & EPOLLET)) {
        SCOPED_SPIN(&item->epoll->lock);
        add_ready(item);
    }
}

/* Deliver the events of suspects. How many; -EFAULT if not even one. */
static int64_t
deliver(struct epoll *epoll, vaddr_t user, int max)
{
    struct list suspects;
    struct epoll_item *item;
    int64_t n = 0;
    unsigned nitems = 0;

    mutex_lock(&epoll->mutex);
    scan_begin(epoll, &suspects);
    for (; n < max && (item = LIST_FIRST(&suspects, struct epoll_item, ready_link));
         preempt_every(&nitems, ITEMS_AT_ONCE)) {
        drop_ready(item);
        uint32_t events = epoll_item_poll(item, NULL, 0);
        vaddr_t to = user + (uint64_t)n * sizeof(struct epoll_event);
        if (!events)
            continue;
        /* One by one: the padding between them stays the user's. */
        if (put_user32(to + offsetof(struct epoll_event, events), events) ||
            put_user64(to + offsetof(struct epoll_event, data), item->data)) {
            put_back(item, &suspects);
            n = n ? n : -EFAULT;
            break;
        }
        n++;
        settle(item);
    }
    bool rest = scan_end(epoll, &suspects);
    mutex_unlock(&epoll->mutex);
    if (rest)
        wake_one(&epoll->sleepers);
    return n;
}

static bool
may_have_events(const struct epoll *epoll)
{
    return epoll->scanning || !list_empty(&epoll->ready);
}

int64_t
epoll_wait_events(struct file *file, vaddr_t user, int max, uint64_t deadline)
{
    struct epoll *epoll = file->private;

    for (;;) {
        spin_lock(&epoll->lock);
        bool suspects = may_have_events(epoll);
        spin_unlock(&epoll->lock);
        if (suspects) {
            int64_t n = deliver(epoll, user, max);
            if (n)
                return n;
        }
        if (deadline == POLL_NOW)
            return 0;
        if (thread_interrupted())
            return -EINTR;
        spin_lock(&epoll->lock);
        if (!may_have_events(epoll) &&
            wait_on(&epoll->sleepers, &epoll->lock, WAIT_INTERRUPTIBLE | WAIT_EXCLUSIVE,
                    deadline) == -ETIMEDOUT)
            deadline = POLL_NOW;
        spin_unlock(&epoll->lock);
    }
}

static int64_t
epoll_seek(struct file *file __unused, int64_t offset __unused, int whence __unused)
{
    return 0;
}

static const struct file_ops epoll_file_ops = {
    .seek = epoll_seek,
    .poll = epoll_poll,
    .release = epoll_release,
    .unseekable = true, /* it has no bytes */
};

bool
file_is_epoll(const struct file *file)
{
    return file->ops == &epoll_file_ops;
}

int
epoll_create_file(struct file **file)
{
    struct epoll *epoll = slab_alloc_zeroed(epoll_cache);

    if (!epoll)
        return -ENOMEM;
    epoll->user = user_current();
    if (!epoll->user) {
        slab_free(epoll_cache, epoll);
        return -ENOMEM;
    }
    mutex_init(&epoll->mutex, "epoll");
    spin_init(&epoll->lock, "epoll ready");
    list_init(&epoll->ready);
    waitq_init(&epoll->sleepers);
    waitq_init(&epoll->pollers);
    /* Taken within other queues' locks, so classes of their own. */
    spin_init(&epoll->sleepers.lock, "epoll sleepers");
    spin_init(&epoll->pollers.lock, "epoll pollers");
    int error =
        file_anonymous("eventpoll", &epoll_file_ops, epoll, FILE_READ | FILE_WRITE, 0, file);
    if (error) {
        epoll_free(epoll);
        return error;
    }
    epoll->file = *file;
    return 0;
}

void
epoll_free(struct epoll *epoll)
{
    user_put(epoll->user);
    slab_free(epoll_cache, epoll);
}

void
epoll_init(void)
{
    epoll_cache = slab_cache_create("epoll", sizeof(struct epoll), 0);
    epollset_init();
}
