/*
 * Between the files of epoll: epoll.c (waiting and being told), epollset.c
 * (what is watched).
 *
 * Guarded by: (M) epoll->mutex  (L) epoll->lock  (C) constant after creation
 *             (K) links_lock    (N) epoll_nesting
 *
 * Locks, in the order they are taken: epoll_nesting; epoll->mutex, that of
 * the watching before that of the watched (mutex_lock_nested); a file's own
 * and its queue's lock; epoll->lock; the sleepers' queue.
 */
#ifndef QUIRE_FS_EPOLL_INTERNAL_H
#define QUIRE_FS_EPOLL_INTERNAL_H

#include "arch/riscv/spinlock.h"
#include "fs/epoll.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "sched/mutex.h"
#include "sched/wait.h"

/* Flags in item->events; with nothing else there, the item is switched off. */
#define EPOLL_FLAGS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

/* Steps from a file to the furthest epoll that is told of it, at most; Linux's. */
#define EPOLL_MAX_PATH 5

struct epoll {
    struct mutex mutex;
    struct rbtree items;     /* (M) by file and descriptor */
    struct spinlock lock;
    struct list ready;       /* (L) items that may have events, oldest first */
    bool scanning;           /* (L) somebody looks through what was in `ready` */
    struct waitq sleepers;   /* in epoll_wait(2), with lock */
    struct waitq pollers;    /* who polls the epoll itself */
    struct file *file;       /* (C) */
    struct user *user;       /* (C) counted; the items are in its nwatches */
    uint64_t walk;           /* (N) the last walk that came by */
    unsigned walk_depth;     /* (N) what it found */
    bool joining;            /* (M, N to write) it may be about to be watched */
    uint64_t checked_walk;   /* (N) the last walk that checked what it watches */
    uint64_t paths_walk;     /* (N) the last walk that counted paths */
    uint32_t paths[EPOLL_MAX_PATH + 1]; /* (N) what it counted: epollpaths.c */
};

/* A place on a queue of a watched file. */
struct epoll_place {
    struct wait_entry entry;
    struct epoll_item *item;
    struct epoll_place *next;
};

/* A link in the list of all items of one file, which file->epoll begins. */
struct epoll_links {
    struct epoll_links *next;   /* (K) */
    struct epoll_links **place; /* (K) the pointer that points here */
};

/* A watched descriptor. */
struct epoll_item {
    struct rbnode node;      /* (M) */
    struct epoll *epoll;     /* (C) */
    struct file *file;       /* (C) not counted: when it goes, the item goes */
    int fd;                  /* (C) */
    uint32_t events;         /* (M to write, A to read) */
    uint64_t data;           /* (M) */
    struct list ready_link;  /* (L) */
    bool ready;              /* (L) linked by ready_link */
    bool listed;             /* (M) `first` is on a queue */
    struct epoll_links links; /* (K) */
    uint64_t checked_walk;   /* (K) the last walk that checked its file, if `links` is the first */
    struct epoll_place first; /* (M) */
    struct epoll_place *more; /* (M) */
};

/* Guards what epolls watch epolls, and keeps epolls from going. */
extern struct mutex epoll_nesting;

/* Ask item's file what of its events is ready; depth: how many epolls asked before. */
uint32_t epoll_item_poll(struct epoll_item *item, struct poll_table *table, unsigned depth);
/* Item may have events: note it, and wake who waits. Did anybody sleep in epoll_wait(2)? Any context. */
bool epoll_item_ready(struct epoll_item *item, uint64_t key, bool sync);
/* file_ops.release: forget every item, and free. */
void epoll_release(struct file *file);
void epoll_free(struct epoll *epoll);
/* The watcher of a link in a file's list; NULL for NULL. */
struct epoll_item *epoll_watcher(struct epoll_links *links);
/*
 * epollpaths.c: may epoll watch `file`, an epoll or not? -EINVAL if a change of some file
 * would then run up along too many paths. Epolls are watched in no circle. If file is an
 * epoll it is marked as joining, until the caller has added it. epoll_nesting held; may
 * sleep.
 */
int epoll_check_paths(struct epoll *epoll, struct file *file);
/* Guards every file's list of items. */
extern struct spinlock epoll_links_lock;
void epollset_init(void);

#endif
