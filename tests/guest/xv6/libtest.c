/*
 * libtest: the library that `make xv6` gives to programs: what its functions
 * print and return, and the course's additions to the calls. All of xv6's
 * headers are included here.
 */
#include "kernel/syscall.h"
#include "kernel/sysinfo.h"
#include "test.h"

static int fds[2];
static char text[1024];

/* What comes out of descriptor `fd` of f, as one string. */
static const char *
output_of(void (*f)(void *), int fd)
{
    int n = 0, got;

    CHECK(pipe(fds) == 0);
    int pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(fd);
        CHECK(dup(fds[1]) == fd);
        close(fds[0]);
        close(fds[1]);
        f(0);
        exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], text + n, (int)sizeof(text) - 1 - n)) > 0)
        n += got;
    text[n] = 0;
    close(fds[0]);
    expect_status(0);
    return text;
}

#define PRINTS(wanted, f, fd)                                                                      \
    do {                                                                                           \
        if (strcmp(output_of(f, fd), wanted) != 0)                                                 \
            FAIL("printed \"%s\", not \"%s\"", text, wanted);                                      \
    } while (0)

static void
print_numbers(void *unused)
{
    (void)unused;
    printf("%d %d %d %x %u\n", 0, -1, 0x7fffffff, 0xabcdef, 7);
    printf("%d %l %ld %lx %p\n", -0x7fffffff - 1, 5000000000UL, -1L, 0x123456789abUL, (void *)0x80);
}

static void
print_text(void *unused)
{
    (void)unused;
    printf("%s|%c|%%|%s|%y|%", "a", 'b', (char *)0);
    fprintf(1, " %s", "c");
}

static void
test_printf(void)
{
    PRINTS("0 -1 2147483647 ABCDEF 7\n-2147483648 5000000000 -1 123456789AB 0x0000000000000080\n",
           print_numbers, 1);
    PRINTS("a|b|%|(null)|%y|% c", print_text, 1);
}

static void
test_strings(void)
{
    char a[16];

    CHECK(strcpy(a, "hello") == a && strlen(a) == 5);
    CHECK(strcmp("a", "a") == 0 && strcmp("a", "b") < 0 && strcmp("b", "a") > 0);
    CHECK(strcmp("ab", "a") > 0 && strcmp("\x80", "a") > 0);
    CHECK(strchr(a, 'l') == a + 2 && strchr(a, 'x') == 0 && strchr(a, 0) == 0);
    CHECK(memmove(a + 1, a, 5) == a + 1 && memcmp(a, "hhello", 6) == 0);
    CHECK(memmove(a, a + 1, 6) == a && strcmp(a, "hello") == 0);
    CHECK(memset(a, 'x', 3) == a && memcmp(a, "xxxlo", 5) == 0);
    CHECK(memcpy(a, "abc", 2) == a && a[1] == 'b' && a[2] == 'x');
    CHECK(atoi("12x") == 12 && atoi("-1") == 0 && atoi("") == 0);
}

static void
test_gets(void)
{
    char line[8];

    CHECK(pipe(fds) == 0 && write(fds[1], "ab\nlonger than\n", 15) == 15);
    close(fds[1]);
    close(0);
    CHECK(dup(fds[0]) == 0);
    CHECK(gets(line, sizeof(line)) == line && strcmp(line, "ab\n") == 0);
    CHECK(strcmp(gets(line, sizeof(line)), "longer ") == 0);
    CHECK(strcmp(gets(line, sizeof(line)), "than\n") == 0);
    CHECK(strcmp(gets(line, sizeof(line)), "") == 0);
}

/* Blocks of all sizes, freed in another order, overlap with nothing. */
static void
test_malloc(void)
{
    enum { N = 200 };
    static char *blocks[N];

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++) {
            int size = (i * 37 + round * 101) % 3000;
            CHECK((blocks[i] = malloc(size)) != 0);
            CHECK((uint64)blocks[i] % 16 == 0);
            memset(blocks[i], i, size);
        }
        for (int i = 0; i < N; i++) {
            int at = i * 77 % N, size = (at * 37 + round * 101) % 3000;
            for (int j = 0; j < size; j++)
                CHECK(blocks[at][j] == (char)at);
            free(blocks[at]);
        }
    }
    CHECK(sbrk(0) - (char *)blocks[0] < 2 << 20);
    free(0);
}

static void
test_time(void)
{
    int before = uptime();

    CHECK(sleep(5) == 0);
    int ticks = uptime() - before;
    CHECK(ticks >= 4 && ticks < 50);
}

static void
test_directories(void)
{
    struct dirent entries[8];
    struct stat st;
    int n, seen = 0;

    CHECK(sizeof(struct dirent) == 16);
    make_file("one", '1', 100);
    CHECK(mkdir("two") == 0);
    int fd = open(".", O_RDONLY);
    CHECK(fd >= 0);
    while ((n = read(fd, entries, sizeof(entries))) > 0)
        for (int i = 0; i < n / (int)sizeof(entries[0]); i++) {
            const char *name = entries[i].name;
            static const char *const wanted[] = {".", "..", "one", "two"};
            for (int w = 0; w < 4; w++)
                if (strcmp(name, wanted[w]) == 0)
                    seen |= 1 << w;
            CHECK(entries[i].inum != 0);
        }
    CHECK(n == 0 && seen == 15);
    CHECK(fstat(fd, &st) == 0 && st.type == T_DIR);
    close(fd);
    CHECK(stat("one", &st) == 0 && st.type == T_FILE && st.size == 100 && st.nlink == 1);
    CHECK(mknod("console", 1, 0) == 0 && stat("console", &st) == 0 && st.type == T_DEVICE);
    CHECK(unlink("console") == 0 && unlink("one") == 0 && unlink("two") == 0);
}

static void
traced_calls(void *unused)
{
    (void)unused;
    trace(1 << SYS_close | 1 << SYS_dup);
    close(99);
    getpid();
    dup(1);
}

static void
test_trace(void)
{
    const char *line = strchr(output_of(traced_calls, 2), ' ');

    CHECK(line && memcmp(line, " syscall close -> -1\n", 21) == 0);
    line = strchr(line + 21, ' ');
    CHECK(line && memcmp(line, " syscall dup -> ", 16) == 0);
}

static volatile int nalarms;

static void
on_alarm(void)
{
    nalarms = nalarms + 1;
    if (nalarms == 3)
        sigalarm(0, 0);
    sigreturn();
}

/* The alarm comes in the midst of this, and no register notices. */
static void
test_alarm(void)
{
    uint a = 1, b = 2;

    CHECK(sigalarm(1, on_alarm) == 0);
    while (nalarms < 3) {
        for (int i = 0; i < 1000; i++) {
            a = a * 5 + 1;
            b = b * 5 - 3; /* always one more */
        }
        CHECK(b == a + 1);
    }
}

static void
test_symlink(void)
{
    struct stat st;

    make_file("target", 't', 5);
    CHECK(symlink("target", "link") == 0);
    CHECK(count_file("link", 't') == 5);
    int fd = open("link", O_RDONLY | O_NOFOLLOW);
    CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.type == T_SYMLINK);
    CHECK(unlink("target") == 0);
    CHECK(open("link", O_RDONLY) == -1);
    CHECK(unlink("link") == 0);
    CHECK(symlink("b", "a") == 0 && symlink("a", "b") == 0 && open("a", O_RDONLY) == -1);
    CHECK(unlink("a") == 0 && unlink("b") == 0);
}

static void
test_mmap(void)
{
    make_file("f", 'm', PGSIZE);
    int fd = open("f", O_RDWR);
    char *p = mmap(0, PGSIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != (char *)-1 && p[100] == 'm');
    memset(p, 'n', PGSIZE);
    CHECK(munmap(p, PGSIZE) == 0 && kills_by_reading((uint64)p));
    close(fd);
    CHECK(count_file("f", 'n') == PGSIZE);
    CHECK(unlink("f") == 0);
}

static void
test_sysinfo(void)
{
    struct sysinfo before, after;

    CHECK(sysinfo(&before) == 0 && before.freemem > 0 && before.nproc > 0);
    CHECK(sysinfo((struct sysinfo *)0xeaeb0b5b00002f5eUL) == -1);
    int pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        sleep(100);
        exit(0);
    }
    CHECK(sysinfo(&after) == 0 && after.nproc == before.nproc + 1);
    kill(pid);
    expect_status(-1);
}

static void
test_longnames(void)
{
    make_file("a name of many letters", 'l', 3);
    CHECK(count_file("a name of many", 'l') == 3);
    CHECK(count_file("a name of many others", 'l') == 3);
    CHECK(unlink("a name of many") == 0 && !exists("a name of many letters"));
}

static const struct test tests[] = {
    TEST(printf),  TEST(strings), TEST(gets), TEST(malloc),  TEST(time),      TEST(directories),
    TEST(trace),   TEST(alarm),   TEST(mmap), TEST(symlink), TEST(longnames), TEST(sysinfo),
    {0, 0, 0},
};

int
main(int argc, char **argv)
{
    return run_tests(tests, argc, argv);
}
