/*
 * For host tests of code that is called with a mutex held: nothing to lock.
 */
#ifndef QUIRE_SCHED_MUTEX_H
#define QUIRE_SCHED_MUTEX_H

struct mutex {
    int unused;
};

#endif
