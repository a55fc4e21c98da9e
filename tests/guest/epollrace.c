/*
 * Threads that add, change, remove, close, write and wait at random, on a few
 * descriptors and epolls that they share, some epolls within others. Nothing is
 * known of any single result; in the end everything still works.
 */
#include "tap.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define THREADS 4
#define SLOTS 12
#define SECONDS 3

static int slot[SLOTS];         /* descriptors, replaced at random; -1: none */
static volatile int stop;

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int
make(uint64_t kind)
{
    int fd[2];

    switch (kind % 4) {
    case 0:
        return eventfd(0, EFD_NONBLOCK);
    case 1:
        if (pipe2(fd, O_NONBLOCK) < 0)
            return -1;
        write(fd[1], "x", 1);
        close(fd[1]);
        return fd[0];
    default:
        return epoll_create1(0);
    }
}

static void
step(uint64_t *state)
{
    static const uint32_t flags[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE };
    uint64_t r = next_random(state), value = 1;
    int i = r % SLOTS, a = slot[i], b = slot[r / SLOTS % SLOTS];
    struct epoll_event e[4] = { { .events = EPOLLIN | EPOLLOUT | flags[r >> 20 & 3] } };
    struct pollfd p[3] = { { a, POLLIN, 0 }, { b, POLLIN | POLLOUT, 0 }, { 0, 0, 0 } };

    switch (r >> 32 & 15) {
    case 0:
        if (__atomic_compare_exchange_n(&slot[i], &a, -1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            close(a);
            __atomic_store_n(&slot[i], make(r >> 40), __ATOMIC_SEQ_CST);
        }
        break;
    case 1: case 2: case 3:
        epoll_ctl(a, EPOLL_CTL_ADD, b, e);
        break;
    case 4:
        epoll_ctl(a, EPOLL_CTL_DEL, b, e);
        break;
    case 5:
        epoll_ctl(a, EPOLL_CTL_MOD, b, e);
        break;
    case 6: case 7:
        epoll_wait(a, e, 4, r >> 50 & 1);
        break;
    case 8:
        poll(p, 2, r >> 50 & 1);
        break;
    case 9:
        read(a, &value, 8);
        break;
    default:
        write(a, &value, 8);
    }
}

static void *
worker(void *arg)
{
    uint64_t state = 88172645463325252ULL + (uintptr_t)arg * 7919, n = 0;

    while (!stop) {
        step(&state);
        n++;
    }
    return (void *)n;
}

static void
test_still_works(void)
{
    int ep = epoll_create1(0), event = eventfd(1, 0);
    struct epoll_event e = { .events = EPOLLIN, .data.u64 = 9 };

    is(epoll_ctl(ep, EPOLL_CTL_ADD, event, &e), 0);
    is(epoll_wait(ep, &e, 1, 1000), 1);
    is(e.data.u64, 9);
    close(ep);
    close(event);
}

int
main(void)
{
    pthread_t thread[THREADS];
    uint64_t total = 0;
    void *n;

    tap_begin("epollrace");
    for (int i = 0; i < SLOTS; i++)
        slot[i] = make(i);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, worker, (void *)i);
    sleep_ms(SECONDS * 1000);
    stop = 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &n);
        total += (uintptr_t)n;
    }
    ok(total > 100, "threads made their steps");
    test_still_works();
    for (int i = 0; i < SLOTS; i++)
        close(slot[i]);
    test_still_works();
    return tap_end();
}
