/*
 * ppoll and pselect6.
 *
 * Both write back what is left of the timeout, and wait under a signal mask
 * of the caller's if it gives one. Interrupted, they start again with the rest
 * of the time, unless a handler runs; if the rest could not be written back
 * they fail with EINTR, lest they wait too long.
 */
#include "vfs/poll.h"

#include "arch/riscv/clock.h"
#include "arch/riscv/trap.h"
#include "lib/bitmap.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/signal.h"
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

/* What select's three sets mean; select(2), "Correspondence between select() and poll()". */
#define READ_EVENTS (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL)
#define WRITE_EVENTS (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL)
#define EXCEPT_EVENTS (POLLPRI | POLLNVAL)

#define FILES_AT_ONCE 256 /* between two preemption points */
#define INLINE_POLLFDS 32 /* on the stack */
#define INLINE_WORDS 30   /* six sets of 320 descriptors */

/* How long to wait, and where to say what is left. */
struct timeout {
    vaddr_t user;            /* 0: none was given */
    struct timespec64 asked;
    uint64_t start, deadline;
};

static int
timeout_begin(struct timeout *timeout, vaddr_t user)
{
    timeout->user = user;
    timeout->deadline = DEADLINE_NEVER;
    if (!user)
        return 0;
    int error = get_timespec(&timeout->asked, user);
    if (error)
        return error;
    uint64_t nsec = timespec_nsec(&timeout->asked);
    timeout->start = clock_now();
    timeout->deadline = nsec ? deadline_after(nsec) : POLL_NOW;
    return 0;
}

/* Write back what is left. A timeout of zero is left alone. 0 or -EFAULT. */
static int
timeout_end(const struct timeout *timeout)
{
    if (!timeout->user || timeout->deadline == POLL_NOW)
        return 0;
    uint64_t passed = clock_now() - timeout->start;
    struct timespec64 left = timeout->asked, gone = nsec_timespec(passed);

    left.sec -= gone.sec;
    if (left.nsec < gone.nsec) {
        left.sec--;
        left.nsec += NSEC_PER_SEC;
    }
    left.nsec -= gone.nsec;
    if (left.sec < 0)
        left = (struct timespec64){};
    return put_timespec(timeout->user, &left);
}

/* Set the mask for the time of the call, if the user gives one. */
static int
mask_begin(vaddr_t user, uint64_t size)
{
    uint64_t set;

    if (!user)
        return 0;
    int error = size == sizeof(set) ? get_sigset(&set, user, size) : -EINVAL;
    if (!error)
        signal_set_temporary_mask(set);
    return error;
}

/* The common end of both calls: masks, time, and what an interruption means. */
static int64_t
finish(const struct timeout *timeout, int64_t result)
{
    if (result != -EINTR)
        signal_end_temporary_mask();
    int error = timeout_end(timeout);
    if (result == -EINTR && !error)
        return -ERESTARTNOHAND;
    return result;
}

struct poll_array {
    struct pollfd *fds;
    uint32_t n;
};

static int64_t
poll_array_pass(void *ctx, struct poll_set *set)
{
    struct poll_array *array = ctx;
    const struct pollfd *pause = array->fds + FILES_AT_ONCE;
    int64_t nready = 0;

    for (struct pollfd *p = array->fds; p < array->fds + array->n; p++) {
        p->revents = 0;
        if (unlikely(p == pause)) {
            preempt_point();
            pause += FILES_AT_ONCE;
        }
        if (p->fd < 0)
            continue;
        struct fd_ref ref = fd_borrow(p->fd);
        if (ref.file) {
            uint32_t wanted = (uint16_t)p->events | POLLERR | POLLHUP;
            p->revents = (short)(poll_ask(nready ? NULL : set, ref, wanted) & wanted);
            fd_return(ref);
        } else {
            p->revents = POLLNVAL;
        }
        nready += p->revents != 0;
    }
    return nready;
}

static int64_t
poll_fds(vaddr_t user, uint32_t n, uint64_t deadline)
{
    struct pollfd on_stack[INLINE_POLLFDS];
    struct poll_array array = {.fds = on_stack, .n = n};

    if (n > fd_limit())
        return -EINVAL;
    if (n > INLINE_POLLFDS)
        array.fds = kmalloc(n * sizeof(struct pollfd));
    if (!array.fds)
        return -ENOMEM;
    int64_t result = copyin(array.fds, user, n * sizeof(struct pollfd));
    if (!result)
        result = poll_until(poll_array_pass, &array, n, deadline);
    for (uint32_t i = 0; i < n && (result >= 0 || result == -EINTR); i++) {
        if (copyout(user + i * sizeof(struct pollfd) + offsetof(struct pollfd, revents),
                    &array.fds[i].revents, sizeof(short)))
            result = -EFAULT;
        if (unlikely(i % FILES_AT_ONCE == FILES_AT_ONCE - 1))
            preempt_point();
    }
    if (array.fds != on_stack)
        kmfree(array.fds);
    return result;
}

static int64_t
sys_ppoll(const uint64_t *args)
{
    struct timeout timeout;
    int error = timeout_begin(&timeout, args[2]);

    if (!error)
        error = mask_begin(args[3], args[4]);
    if (error)
        return error;
    return finish(&timeout, poll_fds(args[0], (uint32_t)args[1], timeout.deadline));
}

enum { READ, WRITE, EXCEPT, NSETS };

/* Six bitmaps, `words` long each: what is asked for, and what is ready. */
struct select {
    uint32_t n; /* descriptors in a set */
    size_t words;
    uint64_t *wanted[NSETS], *ready[NSETS];
};

/* The highest descriptor in any set, plus one, in select->n; -EBADF if one is not open. */
static int
check_descriptors(struct select *select)
{
    struct fdtable *table = current_thread()->files;
    uint32_t n = 0;
    SCOPED_SPIN(&table->lock);

    for (size_t i = 0; i < select->words; i++) {
        uint64_t any = select->wanted[READ][i] | select->wanted[WRITE][i] | select->wanted[EXCEPT][i];
        if (select->n - i * 64 < 64)
            any &= BIT(select->n - i * 64) - 1;
        if (any & ~table->open[i])
            return -EBADF;
        if (any)
            n = (uint32_t)(i * 64 + log2_floor(any) + 1);
    }
    select->n = n;
    return 0;
}

/* Ask about one descriptor; returns in how many sets it is ready. */
static int64_t
select_one(struct select *select, uint32_t fd, struct poll_set *set)
{
    static const uint32_t events[NSETS] = {READ_EVENTS, WRITE_EVENTS, EXCEPT_EVENTS};
    uint32_t wanted = 0, mask = POLLNVAL;
    int64_t n = 0;

    for (int i = 0; i < NSETS; i++)
        if (bitmap_test(select->wanted[i], fd))
            wanted |= events[i];
    if (!wanted)
        return 0;
    struct fd_ref ref = fd_borrow((int)fd);
    if (ref.file) {
        mask = poll_ask(set, ref, wanted);
        fd_return(ref);
    }
    for (int i = 0; i < NSETS; i++) {
        if (!bitmap_test(select->wanted[i], fd) || !(mask & events[i]))
            continue;
        bitmap_set(select->ready[i], fd);
        n++;
    }
    return n;
}

static int64_t
select_pass(void *ctx, struct poll_set *set)
{
    struct select *select = ctx;
    int64_t nready = 0;

    for (uint32_t word = 0; word * 64 < select->n; word++) {
        uint64_t any = select->wanted[READ][word] | select->wanted[WRITE][word] |
                       select->wanted[EXCEPT][word];
        for (; any; any &= any - 1) {
            uint32_t fd = word * 64 + (uint32_t)ctz64(any);
            if (fd < select->n)
                nready += select_one(select, fd, nready ? NULL : set);
        }
        if ((word + 1) % (FILES_AT_ONCE / 64) == 0)
            preempt_point();
    }
    return nready;
}

/* Fetch the sets, wait, and store the results, as long as the table's size makes them. */
static int64_t
select_sets(struct select *select, const uint64_t *user, uint64_t deadline)
{
    size_t nbytes = select->words * sizeof(uint64_t);

    for (int i = 0; i < NSETS; i++)
        if (user[i] && copyin(select->wanted[i], user[i], nbytes))
            return -EFAULT;
    int error = check_descriptors(select);
    if (error)
        return error;
    int64_t result = poll_until(select_pass, select, select->n, deadline);
    if (result < 0)
        return result;
    for (int i = 0; i < NSETS; i++)
        if (user[i] && copyout(user[i], select->ready[i], nbytes))
            return -EFAULT;
    return result;
}

static int64_t
select_fds(int n, const uint64_t *user, uint64_t deadline)
{
    uint64_t on_stack[INLINE_WORDS], *words = on_stack;
    struct select select;

    if (n < 0)
        return -EINVAL;
    /* What no descriptor can be is not looked at, as on Linux. */
    uint32_t capacity = __atomic_load_n(&current_thread()->files->capacity, __ATOMIC_RELAXED);
    select.n = min((uint32_t)n, capacity);
    select.words = BITMAP_WORDS(select.n);
    size_t nwords = 2 * NSETS * select.words;
    if (nwords > INLINE_WORDS)
        words = kmalloc(nwords * sizeof(uint64_t));
    if (!words)
        return -ENOMEM;
    memset(words, 0, nwords * sizeof(uint64_t));
    for (int i = 0; i < NSETS; i++) {
        select.wanted[i] = words + i * select.words;
        select.ready[i] = words + (NSETS + i) * select.words;
    }
    int64_t result = select_sets(&select, user, deadline);
    if (words != on_stack)
        kmfree(words);
    return result;
}

static int64_t
sys_pselect6(const uint64_t *args)
{
    struct timeout timeout;
    uint64_t mask[2] = {}; /* address and size of a signal set */

    if (args[5] && copyin(mask, args[5], sizeof(mask)))
        return -EFAULT;
    int error = timeout_begin(&timeout, args[4]);
    if (!error)
        error = mask_begin(mask[0], mask[1]);
    if (error)
        return error;
    return finish(&timeout, select_fds((int)args[0], &args[1], timeout.deadline));
}

const struct syscall_row poll_syscalls[] = {
    {__NR_ppoll, sys_ppoll},
    {__NR_pselect6, sys_pselect6},
    {0, NULL},
};
