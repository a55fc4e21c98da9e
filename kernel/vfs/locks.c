/*
 * Advisory locks; locks.h tells their kinds.
 *
 * One spinlock guards all locks of all files: they are few and rarely
 * contended, and looking for a deadlock must see them all at once. Who has to
 * wait sleeps on the inode's queue, listed in `blocked` with the owner it
 * waits for, and looks again whenever a lock of that inode went or shrank.
 *
 * A POSIX owner deadlocks if the owner it would wait for waits, over any
 * number of steps, for it.
 */
#include "vfs/locks.h"

#include "lib/atomic.h"
#include "lib/list.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

#define LAST_BYTE ((uint64_t)INT64_MAX)

enum lock_kind { KIND_POSIX, KIND_OFD, KIND_FLOCK };

struct file_lock {
    struct list link; /* in file_locks.held */
    enum lock_kind kind;
    void *owner; /* struct fdtable or struct file; only compared */
    bool write;
    int pid;
    uint64_t start, end; /* inclusive */
};

/* An inode's locks. Guarded by locks_lock; made once, freed with the inode. */
struct file_locks {
    struct list held;
    struct waitq waiters;
    struct inode *inode;
    struct list link; /* in all_locks */
};

/* Somebody who sleeps. */
struct blocked {
    struct list link;
    void *owner, *waits_for;
};

int (*locks_pid)(void);

static struct spinlock locks_lock = SPINLOCK_INIT("file locks");
static struct list blocked_list = LIST_INIT(blocked_list);
static struct list all_locks = LIST_INIT(all_locks);

/* The inode's set of locks, made if it has none. */
static struct file_locks *
locks_of(struct inode *inode)
{
    struct file_locks *locks = __atomic_load_n(&inode->locks, __ATOMIC_ACQUIRE);
    if (locks)
        return locks;

    struct file_locks *fresh = kmalloc(sizeof(*fresh));
    if (!fresh)
        return NULL;
    list_init(&fresh->held);
    waitq_init(&fresh->waiters);
    fresh->inode = inode;
    spin_lock(&locks_lock);
    locks = inode->locks;
    if (!locks) {
        list_add_tail(&all_locks, &fresh->link);
        store_release(&inode->locks, fresh);
    }
    spin_unlock(&locks_lock);
    if (locks)
        kmfree(fresh);
    return locks ? locks : fresh;
}

void
locks_free(struct inode *inode)
{
    struct file_locks *locks = inode->locks;

    spin_lock(&locks_lock);
    list_del(&locks->link);
    spin_unlock(&locks_lock);
    kmfree(locks);
    inode->locks = NULL;
}

/* The range that a struct flock means. */
static int
decode_range(struct file *file, const struct flock *request, uint64_t *start, uint64_t *end)
{
    int64_t from;
    switch (request->l_whence) {
    case 0: /* SEEK_SET */
        from = 0;
        break;
    case 1: /* SEEK_CUR */
        from = (int64_t)file->pos;
        break;
    case 2: /* SEEK_END */
        from = (int64_t)__atomic_load_n(&file->inode->size, __ATOMIC_RELAXED);
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(from, request->l_start, &from))
        return -EOVERFLOW;
    int64_t last;
    if (request->l_len > 0) {
        if (__builtin_add_overflow(from, request->l_len - 1, &last))
            return -EOVERFLOW;
    } else if (request->l_len == 0) {
        last = (int64_t)LAST_BYTE;
    } else {
        last = from - 1;
        if (__builtin_add_overflow(from, request->l_len, &from))
            return -EINVAL;
    }
    if (from < 0 || last < 0)
        return -EINVAL;
    *start = (uint64_t)from;
    *end = (uint64_t)last;
    return 0;
}

/* The file lock that a request asks for; its type F_UNLCK is left to the caller. */
static int
decode(struct file *file, const struct flock *request, bool ofd, struct file_lock *want)
{
    if (request->l_type != F_RDLCK && request->l_type != F_WRLCK && request->l_type != F_UNLCK)
        return -EINVAL;
    if (ofd && request->l_pid != 0)
        return -EINVAL;
    *want = (struct file_lock){
        .kind = ofd ? KIND_OFD : KIND_POSIX,
        .owner = ofd ? (void *)file : (void *)current_thread()->files,
        .write = request->l_type == F_WRLCK,
        .pid = ofd || !locks_pid ? -1 : locks_pid(),
    };
    return decode_range(file, request, &want->start, &want->end);
}

static bool
conflict(const struct file_lock *held, const struct file_lock *want)
{
    if ((held->kind == KIND_FLOCK) != (want->kind == KIND_FLOCK) || held->owner == want->owner)
        return false;
    return (held->write || want->write) && held->start <= want->end && want->start <= held->end;
}

static struct file_lock *
find_conflict(struct file_locks *locks, const struct file_lock *want)
{
    struct file_lock *held;
    LIST_FOREACH(held, &locks->held, link)
        if (conflict(held, want))
            return held;
    return NULL;
}

/* Would `owner` waiting for `other` close a circle? */
static bool
would_deadlock(void *owner, void *other)
{
    for (unsigned steps = 0; steps < 64; steps++) {
        struct blocked *b;
        void *next = NULL;
        LIST_FOREACH(b, &blocked_list, link)
            if (b->owner == other) {
                next = b->waits_for;
                break;
            }
        if (!next)
            return false;
        if (next == owner)
            return true;
        other = next;
    }
    return false;
}

/*
 * Wait, with locks_lock held, until nothing stands in want's way. 0; -EDEADLK;
 * -ERESTARTSYS; -EAGAIN if it may not wait.
 */
static int
wait_turn(struct file_locks *locks, const struct file_lock *want, bool wait)
{
    struct file_lock *obstacle;

    while ((obstacle = find_conflict(locks, want))) {
        if (!wait)
            return -EAGAIN;
        bool posix = want->kind == KIND_POSIX;
        if (posix && obstacle->kind == KIND_POSIX && would_deadlock(want->owner, obstacle->owner))
            return -EDEADLK;
        struct blocked self = {.owner = posix ? want->owner : NULL, .waits_for = obstacle->owner};
        list_add_tail(&blocked_list, &self.link);
        int error = wait_on(&locks->waiters, &locks_lock, WAIT_INTERRUPTIBLE, DEADLINE_NEVER);
        list_del(&self.link);
        if (error)
            return -ERESTARTSYS;
    }
    return 0;
}

/*
 * Take [start, end] out of a lock; what is left behind it goes to *spare, which
 * is then used up. Returns the lock if nothing is left of it.
 */
static struct file_lock *
cut(struct file_locks *locks, struct file_lock *held, uint64_t start, uint64_t end,
    struct file_lock **spare)
{
    bool left = held->start < start, right = held->end > end;

    if (left && right) {
        struct file_lock *tail = *spare;
        *spare = NULL;
        *tail = *held;
        tail->start = end + 1;
        list_add_tail(&locks->held, &tail->link);
    }
    if (left) {
        held->end = start - 1;
        return NULL;
    }
    if (right) {
        held->start = end + 1;
        return NULL;
    }
    list_del(&held->link);
    return held;
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

    LIST_FOREACH_SAFE(held, next, &locks->held, link) {
        if (held->owner != want->owner || held->kind != want->kind)
            continue;
        bool same = !unlock && held->write == want->write;
        if (same) {
            bool touches = held->start <= want->end + 1 && want->start <= held->end + 1;
            if (!touches)
                continue;
            want->start = min(want->start, held->start);
            want->end = max(want->end, held->end);
            list_del(&held->link);
            list_add_tail(gone, &held->link);
        } else if (held->start <= want->end && want->start <= held->end) {
            struct file_lock *whole = cut(locks, held, want->start, want->end, spare);
            if (whole)
                list_add_tail(gone, &whole->link);
        }
    }
}

static void
free_all(struct list *gone)
{
    struct list *link;
    while ((link = list_pop(gone)))
        kmfree(LIST_ENTRY(link, struct file_lock, link));
}

int
file_set_lock(struct file *file, const struct flock *request, bool ofd, bool wait)
{
    struct file_lock want;
    bool unlock = request->l_type == F_UNLCK;
    int error = decode(file, request, ofd, &want);
    if (error)
        return error;
    if (!unlock && !(file->access & (want.write ? FILE_WRITE : FILE_READ)))
        return -EBADF;
    if (unlock && !file->inode->locks)
        return 0;

    struct file_locks *locks = locks_of(file->inode);
    struct file_lock *fresh = kmalloc(sizeof(*fresh)), *spare = kmalloc(sizeof(*spare));
    struct list gone = LIST_INIT(gone);
    if (!locks || !fresh || !spare) {
        error = -ENOLCK;
    } else {
        spin_lock(&locks_lock);
        if (!unlock)
            error = wait_turn(locks, &want, wait);
        if (!error) {
            replace_own(locks, &want, unlock, &spare, &gone);
            if (!unlock) {
                *fresh = want;
                list_add_tail(&locks->held, &fresh->link);
                fresh = NULL;
            }
            wake_all(&locks->waiters);
        }
        spin_unlock(&locks_lock);
    }
    kmfree(fresh);
    kmfree(spare);
    free_all(&gone);
    return error;
}

int
file_get_lock(struct file *file, struct flock *request, bool ofd)
{
    struct file_lock want;
    if (request->l_type == F_UNLCK && !ofd)
        return -EINVAL;
    int error = decode(file, request, ofd, &want);
    if (error)
        return error;

    struct file_locks *locks = __atomic_load_n(&file->inode->locks, __ATOMIC_ACQUIRE);
    SCOPED_SPIN(&locks_lock);
    struct file_lock *held = locks ? find_conflict(locks, &want) : NULL;
    if (!held) {
        request->l_type = F_UNLCK;
        return 0;
    }
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

    if (!locks)
        return;
    spin_lock(&locks_lock);
    LIST_FOREACH_SAFE(held, next, &locks->held, link) {
        if (held->owner == owner && held->kind == kind) {
            list_del(&held->link);
            list_add_tail(&gone, &held->link);
        }
    }
    if (!list_empty(&gone))
        wake_all(&locks->waiters);
    spin_unlock(&locks_lock);
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
    LIST_FOREACH(held, &locks->held, link)
        if (held->kind == KIND_FLOCK && held->owner == file)
            return held;
    return NULL;
}

int
file_flock(struct file *file, int operation)
{
    int type = operation & ~LOCK_NB;
    if (type != LOCK_SH && type != LOCK_EX && type != LOCK_UN)
        return -EINVAL;
    if (type == LOCK_UN) {
        release(file->inode, file, KIND_FLOCK);
        return 0;
    }

    struct file_locks *locks = locks_of(file->inode);
    struct file_lock *fresh = kmalloc(sizeof(*fresh));
    if (!locks || !fresh) {
        kmfree(fresh);
        return -ENOLCK;
    }
    *fresh = (struct file_lock){
        .kind = KIND_FLOCK,
        .owner = file,
        .write = type == LOCK_EX,
        .pid = locks_pid ? locks_pid() : 0,
        .end = LAST_BYTE,
    };
    spin_lock(&locks_lock);
    struct file_lock *old = own_flock(locks, file);
    if (old && old->write == fresh->write) {
        spin_unlock(&locks_lock);
        kmfree(fresh);
        return 0;
    }
    if (old) { /* changing the type lets go first: flock(2) */
        list_del(&old->link);
        wake_all(&locks->waiters);
    }
    int error = wait_turn(locks, fresh, !(operation & LOCK_NB));
    if (!error)
        list_add_tail(&locks->held, &fresh->link);
    spin_unlock(&locks_lock);
    kmfree(old);
    if (error)
        kmfree(fresh);
    return error;
}

void
locks_foreach(int (*fn)(void *ctx, const struct lock_info *info), void *ctx)
{
    static const char *const kinds[] = {"POSIX", "OFDLCK", "FLOCK"};
    struct file_locks *locks;
    struct file_lock *held;

    SCOPED_SPIN(&locks_lock);
    LIST_FOREACH(locks, &all_locks, link) {
        LIST_FOREACH(held, &locks->held, link) {
            struct lock_info info = {
                .kind = kinds[held->kind],
                .write = held->write,
                .pid = held->pid,
                .dev = locks->inode->sb->dev,
                .ino = locks->inode->ino,
                .start = held->start,
                .end = held->end,
            };
            if (fn(ctx, &info) < 0)
                return;
        }
    }
}
