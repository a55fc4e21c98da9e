/*
 * The signals of POSIX timers while they wait: set anew, deleted, several of
 * one number, and across an exec. And while they are ignored.
 */
#include "tap.h"

/* Which of the two signals wait: bits 0 and 1. */
static int
which_wait(void)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, SIGUSR1) | sigismember(&set, SIGRTMIN) << 1;
}

/* Block the two, and have a timer of its own send each; return when both wait. */
static void
let_two_wait(timer_t id[2])
{
    struct itimerspec soon = { .it_value.tv_nsec = 1 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_value.sival_int = 70 + i,
                                  .sigev_signo = i ? SIGRTMIN : SIGUSR1 };
        is(timer_create(CLOCK_MONOTONIC, &event, &id[i]), 0);
        is(timer_settime(id[i], 0, &soon, NULL), 0);
    }
    while (which_wait() != 3)
        sleep_ms(1);
}

/* A timer is set anew, or deleted, while its signal waits: that keeps what the timer said. */
static void
signal_outlives_setting(void)
{
    struct itimerspec off = { .it_value.tv_nsec = 0 };
    struct timespec no_time = { 0, 0 };
    siginfo_t info;
    sigset_t set;
    timer_t id[2];

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    for (int deleted = 0; deleted < 2; deleted++) {
        let_two_wait(id);
        for (int i = 0; i < 2; i++)
            is(deleted ? timer_delete(id[i]) : timer_settime(id[i], 0, &off, NULL), 0);
        for (int i = 0; i < 2; i++) {
            is(sigtimedwait(&set, &info, &no_time), i ? SIGRTMIN : SIGUSR1);
            is(info.si_code, SI_TIMER);
            is(info.si_value.sival_int, 70 + i);
        }
        fails(sigtimedwait(&set, &info, &no_time), EAGAIN);
    }
}

/* The timers end with the program, and their signals with them. */
static void
test_exec_forgets_timers(void)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        timer_t id[2];
        let_two_wait(id);
        execl("/proc/self/exe", "timersignals", "which wait?", NULL);
        _exit(9);
    }
    is(tap_wait(pid), 0);
}

/* Two periodic timers send one signal: taking that of the one leaves that of the other. */
static void
one_signal_of_two(void)
{
    struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
    struct itimerspec off = { .it_value.tv_nsec = 0 };
    struct timespec no_time = { 0, 0 };
    int taken[2] = { 0, 0 };
    siginfo_t info;
    sigset_t set;
    timer_t id[2];

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2,
                                  .sigev_value.sival_int = i };
        is(timer_create(CLOCK_MONOTONIC, &event, &id[i]), 0);
        is(timer_settime(id[i], 0, &often, NULL), 0);
    }
    /* Both wait; then each is to come again and again. */
    sleep_ms(20);
    while (taken[0] < 3 || taken[1] < 3) {
        if (sigwaitinfo(&set, &info) == SIGUSR2)
            taken[info.si_value.sival_int & 1]++;
    }
    sleep_ms(20);
    for (int i = 0; i < 2; i++)
        is(timer_settime(id[i], 0, &off, NULL), 0);
    int left = 0;
    while (sigtimedwait(&set, &info, &no_time) == SIGUSR2)
        left |= 1 << info.si_value.sival_int;
    ok(left == 3, "both wait until they are taken");
}

/* Use the processor for so many milliseconds of the process's time. */
static void
spin_ms(int ms)
{
    struct timespec from, now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

/* The overruns of a signal that waits are counted up to the largest int. */
static void
overruns_are_bounded(void)
{
    struct itimerspec past = { { 0, 1 }, { 0, 1 } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct timespec no_time = { 0, 0 };
    siginfo_t info;
    sigset_t set;
    timer_t id;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    is(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &id), 0);
    spin_ms(400);
    /* Each time all the nanoseconds since the process began have passed unseen: 400 million. */
    for (int i = 0; i < 12; i++) {
        timer_settime(id, TIMER_ABSTIME, &past, NULL);
        spin_ms(10);
    }
    is(sigtimedwait(&set, &info, &no_time), SIGUSR1);
    ok(info.si_overrun >= 0, "overruns: %d", info.si_overrun);
    ok(timer_getoverrun(id) >= 0, "overruns by the call: %d", timer_getoverrun(id));
    timer_delete(id);
}

/* Many short timers whose signal is ignored leave a program the processor. */
static void
many_ignored(void)
{
    static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID };
    struct itimerspec often = { { 0, 1 }, { 0, 1 } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    static timer_t ids[4096];

    signal(SIGUSR1, SIG_IGN);
    for (int c = 0; c < 2; c++) {
        int n = 0;
        while (n < 4096 && timer_create(clocks[c], &event, &ids[n]) == 0)
            n++;
        ok(n > 100, "%d timers", n);
        for (int i = 0; i < n; i++)
            timer_settime(ids[i], 0, &often, NULL);
        for (volatile int i = 0; i < 1000000; i++)
            ;
        for (int i = 0; i < n; i++)
            timer_delete(ids[i]);
    }
}

int
main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return which_wait();
    tap_begin("timersignals");
    tap_child(signal_outlives_setting);
    tap_child(one_signal_of_two);
    tap_child(overruns_are_bounded);
    tap_child(many_ignored);
    test_exec_forgets_timers();
    return tap_end();
}
