/* cowtest: fork that copies when somebody writes. */
#include "test.h"
#include "kernel/sysinfo.h"

/* Two thirds of what is free: two copies would not fit. */
static int
much(void)
{
    struct sysinfo info;

    CHECK(sysinfo(&info) == 0);
    uint64 bytes = info.freemem / 3 * 2;
    if (bytes > 1UL << 30)
        bytes = 1UL << 30;
    return (int)(bytes / PGSIZE * PGSIZE);
}

static void
nothing(void *unused)
{
    (void)unused;
}

static void
test_simple(void)
{
    int size = much();
    char *start = sbrk(size);

    CHECK(start != FAILED_SBRK);
    for (char *p = start; p < start + size; p += PGSIZE)
        *(int *)p = getpid();
    for (int i = 0; i < 3; i++)
        CHECK(status_of(nothing, 0) == 0);
    for (char *p = start; p < start + size; p += PGSIZE)
        CHECK(*(int *)p == getpid());
    CHECK(sbrk(-size) != FAILED_SBRK);
}

/* Three processes, each of which writes into the same pages and reads its own. */
static void
write_and_check(char *start, int size)
{
    for (char *p = start; p < start + size; p += PGSIZE)
        *(int *)p = getpid();
    for (char *p = start; p < start + size; p += PGSIZE)
        CHECK(*(int *)p == getpid());
}

static void
test_three(void)
{
    int size = much() / 8;
    char *start = sbrk(size);

    CHECK(start != FAILED_SBRK);
    for (char *p = start; p < start + size; p += PGSIZE)
        *(int *)p = -1;
    int child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int grandchild = fork();
        CHECK(grandchild >= 0);
        if (grandchild == 0) {
            write_and_check(start, size / 5 * 4 / PGSIZE * PGSIZE);
            for (char *p = start + size / PGSIZE * PGSIZE - PGSIZE; p > start + size / 5 * 4; p -= PGSIZE)
                CHECK(*(int *)p == -1);
            exit(0);
        }
        write_and_check(start, size / 2 / PGSIZE * PGSIZE);
        expect_status(0);
        CHECK(*(int *)(start + size / 2 / PGSIZE * PGSIZE) == -1);
        exit(0);
    }
    write_and_check(start, size);
    expect_status(0);
    for (char *p = start; p < start + size; p += PGSIZE)
        CHECK(*(int *)p == getpid());
    CHECK(sbrk(-size) != FAILED_SBRK);
}

/* What the kernel writes into a shared page goes to a copy, too. */
static int fds[2];
static char page[PGSIZE];

static void
read_into_page(void *unused)
{
    (void)unused;
    sleep(1);
    CHECK(read(fds[0], page, sizeof(int)) == sizeof(int));
    sleep(1);
    exit(*(int *)page);
}

static void
test_file(void)
{
    page[0] = 99;
    for (int i = 0; i < 4; i++) {
        CHECK(pipe(fds) == 0);
        start(read_into_page, 0);
        CHECK(write(fds[1], &i, sizeof(i)) == sizeof(i));
        close(fds[0]);
        close(fds[1]);
    }
    for (int i = 0, seen = 0; i < 4; i++) {
        int status = -2;
        CHECK(wait(&status) > 0 && status >= 0 && status < 4);
        CHECK(!(seen & 1 << status));
        seen |= 1 << status;
    }
    CHECK(page[0] == 99);
}

/* Children of children write in stripes; each sees what it and those before it wrote. */
static void
generation(char *start, int depth)
{
    enum { N = 256 };

    for (int i = depth; i < N; i += 4)
        start[i * PGSIZE] = (char)(depth + 1);
    if (depth < 3) {
        int pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            generation(start, depth + 1);
            exit(0);
        }
        expect_status(0);
    }
    for (int i = 0; i < N; i++)
        CHECK(start[i * PGSIZE] == (i % 4 <= depth ? i % 4 + 1 : 0));
}

static void
test_generations(void)
{
    char *start = page_top();

    CHECK(sbrk(256 * PGSIZE) == start);
    generation(start, 0);
}

static const struct test tests[] = {
    TEST(simple), TEST(three), TEST(file), TEST(generations), {0, 0, 0},
};

int
main(int argc, char **argv)
{
    return run_tests(tests, argc, argv);
}
