/*
 * eventfd(2): a counter to wait for.
 */
#ifndef QUIRE_FS_EVENTFD_H
#define QUIRE_FS_EVENTFD_H

#include "lib/types.h"

struct file;

/* flags: O_NONBLOCK. semaphore: a read takes one, not all. 0 or -ENOMEM. */
int eventfd_create(uint32_t count, bool semaphore, uint32_t flags, struct file **file);

#endif
