/* usertests: what files hold. */
#include "usertests.h"

static char buffer[(MAXOPBLOCKS + 2) * BSIZE];

/* A truncated file is seen so through descriptors that were open before. */
void
test_truncate1(void)
{
    char text[32];

    unlink("f");
    int first = open("f", O_CREATE | O_WRONLY | O_TRUNC);
    CHECK(write(first, "abcd", 4) == 4);
    close(first);
    int reader = open("f", O_RDONLY);
    CHECK(read(reader, text, sizeof(text)) == 4);

    int truncating = open("f", O_WRONLY | O_TRUNC);
    int fresh = open("f", O_RDONLY);
    CHECK(read(fresh, text, sizeof(text)) == 0);
    CHECK(read(reader, text, sizeof(text)) == 0);
    CHECK(write(truncating, "abcdef", 6) == 6);
    CHECK(read(fresh, text, sizeof(text)) == 6);
    CHECK(read(reader, text, sizeof(text)) == 2 && text[0] == 'e' && text[1] == 'f');
    unlink("f");
}

/* A write beyond the end of a file that was truncated since fails. */
void
test_truncate2(void)
{
    int first = open("f", O_CREATE | O_TRUNC | O_WRONLY);

    CHECK(write(first, "abcd", 4) == 4);
    int second = open("f", O_TRUNC | O_WRONLY);
    CHECK(write(first, "x", 1) == -1);
    CHECK(write(second, "xy", 2) == 2);
    close(first);
    close(second);
    CHECK(unlink("f") == 0);
}

static void
write_and_read(void *unused)
{
    char text[32];

    (void)unused;
    for (int i = 0; i < 100; i++) {
        int fd = open("truncfile", O_WRONLY);
        CHECK(fd >= 0 && write(fd, "1234567890", 10) == 10);
        close(fd);
        fd = open("truncfile", O_RDONLY);
        CHECK(fd >= 0 && read(fd, text, sizeof(text)) >= 0);
        close(fd);
    }
}

/* Truncated by one process while another writes. */
void
test_truncate3(void)
{
    close(open("truncfile", O_CREATE | O_TRUNC | O_WRONLY));
    start(write_and_read, 0);
    for (int i = 0; i < 150; i++) {
        int fd = open("truncfile", O_CREATE | O_WRONLY | O_TRUNC);
        CHECK(fd >= 0 && write(fd, "xxx", 3) == 3);
        close(fd);
    }
    expect_status(0);
    CHECK(unlink("truncfile") == 0);
}

void
test_opentest(void)
{
    make_file("here", 'x', 1);
    int fd = open("here", O_RDONLY);
    CHECK(fd >= 0);
    CHECK(close(fd) == 0 && close(fd) == -1);
    CHECK(open("doesnotexist", O_RDONLY) == -1);
    CHECK(open("echo", O_RDONLY) >= 0); /* a program, wherever it lies */
    unlink("here");
}

void
test_openmodes(void)
{
    struct stat st;
    char c;

    make_file("f", 'x', 10);
    int fd = open("f", O_RDONLY);
    CHECK(write(fd, "y", 1) == -1 && read(fd, &c, 1) == 1);
    CHECK(fstat(fd, &st) == 0 && st.type == T_FILE && st.size == 10 && st.nlink == 1);
    close(fd);
    fd = open("f", O_WRONLY);
    CHECK(read(fd, &c, 1) == -1 && write(fd, "y", 1) == 1);
    int copy = dup(fd);
    CHECK(copy > fd && write(copy, "z", 1) == 1);
    close(fd);
    close(copy);
    CHECK(stat(".", &st) == 0 && st.type == T_DIR);
    CHECK(stat("nothere", &st) == -1);
    unlink("f");
}

void
test_writetest(void)
{
    enum { N = 100, SIZE = 10 };
    int fd = open("small", O_CREATE | O_RDWR);

    CHECK(fd >= 0);
    for (int i = 0; i < N; i++) {
        CHECK(write(fd, "aaaaaaaaaa", SIZE) == SIZE);
        CHECK(write(fd, "bbbbbbbbbb", SIZE) == SIZE);
    }
    close(fd);
    fd = open("small", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buffer, N * SIZE * 2) == N * SIZE * 2);
    CHECK(buffer[0] == 'a' && buffer[SIZE] == 'b' && buffer[N * SIZE * 2 - 1] == 'b');
    close(fd);
    CHECK(unlink("small") == 0);
}

/* As large as xv6's files can be. */
void
test_writebig(void)
{
    int fd = open("big", O_CREATE | O_RDWR), n = 0;

    CHECK(fd >= 0);
    for (int i = 0; i < (int)MAXFILE; i++) {
        ((int *)buffer)[0] = i;
        CHECK(write(fd, buffer, BSIZE) == BSIZE);
    }
    close(fd);
    fd = open("big", O_RDONLY);
    CHECK(fd >= 0);
    for (; read(fd, buffer, BSIZE) == BSIZE; n++)
        CHECK(((int *)buffer)[0] == n);
    CHECK(n == (int)MAXFILE);
    close(fd);
    CHECK(unlink("big") == 0);
}

void
test_createtest(void)
{
    char name[] = "a0";

    for (int i = 0; i < 52; i++) {
        name[1] = (char)('0' + i);
        CHECK(close(open(name, O_CREATE | O_RDWR)) == 0);
    }
    for (int i = 0; i < 52; i++) {
        name[1] = (char)('0' + i);
        CHECK(unlink(name) == 0);
    }
}

/* Two processes write through one descriptor: nothing is lost, nothing torn. */
void
test_sharedfd(void)
{
    enum { N = 1000, SIZE = 10 };
    char text[SIZE];
    int count[2] = {0, 0}, n;
    int fd = open("sharedfd", O_CREATE | O_RDWR);

    CHECK(fd >= 0);
    int pid = fork();
    CHECK(pid >= 0);
    memset(text, pid ? 'p' : 'c', SIZE);
    for (int i = 0; i < N; i++)
        CHECK(write(fd, text, SIZE) == SIZE);
    if (pid == 0)
        exit(0);
    expect_status(0);
    close(fd);
    fd = open("sharedfd", O_RDONLY);
    CHECK(fd >= 0);
    while ((n = read(fd, text, SIZE)) > 0)
        for (int i = 0; i < n; i++) {
            CHECK(text[i] == 'p' || text[i] == 'c');
            count[text[i] == 'c']++;
        }
    CHECK(count[0] == N * SIZE && count[1] == N * SIZE);
    close(fd);
    CHECK(unlink("sharedfd") == 0);
}

static void
write_one_of_four(void *name)
{
    int fd = open(name, O_CREATE | O_RDWR);

    CHECK(fd >= 0);
    memset(buffer, '0' + ((char *)name)[1] - '0', 500);
    for (int i = 0; i < 12; i++)
        CHECK(write(fd, buffer, 500) == 500);
    close(fd);
}

void
test_fourfiles(void)
{
    char *names[] = {"f0", "f1", "f2", "f3"};

    for (int i = 0; i < 4; i++) {
        unlink(names[i]);
        start(write_one_of_four, names[i]);
    }
    for (int i = 0; i < 4; i++)
        expect_status(0);
    for (int i = 0; i < 4; i++) {
        CHECK(count_file(names[i], (char)('0' + i)) == 12 * 500);
        CHECK(unlink(names[i]) == 0);
    }
}

static void
create_and_delete(void *letter)
{
    char name[3] = {*(char *)letter, 0, 0};

    for (int i = 0; i < 20; i++) {
        name[1] = (char)('0' + i);
        CHECK(close(open(name, O_CREATE | O_RDWR)) == 0);
        if (i > 0 && i % 2 == 0) {
            name[1] = (char)('0' + i / 2);
            CHECK(unlink(name) == 0);
        }
    }
}

/* Four processes create and delete in one directory. */
void
test_createdelete(void)
{
    char letters[] = "pqrs";

    for (int i = 0; i < 4; i++)
        start(create_and_delete, &letters[i]);
    for (int i = 0; i < 4; i++)
        expect_status(0);
    for (int i = 0; i < 20; i++)
        for (int l = 0; l < 4; l++) {
            char name[3] = {letters[l], (char)('0' + i), 0};
            int wanted = i == 0 || i >= 10;
            CHECK(exists(name) == wanted);
            CHECK(unlink(name) == (wanted ? 0 : -1));
        }
}

/* A file lives on while it is open, and its name is another's meanwhile. */
void
test_unlinkread(void)
{
    int old = open("unlinkread", O_CREATE | O_RDWR);

    CHECK(old >= 0 && write(old, "hello", 5) == 5);
    close(old);
    old = open("unlinkread", O_RDWR);
    CHECK(old >= 0 && unlink("unlinkread") == 0);
    int new = open("unlinkread", O_CREATE | O_RDWR);
    CHECK(new >= 0 && write(new, "yyy", 3) == 3);
    close(new);
    CHECK(read(old, buffer, sizeof(buffer)) == 5 && buffer[0] == 'h');
    CHECK(write(old, buffer, 10) == 10);
    close(old);
    CHECK(unlink("unlinkread") == 0);
}

void
test_bigwrite(void)
{
    for (int size = 499; size < (int)sizeof(buffer); size += 471) {
        int fd = open("bigwrite", O_CREATE | O_RDWR);
        CHECK(fd >= 0);
        CHECK(write(fd, buffer, size) == size && write(fd, buffer, size) == size);
        close(fd);
        CHECK(unlink("bigwrite") == 0);
    }
}

void
test_bigfile(void)
{
    enum { N = 20, SIZE = 600 };
    int fd = open("bigfile", O_CREATE | O_RDWR), n, total = 0;

    CHECK(fd >= 0);
    for (int i = 0; i < N; i++) {
        memset(buffer, i, SIZE);
        CHECK(write(fd, buffer, SIZE) == SIZE);
    }
    close(fd);
    fd = open("bigfile", O_RDONLY);
    CHECK(fd >= 0);
    for (int i = 0; (n = read(fd, buffer, SIZE / 2)) > 0; i++) {
        CHECK(n == SIZE / 2 && buffer[0] == i / 2 && buffer[n - 1] == i / 2);
        total += n;
    }
    CHECK(total == N * SIZE);
    close(fd);
    CHECK(unlink("bigfile") == 0);
}

static void
write_again_and_again(void *name)
{
    for (int i = 0; i < 30; i++) {
        for (int j = 0; j <= (((char *)name)[1] - 'a') % 4; j++) {
            int fd = open(name, O_CREATE | O_RDWR);
            CHECK(fd >= 0 && write(fd, buffer, sizeof(buffer)) == (int)sizeof(buffer));
            close(fd);
        }
        CHECK(unlink(name) == 0);
    }
}

void
test_manywrites(void)
{
    char *names[] = {"ba", "bb", "bc", "bd"};

    for (int i = 0; i < 4; i++)
        start(write_again_and_again, names[i]);
    for (int i = 0; i < 4; i++)
        expect_status(0);
}

/* Write until the disk is full, or 96 MiB of it. Nothing breaks, all comes back. */
void
test_diskfull(void)
{
    enum { FILES = 96, BYTES = 1 << 20 };
    char name[] = "big0";
    int n = 0, full = 0;

    for (; n < FILES && !full; n++) {
        name[3] = (char)('!' + n);
        if (name[3] == '/')
            continue;
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        if (fd < 0)
            break;
        for (int i = 0; i < BYTES / BSIZE && !full; i++)
            full = write(fd, buffer, BSIZE) != BSIZE;
        close(fd);
    }
    if (full && mkdir("directory") == 0)
        CHECK(unlink("directory") == 0);
    while (n-- > 0) {
        name[3] = (char)('!' + n);
        CHECK(name[3] == '/' || unlink(name) == 0);
    }
    make_file("small", 'x', 1000);
    CHECK(count_file("small", 'x') == 1000 && unlink("small") == 0);
}
