/*
 * epoll: what is watched.
 *
 * An item holds no reference to its file. When the file's last reference
 * goes, file_put() calls file_gone(), which takes away the items of that file
 * in all epolls. So an item's file may be asked at any time under its epoll's
 * mutex: it has not been released.
 *
 *      file gone       no thread can be adding or removing its items: that
 *                      takes a reference. epoll_nesting keeps their epolls
 *      epoll gone      the same lock keeps the two from meeting
 *
 * Epolls that watch epolls form a graph, which may have no circle and no path
 * of more than MAX_NESTS steps, since wakes and questions run along it on one
 * kernel stack. Its edges change under epoll_nesting only, so what is watched
 * by epolls is checked before an edge is added, by one walk up from where it
 * begins and one walk down from where it ends.
 */
#include "fs/epoll_internal.h"

#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "vfs/user.h"

#define MAX_NESTS 5 /* epoll_ctl(2), ELOOP */
#define PREEMPT_ITEMS 32
#define WATCHES_PART 25 /* of memory, for one user's items; Linux's */

/* What EPOLLEXCLUSIVE may be combined with; epoll_ctl(2). */
#define EXCLUSIVE_ALLOWED                                                                          \
    (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct mutex epoll_nesting = MUTEX_INIT(epoll_nesting, "epoll nesting");

struct spinlock epoll_links_lock = SPINLOCK_INIT("epoll links");

static struct slab_cache *item_cache, *place_cache;

static uint64_t last_walk; /* under epoll_nesting */

uint64_t epoll_max_watches;

/* For listing an item on its file's queues. */
struct item_table {
    struct poll_table table;
    struct epoll_item *item;
    int error;
};

/*
 * A queue of a watched file is woken. The value counts for exclusive items
 * only: did the wake bring something that was waited for, to a thread that
 * slept? If not, the next exclusive item is told too.
 */
static bool
notify_item(struct wait_entry *entry, uint64_t key, bool sync)
{
    struct epoll_item *item = container_of(entry, struct epoll_place, entry)->item;
    uint32_t events = __atomic_load_n(&item->events, __ATOMIC_RELAXED);
    uint32_t inout = key & (EPOLLIN | EPOLLOUT);

    if (!epoll_item_ready(item, key, sync))
        return false;
    return inout == (EPOLLIN | EPOLLOUT) || !inout || (inout & events);
}

static void
list_item(struct poll_table *table, struct file *file __unused, struct waitq *queue)
{
    struct item_table *request = container_of(table, struct item_table, table);
    struct epoll_item *item = request->item;
    struct epoll_place *place = &item->first;

    if (item->listed) {
        place = slab_alloc(place_cache);
        if (!place) {
            request->error = -ENOMEM;
            return;
        }
        place->next = item->more;
        item->more = place;
    }
    item->listed = true;
    place->item = item;
    place->entry = (struct wait_entry){
        .notify = notify_item, .exclusive = (item->events & EPOLLEXCLUSIVE) != 0};
    waitq_add(queue, &place->entry);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the file looks at what is ready */
}

/* Take an item off its file's queues; after that it is not told of anything. */
static void
unlist_item(struct epoll_item *item)
{
    struct epoll_place *place = item->more;

    if (item->listed)
        waitq_remove(&item->first.entry);
    while (place) {
        struct epoll_place *next = place->next;
        waitq_remove(&place->entry);
        slab_free(place_cache, place);
        place = next;
    }
}

static void
link_file(struct epoll_item *item)
{
    struct epoll_links *links = &item->links;
    SCOPED_SPIN(&epoll_links_lock);

    links->next = item->file->epoll;
    links->place = &item->file->epoll;
    if (links->next)
        links->next->place = &links->next;
    item->file->epoll = links;
}

static void
unlink_file(struct epoll_item *item)
{
    struct epoll_links *links = &item->links;
    SCOPED_SPIN(&epoll_links_lock);

    if (links->next)
        links->next->place = links->place;
    /* file_put() looks without the lock; when it sees NULL, we are through with the file. */
    store_release(links->place, links->next);
}

static int
compare(const struct epoll_item *item, const struct file *file, int fd)
{
    if (item->file != file)
        return file < item->file ? -1 : 1;
    return fd < item->fd ? -1 : fd > item->fd;
}

/* The item of a descriptor, or NULL; *link and *parent: where it is or would be. mutex held. */
static struct epoll_item *
find(struct epoll *epoll, const struct file *file, int fd, struct rbnode ***link,
     struct rbnode **parent)
{
    *link = &epoll->items.root;
    *parent = NULL;
    while (**link) {
        struct epoll_item *item = RB_ENTRY(**link, struct epoll_item, node);
        int order = compare(item, file, fd);
        if (order == 0)
            return item;
        *parent = **link;
        *link = order < 0 ? &(**link)->left : &(**link)->right;
    }
    return NULL;
}

/* Forget an item. mutex held. */
static void
remove_item(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;

    unlist_item(item);
    unlink_file(item);
    rb_erase(&epoll->items, &item->node);
    spin_lock(&epoll->lock);
    if (item->ready)
        list_del(&item->ready_link);
    spin_unlock(&epoll->lock);
    slab_free(item_cache, item);
    __atomic_fetch_sub(&epoll->user->nwatches, 1, __ATOMIC_RELAXED);
}

struct epoll_item *
epoll_watcher(struct epoll_links *links)
{
    return links ? container_of(links, struct epoll_item, links) : NULL;
}

/* file_epoll_gone: nobody can watch file any more. */
static void
file_gone(struct file *file)
{
    SCOPED_LOCK(&epoll_nesting);

    for (unsigned n = 1;; n++) {
        spin_lock(&epoll_links_lock);
        struct epoll_item *item = epoll_watcher(file->epoll);
        spin_unlock(&epoll_links_lock);
        if (!item)
            return;
        mutex_lock(&item->epoll->mutex);
        struct mutex *mutex = &item->epoll->mutex;
        remove_item(item);
        mutex_unlock(mutex);
        if (n % PREEMPT_ITEMS == 0)
            preempt_point();
    }
}

void
epoll_release(struct file *file)
{
    struct epoll *epoll = file->private;
    struct rbnode *node;
    unsigned n = 0;

    mutex_lock(&epoll_nesting);
    mutex_lock(&epoll->mutex);
    while ((node = epoll->items.root)) {
        remove_item(RB_ENTRY(node, struct epoll_item, node));
        preempt_every(&n, PREEMPT_ITEMS);
    }
    mutex_unlock(&epoll->mutex);
    mutex_unlock(&epoll_nesting);
    epoll_free(epoll);
}

/* Steps from epoll to the furthest that watches it. epoll_nesting held. */
static unsigned
steps_up(struct epoll *epoll, uint64_t walk)
{
    struct epoll_item *item;
    unsigned most = 0;

    if (epoll->walk == walk)
        return epoll->walk_depth;
    /* The watchers of an epoll change under epoll_nesting only: no need for epoll_links_lock. */
    for (item = epoll_watcher(epoll->file->epoll); item; item = epoll_watcher(item->links.next))
        most = max(most, steps_up(item->epoll, walk) + 1);
    epoll->walk = walk;
    epoll->walk_depth = most;
    return most;
}

/* Steps from epoll to the furthest it watches; -ELOOP if `from` is among them. epoll_nesting held. */
static int
steps_down(struct epoll *epoll, const struct epoll *from, uint64_t walk, unsigned depth)
{
    struct epoll_item *item;
    int most = 0;
    unsigned nitems = 0;

    if (epoll == from)
        return -ELOOP;
    if (epoll->walk == walk)
        return (int)epoll->walk_depth;
    mutex_lock_nested(&epoll->mutex, depth);
    RB_FOREACH(item, &epoll->items, node) {
        preempt_every(&nitems, PREEMPT_ITEMS);
        if (!file_is_epoll(item->file))
            continue;
        int steps = steps_down(item->file->private, from, walk, depth + 1);
        most = steps < 0 ? steps : max(most, steps + 1);
        if (most < 0)
            break;
    }
    mutex_unlock(&epoll->mutex);
    epoll->walk = walk;
    epoll->walk_depth = (unsigned)most;
    return most;
}

/* May epoll watch `other`? 0 or -ELOOP. epoll_nesting held. */
static int
check_nesting(struct epoll *epoll, struct epoll *other)
{
    int down = steps_down(other, epoll, ++last_walk, 0);

    if (down < 0)
        return down;
    unsigned up = steps_up(epoll, ++last_walk);
    return up + 1 + (unsigned)down > MAX_NESTS ? -ELOOP : 0;
}

/* An item of the user's. An error pointer: -ENOSPC, -ENOMEM. */
static struct epoll_item *
item_alloc(struct user *user)
{
    uint64_t n = (uint64_t)__atomic_add_fetch(&user->nwatches, 1, __ATOMIC_RELAXED);
    bool many = n > __atomic_load_n(&epoll_max_watches, __ATOMIC_RELAXED);
    struct epoll_item *item = many ? NULL : slab_alloc_zeroed(item_cache);

    if (item)
        return item;
    __atomic_fetch_sub(&user->nwatches, 1, __ATOMIC_RELAXED);
    return err_ptr(many ? -ENOSPC : -ENOMEM);
}

/* Start to watch. mutex held. */
static int
add_item(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event)
{
    struct rbnode **link, *parent;

    if (find(epoll, file, fd, &link, &parent))
        return -EEXIST;
    struct epoll_item *item = item_alloc(epoll->user);
    if (is_err(item))
        return (int)ptr_err(item);
    item->epoll = epoll;
    item->file = file;
    item->fd = fd;
    item->events = event->events | EPOLLERR | EPOLLHUP;
    item->data = event->data;
    list_init(&item->ready_link);
    rb_insert_at(&epoll->items, &item->node, parent, link);
    link_file(item);

    struct item_table request = {.table.fn = list_item, .item = item};
    uint32_t ready = epoll_item_poll(item, &request.table, 0);
    if (request.error)
        remove_item(item);
    else if (ready)
        epoll_item_ready(item, ready, false);
    return request.error;
}

/* May a change of what epoll watches go on to another epoll? mutex held. */
static bool
is_watched(const struct epoll *epoll)
{
    return epoll->joining || __atomic_load_n(&epoll->file->epoll, __ATOMIC_RELAXED);
}

int
epoll_add(struct file *epoll_file, struct file *file, int fd, const struct epoll_event *event)
{
    struct epoll *epoll = epoll_file->private;
    bool of_epoll = file_is_epoll(file);

    if ((event->events & EPOLLEXCLUSIVE) && (of_epoll || (event->events & ~EXCLUSIVE_ALLOWED)))
        return -EINVAL;
    if (!of_epoll) {
        SCOPED_LOCK(&epoll->mutex);
        if (!is_watched(epoll)) /* no path is longer than one step */
            return add_item(epoll, file, fd, event);
    }
    SCOPED_LOCK(&epoll_nesting);
    int error = of_epoll ? check_nesting(epoll, file->private) : 0;
    if (error)
        return error;
    error = epoll_check_paths(epoll, file);
    if (!error) {
        SCOPED_LOCK(&epoll->mutex);
        error = add_item(epoll, file, fd, event);
    }
    if (of_epoll) {
        struct epoll *watched = file->private;
        SCOPED_LOCK(&watched->mutex);
        watched->joining = false;
    }
    return error;
}

int
epoll_modify(struct file *epoll_file, struct file *file, int fd, const struct epoll_event *event)
{
    struct epoll *epoll = epoll_file->private;
    struct rbnode **link, *parent;

    if (event->events & EPOLLEXCLUSIVE)
        return -EINVAL;
    SCOPED_LOCK(&epoll->mutex);
    struct epoll_item *item = find(epoll, file, fd, &link, &parent);
    if (!item)
        return -ENOENT;
    if (item->events & EPOLLEXCLUSIVE)
        return -EINVAL;
    item->data = event->data;
    store_relaxed(&item->events, event->events | EPOLLERR | EPOLLHUP);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* a wake that missed the new events comes before this look */
    uint32_t ready = epoll_item_poll(item, NULL, 0);
    if (ready)
        epoll_item_ready(item, ready, false);
    return 0;
}

int
epoll_remove(struct file *epoll_file, struct file *file, int fd)
{
    struct epoll *epoll = epoll_file->private;
    struct rbnode **link, *parent;
    bool nested = file_is_epoll(file);

    if (nested)
        mutex_lock(&epoll_nesting);
    mutex_lock(&epoll->mutex);
    struct epoll_item *item = find(epoll, file, fd, &link, &parent);
    if (item)
        remove_item(item);
    mutex_unlock(&epoll->mutex);
    if (nested)
        mutex_unlock(&epoll_nesting);
    return item ? 0 : -ENOENT;
}

void
epollset_init(void)
{
    item_cache = slab_cache_create("epoll item", sizeof(struct epoll_item), 0);
    place_cache = slab_cache_create("epoll place", sizeof(struct epoll_place), 0);
    epoll_max_watches = nframes_ram / WATCHES_PART * PAGE_SIZE / sizeof(struct epoll_item);
    file_epoll_gone = file_gone;
}
