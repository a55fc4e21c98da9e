/*
 * Signals: actions, masks, delivery, information, alternate stacks, the
 * state a handler must find and leave, interrupted calls, and who may
 * signal whom. Stopping is in jobs.c, SIGCHLD in wait.c.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last, depth, deepest;
static siginfo_t seen;
static sigset_t mask_inside;

static void
on_signal(int number)
{
    count++;
    last = number;
}

static void
on_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    count++;
    last = number;
    seen = *info;
    sigprocmask(SIG_SETMASK, NULL, &mask_inside);
}

/* Set a handler with flags and, beside its own signal, one to block. */
static void
handle(int number, void (*handler)(int, siginfo_t *, void *), int flags,
       int also_blocked)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = flags | SA_SIGINFO };

    if (also_blocked)
        sigaddset(&action.sa_mask, also_blocked);
    if (sigaction(number, &action, NULL) < 0)
        tap_fails(-1, 0, __FILE__, __LINE__, "sigaction()");
    count = last = 0;
    memset(&seen, 0, sizeof(seen));
}

static long
raw_sigaction(int number, const void *action, void *old, size_t size)
{
    return syscall(SYS_rt_sigaction, number, action, old, size);
}

static void
test_sigaction(void)
{
    struct { void *handler; unsigned long flags; uint64_t mask; } action, old;

    memset(&action, 0, sizeof(action));
    action.handler = on_signal;
    action.flags = SA_RESTART | SA_NODEFER;
    action.mask = ~0UL;
    is(raw_sigaction(SIGUSR1, &action, NULL, 8), 0);
    is(raw_sigaction(SIGUSR1, NULL, &old, 8), 0);
    ok(old.handler == (void *)on_signal, "the handler reads back");
    is(old.flags, SA_RESTART | SA_NODEFER);
    is(old.mask, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
    action.handler = (void *)SIG_DFL;
    is(raw_sigaction(SIGUSR1, &action, &old, 8), 0);
    ok(old.handler == (void *)on_signal, "and once more as the old one");

    fails(raw_sigaction(SIGUSR1, &action, &old, 4), EINVAL);
    fails(raw_sigaction(SIGUSR1, &action, &old, 16), EINVAL);
    fails(raw_sigaction(0, &action, &old, 8), EINVAL);
    fails(raw_sigaction(65, &action, &old, 8), EINVAL);
    fails(raw_sigaction(-1, &action, &old, 8), EINVAL);
    fails(raw_sigaction(SIGKILL, &action, &old, 8), EINVAL);
    fails(raw_sigaction(SIGSTOP, &action, &old, 8), EINVAL);
    is(raw_sigaction(SIGKILL, NULL, &old, 8), 0);
    is(raw_sigaction(64, &action, &old, 8), 0);
    fails(raw_sigaction(SIGUSR1, hole(), NULL, 8), EFAULT);
    fails(raw_sigaction(SIGUSR1, NULL, hole(), 8), EFAULT);
    fails(raw_sigaction(SIGUSR1, KERNEL_POINTER, NULL, 8), EFAULT);
}

static void
test_procmask(void)
{
    sigset_t set, old;
    uint64_t all = ~0UL, got = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    works(sigprocmask(SIG_BLOCK, &set, &old));
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    count = 0;
    works(raise(SIGUSR1));
    works(raise(SIGUSR1));
    works(raise(SIGUSR2));
    is(count, 0);
    works(sigpending(&set));
    ok(sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2) &&
       !sigismember(&set, SIGHUP), "both are pending, no other");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    works(sigprocmask(SIG_UNBLOCK, &set, NULL));
    ok(count == 1 && last == SIGUSR1, "one delivery for two of the same");
    works(sigprocmask(SIG_SETMASK, &old, NULL));
    ok(count == 2 && last == SIGUSR2, "the other when it is unblocked");

    is(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8), 0);
    is(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, &got, 8), 0);
    is(got, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
    fails(syscall(SYS_rt_sigprocmask, 3, &all, NULL, 8), EINVAL);
    fails(syscall(SYS_rt_sigprocmask, -1, &all, NULL, 8), EINVAL);
    is(syscall(SYS_rt_sigprocmask, 3, NULL, &got, 8), 0);
    fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 4), EINVAL);
    fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, hole(), NULL, 8), EFAULT);
    fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, hole(), 8), EFAULT);
    fails(syscall(SYS_rt_sigpending, hole(), 8), EFAULT);
    fails(syscall(SYS_rt_sigpending, &got, 9), EINVAL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void
test_realtime_queue(void)
{
    sigset_t set, old;
    siginfo_t info;
    union sigval value;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 1; i <= 3; i++) {
        value.sival_int = i;
        works(sigqueue(getpid(), SIGRTMIN + 1, value));
    }
    value.sival_int = 9;
    works(sigqueue(getpid(), SIGRTMIN, value));
    raise(SIGUSR1);
    struct timespec none = { 0, 0 };
    is(sigtimedwait(&set, &info, &none), SIGUSR1);
    is(sigtimedwait(&set, &info, &none), SIGRTMIN);
    is(info.si_value.sival_int, 9);
    is(info.si_code, SI_QUEUE);
    is(info.si_pid, getpid());
    for (int i = 1; i <= 3; i++) {
        int number = sigtimedwait(&set, &info, &none);
        ok(number == SIGRTMIN + 1 && info.si_value.sival_int == i,
           "queued signal %d in its turn", i);
    }
    fails(sigtimedwait(&set, &info, &none), EAGAIN);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void
test_info(void)
{
    handle(SIGUSR1, on_info, 0, 0);
    works(kill(getpid(), SIGUSR1));
    is(last, SIGUSR1);
    is(seen.si_signo, SIGUSR1);
    is(seen.si_code, SI_USER);
    is(seen.si_errno, 0);
    is(seen.si_pid, getpid());
    is(seen.si_uid, getuid());
    works(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
    is(seen.si_code, SI_TKILL);
    is(seen.si_pid, getpid());
    works(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1));
    is(count, 3);
    pid_t parent = getpid(), pid = tap_fork();
    if (pid == 0) {
        kill(parent, SIGUSR1);
        _exit(0);
    }
    tap_wait(pid);
    is(count, 4);
    is(seen.si_pid, pid);
    handle(SIGALRM, on_info, 0, 0);
    ualarm(1000, 0);
    while (!count)
        ;
    is(seen.si_code, SI_KERNEL);
    signal(SIGALRM, SIG_DFL);
    alarm(TAP_SECONDS);
    signal(SIGUSR1, SIG_DFL);
}

static void
on_nested(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (count + depth < 4)
        raise(number);
    depth--;
    count++;
}

static void
test_flags(void)
{
    handle(SIGUSR1, on_info, 0, SIGUSR2);
    raise(SIGUSR1);
    ok(sigismember(&mask_inside, SIGUSR1) && sigismember(&mask_inside, SIGUSR2),
       "the signal and sa_mask are blocked in the handler");
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    ok(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2),
       "and no longer after it");
    handle(SIGUSR1, on_info, SA_NODEFER, 0);
    raise(SIGUSR1);
    ok(!sigismember(&mask_inside, SIGUSR1), "SA_NODEFER leaves it unblocked");

    handle(SIGUSR1, on_nested, SA_NODEFER, 0);
    depth = deepest = 0;
    raise(SIGUSR1);
    ok(deepest == 4 && count == 4, "SA_NODEFER nests");
    handle(SIGUSR1, on_nested, 0, 0);
    depth = deepest = 0;
    raise(SIGUSR1);
    ok(deepest == 1 && count == 4, "without it handlers follow one another");
    signal(SIGUSR1, SIG_DFL);

    handle(SIGUSR1, on_info, SA_RESETHAND, 0);
    raise(SIGUSR1);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    ok(count == 1 && action.sa_handler == SIG_DFL, "SA_RESETHAND resets");
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}

static void
on_sum(int number, siginfo_t *info, void *context)
{
    volatile double a = 1e100, b = 3;
    ucontext_t *uc = context;

    (void)number;
    (void)info;
    for (int i = 0; i < 50; i++)
        a = a / b + i;
    asm volatile("fcvt.d.l fs0, %0; fcvt.d.l fs1, %0; fcvt.d.l fa0, %0;"
                 "fcvt.d.l ft0, %0; fcvt.d.l ft11, %0; fsflags x0"
                 : : "r"(77) : "fs0", "fs1", "fa0", "ft0", "ft11");
    count = uc->uc_mcontext.__gregs[REG_PC] != 0;
}

/* Raise SIGUSR1 with known values in registers; true if all are kept. */
static int
registers_kept(void)
{
    double f0 = 0.5, f1 = 1.25, f2 = -3.75, f3 = 4e300, f4 = 5e-300;
    double g0, g1, g2, g3, g4;
    unsigned long kept, flags;

    asm volatile(
        "fmv.d fs0, %7; fmv.d fs1, %8; fmv.d fa5, %9; fmv.d ft0, %10;"
        "fmv.d ft11, %11; li t3, 0x1234; li s5, 0x567; li a3, 0x9ab;"
        "fsflagsi 0x15;"
        "mv a0, %12; mv a1, %13; li a7, 129; ecall;"
        "frflags %6; fmv.d %0, fs0; fmv.d %1, fs1; fmv.d %2, fa5;"
        "fmv.d %3, ft0; fmv.d %4, ft11;"
        "xori t3, t3, 0x234; li t4, 0x1000; sub t3, t3, t4;"
        "xori s5, s5, 0x567; xori a3, a3, 0x1ab; li t4, 0x800;"
        "sub a3, a3, t4; or t3, t3, s5; or %5, t3, a3; fsflags x0"
        : "=&f"(g0), "=&f"(g1), "=&f"(g2), "=&f"(g3), "=&f"(g4),
          "=&r"(kept), "=&r"(flags)
        : "f"(f0), "f"(f1), "f"(f2), "f"(f3), "f"(f4),
          "r"((long)getpid()), "r"((long)SIGUSR1)
        : "a0", "a1", "a3", "a7", "t3", "t4", "s5", "fs0", "fs1", "fa5",
          "ft0", "ft11", "memory");
    return g0 == f0 && g1 == f1 && g2 == f2 && g3 == f3 && g4 == f4 &&
           kept == 0 && flags == 0x15;
}

static void
test_registers(void)
{
    handle(SIGUSR1, on_sum, 0, 0);
    ok(registers_kept(), "integer and FP registers are as before a handler");
    is(count, 1);
    signal(SIGUSR1, SIG_DFL);

    /* From a signal that strikes in the middle of a computation. */
    handle(SIGALRM, on_sum, 0, 0);
    double sum = 0, want = 0;
    for (int i = 1; i < 2000; i++)
        want += 1.0 / i;
    for (int round = 0; round < 30; round++) {
        count = 0;
        ualarm(500, 0);
        do {
            sum = 0;
            for (int i = 1; i < 2000; i++)
                sum += 1.0 / i;
        } while (!count && sum == want);
        if (sum != want)
            break;
    }
    ok(sum == want, "a computation in FP survives handlers that use FP");
    signal(SIGALRM, SIG_DFL);
    alarm(TAP_SECONDS);
}

static void
on_edit(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)number;
    (void)info;
    uc->uc_mcontext.__gregs[REG_A0] = 4321;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void
test_context(void)
{
    register long a0 asm("a0");
    register long a1 asm("a1");
    register long a7 asm("a7");

    handle(SIGUSR1, on_edit, 0, 0);
    long pid = getpid();
    a0 = pid;
    a1 = SIGUSR1;
    a7 = SYS_kill;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    is(a0, 4321);
    sigset_t set;
    sigprocmask(SIG_SETMASK, NULL, &set);
    ok(sigismember(&set, SIGUSR2), "the mask in the context is what returns");
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGUSR1, SIG_DFL);
}

/* In children: default actions and what they say. */
static int
dies_of(int number)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        raise(number);
        _exit(200);
    }
    int status = tap_wait(pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
test_defaults(void)
{
    static const int ignored[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };
    static const int deadly[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
        SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM,
        SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS,
        34, 64,
    };

    for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
        ok(dies_of(deadly[i]) == deadly[i], "signal %d kills", deadly[i]);
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        ok(dies_of(ignored[i]) == 0, "signal %d is ignored", ignored[i]);
}

int
main(void)
{
    tap_begin("signals");
    test_sigaction();
    test_procmask();
    test_realtime_queue();
    test_info();
    test_flags();
    test_registers();
    test_context();
    test_defaults();
    return tap_end();
}
