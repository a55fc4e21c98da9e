/* usertests: the heap, the stack, and what a program may not touch. */
#include "usertests.h"

#define MIB (1024 * 1024)
#define BIG (100 * MIB)

/* Take all the memory that malloc gives, in a list; then it gives again. */
static void
take_all(void *unused)
{
    char *list = 0, *block;

    (void)unused;
    while ((block = malloc(10001)) != 0) {
        *(char **)block = list;
        list = block;
    }
    while (list) {
        block = *(char **)list;
        free(list);
        list = block;
    }
    block = malloc(1024 * 20);
    CHECK(block != 0);
    free(block);
}

void
test_mem(void)
{
    int status = status_of(take_all, 0);

    CHECK(status == 0 || status == -1); /* lazy memory may end with the process */
}

static void
take_a_gigabyte(void *unused)
{
    char *start = sbrk(1024 * MIB);

    (void)unused;
    if (start == FAILED_SBRK)
        exit(0);
    for (char *p = start; p < start + 1024L * MIB; p += PGSIZE)
        *p = 99;
    exit(1); /* xv6's machine has not so much */
}

void
test_sbrkbasic(void)
{
    int status = status_of(take_a_gigabyte, 0);

    CHECK(status == 0 || status == -1 || status == 1); /* 1: this machine has */
    char *top = sbrk(0);
    for (int i = 0; i < 5000; i++, top++) {
        CHECK(sbrk(1) == top);
        *top = 1;
    }
    int pid = fork();
    CHECK(pid >= 0);
    CHECK(sbrk(1) == top && sbrk(1) == top + 1);
    if (pid == 0)
        exit(0);
    expect_status(0);
}

void
test_sbrkmuch(void)
{
    char *old = page_top();
    int amount = BIG;

    CHECK(sbrk(amount) == old);
    char *last = old + amount - 1;
    for (char *p = old; p <= last; p += PGSIZE)
        *p = 1;
    *last = 99;
    for (char *p = old; p <= last; p += PGSIZE)
        CHECK(*p == 1);

    /* Given back, and got again as zero. */
    char *top = sbrk(0);
    CHECK(sbrk(-PGSIZE) == top);
    CHECK(sbrk(0) == top - PGSIZE);
    CHECK(kills_by_reading((uint64)last));
    CHECK(sbrk(PGSIZE) == top - PGSIZE && sbrk(0) == top);
    CHECK(*last == 0);
    CHECK(sbrk(-(int)(top - old)) == top && sbrk(0) == old);
}

void
test_kernmem(void)
{
    for (uint64 a = KERNBASE; a < KERNBASE + 2000000; a += 50000)
        CHECK(kills_by_reading(a));
    CHECK(kills_by_reading(0xffffffc000000000UL)); /* Quire's direct map */
    CHECK(kills_by_reading(0xffffffff80000000UL)); /* its image */
}

void
test_MAXVAplus(void)
{
    for (uint64 a = MAXVA; a != 0; a <<= 1)
        CHECK(kills_by_writing(a));
}

/* Ten processes that want more than there is; afterwards all of it is back. */
static int fds[2];

static void
take_and_wait(void *unused)
{
    char *start = sbrk(BIG);

    (void)unused;
    if (start != FAILED_SBRK)
        for (char *p = start; p < start + 4 * MIB; p += PGSIZE)
            *p = 1;
    write(fds[1], "x", 1);
    for (;;)
        sleep(1000);
}

void
test_sbrkfail(void)
{
    enum { N = 10 };
    int pids[N];
    char c;

    CHECK(pipe(fds) == 0);
    for (int i = 0; i < N; i++)
        pids[i] = start(take_and_wait, 0);
    for (int i = 0; i < N; i++)
        CHECK(read(fds[0], &c, 1) == 1);
    char *page = sbrk(PGSIZE);
    for (int i = 0; i < N; i++) {
        CHECK(kill(pids[i]) == 0);
        expect_status(-1);
    }
    CHECK(page != FAILED_SBRK);
    *page = 1;
    CHECK(sbrk(-0x7fffffff) == FAILED_SBRK);
}

/* Memory never touched is a buffer like any other. */
void
test_sbrkarg(void)
{
    char *page = sbrk(PGSIZE);
    int fd = open("f", O_CREATE | O_WRONLY);

    CHECK(page != FAILED_SBRK && fd >= 0);
    CHECK(unlink("f") == 0);
    CHECK(write(fd, page, PGSIZE) == PGSIZE);
    close(fd);
    page = sbrk(PGSIZE);
    CHECK(page != FAILED_SBRK);
    CHECK(pipe((int *)page) == 0);
    CHECK(((int *)page)[0] > 2 && ((int *)page)[1] > 2);
}

static char uninitialized[10000];

void
test_bsstest(void)
{
    for (int i = 0; i < (int)sizeof(uninitialized); i++)
        CHECK(uninitialized[i] == 0);
}

static void
read_below_the_stack(void *unused)
{
    char *p = (char *)(r_sp() - USERSTACK * PGSIZE);

    (void)unused;
    printf("read %d below the stack\n", *(volatile char *)p);
    exit(1);
}

void
test_stacktest(void)
{
    CHECK(status_of(read_below_the_stack, 0) == -1);
}

static void
shrink_by_all(void *unused)
{
    (void)unused;
    sbrk(-(int)(uint64)sbrk(0));
}

static void
shrink_to_a_part(void *unused)
{
    (void)unused;
    sbrk(-(int)((uint64)sbrk(0) - 3500));
}

static void
shrink_within_a_page(void *unused)
{
    (void)unused;
    sbrk((int)(10 * PGSIZE + 2048 - (uint64)sbrk(0) % PGSIZE));
    sbrk(-10);
    char *top = sbrk(0);
    top[-1] = 1;
}

void
test_sbrkbugs(void)
{
    status_of(shrink_by_all, 0);
    status_of(shrink_to_a_part, 0);
    CHECK(status_of(shrink_within_a_page, 0) == 0);
}

/* A heap that ends within a page has all that is below its end, to the byte. */
void
test_sbrklast(void)
{
    page_top();
    CHECK(sbrk(PGSIZE) != FAILED_SBRK && sbrk(10) != FAILED_SBRK && sbrk(-20) != FAILED_SBRK);
    char *name = sbrk(0) - 64;
    name[0] = 'x';
    name[1] = 0;
    int fd = open(name, O_CREATE | O_RDWR);
    CHECK(fd >= 0 && write(fd, name, 1) == 1);
    close(fd);
    fd = open(name, O_RDWR);
    name[0] = 0;
    CHECK(fd >= 0 && read(fd, name, 1) == 1 && name[0] == 'x');
    close(fd);
    CHECK(unlink(name) == 0);
}

/* An amount that turns negative on its way. */
void
test_sbrk8000(void)
{
    sbrk((int)0x80000004);
    volatile char *top = sbrk(0);
    top[-1] = top[-1] + 1;
}

/* exec when there is hardly any memory left: works or fails, loses nothing. */
static void
take_all_and_exec(void *give_back)
{
    char *arguments[] = {"echo", "x", 0};
    char *page;

    while ((page = sbrk(PGSIZE)) != FAILED_SBRK)
        page[PGSIZE - 1] = 1;
    for (int i = *(int *)give_back; i > 0; i--)
        sbrk(-PGSIZE);
    close(1);
    close(2); /* echo has nobody to complain to */
    exec("echo", arguments);
    exit(0);
}

void
test_execout(void)
{
    for (int give_back = 0; give_back < 15; give_back += 2)
        status_of(take_all_and_exec, &give_back);
}
