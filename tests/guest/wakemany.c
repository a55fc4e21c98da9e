/* One event wakes many: threads, processes, epolls' items; none is forgotten, and none waits long. */
#include "tap.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define NMANY 200

static int fd[2];
static uint32_t nwoken, word, word2;

static uint32_t
woken(void)
{
    return __atomic_load_n(&nwoken, __ATOMIC_SEQ_CST);
}

static int
all_wake(uint32_t n)
{
    for (int i = 0; i < 5000 && woken() < n; i++)
        usleep(1000);
    return woken() == n;
}

static void
start(pthread_t *ids, size_t n, void *(*fn)(void *))
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    nwoken = 0;
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&ids[i], &attr, fn, (void *)i) != 0)
            ok(0, "pthread_create");
    usleep(50000);
}

static void
join(pthread_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
}

static void *
poller(void *arg)
{
    struct pollfd ready = { .fd = fd[0], .events = POLLIN };
    (void)arg;
    if (poll(&ready, 1, -1) == 1)
        __atomic_add_fetch(&nwoken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void *
reader(void *arg)
{
    char c;
    (void)arg;
    if (read(fd[0], &c, 1) == 1)
        __atomic_add_fetch(&nwoken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void
test_pollers(void)
{
    static pthread_t ids[NMANY];
    works(pipe(fd));
    start(ids, NMANY, poller);
    works(write(fd[1], "x", 1));
    ok(all_wake(NMANY), "one write wakes %d threads in poll", NMANY);
    join(ids, NMANY);
    close(fd[0]);
    close(fd[1]);
}

/* Readers stand behind the pollers on the queue, and each write is for one of them. */
static void
test_readers_behind_pollers(void)
{
    static pthread_t pollers[NMANY], readers[NMANY];
    works(pipe(fd));
    start(pollers, NMANY, poller);
    start(readers, NMANY, reader);
    nwoken = 0;
    for (int i = 0; i < NMANY; i++)
        if (write(fd[1], "x", 1) != 1)
            ok(0, "write");
    join(readers, NMANY);
    works(write(fd[1], "x", 1)); /* pollers that came too late for the others */
    join(pollers, NMANY);
    is(woken(), 2 * NMANY);
    close(fd[0]);
    close(fd[1]);
}

/* What is written before epoll_wait() is found by it, however many watch. */
static void
test_epoll_items(void)
{
    static struct epoll_event events[NMANY];
    int epolls[4], outer = epoll_create1(0), found = 0;
    works(pipe(fd));
    for (int i = 0; i < 4; i++) {
        struct epoll_event event = { .events = EPOLLIN };
        works(epolls[i] = epoll_create1(0));
        event.data.u32 = (uint32_t)i;
        works(epoll_ctl(outer, EPOLL_CTL_ADD, epolls[i], &event));
    }
    for (int i = 0; i < NMANY; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        if (epoll_ctl(epolls[i % 4], EPOLL_CTL_ADD, dup(fd[0]), &event) != 0)
            ok(0, "epoll_ctl");
    }
    works(write(fd[1], "x", 1));
    is(epoll_wait(outer, events, NMANY, 0), 4);
    for (int i = 0; i < 4; i++)
        found += epoll_wait(epolls[i], events, NMANY, 0);
    is(found, NMANY);
    is(epoll_wait(epolls[0], events, NMANY, 0), 0);
    for (int i = 0; i < 4; i++)
        close(epolls[i]);
    close(outer);
    for (int i = 3; i < 1024; i++)
        close(i);
}

/* The queue goes while its wake is under way: the waiters leave, and the pipe ends. */
static void
test_queue_goes(void)
{
    static pthread_t ids[NMANY];
    for (int round = 0; round < 5; round++) {
        if (pipe(fd) != 0)
            ok(0, "pipe");
        start(ids, NMANY, poller);
        close(fd[1]); /* POLLHUP */
        join(ids, NMANY);
        close(fd[0]);
    }
    ok(1, "pipes end while many wake");
}

static void *
futex_waiter(void *arg)
{
    (void)arg;
    while (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) != 0)
        ;
    __atomic_add_fetch(&nwoken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Wakes and moves of a futex count exactly. */
static void
test_futex(void)
{
    static pthread_t ids[NMANY];
    start(ids, NMANY, futex_waiter);
    is(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 100);
    ok(all_wake(100), "100 of %d wake", NMANY);
    is(syscall(SYS_futex, &word, FUTEX_REQUEUE_PRIVATE, 10, (void *)50L, &word2, 0), 60);
    ok(all_wake(110), "10 more wake");
    is(syscall(SYS_futex, &word2, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0), 50);
    is(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0), 40);
    ok(all_wake(NMANY), "all wake");
    join(ids, NMANY);
}

/* A group of many gets each signal once; who is forked meanwhile, once or not at all, and SIGKILL ends all. */
static void
test_group(void)
{
    enum { N = 100 };
    pid_t group = 0;
    for (int i = 0; i < N; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, group);
            for (;;)
                if (i % 10 == 0 && fork() == 0)
                    usleep(1000), _exit(0);
                else
                    usleep(1000);
        }
        group = group ? group : pid;
        setpgid(pid, group);
    }
    works(kill(-group, SIGSTOP));
    works(kill(-group, SIGCONT));
    works(kill(-group, SIGKILL));
    int n = 0;
    while (wait(NULL) > 0)
        n++;
    is(n, N);
    for (int i = 0; i < 1000 && kill(-group, 0) == 0; i++)
        usleep(1000);
    fails(kill(-group, 0), ESRCH);
}

int
main(void)
{
    struct rlimit limit = { 1024, 4096 };
    tap_begin("wakemany");
    setrlimit(RLIMIT_NOFILE, &limit);
    test_pollers();
    test_readers_behind_pollers();
    test_epoll_items();
    test_queue_goes();
    test_futex();
    test_group();
    return tap_end();
}
