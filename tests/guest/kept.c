/*
 * What the kernel keeps for a user, and what limits it: pipes' pages, open
 * files, watches of epolls and the paths between them, POSIX timers, names and
 * links in a tmpfs, texts of /proc. The limits are set low by root, and met by a child of another
 * user.
 */
#include "tap.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#define USER 4711

static long
knob_get(const char *path)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        tap_fails(-1, 0, __FILE__, __LINE__, path);
    close(fd);
    return atol(text);
}

static int
knob_set(const char *path, long value)
{
    char text[32];
    int fd = open(path, O_WRONLY), n = sprintf(text, "%ld\n", value);
    int result = fd < 0 ? -1 : (int)write(fd, text, n);

    close(fd);
    return result == n ? 0 : -1;
}

static void
become_user(void)
{
    works(setresgid(USER, USER, USER));
    works(setresuid(USER, USER, USER));
}

#define MAX_SIZE "/proc/sys/fs/pipe-max-size"
#define SOFT "/proc/sys/fs/pipe-user-pages-soft"
#define HARD "/proc/sys/fs/pipe-user-pages-hard"

static void
pipes_as_user(void)
{
    int ends[8][2];

    become_user();
    for (int i = 0; i < 4; i++) {
        works(pipe(ends[i]));
        is(fcntl(ends[i][0], F_GETPIPE_SZ), 16 * PAGE);
    }
    /* The soft limit is met: pipes are small now, and none can grow. */
    works(pipe(ends[4]));
    is(fcntl(ends[4][0], F_GETPIPE_SZ), 2 * PAGE);
    fails(fcntl(ends[4][1], F_SETPIPE_SZ, 16 * PAGE), EPERM);
    fails(fcntl(ends[0][1], F_SETPIPE_SZ, 32 * PAGE), EPERM);
    is(fcntl(ends[0][1], F_SETPIPE_SZ, 2 * PAGE), 2 * PAGE);
    is(fcntl(ends[0][1], F_SETPIPE_SZ, 4 * PAGE), 4 * PAGE);
    /* 4 + 3 * 16 + 2 pages: one of 16 fits no more, two of 2 do. Then the hard limit is met. */
    is(fcntl(ends[4][1], F_SETPIPE_SZ, 8 * PAGE), 8 * PAGE);
    works(pipe(ends[5]));
    is(fcntl(ends[5][0], F_GETPIPE_SZ), 2 * PAGE);
    is(fcntl(ends[5][0], F_SETPIPE_SZ, 1), PAGE);
    is(fcntl(ends[0][0], F_SETPIPE_SZ, 2 * PAGE), 2 * PAGE);
    is(fcntl(ends[0][0], F_SETPIPE_SZ, 4 * PAGE), 4 * PAGE);
    works(pipe(ends[6]));
    works(pipe(ends[7]));
    int more[2];
    int n = 0;
    while (n < 20 && pipe(more) == 0)
        n++;
    ok(n < 4 && errno == ENFILE, "the hard limit: ENFILE after %d more", n);
    fails(mkfifo("/proc/none", 0600), ENOENT);
    close(ends[1][0]);
    close(ends[1][1]);
    works(pipe(more));
    is(fcntl(more[0], F_GETPIPE_SZ), 2 * PAGE);
}

static void
test_pipes(void)
{
    long size = knob_get(MAX_SIZE), soft = knob_get(SOFT), hard = knob_get(HARD);
    int ends[2];

    is(size, 1 << 20);
    is(soft, 16384);
    is(hard, 0);
    works(knob_set(MAX_SIZE, 5000));
    is(knob_get(MAX_SIZE), 8192);
    fails(knob_set(MAX_SIZE, -1), EINVAL);
    works(knob_set(MAX_SIZE, size));
    works(knob_set(SOFT, 64));
    works(knob_set(HARD, 70));
    tap_child(pipes_as_user);
    /* Root is above it. */
    for (int i = 0; i < 6; i++) {
        works(pipe(ends));
        is(fcntl(ends[0], F_GETPIPE_SZ), 16 * PAGE);
        close(ends[0]);
        close(ends[1]);
    }
    works(knob_set(SOFT, soft));
    works(knob_set(HARD, hard));
}

#define FILE_MAX "/proc/sys/fs/file-max"
#define FILE_NR "/proc/sys/fs/file-nr"

static void
files_as_user(void)
{
    int fds[900], n = 0;

    become_user();
    while (n < 900 && (fds[n] = eventfd(0, 0)) >= 0)
        n++;
    ok(n < 900 && errno == ENFILE, "eventfd: ENFILE after %d", n);
    fails(open("/", O_RDONLY), ENFILE);
    int ends[2];
    fails(pipe(ends), ENFILE);
    fails(epoll_create1(0), ENFILE);
    /* What is closed can be opened again. */
    for (int i = 0; i < n; i++)
        close(fds[i]);
    works(open("/", O_RDONLY));
}

static void
test_files(void)
{
    long most = knob_get(FILE_MAX);

    ok(most >= 8192, "file-max: %ld", most);
    works(knob_set(FILE_MAX, knob_get(FILE_NR) + 300));
    tap_child(files_as_user);
    works(knob_set(FILE_MAX, 1));
    works(close(eventfd(0, 0))); /* CAP_SYS_ADMIN */
    works(knob_set(FILE_MAX, most));
    is(knob_get(FILE_MAX), most);
}

static int
watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

#define WATCHES "/proc/sys/fs/epoll/max_user_watches"

static void
watches_as_user(void)
{
    int epoll = epoll_create1(0), other = epoll_create1(0), fds[11];

    become_user();
    /* The epolls' user counts, which is root. */
    works(watch(epoll, eventfd(0, 0)));
    close(epoll);
    close(other);
    epoll = epoll_create1(0);
    other = epoll_create1(0);
    for (int i = 0; i < 11; i++)
        fds[i] = eventfd(0, 0);
    for (int i = 0; i < 10; i++)
        works(watch(i % 2 ? epoll : other, fds[i]));
    fails(watch(epoll, fds[10]), ENOSPC);
    fails(watch(other, fds[10]), ENOSPC);
    works(epoll_ctl(other, EPOLL_CTL_DEL, fds[0], NULL));
    works(watch(epoll, fds[10]));
    fails(watch(epoll, fds[0]), ENOSPC);
    close(fds[10]); /* the item goes with the file */
    works(watch(epoll, fds[0]));
    fails(watch(other, fds[0]), ENOSPC);
    close(epoll);
    works(watch(other, fds[0]));
}

static void
test_watches(void)
{
    long most = knob_get(WATCHES);

    ok(most > 1000, "max_user_watches: %ld", most);
    works(knob_set(WATCHES, 10));
    tap_child(watches_as_user);
    works(knob_set(WATCHES, most));
}

/* 500 paths of two steps may lead up from a file, and no more. */
static void
test_paths(void)
{
    int event = eventfd(0, 0), other = eventfd(0, 0), low[25], top[21];
    int made = 0, refused = 0;

    for (int i = 0; i < 25; i++)
        works(watch(low[i] = epoll_create1(0), event));
    for (int i = 0; i < 21; i++)
        top[i] = epoll_create1(0);
    for (int i = 0; i < 21; i++)
        for (int j = 0; j < 25; j++) {
            if (watch(top[i], low[j]) == 0)
                made++;
            else if (errno == EINVAL)
                refused++;
        }
    is(made, 500);
    is(refused, 25);
    /* The same for a file that comes last. */
    for (int j = 0; j < 25; j++)
        works(watch(low[j], other));
    int one_more = epoll_create1(0);
    works(watch(one_more, other));
    fails(watch(top[20], one_more), EINVAL);
    /* A watch that goes makes room. */
    works(epoll_ctl(top[0], EPOLL_CTL_DEL, low[0], NULL));
    works(watch(top[20], one_more));
    fails(watch(top[20], low[1]), EINVAL);

    /* Wakes still arrive. */
    struct epoll_event got;
    eventfd_write(event, 1);
    is(epoll_wait(top[7], &got, 1, 0), 1);
    for (int i = 0; i < 25; i++)
        close(low[i]);
    for (int i = 0; i < 21; i++)
        close(top[i]);
}

/* Five epolls in a row above a file, and not six. */
static void
test_long_paths(void)
{
    int chain[6], event = eventfd(0, 0);

    for (int i = 0; i < 6; i++)
        chain[i] = epoll_create1(0);
    for (int i = 1; i < 5; i++)
        works(watch(chain[i], chain[i - 1]));
    works(watch(chain[0], event));
    ok(watch(chain[5], chain[4]) < 0 && (errno == EINVAL || errno == ELOOP), "a path of six");
    for (int i = 0; i < 6; i++)
        close(chain[i]);
    close(event);
}

static void
timers_as_user(void)
{
    struct rlimit limit = { 5, 5 };
    struct sigevent silent = { .sigev_notify = SIGEV_NONE };
    timer_t timers[5], more;

    become_user();
    works(setrlimit(RLIMIT_SIGPENDING, &limit));
    for (int i = 0; i < 5; i++)
        works(timer_create(CLOCK_MONOTONIC, i % 2 ? &silent : NULL, &timers[i]));
    fails(timer_create(CLOCK_MONOTONIC, NULL, &more), EAGAIN);
    /* Signals that wait count with them; only those of the kernel or below SIGRTMIN are exempt. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    union sigval value = { .sival_int = 1 };
    fails(sigqueue(getpid(), SIGRTMIN, value), EAGAIN);
    works(timer_delete(timers[0]));
    works(sigqueue(getpid(), SIGRTMIN, value));
    fails(timer_create(CLOCK_MONOTONIC, NULL, &more), EAGAIN);
}

static long
inodes_free(void)
{
    struct statfs st;

    return statfs("lim", &st) == 0 ? (long)st.f_ffree : -1;
}

static long
blocks_free(void)
{
    struct statfs st;

    return statfs("lim", &st) == 0 ? (long)st.f_bfree : -1;
}

/* A file system of 100 inodes and 64 pages: further names and long links count, too. */
static void
test_names(void)
{
    char name[32], text[4000];
    struct stat st;
    int n;

    mkdir("lim", 0755);
    works(mount("lim", "lim", "tmpfs", 0, "size=256k,nr_inodes=100"));
    works(close(open("lim/file", O_CREAT | O_WRONLY, 0600)));
    is(inodes_free(), 98);
    for (n = 0; n < 200; n++) {
        sprintf(name, "lim/%d", n);
        if (link("lim/file", name))
            break;
    }
    ok(n == 98 && errno == ENOSPC, "%d links", n);
    works(rename("lim/1", "lim/2-new"));
    is(inodes_free(), 0);
    works(unlink("lim/3"));
    is(inodes_free(), 1);
    works(link("lim/file", "lim/3"));
    works(rename("lim/3", "lim/4")); /* names of one file: nothing happens */
    is(inodes_free(), 0);
    for (int i = 0; i < n; i++) {
        sprintf(name, "lim/%d", i);
        unlink(name);
    }
    works(unlink("lim/2-new"));
    works(unlink("lim/file"));
    is(inodes_free(), 99);
    int fd = open("lim", O_TMPFILE | O_RDWR, 0600);
    works(fd);
    is(inodes_free(), 98);
    sprintf(name, "/proc/self/fd/%d", fd);
    works(linkat(AT_FDCWD, name, AT_FDCWD, "lim/named", AT_SYMLINK_FOLLOW));
    is(inodes_free(), 98);
    close(fd);
    works(unlink("lim/named"));
    is(inodes_free(), 99);

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (n = 0; n < 90; n++) {
        sprintf(name, "lim/%d", n);
        if (symlink(text, name))
            break;
    }
    ok(n == 64 && errno == ENOSPC, "%d long links", n);
    is(blocks_free(), 0);
    works(symlink("short", "lim/short"));
    is(lstat("lim/0", &st), 0);
    is(st.st_size, 3999);
    works(unlink("lim/0"));
    is(blocks_free(), 1);
    works(symlink(text, "lim/0"));
    works(unlink("lim/0"));

    /* What a fallocate() that fails took is given back. */
    fd = open("lim/space", O_CREAT | O_RDWR, 0600);
    fails(fallocate(fd, 0, 0, 65 * PAGE), ENOSPC);
    is(blocks_free(), 1);
    works(fallocate(fd, 0, 0, PAGE));
    is(blocks_free(), 0);
    close(fd);
    works(umount("lim"));
}

/* More than there can be: refused or killed in the middle, and all of it comes back. */
static void
test_fallocate(void)
{
    int fd = memfd_create("large", 0);
    struct stat st;

    works(pwrite(fd, "x", 1, PAGE));
    pid_t pid = tap_fork();
    if (pid == 0) {
        fallocate(fd, 0, 0, 600L << 20);
        for (;;)
            pause();
    }
    sleep_ms(5);
    kill(pid, SIGKILL);
    is(tap_wait(pid), SIGKILL);
    is(ftruncate(fd, 2 * PAGE), 0);
    is(fstat(fd, &st), 0);
    ok(st.st_blocks <= 16, "%ld blocks", (long)st.st_blocks);
    char c = 0;
    is(pread(fd, &c, 1, PAGE), 1);
    is(c, 'x');
    close(fd);
}

#define MAPS "/proc/sys/vm/max_map_count"
#define NR_OPEN "/proc/sys/fs/nr_open"

static void
test_other_knobs(void)
{
    long maps = knob_get(MAPS), most = knob_get(NR_OPEN);
    struct rlimit limit;
    int n = 0;

    is(maps, 65530);
    works(knob_set(MAPS, 100));
    void *p[200];
    while (n < 200 && (p[n] = mmap(NULL, PAGE, n % 2 ? PROT_READ : PROT_NONE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
        n++;
    ok(n > 50 && n < 110 && errno == ENOMEM, "ENOMEM after %d regions", n);
    while (n > 0)
        munmap(p[--n], PAGE);
    works(knob_set(MAPS, maps));

    is(most, 1048576);
    works(knob_set(NR_OPEN, 8192));
    works(getrlimit(RLIMIT_NOFILE, &limit));
    struct rlimit more = { 100, 8193 };
    fails(setrlimit(RLIMIT_NOFILE, &more), EPERM);
    more.rlim_max = 8192;
    works(setrlimit(RLIMIT_NOFILE, &more));
    works(setrlimit(RLIMIT_NOFILE, &limit));
    works(knob_set(NR_OPEN, most));
}

#define NTEXTS 800
#define NREGIONS 3000

/* MemFree of /proc/meminfo, in KiB. */
static long
memory_free(void)
{
    char text[4096] = "";
    int fd = open("/proc/meminfo", O_RDONLY);

    works(read(fd, text, sizeof(text) - 1));
    close(fd);
    const char *at = strstr(text, "MemFree:");
    return at ? atol(at + strlen("MemFree:")) : 0;
}

/* Descriptors of a file of /proc whose text is long, each read a little: what they keep is bounded. */
static void
keep_texts(const char *path)
{
    static int fds[NTEXTS];
    int nread = 0;
    char c;
    long before = memory_free();

    for (int i = 0; i < NTEXTS; i++) {
        fds[i] = open(path, O_RDONLY);
        nread += read(fds[i], &c, 1) == 1;
    }
    long kept = before - memory_free();
    is(nread, NTEXTS);
    ok(kept < 64 * 1024, "%d open files of %s keep %ld KiB", NTEXTS, path, kept);
    for (int i = 0; i < NTEXTS; i++)
        close(fds[i]);
}

/* The text is longer than any buffer of the kernel's: it comes whole all the same, and can be sought in. */
static void
read_long_text(const char *path, const char *wanted, int nwanted)
{
    static char text[16 << 20], again[5000];
    size_t length = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY), found = 0;

    while (length < sizeof(text) - 1 && (n = read(fd, text + length, 100000)) > 0)
        length += (size_t)n;
    for (const char *at = text; (at = strstr(at, wanted)); at++)
        found++;
    is(found, nwanted);
    n = pread(fd, again, sizeof(again), (off_t)length / 2);
    ok(n > 0 && memcmp(again, text + length / 2, (size_t)n) == 0, "the same in the middle");
    is(pread(fd, again, 1, (off_t)length), 0);
    close(fd);
}

static void
texts_as_user(void)
{
    static char path[4000];
    char name[201];

    become_user();
    works(prctl(PR_SET_DUMPABLE, 1));
    memset(name, 'n', 200);
    name[200] = '\0';
    while (strlen(path) < 3000) {
        works(mkdir(name, 0777));
        works(chdir(name));
        strcat(path, name);
    }
    int fd = open("the-file", O_RDWR | O_CREAT, 0600);
    is(ftruncate(fd, 2 * NREGIONS * PAGE), 0);
    for (int i = 0; i < NREGIONS; i++)
        if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * i * (off_t)PAGE) == MAP_FAILED)
            tap_fails(-1, 0, __FILE__, __LINE__, "mmap");
    keep_texts("/proc/self/maps");
    read_long_text("/proc/self/maps", "/the-file\n", NREGIONS);
}

/* This program again, with much environment. */
static void
environment_as_user(void)
{
    static char big[100000];
    char *argv[] = {"kept", "environ", NULL}, *envp[12];

    memset(big, 'e', sizeof(big) - 1);
    for (size_t i = 0; i < ARRAY_LEN(envp) - 1; i++)
        envp[i] = big;
    envp[ARRAY_LEN(envp) - 1] = NULL;
    become_user();
    execve("/proc/self/exe", argv, envp);
    works(-1);
}

static void
read_environment(void)
{
    static char text[2000000];
    int fd = open("/proc/self/environ", O_RDONLY);

    is(read(fd, text, sizeof(text)), 11 * 100000);
    is(text[1099998], 'e');
    is(pread(fd, text, 10, 1099995), 5);
    close(fd);
    keep_texts("/proc/self/environ");
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "environ") == 0) {
        alarm(TAP_SECONDS);
        read_environment();
        return tap_failures != 0;
    }
    tap_begin("kept");
    test_pipes();
    test_files();
    test_watches();
    test_paths();
    test_long_paths();
    test_other_knobs();
    test_names();
    test_fallocate();
    tap_child(timers_as_user);
    chmod(".", 0777);
    mkdir("texts", 0777);
    chmod("texts", 0777);
    chdir("texts");
    tap_child(texts_as_user);
    chdir("..");
    pid_t pid = tap_fork();
    if (pid == 0)
        environment_as_user();
    is(tap_wait(pid), 0);
    return tap_end();
}
