/*
 * The border between user mode and the kernel, from the user's side: nothing
 * of the kernel's half can be touched; registers survive every crossing, at
 * system calls and at interrupts; and what is mapped and unmapped a gigabyte
 * apart, so that it changes the root, is seen by all threads and no child.
 * It passes with either kind of isolation, and means most with the strict one.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>

#define GIB (1UL << 30)
#define FIRST_SLOT 16 /* GiB: above the program and its heap, below where mmap begins */
#define NSLOTS 12
#define NTHREADS 4
#define BUSY_NS 1000000000L

static sigjmp_buf back;

static void
on_fault(int number)
{
    siglongjmp(back, number);
}

enum access { READ, WRITE, JUMP };

/* Touch address; return the signal it got, or 0. */
static int
touch(unsigned long address, enum access how)
{
    int number = sigsetjmp(back, 1);

    if (number)
        return number;
    if (how == READ)
        (void)*(volatile char *)address;
    else if (how == WRITE)
        *(volatile char *)address = 1;
    else
        ((void (*)(void))address)();
    return 0;
}

static void
test_kernel_half(void)
{
    static const unsigned long starts[] = {
        0xffffffff80000000, /* the image; Quire's trampoline page is its second */
        0xffffffff80001000, 0xffffffff80040000, 0xffffffff80100000, 0xffffffc000000000,
        0xffffffd800000000, 0xfffffff000000000, 0xfffffff800000000, 0xfffffffffffff000,
        0x8000000000000000,
    };

    signal(SIGSEGV, on_fault);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        for (enum access how = READ; how <= JUMP; how++)
            ok(touch(starts[i], how) == SIGSEGV, "%s 0x%lx is a fault",
               how == READ ? "reading" : how == WRITE ? "writing" : "running", starts[i]);
    signal(SIGSEGV, SIG_DFL);
}

/*
 * Count down in a0 with known values in the registers that the way into the
 * kernel borrows, making a system call each time if `call`. Returns how many
 * registers were not what they should be.
 */
static long
registers_kept(long rounds, int call)
{
    register long n __asm__("s2") = rounds;
    register long yes __asm__("s3") = call;
    register long bad __asm__("s4") = 0;

    __asm__ volatile("mv s5, tp\n\t"
                     "mv s6, sp\n\t"
                     "mv s7, gp\n"
                     "1:\tli t0, 0x5a5a1\n\t"
                     "li t1, 0x5a5a2\n\t"
                     "li t2, 0x5a5a3\n\t"
                     "li t6, 0x5a5a4\n\t"
                     "xor tp, s5, t2\n\t" /* a tp of our own, for a moment */
                     "beqz s3, 2f\n\t"
                     "li a7, 173\n\t" /* getppid */
                     "ecall\n"
                     "2:\taddi t0, t0, -1\n\t"
                     "addi t1, t1, -2\n\t"
                     "addi t2, t2, -3\n\t"
                     "addi t6, t6, -4\n\t"
                     "addi t3, t2, 3\n\t"
                     "xor tp, tp, t3\n\t"
                     "sub t1, t1, t0\n\t"
                     "sub t2, t2, t6\n\t"
                     "sub t0, t0, t6\n\t"
                     "sub t3, tp, s5\n\t"
                     "mv tp, s5\n\t"
                     "sub t4, sp, s6\n\t"
                     "sub t5, gp, s7\n\t"
                     "or t0, t0, t1\n\t"
                     "or t0, t0, t2\n\t"
                     "or t0, t0, t3\n\t"
                     "or t0, t0, t4\n\t"
                     "or t0, t0, t5\n\t"
                     "snez t0, t0\n\t"
                     "add s4, s4, t0\n\t"
                     "addi s2, s2, -1\n\t"
                     "bnez s2, 1b\n\t"
                     : "+r"(n), "+r"(bad)
                     : "r"(yes)
                     : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a0", "a7", "s5", "s6", "s7",
                       "memory");
    return bad;
}

static void *
keep_registers(void *result)
{
    *(long *)result = registers_kept(20000, 1) + registers_kept(2000000, 0);
    return NULL;
}

static void
test_registers(void)
{
    pthread_t threads[NTHREADS];
    long bad[NTHREADS];

    is(registers_kept(1000, 1), 0);
    for (int i = 0; i < NTHREADS; i++)
        pthread_create(&threads[i], NULL, keep_registers, &bad[i]);
    for (int i = 0; i < NTHREADS; i++) {
        pthread_join(threads[i], NULL);
        ok(bad[i] == 0, "%ld registers lost by thread %d", bad[i], i);
    }
}

/* --- roots ---------------------------------------------------------------- */

static unsigned long
slot(int i)
{
    return (FIRST_SLOT + (unsigned long)i) * GIB + (unsigned long)i * 5 * PAGE;
}

static unsigned long *
map_slot(int i)
{
    return mmap((void *)slot(i), 2 * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

/* Whether slot i holds value + i, for every i; write other + i there. */
static int
swap_slots(unsigned long value, unsigned long other)
{
    int good = 1;

    for (int i = 0; i < NSLOTS; i++) {
        unsigned long *p = (unsigned long *)slot(i);
        good &= *p == value + i;
        *p = other + i;
    }
    return good;
}

static int
child_of_roots(void)
{
    if (!swap_slots(100, 200))
        return 1;
    for (int i = 0; i < NSLOTS; i += 2)
        munmap((void *)slot(i), 2 * PAGE);
    signal(SIGSEGV, on_fault);
    for (int i = 0; i < NSLOTS; i++)
        if (touch(slot(i), READ) != (i % 2 ? 0 : SIGSEGV))
            return 2;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 1; i < NSLOTS; i += 2)
            if (*(unsigned long *)slot(i) != 200UL + i)
                _exit(1);
        for (int i = 0; i < NSLOTS; i += 2)
            if (map_slot(i) == MAP_FAILED || *(unsigned long *)slot(i) != 0)
                _exit(2);
        execl("/proc/self/exe", "isolation", "--child", NULL);
        _exit(3);
    }
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 3;
}

static void
test_roots(void)
{
    int mapped = 0, status = -1;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < NSLOTS; i++) {
            unsigned long *p = map_slot(i);
            mapped += p != MAP_FAILED && *p == 0;
            *p = 100 + i;
        }
        pid_t pid = fork();
        if (pid == 0)
            _exit(child_of_roots());
        ok(waitpid(pid, &status, 0) == pid && status == 0, "round %d: child ends with 0x%x", round,
           status);
        ok(swap_slots(100, 300), "round %d: the child's writes are its own", round);
        for (int i = 0; i < NSLOTS; i++)
            munmap((void *)slot(i), 2 * PAGE);
    }
    is(mapped, 20 * NSLOTS);
}

/* --- all of it at once ---------------------------------------------------- */

static volatile int stop;
static volatile long nsignals;

static void
count(int number)
{
    (void)number;
    nsignals++;
}

/* Map, see zero, write, fork now and then, unmap, fault: each thread in its own gigabytes. */
static void *
churn(void *arg)
{
    long which = (long)arg, bad = 0;

    for (long n = 0; !stop; n++) {
        for (int i = (int)which; i < NSLOTS; i += NTHREADS) {
            unsigned long *p = map_slot(i);
            if (p == MAP_FAILED || p[0] != 0 || p[600] != 0) {
                bad++;
                continue;
            }
            p[0] = p[600] = (unsigned long)n;
            if (n % 16 == 0)
                sched_yield();
            bad += p[0] != (unsigned long)n || p[600] != (unsigned long)n;
            munmap(p, 2 * PAGE);
        }
    }
    return (void *)bad;
}

static void
test_churn(void)
{
    struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
    struct itimerspec every = { { 0, 3000000 }, { 0, 3000000 } };
    struct timespec start, now;
    pthread_t threads[NTHREADS];
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    timer_t timer;
    int bad = 0, n = 0;

    sigaction(SIGUSR1, &action, NULL);
    works(timer_create(CLOCK_MONOTONIC, &event, &timer));
    works(timer_settime(timer, 0, &every, NULL));
    for (long i = 0; i < NTHREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        int status = -1;
        pid_t pid = n % 2 ? vfork() : fork();
        if (pid == 0) {
            execl("/proc/self/exe", "isolation", "--child", NULL);
            _exit(9);
        }
        bad += waitpid(pid, &status, 0) != pid || status != 0;
        n++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < BUSY_NS);
    stop = 1;
    timer_delete(timer);
    ok(bad == 0, "%d of %d children went wrong", bad, n);
    ok(nsignals > 0, "%ld signals", nsignals);
    for (int i = 0; i < NTHREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ok(wrong == NULL, "thread %d saw %ld wrong pages", i, (long)wrong);
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--child") == 0)
        return registers_kept(100, 1) != 0;
    tap_begin("isolation");
    test_kernel_half();
    test_registers();
    test_roots();
    test_churn();
    return tap_end();
}
