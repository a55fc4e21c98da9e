/*
 * Small calls: uname, sysinfo, getrandom, prctl, getcpu, the sched family,
 * host names, and membarrier's like that programs probe for.
 */
#include "tap.h"
#include <grp.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void
test_uname(void)
{
    struct utsname u, v;
    int major = 0, minor = 0;

    is(uname(&u), 0);
    ok(u.sysname[0], "sysname is %s", u.sysname);
    ok(!strcmp(u.machine, "riscv64"), "machine is %s", u.machine);
    ok(sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 4,
       "release is %s", u.release);
    is(sethostname("quirehost", 9), 0);
    uname(&v);
    ok(!strcmp(v.nodename, "quirehost"), "the host's name is set");
    is(sethostname("", 0), 0);
    uname(&v);
    is(v.nodename[0], 0);
    char name[65];
    memset(name, 'h', 65);
    is(sethostname(name, 64), 0);
    uname(&v);
    is(strlen(v.nodename), 64);
    fails(sethostname(name, 65), EINVAL);
    is(sethostname(u.nodename, strlen(u.nodename)), 0);
    is(setdomainname("domain", 6), 0);
    uname(&v);
    ok(!strcmp(v.domainname, "domain"), "and the domain's");
    setdomainname(u.domainname, strlen(u.domainname));
}

static void
test_sysinfo(void)
{
    struct sysinfo s;

    memset(&s, 0x55, sizeof(s));
    is(sysinfo(&s), 0);
    ok(s.uptime >= 0 && s.uptime < 100000, "up for %ld s", s.uptime);
    ok(s.totalram > 16 << 20 && s.freeram > 0 && s.freeram < s.totalram,
       "%lu of %lu bytes free", s.freeram, s.totalram);
    is(s.mem_unit, 1);
    ok(s.procs >= 2 && s.procs < 1000, "%d processes", s.procs);
    is(s.totalswap, 0);
}

static void
test_random(void)
{
    unsigned char a[256], b[256];
    int seen[256] = { 0 }, kinds = 0;

    is(getrandom(a, 256, 0), 256);
    is(getrandom(b, 256, GRND_NONBLOCK), 256);
    ok(memcmp(a, b, 256) != 0, "no two alike");
    for (int i = 0; i < 256; i++)
        kinds += seen[a[i]]++ == 0;
    ok(kinds > 100, "%d kinds of byte in 256", kinds);
    is(getrandom(a, 0, 0), 0);
    is(getrandom(a, 1, GRND_RANDOM), 1);
    is(getrandom(a, 1, GRND_INSECURE), 1);
    fails(getrandom(a, 1, 0x10), EINVAL);
    fails(getrandom(a, 1, GRND_RANDOM | GRND_INSECURE), EINVAL);
    fails(syscall(SYS_getrandom, hole(), 1, 0), EFAULT);
}

static void
test_prctl(void)
{
    char name[17] = "", long_name[] = "a name that is too long";
    int value = 0;

    is(prctl(PR_GET_NAME, name), 0);
    ok(!strcmp(name, "misc"), "the name is the program's: %s", name);
    is(prctl(PR_SET_NAME, long_name), 0);
    prctl(PR_GET_NAME, name);
    ok(!strcmp(name, "a name that is "), "cut at 15: %s", name);
    prctl(PR_SET_NAME, "misc");
    is(prctl(PR_GET_DUMPABLE), 1);
    is(prctl(PR_SET_DUMPABLE, 0), 0);
    is(prctl(PR_GET_DUMPABLE), 0);
    fails(prctl(PR_SET_DUMPABLE, 7), EINVAL);
    prctl(PR_SET_DUMPABLE, 1);
    is(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
    is(prctl(PR_GET_PDEATHSIG, &value), 0);
    is(value, SIGUSR1);
    fails(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
    is(prctl(PR_SET_PDEATHSIG, 0), 0);
    is(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    fails(prctl(12345, 0, 0, 0, 0), EINVAL);
    fails(prctl(-1, 0, 0, 0, 0), EINVAL);
    is(syscall(SYS_personality, 0xffffffff), 0);
}

static void
test_death_signal(void)
{
    int fd[2];
    char c;

    pipe(fd);
    pid_t pid = tap_fork();
    if (pid == 0) {
        pid_t child = tap_fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            write(fd[1], "r", 1);
            for (;;)
                pause();
        }
        read(fd[0], &c, 1);
        _exit(0);
    }
    close(fd[1]);
    is(tap_wait(pid), 0);
    is(read(fd[0], &c, 1), 0);          /* ends when the grandchild is gone */
    close(fd[0]);
}

static void
test_sched(void)
{
    cpu_set_t set, old;
    struct sched_param param = { 0 };
    unsigned cpu = 99, node = 99;
    struct timespec slice;

    works(sched_getaffinity(0, sizeof(old), &old));
    int n = CPU_COUNT(&old);
    ok(n >= 1 && n <= 64, "%d harts", n);
    is(sysconf(_SC_NPROCESSORS_ONLN), n);
    is(sched_yield(), 0);
    int good = 1;
    for (int i = 0; i < n; i++) {
        CPU_ZERO(&set);
        CPU_SET(i, &set);
        good &= sched_setaffinity(0, sizeof(set), &set) == 0;
        good &= sched_getcpu() == i;
        good &= syscall(SYS_getcpu, &cpu, &node, NULL) == 0 &&
                cpu == (unsigned)i && node == 0;
    }
    ok(good, "a thread runs where it is told to");
    CPU_ZERO(&set);
    fails(sched_setaffinity(0, sizeof(set), &set), EINVAL);
    CPU_SET(1000, &set);
    fails(sched_setaffinity(0, sizeof(set), &set), EINVAL);
    is(sched_setaffinity(0, sizeof(old), &old), 0);
    fails(sched_setaffinity(4000000, sizeof(old), &old), ESRCH);
    fails(syscall(SYS_sched_getaffinity, 0, 3, &set), EINVAL);
    fails(syscall(SYS_sched_getaffinity, 0, 0, &set), EINVAL);
    is(syscall(SYS_getcpu, NULL, NULL, NULL), 0);

    is(sched_getscheduler(0), SCHED_OTHER);
    is(sched_getparam(0, &param), 0);
    is(param.sched_priority, 0);
    is(sched_get_priority_max(SCHED_FIFO), 99);
    is(sched_get_priority_min(SCHED_FIFO), 1);
    is(sched_get_priority_max(SCHED_OTHER), 0);
    fails(sched_get_priority_max(99), EINVAL);
    is(sched_rr_get_interval(0, &slice), 0);
    is(sched_setscheduler(0, SCHED_OTHER, &param), 0);
    param.sched_priority = 5;
    fails(sched_setscheduler(0, SCHED_OTHER, &param), EINVAL);
    fails(sched_setscheduler(0, 99, &param), EINVAL);
    fails(sched_getscheduler(4000000), ESRCH);
    fails(sched_getscheduler(-1), EINVAL);
}

/* More runnable processes than harts: all get on. */
static void
test_fairness(void)
{
    volatile unsigned *work = shared_pages(1);
    pid_t pid[6];
    int all = 1;

    for (int i = 0; i < 6; i++) {
        pid[i] = tap_fork();
        if (pid[i] == 0)
            for (;;)
                work[i * 16]++;
    }
    for (int waited = 0; waited < 3000; waited += 20) {
        sleep_ms(20);
        all = 1;
        for (int i = 0; i < 6; i++)
            all &= work[i * 16] > 1000;
        if (all)
            break;
    }
    ok(all, "six busy processes all get on");
    for (int i = 0; i < 6; i++) {
        kill(pid[i], SIGKILL);
        tap_wait(pid[i]);
    }
}

static void
test_numbers(void)
{
    fails(syscall(5000), ENOSYS);
    fails(syscall(-1), ENOSYS);
    fails(syscall(1L << 40), ENOSYS);
    fails(syscall(244), ENOSYS);        /* a gap in riscv64's table */
    ok(getpid() > 1 && getppid() >= 0, "process numbers");
    fails(syscall(SYS_reboot, 1, 2, 3, 4), EINVAL);
    sync();
    ok(1, "sync");
}

#define GET_REGISTRATIONS (1 << 9) /* membarrier(2), Linux 6.3 */

static int
membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* A private barrier is for an address space that has asked for it. Fork copies what it asked for. */
static void
test_membarrier(void)
{
    is(membarrier(GET_REGISTRATIONS), 0);
    works(membarrier(MEMBARRIER_CMD_GLOBAL));
    works(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED));
    fails(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), EPERM);
    works(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
    works(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    fails(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), EPERM);
    works(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE));
    works(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE));
    int registered = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
    is(membarrier(GET_REGISTRATIONS), registered);
    is(membarrier(MEMBARRIER_CMD_QUERY) & (registered | GET_REGISTRATIONS),
       registered | GET_REGISTRATIONS);
    fails(membarrier(-1), EINVAL);
    fails(membarrier(registered), EINVAL);
    fails(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 1, 0), EINVAL);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(membarrier(GET_REGISTRATIONS) == registered ? 0 : 1);
    is(tap_wait(pid), 0);
}

/* Flags are 32 bits: what a caller leaves in a register above them does not count. */
static void
test_upper_halves(void)
{
    const long up = 1L << 40;
    struct stat st;
    char cwd[256];
    int dir = open(".", O_RDONLY);

    put_file("upper", "text", 4, 0644);
    is(syscall(SYS_dup3, 0, 60, up | O_CLOEXEC), 60);
    is(syscall(SYS_close_range, 60, 60, up), 0);
    is(syscall(SYS_newfstatat, dir, "upper", &st, up), 0);
    is(syscall(SYS_faccessat, dir, "upper", up | R_OK), 0);
    is(syscall(439 /* faccessat2 */, dir, "upper", R_OK, up), 0);
    is(syscall(SYS_fchownat, dir, "upper", 0, 0, up), 0);
    is(syscall(SYS_utimensat, dir, NULL, NULL, up), 0);
    is(syscall(SYS_linkat, dir, "upper", dir, "lower", up), 0);
    is(syscall(SYS_unlinkat, dir, "lower", up), 0);
    fails(syscall(SYS_unlinkat, dir, "upper", up | 1), EINVAL);
    is(syscall(SYS_lseek, dir, 0, up), 0);
    ok(syscall(SYS_getcwd, cwd, -1L) > 1, "a buffer as large as can be");
    close(dir);
    unlink("upper");
}

/* Nothing is copied from and to anywhere. */
static void
nothing_copied(void)
{
    struct timespec zero = {0, 0};

    is(syscall(SYS_rt_sigpending, KERNEL_POINTER, 0), 0);
    is(syscall(SYS_pselect6, 0, KERNEL_POINTER, KERNEL_POINTER, NULL, &zero, NULL), 0);
    works(setgroups(0, NULL));
    is(syscall(SYS_getgroups, 5, KERNEL_POINTER), 0);
}

int
main(void)
{
    tap_begin("misc");
    test_uname();
    test_sysinfo();
    test_random();
    test_prctl();
    test_death_signal();
    test_sched();
    test_fairness();
    test_numbers();
    test_membarrier();
    test_upper_halves();
    tap_child(nothing_copied);
    return tap_end();
}
