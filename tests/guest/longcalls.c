/*
 * Calls that work on much memory: others run on the hart meanwhile, and what is
 * not there costs nothing.
 *
 * While one call is at work, a process that wants the same hart gets its turns: the
 * kernel counts in the caller how often it had to give way. A call that takes
 * long and gives way no more than at its two ends has held the hart. A call that
 * is too short on this machine proves nothing.
 */
#include "tap.h"
#include <sched.h>
#include <sys/resource.h>

#define SIZE (1UL << 30)
#define LONG_NS 100000000 /* a call that takes as long must give way ... */
#define ENOUGH 3          /* ... so often */
#define ROUNDS 5

static char *memory;

/* A process that never rests, on the hart that we stay on. */
static pid_t
start_neighbour(void)
{
    cpu_set_t one;
    pid_t parent = getpid();

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    works(sched_setaffinity(0, sizeof(one), &one));
    pid_t pid = tap_fork();
    if (pid == 0)
        while (getppid() == parent)
            ;
    return pid;
}

static int64_t
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long
nswitches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

/* Make the call, which says how it went, until it has given way as it should, or a few times. */
static void
gives_way(const char *name, int (*call)(int round))
{
    int held = 0, fair = 0, good = 1;

    for (int round = 0; round < ROUNDS && !fair; round++) {
        long n = nswitches();
        int64_t start = cpu_ns();
        good &= call(round) == 0;
        held |= cpu_ns() - start >= LONG_NS;
        fair = nswitches() - n >= ENOUGH;
    }
    ok(good, "%s: it works", name);
    ok(fair || !held, "%s: others run meanwhile", name);
}

static int
protect(int round)
{
    return mprotect(memory, SIZE, round % 2 ? PROT_READ : PROT_NONE);
}

static int
move(int round)
{
    char *to = mmap(NULL, SIZE + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)round;
    if (to == MAP_FAILED)
        return -1;
    char *at = mremap(memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE);
    munmap(to, PAGE);
    if (at == MAP_FAILED)
        return -1;
    memory = at;
    return 0;
}

static int
copy(int round)
{
    (void)round;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : tap_wait(pid);
}

/* Page tables without memory: all of it shows the page of zeroes. */
static void
test_anonymous(void)
{
    memory = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    madvise(memory, SIZE, MADV_NOHUGEPAGE);
    works(madvise(memory, SIZE, MADV_POPULATE_READ));
    pid_t pid = start_neighbour();
    gives_way("mprotect", protect);
    works(mprotect(memory, SIZE, PROT_READ));
    gives_way("mremap", move);
    kill(pid, SIGKILL);
    tap_wait(pid);
    works(munmap(memory, SIZE));
}

/* A small file, mapped many times: fork copies an entry for each page, file or not. */
static void
test_fork(void)
{
    const size_t part = 8UL << 20;
    int fd = memfd_create("part", 0);

    works(ftruncate(fd, part));
    memory = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < SIZE; i += part)
        mmap(memory + i, part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0);
    works(madvise(memory, SIZE, MADV_POPULATE_READ));
    for (size_t i = 0; i < SIZE; i += part)
        memory[i] = 1; /* without pages of its own, Linux would leave the child's to faults */
    pid_t pid = start_neighbour();
    gives_way("fork", copy);
    kill(pid, SIGKILL);
    tap_wait(pid);
    works(munmap(memory, SIZE));
    close(fd);
}

#define NREGIONS 20000

static int
lock_none(int round)
{
    (void)round;
    return munlock(memory, NREGIONS * PAGE);
}

static int
unmap(int round)
{
    return round ? 0 : munmap(memory, NREGIONS * PAGE);
}

/* One page of a file, over and over: mappings that cannot be one. */
static void
test_regions(void)
{
    int fd = memfd_create("page", 0), good = 1;

    works(ftruncate(fd, PAGE));
    memory = mmap(NULL, NREGIONS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < NREGIONS; i++)
        good &= mmap(memory + i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
    ok(good, "%d mappings", NREGIONS);
    pid_t pid = start_neighbour();
    gives_way("fork of many mappings", copy);
    gives_way("munlock of many mappings", lock_none);
    gives_way("munmap of many mappings", unmap);
    kill(pid, SIGKILL);
    tap_wait(pid);
    close(fd);
}

/* What a file has not in memory is passed over at once, however much it is; the rest is found. */
static void
test_sparse(void)
{
    const size_t size = 200UL << 30, at = 77UL << 30;
    int fd = memfd_create("sparse", 0);
    unsigned char in[2] = { 0, 0 };

    works(ftruncate(fd, size));
    is(pwrite(fd, "x", 1, at), 1);
    char *map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    ok(map != MAP_FAILED, "200 GiB of a file are mapped");
    for (int i = 0; i < 20; i++)
        if (madvise(map, size, MADV_WILLNEED))
            works(-1);
    is(mincore(map + at - PAGE, 2 * PAGE, in), 0);
    is(in[0] & 1, 0);
    is(in[1] & 1, 1);
    is(map[at], 'x');
    works(munmap(map + at, PAGE));
    fails(madvise(map, size, MADV_WILLNEED), ENOMEM);
    works(munmap(map, size));
    close(fd);
}

int
main(void)
{
    tap_begin("longcalls");
    test_anonymous();
    test_fork();
    test_regions();
    test_sparse();
    return tap_end();
}
