/*
 * The table of rights: calls about the whole machine, by root without each of
 * the capabilities and by a user with each alone.
 */
#include "rights.h"
#include <linux/reboot.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#define FILE_OF_ANN DIR "/ann"
#define FILE_OF_BOB DIR "/bob"
#define NODE DIR "/open/node"

/* With wrong arguments where the right ones would change the machine. */
static void
clocks(void)
{
    struct timespec now, bad = {0, -1};
    struct timeval tv = {0, -1};
    struct timex look = {}, odd = {.modes = ADJ_FREQUENCY | ADJ_SETOFFSET, .time = {0, -1}};

    clock_gettime(CLOCK_REALTIME, &now);
    tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), "clock_settime wrong time");
    tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), "clock_settime");
    tried(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &now), "clock_settime monotonic");
    tried(syscall(SYS_settimeofday, &tv, NULL), "settimeofday wrong time");
    tried(syscall(SYS_settimeofday, NULL, NULL), "settimeofday nothing");
    tried(adjtimex(&look) < 0 ? -1 : 0, "adjtimex look");
    tried(adjtimex(&odd) < 0 ? -1 : 0, "adjtimex wrong time");
    odd.modes = ADJ_OFFSET_SS_READ;
    tried(adjtimex(&odd) < 0 ? -1 : 0, "adjtimex ADJ_OFFSET_SS_READ");
    tried_fd((int)syscall(SYS_timerfd_create, CLOCK_BOOTTIME_ALARM, 0), "timerfd_create alarm");
}

static void
names_and_boot(void)
{
    char name[65] = "rights";

    tried(sethostname(name, 6), "sethostname");
    tried(sethostname(name, (size_t)-1), "sethostname length -1");
    tried(setdomainname("(none)", 6), "setdomainname");
    tried(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 7, NULL), "reboot 7");
    tried(syscall(SYS_reboot, 1, 2, 7, NULL), "reboot without magic");
    tried(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                  LINUX_REBOOT_CMD_CAD_ON, NULL), "reboot CAD_ON");
    for (int type = 0; type <= 11; type++)
        if (type != 2 && type != 4 && type != 5 && type != 9)
            tried(klogctl(type, NULL, type == 8 ? 7 : 0) < 0 ? -1 : 0, "syslog %d", type);
    tried(klogctl(3, name, 10) < 0 ? -1 : 0, "syslog 3 with room");
    tried(klogctl(10, NULL, 0) < 0 ? -1 : 0, "syslog 10");
}

static void
trees(void)
{
    tried(mount("none", DIR "/open", "tmpfs", 0, NULL), "mount");
    umount2(DIR "/open", MNT_DETACH);
    tried(mount(NULL, DIR, NULL, MS_REMOUNT | MS_BIND, NULL), "remount");
    tried(mount(NULL, DIR, NULL, MS_PRIVATE, NULL), "mount private");
    tried(mount("none", "/nowhere", "tmpfs", 0, NULL), "mount at a missing name");
    tried(mount("none", DIR "/open", "nofs", 0, NULL), "mount of no type");
    tried(umount2(DIR "/open", 0), "umount of no mount");
    tried(umount2("/nowhere", 0), "umount of a missing name");
    tried(umount2(DIR "/open", 1 << 20), "umount with a wrong flag");
    tried(syscall(SYS_pivot_root, DIR, DIR), "pivot_root");
    tried(syscall(SYS_pivot_root, "/nowhere", DIR), "pivot_root to a missing name");
    tried(chroot("/"), "chroot");
    tried(chroot("/nowhere"), "chroot to a missing name");
    tried(chroot(FILE_OF_ANN), "chroot to a file");
}

static void
nodes(void)
{
    static const struct {
        const char *name;
        mode_t type;
    } kinds[] = {{"file", S_IFREG}, {"pipe", S_IFIFO}, {"socket", S_IFSOCK}, {"chr", S_IFCHR},
                 {"blk", S_IFBLK}, {"dir", S_IFDIR}, {"nothing", 0}, {"link", S_IFLNK}};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        tried(mknod(NODE, kinds[i].type | 0644, 0x103), "mknod %s", kinds[i].name);
        unlink(NODE);
    }
    tried(mknod(NODE, S_IFCHR | 0644, 0), "mknod chr 0");
    unlink(NODE);
}

static void
limits(void)
{
    struct rlimit old;

    for (int i = 0; i < RLIM_NLIMITS; i++) {
        getrlimit(i, &old);
        struct rlimit more = {old.rlim_cur, old.rlim_max + 1}, wrong = {2, 1};
        if (old.rlim_max != RLIM_INFINITY && i != RLIMIT_NPROC && i != RLIMIT_SIGPENDING &&
            i != RLIMIT_MEMLOCK)
            tried(setrlimit(i, &more), "setrlimit %d to more", i);
        tried(setrlimit(i, &wrong), "setrlimit %d wrong", i);
    }
    struct rlimit files = {1 << 21, 1 << 21};
    tried(setrlimit(RLIMIT_NOFILE, &files), "setrlimit NOFILE beyond nr_open");
    struct rlimit none = {0, 0};
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    setrlimit(RLIMIT_MEMLOCK, &none);
    tried(mlock(page, 4096), "mlock with limit 0");
    tried(munlock(page, 4096), "munlock with limit 0");
    tried(mlockall(MCL_CURRENT), "mlockall with limit 0");
    tried(munlockall(), "munlockall");
    tried(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) ==
                  MAP_FAILED ? -1 : 0, "mmap locked with limit 0");
    tried(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) ==
                  MAP_FAILED ? -1 : 0, "mmap huge");
}

static void
scheduling(void)
{
    struct sched_param zero = {0}, one = {1}, high = {99};

    tried(setpriority(PRIO_PROCESS, 0, 5), "setpriority 5");
    tried(setpriority(PRIO_PROCESS, 0, 4), "setpriority 5 to 4");
    tried(setpriority(PRIO_PROCESS, 0, -1), "setpriority to -1");
    tried(sched_setscheduler(0, SCHED_FIFO, &one), "sched_setscheduler fifo 1");
    tried(sched_setscheduler(0, SCHED_RR, &high), "sched_setscheduler rr 99");
    tried(sched_setparam(0, &one), "sched_setparam 1");
    tried(sched_setscheduler(0, SCHED_OTHER, &zero), "sched_setscheduler other");
    tried(sched_setscheduler(0, SCHED_IDLE, &zero), "sched_setscheduler idle");
    tried(sched_setscheduler(0, SCHED_OTHER, &zero), "sched_setscheduler other from idle");
    tried(sched_setscheduler(0, SCHED_BATCH | 0x40000000, &zero), "sched_setscheduler reset on fork");
    tried(sched_setscheduler(0, SCHED_BATCH, &zero), "sched_setscheduler without reset on fork");
}

/* One of each kind, for every capability. */
static void
core(void)
{
    struct timespec now, bad = {0, -1};
    struct timex odd = {.modes = ADJ_FREQUENCY | ADJ_SETOFFSET, .time = {0, -1}};
    struct sched_param one = {1};
    struct rlimit limit;

    clock_gettime(CLOCK_REALTIME, &now);
    tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), "clock_settime");
    tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), "clock_settime wrong time");
    tried(adjtimex(&odd) < 0 ? -1 : 0, "adjtimex wrong time");
    tried_fd((int)syscall(SYS_timerfd_create, CLOCK_BOOTTIME_ALARM, 0), "timerfd_create alarm");
    tried(sethostname("rights", 6), "sethostname");
    tried(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 7, NULL), "reboot 7");
    tried(klogctl(8, NULL, 7), "syslog 8");
    tried(mount("none", DIR "/open", "tmpfs", 0, NULL), "mount");
    tried(umount2(DIR "/open", MNT_DETACH), "umount");
    tried(syscall(SYS_pivot_root, DIR, DIR), "pivot_root");
    tried(chroot("/"), "chroot");
    tried(mknod(NODE, S_IFCHR | 0644, 0x103), "mknod chr");
    unlink(NODE);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_max++;
    tried(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit to more");
    tried(setpriority(PRIO_PROCESS, 0, -1), "setpriority -1");
    tried(sched_setscheduler(0, SCHED_FIFO, &one), "sched_setscheduler fifo");
    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    tried(mlockall(MCL_FUTURE), "mlockall with limit 0");
    munlockall();
    tried(syscall(SYS_setgroups, 0, NULL), "setgroups none");
    tried(syscall(SYS_setresgid, 7, 7, 7), "setresgid");
    tried(prctl(PR_CAPBSET_DROP, CAP_AUDIT_READ), "drop from the bounding set");
    tried(chmod(FILE_OF_BOB, 0644), "chmod of bob's");
    tried(chown(FILE_OF_BOB, BOB, CLUB), "chown of bob's to a group");
    tried(kill(1, 0), "kill init 0");
    tried(syscall(SYS_setresuid, 7, 7, 7), "setresuid");
}

static void
each(void)
{
    clocks();
    names_and_boot();
    trees();
    nodes();
    limits();
    scheduling();
    tried(syscall(SYS_setgroups, 0, NULL), "setgroups none");
    tried(syscall(SYS_setgroups, 70000, NULL), "setgroups too many");
}

void
machine(void)
{
    static const struct who plain[] = {ROOT, BARE, USER("ann", ANN, true), USER("eve", EVE, false),
                                       {.name = "ann, no_new_privs", .uid = ANN, .nnp = true}};
    /* What is asked for one of these is asked for in detail. */
    static void (*const details[CAP_LAST_CAP + 1])(void) = {
        [CAP_SYS_TIME] = clocks,       [CAP_WAKE_ALARM] = clocks,   [CAP_SYS_BOOT] = names_and_boot,
        [CAP_SYSLOG] = names_and_boot, [CAP_SYS_ADMIN] = each,      [CAP_SYS_CHROOT] = trees,
        [CAP_MKNOD] = nodes,
        [CAP_SYS_RESOURCE] = limits,   [CAP_IPC_LOCK] = limits,     [CAP_SYS_RAWIO] = limits,
        [CAP_SYS_NICE] = scheduling,
    };
    char name[128];

    subject("machine");
    fixture(FILE_OF_ANN, S_IFREG | 0644, ANN, ANN);
    fixture(FILE_OF_BOB, S_IFREG | 0644, BOB, BOB);
    fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        act_as(&plain[i], each);
        act_as(&plain[i], core);
    }
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        snprintf(name, 64, "root but CAP_%s", cap_names[cap]);
        struct who root = {.name = name, .caps = ALL_CAPS & ~BIT(cap)};
        snprintf(name + 64, 64, "ann with CAP_%s", cap_names[cap]);
        struct who ann = {.name = name + 64, .uid = ANN, .caps = BIT(cap)};
        fixture(FILE_OF_BOB, S_IFREG | 0644, BOB, BOB);
        act_as(&root, core);
        fixture(FILE_OF_BOB, S_IFREG | 0644, BOB, BOB);
        act_as(&ann, core);
        if (details[cap]) {
            act_as(&root, details[cap]);
            act_as(&ann, details[cap]);
        }
    }
    sethostname("quire", 5);
}
