/*
 * Memory runs out: who holds most of it is killed, with all who share its
 * address space, or a call is told so; the rest goes on, and what was held
 * comes back.
 *
 * Linux takes long to fill a big machine, so there this runs only where
 * memory is small.
 */
#include "tap.h"
#include <sched.h>
#include <sys/sysinfo.h>
#include <ucontext.h>

#define REST (64L << 20)

static long
free_bytes(void)
{
    struct sysinfo s;

    sysinfo(&s);
    return s.freeram * s.mem_unit;
}

static long
total_bytes(void)
{
    struct sysinfo s;

    sysinfo(&s);
    return s.totalram * s.mem_unit;
}

/* Touch memory without end. */
static int
touch_all(void)
{
    for (;;) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 3;
        for (size_t i = 0; i < 1 << 20; i += PAGE)
            p[i] = 1;
    }
}

/* A call that the shortage meets waits or ends by it; it does not fail for it. */
static int
read_into_all(void)
{
    int zero = open("/dev/zero", O_RDONLY);
    char *p = mmap(NULL, 64L << 30, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (size_t at = 0; p != MAP_FAILED; at += 1 << 20)
        if (read(zero, p + at, 1 << 20) != 1 << 20)
            return 1;
    return 3;
}

static int
touch_shared(void *arg)
{
    (void)arg;
    touch_all();
    return 0;
}

/* Two processes on one address space: both end, and the memory comes back. */
static int
two_on_one(void)
{
    static char stack[65536];
    pid_t pid = clone(touch_shared, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

    if (pid < 0)
        return 1;
    touch_all();
    return 0;
}

static int
spare_me(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    ssize_t n = write(fd, "-1000", 5);

    close(fd);
    return n == 5;
}

/* A process that keeps all memory but `rest` bytes, so that what is left fills up soon. */
static pid_t
make_ballast(size_t rest)
{
    struct gate full;

    gate_init(&full);
    pid_t pid = tap_fork();
    if (pid == 0) {
        size_t size = free_bytes() - rest;
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (!spare_me() || p == MAP_FAILED)
            _exit(1);
        for (size_t i = 0; i < size; i += PAGE)
            p[i] = 1;
        gate_open(&full);
        for (;;)
            pause();
    }
    gate_wait(&full);
    gate_close(&full);
    return pid;
}

/* A child that is spared stays, whoever else goes; it asks for memory while there is none. */
static void
test_spared(void)
{
    struct gate go;
    char *mine = pages(256);

    gate_init(&go);
    madvise(mine, 256 * PAGE, MADV_NOHUGEPAGE);
    pid_t spared = tap_fork();
    if (spared == 0) {
        if (!spare_me())
            _exit(1);
        gate_wait(&go);
        for (int lap = 0; lap < 20; lap++) {
            for (size_t i = 0; i < 256 * PAGE; i += PAGE)
                mine[i] = 1;
            madvise(mine, 256 * PAGE, MADV_DONTNEED);
            sleep_ms(20);
        }
        _exit(22);
    }
    pid_t hog = tap_fork();
    if (hog == 0) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY);
        write(fd, "1000", 4);
        close(fd);
        gate_open(&go);
        for (;;)
            touch_all();
    }
    int status = tap_wait(hog);
    ok(status == SIGKILL, "the hog is killed: status %x", status);
    is(tap_wait(spared), 22 << 8);
}

static int
ended_well(int status)
{
    return status == SIGKILL || status == 3 << 8 || status == SIGSEGV ||
           status == SIGBUS;
}

static void
test_children(void)
{
    int status = tap_status_of(touch_all);
    ok(ended_well(status), "a child that touches all memory: status %x",
       status);
    is(tap_status_of(read_into_all), SIGKILL);
    is(tap_status_of(two_on_one), SIGKILL);
    test_spared();
    /* Memory shared copy-on-write, then written by both. */
    size_t half = free_bytes() * 6 / 10;
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *p = mmap(NULL, half, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (size_t i = 0; i < half; i += PAGE)
            p[i] = 1;
        pid_t inner = fork();
        if (inner < 0)
            _exit(3);
        for (size_t i = 0; i < half; i += PAGE)
            p[i] = 2;
        if (inner == 0)
            _exit(0);
        int inner_status = tap_wait(inner);
        _exit(inner_status == 0 || ended_well(inner_status) ? 3 : 1);
    }
    status = tap_wait(pid);
    ok(ended_well(status), "a copy that does not fit: status %x", status);
}

/* Read where nothing is, a page for each page table. */
static int
touch_tables(void)
{
    const size_t size = 64L << 30;
    char *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return 3;
    madvise(p, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += 2 << 20)
        *(volatile char *)(p + i);
    return 4;
}

/* Page tables are memory that a process holds: not its pages alone make it the one to go. */
static void
test_tables(void)
{
    const size_t size = 8 << 20;
    struct gate ready, go;

    gate_init(&ready);
    gate_init(&go);
    pid_t modest = tap_fork();
    if (modest == 0) {
        char *p = pages(size / PAGE);
        memset(p, 1, size);
        gate_open(&ready);
        gate_wait(&go);
        _exit(23);
    }
    gate_wait(&ready);
    is(tap_status_of(touch_tables), SIGKILL);
    gate_open(&go);
    is(tap_wait(modest), 23 << 8);
}

/* A file system in memory fills up with an error, not with a death. */
static void
test_file(void)
{
    static char block[1 << 18];
    long total = 0, limit = total_bytes();
    ssize_t n;
    int fd = open("big", O_CREAT | O_RDWR, 0600);

    memset(block, 1, sizeof(block));
    while (total <= limit && (n = write(fd, block, sizeof(block))) > 0)
        total += n;
    int error = errno;
    ok(total <= limit && (error == ENOSPC || error == ENOMEM),
       "a file of %ld MiB, then %s", total >> 20, tap_errno_name(error));
    is(ftruncate(fd, 0), 0);
    is(write(fd, block, sizeof(block)), sizeof(block));
    close(fd);
    unlink("big");
}

/* Wait until about so much is free, for a while. Returns how much is. */
static long
await_free(long wanted)
{
    long free = free_bytes();

    for (int i = 0; i < 2000 && free < wanted - (6 << 20); i++) {
        sleep_ms(10);
        free = free_bytes();
    }
    return free;
}

static void
set_a0(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)signo;
    (void)info;
    uc->uc_mcontext.__gregs[REG_A0] = (unsigned long)-ENOMEM;
}

/* What a handler leaves in a register is no error of a call, so nothing is made again for it. */
static void
test_sigreturn(void)
{
    struct sigaction action = {.sa_sigaction = set_a0, .sa_flags = SA_SIGINFO};
    long self = getpid();

    works(sigaction(SIGUSR1, &action, NULL));
    register long a0 asm("a0") = self, a1 asm("a1") = SIGUSR1, a7 asm("a7") = SYS_kill;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    is(a0, -ENOMEM);
}

int
main(void)
{
    tap_begin("oom");
    if (total_bytes() > 100L << 20 && access("/proc/frames", R_OK) != 0) {
        tap_skip("too much memory to fill here");
        return tap_end();
    }
    pid_t ballast = make_ballast(REST);
    long before = free_bytes();
    struct gate go;
    gate_init(&go);
    pid_t bystander = tap_fork();
    if (bystander == 0) {
        gate_wait(&go);
        _exit(21);
    }
    test_children();
    test_tables();
    test_sigreturn();
    await_free(before); /* a grandchild may be at it still */
    test_file();
    gate_open(&go);
    is(tap_wait(bystander), 21 << 8);
    long after = await_free(before);
    ok(after >= before - (6 << 20), "free before %ld KiB, after %ld KiB",
       before >> 10, after >> 10);
    kill(ballast, SIGKILL);
    is(tap_wait(ballast), SIGKILL);
    return tap_end();
}
