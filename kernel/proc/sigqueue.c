/*
 * Sets of signals that wait, and sets of actions; see signal.h.
 *
 * A pending set has a bit for each signal that waits and a queue of their
 * siginfos. When memory or the user's limit was out there is a bit without an
 * entry; such a signal is delivered with an empty siginfo, as on Linux.
 */
#include "arch/riscv/trap.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/cputimer.h"
#include "proc/signal.h"
#include "proc/sigqueue.h"
#include "vfs/user.h"

#define DISCARDED_AT_ONCE 32 /* entries freed with the lock held */

static struct slab_cache *sigqueue_cache, *sighand_cache;

void
sigpending_init(struct sigpending *pending)
{
    pending->set = 0;
    list_init(&pending->queue);
}

struct user *
sigqueue_charge(struct task *task, bool over_limit)
{
    const struct cred *cred = task_cred(task);
    struct user *user = user_get(cred->user);
    uint32_t n = __atomic_add_fetch(&user->nsignals, 1, __ATOMIC_RELAXED);

    cred_put(cred);
    if (over_limit || n <= task->proc->limits[RLIMIT_SIGPENDING].rlim_cur)
        return user;
    sigqueue_uncharge(user);
    return NULL;
}

void
sigqueue_uncharge(struct user *user)
{
    __atomic_fetch_sub(&user->nsignals, 1, __ATOMIC_RELAXED);
    user_put(user);
}

struct sigqueue *
sigqueue_alloc(struct task *task, bool over_limit)
{
    struct user *user = sigqueue_charge(task, over_limit);
    struct sigqueue *entry = user ? slab_alloc(sigqueue_cache) : NULL;

    if (entry) {
        entry->user = user;
        entry->left = NULL;
    } else if (user) {
        sigqueue_uncharge(user);
    }
    return entry;
}

/* Free an entry that is on no queue; a preallocated one is its owner's. */
static void
sigqueue_free(struct sigqueue *entry)
{
    if (!entry->user)
        return;
    sigqueue_uncharge(entry->user);
    slab_free(sigqueue_cache, entry);
}

void
sigpending_add(struct sigpending *pending, int signo, struct sigqueue *entry)
{
    pending->set |= sigbit(signo);
    if (entry)
        list_add_tail(&pending->queue, &entry->link);
}

void
sigpending_forget(struct sigpending *pending, int signo)
{
    struct sigqueue *entry;

    LIST_FOREACH(entry, &pending->queue, link)
        if (entry->info.si_signo == signo)
            return;
    pending->set &= ~sigbit(signo);
}

void
sigpending_flush(struct sigpending *pending)
{
    sigpending_discard(pending, ~0UL);
}

bool
sigpending_discard_some(struct sigpending *pending, uint64_t set, unsigned most)
{
    struct sigqueue *entry, *next;

    if (!(pending->set & set))
        return false;
    LIST_FOREACH_SAFE(entry, next, &pending->queue, link) {
        if (!(sigbit(entry->info.si_signo) & set))
            continue;
        if (most-- == 0)
            return true;
        list_del(&entry->link);
        if (entry->left)
            entry->left(entry, NULL);
        sigqueue_free(entry);
    }
    pending->set &= ~set;
    return false;
}

void
sigpending_discard(struct sigpending *pending, uint64_t set)
{
    (void)sigpending_discard_some(pending, set, ~0U);
}

void
sigpending_discard_slowly(struct proc *proc, struct sigpending *pending, uint64_t set)
{
    while (sigpending_discard_some(pending, set, DISCARDED_AT_ONCE)) {
        spin_unlock(&proc->lock);
        preempt_point();
        spin_lock(&proc->lock);
    }
}

/* Take the oldest entry of signo off the queue; its bit goes with the last one. */
static void
take(struct sigpending *pending, int signo, siginfo_t *info)
{
    struct sigqueue *entry, *next, *first = NULL;
    bool more = false;

    LIST_FOREACH_SAFE(entry, next, &pending->queue, link) {
        if (entry->info.si_signo != signo)
            continue;
        if (first) {
            more = true;
            break;
        }
        first = entry;
        list_del(&entry->link);
    }
    if (!more)
        pending->set &= ~sigbit(signo);
    if (!first) {
        memset(info, 0, sizeof(*info));
        info->si_signo = signo;
        info->si_code = SI_USER;
        return;
    }
    *info = first->info;
    if (first->left)
        first->left(first, info);
    sigqueue_free(first);
}

int
signal_dequeue(struct task *task, uint64_t set, siginfo_t *info)
{
    struct sigpending *pending = &task->pending;
    uint64_t ready = pending->set & set;

    if (!ready) {
        pending = &task->proc->pending;
        ready = pending->set & set;
    }
    if (!ready)
        return 0;
    if (ready & SIGSET_SYNCHRONOUS)
        ready &= SIGSET_SYNCHRONOUS;
    int signo = (int)ctz64(ready) + 1;
    take(pending, signo, info);
    if (signo == SIGALRM)
        itimer_taken(task->proc);
    return signo;
}

static struct sighand *
sighand_init(struct sighand *sighand)
{
    if (!sighand)
        return NULL;
    ref_init(&sighand->refs, 1);
    spin_init(&sighand->lock, "signal actions");
    return sighand;
}

struct sighand *
sighand_create(void)
{
    return sighand_init(slab_alloc_zeroed(sighand_cache));
}

struct sighand *
sighand_copy(struct sighand *from)
{
    struct sighand *sighand = sighand_init(slab_alloc(sighand_cache));

    if (sighand)
        sighand_fill(sighand, from);
    return sighand;
}

void
sighand_fill(struct sighand *to, struct sighand *from)
{
    SCOPED_SPIN(&from->lock);
    memcpy(to->actions, from->actions, sizeof(from->actions));
}

void
sighand_get(struct sighand *sighand)
{
    ref_get(&sighand->refs);
}

void
sighand_put(struct sighand *sighand)
{
    if (ref_put(&sighand->refs))
        slab_free(sighand_cache, sighand);
}

void
sighand_reset(struct sighand *sighand, bool ignored_too)
{
    SCOPED_SPIN(&sighand->lock);

    for (int i = 0; i < _NSIG; i++) {
        struct sigaction *action = &sighand->actions[i];
        __sighandler_t handler = action->sa_handler;
        if (ignored_too || handler != SIG_IGN)
            handler = SIG_DFL;
        *action = (struct sigaction){.sa_handler = handler};
    }
}

void
sighand_sets(struct sighand *sighand, uint64_t *ignored, uint64_t *caught)
{
    SCOPED_SPIN(&sighand->lock);

    *ignored = *caught = 0;
    for (int signo = 1; signo <= _NSIG; signo++) {
        __sighandler_t handler = sighand->actions[signo - 1].sa_handler;
        if (handler == SIG_IGN)
            *ignored |= sigbit(signo);
        else if (handler != SIG_DFL)
            *caught |= sigbit(signo);
    }
}

void
signal_init(void)
{
    sigqueue_cache = slab_cache_create("queued signal", sizeof(struct sigqueue), 0);
    sighand_cache = slab_cache_create("signal actions", sizeof(struct sighand), 0);
}
