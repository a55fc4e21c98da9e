/*
 * Futexes; see futex.h.
 *
 * A waiter lists itself first and compares the word afterwards, with no lock
 * held, since reading user memory may sleep. Should a waker have come in
 * between, the waiter has been woken, and that counts whatever the word holds
 * by then: no wake is swallowed.
 */
#include "proc/futex.h"
#include <linux/futex.h>
#include "arch/riscv/hart.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/hash.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "sched/wait.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define NBUCKETS 256
#define STEPS_AT_ONCE 512 /* waiters looked at with a bucket locked */
#define FEW 16            /* waiters looked at before a scan is begun */
#define WAKE_STEPS 16     /* that one wake counts as */
#define MAX_ROBUST 2048 /* ROBUST_LIST_LIMIT, linux/futex.h */

/*
 * What a word is known by: private memory by the address space, shared memory by the object. Both
 * have numbers from one sequence, which are never used again. So a key may outlive what it names
 * (a waiter can be moved to a word of another process, which ends): it then means nothing any more.
 */
struct key {
    uint64_t serial; /* vm_new_serial() */
    uint64_t offset; /* address, or bytes into the object */
};

struct bucket {
    struct spinlock lock;
    struct list waiters;
} __cacheline;

/* Guarded by: (C) constant  (B) the bucket's lock */
struct futex_waiter {
    struct list link;      /* (B) */
    struct key key;        /* (B) */
    struct bucket *bucket; /* (B of the old and the new one) */
    uint32_t bitset;       /* (C) */
    bool woken;            /* (B) */
    struct waitq queue;
};

static struct bucket buckets[NBUCKETS];

static struct bucket *
bucket_of(const struct key *key)
{
    return &buckets[hash64_pair(key->serial, key->offset) % NBUCKETS];
}

static bool
same_key(const struct key *a, const struct key *b)
{
    return a->offset == b->offset && a->serial == b->serial;
}

/* The key of a word. 0, -EINVAL (misaligned), -EFAULT (not mapped). */
static int
make_key(vaddr_t address, bool shared, struct key *key)
{
    struct vmspace *vm = current_thread()->vm;

    if (address % sizeof(uint32_t))
        return -EINVAL;
    if (!user_range(address, sizeof(uint32_t)))
        return -EFAULT;
    *key = (struct key){.serial = vm->serial, .offset = address};
    if (!shared)
        return 0;

    SCOPED_LOCK(&vm->lock);
    struct region *region = region_find(vm, address, false);
    if (!region)
        return -EFAULT;
    if (!(region->flags & REGION_SHARED) || !region->ops || !region->ops->serial)
        return 0;
    key->serial = region->ops->serial(region->object);
    key->offset = (region->pgoff << PAGE_SHIFT) + (address - region->start);
    return 0;
}

static void
enlist(struct futex_waiter *waiter)
{
    struct bucket *bucket = bucket_of(&waiter->key);
    SCOPED_SPIN(&bucket->lock);

    waiter->bucket = bucket;
    list_add_tail(&bucket->waiters, &waiter->link);
}

/* Lock the bucket where a waiter is now; a requeue may move it. */
static struct bucket *
lock_bucket(struct futex_waiter *waiter)
{
    for (;;) {
        struct bucket *bucket = __atomic_load_n(&waiter->bucket, __ATOMIC_RELAXED);
        spin_lock(&bucket->lock);
        if (bucket == waiter->bucket)
            return bucket;
        spin_unlock(&bucket->lock);
    }
}

/* Take a waiter off its list. Returns whether it had been woken. */
static bool
delist(struct futex_waiter *waiter)
{
    struct bucket *bucket = lock_bucket(waiter);
    bool woken = waiter->woken;

    list_del(&waiter->link);
    spin_unlock(&bucket->lock);
    return woken;
}

static void
wake_waiter(struct futex_waiter *waiter)
{
    list_del(&waiter->link);
    waiter->woken = true;
    wake_all(&waiter->queue);
}

/* Sleep until woken, a signal or the deadline. 0, -EINTR, -ETIMEDOUT. */
static int
sleep_on(struct futex_waiter *waiter, unsigned wait_flags, uint64_t deadline)
{
    int error = 0;

    while (!error) {
        struct bucket *bucket = lock_bucket(waiter);
        bool woken = waiter->woken;
        if (!woken)
            error = wait_on(&waiter->queue, &bucket->lock, WAIT_INTERRUPTIBLE | wait_flags,
                            deadline);
        spin_unlock(&bucket->lock);
        if (woken)
            return 0;
    }
    return error;
}

int64_t
futex_wait(vaddr_t address, bool shared, uint32_t expected, uint32_t bitset, unsigned wait_flags,
           uint64_t deadline)
{
    struct futex_waiter waiter = {.bitset = bitset};
    uint32_t value;

    if (!bitset)
        return -EINVAL;
    int error = make_key(address, shared, &waiter.key);
    if (error)
        return error;
    list_init(&waiter.link);
    waitq_init(&waiter.queue);
    enlist(&waiter);
    error = get_user32(&value, address);
    if (!error && value != expected)
        error = -EAGAIN;
    if (!error)
        error = sleep_on(&waiter, wait_flags, deadline);
    return delist(&waiter) ? 0 : error;
}

/* Two buckets in the order of their addresses; they may be one. */
static void
lock_pair(struct bucket *a, struct bucket *b)
{
    struct bucket *first = a < b ? a : b, *second = a < b ? b : a;

    spin_lock(&first->lock);
    if (second != first)
        spin_lock_nested(&second->lock, 1);
}

static void
unlock_pair(struct bucket *a, struct bucket *b)
{
    if (a != b)
        spin_unlock(&b->lock);
    spin_unlock(&a->lock);
}

/*
 * A look through a bucket, in pieces. Marks stand among the waiters: `at` where the next piece
 * begins, `end` behind the last waiter that there was in the beginning, so that those who
 * wake and wait again do not keep the caller here. A mark's key is none's.
 */
struct scan {
    struct bucket *bucket, *target; /* target: locked, too; or the same */
    struct futex_waiter at, end;
    unsigned steps; /* since the last pause */
};

static void
scan_begin(struct scan *scan, struct bucket *bucket, struct bucket *target)
{
    scan->bucket = bucket;
    scan->target = target;
    scan->at.key = scan->end.key = (struct key){.serial = 0};
    scan->steps = 0;
    lock_pair(bucket, target);
    list_add_head(&bucket->waiters, &scan->at.link);
    list_add_tail(&bucket->waiters, &scan->end.link);
}

static void
scan_end(struct scan *scan)
{
    list_del(&scan->at.link);
    list_del(&scan->end.link);
    unlock_pair(scan->bucket, scan->target);
}

/* Others may run now and then. Locks held; let go meanwhile. */
static void
scan_pause(struct scan *scan, unsigned steps)
{
    scan->steps += steps;
    if (scan->steps < STEPS_AT_ONCE)
        return;
    scan->steps = 0;
    unlock_pair(scan->bucket, scan->target);
    preempt_point();
    lock_pair(scan->bucket, scan->target);
}

/* The next waiter of a key; NULL: no more. Locks held; let go now and then, but not behind it. */
static struct futex_waiter *
scan_next(struct scan *scan, const struct key *key)
{
    for (;; scan_pause(scan, 1)) {
        struct list *next = scan->at.link.next;
        if (next == &scan->end.link)
            return NULL;
        list_del(&scan->at.link);
        list_add_after(next, &scan->at.link);
        struct futex_waiter *waiter = LIST_ENTRY(next, struct futex_waiter, link);
        if (same_key(&waiter->key, key))
            return waiter;
    }
}

/*
 * Wake up to n waiters of a key, bits matching, among the first few of the bucket. *more: there
 * may be others behind these.
 */
static uint32_t
wake_first(const struct key *key, uint32_t n, uint32_t bitset, bool *more)
{
    struct bucket *bucket = bucket_of(key);
    struct futex_waiter *waiter, *next;
    uint32_t nwoken = 0;
    unsigned nseen = 0;
    SCOPED_SPIN(&bucket->lock);

    *more = false;
    LIST_FOREACH_SAFE(waiter, next, &bucket->waiters, link) {
        if (nwoken >= n)
            break;
        if (nseen++ == FEW) {
            *more = true;
            break;
        }
        if (!(waiter->bitset & bitset) || !same_key(&waiter->key, key))
            continue;
        wake_waiter(waiter);
        nwoken++;
    }
    return nwoken;
}

/* Wake up to n waiters of a key, bits matching. */
static uint32_t
wake_waiters(const struct key *key, uint32_t n, uint32_t bitset)
{
    struct futex_waiter *waiter;
    struct scan scan __uninitialized; /* scan_begin() writes what is read */
    bool more;
    uint32_t nwoken = wake_first(key, n, bitset, &more);

    if (!more)
        return nwoken;
    scan_begin(&scan, bucket_of(key), bucket_of(key));
    while (nwoken < n && (waiter = scan_next(&scan, key))) {
        if (waiter->bitset & bitset) {
            wake_waiter(waiter);
            nwoken++;
        }
        scan_pause(&scan, WAKE_STEPS);
    }
    scan_end(&scan);
    return nwoken;
}

/* Let up to n waiters of a key wait for another one instead. */
static uint32_t
move_waiters(const struct key *from, const struct key *to, uint32_t n)
{
    struct futex_waiter *waiter;
    struct scan scan __uninitialized; /* scan_begin() writes what is read */
    uint32_t nmoved = 0;

    if (same_key(from, to))
        return 0;
    scan_begin(&scan, bucket_of(from), bucket_of(to));
    while (nmoved < n && (waiter = scan_next(&scan, from))) {
        list_move_tail(&scan.target->waiters, &waiter->link);
        waiter->key = *to;
        store_relaxed(&waiter->bucket, scan.target);
        nmoved++;
        scan_pause(&scan, 1);
    }
    scan_end(&scan);
    return nmoved;
}

int64_t
futex_wake(vaddr_t address, bool shared, uint32_t nwake, uint32_t bitset)
{
    struct key key;

    if (!bitset)
        return -EINVAL;
    int error = make_key(address, shared, &key);
    if (error)
        return error;
    return wake_waiters(&key, nwake, bitset);
}

int64_t
futex_requeue(vaddr_t address, vaddr_t address2, bool shared, uint32_t nwake, uint32_t nmove,
              bool compare, uint32_t expected)
{
    struct key from, to;
    uint32_t value;

    int error = make_key(address, shared, &from);
    if (!error)
        error = make_key(address2, shared, &to);
    if (!error && compare)
        error = get_user32(&value, address);
    if (error)
        return error;
    if (compare && value != expected)
        return -EAGAIN;

    uint32_t nwoken = wake_waiters(&from, nwake, ~0U);
    return nwoken + move_waiters(&from, &to, nmove);
}

/* FUTEX_WAKE_OP's comparison: futex(2). -ENOSYS: no such one. */
static int
compare(uint32_t kind, int32_t old, int32_t argument)
{
    switch (kind) {
    case FUTEX_OP_CMP_EQ:
        return old == argument;
    case FUTEX_OP_CMP_NE:
        return old != argument;
    case FUTEX_OP_CMP_LT:
        return old < argument;
    case FUTEX_OP_CMP_GE:
        return old >= argument;
    case FUTEX_OP_CMP_LE:
        return old <= argument;
    case FUTEX_OP_CMP_GT:
        return old > argument;
    default:
        return -ENOSYS;
    }
}

int64_t
futex_wake_op(vaddr_t address, vaddr_t address2, bool shared, uint32_t nwake, uint32_t nwake2,
              uint32_t operation)
{
    static const enum user_atomic kinds[] = {USER_SET, USER_ADD, USER_OR, USER_ANDN, USER_XOR};
    uint32_t kind = operation >> 28 & 7, argument = operation >> 12 & 0xfff, old;
    struct key key, key2;

    if (operation & (uint32_t)FUTEX_OP_OPARG_SHIFT << 28)
        argument = 1U << (argument & 31);
    else
        argument = (uint32_t)((int32_t)(argument << 20) >> 20);
    if (kind >= ARRAY_SIZE(kinds))
        return -ENOSYS;
    int error = make_key(address, shared, &key);
    if (!error)
        error = make_key(address2, shared, &key2);
    if (!error)
        error = user_atomic32(address2, kinds[kind], argument, &old);
    if (error)
        return error;
    int also = compare(operation >> 24 & 0xf, (int32_t)old,
                       (int32_t)(operation << 20) >> 20);
    if (also < 0)
        return also;

    uint32_t n = wake_waiters(&key, nwake, ~0U);
    if (also)
        n += wake_waiters(&key2, nwake2, ~0U);
    return n;
}

/* Mark a lock that the dying thread owns: get_robust_list(2). */
static void
mark_owner_died(const struct task *task, vaddr_t address, bool pending)
{
    uint32_t value, old;

    if (address % sizeof(uint32_t) || get_user32(&value, address) < 0)
        return;
    if (pending && value == 0) {
        futex_wake(address, true, 1, ~0U);
        return;
    }
    while ((value & FUTEX_TID_MASK) == task->tid) {
        int error = user_cmpxchg32(address, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &old);
        if (error == -EFAULT)
            return;
        if (error == 0) {
            if (value & FUTEX_WAITERS)
                futex_wake(address, true, 1, ~0U);
            return;
        }
        value = old;
    }
}

void
futex_exit_robust(struct task *task)
{
    struct robust_list_head head;
    vaddr_t list = task->robust_list;

    if (!list || !task->thread.vm || copyin(&head, list, sizeof(head)) < 0)
        return;
    uint64_t entry = (uint64_t)head.list.next;
    uint64_t pending = (uint64_t)head.list_op_pending & ~1UL;

    /* Bit 0 of a pointer tells locks with priority inheritance. */
    for (unsigned i = 0; i < MAX_ROBUST && (entry & ~1UL) != list; i++) {
        uint64_t next;
        int error = get_user64(&next, entry & ~1UL);
        if ((entry & ~1UL) != pending)
            mark_owner_died(task, (entry & ~1UL) + (uint64_t)head.futex_offset, false);
        if (error)
            break;
        entry = next;
    }
    if (pending)
        mark_owner_died(task, pending + (uint64_t)head.futex_offset, true);
    task->robust_list = 0;
}

void
futex_init(void)
{
    for (unsigned i = 0; i < NBUCKETS; i++) {
        spin_init(&buckets[i].lock, "futex bucket");
        list_init(&buckets[i].waiters);
    }
}
