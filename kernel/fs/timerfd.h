/*
 * timerfd: a timer in the shape of a file.
 */
#ifndef QUIRE_FS_TIMERFD_H
#define QUIRE_FS_TIMERFD_H

#include "lib/types.h"

struct file;

/* When a timer is due next, and how often then. ns; a first of 0: never. */
struct timerfd_spec {
    uint64_t first, interval;
};

/* clock: CLOCK_MONOTONIC, REALTIME, BOOTTIME and the _ALARM ones. flags: O_NONBLOCK. 0, -EINVAL, -ENOMEM. */
int timerfd_create_file(int clock, uint32_t flags, struct file **file);
bool file_is_timerfd(const struct file *file);
/*
 * timerfd_settime(2) and gettime; flags: TFD_TIMER_*. spec->first is a time of the clock
 * with TFD_TIMER_ABSTIME, else from now; in *old it is from now. 0, -ECANCELED.
 */
int timerfd_set(struct file *file, uint32_t flags, const struct timerfd_spec *spec,
                struct timerfd_spec *old);
void timerfd_get(struct file *file, struct timerfd_spec *spec);
/* CLOCK_REALTIME was set: timers by it follow, and TFD_TIMER_CANCEL_ON_SET takes effect. May sleep. */
void timerfd_clock_was_set(void);

#endif
