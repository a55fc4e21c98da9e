/*
 * Poll sets (poll.h).
 *
 * No wake is lost: a queue's waker sets its condition and then notifies those
 * who are listed. A waiter lists itself before it looks at the condition, and
 * clears `woken` before it looks again; sleep_unless() looks at `woken` once
 * more when the thread already counts as sleeping.
 *
 * The files whose queues hold waiters stay, because the system call refers to
 * them: by a count of the waiter's own, or, where the descriptor table is one
 * thread's alone, by that.
 */
#include "vfs/poll.h"

#include "lib/atomic.h"
#include "mem/slab.h"
#include "sched/thread.h"

#define MOST_IN_CHUNK 500 /* 40 KiB; more files take more chunks */

static bool
notify_poller(struct wait_entry *entry, uint64_t key, bool sync)
{
    struct poll_waiter *waiter = container_of(entry, struct poll_waiter, entry);
    struct poll_set *set = waiter->set;

    if (key && !(key & waiter->wanted))
        return false;
    if (__atomic_load_n(&set->woken, __ATOMIC_SEQ_CST))
        return false;
    __atomic_store_n(&set->woken, true, __ATOMIC_SEQ_CST); /* two may; a second wake does no harm */
    thread_wake(set->thread, sync);
    return true;
}

/* Room for one more waiter; NULL: memory is out. */
static struct poll_waiter *
new_waiter(struct poll_set *set)
{
    if (set->ninline < POLL_INLINE_WAITERS)
        return &set->inline_waiters[set->ninline++];

    struct poll_chunk *chunk = set->chunks;
    if (!chunk || chunk->used == chunk->size) {
        size_t size = min(set->nfiles, (size_t)MOST_IN_CHUNK);
        chunk = kmalloc(sizeof(*chunk) + size * sizeof(chunk->waiters[0]));
        if (!chunk)
            return NULL;
        *chunk = (struct poll_chunk){.next = set->chunks, .size = size};
        set->chunks = chunk;
    }
    return &chunk->waiters[chunk->used++];
}

static void
list_waiter(struct poll_table *table, struct file *file __unused, struct waitq *queue)
{
    struct poll_set *set = container_of(table, struct poll_set, table);
    struct poll_waiter *waiter = new_waiter(set);

    if (!waiter) {
        set->error = -ENOMEM;
        return;
    }
    *waiter = (struct poll_waiter){
        .entry = {.notify = notify_poller}, .set = set, .wanted = set->wanted};
    if (set->asked.counted) {
        waiter->file = set->asked.file;
        file_get(waiter->file);
    }
    waitq_add(queue, &waiter->entry);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the file looks at what is ready */
}

uint32_t
poll_ask(struct poll_set *set, struct fd_ref ref, uint32_t wanted)
{
    if (!set)
        return file_poll(ref.file, NULL);
    set->asked = ref;
    set->wanted = wanted | POLLERR | POLLHUP;
    return file_poll(ref.file, &set->table);
}

static void
remove_waiters(struct poll_waiter *waiters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        waitq_remove(&waiters[i].entry);
        if (waiters[i].file)
            file_put(waiters[i].file);
    }
}

static void
set_end(struct poll_set *set)
{
    struct poll_chunk *chunk = set->chunks;

    remove_waiters(set->inline_waiters, set->ninline);
    while (chunk) {
        struct poll_chunk *next = chunk->next;
        remove_waiters(chunk->waiters, chunk->used);
        kmfree(chunk);
        chunk = next;
    }
}

/* The part of poll_until() that waits. */
static __noinline int64_t
wait_for_any(poll_pass pass, void *ctx, size_t nfiles, uint64_t deadline)
{
    struct poll_set set;
    int error = 0;

    set.table.fn = list_waiter;
    set.thread = current_thread();
    set.woken = false;
    set.error = 0;
    set.ninline = 0;
    set.nfiles = nfiles;
    set.chunks = NULL;
    int64_t result = pass(ctx, &set);
    for (;;) {
        if (!result)
            result = set.error;
        if (!result && thread_interrupted())
            result = -EINTR;
        if (result || error == -ETIMEDOUT)
            break;
        error = sleep_unless(&set.woken, deadline, WAIT_INTERRUPTIBLE);
        store_relaxed(&set.woken, false);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* what happens from here on sets it again */
        result = pass(ctx, NULL);
    }
    set_end(&set);
    return result;
}

int64_t
poll_until(poll_pass pass, void *ctx, size_t nfiles, uint64_t deadline)
{
    int64_t result = pass(ctx, NULL);

    if (result)
        return result;
    if (thread_interrupted())
        return -EINTR;
    return deadline == POLL_NOW ? 0 : wait_for_any(pass, ctx, nfiles, deadline);
}
