/*
 * Each file's set of advisory locks, and the list of them all that /proc/locks shows.
 *
 * A file gets its set with its first lock and keeps it to its end. All sets stand in one
 * tree by number, so a reader of the list goes on behind the set that it told last,
 * whatever came and went meanwhile, and holds nothing in between.
 */
#include "vfs/locks_internal.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "mem/slab.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

static struct spinlock all_lock = SPINLOCK_INIT("all file locks");
static struct rbtree all_locks; /* (S) by number */
static uint64_t next_number;    /* (S) */

struct file_locks *
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
