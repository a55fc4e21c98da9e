/*
 * Credentials: references, whose they are, and the questions asked of them.
 */
#include "vfs/cred.h"

#include <linux/capability.h>
#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/user.h"

#define ALL_CAPS (BIT(CAP_LAST_CAP + 1) - 1)

/* In writable memory, for its count. */
static struct cred first_cred = {
    .refs = REF_INIT(1), /* never put */
    .cap_effective = ALL_CAPS,
    .cap_permitted = ALL_CAPS,
    .cap_bounding = ALL_CAPS,
    .user = &root_user,
};
extern const struct cred root_cred __attribute__((alias("first_cred")));

/* The count is the one field of a published cred that changes. */
static struct refcount *
count_of(const struct cred *cred)
{
    return (struct refcount *)&cred->refs;
}

const struct cred *
cred_get(const struct cred *cred)
{
    ref_get(count_of(cred));
    return cred;
}

static void
free_cred(struct deferred *deferred)
{
    struct cred *cred = container_of(deferred, struct cred, deferred);

    kmfree(cred->groups);
    kmfree(cred);
}

void
cred_put(const struct cred *cred)
{
    if (!ref_put(count_of(cred)))
        return;
    struct cred *last = (struct cred *)cred;
    user_put(last->user);
    deferred_free(&last->deferred, free_cred);
}

struct cred *
cred_copy(const struct cred *from)
{
    struct cred *cred = kmalloc(sizeof(*cred));

    if (!cred)
        return NULL;
    *cred = *from;
    ref_init(&cred->refs, 1);
    if (from->ngroups) {
        cred->groups = kmalloc(from->ngroups * sizeof(uint32_t));
        if (!cred->groups) {
            kmfree(cred);
            return NULL;
        }
        memcpy(cred->groups, from->groups, from->ngroups * sizeof(uint32_t));
    }
    user_get(cred->user);
    return cred;
}

int
cred_set_real_uid(struct cred *cred, uint32_t uid)
{
    if (uid == cred->uid)
        return 0;
    struct user *user = user_find(uid);
    if (!user)
        return -EAGAIN;
    user_put(cred->user);
    cred->user = user;
    cred->uid = uid;
    return 0;
}

bool
cred_in_group(const struct cred *cred, uint32_t gid)
{
    if (cred->fsgid == gid)
        return true;
    uint32_t low = 0, high = cred->ngroups;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cred->groups[middle] == gid)
            return true;
        if (cred->groups[middle] < gid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

const struct cred *
thread_cred(struct thread *thread)
{
    const struct cred *cred;
    bool got;

    /* The count is 0 only if the thread has just published another. */
    do {
        read_enter();
        cred = __atomic_load_n(&thread->cred_published, __ATOMIC_ACQUIRE);
        got = !cred || ref_tryget(count_of(cred));
        read_leave();
    } while (!got);
    return cred ? cred : cred_get(&root_cred);
}

void
thread_cred_start(struct thread *thread, const struct cred *cred)
{
    thread->cred_published = thread->cred_acting = cred;
    __atomic_fetch_add(&cred->user->nprocesses, 1, __ATOMIC_RELAXED);
}

void
thread_cred_change(const struct cred *cred)
{
    struct thread *self = current_thread();
    const struct cred *old = self->cred_published;

    assert(self->cred_acting == old);
    if (cred->user != old->user) {
        __atomic_fetch_add(&cred->user->nprocesses, 1, __ATOMIC_RELAXED);
        __atomic_fetch_sub(&old->user->nprocesses, 1, __ATOMIC_RELAXED);
    }
    self->cred_acting = cred;
    __atomic_store_n(&self->cred_published, cred, __ATOMIC_RELEASE);
    cred_put(old);
}

void
thread_cred_end(struct thread *thread)
{
    const struct cred *cred = thread->cred_published;

    if (cred)
        __atomic_fetch_sub(&cred->user->nprocesses, 1, __ATOMIC_RELAXED);
}

void
thread_cred_free(struct thread *thread)
{
    if (thread->cred_published)
        cred_put(thread->cred_published);
    thread->cred_published = thread->cred_acting = NULL;
}

void
cred_act_as(const struct cred *cred)
{
    struct thread *self = current_thread();

    assert(self->cred_acting == self->cred_published);
    self->cred_acting = cred;
}

void
cred_act_as_self(void)
{
    struct thread *self = current_thread();

    self->cred_acting = self->cred_published;
}
