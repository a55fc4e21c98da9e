/*
 * What the kernel gives out it has written whole: no byte of a stack, of freed
 * memory or of another's page is in what a call returns, in a signal's frame, in
 * fresh memory, or in a file of /proc.
 *
 * Quire's debug kernel fills stacks, and all that it allocates, with bytes from 5
 * to 8, and local variables with 0xfe; four of one kind in a row are found here.
 * What a call leaves as it was keeps this program's own byte.
 */
#include "tap.h"

#include <dirent.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <termios.h>
#include <ucontext.h>

#define OWN 0x5a
#define FILL_FIRST 5
#define FILL_LAST 8
#define FILL_LOCAL 0xfe
#define USYSCALL 0x3fffffd000UL
#define ROOM 65536

static unsigned char buf[ROOM];

/* What is looked at holds registers of this program's: strlen() keeps words of 0xfe there. */
static bool has_registers;

/* Is it a byte that Quire's debug kernel fills something with? */
static bool
is_fill(unsigned char byte)
{
    return (byte >= FILL_FIRST && byte <= FILL_LAST) || (byte == FILL_LOCAL && !has_registers);
}

/*
 * Where four equal bytes of the kernel's fills are, or the upper half of a
 * pointer to its memory; -1: nowhere.
 */
static long
leak_in(const void *data, size_t n)
{
    const unsigned char *p = data;

    for (size_t i = 0; i + 4 <= n; i++)
        if (is_fill(p[i]) && p[i + 1] == p[i] && p[i + 2] == p[i] && p[i + 3] == p[i])
            return i;
    for (size_t i = 0; i + 4 <= n; i += 4)
        if (memcmp(p + i, "\xc0\xff\xff\xff", 4) == 0)
            return i;
    return -1;
}

static void
check(const char *what, const void *data, size_t n)
{
    long at = leak_in(data, n);

    ok(at < 0, "%s is written whole (%ld)", what, at);
}

/* Leave such bytes on the kernel's stack by calls that take arrays there: for kernels that do not. */
static void
fill_stack(void)
{
    struct timespec none = {0, 0};
    struct pollfd polls[32];
    unsigned char sets[3][40];

    memset(polls, FILL_LAST, sizeof(polls));
    for (size_t i = 0; i < ARRAY_LEN(polls); i++)
        polls[i].fd = 0xc0000000 + FILL_LAST * 0x010101;
    syscall(SYS_ppoll, polls, 32, &none, NULL, 8);
    memset(sets, FILL_LAST, sizeof(sets));
    syscall(SYS_pselect6, 320, sets[0], sets[1], sets[2], &none, NULL);
}

/* Make a call that fills buf, and look at what is there. */
#define CALL(number, ...)                                                                          \
    do {                                                                                           \
        memset(buf, OWN, sizeof(buf));                                                             \
        fill_stack();                                                                              \
        long result_ = syscall(number, __VA_ARGS__);                                               \
        ok(result_ >= 0 || errno == ENOSYS, "%s gives %ld (%s)", #number, result_,                                    \
           result_ < 0 ? strerrorname_np(errno) : "");                                             \
        check(#number "(" #__VA_ARGS__ ")", buf, 8192);                                            \
    } while (0)

static pid_t
child_that_ends(void)
{
    pid_t pid = tap_fork();

    if (pid == 0)
        _exit(7);
    return pid;
}

static void
calls_about_files(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0644), pair[2];
    struct flock lock = {.l_type = F_WRLCK, .l_len = 10};

    works(ftruncate(fd, 5000));
    works(symlink("a target", "link"));
    CALL(SYS_fstat, fd, buf);
    CALL(SYS_newfstatat, AT_FDCWD, "/", buf, 0);
    CALL(SYS_newfstatat, AT_FDCWD, "/proc/self/stat", buf, 0);
    CALL(SYS_statx, AT_FDCWD, "file", 0, 0xfff, buf);
    CALL(SYS_statfs, "/", buf);
    CALL(SYS_fstatfs, fd, buf);
    CALL(SYS_readlinkat, AT_FDCWD, "link", buf, 100);
    CALL(SYS_getcwd, buf, 4096);
    CALL(SYS_pread64, fd, buf, 5000, 0);
    memcpy(buf, &lock, sizeof(lock));
    is(fcntl(fd, F_GETLK, buf), 0);
    check("F_GETLK", buf, sizeof(lock));
    works(pipe(pair));
    CALL(SYS_pipe2, buf, 0);
    CALL(SYS_ioctl, pair[0], 0x541b /* FIONREAD */, buf);
    int event = eventfd(3, 0);
    CALL(SYS_read, event, buf, 8);
    static const char *const directories[] = {".", "/", "/dev", "/proc", "/proc/self/fd", "/proc/sys"};
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        int directory = open(directories[i], O_RDONLY | O_DIRECTORY);
        CALL(SYS_getdents64, directory, buf, 8192);
        close(directory);
    }
    static const char *const terminals[] = {"/dev/console", "/dev/ttyS0", "/dev/ttyAMA0"};
    for (size_t i = 0; i < ARRAY_LEN(terminals); i++) {
        int tty = open(terminals[i], O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (tty < 0 || !isatty(tty))
            continue;
        CALL(SYS_ioctl, tty, 0x5401 /* TCGETS */, buf);
        CALL(SYS_ioctl, tty, 0x802c542a /* TCGETS2 */, buf);
        CALL(SYS_ioctl, tty, TIOCGWINSZ, buf);
        close(tty);
    }
    close(fd);
}

static void
calls_about_the_machine(void)
{
    CALL(SYS_uname, buf);
    CALL(SYS_sysinfo, buf);
    CALL(SYS_times, buf);
    CALL(SYS_gettimeofday, buf, buf + 64);
    CALL(SYS_clock_gettime, CLOCK_REALTIME, buf);
    CALL(SYS_clock_getres, CLOCK_MONOTONIC, buf);
    CALL(SYS_getcpu, buf, buf + 64, 0);
    struct timex tx = {};
    memcpy(buf, &tx, sizeof(tx));
    if (syscall(SYS_adjtimex, buf) >= 0)
        check("adjtimex", buf, sizeof(tx));
    CALL(SYS_sched_rr_get_interval, 0, buf);
    CALL(SYS_sched_getparam, 0, buf);
    CALL(SYS_sched_getattr, 0, buf, 48, 0);
    CALL(SYS_sched_getaffinity, 0, 128, buf);
    CALL(SYS_mincore, (uintptr_t)buf & -PAGE, PAGE, buf);
}

static void
calls_about_processes(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    int status;

    CALL(SYS_getrusage, RUSAGE_SELF, buf);
    CALL(SYS_getrusage, RUSAGE_CHILDREN, buf);
    CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, buf);
    CALL(SYS_capget, &header, buf);
    CALL(SYS_getresuid, buf, buf + 4, buf + 8);
    CALL(SYS_getgroups, 1000, buf);
    CALL(SYS_get_robust_list, 0, buf, buf + 8);
    CALL(SYS_prctl, 16 /* PR_GET_NAME */, buf, 0, 0, 0);
    CALL(SYS_wait4, child_that_ends(), &status, 0, buf);
    CALL(SYS_waitid, P_PID, child_that_ends(), buf, WEXITED, buf + 256);
    CALL(SYS_waitid, P_PID, child_that_ends(), buf, WEXITED | WNOWAIT, NULL);
    while (waitpid(-1, &status, 0) > 0)
        ;
    CALL(SYS_syslog, 3, buf, 8192);
}

static void
calls_about_time(void)
{
    struct itimerspec spec = {.it_value = {.tv_nsec = 1000}, .it_interval = {.tv_nsec = 1000}};
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    int timer, fd = timerfd_create(CLOCK_MONOTONIC, 0);

    CALL(SYS_getitimer, ITIMER_REAL, buf);
    struct itimerval off = {};
    CALL(SYS_setitimer, ITIMER_VIRTUAL, &off, buf);
    CALL(SYS_timer_create, CLOCK_MONOTONIC, &none, buf);
    memcpy(&timer, buf, sizeof(timer));
    CALL(SYS_timer_settime, timer, 0, &spec, buf);
    CALL(SYS_timer_gettime, timer, buf);
    CALL(SYS_timerfd_settime, fd, 0, &spec, buf);
    CALL(SYS_timerfd_gettime, fd, buf);
    CALL(SYS_read, fd, buf, 8);
    close(fd);
}

static void
calls_that_wait(void)
{
    struct timespec none = {0, 0};
    int epoll = epoll_create1(0), event = eventfd(1, 0);
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = 77};
    struct pollfd poll_event = {.fd = event, .events = POLLIN};

    works(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &interest));
    CALL(SYS_epoll_pwait, epoll, buf, 8, 0, NULL, 8);
    CALL(SYS_epoll_pwait2, epoll, buf, 8, &none, NULL, 8);
    memset(buf, OWN, sizeof(buf));
    memcpy(buf, &poll_event, sizeof(poll_event));
    is(syscall(SYS_ppoll, buf, 1, &none, NULL, 8), 1);
    check("ppoll", buf, 4096);
    memset(buf, 0, 512);
    buf[event / 8] = 1 << event % 8;
    is(syscall(SYS_pselect6, 64, buf, NULL, buf + 256, &none, NULL), 1);
    check("pselect6", buf, 512);
    close(epoll);
    close(event);
}

static char *alternative; /* a stack for handlers, 16 pages */
static volatile int handled;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    handled++;
    if (leak_in(info, sizeof(*info)) >= 0 || leak_in(context, sizeof(ucontext_t)) >= 0)
        handled = -1000;
}

static void
signals(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = alternative = pages(16), .ss_size = 16 * PAGE};
    uint64_t usr2 = 1UL << (SIGUSR2 - 1);
    sigset_t set;

    memset(alternative, OWN, 16 * PAGE);
    has_registers = true;
    works(sigaltstack(&stack, NULL));
    works(sigaction(SIGUSR1, &action, NULL));
    works(sigaction(SIGSEGV, &action, NULL));
    raise(SIGUSR1);
    double f = 1.5;
    __asm__ volatile("" : "+f"(f)); /* floating-point registers are in use */
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 9});
    is(handled, 2);
    check("a signal's frame", alternative, 16 * PAGE);
    has_registers = false;
    CALL(SYS_sigaltstack, NULL, buf);
    CALL(SYS_rt_sigaction, SIGUSR1, NULL, buf, 8);
    CALL(SYS_rt_sigpending, buf, 8);
    CALL(SYS_rt_sigprocmask, SIG_BLOCK, &usr2, buf, 8);
    raise(SIGUSR2);
    CALL(SYS_rt_sigtimedwait, &usr2, buf, NULL, 8);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    int fd = signalfd(-1, &set, 0);
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 9});
    CALL(SYS_read, fd, buf, 256);
    close(fd);
}

/* Look at memory that may not be there, through a pipe, whose write() fails and does not fault. */
static void
check_range(const char *what, uintptr_t start, size_t n)
{
    static unsigned char page[4096];
    int pair[2];

    works(pipe(pair));
    for (uintptr_t at = start; at < start + n; at += PAGE) {
        if (write(pair[1], (void *)at, PAGE) != (ssize_t)PAGE)
            continue;
        is(read(pair[0], page, PAGE), PAGE);
        check(what, page, PAGE);
    }
    close(pair[0]);
    close(pair[1]);
}

static void
memory(void)
{
    size_t large = 4 << 20;
    char *p = pages(32);
    int fd = memfd_create("whole", 0), file = open("file", O_RDWR);

    check("anonymous memory", p, 32 * PAGE);
    p = pages(large / PAGE);
    for (size_t at = 0; at < large; at += 64 * PAGE)
        p[at] = 1;
    check("anonymous memory, once written", p, large);
    check("shared memory", shared_pages(4), 4 * PAGE);
    works(ftruncate(fd, 3 * PAGE + 10));
    is(pwrite(fd, "x", 1, PAGE + 7), 1);
    p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check("a memfd and the rest of its last page", p, 4 * PAGE);
    works(ftruncate(file, 100));
    p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    check("a file's last page", p, PAGE);
    works(ftruncate(file, 3000));
    check("which has grown", p, PAGE);
    char *end = sbrk(8 * PAGE);
    check("the heap", end, 8 * PAGE);
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    check_range("the vDSO and its data", vdso - 2 * PAGE, 4 * PAGE);
    check_range("the page USYSCALL", USYSCALL, PAGE);
}

/* Read a file of /proc, as much of it as is sensible. */
static bool
read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t n;

    if (fd < 0)
        return true;
    for (int i = 0; i < 16 && (n = read(fd, buf, sizeof(buf))) > 0; i++) {
        long at = leak_in(buf, n);
        if (at >= 0)
            return ok(0, "%s shows what it did not write, at %ld", path, at);
    }
    close(fd);
    return true;
}

/* All files below a directory of /proc, `depth` directories deep. Returns how many. */
static int
read_tree(const char *directory, int depth)
{
    static const char *const unwanted[] = {"kcore", "kmsg", "pagemap", "kpage", "mem", "clear_refs"};
    DIR *d = opendir(directory);
    struct dirent *entry;
    char path[512];
    int nfiles = 0;

    while (d && (entry = readdir(d))) {
        bool skip = entry->d_name[0] == '.' || (entry->d_name[0] >= '0' && entry->d_name[0] <= '9');
        for (size_t i = 0; i < ARRAY_LEN(unwanted); i++)
            skip |= strncmp(entry->d_name, unwanted[i], strlen(unwanted[i])) == 0 &&
                    strcmp(entry->d_name, "meminfo") != 0;
        if (skip)
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (entry->d_type == DT_DIR && depth > 0)
            nfiles += read_tree(path, depth - 1);
        else if (entry->d_type == DT_REG && read_file(path))
            nfiles++;
    }
    if (d)
        closedir(d);
    return nfiles;
}

static void
files_of_proc(void)
{
    char path[64];

    ok(read_tree("/proc", 0) > 10, "the files of /proc");
    ok(read_tree("/proc/self", 0) > 15, "and of a process");
    snprintf(path, sizeof(path), "/proc/self/task/%d", getpid());
    ok(read_tree(path, 0) > 15, "and of a thread");
    ok(read_tree("/proc/sys/kernel", 1) + read_tree("/proc/sys/vm", 1) +
       read_tree("/proc/sys/fs", 1) > 20, "and the knobs");
    ok(read_file("/proc/self/fdinfo/1"), "and about a descriptor");
}

/* In a fresh image: what exec has put above the first stack frame, and behind the data. */
static int
fresh_image(char **argv)
{
    char line[256];
    uintptr_t start, end = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    extern char _end[];

    while (fgets(line, sizeof(line), f))
        if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
            break;
    if (leak_in(argv, end - (uintptr_t)argv) >= 0)
        return 2;
    return leak_in(_end, -(uintptr_t)_end & (PAGE - 1)) >= 0 ? 3 : 0;
}

static void
images(void)
{
    char *argv[] = {"whole", "fresh", "an argument", NULL}, *envp[] = {"A=b", NULL};
    pid_t pid = tap_fork();

    if (pid == 0) {
        execve("/proc/self/exe", argv, envp);
        _exit(9);
    }
    is(tap_wait(pid), 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "fresh") == 0)
        return fresh_image(argv);
    tap_begin("whole");
    calls_about_files();
    calls_about_the_machine();
    calls_about_processes();
    calls_about_time();
    calls_that_wait();
    signals();
    memory();
    files_of_proc();
    images();
    return tap_end();
}
