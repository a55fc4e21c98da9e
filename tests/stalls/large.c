/*
 * Large memory, long lists of regions, large files; stalls.h tells what is measured.
 */
#include "stalls.h"
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/timerfd.h>

#define TOUCHED many(64 * MIB, 600 * MIB)  /* memory with a frame for each page */
#define SHOWN many(128 * MIB, 600 * MIB)  /* addresses with an entry for each page: the page of zeroes */
#define NREGIONS many(4000, 30000)
#define FILE_SIZE many(32 * MIB, 500 * MIB) /* of tmpfs files */
#define NLOCKS 2000
#define NNAMES 2000
#define NFILES 2000
#define NCHILDREN 200

static char *memory;
static size_t size;

static void
map(size_t nbytes, int how)
{
    size = nbytes;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(madvise(memory, size, MADV_NOHUGEPAGE));
    must(madvise(memory, size, how));
}

static void touched(void) { map(TOUCHED, MADV_POPULATE_WRITE); }
static void shown(void) { map(SHOWN, MADV_POPULATE_READ); }

static void do_populate(void) { must(madvise(memory, size, MADV_POPULATE_WRITE)); }
static void do_unmap(void) { must(munmap(memory, size)); }
static void do_discard(void) { must(madvise(memory, size, MADV_DONTNEED)); }
static void do_protect(void) { must(mprotect(memory, size, PROT_READ)); }
static void do_exit(void) { }

static void
do_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    must(waitpid(pid, NULL, 0));
}

/* Each touch copies a table that both share. */
static void
do_fork_touch(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        volatile char *at = memory;
        for (size_t i = 0; i < size; i += 2 * MIB)
            (void)at[i];
        for (size_t i = 0; i < size; i += 2 * MIB)
            at[i] = 1;
        _exit(0);
    }
    must(waitpid(pid, NULL, 0));
}

static void do_lock(void) { must(mlock(memory, size)); must(munlock(memory, size)); }

static void
do_lock_all(void)
{
    must(mlockall(MCL_CURRENT));
    must(munlockall());
    must(mprotect(memory, size / 2, PROT_NONE));
}

static void
do_move(void)
{
    char *to = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(mremap(memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE));
}

static void
do_mincore(void)
{
    unsigned char *in = malloc(size / PAGE);
    must(mincore(memory, size, in));
}

/* One page of a file, over and over: mappings that cannot be one. */
static void
regions(void)
{
    int fd = memfd_create("page", 0);
    ftruncate(fd, PAGE);
    size = NREGIONS * PAGE;
    memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < NREGIONS; i++)
        must(mmap(memory + i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
}

static void do_maps(void) { read_all("/proc/self/maps"); }
static void do_pagetable(void) { read_all("/proc/self/pagetable"); }
static void do_random(void) { check(getrandom(memory, 4 * MIB, 0) == 4 * MIB, "getrandom"); }

static int file;

static void
big_file(void)
{
    file = memfd_create("big", 0);
    ftruncate(file, FILE_SIZE);
    must(fallocate(file, 0, 0, FILE_SIZE));
}

static void
do_punch(void)
{
    must(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, FILE_SIZE - 2 * PAGE));
    must(close(file));
}

static void do_fallocate(void) { must(fallocate(memfd_create("new", 0), 0, 0, FILE_SIZE)); }
static void do_truncate(void) { must(ftruncate(file, 0)); }
static void do_sendfile(void) { check(sendfile(memfd_create("copy", 0), file, NULL, 16 * MIB) == 16 * MIB, "sendfile"); }

static void
do_locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
    for (int i = 0; i < NLOCKS; i++) {
        lock.l_start = i * 2;
        must(fcntl(file, F_SETLK, &lock));
    }
    read_all("/proc/locks");
    lock = (struct flock){ .l_type = F_UNLCK };
    fcntl(file, F_SETLK, &lock);
}

static void
do_names(void)
{
    char name[32];
    mkdir("names", 0700);
    for (int i = 0; i < NNAMES; i++) {
        snprintf(name, sizeof(name), "names/%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    list("names");
    for (int i = 0; i < NNAMES; i++) {
        snprintf(name, sizeof(name), "names/%d", i);
        must(unlink(name));
    }
    rmdir("names");
}

/* n links whose texts are as long as can be, full of `step`, each leading to the next. */
static void
make_links(int nlinks, const char *step)
{
    char text[4096], name[16], next[16];

    for (int i = 0; i < nlinks; i++) {
        size_t n = 1;
        text[0] = '/';
        for (; n + strlen(step) + sizeof(next) < sizeof(text); n += strlen(step))
            strcpy(text + n, step);
        snprintf(next, sizeof(next), i + 1 < nlinks ? "tmp/link%d" : "tmp", i + 1);
        strcpy(text + n, next);
        snprintf(name, sizeof(name), "link%d", i);
        unlink(name);
        must(symlink(text, name));
    }
}

static void links(void) { make_links(40, "./"); }
static void proc_links(void) { make_links(8, "proc/1/fd/../../../"); } /* /proc looks each up anew */
static void do_links(void) { must(access("link0", F_OK)); }

static void
many_files(void)
{
    char name[32];
    mkdir("mounted", 0700);
    must(mount("tmpfs", "mounted", "tmpfs", 0, NULL));
    for (int i = 0; i < NFILES; i++) {
        snprintf(name, sizeof(name), "mounted/%d", i);
        must(mknod(name, S_IFREG | 0600, 0));
    }
}

static void do_umount(void) { must(umount("mounted")); }

static void
do_poll(void)
{
    static struct pollfd fds[20000];
    struct rlimit limit = { ARRAY_LEN(fds), ARRAY_LEN(fds) };
    must(setrlimit(RLIMIT_NOFILE, &limit));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = (struct pollfd){ .fd = file, .events = POLLPRI };
    must(poll(fds, ARRAY_LEN(fds), 1));
}

static void
do_epolls(void)
{
    enum { WIDTH = 2000 };
    struct rlimit limit = { WIDTH + 100, WIDTH + 100 };
    int epoll = epoll_create1(0), fd[2];
    must(setrlimit(RLIMIT_NOFILE, &limit));
    must(pipe(fd));
    for (int i = 0; i < WIDTH; i++) {
        struct epoll_event event = { .events = EPOLLIN };
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, dup(fd[0]), &event));
    }
    write(fd[1], "x", 1);
    static struct epoll_event events[WIDTH];
    check(epoll_wait(epoll, events, WIDTH, 0) == WIDTH, "epoll_wait");
    close(epoll);
}

static void
do_children(void)
{
    for (int i = 0; i < NCHILDREN; i++) {
        pid_t pid = fork();
        must(pid);
        if (pid == 0) {
            setpgid(0, 0);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
}

static void
do_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 3000; i++)
        must(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
    struct timespec zero = { 0, 0 };
    while (sigtimedwait(&all, NULL, &zero) > 0)
        ;
}

static void
do_timer(void)
{
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec often = { { 0, 1 }, { 0, 1 } };
    signal(SIGUSR1, SIG_IGN);
    must(timer_create(CLOCK_MONOTONIC, &event, &timer));
    must(timer_settime(timer, 0, &often, NULL));
    sleep_ms(5);
    timer_delete(timer);
}

static void
do_pipe(void)
{
    int fd[2];
    touched();
    pipe(fd);
    must(fcntl(fd[1], F_SETPIPE_SZ, MIB));
    if (fork() == 0) {
        write(fd[1], memory, 16 * MIB);
        _exit(0);
    }
    close(fd[1]);
    while (read(fd[0], memory, 16 * MIB) > 0)
        ;
    wait(NULL);
}

/* A pipe as large as the privileged may make it: counting what is in it, and throwing it away. */
static void
do_big_pipe(void)
{
    int fd[2], n;
    must(pipe2(fd, O_NONBLOCK));
    must(fcntl(fd[1], F_SETPIPE_SZ, 32 * MIB));
    check(write(fd[1], memory, 32 * MIB) == 32 * MIB, "write");
    must(ioctl(fd[0], FIONREAD, &n));
    close(fd[0]);
    close(fd[1]);
}

/* Timers that follow the clock when it is set. */
static void
do_clock(void)
{
    enum { N = 1000 };
    struct rlimit limit = { N + 100, N + 100 };
    struct timespec now;
    must(setrlimit(RLIMIT_NOFILE, &limit));
    clock_gettime(CLOCK_REALTIME, &now);
    struct itimerspec later = { { 0, 0 }, { now.tv_sec + 100000, 0 } };
    for (int i = 0; i < N; i++)
        must(timerfd_settime(timerfd_create(CLOCK_REALTIME, 0), TFD_TIMER_ABSTIME, &later, NULL));
    must(clock_settime(CLOCK_REALTIME, &now));
}

static void
do_seek(void)
{
    file = memfd_create("full", 0);
    ftruncate(file, 256 * MIB);
    must(fallocate(file, 0, 0, 256 * MIB));
    check(lseek(file, 0, SEEK_HOLE) == 256 * MIB, "lseek");
}

static void
do_exec(void)
{
    enum { N = 15, LENGTH = 128 * 1024 - 16 };
    char *args[N + 2] = { "true" };
    for (int i = 1; i <= N; i++) {
        args[i] = malloc(LENGTH + 1);
        memset(args[i], 'x', LENGTH);
        args[i][LENGTH] = 0;
    }
    if (fork() == 0) {
        execv("/bin/true", args);
        _exit(1);
    }
    int status;
    must(wait(&status));
    check(status == 0, "execv");
}

static void
do_groups(void)
{
    static gid_t groups[65536];
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        groups[i] = ARRAY_LEN(groups) - i;
    must(setgroups(ARRAY_LEN(groups), groups));
    check(getgroups(ARRAY_LEN(groups), groups) == ARRAY_LEN(groups), "getgroups");
}

/* /proc counts descriptors whenever a path leads by them, and lists them. */
static void
do_descriptors(void)
{
    enum { N = 4000 };
    struct rlimit limit = { N, N };
    struct stat st;
    must(setrlimit(RLIMIT_NOFILE, &limit));
    must(fcntl(0, F_DUPFD, N - 1));
    for (int fd = 0; fd >= 0; fd = dup(0))
        ;
    must(stat("/proc/self/fd", &st));
    must(stat("/proc/self/fd/0", &st));
    close(0);
    list("/proc/self/fd");
}

/* A full log, read whole. The console is off meanwhile. */
static void
do_log(void)
{
    static char text[1 << 16];
    int log = open("/dev/kmsg", O_WRONLY);
    must(klogctl(6, NULL, 0));
    for (int i = 0; i < 4000; i++)
        must(write(log, "<7>a message like others, of some length", 40));
    must(klogctl(3, text, sizeof(text)));
    must(klogctl(7, NULL, 0));
}

static const struct job jobs[] = {
    { "populate", shown, do_populate, 1 }, { "munmap", touched, do_unmap, 1 },
    { "discard", touched, do_discard, 1 }, { "mprotect", shown, do_protect, 1 },
    { "mremap", shown, do_move, 1 }, { "fork", touched, do_fork, 1 },
    { "fork-touch", touched, do_fork_touch, 1 }, { "mlock", touched, do_lock, 1 },
    { "mlockall", regions, do_lock_all, 1 },
    { "mincore", shown, do_mincore, 0 }, { "exit", touched, do_exit, 0 },
    { "exit-shown", shown, do_exit, 0 },
    { "regions-fork", regions, do_fork, 1 }, { "regions-munmap", regions, do_unmap, 1 },
    { "regions-exit", regions, do_exit, 0 }, { "maps", regions, do_maps, 1 },
    { "pagetable", touched, do_pagetable, 1 }, { "getrandom", touched, do_random, 1 },
    { "fallocate", none, do_fallocate, 1 }, { "ftruncate", big_file, do_truncate, 1 },
    { "punch", big_file, do_punch, 1 }, { "sendfile", big_file, do_sendfile, 1 }, { "locks", big_file, do_locks, 1 },
    { "names", none, do_names, 1 }, { "links", links, do_links, 0 },
    { "proc-links", proc_links, do_links, 1 },
    { "umount", many_files, do_umount, 0 }, { "poll", big_file, do_poll, 0 }, { "epoll", none, do_epolls, 0 },
    { "children", none, do_children, 0 }, { "signals", none, do_signals, 0 },
    { "timer", none, do_timer, 0 }, { "pipe", none, do_pipe, 1 },
    { "big-pipe", touched, do_big_pipe, 1 }, { "clock", none, do_clock, 0 },
    { "seek", none, do_seek, 1 }, { "execve", none, do_exec, 0 },
    { "groups", none, do_groups, 0 }, { "descriptors", none, do_descriptors, 0 },
    { "log", none, do_log, 0 },
};

int
main(int argc, char **argv)
{
    return run_jobs(jobs, ARRAY_LEN(jobs), argc, argv);
}
