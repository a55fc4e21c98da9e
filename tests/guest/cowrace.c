/*
 * Memory that several threads use while its frames are replaced: what one has
 * stored every other sees from then on, and a fork shows one moment of it.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define NPAGES 8
#define NROUNDS 12

struct page {
    volatile long x;
    char between[1000];
    volatile long y;
    char rest[PAGE - 1000 - 2 * sizeof(long)];
};

static struct page *shown;
static atomic_long *begun, *warm, *seen, *written; /* in memory that nothing replaces */

static void
wait_for(atomic_long *value, long least)
{
    while (atomic_load(value) < least)
        sched_yield();
}

/* Writes to each page first, so that its frame is replaced. */
static void *
replacer(void *unused)
{
    (void)unused;
    for (long round = 1; round <= NROUNDS; round++) {
        wait_for(begun, round);
        for (int i = 0; i < NPAGES; i++)
            shown[i].y = round;
    }
    return NULL;
}

/* Writes, too, and says so. */
static void *
writer(void *unused)
{
    (void)unused;
    for (long round = 1; round <= NROUNDS; round++) {
        wait_for(begun, round);
        for (int i = 0; i < NPAGES; i++) {
            shown[i].x = round;
            atomic_store(&written[i], round);
        }
    }
    return NULL;
}

/* One that has read each page, and reads it again once it was written. Counts what it does not see. */
static void *
reader(void *unused)
{
    long nstale = 0;

    (void)unused;
    for (long round = 1; round <= NROUNDS; round++) {
        while (atomic_load(warm) != -round)
            sched_yield();
        for (int i = 0; i < NPAGES; i++)
            (void)shown[i].x;
        atomic_store(warm, round);
        for (int i = 0; i < NPAGES; i++) {
            for (int n = 0; atomic_load(&written[i]) < round; n++)
                if (n % 1000 == 999)
                    sched_yield();
            nstale += shown[i].x != round;
        }
        atomic_store(seen, round);
    }
    return (void *)nstale;
}

/* With `forks` the frames are replaced since a child has them, else since they were the zero frame. */
static void
test_stale(int forks)
{
    static void *(*const roles[])(void *) = {replacer, writer, reader};
    pthread_t threads[3];
    void *nstale = NULL;

    shown = mmap(NULL, NPAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    atomic_long *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    begun = &words[0];
    warm = &words[1];
    seen = &words[2];
    written = &words[3];
    if (forks)
        memset(shown, 0, NPAGES * PAGE);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, roles[i], NULL);
    for (long round = 1; round <= NROUNDS; round++) {
        pid_t pid = -1;
        if (forks) {
            pid = tap_fork();
            if (pid == 0)
                for (;;)
                    pause();
        } else {
            madvise(shown, NPAGES * PAGE, MADV_DONTNEED);
        }
        atomic_store(warm, -round);
        wait_for(warm, round);
        atomic_store(begun, round);
        wait_for(&written[NPAGES - 1], round);
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        /* All are done with this round before its pages go. */
        wait_for(seen, round);
        while (shown[NPAGES - 1].y != round)
            sched_yield();
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], i == 2 ? &nstale : NULL);
    ok(nstale == NULL, "%s: %ld stores that another thread did not see",
       forks ? "copied after a fork" : "in place of zeroes", (long)nstale);
    munmap(shown, NPAGES * PAGE);
    munmap(words, PAGE);
}

/* A thread stores n at one place and then at another: no child may have the second without the first. */
static volatile long *first, *second;
static atomic_int stop;

static void *
storer(void *unused)
{
    (void)unused;
    for (long n = 1; !atomic_load(&stop); n++) {
        *first = n;
        atomic_thread_fence(memory_order_seq_cst);
        *second = n;
        if (n % 4096 == 0)
            sched_yield();
    }
    return NULL;
}

static __thread volatile long tls_word;

static void
test_snapshot(const char *where)
{
    const size_t size = 8UL << 20;
    volatile long stack_word = 0;
    pthread_t thread;
    int ntorn = 0;

    char *heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(heap, size, MADV_NOHUGEPAGE);
    memset(heap, 0, size);
    first = *where == 't' ? &tls_word : *where == 's' ? &stack_word : (long *)heap;
    second = (long *)(heap + size - PAGE);
    *first = 0;
    atomic_store(&stop, 0);
    pthread_create(&thread, NULL, storer, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t pid = tap_fork();
        if (pid == 0) {
            long y = *second, x = *first;
            _exit(y > x);
        }
        ntorn += tap_wait(pid) != 0;
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    munmap(heap, size);
    ok(ntorn == 0, "a fork's snapshot, %s: %d children with the later store only", where, ntorn);
}

/* Parent and child own their copies of stack and thread data, whoever writes first. */
static void *
wait_for_stop(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        sched_yield();
    return NULL;
}

static void
test_own(void)
{
    volatile long stack_word = 1;
    pthread_t thread;
    int nwrong = 0;

    atomic_store(&stop, 0);
    pthread_create(&thread, NULL, wait_for_stop, NULL);
    for (int i = 0; i < 20; i++) {
        stack_word = tls_word = i;
        pid_t pid = tap_fork();
        if (pid == 0) {
            int right = stack_word == i && tls_word == i;
            stack_word = tls_word = -1;
            _exit(!right);
        }
        stack_word = tls_word = i + 1000;
        nwrong += tap_wait(pid) != 0 || stack_word != i + 1000 || tls_word != i + 1000;
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    is(nwrong, 0);
}

int
main(void)
{
    tap_begin("cowrace");
    test_stale(0);
    test_stale(1);
    test_snapshot("heap");
    test_snapshot("tls");
    test_snapshot("stack");
    test_own();
    return tap_end();
}
