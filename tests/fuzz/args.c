/*
 * Values for arguments. Most are plausible, so that calls get past their
 * first check; one in some is a border or nonsense.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(rng, ...)                                                                             \
    ({                                                                                             \
        static const uint64_t from[] = {__VA_ARGS__};                                              \
        from[rng_below(rng, LEN(from))];                                                           \
    })

uint64_t
rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t
rng_below(struct rng *rng, uint64_t n)
{
    return rng_next(rng) % n;
}

bool
rng_one_in(struct rng *rng, uint64_t n)
{
    return rng_below(rng, n) == 0;
}

struct rng
rng_of(uint64_t seed, uint64_t stream, uint64_t index)
{
    struct rng rng = {seed};

    rng.state = rng_next(&rng) ^ stream * 0x100000001b3;
    rng.state = rng_next(&rng) ^ index;
    return rng;
}

/* What is being made: the argument, and where the call's other parts are. */
struct maker {
    struct rng *rng;
    struct op *op;
    unsigned stream, i;
    bool root;
};

static uint64_t
any_number(struct rng *rng)
{
    switch (rng_below(rng, 6)) {
    case 0: return rng_below(rng, 16);
    case 1: return -rng_below(rng, 16);
    case 2: return 1ULL << rng_below(rng, 64);
    case 3: return (1ULL << rng_below(rng, 64)) - 1;
    case 4:
        return PICK(rng, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
                    0x8000000000000000, 0xffffffffffffffff, 0x3fffffffff, 0x4000000000,
                    0xffffffc000000000, 0xffffffff80200000, 4096, 4095, 65536);
    default: return rng_next(rng);
    }
}

static const char *const own_names[] = {
    "a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/f", "f", "l", "l/a", "m", "m/a", "m/d",
    "s", "fifo", "d/../a", "./b", "d/e/../../c", "d/.", "m/..", "",
};
static const char *const other_names[] = {
    "/", "/proc", "/proc/self", "/proc/self/maps", "/proc/self/fd", "/proc/self/fd/3",
    "/proc/self/fd/4", "/proc/self/fdinfo", "/proc/self/status", "/proc/self/stat",
    "/proc/self/statm", "/proc/self/exe", "/proc/self/cwd", "/proc/self/root/a",
    "/proc/self/environ", "/proc/self/cmdline", "/proc/self/auxv", "/proc/self/limits",
    "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/task", "/proc/self/comm",
    "/proc/self/pagetable", "/proc/self/roots", "/proc/self/oom_score_adj", "/proc/self/io",
    "/proc/thread-self/status", "/proc/1/status", "/proc/1/root", "/proc/1/environ",
    "/proc/meminfo", "/proc/vmstat", "/proc/stat", "/proc/locks", "/proc/frames",
    "/proc/slabinfo", "/proc/uptime", "/proc/loadavg", "/proc/mounts", "/proc/filesystems",
    "/proc/kmsg", "/proc/interrupts", "/proc/sys/kernel/pid_max", "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/file-nr", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/kmsg", "/dev/tty", "/dev",
    "/tmp", "/fuzz/../fuzz/a", "/nothing", "/fuzz/d/e",
};

/* Put bytes in the argument's buffer; returns its address. */
static uint64_t
fill(struct maker *m, const void *bytes, size_t n)
{
    n = n < SLOT_BYTES ? n : SLOT_BYTES;
    memcpy(m->op->buffer[m->i], bytes, n);
    m->op->filled[m->i] = n;
    return buffer_address(m->stream, m->i);
}

static uint64_t
text(struct maker *m, const char *string)
{
    return fill(m, string, strlen(string) + 1);
}

static uint64_t
own_path(struct maker *m)
{
    char path[SLOT_BYTES];
    const char *name = own_names[rng_below(m->rng, LEN(own_names))];

    if (rng_one_in(m->rng, 60)) { /* a long one */
        memset(path, 'n', sizeof(path) - 1);
        path[rng_below(m->rng, 2) ? 260 : 250] = 0;
        return text(m, path);
    }
    /* Mostly whole, for the current directory may be anywhere. */
    if (m->root || !rng_one_in(m->rng, 4))
        snprintf(path, sizeof(path), TREE "/%s", name);
    else
        snprintf(path, sizeof(path), "%s", name);
    return text(m, path);
}

static uint64_t
any_path(struct maker *m)
{
    char path[64];

    if (rng_one_in(m->rng, 3))
        return text(m, other_names[rng_below(m->rng, LEN(other_names))]);
    if (rng_one_in(m->rng, 12)) {
        static const char *const of_process[] = {"maps", "fd", "root", "cwd", "environ", "stat",
                                                 "status", "task", "pagetable", "exe", "fd/3"};
        snprintf(path, sizeof(path), "/proc/%u/%s", (unsigned)rng_below(m->rng, 200),
                 of_process[rng_below(m->rng, LEN(of_process))]);
        return text(m, path);
    }
    return own_path(m);
}

static uint64_t
arena_page(struct rng *rng)
{
    static const uint64_t pages[] = {16, 64, 600, ARENA_PAGES};
    uint64_t base = rng_one_in(rng, 5) ? ARENA_SHARED : ARENA;
    uint64_t within = base == ARENA_SHARED ? SHARED_PAGES : pages[rng_below(rng, LEN(pages))];

    return base + rng_below(rng, within) * 4096;
}

static uint64_t
memory(struct maker *m)
{
    switch (rng_below(m->rng, 8)) {
    case 0: return arena_page(m->rng);
    case 1: return arena_page(m->rng) + 4096 - rng_below(m->rng, 64);
    case 2: return rng_one_in(m->rng, 2) ? 0 : any_number(m->rng);
    default: return buffer_address(m->stream, m->i);
    }
}

static uint64_t
process_slot(struct maker *m)
{
    m->op->is_pid[m->i] = true;
    return rng_below(m->rng, PID_SLOTS);
}

static uint64_t
process(struct maker *m)
{
    if (rng_one_in(m->rng, 4))
        return 0;
    if (m->root || !rng_one_in(m->rng, 5))
        return process_slot(m);
    return PICK(m->rng, 1, 2, 0xffffffff, 32767, 99999, 0x80000000);
}

/* Times are short, for a cell is. */
static struct timespec
some_time(struct rng *rng)
{
    struct timespec ts = {0, (long)rng_below(rng, 3000000)};

    switch (rng_below(rng, 12)) {
    case 0: ts.tv_nsec = 0; break;
    case 1: ts.tv_nsec = 1; break;
    case 2: ts.tv_nsec = 1000000000; break;
    case 3: ts.tv_sec = (time_t)any_number(rng); break;
    case 4: ts.tv_nsec = (long)any_number(rng); break;
    default: break;
    }
    return ts;
}

/* SIGALRM stays out of most sets: it is what ends calls that wait. */
static uint64_t
signal_set(struct rng *rng)
{
    uint64_t but = rng_one_in(rng, 20) ? 0 : 1ULL << (SIGALRM - 1);

    switch (rng_below(rng, 4)) {
    case 0: return 0;
    case 1: return ~but;
    case 2: return 1ULL << rng_below(rng, 64) & ~but;
    default: return rng_next(rng) & rng_next(rng) & ~but;
    }
}

static uint64_t
vectors(struct maker *m)
{
    struct iovec v[8];

    for (unsigned i = 0; i < LEN(v); i++) {
        v[i].iov_base = rng_one_in(m->rng, 10) ? (void *)any_number(m->rng)
                                               : (void *)arena_page(m->rng);
        v[i].iov_len = rng_one_in(m->rng, 10) ? any_number(m->rng) : rng_below(m->rng, 9000);
    }
    return fill(m, v, sizeof(v));
}

static uint64_t
poll_set(struct maker *m)
{
    struct pollfd fds[8];

    for (unsigned i = 0; i < LEN(fds); i++)
        fds[i] = (struct pollfd){.fd = (int)rng_below(m->rng, 24) - 1,
                                 .events = (short)rng_next(m->rng)};
    return fill(m, fds, sizeof(fds));
}

static uint64_t
words(struct maker *m, unsigned n)
{
    uint64_t word[SLOT_BYTES / 8];

    for (unsigned i = 0; i < n; i++)
        word[i] = any_number(m->rng);
    return fill(m, word, n * 8);
}

static uint64_t
event(struct maker *m)
{
    struct sigevent event = {0};

    event.sigev_notify = (int)PICK(m->rng, SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID, 7);
    event.sigev_signo = (int)rng_below(m->rng, 70);
    event.sigev_value.sival_ptr = (void *)any_number(m->rng);
    return rng_one_in(m->rng, 4) ? 0 : fill(m, &event, sizeof(event));
}

static uint64_t
action(struct maker *m)
{
    /* The kernel's struct: handler, flags, mask. A handler of nonsense ends the process. */
    uint64_t raw[3] = {PICK(m->rng, 0, 1, 1, 0x10), any_number(m->rng), signal_set(m->rng)};

    return rng_one_in(m->rng, 6) ? 0 : fill(m, raw, sizeof(raw));
}

static uint64_t
open_how(struct maker *m)
{
    struct open_how how = {
        .flags = PICK(m->rng, O_RDONLY, O_RDWR, O_PATH, O_DIRECTORY, O_CREAT | O_RDWR, O_NOFOLLOW),
        .resolve = PICK(m->rng, 0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV,
                        RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_CACHED, 0x3f),
    };

    if (how.flags & O_CREAT)
        how.mode = 0644;
    fill(m, &how, sizeof(how));
    m->op->args[3] = sizeof(how); /* overwritten by NUMBER: its size is drawn there */
    return buffer_address(m->stream, m->i);
}

static uint64_t
argument(struct maker *m, enum kind kind)
{
    struct rng *rng = m->rng;
    struct timespec ts[2];

    if (kind != NONE && kind != ZERO && rng_one_in(rng, 150) && !m->root)
        return any_number(rng);
    switch (kind) {
    case NONE:
    case NKINDS:
    case ZERO: return 0;
    case FD: return rng_one_in(rng, 30) ? any_number(rng) : 3 + rng_below(rng, 20);
    case DIRFD: return rng_one_in(rng, 4) ? 3 + rng_below(rng, 20) : (uint64_t)AT_FDCWD;
    case PATH: return any_path(m);
    case OWNPATH: return own_path(m);
    case PROGRAM:
        return text(m, rng_one_in(rng, 2) ? TREE "/victim" : rng_one_in(rng, 2) ? TREE "/suid"
                       : rng_one_in(rng, 2) ? TREE "/script" : TREE "/a");
    case ARGV: {
        /* "victim" stands behind the vector. */
        uint64_t v[8] = {buffer_address(m->stream, m->i) + 24, 0, 0};
        memcpy(&v[3], "victim", 7);
        return fill(m, v, 40);
    }
    case BUFFER: return memory(m);
    case LENGTH:
        return rng_one_in(rng, 8) ? any_number(rng)
                                  : PICK(rng, 0, 1, 8, 24, 128, 256, 511, 4096, 9000, 65536);
    case ADDRESS:
        return rng_one_in(rng, 25) ? rng_one_in(rng, 2) ? 0 : any_number(rng) : arena_page(rng);
    case SPAN:
        return rng_one_in(rng, 20)  ? any_number(rng)
               : rng_one_in(rng, 4) ? PICK(rng, 0x200000, 0x400000, 0x10000, 0x800000)
                                    : (rng_below(rng, 16) + 1) * 4096;
    case OFFSET:
        return rng_one_in(rng, 6) ? any_number(rng)
                                  : rng_below(rng, 24) * (rng_one_in(rng, 2) ? 4096 : 1000);
    case NUMBER: return any_number(rng);
    case SMALL: return rng_below(rng, 9);
    case BITS: return rng_one_in(rng, 3) ? rng_next(rng) & rng_next(rng) & 0xffffffff : rng_below(rng, 8);
    case MODE:
        return PICK(rng, 0644, 0755, 0777, 0, 04755, 02755, 01777, 0400, S_IFIFO | 0666, S_IFREG,
                    S_IFCHR | 0666, S_IFDIR, 0177777);
    case OPENFLAGS:
        return PICK(rng, O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC,
                    O_DIRECTORY, O_PATH, O_RDWR | O_NONBLOCK, O_CLOEXEC, O_NONBLOCK | O_CLOEXEC,
                    O_RDWR | O_APPEND, O_TMPFILE | O_RDWR, O_CREAT | O_EXCL, O_NOFOLLOW, 3,
                    O_RDWR | O_DIRECT, 0xffffffff);
    case ATFLAGS:
        return PICK(rng, 0, 0, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
                    AT_EMPTY_PATH, AT_EACCESS, 0xffff);
    case MMAPFLAGS:
        return PICK(rng, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, MAP_PRIVATE | MAP_FIXED,
                    MAP_SHARED | MAP_FIXED, MAP_PRIVATE | MAP_ANONYMOUS,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_LOCKED,
                    MAP_SHARED_VALIDATE | MAP_FIXED, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_STACK);
    case PROT: return rng_one_in(rng, 20) ? any_number(rng) : PICK(rng, 0, 1, 3, 3, 3, 5, 7, 4);
    case ADVICE: return rng_one_in(rng, 20) ? any_number(rng) : PICK(rng, 0, 1, 2, 3, 4, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25);
    case REMAPFLAGS: return rng_below(rng, 8);
    case CLONEFLAGS:
        return PICK(rng, CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS, 0, 0, CLONE_VM,
                    CLONE_VM | CLONE_SIGHAND, CLONE_VM | CLONE_FILES | CLONE_FS,
                    CLONE_VM | CLONE_VFORK, CLONE_SIGHAND, CLONE_THREAD, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
                    CLONE_PARENT, CLONE_NEWNS, CLONE_NEWUSER, CLONE_SYSVSEM, CLONE_IO);
    case PID: return process(m);
    case WHOM:
        return m->root || rng_one_in(rng, 2) ? process_slot(m)
                                             : PICK(rng, 0, 0xffffffffffffffff, 1, 77, 0xfffffffffffffff0);
    case SIGNAL:
        return rng_one_in(rng, 8) ? rng_below(rng, 68) : PICK(rng, SIGCHLD, SIGCONT, SIGUSR1, SIGTERM, 34, 0, SIGURG, SIGWINCH, SIGTSTP);
    case SIGSET: {
        uint64_t set = signal_set(rng);
        return rng_one_in(rng, 5) ? 0 : fill(m, &set, 8);
    }
    case SIGSETSIZE: return rng_one_in(rng, 30) ? any_number(rng) : 8;
    case SIGACTION: return action(m);
    case SIGINFO: {
        siginfo_t info = {0};
        info.si_signo = (int)rng_below(rng, 66);
        info.si_code = (int)PICK(rng, SI_QUEUE, SI_USER, SI_TKILL, 5, SI_TIMER);
        return fill(m, &info, sizeof(info));
    }
    case SIGSTACK: {
        stack_t stack = {(void *)arena_page(rng), (int)rng_below(rng, 4), rng_below(rng, 0x10000)};
        return fill(m, &stack, sizeof(stack));
    }
    case SIGEVENT: return event(m);
    case SIGHOW: return rng_below(rng, 4);
    case UID: return rng_one_in(rng, 3) ? 0xffffffff : PICK(rng, 0, 1000, 1001, 1002, 65534);
    case IDLIST: return words(m, 4);
    case CLOCK: return rng_one_in(rng, 10) ? any_number(rng) : PICK(rng, 0, 1, 1, 2, 3, 4, 5, 6, 7, 9, 11, (uint64_t)-6, (uint64_t)-2);
    case TIMER: return rng_below(rng, 4);
    case TIMESPEC:
        ts[0] = some_time(rng);
        ts[1] = some_time(rng);
        return rng_one_in(rng, 10) ? 0 : fill(m, ts, sizeof(ts));
    case ITIMERSPEC: {
        struct itimerspec its = {some_time(rng), some_time(rng)};
        return fill(m, &its, sizeof(its));
    }
    case ITIMERVAL: {
        struct itimerval itv = {{0, (long)rng_below(rng, 5000)}, {0, (long)rng_below(rng, 5000)}};
        if (rng_one_in(rng, 6))
            itv.it_value.tv_usec = (long)any_number(rng);
        return fill(m, &itv, sizeof(itv));
    }
    case TIMERFLAGS: return rng_one_in(rng, 4) ? rng_below(rng, 8) : 0;
    case IOVEC: return vectors(m);
    case POLLFDS: return poll_set(m);
    case FDSET: return rng_one_in(rng, 3) ? 0 : words(m, 16);
    case EPOLLOP: return 1 + rng_below(rng, 3);
    case EPOLLEVENT: {
        struct epoll_event e = {.events = (uint32_t)(rng_next(rng) & (EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLPRI))};
        e.data.u64 = rng_next(rng);
        return fill(m, &e, sizeof(e));
    }
    case FUTEXWORD:
        return rng_one_in(rng, 10) ? memory(m) : ARENA_SHARED + rng_below(rng, 4) * 4;
    case FUTEXOP:
        return PICK(rng, FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,
                    FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET, FUTEX_LOCK_PI, FUTEX_UNLOCK_PI,
                    FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI) |
               PICK(rng, 0, FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME);
    case RESOURCE: return rng_below(rng, 17);
    case RLIMIT: {
        uint64_t limit[2] = {PICK(rng, 0, 1, 20, 64, 1 << 20, 8 << 20, ~0ULL), PICK(rng, 64, 8 << 20, ~0ULL, 0)};
        return rng_one_in(rng, 3) ? 0 : fill(m, limit, sizeof(limit));
    }
    case POLICY: return rng_one_in(rng, 4) ? rng_below(rng, 9) | (rng_one_in(rng, 3) ? 0x40000000 : 0) : PICK(rng, 0, 3, 5);
    case SCHEDPARAM: {
        uint32_t priority = (uint32_t)rng_below(rng, 4);
        return fill(m, &priority, 4);
    }
    case CPUSET: {
        uint64_t set = PICK(rng, 1, 2, 3, 4, 8, 15, 12, 5, ~0ULL, 0);
        return fill(m, &set, 8);
    }
    case NICE: return rng_below(rng, 45) - 22;
    case WHICH: return rng_below(rng, 6) - 2;
    case FCNTLCMD:
        return rng_one_in(rng, 20) ? any_number(rng)
                                   : PICK(rng, F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
                                          F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_DUPFD_CLOEXEC,
                                          F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,
                                          F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW);
    case FLOCK: {
        struct flock lock = {.l_type = (short)rng_below(rng, 4), .l_whence = (short)rng_below(rng, 3)};
        lock.l_start = rng_one_in(rng, 8) ? (off_t)any_number(rng) : (off_t)rng_below(rng, 10);
        lock.l_len = rng_one_in(rng, 8) ? (off_t)any_number(rng) : (off_t)rng_below(rng, 10) - 2;
        return rng_one_in(rng, 3) ? rng_below(rng, 32) : fill(m, &lock, sizeof(lock));
    }
    case IOCTLCMD:
        return PICK(rng, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC, TIOCGWINSZ, TIOCSCTTY,
                    TIOCNOTTY, TIOCGPGRP, TIOCSPGRP, 0x5401, 0x5402, FS_IOC_GETFLAGS, 0x12345678);
    case PRCTLOP:
        return PICK(rng, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE,
                    PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,
                    PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS,
                    PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER,
                    PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
                    PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT, 35);
    case CAPHEADER: {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        return fill(m, &header, sizeof(header));
    }
    case CAPDATA: {
        uint32_t data[6];
        for (unsigned i = 0; i < 6; i++)
            data[i] = (uint32_t)PICK(rng, 0, 0xffffffff, 0x1ff, 0x200000);
        return fill(m, data, sizeof(data));
    }
    case XATTRNAME: return text(m, rng_one_in(rng, 2) ? "user.a" : rng_one_in(rng, 2) ? "trusted.b" : rng_one_in(rng, 2) ? "security.capability" : "x");
    case FSTYPE: return text(m, rng_one_in(rng, 2) ? "tmpfs" : rng_one_in(rng, 2) ? "proc" : rng_one_in(rng, 2) ? "devtmpfs" : "ext9");
    case MOUNTFLAGS:
        return PICK(rng, 0, 0, MS_BIND, MS_BIND | MS_REC, MS_MOVE, MS_REMOUNT, MS_REMOUNT | MS_BIND | MS_RDONLY,
                    MS_RDONLY, MS_NOSUID | MS_NODEV, MS_PRIVATE, MS_SHARED | MS_REC, 0xffffffff);
    case MOUNTDATA: return text(m, rng_one_in(rng, 2) ? "" : rng_one_in(rng, 2) ? "size=1m,nr_inodes=50" : "size=x");
    case OPENHOW: return open_how(m);
    case WHENCE: return rng_below(rng, 6);
    case FALLOCMODE: return PICK(rng, 0, 1, 3, 2, 16, 8, 32, 64);
    case SEEKABLE: {
        uint64_t offset = rng_below(rng, 9000);
        return rng_one_in(rng, 2) ? 0 : fill(m, &offset, 8);
    }
    case MEMBARRIER: return rng_one_in(rng, 3) ? rng_below(rng, 10) : PICK(rng, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256);
    }
    return 0;
}

static const struct call *
draw(struct rng *rng)
{
    static unsigned total;
    unsigned at;

    if (!total)
        for (unsigned i = 0; i < ncalls; i++)
            total += (unsigned)calls[i].weight;
    at = (unsigned)rng_below(rng, total);
    for (unsigned i = 0;; i++) {
        if (at < (unsigned)calls[i].weight)
            return &calls[i];
        at -= (unsigned)calls[i].weight;
    }
}

void
op_make(struct op *op, uint64_t seed, unsigned stream, unsigned index, bool root)
{
    struct rng rng = rng_of(seed, stream, index);

    memset(op, 0, sizeof(*op));
    op->call = draw(&rng);
    for (unsigned i = 0; i < NARGS; i++) {
        struct maker m = {.rng = &rng, .op = op, .stream = stream, .i = i, .root = root};
        op->args[i] = argument(&m, op->call->args[i]);
        if (i > 0 && op->call->args[i - 1] == OPENHOW)
            op->args[i] = sizeof(struct open_how);
    }
}

void
op_print(const struct op *op, unsigned stream)
{
    for (unsigned i = 0; i < NARGS; i++) {
        if (!op->filled[i])
            continue;
        printf("    put(0x%lx, \"", buffer_address(stream, i));
        for (unsigned k = 0; k < op->filled[i]; k++)
            printf("\\x%02x", op->buffer[i][k]);
        printf("\", %u);\n", op->filled[i]);
    }
    if (op->call->number == SPECIAL_FORK)
        printf("    forks(%#lx", op->args[0]);
    else if (op->call->number == SPECIAL_TOUCH)
        printf("    touch(%#lx, %lu, %#lx", op->args[0], op->args[1], op->args[2]);
    else
        printf("    call(%d", op->call->number);
    for (unsigned i = 0; op->call->number < SPECIAL_FORK && i < NARGS && op->call->args[i]; i++)
        printf(op->is_pid[i] ? ", P(%lu)" : ", %#lx", op->args[i]);
    printf("); /* %s */\n", op->call->name);
}
