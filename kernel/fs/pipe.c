/*
 * Pipes: bytes through a ring of pages.
 *
 *      slots:   [tail] ........ [head - 1]  [head]
 *               oldest page      newest      free ...
 *
 * A slot is a page with the bytes offset .. offset + length. A write fills up
 * the newest page before it takes a free slot, a read empties the oldest; the
 * bytes go between the user and the page directly. Pages are allocated when
 * they are needed, and one that was emptied is kept for the next write.
 *
 * The mutex is held while bytes are copied. To sleep, a reader or writer must
 * let it go in such a way that no wake is lost: it counts itself as waiting
 * while it holds the mutex, takes wait_lock, and lets the mutex go; whoever
 * changed something sees the count, and its wake waits for wait_lock, which the
 * sleeper holds until it is on the queue.
 *
 * Wakes are "sync": the one who wakes mostly goes to sleep next, so the other
 * side runs on the same hart, and two processes that play ping-pong disturb no
 * other hart.
 *
 * A write of up to PIPE_BUF bytes is all or nothing: it waits until it fits. A
 * pipe with O_DIRECT keeps each write in a page of its own, and a read takes
 * one such packet and drops what it has no room for.
 *
 * Opening a FIFO, and when a pipe goes, are in fifo.c.
 */
#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include "arch/riscv/trap.h"
#include "fs/pipe_internal.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/hostile.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/user.h"
#include "vm/usercopy.h"

#define READ_READY (POLLIN | POLLRDNORM)
#define WRITE_READY (POLLOUT | POLLWRNORM)
#define SIZE_LIMIT (1UL << 31) /* F_SETPIPE_SZ beyond it is EINVAL */
#define SLOTS_AT_ONCE 8 /* filled or drained between two preemption points */
#define SLOTS_PASSED 64 /* freed or looked at, the same */

uint32_t pipe_max_size = 1024 * 1024;
uint64_t pipe_user_pages_soft = PIPE_SLOTS * INR_OPEN_CUR, pipe_user_pages_hard;
void (*pipe_sigpipe)(void);

static struct slab_cache *pipe_cache;

static inline struct pipe_slot *
slot_at(struct pipe *pipe, uint32_t position)
{
    return &pipe->slots[position & (pipe->nslots - 1)];
}

static inline uint32_t
slots_used(const struct pipe *pipe)
{
    return pipe->head - pipe->tail;
}

static inline uint8_t *
slot_data(const struct pipe_slot *slot)
{
    return frame_va(slot->frame);
}

/* Bytes that fit behind the newest page's. */
static inline uint32_t
room_in_newest(struct pipe *pipe)
{
    if (pipe->head == pipe->tail)
        return 0;
    const struct pipe_slot *slot = slot_at(pipe, pipe->head - 1);
    return slot->packet ? 0 : (uint32_t)PAGE_SIZE - slot->offset - slot->length;
}

/* Change what the user's pipes may fill by so many pages; the new sum. */
static int64_t
charge(struct user *user, int64_t npages)
{
    return __atomic_add_fetch(&user->npipe_pages, npages, __ATOMIC_RELAXED);
}

/* Is the sum more than the limit allows the current thread? limit 0: no limit. */
static bool
too_many(int64_t npages, const uint64_t *limit)
{
    uint64_t most = __atomic_load_n(limit, __ATOMIC_RELAXED);

    return most && (uint64_t)npages > most && !capable(CAP_SYS_RESOURCE) &&
           !capable(CAP_SYS_ADMIN);
}

/* Charge the user for a new pipe. How many slots it has; 0: the user has too many pages. */
static uint32_t
charge_new(struct user *user)
{
    uint32_t nslots = PIPE_SLOTS;
    uint32_t largest = __atomic_load_n(&pipe_max_size, __ATOMIC_RELAXED) / (uint32_t)PAGE_SIZE;

    if (nslots > largest && !capable(CAP_SYS_RESOURCE))
        nslots = largest;
    int64_t sum = charge(user, nslots);
    if (nslots > PIPE_FEW_SLOTS && too_many(sum, &pipe_user_pages_soft)) {
        sum = charge(user, PIPE_FEW_SLOTS - (int64_t)nslots);
        nslots = PIPE_FEW_SLOTS;
    }
    if (too_many(sum, &pipe_user_pages_hard)) {
        charge(user, -(int64_t)nslots);
        return 0;
    }
    return nslots;
}

struct pipe *
pipe_alloc(void)
{
    struct user *user = user_current();
    if (!user)
        return err_ptr(-ENOMEM);
    uint32_t nslots = charge_new(user);
    if (!nslots) {
        user_put(user);
        return err_ptr(-ENFILE);
    }
    struct pipe *pipe = slab_alloc_zeroed(pipe_cache);
    if (!pipe) {
        charge(user, -(int64_t)nslots);
        user_put(user);
        return err_ptr(-ENOMEM);
    }
    pipe->user = user;
    mutex_init(&pipe->mutex, "pipe");
    spin_init(&pipe->wait_lock, "pipe wait");
    waitq_init(&pipe->readers);
    waitq_init(&pipe->writers);
    pipe->slots = pipe->first_slots;
    pipe->nslots = nslots;
    return pipe;
}

void
pipe_free(struct pipe *pipe)
{
    unsigned nslots = 0;

    for (; pipe->tail != pipe->head; pipe->tail++) {
        frame_free(slot_at(pipe, pipe->tail)->frame);
        preempt_every(&nslots, SLOTS_PASSED);
    }
    if (pipe->spare)
        frame_free(pipe->spare);
    if (pipe->slots != pipe->first_slots)
        kmfree(pipe->slots);
    charge(pipe->user, -(int64_t)pipe->nslots);
    user_put(pipe->user);
    slab_free(pipe_cache, pipe);
}

/* Waiting and waking. */

int
pipe_wait(struct pipe *pipe, struct waitq *queue, uint32_t *nwaiting)
{
    ++*nwaiting;
    spin_lock(&pipe->wait_lock);
    mutex_unlock(&pipe->mutex);
    int error = wait_on(queue, &pipe->wait_lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER);
    spin_unlock(&pipe->wait_lock);
    mutex_lock(&pipe->mutex);
    --*nwaiting;
    return error ? -ERESTARTSYS : 0;
}

void
pipe_wake(struct pipe *pipe, struct waitq *queue, uint64_t events)
{
    SCOPED_SPIN(&pipe->wait_lock);
    wake_key_sync(queue, events);
}

/*
 * Is there anybody to tell? With the mutex held: who lists itself without it
 * (poll) takes it afterwards.
 */
static inline bool
has_listeners(const struct waitq *queue, uint32_t nwaiting)
{
    return nwaiting || !waitq_empty(queue);
}

/* Reading. */

/* The oldest slot is empty: its page becomes the spare one, or goes. */
static void
drop_oldest(struct pipe *pipe)
{
    struct pipe_slot *slot = slot_at(pipe, pipe->tail);
    if (pipe->spare)
        frame_free(slot->frame);
    else
        pipe->spare = slot->frame;
    slot->frame = NULL;
    store_release(&pipe->tail, pipe->tail + 1);
}

/* Copy what there is to the reader. Returns bytes, or -EFAULT if none could be copied. */
static ssize_t
drain(struct pipe *pipe, struct uio *uio)
{
    size_t done = 0;
    unsigned nslots = 0;
    while (pipe->head != pipe->tail && uio->residue) {
        preempt_every(&nslots, SLOTS_AT_ONCE);
        struct pipe_slot *slot = slot_at(pipe, pipe->tail);
        size_t n = min((size_t)slot->length, uio->residue);
        if (uio_copyout(uio, slot_data(slot) + slot->offset, n) != n)
            return done ? (ssize_t)done : -EFAULT;
        done += n;
        slot->offset += n;
        slot->length -= n;
        bool packet = slot->packet;
        if (!slot->length || packet)
            drop_oldest(pipe);
        if (packet)
            break;
    }
    return (ssize_t)done;
}

static ssize_t
pipe_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct pipe *pipe = file->private;
    if (!uio->residue)
        return 0;
    ssize_t result = 0;
    mutex_lock(&pipe->mutex);
    while (pipe->head == pipe->tail) {
        if (!pipe->nwriters)
            goto out;
        if ((file->flags & O_NONBLOCK) || uio->nowait) {
            result = -EAGAIN;
            goto out;
        }
        result = pipe_wait(pipe, &pipe->readers, &pipe->readers_waiting);
        if (result)
            goto out;
    }
    uint32_t before = slots_used(pipe);
    result = drain(pipe, uio);
    bool tell = slots_used(pipe) < before && before >= pipe->nslots &&
                has_listeners(&pipe->writers, pipe->writers_waiting);
    mutex_unlock(&pipe->mutex);
    if (tell)
        pipe_wake(pipe, &pipe->writers, WRITE_READY);
    return result;
out:
    mutex_unlock(&pipe->mutex);
    return result;
}

/* Writing. */

/* Append behind the newest page's bytes. Returns bytes, or -EFAULT. */
static ssize_t
append(struct pipe *pipe, struct uio *uio, size_t n)
{
    struct pipe_slot *slot = slot_at(pipe, pipe->head - 1);
    if (uio_copyin(uio, slot_data(slot) + slot->offset + slot->length, n) != n)
        return -EFAULT;
    slot->length += n;
    return (ssize_t)n;
}

/* Put up to n bytes into a new page. Returns bytes, -EFAULT, -ENOMEM. */
static ssize_t
append_page(struct pipe *pipe, struct uio *uio, size_t n, bool packet)
{
    struct frame *frame = pipe->spare;
    pipe->spare = NULL;
    if (!frame)
        frame = frame_alloc(0, FRAME_BUFFER);
    if (!frame)
        return -ENOMEM;
    n = min(n, PAGE_SIZE);
    if (uio_copyin(uio, frame_va(frame), n) != n) {
        pipe->spare = frame;
        return -EFAULT;
    }
    *slot_at(pipe, pipe->head) = (struct pipe_slot){.frame = frame, .length = n, .packet = packet};
    store_release(&pipe->head, pipe->head + 1);
    return (ssize_t)n;
}

/*
 * Take bytes from the writer while there is room. Returns how many (0: no
 * room, or no room for all of an atomic write), or an error if none.
 */
static ssize_t
fill(struct pipe *pipe, struct uio *uio, bool packets, bool atomic)
{
    size_t free = (size_t)(pipe->nslots - slots_used(pipe)) * PAGE_SIZE;
    uint32_t newest = packets ? 0 : room_in_newest(pipe);
    if (atomic && uio->residue > newest + free)
        return 0;

    ssize_t done = 0, n = 0;
    unsigned nslots = 0;
    if (newest && uio->residue)
        n = append(pipe, uio, min((size_t)newest, uio->residue));
    while (n >= 0) {
        done += n;
        if (!uio->residue || slots_used(pipe) == pipe->nslots)
            return done;
        preempt_every(&nslots, SLOTS_AT_ONCE);
        n = append_page(pipe, uio, uio->residue, packets);
    }
    return done ? done : n;
}

static ssize_t
pipe_write(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    struct pipe *pipe = file->private;
    if (!uio->residue)
        return 0;
    bool atomic = uio->residue <= PIPE_BUF;
    ssize_t done = 0, error = 0;
    bool tell = false;
    mutex_lock(&pipe->mutex);
    for (;;) {
        if (!pipe->nreaders) {
            pipe_sigpipe();
            error = -EPIPE;
            break;
        }
        ssize_t n = fill(pipe, uio, file->flags & O_DIRECT, atomic);
        if (n < 0) {
            error = n;
            break;
        }
        done += n;
        if (n && has_listeners(&pipe->readers, pipe->readers_waiting))
            tell = true;
        if (!uio->residue)
            break;
        if (n && slots_used(pipe) < pipe->nslots)
            break; /* an error cut it short, and uio may be beyond what was taken: it must not go on */
        if ((file->flags & O_NONBLOCK) || uio->nowait) {
            error = -EAGAIN;
            break;
        }
        if (tell)
            pipe_wake(pipe, &pipe->readers, READ_READY);
        tell = false;
        error = pipe_wait(pipe, &pipe->writers, &pipe->writers_waiting);
        if (error)
            break;
    }
    mutex_unlock(&pipe->mutex);
    if (tell)
        pipe_wake(pipe, &pipe->readers, READ_READY);
    if (done && pipe->named)
        inode_touch(file->inode, TOUCH_MTIME | TOUCH_CTIME);
    return done ? done : error;
}

/* The rest. */

/*
 * What poll finds ready. What a file waits for must not be missed, nor seen where it never was: the
 * other side wakes it for what it makes of the pipe's state, not for what a look made of two states.
 *
 *      the ends, then the slots    a writer that has left left its bytes before
 *      opens so far, then writers  one that comes in between has not left
 *      tail, head, tail again      slots are in use from a tail to a head of one moment
 *
 * A look that finds the tail moved is made again with the mutex.
 */

/* Has the other side gone? */
static uint32_t
end_events(const struct pipe *pipe, const struct file *file)
{
    uint32_t events = 0;
    if (file->access & FILE_READ) {
        /* A FIFO opened without waiting has not hung up before its first writer came. */
        uint64_t ever = __atomic_load_n(&pipe->nwriters_ever, __ATOMIC_ACQUIRE);
        if (!__atomic_load_n(&pipe->nwriters, __ATOMIC_ACQUIRE) && file->readdir_version != ever)
            events |= POLLHUP;
    }
    if ((file->access & FILE_WRITE) && !__atomic_load_n(&pipe->nreaders, __ATOMIC_ACQUIRE))
        events |= POLLERR;
    return events;
}

static uint32_t
slot_events(const struct file *file, uint32_t used, uint32_t nslots)
{
    uint32_t events = 0;
    if ((file->access & FILE_READ) && used)
        events |= READ_READY;
    if ((file->access & FILE_WRITE) && used < nslots)
        events |= WRITE_READY;
    return events;
}

/* slots_used() and how many there are, without the mutex. False: they changed meanwhile. */
static bool
peek_slots(const struct pipe *pipe, uint32_t *used, uint32_t *nslots)
{
    *nslots = __atomic_load_n(&pipe->nslots, __ATOMIC_ACQUIRE);
    uint32_t tail = __atomic_load_n(&pipe->tail, __ATOMIC_ACQUIRE);
    hostile_delay();
    *used = __atomic_load_n(&pipe->head, __ATOMIC_ACQUIRE) - tail;
    return __atomic_load_n(&pipe->tail, __ATOMIC_RELAXED) == tail &&
           __atomic_load_n(&pipe->nslots, __ATOMIC_RELAXED) == *nslots;
}

static uint32_t
pipe_poll(struct file *file, struct poll_table *table)
{
    struct pipe *pipe = file->private;
    /* Who does not wait for a change may as well see the state a moment before or after one. */
    if (!table || !table->fn) {
        uint32_t used, nslots, events = end_events(pipe, file);
        if (peek_slots(pipe, &used, &nslots))
            return events | slot_events(file, used, nslots);
    }
    if (file->access & FILE_READ)
        poll_wait(table, file, &pipe->readers);
    if (file->access & FILE_WRITE)
        poll_wait(table, file, &pipe->writers);
    SCOPED_LOCK(&pipe->mutex);
    return end_events(pipe, file) | slot_events(file, slots_used(pipe), pipe->nslots);
}

static int64_t
pipe_ioctl(struct file *file, uint32_t command, uint64_t arg)
{
    struct pipe *pipe = file->private;
    if (command != FIONREAD)
        return -ENOTTY;
    uint32_t n = 0;
    unsigned nslots = 0;
    mutex_lock(&pipe->mutex);
    for (uint32_t at = pipe->tail; at != pipe->head; at++) {
        n += slot_at(pipe, at)->length;
        preempt_every(&nslots, SLOTS_PASSED);
    }
    mutex_unlock(&pipe->mutex);
    return put_user32(arg, n);
}

int64_t
pipe_get_size(struct file *file)
{
    struct pipe *pipe = file->private;
    return (int64_t)(pipe->nslots * PAGE_SIZE);
}

/* Move the slots to an array of another size. Mutex held. */
static int
resize(struct pipe *pipe, uint32_t nslots)
{
    if (slots_used(pipe) > nslots)
        return -EBUSY;
    struct pipe_slot *slots = pipe->first_slots;
    if (nslots > PIPE_SLOTS || pipe->slots == pipe->first_slots)
        slots = kmalloc(nslots * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    /* Positions stay what they are: poll looks at them without the mutex. */
    for (uint32_t at = pipe->tail; at != pipe->head; at++)
        slots[at & (nslots - 1)] = *slot_at(pipe, at);
    if (pipe->slots != pipe->first_slots)
        kmfree(pipe->slots);
    pipe->slots = slots;
    store_release(&pipe->nslots, nslots);
    return 0;
}

uint32_t
pipe_round_size(uint64_t size)
{
    return size > SIZE_LIMIT ? 0 : (uint32_t)max(roundup_pow2(size), PAGE_SIZE);
}

/* Resize and charge the pipe's user for it. Mutex held. */
static int
resize_charged(struct pipe *pipe, uint32_t nslots)
{
    int64_t change = (int64_t)nslots - pipe->nslots;
    int64_t sum = charge(pipe->user, change);
    int error = 0;

    if (change > 0 && (too_many(sum, &pipe_user_pages_hard) || too_many(sum, &pipe_user_pages_soft)))
        error = -EPERM;
    if (!error)
        error = resize(pipe, nslots);
    if (error)
        charge(pipe->user, -change);
    return error;
}

int64_t
pipe_set_size(struct file *file, uint64_t size)
{
    struct pipe *pipe = file->private;
    uint32_t bytes = pipe_round_size(size);
    if (!bytes)
        return -EINVAL;
    SCOPED_LOCK(&pipe->mutex);
    uint32_t nslots = bytes / (uint32_t)PAGE_SIZE;
    if (nslots > pipe->nslots && bytes > pipe_max_size && !capable(CAP_SYS_RESOURCE))
        return -EPERM;
    if (nslots != pipe->nslots) {
        int error = resize_charged(pipe, nslots);
        if (error)
            return error;
        pipe_wake(pipe, &pipe->writers, WRITE_READY);
    }
    return (int64_t)bytes;
}

const struct file_ops pipe_file_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .open = fifo_open,
    .release = pipe_release,
    .unseekable = true,
    .nowait = true,
    .direct = true, /* packets */
};

bool
file_is_pipe(const struct file *file)
{
    return file->ops == &pipe_file_ops;
}

void
pipe_init(void)
{
    pipe_cache = slab_cache_create("pipe", sizeof(struct pipe), 0);
    fifo_file_ops = &pipe_file_ops;
}
