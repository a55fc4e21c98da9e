/*
 * Advisory locks: what is asked for, held and let go. locks.h tells their kinds; requests
 * that wait are lockwait.c's.
 *
 * Each file has its own mutex and lists; files have nothing to do with each
 * other. A POSIX or OFD owner's ranges never overlap, and those that touch are one if their
 * type is the same.
 */
#include "vfs/locks_internal.h"

#include "arch/riscv/trap.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/file.h"
#include "vfs/inode.h"

#define LAST_BYTE ((uint64_t)INT64_MAX)

int (*locks_pid)(void);

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

/* The first lock in want's way: of the owner that came first, by start. locks->lock held. */
static struct file_lock *
find_conflict(struct file_locks *locks, const struct file_lock *want)
{
    struct list *list = want->kind == KIND_FLOCK ? &locks->flocks : &locks->ranges;
    struct file_lock *held;
    unsigned n = 0;

    LIST_FOREACH(held, list, link) {
        if (lock_conflict(held, want))
            return held;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    return NULL;
}

/* The first lock of want's owner that it overlaps. locks->lock held. */
static struct file_lock *
find_own(struct file_locks *locks, const struct file_lock *want)
{
    struct file_lock *held;
    unsigned n = 0;

    LIST_FOREACH(held, &locks->ranges, link) {
        if (same_owner(held, want) && held->start <= want->end && want->start <= held->end)
            return held;
        preempt_every(&n, LOCKS_AT_ONCE);
    }
    return NULL;
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
    lock_release_waiters(held);
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
            lock_pass_on(held, want);
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
        error = wait ? lock_wait_behind(locks, *want, obstacle) : -EAGAIN;
    if (!error)
        replace_own(locks, *want, unlock, spare, gone);
    if (error || unlock) {
        lock_release_waiters(*want);
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
    bool own = ofd && request->l_type == F_UNLCK;
    struct file_lock want;
    if (!ofd && request->l_type != F_RDLCK && request->l_type != F_WRLCK)
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
    struct file_lock *held = own ? find_own(locks, &want) : find_conflict(locks, &want);
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
            lock_release_waiters(held);
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
            lock_release_waiters(old);
            kmfree(old);
        }
        obstacle = find_conflict(locks, *want);
        if (obstacle) {
            int error = wait ? lock_wait_behind(locks, *want, obstacle) : -EAGAIN;
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
        lock_release_waiters(want);
    mutex_unlock(&locks->lock);
    kmfree(want);
    return error;
}

