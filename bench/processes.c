/*
 * Rows about processes and threads: making and ending them, signals, and
 * two of them passing something to and fro.
 */
#include "bench.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024 * 1024L)
#define BLOCK (64 * 1024)

static char *ballast;
static long ballast_size;

static void
load(long nbytes)
{
    ballast_size = nbytes;
    ballast = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(ballast != MAP_FAILED, "memory");
    madvise(ballast, nbytes, MADV_NOHUGEPAGE);
    for (long i = 0; i < nbytes; i += 4096)
        ballast[i] = 1;
}

static void
load_1m(void)
{
    load(MIB);
}

static void
load_4m(void)
{
    load(4 * MIB);
}

static void
load_256m(void)
{
    load(256 * MIB);
}

static void
load_1g(void)
{
    load(1024 * MIB);
}

static void
unload(void)
{
    munmap(ballast, ballast_size);
}

/* Wait for a child just made. */
static void
reap(pid_t pid)
{
    must(pid > 0 && waitpid(pid, NULL, 0) == pid, "a child");
}

REPEAT(run_fork,
       pid_t pid = fork();
       if (pid == 0)
           _exit(0);
       reap(pid))

static char *exit_argv[] = { "bench", "--exit", NULL };
static char *exit_envp[] = { NULL };

REPEAT(run_fork_exec,
       pid_t pid = fork();
       if (pid == 0) {
           execve(self, exit_argv, exit_envp);
           _exit(1);
       }
       reap(pid))

REPEAT(run_vfork_exec,
       pid_t pid = vfork();
       if (pid == 0) {
           execve(self, exit_argv, exit_envp);
           _exit(1);
       }
       reap(pid))

static void *
do_nothing(void *argument)
{
    return argument;
}

REPEAT(run_thread,
       pthread_t thread;
       must(pthread_create(&thread, NULL, do_nothing, NULL) == 0, "a thread");
       pthread_join(thread, NULL))

static void
on_signal(int number)
{
    (void)number;
}

REPEAT(run_sigaction, signal(SIGUSR1, on_signal))
REPEAT(run_signal, kill(getpid(), SIGUSR1))

static void
install(void)
{
    signal(SIGUSR1, on_signal);
}

/*
 * A partner is a child that does its part for ever; both are on one hart
 * when the row is about switching.
 */
static pid_t partner;
static int to[2], from[2];

static void
start_partner(void (*part)(void))
{
    must(pipe(to) == 0 && pipe(from) == 0, "pipe");
    partner = fork();
    must(partner >= 0, "fork");
    if (partner == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        part();
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
}

static void
stop_partner(void)
{
    kill(partner, SIGKILL);
    reap(partner);
    close(to[1]);
    close(from[0]);
    unpin();
}

static void
echo(void)
{
    char c;

    while (read(to[0], &c, 1) == 1)
        write(from[1], &c, 1);
}

static void
swallow(void)
{
    static char block[BLOCK];

    while (read(to[0], block, BLOCK) > 0)
        ;
}

static void
yield_forever(void)
{
    for (;;)
        sched_yield();
}

static void
start_echo(void)
{
    start_partner(echo);
}

static void
start_echo_here(void)
{
    pin(0);
    start_partner(echo);
}

static void
start_swallow(void)
{
    start_partner(swallow);
}

static void
start_yield(void)
{
    pin(0);
    start_partner(yield_forever);
}

REPEAT(run_round_trip,
       char c = 'x';
       write(to[1], &c, 1);
       read(from[0], &c, 1))

/* Half a round trip is one switch, with a write and a read. */
static int64_t
run_switch(long n)
{
    return run_round_trip((n + 1) / 2);
}

REPEAT(run_bandwidth,
       static char block[BLOCK];
       write(to[1], block, BLOCK))

REPEAT(run_yield, sched_yield())

/* Two words, each the other side's turn. */
static struct {
    _Atomic uint32_t ping;
    _Atomic uint32_t pong;
} *turns;

static void
pass(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
await(_Atomic uint32_t *word)
{
    while (atomic_load(word) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
    atomic_store(word, 0);
}

static void
answer_futex(void)
{
    for (;;) {
        await(&turns->ping);
        pass(&turns->pong);
    }
}

static void
start_futex(void)
{
    turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(turns != MAP_FAILED, "shared memory");
    start_partner(answer_futex);
}

static void
stop_futex(void)
{
    stop_partner();
    munmap(turns, 4096);
}

REPEAT(run_futex,
       pass(&turns->ping);
       await(&turns->pong))

const struct row process_rows[] = {
    { "fork-0", "fork, exit, wait", run_fork, NULL, NULL, 20 },
    { "fork-1m", "the same with 1 MiB touched", run_fork, load_1m, unload, 20 },
    { "fork-4m", "the same with 4 MiB touched", run_fork, load_4m, unload, 10 },
    { "fork-256m", "the same with 256 MiB touched", run_fork, load_256m,
      unload, 2 },
    { "fork-1g", "the same with 1 GiB touched", run_fork, load_1g, unload, 10 },
    { "fork-exec", "fork, exec, exit, wait", run_fork_exec, NULL, NULL, 10 },
    { "vfork-exec", "vfork, exec, exit, wait", run_vfork_exec, NULL, NULL,
      10 },
    { "thread", "create and join a thread", run_thread, NULL, NULL, 20 },
    { "sigaction", "install a handler", run_sigaction, NULL, NULL, 1000 },
    { "signal", "a signal to oneself", run_signal, install, NULL, 500 },
    { "yield", "yield between two on one hart", run_yield, start_yield,
      stop_partner, 500 },
    { "switch", "switch by pipe on one hart", run_switch, start_echo_here,
      stop_partner, 200 },
    { "pipe-latency", "round trip through pipes", run_round_trip, start_echo,
      stop_partner, 200 },
    { "pipe-64k", "64 KiB through a pipe", run_bandwidth, start_swallow,
      stop_partner, 50 },
    { "futex", "round trip by futex", run_futex, start_futex, stop_futex,
      200 },
    { 0 },
};
