/*
 * Every call there is, and some there are not, with arguments that make no
 * sense. Nothing is asked of the results but that unknown calls give ENOSYS;
 * what is tested is that the machine lives, and that whoever called can be
 * killed.
 *
 * A child goes through the numbers and tells in shared memory how far it is.
 * If it dies of a call the next child goes on from there; if it hangs, its
 * own timer or, failing that, the parent's SIGKILL ends the call.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

#define LAST_NUMBER 470
#define WATCH_MS 10

/* Calls that would do what they say, to the machine or to the test. */
static const int excluded[] = {
    SYS_exit, SYS_exit_group, SYS_clone, 435 /* clone3 */, SYS_kill, SYS_tkill,
    SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    424 /* pidfd_send_signal */, SYS_ptrace, SYS_vhangup, SYS_sethostname,
    SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
    SYS_clock_adjtime, SYS_reboot, SYS_setpriority, SYS_syslog, SYS_sync,
    SYS_rt_sigreturn, SYS_quotactl, SYS_swapoff, SYS_kexec_load,
};

static struct {
    volatile int number;        /* the call being made */
    volatile int made;
} *progress;

static char *page;
static sigjmp_buf next;

static int
is_excluded(int number)
{
    for (size_t i = 0; i < ARRAY_LEN(excluded); i++)
        if (excluded[i] == number)
            return 1;
    return 0;
}

static void
on_signal(int number)
{
    siglongjmp(next, number);
}

/* The argument at this place in this set. */
static long
argument(int set, int place)
{
    static uint64_t seed = 88172645463325252u;
    long mixed[] = { -100, (long)page, 4096, -1, (long)page + 4090, 1 };

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    switch (set) {
    case 0: return 0;
    case 1: return -1;
    case 2: return (long)KERNEL_POINTER;
    case 3: return (long)page + 8 * place;
    case 4: return 1L << 63;
    case 5: return mixed[place];
    case 6: return place & 1 ? (long)page + 4092 : 3;
    default: return place & 1 ? (long)seed : (long)(seed & 15);
    }
}

static void
make_call(int set, int number)
{
    long a[6];
    struct itimerval watch = { { 0, 1000 * WATCH_MS }, { 0, 1000 * WATCH_MS } };

    for (int i = 0; i < 6; i++)
        a[i] = argument(set, i);
    memset(page, 0, PAGE);
    signal(SIGALRM, on_signal);
    if (sigsetjmp(next, 1) == 0) {
        setitimer(ITIMER_REAL, &watch, NULL);
        syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    progress->made++;
}

static void
child(int set)
{
    struct rlimit no_core = { 0, 0 };
    int null = open("null", O_RDWR);

    for (int i = 0; i < 3; i++)
        dup2(null, i);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (progress->number < LAST_NUMBER) {
        int number = progress->number++;
        if (!is_excluded(number))
            make_call(set, number);
    }
    _exit(0);
}

/* Run all numbers with a set of arguments, in as many children as it takes.
 * Returns how many children could not be killed. */
static int
run_set(int set)
{
    int children = 0;

    progress->number = progress->made = 0;
    while (progress->number < LAST_NUMBER && children < LAST_NUMBER) {
        int status, last = -1, idle = 0;
        pid_t pid = fork();

        if (pid == 0)
            child(set);
        children++;
        while (waitpid(pid, &status, WNOHANG | WUNTRACED) == 0) {
            sleep_ms(2);
            idle = progress->number == last ? idle + 2 : 0;
            last = progress->number;
            if (idle > 20 * WATCH_MS)
                kill(pid, SIGKILL);
            if (idle > 5000)
                return 1;
        }
        if (WIFSTOPPED(status)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
        }
    }
    ok(progress->number >= LAST_NUMBER, "set %d: %d calls made by %d children",
       set, progress->made, children);
    return 0;
}

static void
test_unknown(void)
{
    const long numbers[] = { 244, 250, 257, 500, 600, 999, 1002, 2048, 4095,
                             4096, 65535, 65536, INT32_MAX, INT32_MIN, -1, -2,
                             1L << 32, (1L << 32) + 63, INT64_MAX, INT64_MIN };
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        errno = 0;
        if (syscall(numbers[i], 1, 2, 3, 4, 5, 6) != -1 || errno != ENOSYS) {
            wrong++;
            ok(0, "call %ld: %s", numbers[i], tap_errno_name(errno));
        }
    }
    is(wrong, 0);
}

/* The world is as it was. */
static void
test_sane(void)
{
    char text[32];
    int fd = open("proof", O_CREAT | O_RDWR, 0600);

    is(write(fd, "still here", 10), 10);
    is(pread(fd, text, 32, 0), 10);
    close(fd);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(12);
    is(tap_wait(pid), 12 << 8);
    ok(getcwd(text, sizeof(text)) != NULL, "in %s", text);
    is(access("/proc/self/stat", R_OK), 0);
}

int
main(void)
{
    tap_begin("badcalls");
    progress = shared_pages(1);
    page = island(1);
    test_unknown();
    mknod("null", S_IFCHR | 0600, 0x103);       /* ours to chmod and the like */
    int stuck = 0;
    for (int set = 0; set < 9 && !stuck; set++)
        stuck = run_set(set);
    is(stuck, 0);
    test_sane();
    return tap_end();
}
