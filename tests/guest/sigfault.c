/*
 * Signals that a program's own mistakes send it: SIGSEGV, SIGBUS, SIGILL,
 * SIGTRAP with si_code and si_addr, SIGPIPE, and alternate stacks.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t seen;
static volatile unsigned long seen_pc;
static void *volatile seen_stack;

static void
on_fault(int number, siginfo_t *info, void *context)
{
    int here;

    (void)number;
    seen = *info;
    seen_pc = ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
    seen_stack = &here;
    siglongjmp(back, 1);
}

static void
handle(int number, int flags)
{
    struct sigaction action = { .sa_sigaction = on_fault,
                                .sa_flags = flags | SA_SIGINFO };

    sigaction(number, &action, NULL);
}

enum access { READ, WRITE, JUMP };

/* Touch address; return the signal it got, or 0. seen holds the rest. */
static int
touch(void *address, enum access how)
{
    memset(&seen, 0, sizeof(seen));
    if (sigsetjmp(back, 1))
        return seen.si_signo;
    if (how == READ)
        (void)*(volatile char *)address;
    else if (how == WRITE)
        *(volatile char *)address = 1;
    else
        ((void (*)(void))address)();
    return 0;
}

/* Check that touching gives SIGSEGV with code, told at the address. */
#define faults(address, how, code) \
    ok(touch(address, how) == SIGSEGV && seen.si_code == (code) && \
       seen.si_addr == (void *)(address), \
       "%s of %s: signal %d code %d at %p", #how, #address, seen.si_signo, \
       seen.si_code, seen.si_addr)

static void
test_segv(void)
{
    char *p = pages(3);
    char *gap = pages(3) + PAGE;

    munmap(gap, PAGE);
    mprotect(p + PAGE, PAGE, PROT_READ);
    mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
    faults(NULL, READ, SEGV_MAPERR);
    faults(NULL, WRITE, SEGV_MAPERR);
    faults(NULL, JUMP, SEGV_MAPERR);
    faults((char *)1, READ, SEGV_MAPERR);
    faults(gap, READ, SEGV_MAPERR);
    faults(gap + 100, WRITE, SEGV_MAPERR);
    faults(gap + PAGE - 1, READ, SEGV_MAPERR);
    faults(p + PAGE + 5, WRITE, SEGV_ACCERR);
    faults(p + PAGE, JUMP, SEGV_ACCERR);
    faults(p + 2 * PAGE, READ, SEGV_ACCERR);
    faults(p + 2 * PAGE + 7, WRITE, SEGV_ACCERR);
    faults(p, JUMP, SEGV_ACCERR);
    faults((void *)test_segv, WRITE, SEGV_ACCERR);
    is(touch(p + PAGE, READ), 0);
    is(touch(p, WRITE), 0);
    is(touch(KERNEL_POINTER, READ), SIGSEGV);
    ok(seen.si_addr == KERNEL_POINTER, "a kernel address is told");
    is(touch(KERNEL_POINTER, WRITE), SIGSEGV);
    is(touch(KERNEL_POINTER, JUMP), SIGSEGV);
    is(touch(LAST_POINTER, READ), SIGSEGV);
    is(touch((void *)0x8000000000000000UL, READ), SIGSEGV);
    is(touch((void *)0x0123456789abcdefUL, READ), SIGSEGV);
}

static void
test_bus(void)
{
    put_file("file", "hello", 5, 0644);
    int fd = open("file", O_RDWR);
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    is(touch(p, READ), 0);
    is(touch(p + PAGE - 1, READ), 0);
    is(touch(p + PAGE + 3, READ), SIGBUS);
    is(seen.si_code, BUS_ADRERR);
    ok(seen.si_addr == p + PAGE + 3, "si_addr of SIGBUS");
    is(touch(p + 2 * PAGE, WRITE), SIGBUS);
    ftruncate(fd, PAGE + 1);
    is(touch(p + PAGE + 3, READ), 0);
    ftruncate(fd, 0);
    is(touch(p, READ), SIGBUS);
    is(touch(p + PAGE, WRITE), SIGBUS);
    munmap(p, 3 * PAGE);
    close(fd);
}

static void
test_illegal(void)
{
    if (!sigsetjmp(back, 1))
        asm volatile(".word 0");
    is(seen.si_signo, SIGILL);
    is(seen.si_code, ILL_ILLOPC);
    ok((unsigned long)seen.si_addr == seen_pc, "si_addr is the instruction");
    if (!sigsetjmp(back, 1))
        asm volatile("csrr t0, sstatus" : : : "t0");
    is(seen.si_signo, SIGILL);
    if (!sigsetjmp(back, 1))
        asm volatile("sret");
    is(seen.si_signo, SIGILL);
    if (!sigsetjmp(back, 1))
        asm volatile("sfence.vma");
    is(seen.si_signo, SIGILL);
    if (!sigsetjmp(back, 1))
        asm volatile("ebreak");
    is(seen.si_signo, SIGTRAP);
    is(seen.si_code, TRAP_BRKPT);
}

static void
test_uncaught(void)
{
    int fatal[] = { SIGSEGV, SIGILL, SIGTRAP };

    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        for (int how = 0; how < 3; how++) {
            pid_t pid = tap_fork();
            if (pid == 0) {
                sigset_t set;
                struct rlimit none = { 0, 0 };
                setrlimit(RLIMIT_CORE, &none);
                sigfillset(&set);
                signal(fatal[i], how == 1 ? SIG_IGN : SIG_DFL);
                if (how == 2) {
                    handle(fatal[i], 0);
                    sigprocmask(SIG_BLOCK, &set, NULL);
                }
                if (i == 0)
                    *(volatile int *)hole() = 1;
                else if (i == 1)
                    asm volatile(".word 0");
                else
                    asm volatile("ebreak");
                _exit(0);
            }
            int status = tap_wait(pid);
            ok(WIFSIGNALED(status) && WTERMSIG(status) == fatal[i],
               "fault signal %d kills, %s", fatal[i],
               how == 0 ? "by default" : how == 1 ? "ignored" : "blocked");
        }
    }
}

static void
test_pipe(void)
{
    int fd[2];

    pipe(fd);
    close(fd[0]);
    signal(SIGPIPE, SIG_IGN);
    fails(write(fd[1], "x", 1), EPIPE);
    pid_t pid = tap_fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        write(fd[1], "x", 1);
        _exit(0);
    }
    is(tap_wait(pid), SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    close(fd[1]);
}

static stack_t state_inside;
static volatile int count;

static void
on_stack(int number, siginfo_t *info, void *context)
{
    int here;

    (void)number;
    (void)info;
    seen_stack = &here;
    sigaltstack(NULL, &state_inside);
    state_inside.ss_size = 8 * PAGE;
    count = sigaltstack(&state_inside, NULL) == -1 && errno == EPERM;
    (void)context;
}

static void
test_alternate_stack(void)
{
    char *p = pages(8);
    stack_t stack = { .ss_sp = p, .ss_size = 8 * PAGE }, old;
    struct sigaction action = { .sa_sigaction = on_stack,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };

    works(sigaltstack(NULL, &old));
    is(old.ss_flags, SS_DISABLE);
    works(sigaltstack(&stack, NULL));
    works(sigaltstack(NULL, &old));
    ok(old.ss_sp == p && old.ss_size == 8 * PAGE && old.ss_flags == 0,
       "the stack reads back");
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    ok((char *)seen_stack >= p && (char *)seen_stack < p + 8 * PAGE,
       "SA_ONSTACK runs there");
    is(state_inside.ss_flags, SS_ONSTACK);
    is(count, 1);
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    ok((char *)seen_stack < p || (char *)seen_stack >= p + 8 * PAGE,
       "without it the handler runs on the usual stack");

    stack.ss_size = 1024;
    fails(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_size = 8 * PAGE;
    stack.ss_flags = 0x10;
    fails(sigaltstack(&stack, NULL), EINVAL);
    fails(syscall(SYS_sigaltstack, hole(), NULL), EFAULT);
    fails(syscall(SYS_sigaltstack, NULL, hole()), EFAULT);
    fails(syscall(SYS_sigaltstack, KERNEL_POINTER, NULL), EFAULT);
    stack.ss_flags = SS_DISABLE;
    works(sigaltstack(&stack, NULL));
    signal(SIGUSR1, SIG_DFL);
}

static int
overflow(int n)
{
    volatile char block[2000];

    block[0] = n;
    if (n == 1 << 20)
        return 0;
    return overflow(n + 1) + block[0];
}

/* The stack runs over; the handler on the other stack lives to tell. */
static int
overflowed(void)
{
    stack_t stack = { .ss_sp = pages(8), .ss_size = 8 * PAGE };
    struct rlimit limit;

    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, SA_ONSTACK);
    if (sigsetjmp(back, 1))
        return seen.si_signo;
    return overflow(0);
}

/* No stack to put the frame on: SIGSEGV kills. */
static int
no_frame(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    handle(SIGUSR1, 0);
    asm volatile("mv sp, zero; mv a0, %0; mv a1, %1; li a7, 129; ecall;"
                 "li a0, 1; li a7, 93; ecall"
                 : : "r"((long)getpid()), "r"((long)SIGUSR1)
                 : "a0", "a1", "a7", "memory");
    return 0;
}

/*
 * Send the process number with no stack to put a frame on, or with number 0 return to a frame
 * that is not there. Not inlined: the stack pointer is back when it returns.
 */
static __attribute__((noinline)) void
without_stack(int number)
{
    register long pid asm("a0") = getpid();
    register long second asm("a1") = number;
    register long call asm("a7") = number ? SYS_kill : SYS_rt_sigreturn;

    asm volatile("mv s1, sp; li sp, 0x100; ecall; mv sp, s1"
                 : "+r"(pid) : "r"(second), "r"(call) : "s1", "memory");
}

/* The handler of SIGSEGV has a stack, so it learns of a frame that could not be written or read. */
static void
test_frames(void)
{
    stack_t stack = { .ss_sp = pages(8), .ss_size = 8 * PAGE };
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t before, after;

    sigaltstack(&stack, NULL);
    handle(SIGSEGV, SA_ONSTACK);
    handle(SIGUSR1, SA_RESETHAND);
    sigprocmask(SIG_SETMASK, NULL, &before);
    for (int number = SIGUSR1; number >= 0; number -= SIGUSR1) {
        memset(&seen, 0, sizeof(seen));
        if (!sigsetjmp(back, 0))
            without_stack(number);
        is(seen.si_signo, SIGSEGV);
        is(seen.si_code, SI_KERNEL);
        ok(seen.si_addr == NULL, "without an address");
        sigprocmask(SIG_SETMASK, NULL, &after);
        is(sigismember(&after, SIGUSR1), 0);
        is(sigismember(&after, SIGSEGV), 1);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    sigaction(SIGUSR1, NULL, &action);
    ok(action.sa_handler == SIG_DFL, "the handler that did not run is reset all the same");
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

/* SIGSEGV's own frame has no place either. */
static int
no_frame_for_segv(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    handle(SIGSEGV, 0);
    without_stack(SIGUSR2);
    return 0;
}

/* rt_sigreturn with nothing on the stack to return to. */
static int
bad_return(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    asm volatile("li sp, 0x8000; li a7, 139; ecall; li a0, 1; li a7, 93; ecall"
                 : : : "a0", "a7", "memory");
    return 0;
}

int
main(void)
{
    tap_begin("sigfault");
    handle(SIGSEGV, 0);
    handle(SIGBUS, 0);
    handle(SIGILL, 0);
    handle(SIGTRAP, 0);
    test_segv();
    test_bus();
    test_illegal();
    test_uncaught();
    test_pipe();
    test_alternate_stack();
    test_frames();
    signal(SIGSEGV, SIG_DFL);
    is(tap_status_of(overflowed), SIGSEGV << 8);
    is(tap_status_of(no_frame), SIGSEGV);
    handle(SIGUSR2, 0);
    is(tap_status_of(no_frame_for_segv), SIGSEGV);
    signal(SIGUSR2, SIG_DFL);
    is(tap_status_of(bad_return), SIGSEGV);
    return tap_end();
}
