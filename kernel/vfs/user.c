/*
 * Counts by user; see user.h. A hash table by uid, a spinlock a bucket.
 */
#include "vfs/user.h"

#include "arch/riscv/spinlock.h"
#include "lib/hash.h"
#include "mem/slab.h"
#include "vfs/cred.h"

#define NBUCKETS 32

static struct bucket {
    struct spinlock lock;
    struct list users;
} buckets[NBUCKETS];
static struct slab_cache *user_cache;

struct user root_user = {.refs = REF_INIT(1)}; /* never put */

static struct bucket *
bucket_of(uint32_t uid)
{
    return &buckets[hash64(uid) % NBUCKETS];
}

/* The one for uid, with a reference; NULL: there is none. The bucket's lock is held. */
static struct user *
look(struct bucket *bucket, uint32_t uid)
{
    struct user *user;

    LIST_FOREACH(user, &bucket->users, link)
        if (user->uid == uid)
            return user_get(user);
    return NULL;
}

struct user *
user_find(uint32_t uid)
{
    struct bucket *bucket = bucket_of(uid);

    spin_lock(&bucket->lock);
    struct user *user = look(bucket, uid);
    spin_unlock(&bucket->lock);
    if (user)
        return user;
    struct user *fresh = slab_alloc(user_cache);
    if (!fresh)
        return NULL;
    *fresh = (struct user){.uid = uid, .refs = REF_INIT(1)};

    spin_lock(&bucket->lock);
    user = look(bucket, uid); /* another hart may have made it meanwhile */
    if (!user)
        list_add_head(&bucket->users, &fresh->link);
    spin_unlock(&bucket->lock);
    if (!user)
        return fresh;
    slab_free(user_cache, fresh);
    return user;
}

struct user *
user_current(void)
{
    return user_get(current_cred()->user);
}

struct user *
user_get(struct user *user)
{
    ref_get(&user->refs);
    return user;
}

/*
 * The count drops to zero only under the bucket's lock, under which
 * user_find() raises it, so a user found there is never one being freed.
 */
void
user_put(struct user *user)
{
    if (ref_put_unless_last(&user->refs))
        return;

    struct bucket *bucket = bucket_of(user->uid);
    SCOPED_SPIN(&bucket->lock);
    if (ref_put(&user->refs)) {
        list_del(&user->link);
        slab_free(user_cache, user);
    }
}

void
user_init(void)
{
    user_cache = slab_cache_create("user", sizeof(struct user), 0);
    for (unsigned i = 0; i < NBUCKETS; i++) {
        spin_init(&buckets[i].lock, "user bucket");
        list_init(&buckets[i].users);
    }
    list_add_head(&bucket_of(0)->users, &root_user.link);
}
