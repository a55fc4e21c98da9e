/*
 * Memory runs out at every allocation of every operation, one after another:
 * quire only, and only in the debug kernel, whose /proc/failalloc makes the
 * Nth allocation from now fail.
 *
 * An operation is done with N = 1, 2, 3 ... until it ends without having met
 * the failing allocation. Until then it may succeed all the same (something
 * else was found to do), or fail with ENOMEM (or what a call gives instead),
 * or the child that does it may be killed; but the machine goes on, and in the
 * end /proc/frames has what it had.
 */
#include "tap.h"
#include "quire.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define MOST 400 /* allocations of one operation */

static int control = -1;

static void
arm(int n)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "%d", n);
    if (write(control, text, length) != length)
        _exit(9);
}

static int
left(void)
{
    char text[16] = "";
    if (pread(control, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return atoi(text);
}

/* The operations: 0, or an errno. */

static int
do_fork(void)
{
    pid_t child = fork();
    if (child < 0)
        return errno;
    if (child == 0)
        _exit(0);
    return waitpid(child, NULL, 0) == child ? 0 : errno;
}

static int
do_exec(void)
{
    pid_t child = vfork();
    if (child < 0)
        return errno;
    if (child == 0) {
        close(2);
        execl("/proc/self/exe", "failalloc", "exit", NULL);
        _exit(errno);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return ENOMEM; /* the C library's start found a call of its own fail */
    return WIFEXITED(status) ? WEXITSTATUS(status) : ENOMEM;
}

static int
do_touch(void)
{
    pid_t child = fork();
    if (child < 0)
        return errno;
    if (child == 0) {
        char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(errno);
        for (int i = 0; i < 64; i++)
            p[i * PAGE] = i;
        if (mprotect(p + 8 * PAGE, 4 * PAGE, PROT_READ) || munmap(p + 20 * PAGE, PAGE))
            _exit(errno);
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ENOMEM;
}

static int
do_files(void)
{
    int error = 0;
    int fd = open("file", O_CREAT | O_RDWR, 0600);
    if (fd < 0)
        return errno;
    char buffer[3 * 4096];
    memset(buffer, 'x', sizeof(buffer));
    if (pwrite(fd, buffer, sizeof(buffer), 4096) < 0 || ftruncate(fd, 5000))
        error = errno;
    if (!error && (link("file", "second") || symlink("file", "link") || mkdir("dir", 0700) ||
                   rename("second", "dir/third")))
        error = errno;
    close(fd);
    unlink("dir/third");
    rmdir("dir");
    unlink("link");
    unlink("second");
    unlink("file");
    return error;
}

static int
do_pipe(void)
{
    int fd[2], error = 0;
    char buffer[5000];
    memset(buffer, 1, sizeof(buffer));
    if (pipe(fd))
        return errno;
    if (write(fd[1], buffer, sizeof(buffer)) < 0)
        error = errno;
    close(fd[0]);
    close(fd[1]);
    return error;
}

static int
do_read_proc(void)
{
    char buffer[512];
    int error = 0;
    int fd = open("/proc/self/maps", O_RDONLY);
    if (fd < 0)
        return errno;
    if (read(fd, buffer, sizeof(buffer)) < 0)
        error = errno;
    close(fd);
    DIR *dir = opendir("/proc");
    if (!dir)
        return error ? error : errno;
    while (readdir(dir))
        ;
    closedir(dir);
    return error;
}

static void *
thread(void *arg)
{
    return arg;
}

static int
do_thread(void)
{
    pthread_t id;
    int error = pthread_create(&id, NULL, thread, NULL);
    if (error)
        return error == EAGAIN ? ENOMEM : error;
    return pthread_join(id, NULL);
}

/* poll and select of many descriptors that wait, and so list a waiter for each. */
static int
do_poll(void)
{
    struct pollfd watched[120];
    fd_set set;
    struct timeval t = {0, 1000};
    int fd = eventfd(0, 0), error = 0;
    if (fd < 0)
        return errno;
    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        watched[i] = (struct pollfd){fd, POLLIN, 0};
    FD_ZERO(&set);
    if (dup2(fd, 700) < 0 || poll(watched, ARRAY_LEN(watched), 1) < 0)
        error = errno;
    FD_SET(700, &set);
    if (!error && select(701, &set, NULL, NULL, &t) < 0)
        error = errno;
    close(fd);
    close(700);
    return error;
}

/* An epoll that watches an epoll that watches two files. */
static int
do_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    int event = eventfd(1, 0), timer = timerfd_create(CLOCK_REALTIME, 0);
    int inner = epoll_create1(0), outer = epoll_create1(0), error = 0;
    if (event < 0 || timer < 0 || inner < 0 || outer < 0 ||
        epoll_ctl(inner, EPOLL_CTL_ADD, event, &e) || epoll_ctl(inner, EPOLL_CTL_ADD, timer, &e) ||
        epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e) || epoll_wait(outer, &e, 1, 100) != 1)
        error = errno;
    close(event);
    close(timer);
    close(inner);
    close(outer);
    return error;
}

static int
do_memfd(void)
{
    sigset_t set;
    sigemptyset(&set);
    int signals = signalfd(-1, &set, 0), error = 0;
    int fd = memfd_create("a name that is too long to lie in the dentry", MFD_ALLOW_SEALING);
    if (signals < 0 || fd < 0 || ftruncate(fd, 20000) || pwrite(fd, "x", 1, 9999) != 1 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE))
        error = errno;
    close(signals);
    close(fd);
    return error;
}

/*
 * Tables that are shared with the parent, and superpages. Each operation is done in
 * a child of its own, on memory in which every fourth page holds its number; what it
 * does not change must be as it was, whether it succeeded or not.
 */

#define TABLE 512 /* pages under one table of leaves */
#define NSHARED (4 * TABLE)
#define BROKEN 99 /* what no call gives */

static char *tables; /* NSHARED pages */

static void
number_pages(char *p)
{
    for (int i = 0; i < NSHARED; i += 4)
        *(volatile int *)(p + i * PAGE) = i + 1;
}

static int
in_child(int (*operation)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        return errno;
    if (child == 0)
        _exit(operation());
    if (waitpid(child, &status, 0) != child)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ENOMEM;
}

/* An operation on the pages [first, first + n) has given this: what to report. */
static int
unharmed(int result, int first, int n)
{
    int error = result == 0 ? 0 : errno == EAGAIN ? ENOMEM : errno;
    for (int i = 0; i < NSHARED; i += 4)
        if ((i < first || i >= first + n) && *(volatile int *)(tables + i * PAGE) != i + 1)
            return BROKEN;
    return error;
}

static int
thaw(void)
{
    for (int i = 0; i < NSHARED; i += TABLE)
        *(volatile int *)(tables + i * PAGE) = i + 1;
    int inner = fork(); /* of tables some of which are its own */
    if (inner < 0)
        return errno;
    if (inner == 0)
        _exit(unharmed(0, 0, 0));
    int status = 0;
    if (waitpid(inner, &status, 0) != inner || WEXITSTATUS(status) == BROKEN)
        return BROKEN;
    return WIFEXITED(status) ? unharmed(0, 0, 0) : ENOMEM;
}

static int
unmap_part(void)
{
    return unharmed(munmap(tables + 700 * PAGE, 900 * PAGE), 700, 900);
}

static int
protect_part(void)
{
    int error = unharmed(mprotect(tables + 300 * PAGE, 600 * PAGE, PROT_READ), 0, 0);
    if (error)
        return error;
    return unharmed(mprotect(tables + 300 * PAGE, 600 * PAGE, PROT_READ | PROT_WRITE), 0, 0);
}

static int
move_part(void)
{
    void *to = (void *)0x2000000000;
    void *p = mremap(tables + 500 * PAGE, 40 * PAGE, 40 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (p == MAP_FAILED)
        return unharmed(-1, 0, 0);
    for (int i = 0; i < 40; i += 4)
        if (((volatile int *)p)[i * 1024] != 500 + i + 1)
            return BROKEN;
    return unharmed(0, 500, 40);
}

static int
forget_part(void)
{
    return unharmed(madvise(tables + 100 * PAGE, 900 * PAGE, MADV_DONTNEED), 100, 900);
}

static int
ask_accessed(void)
{
    unsigned char bits[NSHARED / 8];
    return unharmed(pgaccess(tables, NSHARED, bits), 0, 0);
}

/* Superpages, where they can be had, and each way to split one. */
static int
split(void)
{
    char *p = mmap(NULL, 16UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    tables = (char *)(((uintptr_t)p + TABLE * PAGE - 1) & -(TABLE * PAGE));
    if (madvise(tables, NSHARED * PAGE, MADV_HUGEPAGE))
        return errno;
    number_pages(tables);
    int error = unharmed(mprotect(tables + 101 * PAGE, 2 * PAGE, PROT_READ), 0, 0);
    if (!error)
        error = unharmed(munmap(tables + 801 * PAGE, PAGE), 0, 0);
    if (!error)
        error = unharmed(madvise(tables + 1101 * PAGE, PAGE, MADV_DONTNEED), 0, 0);
    return error ? error : in_child(thaw);
}

static const struct {
    const char *name;
    int (*fn)(void);
    int in_child;
} operations[] = {
    {"fork", do_fork, 0},
    {"exec", do_exec, 0},
    {"touch", do_touch, 0},
    {"files", do_files, 0},
    {"pipe", do_pipe, 0},
    {"reading proc", do_read_proc, 0},
    {"thread", do_thread, 0},
    {"poll", do_poll, 0},
    {"epoll", do_epoll, 0},
    {"memfd", do_memfd, 0},
    {"thawing", thaw, 1},
    {"munmap of shared tables", unmap_part, 1},
    {"mprotect of shared tables", protect_part, 1},
    {"mremap of shared tables", move_part, 1},
    {"madvise of shared tables", forget_part, 1},
    {"pgaccess of shared tables", ask_accessed, 1},
    {"splitting superpages", split, 1},
};

static int
perform(size_t i)
{
    return operations[i].in_child ? in_child(operations[i].fn) : operations[i].fn();
}

static long
frames_used(void)
{
    static const char *const owners[] = {"table", "stack", "anon", "buffer", "page"};
    char line[128];
    long sum = 0;
    FILE *f = fopen("/proc/frames", "r");
    while (f && fgets(line, sizeof(line), f))
        for (size_t i = 0; i < ARRAY_LEN(owners); i++)
            if (!strncmp(line, owners[i], strlen(owners[i])))
                sum += atol(line + strlen(owners[i]));
    if (f)
        fclose(f);
    return sum;
}

/* How one attempt went. */
enum outcome { DONE, MISSED, ODD, BEYOND };

/*
 * One attempt, in a process of its own, which may be the one that is killed
 * (its memory may be what could not be had).
 */
static enum outcome
attempt(size_t i, int n)
{
    pid_t worker = fork();
    if (worker == 0) {
        alarm(TAP_SECONDS);
        arm(n);
        int error = perform(i);
        int remaining = left();
        arm(0);
        _exit(remaining ? BEYOND : error == 0 ? DONE : error == ENOMEM ? MISSED : ODD);
    }
    int status = 0;
    if (worker < 0 || waitpid(worker, &status, 0) != worker)
        return ODD;
    arm(0);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL ? MISSED : ODD;
    return WEXITSTATUS(status);
}

static void
walk(size_t i)
{
    attempt(i, MOST); /* what is made once and kept */
    long before = frames_used();
    int n, count[BEYOND + 1] = {0};
    for (n = 1; n < MOST; n++) {
        enum outcome outcome = attempt(i, n);
        count[outcome]++;
        if (outcome == BEYOND)
            break;
    }
    ok(n > 1 && n < MOST, "%s: %d allocations", operations[i].name, n - 1);
    ok(count[MISSED] > 0, "%s: %d of them were missed", operations[i].name, count[MISSED]);
    is(count[ODD], 0);
    is(perform(i), 0);
    long after = frames_used();
    for (int i = 0; i < 50 && after > before + 8; i++) { /* the dead leave a moment later */
        usleep(20000);
        after = frames_used();
    }
    ok(labs(after - before) <= 8, "%s: %ld frames before, %ld after", operations[i].name, before,
       after);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "exit"))
        return 0;
    tap_begin("failalloc");
    control = open("/proc/failalloc", O_RDWR);
    if (control < 0) {
        tap_skip("not a debug kernel");
        return tap_end();
    }
    char *p = pages(5 * TABLE);
    tables = (char *)(((uintptr_t)p + TABLE * PAGE - 1) & -(TABLE * PAGE));
    madvise(tables, NSHARED * PAGE, MADV_NOHUGEPAGE);
    number_pages(tables);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        walk(i);
    return tap_end();
}
