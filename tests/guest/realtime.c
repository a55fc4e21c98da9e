/*
 * Real-time policies: what they shut out and what they leave, on harts that others want, too.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

static int
move(pid_t tid, int hart)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(hart, &set);
    return sched_setaffinity(tid, sizeof(set), &set);
}

/* A real-time thread of the highest priority for each hart, in processes that end when told, or give up. */
static void
test_real_time_leaves_some(void)
{
    enum { MANY = 8, GIVE_UP = 20 };
    volatile int *over = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sched_param high = {.sched_priority = 99};
    long nharts = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t hogs[MANY];
    cpu_set_t all;

    CPU_ZERO(&all);
    for (long i = 0; i < nharts; i++)
        CPU_SET(i, &all);
    works(sched_setaffinity(0, sizeof(all), &all));
    for (long i = 0; i < nharts && i < MANY; i++) {
        hogs[i] = tap_fork();
        if (hogs[i] == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            if (sched_setaffinity(0, sizeof(one), &one) || sched_setscheduler(0, SCHED_FIFO, &high))
                _exit(2);
            time_t end = time(NULL) + GIVE_UP;
            while (!*over && time(NULL) < end)
                ;
            _exit(!*over);
        }
    }
    usleep(1500000);
    *over = 1;
    for (long i = 0; i < nharts && i < MANY; i++)
        is(tap_wait(hogs[i]), 0);
}

struct fifo {
    pthread_t thread;
    volatile int *turn;
    volatile long *seen;
    int number;
};

static void *
take_turns(void *arg)
{
    struct fifo *self = arg;
    struct timespec t;
    double end;

    move(0, 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    end = t.tv_sec + t.tv_nsec / 1e9 + 0.05;
    do {
        if (*self->turn != self->number) {
            ++*self->seen;
            *self->turn = self->number;
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    } while (t.tv_sec + t.tv_nsec / 1e9 < end);
    return NULL;
}

/* How often two threads of one priority on one hart took turns in 0.1 s. */
static long
turns(int policy)
{
    volatile int turn = -1;
    volatile long seen = 0;
    struct sched_param low = {.sched_priority = 5}, high = {.sched_priority = 6};
    struct fifo two[2];
    pthread_attr_t attr;

    move(0, 0);
    works(sched_setscheduler(0, SCHED_FIFO, &high)); /* neither begins before both are there */
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, policy);
    pthread_attr_setschedparam(&attr, &low);
    for (int i = 0; i < 2; i++) {
        two[i] = (struct fifo){.turn = &turn, .seen = &seen, .number = i};
        is(pthread_create(&two[i].thread, &attr, take_turns, &two[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(two[i].thread, NULL);
    low.sched_priority = 0;
    works(sched_setscheduler(0, SCHED_OTHER, &low));
    return seen;
}

/* A process that counts on hart 0 until it is killed. */
static pid_t
start_hog(volatile long *laps)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        move(0, 0);
        for (;;)
            ++*laps;
    }
    while (!*laps)
        usleep(1000);
    return pid;
}

/* A thread that has just become one of real time has its hart for itself at once, each time. */
static void
test_real_time_begins(void)
{
    volatile long *laps = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sched_param high = {.sched_priority = 50}, none = {.sched_priority = 0};
    pid_t hog = start_hog(laps);
    int nshared = 0;

    move(0, 0);
    for (int i = 0; i < 3; i++) {
        works(sched_setscheduler(0, SCHED_FIFO, &high));
        long before = *laps;
        for (int64_t end = now_ns() + 60000000; now_ns() < end;)
            ;
        nshared += *laps != before;
        works(sched_setscheduler(0, SCHED_OTHER, &none));
        for (int64_t end = now_ns() + 20000000; now_ns() < end;)
            ;
    }
    ok(nshared == 0, "%d of 3 times another one ran", nshared);
    kill(hog, SIGKILL);
    tap_wait(hog);
}

static void
test_equal_priority(void)
{
    long n = turns(SCHED_FIFO);
    ok(n == 2, "SCHED_FIFO runs until it ends: %ld turns", n);
}

int
main(void)
{
    tap_begin("realtime");
    test_equal_priority();
    test_real_time_leaves_some();
    test_real_time_begins();
    return tap_end();
}
