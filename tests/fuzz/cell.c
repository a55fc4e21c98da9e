/*
 * A cell's processes and threads, and how a call is made.
 *
 * Threads share the first one's thread pointer, so nothing here uses errno
 * or any other variable of a thread: calls are made by ecall.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACKS 0x2200000000UL /* of threads and of children that share memory */
#define STACK_BYTES 0x10000UL
#define STACKS_PER_STREAM 4
#define CHILD_OPS 6
#define MAX_DEPTH 2
#define NO_PROCESS 99999 /* a number above any that is given */

static uint64_t cell_seed;
static unsigned cell_threads;

static long
ecall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register uint64_t a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return (long)a0;
}

/* clone() to fn(arg) on another stack; in the caller, clone()'s answer. */
long clone_to(uint64_t flags, uint64_t stack, void (*fn)(void *), void *arg);
__asm__(".text\n"
        ".globl clone_to\n"
        "clone_to:\n"
        "    addi a1, a1, -16\n"
        "    sd   a2, 0(a1)\n"
        "    sd   a3, 8(a1)\n"
        "    li   a2, 0\n"
        "    li   a3, 0\n"
        "    li   a4, 0\n"
        "    li   a7, 220\n"
        "    ecall\n"
        "    bnez a0, 1f\n"
        "    ld   t0, 0(sp)\n"
        "    ld   a0, 8(sp)\n"
        "    jalr t0\n"
        "    li   a0, 0\n"
        "    li   a7, 93\n"
        "    ecall\n"
        "1:  ret\n");

/* A load or store of touch() that faults is passed over. Both are four bytes long. */
static void
pass_over(int signo, siginfo_t *info, void *context)
{
    extern const char touch_load[], touch_store[];
    ucontext_t *user = context;
    uint64_t pc = user->uc_mcontext.__gregs[REG_PC];

    (void)info;
    if (pc == (uint64_t)touch_load || pc == (uint64_t)touch_store) {
        user->uc_mcontext.__gregs[REG_PC] = pc + 4;
        return;
    }
    ecall(SYS_exit_group, 128 + (uint64_t)signo, 0, 0, 0, 0, 0);
}

/* Read (or write, if value is odd) one byte of each of some pages; what is not there is passed over. */
void touch_page(uint64_t address, uint64_t value);
__asm__(".text\n"
        ".option push\n"
        ".option norvc\n"
        ".globl touch_page, touch_load, touch_store\n"
        "touch_page:\n"
        "    andi t0, a1, 1\n"
        "    bnez t0, touch_store\n"
        "touch_load:\n"
        "    lb   t1, 0(a0)\n"
        "    ret\n"
        "touch_store:\n"
        "    sb   a1, 0(a0)\n"
        "    ret\n"
        ".option pop\n");

struct run {
    unsigned stream, first, count, depth;
};

static void run_ops(const struct run *run);

static void
run_child(void *arg)
{
    struct run run = *(const struct run *)arg;

    run_ops(&run);
}

static void
note_process(void)
{
    uint32_t slot = __atomic_fetch_add(&board->npids, 1, __ATOMIC_RELAXED);

    board->pids[slot % PID_SLOTS] = (int32_t)ecall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static void
do_fork(const struct op *op, const struct run *by, unsigned index)
{
    uint64_t flags = op->args[0] & ~0xffULL & ~(uint64_t)(CLONE_SETTLS | CLONE_CHILD_SETTID |
                                                         CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID);
    struct run run = {by->stream, (index + 1) * 1000, CHILD_OPS, by->depth + 1};

    if (by->depth >= MAX_DEPTH || index >= 1000000)
        return;
    if (!(flags & CLONE_THREAD))
        flags |= SIGCHLD;
    if (!(flags & CLONE_VM)) {
        if (ecall(SYS_clone, flags, 0, 0, 0, 0, 0) == 0) {
            note_process();
            run_ops(&run);
            ecall(SYS_exit, 0, 0, 0, 0, 0, 0);
        }
        return;
    }
    /* The argument lies at the far end of the child's stack, which no other call uses. */
    uint64_t stack = STACKS + (by->stream * STACKS_PER_STREAM + 1 + index % (STACKS_PER_STREAM - 1)) * STACK_BYTES;
    struct run *argument = (struct run *)stack;
    *argument = run;
    clone_to(flags, stack + STACK_BYTES, run_child, argument);
}

static void
do_op(const struct op *op, const struct run *run, unsigned index)
{
    uint64_t args[NARGS];

    for (unsigned i = 0; i < NARGS; i++) {
        args[i] = op->args[i];
        if (op->is_pid[i])
            args[i] = board->pids[args[i]] ? (uint64_t)board->pids[args[i]] : NO_PROCESS;
        if (op->filled[i])
            memcpy((void *)buffer_address(run->stream, i), op->buffer[i], op->filled[i]);
    }
    __atomic_fetch_add(&board->nops, 1, __ATOMIC_RELAXED);
    board->at[run->stream] = index;
    board->number[run->stream] = (uint32_t)op->call->number;
    if (op->call->number == SPECIAL_FORK)
        do_fork(op, run, index);
    else if (op->call->number == SPECIAL_TOUCH)
        for (uint64_t page = 0; page < args[1]; page++)
            touch_page(args[0] + page * 4096, args[2]);
    else
        ecall(op->call->number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static void
run_ops(const struct run *run)
{
    bool root = stream_user(cell_seed, run->stream) == 0;

    for (unsigned i = 0; i < run->count; i++) {
        struct op op;
        if (!kept(run->stream, run->first + i))
            continue;
        op_make(&op, cell_seed, run->stream, run->first + i, root);
        do_op(&op, run, run->first + i);
    }
}

unsigned
stream_user(uint64_t seed, unsigned stream)
{
    unsigned nprocesses, nthreads;
    static const unsigned users[] = {0, 1000, 1001};

    cell_shape(seed, &nprocesses, &nthreads);
    return users[(stream / nthreads + seed) % 3];
}

void
cell_shape(uint64_t seed, unsigned *nprocesses, unsigned *nthreads)
{
    struct rng rng = rng_of(seed, 1000, 0);

    *nthreads = 1 + (unsigned)rng_below(&rng, 3);
    *nprocesses = 2 + (unsigned)rng_below(&rng, NSTREAMS / *nthreads - 1);
}

static void
map_fixed(uint64_t address, size_t nbytes)
{
    if (mmap((void *)address, nbytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        _exit(99);
}

static void
on_signal(int signo)
{
    (void)signo;
}

static void
become(unsigned user)
{
    gid_t groups[] = {user + 100, 2000};

    if (user == 0)
        return;
    if (setgroups(2, groups) || setresgid(user, user, user) || setresuid(user, user, user))
        _exit(98);
}

static void
process_main(unsigned process)
{
    struct sigaction skip = {.sa_sigaction = pass_over, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction tick = {.sa_handler = on_signal};
    struct itimerval often = {{0, 20000}, {0, 20000}};
    unsigned first = process * cell_threads;
    static struct run runs[NSTREAMS];

    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    ecall(SYS_close_range, 3, ~0U, 0, 0, 0, 0);
    map_fixed(ARENA, ARENA_PAGES * 4096);
    map_fixed(BUFFERS, NSTREAMS * STREAM_BYTES);
    map_fixed(STACKS, NSTREAMS * STACKS_PER_STREAM * STACK_BYTES);
    sigaction(SIGSEGV, &skip, NULL);
    sigaction(SIGBUS, &skip, NULL);
    for (int signo = 1; signo < _NSIG; signo++) /* most signals interrupt, and do not end */
        if (signo != SIGSEGV && signo != SIGBUS && signo != SIGCHLD)
            sigaction(signo, &tick, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    if (chdir(TREE) < 0)
        _exit(97);
    umask(0);
    become(stream_user(cell_seed, first));
    note_process();
    while (!board->go)
        sched_yield();
    for (unsigned i = 0; i < cell_threads; i++)
        runs[first + i] = (struct run){first + i, 0, nops_per_stream, 0};
    for (unsigned i = 1; i < cell_threads; i++)
        clone_to(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
                 STACKS + (first + i) * STACKS_PER_STREAM * STACK_BYTES + STACK_BYTES, run_child,
                 &runs[first + i]);
    run_ops(&runs[first]);
    ecall(SYS_exit, 0, 0, 0, 0, 0, 0);
}

/* The supervisor is spared when memory runs out; what it forks is not. */
static void
may_be_killed(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);

    (void)!write(fd, "0", 1);
    close(fd);
}

/* Take memory until there is none. */
static void
hog(void)
{
    size_t nbytes = 64UL << 20;

    may_be_killed();
    become(1001);
    for (;;) {
        char *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            _exit(0);
        for (size_t i = 0; i < nbytes; i += 4096)
            memory[i] = 1;
    }
}

void
cell_start(uint64_t seed)
{
    unsigned nprocesses;

    cell_seed = seed;
    cell_shape(seed, &nprocesses, &cell_threads);
    fflush(stdout);
    for (unsigned i = 0; i < nprocesses; i++)
        if (fork() == 0) {
            may_be_killed();
            process_main(i);
        }
    if (seed % 4 == 1 && fork() == 0)
        hog();
    board->go = 1;
}
