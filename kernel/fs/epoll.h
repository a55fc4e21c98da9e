/*
 * epoll: a set of files to watch that outlives the call.
 */
#ifndef QUIRE_FS_EPOLL_H
#define QUIRE_FS_EPOLL_H

#include <linux/eventpoll.h>
#include "lib/types.h"
#include "vfs/file.h"

/* Items of one user's epolls, at most: /proc/sys/fs/epoll/max_user_watches. */
extern uint64_t epoll_max_watches;

/* A new, empty epoll. 0, -ENOMEM, -ENFILE. */
int epoll_create_file(struct file **file);
bool file_is_epoll(const struct file *file);
/*
 * Watch file (open as descriptor fd) / watch it for something else / no more.
 * -EEXIST, -ENOENT, -EINVAL (flags, or too many epolls would be told of one file), -EPERM
 * (it cannot be polled), -ENOMEM, -ENOSPC (the user watches epoll_max_watches), -ELOOP (it
 * is an epoll that watches this one, or too many watch one another).
 */
int epoll_add(struct file *epoll, struct file *file, int fd, const struct epoll_event *event);
int epoll_modify(struct file *epoll, struct file *file, int fd, const struct epoll_event *event);
int epoll_remove(struct file *epoll, struct file *file, int fd);
/*
 * Wait until watched files are ready and store up to max events in user memory.
 * How many; 0 when the deadline (ns since boot; POLL_NOW) is over; -EINTR, -EFAULT.
 */
int64_t epoll_wait_events(struct file *epoll, vaddr_t events, int max, uint64_t deadline);

void epoll_init(void);

#endif
