/*
 * How often TLBs are flushed, by the counts in /proc/vmstat: once for a
 * gigabyte, not at all where nothing can be remembered, and on no hart that
 * runs something else.
 *
 * Quire only.
 */
#include "tap.h"
#include <pthread.h>
#include <quire.h>
#include <sched.h>

#define GIB (1UL << 30)
#define STEP (1UL << 18) /* a page in each of so many bytes is touched */

struct counts {
    long local, remote;
};

static volatile int stop, running;

static struct counts
now(void)
{
    static char text[4096];
    struct counts counts = {-1, -1};
    int fd = open("/proc/vmstat", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *local = strstr(text, "\ntlb_flush_local ");
    const char *remote = strstr(text, "\ntlb_flush_remote ");
    if (local && remote) {
        counts.local = strtol(strchr(local, ' '), NULL, 10);
        counts.remote = strtol(strchr(remote, ' '), NULL, 10);
    }
    return counts;
}

/* Flushes here, and requests to other harts, since an earlier count. */
static struct counts
since(struct counts before)
{
    struct counts after = now();

    return (struct counts){after.local - before.local, after.remote - before.remote};
}

static char *
map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || madvise(p, size, MADV_NOHUGEPAGE) < 0) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void
touch(char *p, size_t size, size_t step)
{
    for (size_t at = 0; at < size; at += step)
        ((volatile char *)p)[at] = 1;
}

/* 4096 pages in 512 tables. */
static void
test_one_flush_for_all(void)
{
    char *p = map(GIB);
    struct counts before = now();

    touch(p, GIB, STEP);
    is(since(before).local, 0);
    before = now();
    munmap(p, GIB);
    is(since(before).local, 1);
}

static void
test_what_nobody_remembers(void)
{
    char *p = map(GIB), *other = map(64 * PAGE);
    struct counts before = now();

    mprotect(p, GIB, PROT_READ);
    munmap(p, GIB);
    is(since(before).local, 0);

    /* Read, but never written: no TLB allows a write. */
    for (int i = 0; i < 64; i++)
        (void)((volatile char *)other)[i * PAGE];
    before = now();
    mprotect(other, 64 * PAGE, PROT_READ);
    is(since(before).local, 0);
    mprotect(other, 64 * PAGE, PROT_READ | PROT_WRITE);

    /* But each of them has the page of zeroes in a TLB, which its first write replaces. */
    before = now();
    touch(other, 64 * PAGE, PAGE);
    is(since(before).local, 64);
    munmap(other, 64 * PAGE);
}

static void
test_rights(void)
{
    char *p = map(GIB);

    touch(p, GIB, STEP);
    struct counts before = now();
    mprotect(p, GIB, PROT_READ);
    is(since(before).local, 1);
    before = now();
    mprotect(p, GIB, PROT_READ | PROT_WRITE);
    is(since(before).local, 0);
    munmap(p, GIB);
}

static void
test_pgaccess(void)
{
    static unsigned char bits[PGACCESS_MAX / 8];
    const size_t size = PGACCESS_MAX * PAGE;
    char *p = map(size);

    touch(p, size, STEP);
    struct counts before = now();
    is(pgaccess(p, PGACCESS_MAX, bits), 0);
    is(since(before).local, 1);
    before = now();
    is(pgaccess(p, PGACCESS_MAX, bits), 0);
    is(since(before).local, 0);
    munmap(p, size);
}

static void *
spin(void *unused)
{
    (void)unused;
    running = 1;
    while (!stop)
        ;
    return NULL;
}

static void
run_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("sched_setaffinity");
}

/* What munmap of a page in a table that stays, and then of all, asks of other harts. */
static void
unmap_with(long wanted, const char *who)
{
    char *p = map(64 * PAGE);

    touch(p, 64 * PAGE, PAGE);
    struct counts before = now();
    munmap(p, PAGE);
    struct counts n = since(before);
    ok(n.local == 1 && n.remote == wanted, "a page, %s on the other hart: %ld here, %ld there", who,
       n.local, n.remote);
    before = now();
    munmap(p, 64 * PAGE);
    n = since(before);
    ok(n.local == 1 && n.remote == wanted, "more, %s on the other hart: %ld here, %ld there", who,
       n.local, n.remote);
}

static void
test_other_harts(void)
{
    pthread_t thread;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        unmap_with(0, "nobody");
        return;
    }
    run_on(1);
    running = stop = 0;
    pthread_create(&thread, NULL, spin, NULL);
    while (!running)
        sched_yield();
    run_on(0);
    usleep(20000);
    unmap_with(1, "a thread of ours");
    stop = 1;
    pthread_join(thread, NULL);

    stop = 0;
    pid_t pid = tap_fork();
    if (pid == 0) {
        run_on(1);
        spin(NULL);
    }
    usleep(20000); /* it runs there, and our space is loaded nowhere else */
    unmap_with(0, "another process");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int
main(void)
{
    tap_begin("flushes");
    if (now().local < 0) {
        tap_skip("not Quire");
        return tap_end();
    }
    test_one_flush_for_all();
    test_what_nobody_remembers();
    test_rights();
    test_pgaccess();
    test_other_harts();
    return tap_end();
}
