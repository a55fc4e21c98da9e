/*
 * Time: clocks, sleeping, interval timers, POSIX timers, and what a process
 * has used.
 */
#include "tap.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static volatile sig_atomic_t count;
static volatile int last_value, last_code;

static void
on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    count++;
    last_value = info->si_value.sival_int;
    last_code = info->si_code;
}

static void
handle(int number)
{
    struct sigaction action = { .sa_sigaction = on_signal,
                                .sa_flags = SA_SIGINFO };

    sigaction(number, &action, NULL);
    count = 0;
}

static int64_t
ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void
test_clocks(void)
{
    static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,
        CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
        CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
        CLOCK_BOOTTIME };
    struct timespec a, b;

    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        int good = syscall(SYS_clock_gettime, clocks[i], &a) == 0;
        for (int k = 0; k < 1000; k++) {
            good &= clock_gettime(clocks[i], &b) == 0 && ns(b) >= ns(a) &&
                    b.tv_nsec >= 0 && b.tv_nsec < 1000000000;
            a = b;
        }
        ok(good, "clock %d does not go back", clocks[i]);
        good = clock_getres(clocks[i], &a) == 0 && a.tv_sec == 0 &&
               a.tv_nsec >= 1 && a.tv_nsec <= 10000000;
        ok(good, "clock %d has a resolution of %ld ns", clocks[i], a.tv_nsec);
    }
    clock_getres(CLOCK_MONOTONIC, &a);
    is(a.tv_nsec, 1);
    fails(syscall(SYS_clock_gettime, 99, &a), EINVAL);
    fails(syscall(SYS_clock_gettime, -1, &a), EINVAL);
    fails(syscall(SYS_clock_getres, 99, &a), EINVAL);
    fails(syscall(SYS_clock_gettime, CLOCK_REALTIME, hole()), EFAULT);

    clock_gettime(CLOCK_MONOTONIC, &a);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b);
    ok(ns(b) >= ns(a) && ns(b) - ns(a) < 1000000000,
       "with and without a call the clock is one");
    struct timeval t;
    gettimeofday(&t, NULL);
    clock_gettime(CLOCK_REALTIME, &a);
    ok(labs(a.tv_sec - t.tv_sec) <= 1, "gettimeofday agrees");
    clock_gettime(CLOCK_BOOTTIME, &a);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ok(labs(a.tv_sec - b.tv_sec) <= 1, "boot time agrees with monotonic");
}

static void
test_cpu_time(void)
{
    struct timespec a, b, thread;
    struct rusage usage;
    struct tms t;
    clockid_t of_child;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    sleep_ms(50);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    ok(ns(b) - ns(a) < 25000000, "sleeping uses no CPU time: %ld us",
       (long)(ns(b) - ns(a)) / 1000);
    int64_t end = now_ns() + 40000000;
    while (now_ns() < end)
        ;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &thread);
    ok(ns(a) - ns(b) >= 5000000, "computing does: %ld us",
       (long)(ns(a) - ns(b)) / 1000);
    ok(ns(thread) <= ns(a) + 10000000, "a thread uses no more");
    is(getrusage(RUSAGE_SELF, &usage), 0);
    ok(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
       usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec >= 4000,
       "getrusage sees it");
    ok(usage.ru_maxrss > 100 && usage.ru_minflt > 10 && usage.ru_nvcsw > 0,
       "and memory, faults, switches");
    is(getrusage(RUSAGE_THREAD, &usage), 0);
    is(getrusage(RUSAGE_CHILDREN, &usage), 0);
    fails(getrusage(5, &usage), EINVAL);
    ok(times(&t) > 0, "times");
    pid_t pid = tap_fork();
    if (pid == 0)
        for (;;)
            pause();
    is(clock_getcpuclockid(pid, &of_child), 0);
    is(clock_gettime(of_child, &a), 0);
    kill(pid, SIGKILL);
    tap_wait(pid);
    fails(clock_gettime(of_child, &a), EINVAL);
}

static void
test_sleep(void)
{
    struct timespec t = { 0, 15000000 }, bad = { 0, 1000000000 },
                    negative = { -1, 0 }, zero = { 0, 0 };
    int64_t start = now_ns();

    is(nanosleep(&t, NULL), 0);
    ok(now_ns() - start >= 15000000, "nanosleep");
    fails(nanosleep(&bad, NULL), EINVAL);
    fails(nanosleep(&negative, NULL), EINVAL);
    is(nanosleep(&zero, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    start = ns(t) + 15000000;
    t.tv_sec = start / 1000000000;
    t.tv_nsec = start % 1000000000;
    is(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    ok(now_ns() >= start, "until a moment");
    is(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    is(clock_nanosleep(CLOCK_REALTIME, 0, &zero, NULL), 0);
    is(clock_nanosleep(CLOCK_BOOTTIME, 0, &zero, NULL), 0);
    is(clock_nanosleep(99, 0, &zero, NULL), EINVAL);
    is(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
    is(clock_nanosleep(CLOCK_MONOTONIC, 0, (void *)hole(), NULL), EFAULT);
    /* Short sleeps are short. */
    start = now_ns();
    t = (struct timespec){ 0, 100000 };
    for (int i = 0; i < 50; i++)
        nanosleep(&t, NULL);
    int64_t took = now_ns() - start;
    ok(took >= 5000000 && took < 1000000000, "50 sleeps of 0.1 ms: %ld us",
       (long)took / 1000);
}

static void
test_itimers(void)
{
    struct itimerval t = { { 0, 5000 }, { 0, 10000 } }, old, off = { 0 };

    handle(SIGALRM);
    alarm(0);
    is(setitimer(ITIMER_REAL, &t, &old), 0);
    while (count < 3)
        sleep_ms(1);
    ok(1, "it repeats");
    is(getitimer(ITIMER_REAL, &old), 0);
    ok(old.it_interval.tv_usec == 5000 && old.it_value.tv_sec == 0 &&
       old.it_value.tv_usec <= 5000, "what is left");
    is(setitimer(ITIMER_REAL, &off, &old), 0);
    int seen = count;
    sleep_ms(15);
    is(count, seen);
    is(alarm(100), 0);
    ok(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_sec >= 98,
       "alarm is the same timer");
    unsigned left = alarm(0);
    ok(left == 100 || left == 99, "alarm tells %u seconds left", left);
    t.it_value.tv_usec = 1000000;
    fails(setitimer(ITIMER_REAL, &t, NULL), EINVAL);
    t.it_value.tv_usec = -1;
    fails(setitimer(ITIMER_REAL, &t, NULL), EINVAL);
    fails(setitimer(7, &off, NULL), EINVAL);
    fails(getitimer(7, &off), EINVAL);
    fails(syscall(SYS_setitimer, 0, hole(), NULL), EFAULT);

    handle(SIGVTALRM);
    t = (struct itimerval){ { 0, 0 }, { 0, 20000 } };
    is(setitimer(ITIMER_VIRTUAL, &t, NULL), 0);
    sleep_ms(40);
    is(count, 0);
    for (volatile long i = 0; !count && i < 2000000000; i++)
        ;
    is(count, 1);
    handle(SIGPROF);
    is(setitimer(ITIMER_PROF, &t, NULL), 0);
    while (!count)
        getppid();
    is(count, 1);
    signal(SIGALRM, SIG_DFL);
    alarm(TAP_SECONDS);
}

static void
test_posix_timers(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR1,
                              .sigev_value.sival_int = 4711 };
    struct itimerspec t = { { 0, 5000000 }, { 0, 5000000 } }, got;
    sigset_t set, old;
    timer_t timer;

    handle(SIGUSR1);
    works(timer_create(CLOCK_MONOTONIC, &event, &timer));
    is(timer_settime(timer, 0, &t, NULL), 0);
    while (count < 3)
        sleep_ms(1);
    is(last_value, 4711);
    is(last_code, SI_TIMER);
    is(timer_gettime(timer, &got), 0);
    ok(got.it_interval.tv_nsec == 5000000 && ns(got.it_value) <= 5000000,
       "what is left");
    /* What comes while it is blocked is counted, not queued. */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    sleep_ms(60);
    siginfo_t info;
    is(sigwaitinfo(&set, &info), SIGUSR1);
    int overrun = timer_getoverrun(timer);
    ok(info.si_overrun >= 1 && overrun == info.si_overrun, "overrun by %d, %d",
       info.si_overrun, overrun);
    sigprocmask(SIG_SETMASK, &old, NULL);
    is(timer_delete(timer), 0);
    fails(timer_delete(timer), EINVAL);
    fails(timer_gettime(timer, &got), EINVAL);
    event.sigev_signo = 99;
    fails(timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
    event.sigev_signo = SIGUSR1;
    fails(timer_create(99, &event, &timer), EINVAL);
    works(timer_create(CLOCK_REALTIME, &event, &timer));
    t.it_value.tv_nsec = 1000000000;
    fails(timer_settime(timer, 0, &t, NULL), EINVAL);
    t = (struct itimerspec){ { 0, 0 }, { 1, 0 } };      /* long past */
    count = 0;
    is(timer_settime(timer, TIMER_ABSTIME, &t, NULL), 0);
    for (int i = 0; i < 1000 && !count; i++)
        sleep_ms(1);
    is(count, 1);
    is(timer_delete(timer), 0);
}

#define NTIMERS 1000

/*
 * Timers of a nanosecond: what they cost is what their signals cost. While these are
 * blocked they cost nothing, however many there are.
 */
static void
test_short_timers(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    struct sigevent silent = { .sigev_notify = SIGEV_NONE };
    struct itimerspec t = { { 0, 1 }, { 0, 1 } }, got;
    struct itimerval real = { { 0, 1 }, { 0, 1 } };
    struct timespec now = { 0, 0 };
    timer_t timers[NTIMERS], mute;
    siginfo_t info;
    sigset_t set, old;
    int made = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, &old);
    alarm(0);
    for (int i = 0; i < NTIMERS; i++)
        made += timer_create(CLOCK_MONOTONIC, &event, &timers[i]) == 0 &&
                timer_settime(timers[i], 0, &t, NULL) == 0;
    is(made, NTIMERS);
    is(setitimer(ITIMER_REAL, &real, NULL), 0);
    for (volatile int i = 0; i < 3000000; i++)
        ;
    is(getitimer(ITIMER_REAL, &real), 0);
    ok(real.it_value.tv_sec == 0 && real.it_value.tv_usec <= 1, "not armed while it waits");
    /* Each signal that is taken has the timer go on. */
    sigset_t usr, alrm;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR2);
    sigemptyset(&alrm);
    sigaddset(&alrm, SIGALRM);
    int taken = 0, overran = 0;
    for (int i = 0; i < 3 * NTIMERS; i++) {
        taken += sigwaitinfo(&usr, &info) == SIGUSR2;
        overran += info.si_overrun > 0;
    }
    is(taken, 3 * NTIMERS);
    ok(overran > 0, "%d overran", overran);
    for (int i = 0; i < 5; i++)
        is(sigwaitinfo(&alrm, &info), SIGALRM);
    for (int i = 0; i < NTIMERS; i++)
        timer_delete(timers[i]);
    real = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    is(setitimer(ITIMER_REAL, &real, NULL), 0);
    while (sigtimedwait(&set, NULL, &now) > 0)
        ;
    sigprocmask(SIG_SETMASK, &old, NULL);
    alarm(TAP_SECONDS);

    /* One that tells nobody still knows what is left. */
    works(timer_create(CLOCK_MONOTONIC, &silent, &mute));
    t = (struct itimerspec){ { 1000, 0 }, { 0, 1000000 } };
    is(timer_settime(mute, 0, &t, NULL), 0);
    sleep_ms(5);
    is(timer_gettime(mute, &got), 0);
    ok(ns(got.it_value) > 500 * 1000000000LL && ns(got.it_value) < 1000 * 1000000000LL,
       "in the next period");
    t = (struct itimerspec){ { 0, 0 }, { 0, 1000000 } };
    is(timer_settime(mute, 0, &t, NULL), 0);
    sleep_ms(5);
    is(timer_gettime(mute, &got), 0);
    is(ns(got.it_value), 0);
    is(timer_delete(mute), 0);
}

/* A signal that is ignored stops no timer: it is told again when it is handled. */
static void
test_ignored_timer(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    struct itimerspec t = { { 0, 1000000 }, { 0, 1000000 } };
    timer_t timer;

    signal(SIGUSR2, SIG_IGN);
    works(timer_create(CLOCK_MONOTONIC, &event, &timer));
    is(timer_settime(timer, 0, &t, NULL), 0);
    sleep_ms(10);
    handle(SIGUSR2);
    while (count < 2)
        sleep_ms(1);
    is(timer_delete(timer), 0);
    signal(SIGUSR2, SIG_IGN);
}

/* Timers of running time: many of a nanosecond, in processes that sleep. */
static void
test_sleeping_timers(void)
{
    struct sigevent silent = { .sigev_notify = SIGEV_NONE };
    struct itimerspec t = { { 0, 1 }, { 0, 1 } };
    pid_t pids[8];
    struct gate ready;
    timer_t timer;
    char c;

    gate_init(&ready);
    for (size_t i = 0; i < ARRAY_LEN(pids); i++)
        if ((pids[i] = tap_fork()) == 0) {
            int good = 1;
            for (int k = 0; k < 400; k++)
                good &= timer_create(CLOCK_PROCESS_CPUTIME_ID, &silent, &timer) == 0 &&
                        timer_settime(timer, 0, &t, NULL) == 0;
            write(ready.fd[1], good ? "g" : "b", 1);
            for (;;)
                pause();
        }
    for (size_t i = 0; i < ARRAY_LEN(pids); i++)
        ok(read(ready.fd[0], &c, 1) == 1 && c == 'g', "400 timers of a process");
    sleep_ms(50);
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        kill(pids[i], SIGKILL);
        is(tap_wait(pids[i]), SIGKILL);
    }
    /* They do run out in one that runs. */
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    handle(SIGUSR1);
    works(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
    t = (struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } };
    is(timer_settime(timer, 0, &t, NULL), 0);
    while (count < 3)
        ;
    is(timer_delete(timer), 0);
    gate_close(&ready);
}

/* Setting the clock is for root, and moves only CLOCK_REALTIME. */
static void
test_setting(void)
{
    struct timespec before, after, mono = { 0, 0 };

    clock_gettime(CLOCK_REALTIME, &before);
    after = before;
    after.tv_sec += 1000;
    is(clock_settime(CLOCK_REALTIME, &after), 0);
    clock_gettime(CLOCK_REALTIME, &after);
    ok(after.tv_sec - before.tv_sec >= 1000 &&
       after.tv_sec - before.tv_sec < 1050, "1000 seconds on");
    after.tv_sec -= 1000;
    is(clock_settime(CLOCK_REALTIME, &after), 0);
    fails(clock_settime(CLOCK_MONOTONIC, &after), EINVAL);
    after.tv_nsec = -1;
    fails(clock_settime(CLOCK_REALTIME, &after), EINVAL);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    ok(mono.tv_sec < 100000, "the monotonic clock counts from boot");
}

static struct timespec appointment;  /* by CLOCK_REALTIME */
static volatile int kept[4];         /* who has waited until then */
static volatile int nwaiting;

/* Wait for the appointment: by clock_nanosleep(), twice, or by a futex. */
static void *
wait_until(void *arg)
{
    static const int clocks[] = { CLOCK_REALTIME, CLOCK_TAI };
    static int word;
    long how = (long)arg;

    __atomic_fetch_add(&nwaiting, 1, __ATOMIC_SEQ_CST);
    if (how < 2)
        kept[how] = clock_nanosleep(clocks[how], TIMER_ABSTIME, &appointment, NULL) == 0;
    else
        kept[how] = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0,
                            &appointment, NULL, FUTEX_BITSET_MATCH_ANY) < 0 && errno == ETIMEDOUT;
    return NULL;
}

/* These wait for a length of time, or by another clock: setting one does not concern them. */
static void *
wait_for(void *arg)
{
    struct timespec t = { 2000, 0 };

    (void)arg;
    __atomic_fetch_add(&nwaiting, 1, __ATOMIC_SEQ_CST);
    clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL);
    kept[3] = 1;
    return NULL;
}

static void
set_clock(int64_t by)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += by;
    works(clock_settime(CLOCK_REALTIME, &t));
}

/* Who waits for an hour of the clock wakes when it is set beyond that hour. */
static void
test_setting_ends_waits(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    struct itimerspec spec = { .it_interval = { 600, 0 } }, left;
    pthread_t threads[4];
    timer_t timer;

    handle(SIGUSR2);
    clock_gettime(CLOCK_REALTIME, &appointment);
    appointment.tv_sec += 1000;
    for (long i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i < 3 ? wait_until : wait_for, (void *)i);
    works(timer_create(CLOCK_REALTIME, &event, &timer));
    spec.it_value = appointment;
    works(timer_settime(timer, TIMER_ABSTIME, &spec, NULL));
    while (nwaiting < 4)
        sleep_ms(1);
    sleep_ms(50);
    set_clock(-500);
    timer_gettime(timer, &left);
    ok(left.it_value.tv_sec > 1400 && left.it_value.tv_sec <= 1500, "more is left: %ld",
       (long)left.it_value.tv_sec);
    set_clock(1000);
    sleep_ms(50);
    ok(!count && !kept[0] && !kept[1] && !kept[2], "the hour has not come");
    set_clock(700);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ok(kept[0] && kept[1], "clock_nanosleep() by CLOCK_REALTIME and CLOCK_TAI");
    ok(kept[2], "a futex");
    while (!count)
        sleep_ms(1);
    timer_gettime(timer, &left);
    ok(left.it_value.tv_sec > 300 && left.it_value.tv_sec <= 400, "the next period: %ld",
       (long)left.it_value.tv_sec);
    ok(!kept[3], "a sleep of some length goes on");
    timer_delete(timer);
    set_clock(-1200);
    struct timespec boot = { 0, 0 };
    fails(clock_settime(CLOCK_REALTIME, &boot), EINVAL);
    struct timespec far = { 8277292036L, 0 };
    fails(clock_settime(CLOCK_REALTIME, &far), EINVAL);
}

static void
setting_as_user(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    setresuid(1000, 1000, 1000);
    fails(clock_settime(CLOCK_REALTIME, &now), EPERM);
}

/* A sleep by a clock of running time that a signal ends says what is left. */
static void
test_cpu_sleep_ended(void)
{
    struct timespec hour = { 3600, 0 }, left = { 0, 0 };
    struct itimerval soon = { .it_value.tv_usec = 10000 };

    handle(SIGALRM);
    setitimer(ITIMER_REAL, &soon, NULL);
    is(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &hour, &left), EINTR);
    ok(left.tv_sec >= 3590 && left.tv_sec < 3600, "%ld s are left", (long)left.tv_sec);
    signal(SIGALRM, SIG_DFL);
    alarm(TAP_SECONDS);
}

int
main(void)
{
    tap_begin("clocks");
    test_cpu_sleep_ended();
    test_clocks();
    test_cpu_time();
    test_sleep();
    test_itimers();
    test_posix_timers();
    test_short_timers();
    test_ignored_timer();
    test_sleeping_timers();
    test_setting();
    test_setting_ends_waits();
    tap_child(setting_as_user);
    return tap_end();
}
