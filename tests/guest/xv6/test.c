/* Running the tests, and what they do over and over. */
#include "test.h"

/* xv6's kernel, the top of the user half, the first address above it, none. */
const uint64 wild_addresses[] = {
    KERNBASE, TRAPFRAME, TRAMPOLINE, MAXVA, 0xffffffc000000000UL, 0xffffffffffffffffUL,
};
const int nwild_addresses = sizeof(wild_addresses) / sizeof(wild_addresses[0]);

int
start(void (*f)(void *), void *argument)
{
    int pid = fork();

    if (pid < 0)
        FAIL("fork failed");
    if (pid == 0) {
        f(argument);
        exit(0);
    }
    return pid;
}

int
status_of(void (*f)(void *), void *argument)
{
    int status = 0, pid = start(f, argument);

    if (wait(&status) != pid)
        FAIL("wait found another child");
    return status;
}

void
expect_status(int wanted)
{
    int status = 0;

    if (wait(&status) < 0)
        FAIL("no child to wait for");
    if (status != wanted)
        FAIL("a child ended with %d, not %d", status, wanted);
}

static void
read_at(void *address)
{
    char c = *(volatile char *)address;

    printf("read %d at %p\n", c, address);
    exit(2);
}

static void
write_at(void *address)
{
    *(volatile char *)address = 10;
    printf("wrote at %p\n", address);
    exit(2);
}

int
kills_by_reading(uint64 address)
{
    return status_of(read_at, (void *)address) == -1;
}

int
kills_by_writing(uint64 address)
{
    return status_of(write_at, (void *)address) == -1;
}

static char block[512];

void
make_file(const char *name, char c, int n)
{
    int fd = open(name, O_CREATE | O_TRUNC | O_WRONLY);

    if (fd < 0)
        FAIL("cannot create %s", name);
    memset(block, c, sizeof(block));
    for (int now; n > 0; n -= now) {
        now = n < (int)sizeof(block) ? n : (int)sizeof(block);
        if (write(fd, block, now) != now)
            FAIL("cannot write %s", name);
    }
    close(fd);
}

int
count_file(const char *name, char c)
{
    int fd = open(name, O_RDONLY), total = 0, n;

    if (fd < 0)
        FAIL("cannot open %s", name);
    while ((n = read(fd, block, sizeof(block))) > 0) {
        for (int i = 0; i < n; i++)
            if (block[i] != c)
                FAIL("%s has a wrong byte at %d", name, total + i);
        total += n;
    }
    if (n < 0)
        FAIL("cannot read %s", name);
    close(fd);
    return total;
}

int
exists(const char *name)
{
    int fd = open(name, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

char *
page_top(void)
{
    uint64 over = (uint64)sbrk(0) % PGSIZE;

    if (over && sbrk((int)(PGSIZE - over)) == FAILED_SBRK)
        FAIL("sbrk failed");
    return sbrk(0);
}

static void
run_one(void *test)
{
    ((const struct test *)test)->run();
}

/* In a directory that is gone afterwards; what a failed test left stays. */
static int
passes(const struct test *test)
{
    static const char directory[] = "xv6-test";

    printf("test %s: ", test->name);
    mkdir(directory);
    if (chdir(directory) < 0)
        FAIL("cannot enter %s", directory);
    int status = status_of(run_one, (void *)test);
    chdir("..");
    unlink(directory);
    printf(status ? "FAILED\n" : "OK\n");
    return status == 0;
}

static int
chosen(const struct test *test, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-q") == 0)
        return !test->slow;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], test->name) == 0)
            return 1;
    return argc < 2;
}

int
run_tests(const struct test *tests, int argc, char **argv)
{
    int nrun = 0, nfailed = 0;

    for (int slow = FAST; slow <= SLOW; slow++)
        for (const struct test *test = tests; test->name; test++)
            if (test->slow == slow && chosen(test, argc, argv)) {
                nrun++;
                nfailed += !passes(test);
            }
    if (nrun == 0)
        printf("no such test\n");
    else if (nfailed)
        printf("SOME TESTS FAILED\n");
    else
        printf("ALL TESTS PASSED\n");
    return nrun == 0 || nfailed;
}
