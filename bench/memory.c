/*
 * Rows about memory: mapping, faults, copy-on-write, protection.
 */
#include "bench.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L
#define SMALL (64 * 1024L)
#define REGION (16 * 1024 * 1024L)      /* for faults on fresh memory */
#define COW_REGION (4 * 1024 * 1024L)
#define LARGE (64 * 1024 * 1024L)
#define LARGE_PAGE (2 * 1024 * 1024L)
#define RW (PROT_READ | PROT_WRITE)

static char *
map(long nbytes)
{
    char *p = mmap(NULL, nbytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(p != MAP_FAILED, "mmap");
    return p;
}

/* Write a byte in each of npages. */
static void
touch(char *p, long npages)
{
    for (long i = 0; i < npages; i++)
        p[i * PAGE] = 1;
}

REPEAT(run_mmap, munmap(map(SMALL), SMALL))
REPEAT(run_mmap_touch,
       char *p = map(SMALL);
       touch(p, SMALL / PAGE);
       munmap(p, SMALL))

/* n faults on anonymous memory; mapping and unmapping are not timed. */
static int64_t
run_fault_anonymous(long n)
{
    int64_t took = 0;

    while (n > 0) {
        long npages = n < REGION / PAGE ? n : REGION / PAGE;
        char *p = map(REGION);
        madvise(p, REGION, MADV_NOHUGEPAGE);
        int64_t start = now();
        touch(p, npages);
        took += now() - start;
        munmap(p, REGION);
        n -= npages;
    }
    return took;
}

/* Memory enough for large pages, where the system has them, and aligned for those. */
static void
touch_large(void)
{
    char *p = map(LARGE + LARGE_PAGE);
    long unaligned = -(long)p & (LARGE_PAGE - 1);

    touch(p + unaligned, LARGE / PAGE);
    munmap(p, LARGE + LARGE_PAGE);
}

REPEAT(run_touch_large, touch_large())

static int file;

static void
make_file(void)
{
    char *block = calloc(1, SMALL);

    file = open("mapped", O_CREAT | O_RDWR, 0600);
    must(file >= 0 && block, "creating a file");
    for (long at = 0; at < REGION; at += SMALL)
        must(write(file, block, SMALL) == SMALL, "writing 16 MiB");
    free(block);
}

static void
remove_file(void)
{
    close(file);
    unlink("mapped");
}

static volatile char sink;

/* n pages of a cached file read through a fresh mapping. */
static int64_t
run_fault_file(long n)
{
    int64_t took = 0;

    while (n > 0) {
        long npages = n < REGION / PAGE ? n : REGION / PAGE;
        char *p = mmap(NULL, REGION, PROT_READ, MAP_SHARED, file, 0);
        must(p != MAP_FAILED, "mmap of a file");
        int64_t start = now();
        for (long i = 0; i < npages; i++)
            sink = p[i * PAGE];
        took += now() - start;
        munmap(p, REGION);
        n -= npages;
    }
    return took;
}

/* n writes to pages shared with a child that is asleep. */
static int64_t
run_fault_cow(long n)
{
    int64_t took = 0;
    char *p = map(COW_REGION), c;

    madvise(p, COW_REGION, MADV_NOHUGEPAGE);
    touch(p, COW_REGION / PAGE);
    while (n > 0) {
        long npages = n < COW_REGION / PAGE ? n : COW_REGION / PAGE;
        int go[2];
        must(pipe(go) == 0, "pipe");
        pid_t pid = fork();
        must(pid >= 0, "fork");
        if (pid == 0) {
            close(go[1]);
            read(go[0], &c, 1);
            _exit(0);
        }
        close(go[0]);
        int64_t start = now();
        touch(p, npages);
        took += now() - start;
        close(go[1]);
        waitpid(pid, NULL, 0);
        n -= npages;
    }
    munmap(p, COW_REGION);
    return took;
}

static char *page;
static int writable = 1;

REPEAT(run_mprotect,
       writable = !writable;
       mprotect(page, PAGE, writable ? RW : PROT_READ))

static void
make_page(void)
{
    page = map(3 * PAGE) + PAGE;
    touch(page - PAGE, 3);
}

static void
remove_page(void)
{
    munmap(page - PAGE, 3 * PAGE);
}

const struct row memory_rows[] = {
    { "mmap", "map and unmap 64 KiB", run_mmap, NULL, NULL, 500 },
    { "mmap-touch", "map, touch and unmap 64 KiB", run_mmap_touch, NULL, NULL,
      50 },
    { "fault-anon", "touch a fresh page", run_fault_anonymous, NULL, NULL,
      1024 },
    { "touch-64m", "map, touch and unmap 64 MiB", run_touch_large, NULL, NULL,
      4 },
    { "fault-file", "touch a mapped page of a file", run_fault_file, make_file,
      remove_file, 1024 },
    { "fault-cow", "write a page shared by fork", run_fault_cow, NULL, NULL,
      1024 },
    { "mprotect", "change the rights of a page", run_mprotect, make_page,
      remove_page, 500 },
    { 0 },
};
