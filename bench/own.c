/*
 * Rows about what only Quire has, and what they are compared with.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../user/include/quire.h"

#define MIB (1024 * 1024)
#define PAGES PGACCESS_MAX
#define PAGE 4096L

static char *from, *to;

REPEAT(run_memcpy, memcpy(to, from, MIB); __asm__ volatile("" : : : "memory"))

static void
make_buffers(void)
{
    from = malloc(MIB);
    to = malloc(MIB);
    must(from && to, "memory");
    memset(from, 1, MIB);
    memset(to, 2, MIB);
}

static void
free_buffers(void)
{
    free(from);
    free(to);
}

static volatile int pid;

REPEAT(run_ugetpid, pid = ugetpid())

static char *pages;
static unsigned char bits[PAGES / 8];

/* n pages, PAGES at a time, each touched before. */
static int64_t
run_pgaccess(long n)
{
    int64_t took = 0;

    for (long done = 0; done < n; done += PAGES) {
        for (long i = 0; i < PAGES; i++)
            pages[i * PAGE] = 1;
        int64_t start = now();
        must(pgaccess(pages, PAGES, bits) == 0, "pgaccess");
        took += now() - start;
    }
    return took * n / ((n + PAGES - 1) / PAGES * PAGES);
}

static void
make_pages(void)
{
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pages != MAP_FAILED, "memory");
    madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
}

static void
unmap_pages(void)
{
    munmap(pages, PAGES * PAGE);
}

int
is_quire(void)
{
    return pgaccess(NULL, 0, NULL) == 0;
}

const struct row own_rows[] = {
    { "memcpy-1m", "copy 1 MiB within the program", run_memcpy, make_buffers, free_buffers, 10 },
    { "ugetpid", "read the process's id without a trap", run_ugetpid, NULL, NULL, 5000 },
    { "pgaccess", "a page among 65,536, all accessed", run_pgaccess, make_pages, unmap_pages,
      PAGES },
    { 0 },
};
