/*
 * epoll: how many paths lead up from a file.
 *
 * A change of a file is told along every path of watching epolls: a file that
 * W epolls watch, each watched by W, and so on, has W^5 of them. So a watch is
 * refused that would give any file more paths of some length than most_paths[]
 * has. A path is counted if it ends at an epoll that none watches, by its
 * steps; paths of one step are not limited here, as each costs a watch.
 *
 *      paths(epoll)[n]     paths of n steps up from the epoll; [0] is 1 if none
 *                          watches it, else 0
 *      paths(file)[n]      the sum of paths(watcher)[n - 1] over its watchers
 *
 * Each epoll is counted once in a walk and keeps the sums, so a check takes as
 * many steps as there are watches above and below, however many paths these
 * make. The recursion is as deep as epolls nest, which check_nesting() bounds.
 *
 * What epolls are watched by changes under epoll_nesting only. What other files
 * are watched by changes without it, but an epoll that is itself watched, or is
 * marked as joining, adds files under it; only those make paths of two steps or more.
 */
#include "fs/epoll_internal.h"

#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/string.h"

#define LONGEST (EPOLL_MAX_PATH + 1) /* a path of so many steps, or more */
#define MANY 1000000U                /* as good as any larger number of paths */
#define PREEMPT_STEPS 64

/* By steps: Linux's limits. */
static const uint32_t most_paths[LONGEST + 1] = {
    [1] = UINT32_MAX, [2] = 500, [3] = 100, [4] = 50, [5] = 10, [LONGEST] = 0};

static uint64_t walk; /* under epoll_nesting */

/* To a file's sums add an epoll's, which are one step shorter. */
static void
add_paths(uint32_t sums[LONGEST + 1], const struct epoll *epoll)
{
    for (unsigned n = 0; n <= EPOLL_MAX_PATH; n++)
        sums[n + 1] = min(sums[n + 1] + epoll->paths[n], MANY);
}

/* Count an epoll's paths, unless this walk has. epoll_nesting held. */
static void
count_paths(struct epoll *epoll)
{
    uint32_t sums[LONGEST + 1] = {0};

    if (epoll->paths_walk == walk)
        return;
    struct epoll_item *item = epoll_watcher(epoll->file->epoll);
    if (!item)
        sums[0] = 1;
    for (; item; item = epoll_watcher(item->links.next)) {
        count_paths(item->epoll);
        add_paths(sums, item->epoll);
    }
    sums[EPOLL_MAX_PATH] = min(sums[EPOLL_MAX_PATH] + sums[LONGEST], MANY);
    memcpy(epoll->paths, sums, sizeof(epoll->paths));
    epoll->paths_walk = walk;
}

/*
 * Has this walk checked the file? From now on it has. A file may be watched under as many
 * numbers as a process has, each time by a list of watchers that is as long as all of them
 * together. Its first watcher bears the mark: if there is a new first one, it is checked again.
 * epoll_links_lock held.
 */
static bool
was_checked(struct file *file)
{
    struct epoll_item *first = epoll_watcher(file->epoll);
    bool checked = first && first->checked_walk == walk;

    if (first)
        first->checked_walk = walk;
    return checked;
}

/* Are a file's paths few enough? `more`: an epoll that is about to watch it, or NULL. */
static int
check_file(struct file *file, struct epoll *more)
{
    uint32_t sums[LONGEST + 1] = {0};

    if (more)
        add_paths(sums, more);
    spin_lock(&epoll_links_lock);
    struct epoll_links *first = was_checked(file) ? NULL : file->epoll;
    for (struct epoll_item *item = epoll_watcher(first); item;
         item = epoll_watcher(item->links.next)) {
        struct epoll *epoll = item->epoll;
        if (epoll->paths_walk != walk && !__atomic_load_n(&epoll->file->epoll, __ATOMIC_RELAXED))
            continue; /* a path of one step */
        count_paths(epoll);
        add_paths(sums, epoll);
    }
    spin_unlock(&epoll_links_lock);
    for (unsigned n = 1; n <= LONGEST; n++)
        if (sums[n] > most_paths[n])
            return -EINVAL;
    return 0;
}

/* Check every file that the epoll watches, and what epolls among them watch. */
static int
check_below(struct epoll *epoll, unsigned depth)
{
    struct epoll_item *item;
    unsigned steps = 0;
    int error = 0;

    mutex_lock_nested(&epoll->mutex, depth);
    RB_FOREACH(item, &epoll->items, node) {
        if (!file_is_epoll(item->file)) {
            error = check_file(item->file, NULL);
        } else {
            struct epoll *below = item->file->private;
            if (below->checked_walk != walk) {
                below->checked_walk = walk;
                error = check_below(below, depth + 1);
            }
        }
        if (error)
            break;
        preempt_every(&steps, PREEMPT_STEPS);
    }
    mutex_unlock(&epoll->mutex);
    return error;
}

int
epoll_check_paths(struct epoll *epoll, struct file *file)
{
    walk++;
    count_paths(epoll);
    if (!file_is_epoll(file))
        return check_file(file, epoll);

    /* Count the watched epoll's paths as they will be, and what is below it by that. */
    struct epoll *watched = file->private;
    uint32_t sums[LONGEST + 1] = {0};
    bool root = !watched->file->epoll;
    mutex_lock(&watched->mutex);
    watched->joining = true;
    mutex_unlock(&watched->mutex);
    count_paths(watched);
    if (!root)
        memcpy(sums, watched->paths, sizeof(watched->paths));
    add_paths(sums, epoll);
    sums[EPOLL_MAX_PATH] = min(sums[EPOLL_MAX_PATH] + sums[LONGEST], MANY);
    memcpy(watched->paths, sums, sizeof(watched->paths));
    return check_below(watched, 0);
}
