/*
 * A copy to user memory faults in the kernel, and the fault has to wait for the address
 * space. Meanwhile other threads go back to user mode from there: in user mode, not in
 * the kernel's. A thread that has used floating point does not show a mistake, since its
 * registers are loaded on the way. The C library uses them (setjmp) before main() and
 * whenever a thread is made; so all happens in a constructor, in threads without a
 * library's.
 */
#include "tap.h"
#include <sched.h>

#define NTHREADS 6
#define STACK 65536
#define COPY_PAGES 64
#define FILL_BYTES (1UL << 20)

static volatile int stop;
static volatile int nbad; /* copies that failed */

static char *
small_pages(size_t nbytes)
{
    char *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(p, nbytes, MADV_NOHUGEPAGE);
    return p;
}

/* Keep the address space busy. */
static int
fill(void *unused __attribute__((unused)))
{
    while (!stop) {
        char *p = small_pages(FILL_BYTES);

        for (size_t i = 0; i < FILL_BYTES; i += PAGE)
            p[i] = 1;
        munmap(p, FILL_BYTES);
    }
    return 0;
}

/* Have the kernel write where there is no page yet. */
static int
copy(void *unused __attribute__((unused)))
{
    int zero = open("/dev/zero", O_RDONLY);
    char *p = small_pages(COPY_PAGES * PAGE);

    while (!stop) {
        madvise(p, COPY_PAGES * PAGE, MADV_DONTNEED);
        for (size_t i = 0; i < COPY_PAGES; i++)
            nbad += read(zero, p + i * PAGE, 8) != 8;
    }
    return 0;
}

/* Go to user mode again and again. */
static int
call(void *unused __attribute__((unused)))
{
    while (!stop)
        sched_yield();
    return 0;
}

__attribute__((constructor)) static void
before_main(void)
{
    static int (*const what[])(void *) = {fill, copy, call};
    struct timespec while_they_run = {.tv_sec = 2};

    for (int i = 0; i < NTHREADS; i++)
        clone(what[i % 3], small_pages(STACK) + STACK, CLONE_VM | SIGCHLD, NULL);
    nanosleep(&while_they_run, NULL);
    stop = 1;
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

int
main(void)
{
    tap_begin("copywait");
    ok(stop, "threads go back to user mode while copies wait");
    is(nbad, 0);
    return tap_end();
}
