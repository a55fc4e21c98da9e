/*
 * Many processes, threads, descriptors, names, signals and timers; stalls.h tells what is
 * measured.
 */
#include "stalls.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/times.h>

#define STACK 16384

static void
raise_limit(int resource, rlim_t n)
{
    struct rlimit limit = { n, n };
    must(setrlimit(resource, &limit));
}

/* n children in a group of their own, whose number this returns; all sleep. */
static pid_t
sleepers(size_t n)
{
    pid_t group = 0;
    raise_limit(RLIMIT_NPROC, n + 1000);
    for (size_t i = 0; i < n; i++) {
        pid_t pid = fork();
        must(pid);
        if (pid == 0) {
            setpgid(0, group);
            for (;;)
                pause();
        }
        if (!group)
            group = pid;
        must(setpgid(pid, group));
    }
    return group;
}

static pid_t pgid;
static size_t nsleepers(void) { return many(300, 2000); }
static void group(void) { pgid = sleepers(nsleepers()); }

static void
reap(void)
{
    while (wait(NULL) > 0)
        ;
}

static void do_kill_group(void) { must(kill(-pgid, SIGKILL)); reap(); }
static void do_stop_group(void) { must(kill(-pgid, SIGSTOP)); must(kill(-pgid, SIGCONT)); do_kill_group(); }

static void
do_kill_all(void)
{
    must(kill(-1, SIGWINCH)); /* ignored, and sent to all */
    must(kill(-1, 0));
    do_kill_group();
}

/* None of the children is what is asked for. */
static void
do_wait_none(void)
{
    for (int i = 0; i < 10; i++) {
        must(waitpid(-1, NULL, WNOHANG | WUNTRACED | WCONTINUED));
        waitpid(-getpid(), NULL, WNOHANG);
        must(waitid(P_PGID, pgid, NULL, WEXITED | WSTOPPED | WNOHANG));
    }
    do_kill_group();
}

static void
do_priorities(void)
{
    for (int i = 0; i < 3; i++) {
        must(getpriority(PRIO_USER, 0));
        must(getpriority(PRIO_PGRP, pgid));
        must(setpriority(PRIO_PGRP, pgid, 5));
    }
    do_kill_group();
}

/* The children, stopped, become init's, and their group is orphaned. */
static void
do_orphan(void)
{
    must(kill(-pgid, SIGSTOP));
    sleep_ms(20);
}

static uint32_t word, word2;

static void *
thread(void *arg)
{
    (void)arg;
    for (;;)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static size_t nthreads(void) { return many(500, 2000); }

static void
start_threads(void *(*fn)(void *), size_t n)
{
    pthread_attr_t attr;
    raise_limit(RLIMIT_NPROC, n + 1000);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    for (size_t i = 0; i < n; i++) {
        pthread_t id;
        check(pthread_create(&id, &attr, fn, NULL) == 0, "pthread_create");
    }
}

static void threads(void) { start_threads(thread, nthreads()); }
static void do_nothing(void) { }

static void
do_futex(void)
{
    must(syscall(SYS_futex, &word, FUTEX_REQUEUE_PRIVATE, 0, (void *)(uintptr_t)100000, &word2, 0));
    must(syscall(SYS_futex, &word2, FUTEX_WAKE_PRIVATE, 100000, NULL, NULL, 0));
    must(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100000, NULL, NULL, 0));
    must(syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 100000, (void *)(uintptr_t)100000, &word2, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
}

static void
do_thread_text(void)
{
    char path[64];
    read_all("/proc/self/stat");
    read_all("/proc/self/status");
    list("/proc/self/task");
    struct rusage usage;
    must(getrusage(RUSAGE_SELF, &usage));
    struct timespec now;
    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now));
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
    read_all(path);
    struct tms spent;
    must(times(&spent));
}

/* Shared signals that all threads block but the last, stops and continues. */
static void
do_thread_signals(void)
{
    signal(SIGUSR1, SIG_IGN);
    pid_t me = getpid();
    for (int i = 0; i < 5; i++)
        must(kill(me, SIGUSR1));
    if (fork() == 0) {
        sleep_ms(5);
        kill(me, SIGCONT);
        _exit(0);
    }
    must(kill(me, SIGSTOP));
    wait(NULL);
}

/* The report of a stop says what all threads used. */
static void
do_wait_stopped(void)
{
    int status;
    pid_t pid = fork();
    must(pid);
    if (pid == 0) {
        threads();
        raise(SIGSTOP);
        _exit(0);
    }
    must(waitpid(pid, &status, WUNTRACED));
    check(WIFSTOPPED(status), "stopped");
    must(kill(pid, SIGKILL));
    must(waitpid(pid, &status, 0));
}

static void
do_thread_exec(void)
{
    execl("/bin/true", "true", NULL);
    check(0, "execl");
}

/* As many timers as may be, which all are due at once, for a process with threads. */
static void
do_timers(void)
{
    size_t n = many(1000, 4000);
    struct itimerspec soon = { { 0, 1000000 }, { 0, 1000000 } };
    raise_limit(RLIMIT_SIGPENDING, n + 1000);
    sigset_t all_of_them;
    sigfillset(&all_of_them);
    sigprocmask(SIG_BLOCK, &all_of_them, NULL);
    start_threads(thread, many(50, 500));
    for (size_t i = 0; i < n; i++) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + (int)(i % 8) };
        timer_t timer;
        must(timer_create(i % 4 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
        must(timer_settime(timer, 0, &soon, NULL));
    }
    sleep_ms(20);
    struct timespec zero = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        sigtimedwait(&all_of_them, NULL, &zero);
}

/* The queue of one signal behind that of another. */
static void
do_signal_queues(void)
{
    int n = (int)many(3000, 20000);
    sigset_t set, last;
    struct timespec zero = { 0, 0 };
    raise_limit(RLIMIT_SIGPENDING, n + 1000);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < n; i++)
        must(sigqueue(getpid(), SIGRTMAX, (union sigval){ .sival_int = i }));
    for (int i = 0; i < 20; i++)
        must(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
    sigemptyset(&last);
    sigaddset(&last, SIGRTMIN);
    for (int i = 0; i < 20; i++)
        must(sigtimedwait(&last, NULL, &zero));
    for (int i = 0; i < 20; i++)
        must(sigtimedwait(&set, NULL, &zero));
    signal(SIGRTMAX, SIG_IGN); /* forgets the rest */
}

static void
do_descriptors(void)
{
    int n = (int)many(1 << 15, 1 << 18);
    raise_limit(RLIMIT_NOFILE, n);
    for (int fd = 0; fd >= 0 && fd < n - 1; fd = dup(0))
        ;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    must(pid);
    must(waitpid(pid, NULL, 0));
    must(syscall(SYS_close_range, 100, n, 4 /* CLOSE_RANGE_CLOEXEC */));
    must(syscall(SYS_close_range, 100, n / 2, 0));
    must(syscall(SYS_close_range, n / 2, n, 2 /* CLOSE_RANGE_UNSHARE */));
}

static void
do_epoll_ready(void)
{
    int n = (int)many(2000, 20000);
    int epoll = epoll_create1(0), fd[2];
    static struct epoll_event events[20000];
    raise_limit(RLIMIT_NOFILE, 3 * n + 100);
    for (int i = 0; i < n; i++) {
        struct epoll_event event = { .events = EPOLLIN };
        must(pipe(fd));
        must(write(fd[1], "x", 1));
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd[0], &event));
    }
    check(epoll_wait(epoll, events, n, 0) == n, "epoll_wait");
    check(epoll_wait(epoll, events, n, 0) == n, "epoll_wait");
    must(close(epoll));
}

/* One write wakes many items, of one epoll and of several. */
static void
do_epoll_watchers(void)
{
    int n = (int)many(3000, 40000);
    int epolls[8], fd[2];
    raise_limit(RLIMIT_NOFILE, n + 100);
    must(pipe(fd));
    for (size_t i = 0; i < ARRAY_LEN(epolls); i++)
        must(epolls[i] = epoll_create1(0));
    for (int i = 0; i < n; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        must(epoll_ctl(epolls[i % ARRAY_LEN(epolls)], EPOLL_CTL_ADD, dup(fd[0]), &event));
    }
    must(write(fd[1], "x", 1));
    static struct epoll_event events[40000];
    int found = 0;
    struct pollfd ready = { .fd = epolls[7], .events = POLLIN };
    must(poll(&ready, 1, 1000));
    for (size_t i = 0; i < ARRAY_LEN(epolls); i++)
        for (int got; (got = epoll_wait(epolls[i], events, n, 100)) > 0;)
            found += got;
    check(found == n, "every item was told");
}

/* A wake of many threads, each with a place on the queue. */
static int pipe_fd[2];

static void *
poller(void *arg)
{
    (void)arg;
    struct pollfd fd = { .fd = pipe_fd[0], .events = POLLIN };
    poll(&fd, 1, -1);
    __atomic_add_fetch(&word2, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void
pollers(void)
{
    must(pipe(pipe_fd));
    start_threads(poller, nthreads());
    sleep_ms(20);
}

static void
do_poll_wake(void)
{
    must(write(pipe_fd[1], "x", 1));
    for (int i = 0; i < 10000 && __atomic_load_n(&word2, __ATOMIC_SEQ_CST) < nthreads(); i++)
        sleep_ms(1);
    check(word2 == nthreads(), "every poller woke");
}

/* Directories within each other, as deep as names go by steps of one. */
static void
deep(void)
{
    mkdir("deep", 0700);
    must(mount("tmpfs", "deep", "tmpfs", 0, NULL));
    must(chdir("deep"));
    for (size_t i = 0; i < many(1500, 20000); i++) {
        must(mkdir("d", 0700));
        must(chdir("d"));
    }
}

static void
do_deep(void)
{
    static char path[4096];
    syscall(SYS_getcwd, path, sizeof(path));
    must(chdir("/tmp"));
    for (int i = 0; i < 2000; i++)
        strcpy(path + 2 * i, "d/");
    int fd = open("deep", O_RDONLY | O_DIRECTORY);
    must(fd);
    faccessat(fd, path, F_OK, 0);
    close(fd);
    must(umount2("deep", MNT_DETACH));
}

/* Mounts upon mounts; then all come off at once. */
static void
mounts(void)
{
    mkdir("mounts", 0700);
    must(mount("tmpfs", "mounts", "tmpfs", 0, NULL));
    must(chdir("mounts"));
    for (size_t i = 0; i < many(200, 2000); i++) {
        mkdir("m", 0700);
        must(mount("tmpfs", "m", "tmpfs", 0, NULL));
        if (i % 2)
            must(chdir("m"));
    }
    must(chdir("/tmp"));
}

static void
do_mounts(void)
{
    read_all("/proc/self/mountinfo");
    read_all("/proc/mounts");
    must(umount2("mounts", MNT_DETACH));
}

static void
do_names(void)
{
    char name[32];
    size_t n = many(5000, 50000);
    mkdir("many", 0700);
    must(mount("tmpfs", "many", "tmpfs", 0, "nr_inodes=0"));
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "many/%zu", i);
        must(mknod(name, S_IFREG | 0600, 0));
    }
    list("many");
    for (size_t i = 0; i < n; i += 2) {
        snprintf(name, sizeof(name), "many/%zu", i);
        must(unlink(name));
    }
    list("many");
    must(umount2("many", MNT_DETACH));
}

static void
do_tty(void)
{
    static char blanks[16384];
    memset(blanks, ' ', sizeof(blanks));
    blanks[sizeof(blanks) - 1] = '\n';
    must(write(1, blanks, sizeof(blanks)));
}

static void
do_record_locks(void)
{
    int fd = memfd_create("locks", 0), n = (int)many(2000, 20000);
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
    ftruncate(fd, 1 << 20);
    for (int i = 0; i < n; i++) {
        lock.l_start = i * 2;
        must(fcntl(fd, i % 2 ? F_SETLK : F_OFD_SETLK, &lock));
    }
    lock.l_start = 1 << 19;
    must(fcntl(fd, F_GETLK, &lock));
    lock = (struct flock){ .l_type = F_RDLCK };
    fcntl(fd, F_SETLK, &lock);
    close(fd);
}

static const struct job jobs[] = {
    { "kill-group", group, do_kill_group, 0 }, { "stop-group", group, do_stop_group, 0 },
    { "kill-all", group, do_kill_all, 0 }, { "wait-none", group, do_wait_none, 0 },
    { "priorities", group, do_priorities, 0 }, { "orphan", group, do_orphan, 0 },
    { "threads-exit", threads, do_nothing, 0 }, { "futex", threads, do_futex, 0 },
    { "threads-text", threads, do_thread_text, 0 }, { "threads-signals", threads, do_thread_signals, 0 },
    { "wait-stopped", none, do_wait_stopped, 0 },
    { "threads-exec", threads, do_thread_exec, 0 },
    { "timers", none, do_timers, 0 }, { "signal-queues", none, do_signal_queues, 0 },
    { "many-descriptors", none, do_descriptors, 1 },
    { "epoll-ready", none, do_epoll_ready, 0 }, { "epoll-watchers", none, do_epoll_watchers, 0 },
    { "poll-wake", pollers, do_poll_wake, 0 },
    { "deep", deep, do_deep, 0 }, { "mounts", mounts, do_mounts, 0 }, { "many-names", none, do_names, 1 },
    { "tty", none, do_tty, 0 }, { "record-locks", none, do_record_locks, 1 },
};

int
main(int argc, char **argv)
{
    return run_jobs(jobs, ARRAY_LEN(jobs), argc, argv);
}
