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

static struct bucket *
bucket_of(uint32_t uid)
{
    return &buckets[hash64(uid) % NBUCKETS];
}

struct user *
user_find(uint32_t uid)
{
    struct bucket *bucket = bucket_of(uid);
    struct user *user;
    SCOPED_SPIN(&bucket->lock);

    LIST_FOREACH(user, &bucket->users, link) {
        if (user->uid == uid) {
            user_get(user);
            return user;
        }
    }
    user = slab_alloc(user_cache);
    if (!user)
        return NULL;
    *user = (struct user){.uid = uid, .refs = REF_INIT(1)};
    list_add_head(&bucket->users, &user->link);
    return user;
}

struct user *
user_current(void)
{
    return user_find(current_cred()->uid);
}

void
user_get(struct user *user)
{
    ref_get(&user->refs);
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
}
