/*
 * On which harts threads run, and in which order: sched_setaffinity() of the caller, of
 * threads that run, wait in a queue or sleep, from several sides at once; what policies
 * and nice values do to a thread that already waits; how the time that they used is told.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

#define STORM_THREADS 8
#define STORM_LAPS 60
#define STORM_SECONDS 2

static int nharts;

static cpu_set_t
only(int hart)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(hart, &set);
    return set;
}

static int
move(pid_t tid, int hart)
{
    cpu_set_t set = only(hart);

    return sched_setaffinity(tid, sizeof(set), &set);
}

static int
my_hart(void)
{
    unsigned hart;

    return syscall(SYS_getcpu, &hart, NULL, NULL) == 0 ? (int)hart : -1;
}

static void
test_self(void)
{
    int nwrong = 0;

    for (int i = 0; i < 2000; i++)
        nwrong += move(0, i % nharts) != 0 || my_hart() != i % nharts;
    ok(nwrong == 0, "the caller has moved when sched_setaffinity() returns");
}

static void
test_errors(void)
{
    cpu_set_t set = only(0), none;
    unsigned long word = 0;

    CPU_ZERO(&none);
    fails(sched_setaffinity(0, sizeof(none), &none), EINVAL);
    if (nharts < 64) {
        set = only(63);
        fails(sched_setaffinity(0, sizeof(set), &set), EINVAL);
    }
    fails(syscall(SYS_sched_setaffinity, 0x3ffffff, sizeof(set), NULL), EFAULT);
    set = only(0);
    fails(sched_setaffinity(0x3ffffff, sizeof(set), &set), ESRCH);
    fails(syscall(SYS_sched_setaffinity, 0, 0, &set), EINVAL);
    fails(syscall(SYS_sched_getaffinity, 0, 0UL, &word), EINVAL);
    fails(syscall(SYS_sched_getaffinity, 0, 12UL, &word), EINVAL);
    fails(syscall(SYS_sched_getaffinity, 0, 8UL, NULL), EFAULT);
    is(syscall(SYS_sched_setaffinity, 0, 1UL, &set), 0);
    is(syscall(SYS_sched_getaffinity, 0, sizeof(word), &word), sizeof(word));
    is(word, 1);
}

/* A thread of the tests below, and what it says of itself. */
struct worker {
    pthread_t thread;
    volatile pid_t tid;
    volatile int hart;
    volatile long laps;
    int sleeps; /* in between laps */
};

static volatile int stop;

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct timespec nap = {.tv_nsec = 100000};

    w->tid = (pid_t)syscall(SYS_gettid);
    while (!stop) {
        if (w->sleeps)
            nanosleep(&nap, NULL);
        w->hart = my_hart();
        w->laps++;
    }
    return NULL;
}

/* Wait until a worker has gone on. */
static void
await_lap(const struct worker *w)
{
    long before = w->laps;

    while (w->laps < before + 2)
        usleep(100);
}

static void
test_others(void)
{
    struct worker w[4] = {{.sleeps = 1}, {.sleeps = 1}}; /* two sleep, two run or wait their turn */
    int nwrong = 0;

    stop = 0;
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        pthread_create(&w[i].thread, NULL, work, &w[i]);
        await_lap(&w[i]);
    }
    for (int i = 0; i < 40; i++) {
        struct worker *one = &w[i % ARRAY_LEN(w)];
        int hart = i / 3 % nharts;

        nwrong += move(one->tid, hart) != 0;
        while (one->hart != hart)
            usleep(100);
        await_lap(one);
        nwrong += one->hart != hart;
    }
    stop = 1;
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        pthread_join(w[i].thread, NULL);
    ok(nwrong == 0, "threads that run, wait or sleep move, and stay");
}

static struct worker storm[STORM_THREADS];
static volatile int nbroken;

/* Yield, run, sleep and move, over numbers on the stack that must stay. */
static void *
weather(void *arg)
{
    struct worker *w = arg;
    struct timespec nap = {.tv_nsec = 20000};
    long id = w - storm;
    volatile long keep[32];

    for (int i = 0; i < 32; i++)
        keep[i] = id * 100 + i;
    w->tid = (pid_t)syscall(SYS_gettid);
    for (long n = id; !stop; n++) {
        if (n % 4 == 0)
            sched_yield();
        else if (n % 4 == 1)
            for (volatile int i = 0; i < 1000; i++)
                ;
        else if (n % 4 == 2)
            nanosleep(&nap, NULL);
        else
            move(0, (int)((n / 4 + id) % nharts));
        for (int i = 0; i < 32; i++)
            nbroken += keep[i] != id * 100 + i;
        w->laps++;
    }
    return NULL;
}

/* Has every thread of the storm come far enough, or the time run out and each gone on? */
static int
storm_over(time_t end)
{
    long least = storm[0].laps;

    for (int i = 1; i < STORM_THREADS; i++)
        least = storm[i].laps < least ? storm[i].laps : least;
    return least >= STORM_LAPS && time(NULL) >= end;
}

static void
test_storm(void)
{
    time_t end = time(NULL) + STORM_SECONDS;
    unsigned seed = 1;

    stop = 0;
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_create(&storm[i].thread, NULL, weather, &storm[i]);
    while (!storm_over(end)) {
        seed = seed * 1103515245 + 12345;
        cpu_set_t set = only((int)(seed >> 8) % nharts);
        if (seed >> 16 & 1)
            CPU_SET((seed >> 20) % (unsigned)nharts, &set);
        const struct worker *w = &storm[(seed >> 24) % STORM_THREADS];
        if (w->tid)
            sched_setaffinity(w->tid, sizeof(set), &set);
        if ((seed >> 12) % 16 == 0)
            usleep(100);
    }
    stop = 1;
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_join(storm[i].thread, NULL);
    ok(nbroken == 0, "every thread goes on, and on its own stack");
}

/* A hart is taken by a real-time thread; another that waits there is given a higher priority. */
static void
test_policy_of_a_waiting_thread(void)
{
    struct worker hog = {0}, waiter = {0};
    struct sched_param low = {.sched_priority = 10}, high = {.sched_priority = 20};

    if (nharts < 2) {
        tap_skip("one hart");
        return;
    }
    move(0, 1);
    stop = 0;
    pthread_create(&hog.thread, NULL, work, &hog);
    pthread_create(&waiter.thread, NULL, work, &waiter);
    await_lap(&hog);
    await_lap(&waiter);
    move(waiter.tid, 0);
    move(hog.tid, 0);
    while (hog.hart != 0 || waiter.hart != 0)
        usleep(100);
    works(sched_setscheduler(hog.tid, SCHED_FIFO, &low));
    works(sched_setscheduler(waiter.tid, SCHED_FIFO, &high));
    await_lap(&waiter);
    ok(waiter.hart == 0, "a thread that waits gets the hart when its priority rises");
    stop = 1;
    pthread_join(waiter.thread, NULL);
    pthread_join(hog.thread, NULL);
}

static long
times_preempted(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

/* A call whose length is its caller's choice does not keep its hart from others. Linux's does. */
static void
test_long_call(void)
{
    enum { LENGTH = 1 << 25 }; /* 2 million pairs: many ticks on a fast machine, too */
    void *pairs = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int *over = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (access("/proc/frames", F_OK) < 0) {
        tap_skip("not Quire");
        return;
    }
    move(0, 0);
    pid_t child = tap_fork();
    if (child == 0) {
        memset(pairs, 0, LENGTH);
        long before = times_preempted();
        long result = syscall(258, pairs, LENGTH / 16, 0, NULL, 0); /* riscv_hwprobe */
        long times = times_preempted() - before;
        *over = 1;
        _exit(result != 0 ? 2 : times < 3); /* one may come before the call, one after it */
    }
    while (!*over)
        sched_yield();
    is(tap_wait(child), 0);
}

static double
seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Start a thread that keeps hart 0 busy, where the caller goes, too. */
static void
start_hog(struct worker *hog)
{
    move(0, 0);
    stop = 0;
    pthread_create(&hog->thread, NULL, work, hog);
    await_lap(hog);
}

static void
end_hog(struct worker *hog)
{
    stop = 1;
    pthread_join(hog->thread, NULL);
}

/* A host that stops the machine for a while spoils a measurement: the best of some counts. */
#define TRIES 3

/* Who sleeps while another thread has the hart to itself has no claim to that time later. */
static int
goes_on_beside_sleeper(void)
{
    struct worker hog = {0};

    start_hog(&hog);
    sleep(2);
    long before = hog.laps;
    double end = seconds(CLOCK_MONOTONIC) + 1;
    while (hog.laps == before && seconds(CLOCK_MONOTONIC) < end)
        ;
    int goes_on = hog.laps != before;
    end_hog(&hog);
    return goes_on;
}

static void
test_sleeper_and_hog(void)
{
    int goes_on = 0;

    for (int i = 0; i < TRIES && !goes_on; i++)
        goes_on = goes_on_beside_sleeper();
    ok(goes_on, "a thread that was alone goes on beside one that slept");
}

/* Nor does who was of real time owe that time. */
static int
gets_share_after_realtime(void)
{
    struct worker hog = {0};
    struct sched_param low = {.sched_priority = 10}, none = {0};

    start_hog(&hog);
    works(sched_setscheduler(0, SCHED_FIFO, &low));
    double start = seconds(CLOCK_MONOTONIC);
    while (seconds(CLOCK_MONOTONIC) < start + 2)
        ;
    start = seconds(CLOCK_MONOTONIC);
    double end = seconds(CLOCK_THREAD_CPUTIME_ID) + 0.1;
    works(sched_setscheduler(0, SCHED_OTHER, &none));
    while (seconds(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
    int gets_share = seconds(CLOCK_MONOTONIC) - start < 1.5;
    end_hog(&hog);
    return gets_share;
}

static void
test_realtime_before(void)
{
    int gets_share = 0;

    for (int i = 0; i < TRIES && !gets_share; i++)
        gets_share = gets_share_after_realtime();
    ok(gets_share, "a thread that was of real time gets its share after it");
}

/* A thread that waits goes to the one idle hart that it may run on, whichever that is. */
static void
test_idle_hart_is_found(void)
{
    struct worker hog = {0}, other = {0};
    cpu_set_t set = only(0);

    if (nharts < 4) {
        tap_skip("fewer than four harts");
        return;
    }
    start_hog(&hog);
    pthread_create(&other.thread, NULL, work, &other);
    await_lap(&other);
    CPU_SET(nharts - 1, &set);
    sched_setaffinity(other.tid, sizeof(set), &set);
    double end = seconds(CLOCK_MONOTONIC) + 5;
    while (other.hart == 0 && seconds(CLOCK_MONOTONIC) < end)
        usleep(1000);
    is(other.hart, nharts - 1);
    stop = 1;
    pthread_join(other.thread, NULL);
    end_hog(&hog);
}

static int64_t
ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t
us(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

/* User and system time are split by samples; a sample more does not take from either. */
static void
test_used_time_grows(void)
{
    struct rusage old = {0}, new;
    int nback = 0;

    for (int i = 0; i < 400; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        do {
            for (int k = 0; k < 20 && i % 3; k++)
                syscall(SYS_getppid);
            clock_gettime(CLOCK_MONOTONIC, &b);
        } while (ns(b) - ns(a) < 2300000);
        if (i % 4 == 0)
            usleep(1000);
        getrusage(RUSAGE_SELF, &new);
        nback += us(new.ru_utime) < us(old.ru_utime) || us(new.ru_stime) < us(old.ru_stime);
        old = new;
    }
    is(nback, 0);
}

static void *
run_and_sleep(void *arg)
{
    while (!stop) {
        for (volatile int i = 0; i < 2000; i++)
            ;
        usleep(20);
    }
    return arg;
}

/* What a thread has used is the same for others, whenever it leaves its hart. */
static void
test_clock_of_another_thread(void)
{
    struct timespec last = {0}, now;
    pthread_t thread;
    clockid_t clock;
    int nback = 0;

    stop = 0;
    pthread_create(&thread, NULL, run_and_sleep, NULL);
    pthread_getcpuclockid(thread, &clock);
    for (int i = 0; i < 300000; i++) {
        clock_gettime(clock, &now);
        nback += ns(now) < ns(last);
        last = now;
    }
    stop = 1;
    pthread_join(thread, NULL);
    is(nback, 0);
}

int
main(void)
{
    cpu_set_t all;

    tap_begin("sched");
    sched_getaffinity(0, sizeof(all), &all);
    nharts = CPU_COUNT(&all);
    test_self();
    test_errors();
    sched_setaffinity(0, sizeof(all), &all);
    test_others();
    test_storm();
    test_policy_of_a_waiting_thread();
    test_long_call();
    test_sleeper_and_hog();
    test_realtime_before();
    test_idle_hart_is_found();
    sched_setaffinity(0, sizeof(all), &all);
    test_used_time_grows();
    test_clock_of_another_thread();
    return tap_end();
}
