/*
 * What poll says of a pipe while others read, write, resize, come and go. Quire only: Linux
 * looks at the pipe without a lock, too, and now and then says what was at no moment true.
 */
#include "tap.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>

static char buffer[65536];
static volatile int busy;

static int
revents(int fd, int events)
{
    struct pollfd p = { fd, events, 0 };

    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

/* A page in, a page out: the pipe is never full, and (with one page more in it) never empty. */
static void *
ping(void *ends)
{
    static char page[PAGE];
    int *fd = ends;

    while (busy) {
        write(fd[1], page, PAGE);
        read(fd[0], page, PAGE);
    }
    return NULL;
}

/* Change the pipe's size for ever. */
static void *
resize(void *ends)
{
    int *fd = ends;

    for (unsigned i = 0; busy; i++)
        fcntl(fd[1], F_SETPIPE_SZ, i % 2 ? 4 * PAGE : 8 * PAGE);
    return NULL;
}

/* How often poll() says of an end what is at no moment true of it, while others do as `fn` says. */
static int
poll_wrong(void *(*fn)(void *), int *fd, int end, int always, int never)
{
    pthread_t thread;
    int wrong = 0;

    busy = 1;
    pthread_create(&thread, NULL, fn, fd);
    for (int64_t stop = now_ns() + 700000000; now_ns() < stop;)
        for (int i = 0; i < 100; i++) {
            int events = revents(fd[end], POLLIN | POLLOUT);
            wrong += (events & always) != always || (events & never);
        }
    busy = 0;
    pthread_join(thread, NULL);
    return wrong;
}

static volatile int visits, visited; /* asked for, and made; visits < 0: no more */

/* Open the FIFO, write a byte and close it, each time there is a reader. */
static void *
visit(void *unused)
{
    while (visits >= 0) {
        if (visits == visited) {
            sched_yield();
            continue;
        }
        int fd = open("visited", O_WRONLY | O_NONBLOCK);
        write(fd, "x", 1);
        close(fd);
        visited++;
    }
    return unused;
}

/* A writer that has gone is not seen before what it has written. */
static void
test_poll_of_a_visit(void)
{
    pthread_t thread;
    int wrong = 0;

    mkfifo("visited", 0600);
    pthread_create(&thread, NULL, visit, NULL);
    for (int64_t stop = now_ns() + 700000000; now_ns() < stop;) {
        int fd = open("visited", O_RDONLY | O_NONBLOCK), events;
        visits++;
        while (!(events = revents(fd, POLLIN)))
            sched_yield();
        wrong += !(events & POLLIN);
        while (visited != visits)
            sched_yield();
        close(fd);
    }
    visits = -1;
    pthread_join(thread, NULL);
    is(wrong, 0);
}

/* poll() tells of one moment, not of the pipe's beginning now and its end then. */
static void
test_poll_of_a_moment(void)
{
    int fd[2];

    pipe(fd);
    is(fcntl(fd[1], F_SETPIPE_SZ, 2 * PAGE), 2 * PAGE);
    is(poll_wrong(ping, fd, 1, POLLOUT, POLLERR), 0);
    is(fcntl(fd[1], F_SETPIPE_SZ, 4 * PAGE), 4 * PAGE);
    is(write(fd[1], buffer, PAGE), PAGE);
    is(poll_wrong(ping, fd, 0, POLLIN, POLLHUP), 0);
    is(read(fd[0], buffer, sizeof(buffer)), PAGE);
    is(poll_wrong(resize, fd, 0, 0, POLLIN), 0);
    is(poll_wrong(resize, fd, 1, POLLOUT, 0), 0);
    close(fd[0]);
    close(fd[1]);
}

int
main(void)
{
    tap_begin("pipepoll");
    test_poll_of_a_moment();
    test_poll_of_a_visit();
    return tap_end();
}
