/*
 * mmap of files: private and shared, the same pages as read and write see,
 * lengths, rights, and life after close and unlink.
 */
#include "tap.h"
#include <setjmp.h>

#define RW (PROT_READ | PROT_WRITE)

static sigjmp_buf back;

static void
on_fault(int number)
{
    siglongjmp(back, number);
}

static int
touch(volatile char *p, int write)
{
    int number = sigsetjmp(back, 1);

    if (number)
        return number;
    if (write)
        *p = *p + 1;
    else
        (void)*p;
    return 0;
}

#define fails_map(call, error) \
    (errno = 0, tap_fails((call) == MAP_FAILED ? -1 : 0, error, __FILE__, \
                          __LINE__, #call))

static char buffer[8 * 4096];

/* A file of n pages, each byte the number of its page plus 1. */
static int
paged_file(const char *path, int n)
{
    for (size_t i = 0; i < n * PAGE; i++)
        buffer[i] = i / PAGE + 1;
    put_file(path, buffer, n * PAGE, 0644);
    return open(path, O_RDWR);
}

static void
test_shared(void)
{
    int fd = paged_file("shared", 4);
    char c;
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);

    ok(p[0] == 1 && p[3 * PAGE] == 4 && q[0] == 3, "the file is seen");
    p[2 * PAGE + 5] = 77;
    is(q[5], 77);
    is(pread(fd, &c, 1, 2 * PAGE + 5), 1);
    is(c, 77);
    c = 88;
    is(pwrite(fd, &c, 1, 2 * PAGE + 6), 1);
    ok(p[2 * PAGE + 6] == 88 && q[6] == 88, "writes by call are seen at once");
    pid_t pid = tap_fork();
    if (pid == 0) {
        p[100] = 99;
        _exit(p[0] != 1);
    }
    is(tap_wait(pid), 0);
    is(p[100], 99);
    is(msync(p, 4 * PAGE, MS_SYNC), 0);
    is(msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE), 0);
    fails(msync(p + 1, PAGE, MS_SYNC), EINVAL);
    fails(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    fails(msync(p, PAGE, 64), EINVAL);
    fails(msync(hole(), PAGE, MS_SYNC), ENOMEM);
    is(munmap(p, 4 * PAGE), 0);
    is(munmap(q, 2 * PAGE), 0);
    is(pread(fd, &c, 1, 100), 1);
    is(c, 99);
    close(fd);
}

static void
test_private(void)
{
    int fd = paged_file("private", 4);
    char c;
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    char *q = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);

    p[0] = 50;
    ok(q[0] == 1, "a private write is private");
    pread(fd, &c, 1, 0);
    is(c, 1);
    c = 60;
    pwrite(fd, &c, 1, PAGE);
    ok(p[PAGE] == 60, "an untouched page still follows the file");
    pwrite(fd, &c, 1, 1);
    ok(p[1] == 1 && p[0] == 50, "a copied one does not");
    pid_t pid = tap_fork();
    if (pid == 0) {
        int good = p[0] == 50 && q[0] == 1;
        p[0] = 51;
        q[0] = 52;
        p[2 * PAGE] = 53;
        _exit(!good);
    }
    is(tap_wait(pid), 0);
    ok(p[0] == 50 && q[0] == 1 && p[2 * PAGE] == 3, "nor does a child's");
    is(madvise(p, PAGE, MADV_DONTNEED), 0);
    is(p[0], 1);
    munmap(p, 4 * PAGE);
    munmap(q, 4 * PAGE);
    close(fd);
}

static void
test_lifetime(void)
{
    int fd = paged_file("gone", 2);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);

    close(fd);
    unlink("gone");
    ok(p[0] == 1 && q[0] == 2, "mappings outlive the descriptor and name");
    p[PAGE] = 9;
    is(q[0], 9);
    is(touch(q + PAGE, 0), SIGBUS);
    munmap(p, 2 * PAGE);
    is(q[0], 9);
    munmap(q, 2 * PAGE);
}

static void
test_length(void)
{
    int fd = paged_file("length", 2);

    ftruncate(fd, PAGE + 10);
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    is(p[PAGE + 9], 2);
    is(p[PAGE + 10], 0);
    is(touch(p + 2 * PAGE - 1, 1), 0);
    is(touch(p + 2 * PAGE, 0), SIGBUS);
    is(touch(p + 3 * PAGE, 1), SIGBUS);
    ftruncate(fd, 3 * PAGE + 1);
    is(touch(p + 2 * PAGE, 0), 0);
    is(touch(p + 3 * PAGE, 1), 0);
    is(p[2 * PAGE], 0);
    memset(p, 5, 4 * PAGE);
    ftruncate(fd, 100);
    is(touch(p + PAGE, 0), SIGBUS);
    is(p[99], 5);
    is(p[100], 0);                      /* the cut-off tail is cleared */
    ftruncate(fd, 2 * PAGE);
    is(p[PAGE], 0);
    munmap(p, 4 * PAGE);

    /* Private copies of pages that are cut off go as well. */
    p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    p[PAGE] = 1;
    ftruncate(fd, PAGE);
    is(touch(p + PAGE, 0), SIGBUS);
    munmap(p, 2 * PAGE);
    /* A mapping wholly beyond the end may be made. */
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100 * PAGE);
    ok(p != MAP_FAILED && touch(p, 0) == SIGBUS, "beyond the end: SIGBUS");
    munmap(p, PAGE);
    close(fd);
}

static void
test_rights(void)
{
    int rw = paged_file("rights", 1), ro = open("rights", O_RDONLY),
        wo = open("rights", O_WRONLY), path = open("rights", O_PATH),
        dir = open(".", O_RDONLY), fd[2];
    char *p;

    fails_map(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0), EACCES);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0), EACCES);
    fails_map(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
    pipe(fd);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd[0], 0), ENODEV);
    fails_map((void *)syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, rw, 10),
              EINVAL);
    fails_map(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rw, -PAGE), EOVERFLOW);
    p = mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0);
    ok(p != MAP_FAILED, "private and writable needs only reading");
    munmap(p, PAGE);
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    fails(mprotect(p, PAGE, RW), EACCES);
    is(touch(p, 1), SIGSEGV);
    munmap(p, PAGE);
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rw, 0);
    is(touch(p, 1), SIGSEGV);
    is(mprotect(p, PAGE, RW), 0);
    is(touch(p, 1), 0);
    munmap(p, PAGE);
    close(rw);
    close(ro);
    close(wo);
    close(path);
    close(dir);
    close(fd[0]);
    close(fd[1]);
}

static void
test_devices(void)
{
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, zero, 0);

    ok(p != MAP_FAILED && p[0] == 0 && touch(p, 1) == 0, "/dev/zero, private");
    munmap(p, 2 * PAGE);
    p = mmap(NULL, PAGE, RW, MAP_SHARED, zero, 0);
    ok(p != MAP_FAILED, "/dev/zero, shared");
    pid_t pid = tap_fork();
    if (pid == 0) {
        *p = 3;
        _exit(0);
    }
    tap_wait(pid);
    is(*p, 3);
    munmap(p, PAGE);
    fails_map(mmap(NULL, PAGE, RW, MAP_PRIVATE, null, 0), ENODEV);
    close(zero);
    close(null);
}

/* Remapping and splitting of file mappings keep the offsets right. */
static void
test_offsets(void)
{
    int fd = paged_file("offsets", 8);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);

    ok(p[0] == 3 && p[3 * PAGE] == 6, "from the third page");
    munmap(p + PAGE, PAGE);
    ok(p[0] == 3 && p[2 * PAGE] == 5, "after a hole was cut");
    char *q = mremap(p + 2 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    ok(q != MAP_FAILED && q[0] == 5 && q[PAGE] == 6 && q[2 * PAGE] == 7 &&
       q[3 * PAGE] == 8, "grown, it shows more of the file");
    char line[256], want[64];
    snprintf(want, sizeof(want), "%08lx-%08lx r--s %08lx", (long)q,
             (long)q + 4 * PAGE, 4 * PAGE);
    FILE *f = fopen("/proc/self/maps", "r");
    int found = 0;
    while (fgets(line, sizeof(line), f))
        found += !strncmp(line, want, strlen(want)) &&
                 strstr(line, "/offsets\n") != NULL;
    fclose(f);
    ok(found == 1, "maps has the line %s", want);
    munmap(q, 4 * PAGE);
    munmap(p, PAGE);
    /* Calls may read a file into its own mapping, and write from it. */
    p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0);
    is(pread(fd, p + 4 * PAGE, 2 * PAGE, 0), 2 * PAGE);
    ok(p[4 * PAGE] == 1 && p[5 * PAGE] == 2, "read into its own pages");
    is(pwrite(fd, p, 2 * PAGE, 6 * PAGE), 2 * PAGE);
    ok(p[6 * PAGE] == 1 && p[7 * PAGE] == 2, "written from its own pages");
    munmap(p, 8 * PAGE);
    close(fd);
}

/* A hole takes what the file had, not what a private mapping has written; truncation takes both. */
static void
test_punch(void)
{
    int fd = paged_file("punched", 6);
    char *p = mmap(NULL, 6 * PAGE, RW, MAP_PRIVATE, fd, 0);
    char *s = mmap(NULL, 6 * PAGE, RW, MAP_SHARED, fd, 0);

    p[PAGE] = 'P';
    s[3 * PAGE] = 'S';
    p[4 * PAGE] = 'Q';
    ok(p[2 * PAGE] == 3, "a page that is only read");
    is(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE + 100), 0);
    ok(p[PAGE] == 'P' && p[PAGE + 1] == 2, "a private page that was written stays");
    ok(p[2 * PAGE] == 0 && s[3 * PAGE] == 0, "what was only read, and what is shared, is a hole");
    ok(p[4 * PAGE] == 'Q' && p[4 * PAGE + 50] == 5 && s[4 * PAGE + 50] == 0 && s[4 * PAGE + 100] == 5,
       "part of a page");
    is(ftruncate(fd, PAGE), 0);
    ok(touch(p + PAGE, 0) == SIGBUS && touch(s + 3 * PAGE, 0) == SIGBUS, "truncation takes all");
    munmap(p, 6 * PAGE);
    munmap(s, 6 * PAGE);
    close(fd);
}

static int
another_user_asks(void)
{
    unsigned char pages[4] = {0};
    char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, open("holes", O_RDONLY), 0);

    if (setuid(1000) != 0 || p == MAP_FAILED || mincore(p, 4 * PAGE, pages) != 0)
        return 1;
    return memcmp(pages, "\1\1\1\1", 4) == 0 ? 0 : 2;
}

/* Which of a file's pages are in memory is told to those who could write to it. */
static void
test_incore(void)
{
    unsigned char pages[4] = {0};
    int fd = open("holes", O_CREAT | O_RDWR, 0644);

    works(ftruncate(fd, 4 * PAGE));
    is(pwrite(fd, "x", 1, 2 * PAGE), 1);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    works(mincore(p, 4 * PAGE, pages));
    ok(memcmp(pages, "\0\0\1\0", 4) == 0, "the owner hears what is in memory");
    is(tap_status_of(another_user_asks), 0);
    munmap(p, 4 * PAGE);
    close(fd);
    unlink("holes");
}

int
main(void)
{
    tap_begin("mapfile");
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    test_shared();
    test_private();
    test_lifetime();
    test_length();
    test_rights();
    test_devices();
    test_offsets();
    test_punch();
    test_incore();
    return tap_end();
}
