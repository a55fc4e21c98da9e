/*
 * pgtbltest: USYSCALL, pgaccess, and what superpages must not change. Only
 * Quire has the first two.
 */
#include "test.h"

static void
compare_pids(void *unused)
{
    (void)unused;
    exit(getpid() == ugetpid() ? 7 : 1);
}

/* The page has the right number in every child. */
static void
test_ugetpid(void)
{
    CHECK(ugetpid() == getpid());
    for (int i = 0; i < 64; i++)
        CHECK(status_of(compare_pids, 0) == 7);
    CHECK(ugetpid() == getpid());
}

/* It can be read, and nothing else. */
static void
test_usyscall(void)
{
    const struct usyscall *page = (const struct usyscall *)USYSCALL;

    CHECK(page->pid == getpid());
    CHECK(kills_by_writing(USYSCALL));
    CHECK(kills_by_reading(USYSCALL + PGSIZE) && kills_by_reading(USYSCALL - PGSIZE));
    CHECK(read(0, (void *)USYSCALL, 1) <= 0);
}

static void
test_pgaccess(void)
{
    char *buffer = malloc(32 * PGSIZE);
    uint bits = 0;

    CHECK(buffer != 0);
    CHECK(pgaccess(buffer, 32, &bits) == 0);
    buffer[PGSIZE * 1] += 1;
    buffer[PGSIZE * 2] += 1;
    buffer[PGSIZE * 30] += 1;
    CHECK(pgaccess(buffer, 32, &bits) == 0);
    if (bits != (1u << 1 | 1u << 2 | 1u << 30))
        FAIL("wrong pages were accessed: %x", bits);
    CHECK(pgaccess(buffer, 32, &bits) == 0 && bits == 0);
    free(buffer);
}

/* No byte beyond the last that has a page's bit. */
static void
test_pgaccess_edges(void)
{
    static uchar bits[5] = {0xee, 0xee, 0xee, 0xee, 0xee};
    char *top = page_top();

    CHECK(sbrk(16 * PGSIZE) == top);
    for (int i = 0; i < 11; i++)
        top[i * PGSIZE] = 1;
    CHECK(pgaccess(top, 11, bits) == 0);
    CHECK(bits[0] == 0xff && bits[1] == 0x07 && bits[2] == 0xee);
    CHECK(pgaccess(top, 0, bits + 3) == 0 && bits[3] == 0xee);
    CHECK(pgaccess(top + 11 * PGSIZE, 5, bits) == 0 && bits[0] == 0); /* lazy holes */
}

static void
test_pgaccess_errors(void)
{
    static char bits[8192];
    char *here = (char *)test_pgaccess_errors;

    CHECK(pgaccess(here, -1, bits) == -1);
    CHECK(pgaccess(here, 65537, bits) == -1);
    CHECK(pgaccess(0, 65536, bits) == 0);
    CHECK(pgaccess((void *)(MAXVA - PGSIZE), 2, bits) == -1);
    for (int i = 0; i < nwild_addresses; i++)
        CHECK(pgaccess(here, 8, (void *)wild_addresses[i]) == -1);
    CHECK(pgaccess(here, 8, here) == -1); /* read-only */
}

/* The kernel counts what it copies from user memory, and statistics() tells. */
static int
count_of(const char *text, const char *name)
{
    int length = (int)strlen(name);

    for (; *text; text++)
        if (memcmp(text, name, (uint)length) == 0 && text[length] == ':')
            return atoi(text + length + 2);
    FAIL("no count of %s", name);
}

static void
test_count_copyin(void)
{
    enum { N = 100, SOME = 50 };
    static char before[128], after[128];
    int fds[2];
    char c = 'x';

    make_file("f", 'x', 1);
    CHECK(pipe(fds) == 0);
    CHECK(statistics(before, sizeof(before) - 1) > 0);
    for (int i = 0; i < N; i++)
        CHECK(write(fds[1], &c, 1) == 1);
    for (int i = 0; i < N; i++)
        CHECK(close(open("f", O_RDONLY)) == 0);
    CHECK(statistics(after, sizeof(after) - 1) > 0);
    unlink("f");
    int copyin = count_of(after, "copyin") - count_of(before, "copyin");
    int copyinstr = count_of(after, "copyinstr") - count_of(before, "copyinstr");
    if (copyin < N || copyin > N + SOME)
        FAIL("%d writes counted as %d times copyin", N, copyin);
    if (copyinstr < N || copyinstr > 3 * N + SOME)
        FAIL("%d opens counted as %d times copyinstr", N, copyinstr);
}

/* Large memory, in which pages are taken away and shared, byte by byte right. */
static void
check_stripe(void *start)
{
    for (int i = 0; i < 4 * SUPERPGSIZE; i += PGSIZE) {
        CHECK(*((char *)start + i) == (char)(i / PGSIZE));
        *((char *)start + i) = 1;
    }
}

static void
test_superpages(void)
{
    enum { SIZE = 4 * SUPERPGSIZE };
    char *start = sbrk(SIZE);

    CHECK(start != FAILED_SBRK);
    for (int i = 0; i < SIZE; i += PGSIZE) {
        CHECK(start[i] == 0);
        start[i] = (char)(i / PGSIZE);
    }
    CHECK(status_of(check_stripe, start) == 0);
    CHECK(sbrk(-SIZE / 2 - PGSIZE) != FAILED_SBRK);
    CHECK(kills_by_reading((uint64)(start + SIZE / 2 - 1)));
    CHECK(sbrk(SIZE / 2 + PGSIZE) != FAILED_SBRK);
    for (int i = 0; i < SIZE; i += PGSIZE)
        CHECK(start[i] == (i < SIZE / 2 - PGSIZE ? (char)(i / PGSIZE) : 0));
}

static const struct test tests[] = {
    TEST(ugetpid),        TEST(usyscall),   TEST(pgaccess), TEST(pgaccess_edges),
    TEST(pgaccess_errors), TEST(count_copyin), TEST(superpages), {0, 0, 0},
};

int
main(int argc, char **argv)
{
    return run_tests(tests, argc, argv);
}
