/* lazytests: memory that is there when it is touched. */
#include "test.h"

#define REGION (1024 * 1024 * 1024)

/* A page here and there in a gigabyte. */
static void
test_sparse_memory(void)
{
    char *start = sbrk(REGION), *end = start + REGION;

    CHECK(start != FAILED_SBRK);
    for (char *p = start + PGSIZE; p < end; p += 64 * PGSIZE)
        *(char **)p = p;
    for (char *p = start + PGSIZE; p < end; p += 64 * PGSIZE)
        CHECK(*(char **)p == p);
}

static void
touch_what_is_gone(void *address)
{
    sbrk(-REGION);
    *(char **)address = address;
    exit(0);
}

/* Given back, it is gone, whether it was touched or not. */
static void
test_sparse_memory_unmap(void)
{
    char *start = sbrk(REGION), *end = start + REGION;

    CHECK(start != FAILED_SBRK);
    for (char *p = start + PGSIZE; p < end; p += 4096L * PGSIZE)
        *(char **)p = p;
    for (char *p = start + PGSIZE; p < end; p += 4096L * PGSIZE)
        CHECK(status_of(touch_what_is_gone, p) == -1);
}

/* More than there is: the process that asked for it ends, and nobody else. */
static void
take_without_end(void *unused)
{
    char *list = 0;

    (void)unused;
    for (;;) {
        char *block = malloc(4096 * 4096);
        if (!block)
            exit(0);
        for (int i = 0; i < 4096 * 4096; i += PGSIZE)
            block[i] = 1;
        *(char **)block = list;
        list = block;
    }
}

static void
test_oom(void)
{
    int status = status_of(take_without_end, 0);

    CHECK(status == -1 || status == 0);
    CHECK(status_of(take_without_end, 0) == status);
}

/* A page here and there, but for ever: memory ends, or else the promise does. */
static void
promise_without_end(void *unused)
{
    char *list = 0, *block;

    (void)unused;
    while ((block = malloc(4096 * 4096)) != 0) {
        *(char **)block = list;
        list = block;
    }
    exit(0);
}

static void
test_oom_sparse(void)
{
    CHECK(status_of(promise_without_end, 0) == -1);
}

/* System calls reach into memory that nobody has touched. */
static void
test_syscalls(void)
{
    char *start = page_top();
    int fds[2];

    CHECK(sbrk(8 * PGSIZE) == start);
    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], start + PGSIZE, 100) == 100);
    memset(start, 7, 10);
    CHECK(read(fds[0], start + 3 * PGSIZE - 50, 100) == 100); /* across an edge */
    for (int i = 0; i < 100; i++)
        CHECK(start[3 * PGSIZE - 50 + i] == 0);
    CHECK(wait((int *)(start + 5 * PGSIZE)) == -1);
}

/* Beyond the end, below the stack, or given back: no memory, but an end. */
static void
test_bounds(void)
{
    char *top = page_top();

    CHECK(kills_by_writing((uint64)top));
    CHECK(sbrk(2 * PGSIZE) == top && sbrk(-PGSIZE) != FAILED_SBRK);
    top[PGSIZE - 1] = 1;
    CHECK(kills_by_writing((uint64)top + PGSIZE));
    CHECK(kills_by_writing(r_sp() - USERSTACK * PGSIZE));
    CHECK(kills_by_reading(0));
}

static const struct test tests[] = {
    TEST(sparse_memory), TEST(sparse_memory_unmap), TEST(syscalls), TEST(bounds),
    TEST(oom),           TEST(oom_sparse),          {0, 0, 0},
};

int
main(int argc, char **argv)
{
    return run_tests(tests, argc, argv);
}
