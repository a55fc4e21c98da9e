/*
 * The table of rights: what one process may do to another: signals,
 * scheduling, limits, groups and sessions, and what it may ask about it.
 */
#include "rights.h"
#include <sys/resource.h>

static pid_t target;
static const char *target_name;

static long
queue(pid_t pid, int signo, int code)
{
    siginfo_t info = {.si_signo = signo, .si_code = code};

    return syscall(SYS_rt_sigqueueinfo, pid, signo, &info);
}

static void
signals(void)
{
    static const int signo[] = {0, SIGCONT, SIGURG};

    for (size_t i = 0; i < ARRAY_SIZE(signo); i++) {
        tried(kill(target, signo[i]), "kill %d of %s", signo[i], target_name);
        tried(syscall(SYS_tgkill, target, target, signo[i]), "tgkill %d of %s", signo[i], target_name);
        tried(syscall(SYS_tkill, target, signo[i]), "tkill %d of %s", signo[i], target_name);
    }
    tried(queue(target, SIGURG, SI_QUEUE), "sigqueue of %s", target_name);
    tried(queue(target, SIGURG, SI_USER), "sigqueue as kill of %s", target_name);
    tried(queue(target, SIGURG, SI_TKILL), "sigqueue as tkill of %s", target_name);
    tried(kill(-target, 0), "kill of the group of %s", target_name);
}

static void
schedule(void)
{
    struct sched_param zero = {0}, one = {1};
    cpu_set_t set;

    tried(getpriority(PRIO_PROCESS, (id_t)target), "getpriority of %s", target_name);
    tried(setpriority(PRIO_PROCESS, (id_t)target, 0), "setpriority 0 of %s", target_name);
    tried(setpriority(PRIO_PROCESS, (id_t)target, -1), "setpriority -1 of %s", target_name);
    tried(setpriority(PRIO_PROCESS, (id_t)target, 1), "setpriority 1 of %s", target_name);
    tried(setpriority(PRIO_PROCESS, (id_t)target, 0), "setpriority back to 0 of %s", target_name);
    tried(setpriority(PRIO_PGRP, (id_t)target, 1), "setpriority of the group of %s", target_name);
    tried(sched_setscheduler(target, SCHED_OTHER, &zero), "sched_setscheduler other of %s", target_name);
    tried(sched_setscheduler(target, SCHED_BATCH, &zero), "sched_setscheduler batch of %s", target_name);
    tried(sched_setscheduler(target, SCHED_IDLE, &zero), "sched_setscheduler idle of %s", target_name);
    tried(sched_setscheduler(target, SCHED_OTHER, &zero), "sched_setscheduler from idle of %s", target_name);
    tried(sched_setscheduler(target, SCHED_FIFO, &one), "sched_setscheduler fifo of %s", target_name);
    tried(sched_setparam(target, &zero), "sched_setparam of %s", target_name);
    tried(sched_getscheduler(target) < 0 ? -1 : 0, "sched_getscheduler of %s", target_name);
    tried(sched_getparam(target, &one), "sched_getparam of %s", target_name);
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    tried(sched_setaffinity(target, sizeof(set), &set), "sched_setaffinity of %s", target_name);
    tried(sched_getaffinity(target, sizeof(set), &set) < 0 ? -1 : 0, "sched_getaffinity of %s", target_name);
    struct timespec ts;
    tried(sched_rr_get_interval(target, &ts), "sched_rr_get_interval of %s", target_name);
}

static void
limits(void)
{
    struct rlimit old, same, more;

    tried(prlimit(target, RLIMIT_NOFILE, NULL, &old), "prlimit get of %s", target_name);
    getrlimit(RLIMIT_NOFILE, &same);
    more = (struct rlimit){same.rlim_cur, same.rlim_max + 1};
    tried(prlimit(target, RLIMIT_NOFILE, &same, NULL), "prlimit set of %s", target_name);
    tried(prlimit(target, RLIMIT_NOFILE, &more, NULL), "prlimit more of %s", target_name);
}

static void
others(void)
{
    void *head;
    size_t length;
    long result;

    tried(getpgid(target) == target, "getpgid of %s", target_name);
    tried(getsid(target) > 0, "getsid of %s", target_name);
    tried(setpgid(target, target), "setpgid of %s", target_name);
    tried(setpgid(target, 0), "setpgid 0 of %s", target_name);
    get_caps(target, &result);
    tried(result, "capget of %s", target_name);
    tried(syscall(SYS_get_robust_list, target, &head, &length), "get_robust_list of %s", target_name);
}

static void
each(void)
{
    signals();
    schedule();
    limits();
    others();
}

static void
undumpable(void)
{
    setsid();
    prctl(PR_SET_DUMPABLE, 0);
}

static void
dumpable(void)
{
    setsid();
    prctl(PR_SET_DUMPABLE, 1);
}

/* The ids of a set-user-ID program of root's that ann runs, and of one that has given up its rights. */
static void
effective_root(void)
{
    setsid();
    syscall(SYS_setresuid, ANN, 0, 0);
}

static void
saved_root(void)
{
    setsid();
    syscall(SYS_setresuid, ANN, ANN, 0);
}

static void
real_bob(void)
{
    setsid();
    syscall(SYS_setresuid, BOB, ANN, ANN);
}

static void
same_session(void)
{
    setpgid(0, 0);
    prctl(PR_SET_DUMPABLE, 1);
}

static void
other_group(void)
{
    setsid();
    syscall(SYS_setresgid, ANN, CLUB, CLUB);
    syscall(SYS_setresuid, ANN, ANN, ANN);
}

void
procs(void)
{
    static const struct who callers[] = {
        ROOT, BARE, USER("ann", ANN, true), USER("bob", BOB, true), EVE_WITH(CAP_KILL),
        EVE_WITH(CAP_SYS_NICE), EVE_WITH(CAP_SYS_RESOURCE), EVE_WITH(CAP_SYS_PTRACE), ANN_WITH(CAP_CHOWN),
        ROOT_BUT(CAP_KILL), ROOT_BUT(CAP_SYS_NICE), ROOT_BUT(CAP_SYS_RESOURCE), ROOT_BUT(CAP_SYS_PTRACE),
    };
    static const struct {
        const char *name;
        struct who who;
        void (*before)(void);
    } targets[] = {
        {"root", ROOT, dumpable},
        {"root without caps", BARE, dumpable},
        {"ann", USER("", ANN, true), dumpable},
        {"ann, not dumpable", USER("", ANN, true), undumpable},
        {"ann with CHOWN", ANN_WITH(CAP_CHOWN), dumpable},
        {"ann, effective root", ROOT, effective_root},
        {"ann, saved root", ROOT, saved_root},
        {"bob, effective ann", ROOT, real_bob},
        {"ann, other group", ROOT, other_group},
        {"bob, same session", USER("", BOB, true), same_session},
    };

    subject("procs");
    for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
            target_name = targets[t].name;
            target = sleeper(&targets[t].who, targets[t].before);
            act_as(&callers[i], each);
            end_sleeper(target);
        }
}
