/*
 * Threads: what they share, thread-local storage, their numbers, signals to
 * one of them, exit and exec of the whole group.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/personality.h>
#include <sys/resource.h>

#define NTHREADS 8

static atomic_int counter;
static __thread int local = 5;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int guarded;

static pid_t
gettid_raw(void)
{
    return syscall(SYS_gettid);
}

static void *
count_up(void *argument)
{
    long good = local == 5 && (long)argument >= 0;

    local = (long)argument;
    for (int i = 0; i < 2000; i++) {
        counter++;
        pthread_mutex_lock(&mutex);
        guarded++;
        pthread_mutex_unlock(&mutex);
    }
    good &= local == (long)argument && getpid() != gettid_raw();
    return (void *)good;
}

static void
test_many(void)
{
    pthread_t thread[NTHREADS];
    int good = 0;

    for (long i = 0; i < NTHREADS; i++)
        is(pthread_create(&thread[i], NULL, count_up, (void *)i), 0);
    for (int i = 0; i < NTHREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        good += result == (void *)1;
    }
    is(good, NTHREADS);
    is(counter, NTHREADS * 2000);
    is(guarded, NTHREADS * 2000);
    is(local, 5);
    for (int i = 0; i < 100; i++) {
        pthread_t one;
        good += pthread_create(&one, NULL, count_up, NULL) == 0 &&
                pthread_join(one, NULL) == 0;
        counter = guarded = 0;
    }
    is(good, NTHREADS + 100);
}

static int opened;

static void *
change_world(void *argument)
{
    opened = open("/dev/null", O_RDONLY);
    chdir("/");
    umask(077);
    signal(SIGUSR2, SIG_IGN);
    *(char **)argument = pages(1);
    **(char **)argument = 9;
    return (void *)(long)gettid_raw();
}

static void
test_sharing(void)
{
    pthread_t thread;
    char *page, here[64];
    void *tid;

    pthread_create(&thread, NULL, change_world, &page);
    pthread_join(thread, &tid);
    is(close(opened), 0);
    ok(getcwd(here, sizeof(here)) && !strcmp(here, "/"), "one directory");
    mode_t mask = umask(022);
    is(mask, 077);
    ok(signal(SIGUSR2, SIG_DFL) == SIG_IGN, "one set of actions");
    is(*page, 9);
    /* It is joined when its memory is let go, and gone a moment later. */
    for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), (long)tid, 0) == 0; i++)
        sleep_ms(1);
    fails(syscall(SYS_tgkill, getpid(), (long)tid, 0), ESRCH);
    fails(waitpid((long)tid, NULL, __WALL), ECHILD);
    chdir(tap_directory);
}

static volatile pid_t handled_by;
static volatile sig_atomic_t handled;
static atomic_int ready;
static volatile pid_t worker_tid;

static void
on_signal(int number)
{
    (void)number;
    handled_by = gettid_raw();
    handled++;
}

static void *
worker(void *argument)
{
    sigset_t set;

    sigemptyset(&set);
    if (argument) {
        sigaddset(&set, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    }
    worker_tid = gettid_raw();
    ready = 1;
    while (ready != 2)
        usleep(500);
    sigpending(&set);
    return (void *)(long)sigismember(&set, SIGUSR1);
}

static void
test_signals(void)
{
    pthread_t thread;
    void *pending;
    sigset_t set, old;

    signal(SIGUSR1, on_signal);
    ready = handled = 0;
    pthread_create(&thread, NULL, worker, NULL);
    while (!ready)
        usleep(500);
    works(syscall(SYS_tgkill, getpid(), worker_tid, SIGUSR1));
    while (!handled)
        usleep(500);
    is(handled_by, worker_tid);
    /* One the main thread blocks goes to a thread that does not. */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    while (handled < 2)
        usleep(500);
    is(handled_by, worker_tid);
    ready = 2;
    pthread_join(thread, NULL);

    /* One sent to a thread that blocks it stays with that thread. */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    ready = 0;
    pthread_create(&thread, NULL, worker, (void *)1);
    while (!ready)
        usleep(500);
    syscall(SYS_tgkill, getpid(), worker_tid, SIGUSR1);
    sigpending(&set);
    ok(!sigismember(&set, SIGUSR1), "a thread's signal is not pending here");
    ready = 2;
    pthread_join(thread, &pending);
    is((long)pending, 1);
    is(handled, 2);
    signal(SIGUSR1, SIG_DFL);
}

static void *
sleep_long(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void *
spin(void *argument)
{
    for (;;)
        counter++;
    return argument;
}

static void *
exit_all(void *argument)
{
    (void)argument;
    _exit(33);
}

static void
start_two(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, sleep_long, NULL);
    pthread_create(&thread, NULL, spin, NULL);
}

static int
exit_from_thread(void)
{
    pthread_t thread;

    start_two();
    pthread_create(&thread, NULL, exit_all, NULL);
    pause();
    return 1;
}

static int
exit_from_main(void)
{
    start_two();
    usleep(1000);
    return 34;
}

/* The main thread goes alone; the process lives while a thread does. */
static void *
exit_later(void *argument)
{
    usleep(20000);
    _exit(getpid() == (long)argument ? 35 : 1);
}

static int
main_leaves_first(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, exit_later, (void *)(long)getpid());
    syscall(SYS_exit, 99);
    return 1;
}

static int
fault_in_thread(void)
{
    pthread_t thread;
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    start_two();
    pthread_create(&thread, NULL, (void *(*)(void *))hole(), NULL);
    pause();
    return 1;
}

static void *
exec_here(void *argument)
{
    char *argv[] = { "threads", "--pid", argument, NULL };

    execv("/proc/self/exe", argv);
    _exit(1);
}

static int
exec_from_thread(void)
{
    pthread_t thread;
    char number[16];

    snprintf(number, sizeof(number), "%d", getpid());
    start_two();
    pthread_create(&thread, NULL, exec_here, number);
    pause();
    return 1;
}

static int
fork_from_threads(void)
{
    start_two();
    pid_t pid = fork();
    if (pid == 0)
        _exit(gettid_raw() == getpid() ? 5 : 1);
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) + 31;
}

static void
test_endings(void)
{
    is(tap_status_of(exit_from_thread), 33 << 8);
    is(tap_status_of(exit_from_main), 34 << 8);
    is(tap_status_of(main_leaves_first), 35 << 8);
    is(tap_status_of(fault_in_thread), SIGSEGV);
    is(tap_status_of(exec_from_thread), 0);
    is(tap_status_of(fork_from_threads), 36 << 8);
    pid_t pid = tap_fork();
    if (pid == 0) {
        start_two();
        pause();
    }
    usleep(5000);
    kill(pid, SIGKILL);
    is(tap_wait(pid), SIGKILL);
}

static void
test_stopping(void)
{
    atomic_int *ticks = shared_pages(1);
    int status;

    pid_t pid = tap_fork();
    if (pid == 0) {
        start_two();
        for (;;) {
            ++*ticks;
            usleep(500);
        }
    }
    while (*ticks < 3)
        usleep(500);
    kill(pid, SIGSTOP);
    is(waitpid(pid, &status, WUNTRACED), pid);
    int before = *ticks;
    usleep(20000);
    is(*ticks, before);
    kill(pid, SIGCONT);
    while (*ticks == before)
        usleep(500);
    kill(pid, SIGKILL);
    is(tap_wait(pid), SIGKILL);
}

/* A thread's number where a process's is asked for, and as the one that may be lied to. */
static void *
use_number(void *argument)
{
    siginfo_t info = { .si_code = SI_USER };
    pid_t pid = getpid(), tid = gettid_raw();

    is(getpgid(tid), getpgrp());
    is(getsid(tid), getsid(0));
    fails(setpgid(tid, 0), EINVAL);
    works(syscall(SYS_rt_sigqueueinfo, tid, 0, &info));
    fails(syscall(SYS_rt_sigqueueinfo, pid, 0, &info), EPERM);
    works(syscall(SYS_rt_tgsigqueueinfo, pid, tid, 0, &info));
    fails(syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info), EPERM);
    fails(syscall(SYS_rt_tgsigqueueinfo, 0, pid, 0, &info), EINVAL);
    info.si_code = SI_QUEUE;
    works(syscall(SYS_rt_sigqueueinfo, pid, 0, &info));
    works(syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info));
    clockid_t clock = (int)(~(unsigned)tid << 3) | 2; /* of all CPU time of process tid */
    struct timespec time;
    timer_t timer;
    works(clock_gettime(clock, &time));
    fails(syscall(SYS_timer_create, clock, NULL, &timer), EINVAL);
    return argument;
}

/* personality(2) is the thread's own, and what it makes inherits it. */
static void *
use_personality(void *argument)
{
    is(personality(0xffffffff), UNAME26);
    is(personality(UNAME26 | ADDR_NO_RANDOMIZE), UNAME26);
    return argument;
}

static void
test_personality(void)
{
    pthread_t thread;

    is(personality(UNAME26), 0);
    is(pthread_create(&thread, NULL, use_personality, NULL), 0);
    is(pthread_join(thread, NULL), 0);
    is(personality(0), UNAME26);
}

static void
test_numbers(void)
{
    pthread_t thread;

    is(pthread_create(&thread, NULL, use_number, NULL), 0);
    is(pthread_join(thread, NULL), 0);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--pid"))
        return !(getpid() == atoi(argv[2]) && gettid_raw() == getpid());
    tap_begin("threads");
    test_many();
    test_sharing();
    test_signals();
    test_endings();
    test_stopping();
    test_numbers();
    test_personality();
    return tap_end();
}
