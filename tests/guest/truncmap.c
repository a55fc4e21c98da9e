/*
 * Truncation of files that are mapped, while the mappings change: when ftruncate()
 * has returned no page beyond the end is left anywhere, and nothing else is gone.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>

#define RW (PROT_READ | PROT_WRITE)
#define NPAGES 8
#define NOTHERS 200 /* mappings */
#define SIZE (NPAGES * PAGE)

static sigjmp_buf back;

static void
on_fault(int number)
{
    siglongjmp(back, number);
}

/* The signal that reading this byte gives, or 0. */
static int
signal_of(volatile char *p)
{
    int number = sigsetjmp(back, 1);
    if (!number)
        (void)*p;
    return number;
}

/* How many of n pages, every `stride` bytes, can be read. */
static int
count_readable(char *p, int n, size_t stride)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += signal_of(p + i * stride) == 0;
    return count;
}

static void
fill(int fd, char byte)
{
    char page[PAGE];
    memset(page, byte, sizeof(page));
    for (int i = 0; i < NPAGES; i++)
        pwrite(fd, page, PAGE, (off_t)(i * PAGE));
}

/* A thread that truncates the file once each time it is told to. */
static int file;
static atomic_int round_wanted, round_done, delay;

static void *
truncator(void *unused)
{
    (void)unused;
    for (int round = 1;; round++) {
        int wanted;
        while ((wanted = atomic_load(&round_wanted)) < round)
            if (wanted < 0)
                return NULL;
            else
                sched_yield();
        for (volatile int i = atomic_load(&delay); i > 0; i--)
            ;
        ftruncate(file, 0);
        atomic_store(&round_done, round);
    }
}

static void
start_round(int round, int most)
{
    atomic_store(&delay, rand() % most);
    atomic_store(&round_wanted, round);
}

static void
end_round(int round)
{
    while (atomic_load(&round_done) < round)
        sched_yield();
}

/* Each of these does something to the mapping of the file at p; returns where it is then. */
static char *
split_and_join(char *p)
{
    mprotect(p + 3 * PAGE, 2 * PAGE, PROT_READ);
    mprotect(p + 3 * PAGE, 2 * PAGE, RW);
    return p;
}

static char *
join_with_lower(char *p)
{
    mprotect(p, PAGE, PROT_READ);
    mprotect(p, PAGE, RW);
    return p;
}

static char *
move(char *p)
{
    return mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * SIZE);
}

static char *
move_and_keep(char *p)
{
    char *q = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    if (q == MAP_FAILED) /* before Linux 5.13, for files */
        return p;
    munmap(p, SIZE);
    return q;
}

static char *
cut_the_middle(char *p)
{
    munmap(p + 3 * PAGE, PAGE);
    munmap(p, 3 * PAGE);
    return p;
}

static char *
nothing(char *p)
{
    return p;
}

/* Another process with mappings of the file, so that truncation takes its time before it comes to ours. */
static pid_t
keep_others(void)
{
    int pipes[2];
    char c;

    pipe(pipes);
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *room = mmap(NULL, 2 * NOTHERS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < NOTHERS; i++)
            mmap(room + 2 * i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
        write(pipes[1], "", 1);
        for (;;)
            pause();
    }
    read(pipes[0], &c, 1);
    close(pipes[0]);
    close(pipes[1]);
    return pid;
}

/* Truncate while `change` is at work and, with `forks`, while a child is made; nothing may be left. */
static void
race(const char *name, char *(*change)(char *), int flags, int forks)
{
    const int nrounds = forks ? 10 : 40;
    int left = 0, left_child = 0;
    pthread_t thread;

    file = memfd_create("truncated", 0);
    ftruncate(file, SIZE);
    pid_t other = keep_others();
    atomic_store(&round_wanted, 0);
    atomic_store(&round_done, 0);
    pthread_create(&thread, NULL, truncator, NULL);
    for (int round = 1; round <= nrounds; round++) {
        ftruncate(file, SIZE);
        fill(file, 'A');
        char *room = mmap(NULL, 4 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *p = mmap(room, SIZE, RW, flags | MAP_FIXED, file, 0);
        count_readable(p, NPAGES, PAGE);
        if (flags & MAP_PRIVATE)
            p[5 * PAGE] = 'P';
        start_round(round, forks ? 40000 : 4000);
        for (volatile int i = rand() % 20000; i > 0 && !forks; i--)
            ;
        p = change(p);
        pid_t pid = forks ? tap_fork() : -1;
        if (pid == 0) {
            struct stat st;
            do
                sched_yield();
            while (fstat(file, &st) == 0 && st.st_size != 1);
            _exit(count_readable(p + PAGE, NPAGES - 1, PAGE));
        }
        end_round(round);
        left += count_readable(p, NPAGES, PAGE);
        if (pid > 0) {
            ftruncate(file, 1); /* tells the child that it is done */
            left_child += tap_wait(pid) != 0;
        }
        munmap(p, SIZE);
        munmap(room, 4 * SIZE);
    }
    atomic_store(&round_wanted, -1);
    pthread_join(thread, NULL);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    close(file);
    ok(left == 0 && left_child == 0, "%s: %d pages left, in %d children", name, left, left_child);
}

/* One mapping of many, each of which has to be met; what is done takes the others' time only. */
static void
test_many(void)
{
    enum { N = 1500 };
    int fd = memfd_create("many", 0);
    ftruncate(fd, (off_t)PAGE);
    char *p = mmap(NULL, N * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < N; i++)
        mmap(p + i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
    is(count_readable(p, N, PAGE), N);
    is(ftruncate(fd, 0), 0);
    is(count_readable(p, N, PAGE), 0);
    is(ftruncate(fd, (off_t)PAGE), 0);
    is(count_readable(p, N, PAGE), N);
    munmap(p, N * PAGE);
    close(fd);
}

/* Truncating one file takes no page of another, whatever was closed and opened meanwhile. */
static atomic_int stop;

static void *
truncate_on(void *unused)
{
    (void)unused;
    int fd = open("one", O_RDWR);
    while (!atomic_load(&stop)) {
        ftruncate(fd, (off_t)PAGE);
        ftruncate(fd, 0);
    }
    close(fd);
    return NULL;
}

static void
test_other_file(void)
{
    pthread_t threads[2];
    int lost = 0;

    put_file("one", "1", 1, 0644);
    put_file("other", "o", 1, 0644);
    atomic_store(&stop, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, truncate_on, NULL);
    for (int round = 0; round < 300; round++) {
        int fd = open("one", O_RDWR);
        char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
        munmap(p, PAGE);
        close(fd);
        fd = open("other", O_RDWR);
        char *q = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
        q[0] = 'P';
        sched_yield();
        lost += q[0] != 'P';
        munmap(q, PAGE);
        close(fd);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    is(lost, 0);
}

/* A fault and a truncation at once: no page of the file stays beyond its end. */
static void *
touch_on(void *mapping)
{
    volatile char *p = mapping;
    while (!atomic_load(&stop)) {
        /* A call that reads there takes no signal: EFAULT beyond the end. */
        syscall(SYS_faccessat, AT_FDCWD, p, F_OK);
        syscall(SYS_faccessat, AT_FDCWD, p + 3 * PAGE, F_OK);
    }
    return NULL;
}

/* Has the empty file no pages, at once or when a fault has undone what it brought? */
static int
is_without_pages(void)
{
    struct stat st = {.st_blocks = 1};

    for (int i = 0; i < 1000 && st.st_blocks != 0; i++) {
        fstat(file, &st);
        if (st.st_blocks != 0)
            sleep_ms(1);
    }
    return st.st_blocks == 0;
}

static void
test_fault(void)
{
    pthread_t thread;
    int nkept = 0;

    file = memfd_create("faulted", 0);
    char *p = mmap(NULL, SIZE, RW, MAP_SHARED, file, 0);
    atomic_store(&stop, 0);
    pthread_create(&thread, NULL, touch_on, p);
    for (int round = 0; round < 400; round++) {
        ftruncate(file, SIZE);
        if (round % 16 == 0)
            sched_yield();
        ftruncate(file, 0);
        nkept += !is_without_pages();
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    is(nkept, 0);
    ok(is_without_pages(), "no page of a file stays beyond its end");
    ftruncate(file, 1);
    is(count_readable(p, NPAGES, PAGE), 1);
    munmap(p, SIZE);
    close(file);
}

/* fallocate() may keep pages beyond the end; a mapping does not show them. */
static void
test_beyond(void)
{
    int fd = memfd_create("beyond", 0);
    ftruncate(fd, (off_t)PAGE);
    is(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE), 0);
    char *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    is(count_readable(p, NPAGES, PAGE), 1);
    munmap(p, SIZE);
    close(fd);
}

int
main(void)
{
    tap_begin("truncmap");
    signal(SIGBUS, on_fault);
    signal(SIGSEGV, on_fault);
    srand(1);
    test_many();
    test_beyond();
    race("shared, split and joined", split_and_join, MAP_SHARED, 0);
    race("private, joined with what is below", join_with_lower, MAP_PRIVATE, 0);
    race("shared, moved", move, MAP_SHARED, 0);
    race("private, moved", move_and_keep, MAP_PRIVATE, 0);
    race("shared, cut", cut_the_middle, MAP_SHARED, 0);
    race("private, forked", nothing, MAP_PRIVATE, 1);
    test_other_file();
    test_fault();
    return tap_end();
}
