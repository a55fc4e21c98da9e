/*
 * Advisory locks; locks.h tells their kinds.
 *
 * Each file has its own mutex and lists; files have nothing to do with each
 * other. A request that finds a lock in its way (its obstacle) waits for just
 * that lock:
 *
 *      lock held  <-- waiters: request, request, ...
 *
 * and is woken when that lock goes, shrinks or changes its type. If several
 * waiters want what excludes each other, only the first is woken, and the
 * others wait behind its request: were all woken, all but one would find it in
 * their way again. A request that has to wait once more passes those behind it
 * on, so what a request waits for is a lock held or a request just woken, never
 * a chain.
 *
 * A POSIX owner deadlocks if the owner it would wait for waits, over any number
 * of steps, for it. All waiting POSIX requests therefore stand in one hash table
 * by owner, the graph; who waits for what changes under graph_lock alone, so a
 * request leaves the graph in the moment in which its obstacle goes, not when
 * its thread runs again. The search gives up after a few steps, as Linux's does:
 * the threads of a circle that is not found sleep until a signal comes.
 *
 * Lock order: file_locks.lock, graph_lock. A request's structure is its waiting
 * thread's; after it was woken, or gave up, that thread takes file_locks.lock
 * before it frees it, so holders of that lock may use the requests they woke.
 */
#include "vfs/locks.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/hash.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/refcount.h"
#include "mem/slab.h"
#include "sched/mutex.h"
#include "sched/thread.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

#define LAST_BYTE ((uint64_t)INT64_MAX)
#define GRAPH_BUCKETS 1024
#define MOST_STEPS 10   /* of the search for a deadlock, from owner to owner: as Linux */
#define MOST_PROBES 256 /* of a bucket in one step */
#define LOCKS_AT_ONCE 64 /* between two points where the hart may be given away */

enum lock_kind { KIND_POSIX, KIND_OFD, KIND_FLOCK };

/*
 * A lock held, or a request for one. Guarded by: (C) constant  (L) file_locks.lock
 * (G) graph_lock  (A) atomic
 */
struct file_lock {
    struct list link;          /* (L) [L] in file_locks.ranges or flocks; a request is in neither */
    enum lock_kind kind;       /* (C) */
    void *owner;               /* (C) never followed: struct fdtable or struct file */
    bool write;                /* (C) */
    int pid;                   /* (C) */
    uint64_t start, end;       /* (L) inclusive */
    struct list waiters;       /* (G) [L] requests that wait for this, by wait_link, in order */
    struct file_lock *blocker; /* (G) [L] what this request waits for; NULL: it waits no more */
    struct list wait_link;     /* (G) [L] */
    struct list graph_link;    /* (G) [L] a POSIX request that waits: in the graph */
    struct thread *thread;     /* (C) [L] of a request: kept by its waiting there */
    bool woken;                /* (A) */
};

/* An inode's locks. Guarded by: (C) constant  (L) lock  (A) atomic  (S) all_lock */
struct file_locks {
    struct refcount refs; /* (A) the inode's; locks_next()'s */
    struct mutex lock;
    struct list ranges;   /* (L) [L] POSIX and OFD: each owner's together, sorted by start */
    struct list flocks;   /* (L) [L] */
    uint64_t dev, ino;    /* (C) */
    uint64_t nremoved;    /* (L) locks that ever left a list: see locks_next() */
    uint64_t number;      /* (C) unlike that of any other set, ever */
    struct rbnode node;   /* (S) [L] in all_locks, to the last reference */
};

int (*locks_pid)(void);

static struct spinlock graph_lock = SPINLOCK_INIT("lock graph");
static struct list graph[GRAPH_BUCKETS]; /* (G) */
static struct spinlock all_lock = SPINLOCK_INIT("all file locks");
static struct rbtree all_locks; /* (S) by number */
static uint64_t next_number;    /* (S) */

void
locks_init(void)
{
    for (size_t i = 0; i < GRAPH_BUCKETS; i++)
        list_init(&graph[i]);
}

/* The inode's set of locks, made if it has none; NULL: no memory. */
static struct file_locks *
locks_of(struct inode *inode)
{
    struct file_locks *locks = __atomic_load_n(&inode->locks, __ATOMIC_ACQUIRE);
    if (locks)
        return locks;

    struct file_locks *fresh = kmalloc(sizeof(*fresh));
    if (!fresh)
        return NULL;
    ref_init(&fresh->refs, 1);
    mutex_init(&fresh->lock, "file locks");
    list_init(&fresh->ranges);
    list_init(&fresh->flocks);
    fresh->dev = inode->sb->dev;
    fresh->ino = inode->ino;
    fresh->nremoved = 0;
    if (!__atomic_compare_exchange_n(&inode->locks, &locks, fresh, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        kmfree(fresh);
        return locks; /* another thread's */
    }
    spin_lock(&all_lock);
    fresh->number = next_number++;
    struct rbnode *last = rb_last(&all_locks);
    rb_insert_at(&all_locks, &fresh->node, last, last ? &last->right : &all_locks.root);
    spin_unlock(&all_lock);
    return fresh;
}

static void
locks_put(struct file_locks *locks)
{
    if (!ref_put(&locks->refs))
        return;
    spin_lock(&all_lock);
    rb_erase(&all_locks, &locks->node);
    spin_unlock(&all_lock);
    kmfree(locks);
}

void
locks_free(struct inode *inode)
{
    struct file_locks *locks = inode->locks;

    assert(list_empty(&locks->ranges) && list_empty(&locks->flocks));
    inode->locks = NULL;
    locks_put(locks);
}

/* The range that a struct flock means. -EINVAL, -EOVERFLOW. */
static int
decode_range(struct file *file, const struct flock *request, uint64_t *start, uint64_t *end)
{
    int64_t from, last = INT64_MAX;
    switch (request->l_whence) {
    case 0: /* SEEK_SET */
        from = 0;
        break;
    case 1: /* SEEK_CUR */
        from = (int64_t)__atomic_load_n(&file->pos, __ATOMIC_RELAXED);
        break;
    case 2: /* SEEK_END */
        from = (int64_t)__atomic_load_n(&file->inode->size, __ATOMIC_RELAXED);
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(from, request->l_start, &from))
        return -EOVERFLOW;
    if (from < 0)
        return -EINVAL;
    if (request->l_len > 0) {
        if (__builtin_add_overflow(from, request->l_len - 1, &last))
            return -EOVERFLOW;
    } else if (request->l_len < 0) {
        /* from is not negative, so neither line overflows; to lock up to -1 is to lock nothing. */
        last = from - 1;
        from += request->l_len;
        if (from < 0)
            return -EINVAL;
    }
    *start = (uint64_t)from;
    *end = (uint64_t)last;
    return 0;
}

/* A request without a place in any list. */
static void
init_request(struct file_lock *want, enum lock_kind kind, void *owner, bool write)
{
    *want = (struct file_lock){
        .kind = kind,
        .owner = owner,
        .write = write,
        .pid = kind == KIND_OFD || !locks_pid ? -1 : locks_pid(),
        .end = LAST_BYTE,
        .thread = current_thread(),
    };
    list_init(&want->link);
    list_init(&want->waiters);
    list_init(&want->wait_link);
    list_init(&want->graph_link);
}

/* The file lock that a request asks for; that its type is F_UNLCK is left to the caller. */
static int
decode(struct file *file, const struct flock *request, bool ofd, struct file_lock *want)
{
    init_request(want, ofd ? KIND_OFD : KIND_POSIX,
                 ofd ? (void *)file : (void *)current_thread()->files, request->l_type == F_WRLCK);
    int error = decode_range(file, request, &want->start, &want->end);
    if (error)
        return error;
    bool known = request->l_type == F_RDLCK || request->l_type == F_WRLCK ||
                 request->l_type == F_UNLCK;
    return known ? 0 : -EINVAL;
}

static bool
same_owner(const struct file_lock *a, const struct file_lock *b)
{
    return a->owner == b->owner && a->kind == b->kind;
}

static bool
conflict(const struct file_lock *held, const struct file_lock *want)
{
    if ((held->kind == KIND_FLOCK) != (want->kind == KIND_FLOCK) || held->owner == want->owner)
        return false;
    return (held->write || want->write) && held->start <= want->end && want->start <= held->end;
}

/* The first lock in want's way: of the owner that came first, by start. locks->lock held. */
static struct file_lock *
find_conflict(struct file_locks *locks, const struct file_lock *want)
{
    struct list *list = want->kind == KIND_FLOCK ? &locks->flocks : &locks->ranges;
    struct file_lock *held;
    unsigned n = 0;

    LIST_FOREACH(held, list, link) {
        if (conflict(held, want))
            return held;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    return NULL;
}

/* Waiting. */

static struct list *
bucket_of(const void *owner)
{
    return &graph[hash64_pair((uint64_t)owner, 0) % GRAPH_BUCKETS];
}

/* graph_lock held. */
static void
block(struct file_lock *want, struct file_lock *obstacle)
{
    want->blocker = obstacle;
    list_add_tail(&obstacle->waiters, &want->wait_link);
    if (want->kind == KIND_POSIX)
        list_add_tail(bucket_of(want->owner), &want->graph_link);
}

/* graph_lock held. */
static void
unblock(struct file_lock *want)
{
    want->blocker = NULL;
    list_del(&want->wait_link);
    list_del(&want->graph_link);
}

/* Let a request that waits no more look again. graph_lock held. */
static void
wake(struct file_lock *want)
{
    store_release(&want->woken, true);
    thread_wake(want->thread, false);
}

/* What one of owner's requests waits for, or NULL. graph_lock held. */
static struct file_lock *
obstacle_of(const void *owner)
{
    struct file_lock *request;
    unsigned probes = 0;

    LIST_FOREACH(request, bucket_of(owner), graph_link) {
        if (request->owner == owner)
            return request->blocker;
        if (++probes == MOST_PROBES)
            break;
    }
    return NULL;
}

/* Would want's owner close a circle if it waited for obstacle? graph_lock held. */
static bool
would_deadlock(const struct file_lock *want, const struct file_lock *obstacle)
{
    if (want->kind != KIND_POSIX)
        return false;
    for (unsigned steps = 0; steps < MOST_STEPS; steps++) {
        if (obstacle->kind != KIND_POSIX)
            return false;
        obstacle = obstacle_of(obstacle->owner);
        if (!obstacle)
            return false;
        if (obstacle->owner == want->owner)
            return true;
    }
    return false;
}

/*
 * lock goes or shrinks, or the request gives up: those that wait for it look again, but those
 * that exclude each other one after the other. locks->lock held.
 */
static void
release_waiters(struct file_lock *lock)
{
    struct file_lock *ahead = NULL;

    for (unsigned n = 0;; preempt_every(&n, LOCKS_AT_ONCE)) {
        SCOPED_SPIN(&graph_lock);
        struct file_lock *waiter = LIST_FIRST(&lock->waiters, struct file_lock, wait_link);
        if (!waiter)
            return;
        unblock(waiter);
        if (ahead && conflict(ahead, waiter)) {
            block(waiter, ahead);
        } else {
            wake(waiter);
            ahead = waiter;
        }
    }
}

/* What waits for `from` is to wait for `to`, if that is in its way, too. locks->lock held. */
static void
pass_on(struct file_lock *from, struct file_lock *to)
{
    for (unsigned n = 0;; preempt_every(&n, LOCKS_AT_ONCE)) {
        SCOPED_SPIN(&graph_lock);
        struct file_lock *waiter = LIST_FIRST(&from->waiters, struct file_lock, wait_link);
        if (!waiter)
            return;
        unblock(waiter);
        if (conflict(to, waiter) && !would_deadlock(waiter, to))
            block(waiter, to);
        else
            wake(waiter);
    }
}

/*
 * Sleep, with locks->lock let go meanwhile, until obstacle may no longer be in want's way. 0: look
 * again; -EDEADLK; -ERESTARTSYS.
 */
static int
wait_behind(struct file_locks *locks, struct file_lock *want, struct file_lock *obstacle)
{
    pass_on(want, obstacle);
    spin_lock(&graph_lock);
    bool deadlock = would_deadlock(want, obstacle);
    if (!deadlock) {
        want->woken = false;
        block(want, obstacle);
    }
    spin_unlock(&graph_lock);
    if (deadlock)
        return -EDEADLK;

    mutex_unlock(&locks->lock);
    int error = sleep_unless(&want->woken, DEADLINE_NEVER, WAIT_INTERRUPTIBLE);
    mutex_lock(&locks->lock);
    spin_lock(&graph_lock);
    bool waits = want->blocker;
    if (waits)
        unblock(want);
    spin_unlock(&graph_lock);
    return error && waits ? -ERESTARTSYS : 0;
}

/* Locks by range. */

/*
 * Take [start, end] out of a lock; what is left behind it goes to *spare, which
 * is then used up. Returns the lock if nothing is left of it.
 */
static struct file_lock *
cut(struct file_lock *held, uint64_t start, uint64_t end, struct file_lock **spare)
{
    bool left = held->start < start, right = held->end > end;

    if (left && right) {
        struct file_lock *tail = *spare;
        *spare = NULL;
        init_request(tail, held->kind, held->owner, held->write);
        tail->pid = held->pid;
        tail->start = end + 1;
        tail->end = held->end;
        list_add_after(&held->link, &tail->link);
    }
    if (left)
        held->end = start - 1;
    else if (right)
        held->start = end + 1;
    else
        list_del(&held->link);
    release_waiters(held);
    return left || right ? NULL : held;
}

/*
 * Make room for want (or unlock its range) among its owner's own locks, which
 * it merges with where the type is the same. Locks that go are put on `gone`.
 */
static void
replace_own(struct file_locks *locks, struct file_lock *want, bool unlock, struct file_lock **spare,
            struct list *gone)
{
    struct file_lock *held, *next;
    unsigned n = 0;

    LIST_FOREACH_SAFE(held, next, &locks->ranges, link) {
        preempt_every(&n, LOCKS_AT_ONCE);
        if (!same_owner(held, want) || held->end + 1 < want->start)
            continue;
        if (held->start > want->end + 1)
            break;
        if (!unlock && held->write == want->write) {
            want->start = min(want->start, held->start);
            want->end = max(want->end, held->end);
            list_move_tail(gone, &held->link);
            locks->nremoved++;
            pass_on(held, want);
        } else if (held->start <= want->end && want->start <= held->end) {
            struct file_lock *whole = cut(held, want->start, want->end, spare);
            locks->nremoved += whole != NULL;
            if (whole)
                list_add_tail(gone, &whole->link);
        }
    }
}

/* List a lock among its owner's, by start. */
static void
insert_range(struct file_locks *locks, struct file_lock *lock)
{
    struct file_lock *held;
    bool among_own = false;
    unsigned n = 0;

    LIST_FOREACH(held, &locks->ranges, link) {
        bool own = same_owner(held, lock);
        if ((own && held->start > lock->start) || (!own && among_own))
            break;
        among_own = own;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    list_add_before(&held->link, &lock->link); /* the head's link, if the loop ran to its end */
}

static void
free_all(struct list *gone)
{
    struct list *link;
    unsigned n = 0;

    for (; (link = list_pop(gone)); preempt_every(&n, LOCKS_AT_ONCE))
        kmfree(LIST_ENTRY(link, struct file_lock, link));
}

/* Set or remove the lock *want, which is used up (and cleared) if it is listed. locks->lock held. */
static int
set_range(struct file_locks *locks, struct file_lock **want, struct file_lock **spare, bool unlock,
          bool wait, struct list *gone)
{
    struct file_lock *obstacle;
    int error = 0;

    while (!unlock && !error && (obstacle = find_conflict(locks, *want)))
        error = wait ? wait_behind(locks, *want, obstacle) : -EAGAIN;
    if (!error)
        replace_own(locks, *want, unlock, spare, gone);
    if (error || unlock) {
        release_waiters(*want);
        return error;
    }
    insert_range(locks, *want);
    *want = NULL;
    return 0;
}

int
file_set_lock(struct file *file, const struct flock *request, bool ofd, bool wait)
{
    bool unlock = request->l_type == F_UNLCK;
    struct file_lock *want = kmalloc(sizeof(*want)), *spare = kmalloc(sizeof(*spare));
    struct file_locks *locks = NULL;
    struct list gone = LIST_INIT(gone);
    int error = want && spare ? decode(file, request, ofd, want) : -ENOLCK;

    if (!error && !unlock && !(file->access & (want->write ? FILE_WRITE : FILE_READ)))
        error = -EBADF;
    if (!error && ofd && request->l_pid != 0)
        error = -EINVAL;
    if (!error) {
        locks = unlock ? __atomic_load_n(&file->inode->locks, __ATOMIC_ACQUIRE)
                       : locks_of(file->inode);
        if (!locks && !unlock)
            error = -ENOLCK;
    }
    if (locks) {
        mutex_lock(&locks->lock);
        error = set_range(locks, &want, &spare, unlock, wait, &gone);
        mutex_unlock(&locks->lock);
    }
    kmfree(want);
    kmfree(spare);
    free_all(&gone);
    return error;
}

int
file_get_lock(struct file *file, struct flock *request, bool ofd)
{
    struct file_lock want;
    if (request->l_type != F_RDLCK && request->l_type != F_WRLCK)
        return -EINVAL;
    int error = decode(file, request, ofd, &want);
    if (!error && ofd && request->l_pid != 0)
        error = -EINVAL;
    if (error)
        return error;

    struct file_locks *locks = __atomic_load_n(&file->inode->locks, __ATOMIC_ACQUIRE);
    request->l_type = F_UNLCK;
    if (!locks)
        return 0;
    SCOPED_LOCK(&locks->lock);
    struct file_lock *held = find_conflict(locks, &want);
    if (!held)
        return 0;
    request->l_type = held->write ? F_WRLCK : F_RDLCK;
    request->l_whence = 0;
    request->l_start = (int64_t)held->start;
    request->l_len = held->end == LAST_BYTE ? 0 : (int64_t)(held->end - held->start + 1);
    request->l_pid = held->kind == KIND_OFD ? -1 : held->pid;
    return 0;
}

/* Remove the owner's locks of a kind from an inode. */
static void
release(struct inode *inode, void *owner, enum lock_kind kind)
{
    struct file_locks *locks = __atomic_load_n(&inode->locks, __ATOMIC_ACQUIRE);
    struct list gone = LIST_INIT(gone);
    struct file_lock *held, *next;
    unsigned n = 0;

    if (!locks)
        return;
    mutex_lock(&locks->lock);
    struct list *list = kind == KIND_FLOCK ? &locks->flocks : &locks->ranges;
    LIST_FOREACH_SAFE(held, next, list, link) {
        if (held->owner == owner && held->kind == kind) {
            list_move_tail(&gone, &held->link);
            locks->nremoved++;
            release_waiters(held);
        }
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    mutex_unlock(&locks->lock);
    free_all(&gone);
}

void
locks_release_table(struct inode *inode, struct fdtable *table)
{
    release(inode, table, KIND_POSIX);
}

void
locks_release_file(struct file *file)
{
    release(file->inode, file, KIND_OFD);
    release(file->inode, file, KIND_FLOCK);
}

/* The lock that a file holds by flock(), or NULL. */
static struct file_lock *
own_flock(struct file_locks *locks, const struct file *file)
{
    struct file_lock *held;
    unsigned n = 0;

    LIST_FOREACH(held, &locks->flocks, link) {
        if (held->owner == file)
            return held;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    return NULL;
}

/*
 * Set the file's lock to *want, which is used up (and cleared) if it is listed. An open file has
 * one such lock at most: another thread may get one by it while this one sleeps.
 */
static int
set_flock(struct file_locks *locks, struct file *file, struct file_lock **want, bool wait)
{
    struct file_lock *obstacle;

    do {
        struct file_lock *old = own_flock(locks, file);
        if (old && old->write == (*want)->write)
            return 0;
        if (old) { /* changing the type lets go first: flock(2) */
            list_del(&old->link);
            locks->nremoved++;
            release_waiters(old);
            kmfree(old);
        }
        obstacle = find_conflict(locks, *want);
        if (obstacle) {
            int error = wait ? wait_behind(locks, *want, obstacle) : -EAGAIN;
            if (error)
                return error;
        }
    } while (obstacle);
    list_add_tail(&locks->flocks, &(*want)->link);
    *want = NULL;
    return 0;
}

int
file_flock(struct file *file, int operation)
{
    int type = operation & ~LOCK_NB;
    if (type == LOCK_UN) {
        release(file->inode, file, KIND_FLOCK);
        return 0;
    }
    if (!(file->access & (FILE_READ | FILE_WRITE)))
        return -EBADF;

    struct file_locks *locks = locks_of(file->inode);
    struct file_lock *want = kmalloc(sizeof(*want));
    if (!locks || !want) {
        kmfree(want);
        return -ENOLCK;
    }
    init_request(want, KIND_FLOCK, file, type == LOCK_EX);
    mutex_lock(&locks->lock);
    int error = set_flock(locks, file, &want, !(operation & LOCK_NB));
    if (want)
        release_waiters(want);
    mutex_unlock(&locks->lock);
    kmfree(want);
    return error;
}

/* Listing. */

/* The first set of locks with a number of at least `number`, with a reference; NULL: none. */
static struct file_locks *
find_locks(uint64_t number)
{
    struct rbnode *best = NULL;

    SCOPED_SPIN(&all_lock);
    for (struct rbnode *node = all_locks.root; node;) {
        bool before = RB_ENTRY(node, struct file_locks, node)->number < number;
        best = before ? best : node;
        node = before ? node->right : node->left;
    }
    for (; best; best = rb_next(best)) {
        struct file_locks *locks = RB_ENTRY(best, struct file_locks, node);
        if (ref_tryget(&locks->refs))
            return locks;
    }
    return NULL;
}

/*
 * The lock at the cursor in one of the lists; NULL: the list ends before. If nothing has left the
 * set since the lock told last it is still there, and the next is its neighbour. locks->lock held.
 */
static const struct file_lock *
lock_at(const struct file_locks *locks, const struct lock_cursor *cursor)
{
    const struct list *list = cursor->flocks ? &locks->flocks : &locks->ranges;
    const struct file_lock *last = cursor->last, *held;
    unsigned n = 0;

    if (last && cursor->nremoved == locks->nremoved)
        return LIST_NEXT(last, list, link);
    LIST_FOREACH(held, list, link) {
        if (n == cursor->index)
            return held;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    return NULL;
}

static void
tell(const struct file_locks *locks, const struct file_lock *held, struct lock_info *info)
{
    static const char *const kinds[] = {"POSIX", "OFDLCK", "FLOCK"};

    *info = (struct lock_info){
        .kind = kinds[held->kind],
        .write = held->write,
        .pid = held->pid,
        .dev = locks->dev,
        .ino = locks->ino,
        .start = held->start,
        .end = held->end,
    };
}

bool
locks_next(struct lock_cursor *cursor, struct lock_info *info)
{
    struct file_locks *locks = find_locks(cursor->file);

    info->kind = NULL;
    if (!locks)
        return false;
    if (locks->number != cursor->file)
        *cursor = (struct lock_cursor){.file = locks->number};
    mutex_lock(&locks->lock);
    const struct file_lock *held = lock_at(locks, cursor);
    if (!held && !cursor->flocks) {
        *cursor = (struct lock_cursor){.file = locks->number, .flocks = true};
        held = lock_at(locks, cursor);
    }
    if (held) {
        tell(locks, held, info);
        cursor->index++;
        cursor->last = held;
        cursor->nremoved = locks->nremoved;
    } else {
        *cursor = (struct lock_cursor){.file = locks->number + 1};
    }
    mutex_unlock(&locks->lock);
    locks_put(locks);
    return true;
}
