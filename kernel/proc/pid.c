/*
 * The table of process numbers; see pid.h.
 *
 * A slot holds one pointer for each kind of thing a number may name, and the
 * number is free when all are NULL. A number just handed out holds `reserved`
 * as its task, which no lookup returns.
 *
 * Tasks and processes take themselves out of the table while they still hold
 * a reference to themselves, so a lookup may simply count. A group or session
 * takes itself out only after its last reference is gone; a lookup that comes
 * in between must not revive it.
 *
 * A slot is changed only by the object that it names, and only a number in
 * use gets a new meaning: change() stops the machine otherwise. A group and a
 * session get their number from a process that bears it, and only while the
 * table still names that process: pid_claim().
 */
#include "proc/pid.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/spinlock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "mem/frame.h"
#include "proc/group.h"
#include "proc/task.h"

#define CHUNK_SHIFT 7 /* 128 slots of 32 bytes fill a page */
#define CHUNK_SLOTS (1U << CHUNK_SHIFT)
#define NCHUNKS (PID_MAX >> CHUNK_SHIFT)
#define FIRST_AFTER_WRAP 300 /* Linux's RESERVED_PIDS */

/* [C] by a count that fails at 0, taken under the chunk's lock. */
struct slot {
    void *objects[PID_NKINDS];
};

/* Guarded by: (L) lock */
struct chunk {
    struct spinlock lock;
    uint32_t nused;     /* (L) */
    struct slot *slots; /* (L) [L] a page, or NULL while nothing is in use */
};

_Static_assert(CHUNK_SLOTS * sizeof(struct slot) == PAGE_SIZE, "a chunk's slots fill a page");

static struct chunk chunks[NCHUNKS] = {
    [0 ... NCHUNKS - 1] = {.lock = SPINLOCK_INIT("pid chunk")},
};
static uint32_t last_pid; /* atomic */
static uint32_t serials[PID_MAX]; /* (A, changed under the chunk's lock) uses of each number */
static char reserved;

static struct chunk *
chunk_of(uint32_t nr)
{
    return &chunks[nr >> CHUNK_SHIFT];
}

static bool
slot_is_free(const struct slot *slot)
{
    return !slot->objects[PID_TASK] && !slot->objects[PID_PROC] && !slot->objects[PID_GROUP] &&
           !slot->objects[PID_SESSION];
}

/* Hand out a free number. Lock held. */
static void
hand_out(struct chunk *chunk, uint32_t nr)
{
    chunk->slots[nr % CHUNK_SLOTS].objects[PID_TASK] = &reserved;
    chunk->nused++;
    __atomic_store_n(&serials[nr], serials[nr] + 1, __ATOMIC_RELEASE);
}

/* Make a chunk's slots if they are not there. Lock held. 0 or -ENOMEM. */
static int
chunk_fill(struct chunk *chunk)
{
    if (chunk->slots)
        return 0;
    void *page = kalloc();
    if (!page)
        return -ENOMEM;
    page_zero(page);
    chunk->slots = page;
    return 0;
}

/* Forget a chunk's slots if nothing uses them. Lock held. */
static void
chunk_trim(struct chunk *chunk)
{
    if (chunk->nused || !chunk->slots)
        return;
    kfree(chunk->slots);
    chunk->slots = NULL;
}

/* Reserve the lowest free number >= nr in nr's chunk. 0 if there is none, or -ENOMEM. */
static int
chunk_take(uint32_t nr)
{
    struct chunk *chunk = chunk_of(nr);
    SCOPED_SPIN(&chunk->lock);

    if (chunk->nused == CHUNK_SLOTS)
        return 0;
    if (chunk_fill(chunk) < 0)
        return -ENOMEM;
    for (uint32_t i = nr % CHUNK_SLOTS; i < CHUNK_SLOTS; i++) {
        if (!slot_is_free(&chunk->slots[i]))
            continue;
        nr = nr / CHUNK_SLOTS * CHUNK_SLOTS + i;
        hand_out(chunk, nr);
        return (int)nr;
    }
    chunk_trim(chunk);
    return 0;
}

int
pid_alloc(void)
{
    uint32_t nr = __atomic_load_n(&last_pid, __ATOMIC_RELAXED) + 1;

    for (unsigned tries = 0; tries <= NCHUNKS; tries++) {
        if (nr >= PID_MAX)
            nr = FIRST_AFTER_WRAP;
        int got = chunk_take(nr);
        if (got > 0)
            store_relaxed(&last_pid, (uint32_t)got);
        if (got)
            return got;
        nr = (nr | (CHUNK_SLOTS - 1)) + 1;
    }
    return -EAGAIN;
}

int
pid_take(uint32_t nr)
{
    if (nr == 0 || nr >= PID_MAX)
        return -EINVAL;

    struct chunk *chunk = chunk_of(nr);
    SCOPED_SPIN(&chunk->lock);
    if (chunk_fill(chunk) < 0)
        return -ENOMEM;
    struct slot *slot = &chunk->slots[nr % CHUNK_SLOTS];
    if (!slot_is_free(slot))
        return -EEXIST;
    hand_out(chunk, nr);
    return 0;
}

/* Let a slot that is in use name `to` where it named `from`; that it did is certain. */
static void
change(uint32_t nr, enum pid_kind kind, const void *from, void *to)
{
    struct chunk *chunk = chunk_of(nr);
    SCOPED_SPIN(&chunk->lock);
    struct slot *slot = chunk->slots ? &chunk->slots[nr % CHUNK_SLOTS] : NULL;

    if (!slot || slot_is_free(slot) || slot->objects[kind] != from)
        panic("number %u names something else (kind %d)", nr, kind);
    slot->objects[kind] = to;
    if (!to && slot_is_free(slot)) {
        chunk->nused--;
        chunk_trim(chunk);
    }
}

void
pid_set(uint32_t nr, enum pid_kind kind, void *object)
{
    change(nr, kind, kind == PID_TASK ? &reserved : NULL, object);
}

void
pid_replace(uint32_t nr, enum pid_kind kind, void *old, void *new)
{
    change(nr, kind, old, new);
}

void
pid_clear(uint32_t nr, enum pid_kind kind, void *object)
{
    change(nr, kind, object, NULL);
}

void
pid_cancel(uint32_t nr)
{
    change(nr, PID_TASK, &reserved, NULL);
}

bool
pid_claim(const struct proc *proc, struct group *group, struct session *session)
{
    struct chunk *chunk = chunk_of(proc->pid);
    SCOPED_SPIN(&chunk->lock);
    struct slot *slot = chunk->slots ? &chunk->slots[proc->pid % CHUNK_SLOTS] : NULL;

    if (!slot || slot->objects[PID_PROC] != proc || slot->objects[PID_GROUP])
        return false;
    if (session && slot->objects[PID_SESSION])
        return false;
    slot->objects[PID_GROUP] = group;
    if (session)
        slot->objects[PID_SESSION] = session;
    return true;
}

/* Take a reference to what a slot names. The chunk's lock is held. */
static void *
reference(void *object, enum pid_kind kind)
{
    if (!object || object == &reserved)
        return NULL;
    switch (kind) {
    case PID_TASK:
        task_get(object);
        return object;
    case PID_PROC:
        proc_get(object);
        return object;
    case PID_GROUP:
        return ref_tryget(&((struct group *)object)->refs) ? object : NULL;
    default:
        return ref_tryget(&((struct session *)object)->refs) ? object : NULL;
    }
}

static void *
lookup(uint32_t nr, enum pid_kind kind)
{
    if (nr >= PID_MAX)
        return NULL;

    struct chunk *chunk = chunk_of(nr);
    SCOPED_SPIN(&chunk->lock);
    if (!chunk->slots)
        return NULL;
    return reference(chunk->slots[nr % CHUNK_SLOTS].objects[kind], kind);
}

struct task *
pid_task(uint32_t nr)
{
    return lookup(nr, PID_TASK);
}

struct proc *
pid_proc(uint32_t nr)
{
    return lookup(nr, PID_PROC);
}

struct group *
pid_group(uint32_t nr)
{
    return lookup(nr, PID_GROUP);
}

struct session *
pid_session(uint32_t nr)
{
    return lookup(nr, PID_SESSION);
}

bool
pid_names(uint32_t nr, unsigned kinds)
{
    bool names = false;

    if (nr >= PID_MAX)
        return false;
    struct chunk *chunk = chunk_of(nr);
    SCOPED_SPIN(&chunk->lock);
    for (unsigned kind = 0; chunk->slots && kind < PID_NKINDS; kind++) {
        const void *object = chunk->slots[nr % CHUNK_SLOTS].objects[kind];
        names |= (kinds >> kind & 1) && object && object != &reserved;
    }
    return names;
}

struct proc *
pid_next_proc(uint32_t nr)
{
    while (nr < PID_MAX) {
        struct chunk *chunk = chunk_of(nr);
        SCOPED_SPIN(&chunk->lock);
        for (uint32_t i = nr % CHUNK_SLOTS; chunk->slots && i < CHUNK_SLOTS; i++) {
            struct proc *proc = reference(chunk->slots[i].objects[PID_PROC], PID_PROC);
            if (proc)
                return proc;
        }
        nr = (nr | (CHUNK_SLOTS - 1)) + 1;
    }
    return NULL;
}

uint32_t
pid_serial(uint32_t nr)
{
    return nr < PID_MAX ? __atomic_load_n(&serials[nr], __ATOMIC_ACQUIRE) : 0;
}

uint32_t
pid_last(void)
{
    return __atomic_load_n(&last_pid, __ATOMIC_RELAXED);
}
