/*
 * Reading files of /proc that may have any length: in pieces of any size, at any position, while
 * what they tell of changes, by threads that share a descriptor; what a descriptor holds in the
 * meantime; and the end of a reader.
 */
#include "tap.h"
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>

#define MANY 15000 /* with long names: together more than 4 MiB */
#define SOME 500
#define LONGEST (8u << 20)

static char *whole, *again; /* LONGEST each */
static int memory, named;   /* memfds of one page; this has a long name */

/* Read fd to its end in pieces. The length, or -1. */
static ssize_t
read_pieces(int fd, char *to, size_t piece)
{
    size_t n = 0;
    ssize_t got = 0;

    while (n + piece <= LONGEST && (got = read(fd, to + n, piece)) > 0)
        n += (size_t)got;
    return got ? -1 : (ssize_t)n;
}

static ssize_t
read_path(const char *path, char *to, size_t piece)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read_pieces(fd, to, piece);

    close(fd);
    return n;
}

static size_t
count(const char *text, size_t length, char c)
{
    size_t n = 0;

    while (length--)
        n += *text++ == c;
    return n;
}

/* n mappings of fd's page, side by side, which are n regions. */
static char *
map_many(size_t n, int fd)
{
    char *base = mmap(NULL, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (size_t i = 0; i < n; i++)
        if (mmap(base + i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
            return NULL;
    return base;
}

static void
same_in_pieces(const char *path, const size_t *sizes, size_t nsizes)
{
    ssize_t length = read_path(path, whole, 65536);

    ok(length > 0, "%s can be read", path);
    for (size_t i = 0; i < nsizes; i++) {
        ssize_t n = read_path(path, again, sizes[i]);
        ok(n == length && !memcmp(whole, again, (size_t)length), "%s by %zu bytes is the same",
           path, sizes[i]);
    }
}

static void
test_pieces(void)
{
    static const size_t all[] = {1, 7, 100, 4096, 65536}, large[] = {1000, 4096};
    char *base = map_many(SOME, memory);

    ok(base, "%d regions", SOME);
    same_in_pieces("/proc/self/maps", all, ARRAY_LEN(all));
    munmap(base, SOME * PAGE);
    base = map_many(MANY, named);
    ok(base, "%d regions", MANY);
    same_in_pieces("/proc/self/maps", large, ARRAY_LEN(large));
    ok(strlen(whole) > 4 << 20 && count(whole, strlen(whole), '\n') > MANY,
       "a line for each region, more than 4 MiB");
    munmap(base, MANY * PAGE);
}

static void
test_positions(void)
{
    char *base = map_many(SOME, memory), buf[3000];
    ssize_t length = read_path("/proc/self/maps", whole, 65536);
    int fd = open("/proc/self/maps", O_RDONLY), nbad = 0;

    for (int i = 0; i < 40; i++) {
        off_t at = (off_t)((unsigned)i * 2654435761u % (unsigned)(length - 3000));
        ssize_t n = pread(fd, buf, 1 + (size_t)i * 70, at);
        nbad += n <= 0 || memcmp(buf, whole + at, (size_t)n);
    }
    is(nbad, 0);
    is(read(fd, buf, 10), 10);
    ok(!memcmp(buf, whole, 10), "pread leaves the position alone");
    is(lseek(fd, 12345, SEEK_SET), 12345);
    is(read(fd, buf, 100), 100);
    ok(!memcmp(buf, whole + 12345, 100), "lseek goes to a position");
    is(lseek(fd, -50, SEEK_CUR), 12395);
    is(read(fd, buf, 100), 100);
    ok(!memcmp(buf, whole + 12395, 100), "and back");
    is(pread(fd, buf, 100, length), 0);
    is(pread(fd, buf, 100, length + 100000), 0);
    is(pread(fd, buf, 7, length - 7), 7);
    ok(!memcmp(buf, whole + length - 7, 7), "the last bytes");
    is(lseek(fd, 0, SEEK_SET), 0);
    is(read_pieces(fd, again, 1000), length);
    is(read(fd, buf, 100), 0);
    fails(pread(fd, KERNEL_POINTER, 10, 0), EFAULT);
    fails(pread(fd, hole(), 10, 0), EFAULT);
    close(fd);
    munmap(base, SOME * PAGE);
}

static char *playground;
static volatile int stop;

/* Have single pages come and go among others that stay. */
static void *
change(void *arg)
{
    for (unsigned i = 0; !stop; i++) {
        char *at = playground + (i * 7 % SOME) * 2 * PAGE;
        mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, memory, 0);
        mmap(at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (i % 16 == 0)
            sched_yield();
    }
    return arg;
}

/* Every line whole, addresses rising, and each page that stays told of once. */
static int
check_maps(const char *text)
{
    unsigned long start, end, last = 0;
    size_t nstay = 0;
    char rights[5], *newline;

    for (; (newline = strchr(text, '\n')); text = newline + 1) {
        if (sscanf(text, "%lx-%lx %4s", &start, &end, rights) != 3 || start < last ||
            end <= start || strlen(rights) != 4)
            return -1;
        last = end;
        size_t place = (start - (unsigned long)playground) / PAGE;
        nstay += start > (unsigned long)playground && place < 2 * SOME && place % 2;
    }
    return *text || nstay != SOME ? -1 : 0;
}

static void
test_changes(void)
{
    pthread_t thread;
    int nbad = 0;

    playground = mmap(NULL, (2 * SOME + 1) * PAGE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < SOME; i++)
        mmap(playground + (2 * i + 1) * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, memory, 0);
    pthread_create(&thread, NULL, change, NULL);
    for (int i = 0; i < 4; i++) {
        ssize_t n = read_path("/proc/self/maps", whole, i % 2 ? 97 : 4096);
        whole[n < 0 ? 0 : n] = 0;
        nbad += n <= 0 || check_maps(whole);
    }
    stop = 1;
    pthread_join(thread, NULL);
    is(nbad, 0);
    munmap(playground, (2 * SOME + 1) * PAGE);
}

static int shared_fd;
static ssize_t length_of_all;

static void *
read_places(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    char buf[600];
    long nbad = 0;

    for (int i = 0; i < 60; i++) {
        seed = seed * 1103515245 + 12345;
        off_t at = seed % (unsigned)(length_of_all - 600);
        ssize_t n = pread(shared_fd, buf, 1 + seed % 600, at);
        nbad += n <= 0 || memcmp(buf, whole + at, (size_t)n);
    }
    return (void *)nbad;
}

/* Processes, not threads: what a thread maps for itself would be in the text. */
static void
test_readers(void)
{
    char *base = map_many(300, memory);
    pid_t pids[3], subject = tap_fork();

    if (subject == 0)
        for (;;)
            pause();
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)subject);
    length_of_all = read_path(path, whole, 4096);
    shared_fd = open(path, O_RDONLY);
    for (uintptr_t k = 0; k < 3; k++)
        if ((pids[k] = tap_fork()) == 0)
            _exit(read_places((void *)(k + 1)) != NULL);
    for (int k = 0; k < 3; k++)
        is(tap_wait(pids[k]), 0);
    close(shared_fd);
    kill(subject, SIGKILL);
    tap_wait(subject);
    munmap(base, 300 * PAGE);
}

/* Frames that are not free; -1: not on Quire, or not for us. */
static long
frames_used(void)
{
    char line[64];
    long used = 0, value;
    FILE *f = fopen("/proc/frames", "r");

    if (!f)
        return -1;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "%*s %ld", &value) == 1 && strncmp(line, "free ", 5) &&
            strncmp(line, "cached ", 7) && strncmp(line, "total ", 6))
            used += value;
    fclose(f);
    return used;
}

static void
test_descriptors(void)
{
    enum { N = 500 };
    int fds[N], nbad = 0;
    char *base = map_many(SOME, memory), buf[64];
    long before = frames_used();

    for (int i = 0; i < N; i++) {
        fds[i] = open("/proc/self/maps", O_RDONLY);
        nbad += read(fds[i], buf, 1) != 1;
    }
    is(nbad, 0);
    long after = frames_used();
    if (before < 0)
        tap_skip("no /proc/frames");
    else
        ok(after - before < N, "%d descriptors hold less than a page each: %ld", N, after - before);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    munmap(base, SOME * PAGE);
}

static void
test_kill(void)
{
    struct {
        volatile int started;
    } *shared = shared_pages(1);
    char *base = map_many(SOME, memory), buf[16];
    pid_t pid = tap_fork();

    if (pid == 0) {
        int fd = open("/proc/self/maps", O_RDONLY);
        for (;; shared->started = 1)
            pread(fd, buf, sizeof(buf), 1L << 40);
    }
    while (!shared->started)
        sched_yield();
    kill(pid, SIGKILL);
    is(tap_wait(pid), SIGKILL);
    munmap(base, SOME * PAGE);
}

/* A path of newlines, each of which is four letters in maps. */
static void
test_long_line(void)
{
    static const size_t sizes[] = {10, 100, 4096};
    char name[201];
    int depth = 0, fd = -1;

    memset(name, '\n', 200);
    name[200] = 0;
    while (depth < 15 && mkdir(name, 0755) == 0 && chdir(name) == 0)
        depth++;
    is(depth, 15);
    works(fd = open("file", O_RDWR | O_CREAT, 0644));
    ftruncate(fd, PAGE);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    same_in_pieces("/proc/self/maps", sizes, ARRAY_LEN(sizes));
    whole[read_path("/proc/self/maps", whole, 65536)] = 0;
    char *line = strstr(whole, "/\\012\\012");
    ok(line && strcspn(line, "\n") == 15 * 801 + 5, "the line of the long name is whole");
    munmap(p, PAGE);
    close(fd);
    chdir(tap_directory);
}

/* Locks: one for every other byte of a file, and as many by flock() as there are descriptors. */
static void
test_locks(void)
{
    enum { N = 1000 };
    static char seen[2 * N];
    int fd = open("locked", O_RDWR | O_CREAT, 0644), nbad = 0, got = 0;
    struct stat st;
    char key[64];

    fstat(fd, &st);
    for (int i = 0; i < N; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1};
        nbad += fcntl(fd, F_SETLK, &lock) != 0;
    }
    nbad += flock(fd, LOCK_EX) != 0;
    is(nbad, 0);
    ssize_t length = read_path("/proc/locks", whole, 100);
    ok(length > 0, "/proc/locks can be read");
    whole[length > 0 ? length : 0] = 0;
    snprintf(key, sizeof(key), ":%lu ", (unsigned long)st.st_ino);
    for (char *line = strtok(whole, "\n"); line; line = strtok(NULL, "\n")) {
        char *range = strstr(line, key);
        unsigned long start, end;
        if (!strstr(line, " POSIX  ADVISORY  WRITE ") || !range)
            continue;
        if (sscanf(range + strlen(key), "%lu %lu", &start, &end) != 2 || start != end ||
            start >= 2 * N || seen[start]++)
            nbad++;
        got++;
    }
    is(nbad, 0);
    is(got, N);
    close(fd);
}

/* How often a line of text names the mount of each directory m0, m1, ... */
static int
seen_mounts(const char *text, int n)
{
    char name[96];
    int total = 0;

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), " %s/m%d ", tap_directory, i);
        for (const char *at = text; (at = strstr(at, name)); at++)
            total++;
    }
    return total;
}

static void
test_mounts(void)
{
    enum { N = 100 };
    static const size_t sizes[] = {7, 100, 4096};
    char name[16];
    int fd, nbad = 0;
    size_t n = 0;

    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        nbad += mkdir(name, 0755) || mount("none", name, "tmpfs", 0, NULL);
    }
    is(nbad, 0);
    same_in_pieces("/proc/self/mountinfo", sizes, ARRAY_LEN(sizes));
    same_in_pieces("/proc/self/mounts", sizes, ARRAY_LEN(sizes));
    whole[read_path("/proc/self/mountinfo", whole, 100)] = 0;
    is(seen_mounts(whole, N), N);

    /* Every other one goes while the text is read. */
    fd = open("/proc/self/mounts", O_RDONLY);
    for (int i = 0; i < N; i++) {
        ssize_t got = read(fd, whole + n, 20);
        n += got > 0 ? (size_t)got : 0;
        snprintf(name, sizeof(name), "m%d", i);
        nbad += i % 2 == 0 && umount(name);
    }
    n += (size_t)read_pieces(fd, whole + n, 20);
    whole[n] = 0;
    int stayed = 0;
    for (int i = 1; i < N; i += 2) {
        char wanted[96];
        snprintf(wanted, sizeof(wanted), "none %s/m%d tmpfs ", tap_directory, i);
        const char *at = strstr(whole, wanted);
        stayed += at && (at == whole || at[-1] == '\n') && !strstr(at + 1, wanted);
    }
    is(stayed, N / 2);
    for (int i = 1; i < N; i += 2) {
        snprintf(name, sizeof(name), "m%d", i);
        nbad += umount(name) != 0;
    }
    is(nbad, 0);
    close(fd);
}

static void
test_groups(void)
{
    static gid_t groups[65536];

    for (unsigned i = 0; i < ARRAY_LEN(groups); i++)
        groups[i] = 1000000000 + i;
    if (!works(setgroups(ARRAY_LEN(groups), groups)))
        return;
    ssize_t n = read_path("/proc/self/status", whole, 4096);
    whole[n < 0 ? 0 : n] = 0;
    char *line = strstr(whole, "\nGroups:\t");
    size_t length = line ? strcspn(line + 1, "\n") : 0;
    ok(line && count(line + 1, length, ' ') == ARRAY_LEN(groups), "status has all groups");
    ok(line && strstr(line, " 1000065535 \nNStgid:\t"), "up to the last, on one line");
    ok(strstr(whole, "\nnonvoluntary_ctxt_switches:\t"), "and all that comes behind");
    setgroups(0, NULL);
}

#define LONG_STRING 100000 /* less than MAX_ARG_STRLEN */
#define NSTRINGS 13

/* In a program that was started with long strings. */
static int
check_strings(const char *path)
{
    size_t length = NSTRINGS * (LONG_STRING + 1);
    ssize_t n = read_path(path, whole, 65536);
    int fd = open(path, O_RDONLY);
    char buf[5000];
    int nbad = 0;

    ok(n >= (ssize_t)length, "%s has more than a MiB: %zd", path, n);
    ok(read_path(path, again, 999) == n && !memcmp(whole, again, (size_t)n), "by 999 bytes, too");
    for (off_t at = 0; at + 5000 < n; at += 99991)
        nbad += pread(fd, buf, 5000, at) != 5000 || memcmp(buf, whole + at, 5000);
    is(nbad, 0);
    is(pread(fd, buf, 100, n), 0);
    close(fd);
    return tap_failures != 0;
}

static void
test_strings(int arguments)
{
    char *strings[NSTRINGS + 3], *none[] = {NULL};
    char *args[] = {"procread", "--environ", NULL};
    pid_t pid;

    for (int i = 0; i < NSTRINGS; i++) {
        strings[i + 2] = malloc(LONG_STRING + 1);
        memset(strings[i + 2], 'a' + i, LONG_STRING);
        strings[i + 2][LONG_STRING] = 0;
    }
    strings[0] = "procread";
    strings[1] = "--cmdline";
    strings[NSTRINGS + 2] = NULL;
    if ((pid = tap_fork()) == 0) {
        if (arguments)
            execve("/proc/self/exe", strings, none);
        else
            execve("/proc/self/exe", args, strings + 2);
        _exit(99);
    }
    is(tap_wait(pid), 0);
    for (int i = 0; i < NSTRINGS; i++)
        free(strings[i + 2]);
}

int
main(int argc, char **argv)
{
    char name[241];

    whole = pages(LONGEST / PAGE);
    again = pages(LONGEST / PAGE);
    if (argc > 1)
        return check_strings(strcmp(argv[1], "--cmdline") ? "/proc/self/environ"
                                                          : "/proc/self/cmdline");
    tap_begin("procread");
    memory = memfd_create("a-page", MFD_CLOEXEC);
    ftruncate(memory, PAGE);
    memset(name, 'n', 240);
    name[240] = 0;
    named = memfd_create(name, MFD_CLOEXEC);
    ftruncate(named, PAGE);
    test_pieces();
    test_positions();
    test_changes();
    test_readers();
    test_descriptors();
    test_kill();
    test_long_line();
    test_locks();
    test_mounts();
    test_groups();
    test_strings(0);
    test_strings(1);
    return tap_end();
}
