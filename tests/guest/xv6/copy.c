/* usertests: pointers that lead nowhere, given to calls. */
#include "usertests.h"

void
test_copyin(void)
{
    int fds[2];

    for (int i = 0; i < nwild_addresses; i++) {
        const void *wild = (const void *)wild_addresses[i];
        int fd = open("f", O_CREATE | O_WRONLY);
        CHECK(fd >= 0);
        CHECK(write(fd, wild, 8192) < 0);
        close(fd);
        CHECK(unlink("f") == 0);
        CHECK(write(1, wild, 8192) <= 0);
        CHECK(pipe(fds) == 0);
        CHECK(write(fds[1], wild, 8192) <= 0);
        close(fds[0]);
        close(fds[1]);
    }
}

void
test_copyout(void)
{
    int fds[2];

    make_file("f", 'x', 10000);
    for (int i = 0; i < nwild_addresses; i++) {
        void *wild = (void *)wild_addresses[i];
        int fd = open("f", O_RDONLY);
        CHECK(fd >= 0);
        CHECK(read(fd, wild, 8192) <= 0);
        CHECK(fstat(fd, wild) < 0);
        close(fd);
        CHECK(pipe(fds) == 0);
        CHECK(write(fds[1], "x", 1) == 1);
        CHECK(read(fds[0], wild, 8192) <= 0);
        close(fds[0]);
        close(fds[1]);
        CHECK(pipe(wild) < 0);
    }
    unlink("f");
}

void
test_copyinstr1(void)
{
    for (int i = 0; i < nwild_addresses; i++) {
        char *wild = (char *)wild_addresses[i];
        CHECK(open(wild, O_CREATE | O_WRONLY) < 0);
        CHECK(mkdir(wild) < 0);
        CHECK(chdir(wild) < 0);
        CHECK(unlink(wild) < 0);
    }
}

static char page_of_letters[PGSIZE + 1];

static void
exec_with_a_page(void *unused)
{
    char *arguments[] = {page_of_letters, page_of_letters, page_of_letters, 0};

    (void)unused;
    memset(page_of_letters, 'x', PGSIZE);
    CHECK(exec("echo", arguments) == -1);
    exit(747); /* exec must have come back */
}

void
test_copyinstr2(void)
{
    static char path[MAXPATH + 1];
    char *arguments[] = {"x", 0};

    memset(path, 'x', MAXPATH);
    CHECK(open(path, O_CREATE | O_WRONLY) == -1);
    CHECK(unlink(path) == -1);
    CHECK(link(path, path) == -1);
    CHECK(mkdir(path) == -1);
    CHECK(exec(path, arguments) == -1);
    CHECK(status_of(exec_with_a_page, 0) == 747);
}

/* A string whose end the process does not have. */
void
test_copyinstr3(void)
{
    char *arguments[] = {"x", 0};

    CHECK(sbrk(2 * PGSIZE) != FAILED_SBRK);
    char *last = page_top() - 1;
    *last = 'x';
    CHECK(unlink(last) == -1);
    CHECK(open(last, O_CREATE | O_WRONLY) == -1);
    CHECK(link(last, last) == -1);
    CHECK(exec(last, arguments) == -1);
}

/* Memory that was given back is no buffer any more. */
void
test_rwsbrk(void)
{
    char *old = sbrk(2 * PGSIZE);

    CHECK(old != FAILED_SBRK && sbrk(-2 * PGSIZE) != FAILED_SBRK);
    int fd = open("f", O_CREATE | O_RDWR);
    CHECK(fd >= 0);
    CHECK(write(fd, old + PGSIZE, 1024) < 0);
    CHECK(write(fd, "abcdefghij", 10) == 10);
    close(fd);
    fd = open("f", O_RDONLY);
    CHECK(read(fd, old + PGSIZE, 10) < 0);
    close(fd);
    unlink("f");
}

/* Nothing of the arguments that exec has copied so far may be lost. */
void
test_badarg(void)
{
    char *arguments[] = {(char *)0xffffffff, 0};

    for (int i = 0; i < 5000; i++)
        CHECK(exec("echo", arguments) == -1);
}

void
test_pgbug(void)
{
    char *arguments[] = {0};
    void *wild = (void *)0xeaeb0b5b00002f5eUL;

    CHECK(exec(wild, arguments) == -1);
    CHECK(exec("echo", wild) == -1);
    CHECK(pipe(wild) == -1);
}

void
test_argptest(void)
{
    make_file("f", 'x', 100);
    int fd = open("f", O_RDONLY);
    CHECK(fd >= 0);
    CHECK(read(fd, sbrk(0) - 1, -1) <= 1);
    close(fd);
    unlink("f");
}

/* Whatever lies at an address, taking it for a name does no harm. */
void
test_validatetest(void)
{
    for (uint64 address = 0; address <= 1100 * 1024; address += PGSIZE)
        CHECK(link("nosuchfile", (char *)address) == -1);
}

/* Blocks taken for a write that then fails are given back. */
void
test_badwrite(void)
{
    for (int i = 0; i < 600; i++) {
        int fd = open("junk", O_CREATE | O_WRONLY);
        CHECK(fd >= 0);
        CHECK(write(fd, (char *)0xffffffffffUL, 1) < 0);
        close(fd);
        CHECK(unlink("junk") == 0);
    }
    make_file("junk", 'x', 1);
    CHECK(unlink("junk") == 0);
}

void
test_textwrite(void)
{
    CHECK(kills_by_writing(0));
    CHECK(kills_by_writing((uint64)test_textwrite));
}

void
test_nowrite(void)
{
    for (int i = 0; i < nwild_addresses; i++)
        CHECK(kills_by_writing(wild_addresses[i]));
}
