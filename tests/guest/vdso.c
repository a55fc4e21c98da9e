/*
 * The vDSO: a shared object that the kernel gives every process, found
 * through AT_SYSINFO_EHDR. It is taken apart here as a C library does it, and
 * each function's answer is held against the system call's; that the library
 * really uses it, that it may not be written, that it survives fork, vfork and
 * exec. For its rt_sigreturn see unwind.c.
 */
#include "vdso.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <linux/seccomp.h>

#define NR_HWPROBE 258

struct hwprobe {
    int64_t key;
    uint64_t value;
};

static int (*vdso_clock_gettime)(clockid_t, struct timespec *);
static int (*vdso_clock_getres)(clockid_t, struct timespec *);
static int (*vdso_gettimeofday)(struct timeval *, struct timezone *);
static int (*vdso_getcpu)(unsigned *, unsigned *, void *);
static int (*vdso_flush_icache)(void *, void *, unsigned long);
static int (*vdso_hwprobe)(struct hwprobe *, size_t, size_t, unsigned long *, unsigned);
static char self[512];

static void
test_object(void)
{
    vdso_open();
    vdso_clock_gettime = vdso_find("__vdso_clock_gettime");
    vdso_clock_getres = vdso_find("__vdso_clock_getres");
    vdso_gettimeofday = vdso_find("__vdso_gettimeofday");
    vdso_getcpu = vdso_find("__vdso_getcpu");
    vdso_flush_icache = vdso_find("__vdso_flush_icache");
    if (!ok(vdso_clock_gettime && vdso_clock_getres && vdso_gettimeofday && vdso_getcpu &&
            vdso_flush_icache && vdso_find("__vdso_rt_sigreturn"), "the functions of Linux's vDSO"))
        exit(tap_end());
    if (on_quire() || syscall(NR_HWPROBE, NULL, 0, 0, NULL, 0) == 0)
        ok((vdso_hwprobe = vdso_find("__vdso_riscv_hwprobe")) != NULL, "and riscv_hwprobe");
}

/* --- the clocks ------------------------------------------------------------ */

static int64_t
ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI };

/* vDSO and call in turns never go back: both read the same clock. */
static void
test_clocks(void)
{
    struct timespec a, b, c, r1 = { -1, -1 }, r2 = { -2, -2 };

    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        int good = 1;
        for (int k = 0; k < 2000; k++) {
            good &= syscall(SYS_clock_gettime, clocks[i], &a) == 0;
            good &= vdso_clock_gettime(clocks[i], &b) == 0;
            good &= syscall(SYS_clock_gettime, clocks[i], &c) == 0;
            good &= ns(a) <= ns(b) && ns(b) <= ns(c);
            good &= b.tv_nsec >= 0 && b.tv_nsec < 1000000000;
        }
        ok(good, "clock %d is the call's", clocks[i]);
        is(vdso_clock_getres(clocks[i], &r1), 0);
        is(syscall(SYS_clock_getres, clocks[i], &r2), 0);
        is(ns(r1), ns(r2));
        is(vdso_clock_getres(clocks[i], NULL), 0);
    }
    static const int none[] = { 10, 12, 15, 16, 63, 64, 99, 0x7fffffff, -1, -64,
                                (int)0x80000000 };
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        errno = 0;
        int wanted = syscall(SYS_clock_gettime, none[i], &a) ? -errno : 0;
        is(vdso_clock_gettime(none[i], &a), wanted);
        errno = 0;
        wanted = syscall(SYS_clock_getres, none[i], &a) ? -errno : 0;
        is(vdso_clock_getres(none[i], &a), wanted);
    }
}

static void
test_gettimeofday(void)
{
    struct timeval a, b, c;
    struct timezone z1 = { 1, 2 }, z2 = { 3, 4 };
    int good = 1;

    for (int k = 0; k < 2000; k++) {
        good &= syscall(SYS_gettimeofday, &a, NULL) == 0;
        good &= vdso_gettimeofday(&b, NULL) == 0;
        good &= syscall(SYS_gettimeofday, &c, NULL) == 0;
        good &= !timercmp(&a, &b, >) && !timercmp(&b, &c, >);
        good &= b.tv_usec >= 0 && b.tv_usec < 1000000;
    }
    ok(good, "gettimeofday is the call's");
    is(vdso_gettimeofday(NULL, NULL), 0);
    is(vdso_gettimeofday(NULL, &z1), 0);
    is(syscall(SYS_gettimeofday, NULL, &z2), 0);
    is(memcmp(&z1, &z2, sizeof(z1)), 0);
    z1.tz_minuteswest = 77;
    is(vdso_gettimeofday(&b, &z1), 0);
    is(memcmp(&z1, &z2, sizeof(z1)), 0);
}

/* Threads on all harts pass the latest time on; nobody reads an earlier one. */
#define NTHREADS 4
static int64_t latest;
static int wrong, stop;

static void *
racer(void *clock)
{
    struct timespec t;
    int by_call = 0;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        int64_t before = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
        if (++by_call % 8 == 0)
            syscall(SYS_clock_gettime, *(int *)clock, &t);
        else
            vdso_clock_gettime(*(int *)clock, &t);
        int64_t now = ns(t);
        if (now < before)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        while (before < now && !__atomic_compare_exchange_n(&latest, &before, now, 0,
                                   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
    return NULL;
}

static void
test_threads(void)
{
    static int raced[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };

    for (size_t i = 0; i < ARRAY_LEN(raced); i++) {
        pthread_t threads[NTHREADS];
        latest = wrong = stop = 0;
        for (int t = 0; t < NTHREADS; t++)
            pthread_create(&threads[t], NULL, racer, &raced[i]);
        sleep_ms(150);
        stop = 1;
        for (int t = 0; t < NTHREADS; t++)
            pthread_join(threads[t], NULL);
        ok(latest > 0 && wrong == 0, "clock %d never goes back between threads", raced[i]);
    }
}

/* The time of day changes for the vDSO and for the call in one moment. */
static int settings;

static void *
watcher(void *unused)
{
    (void)unused;
    struct timespec call, fast;

    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        int before = __atomic_load_n(&settings, __ATOMIC_SEQ_CST);
        vdso_clock_gettime(CLOCK_REALTIME, &fast);
        syscall(SYS_clock_gettime, CLOCK_REALTIME, &call);
        int after = __atomic_load_n(&settings, __ATOMIC_SEQ_CST);
        if (before == after && before % 2 == 0 && llabs(ns(call) - ns(fast)) > 500000000000)
            wrong++;
    }
    return NULL;
}

static void
test_setting(void)
{
    struct timespec begun, was, set, got;
    struct timeval tv;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &begun);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &was);
    if (clock_settime(CLOCK_REALTIME, &was) < 0) {
        tap_skip("only root can set the clock");
        return;
    }
    pthread_t thread;
    wrong = stop = 0;
    pthread_create(&thread, NULL, watcher, NULL);
    int good = 1;
    for (int i = 0; i < 200; i++) {
        set = (struct timespec){ was.tv_sec + (i % 2 ? 1000 : -1000), 123456789 };
        __atomic_fetch_add(&settings, 1, __ATOMIC_SEQ_CST);
        if (i % 4 < 2) {
            good &= clock_settime(CLOCK_REALTIME, &set) == 0;
        } else {
            tv = (struct timeval){ set.tv_sec, 123456 };
            good &= settimeofday(&tv, NULL) == 0;
        }
        vdso_clock_gettime(CLOCK_REALTIME, &got);
        good &= ns(got) >= ns(set) - 1000 && ns(got) < ns(set) + 500000000000;
        vdso_gettimeofday(&tv, NULL);
        good &= tv.tv_sec >= set.tv_sec && tv.tv_sec < set.tv_sec + 500;
        __atomic_fetch_add(&settings, 1, __ATOMIC_SEQ_CST);
    }
    stop = 1;
    pthread_join(thread, NULL);
    ok(good, "a time that is set is seen at once");
    ok(!wrong, "by other threads too, and as the call sees it");
    vdso_clock_gettime(CLOCK_MONOTONIC, &got);
    ok(ns(got) >= ns(begun) && got.tv_sec < begun.tv_sec + TAP_SECONDS, "monotonic time went on");
    int64_t back = ns(was) + ns(got) - ns(begun);
    set = (struct timespec){ back / 1000000000, back % 1000000000 };
    works(clock_settime(CLOCK_REALTIME, &set));
}

/* --- the rest ---------------------------------------------------------------- */

static void
test_machine(void)
{
    cpu_set_t all, one;
    int good = 1;

    sched_getaffinity(0, sizeof(all), &all);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        unsigned cpu = 999, node = 999;
        if (!CPU_ISSET(i, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof(one), &one);
        good &= vdso_getcpu(&cpu, &node, NULL) == 0 && (int)cpu == i && node == 0;
        good &= vdso_getcpu(&cpu, NULL, NULL) == 0 && vdso_getcpu(NULL, &node, NULL) == 0;
    }
    sched_setaffinity(0, sizeof(all), &all);
    ok(good, "getcpu on each hart");
    is(vdso_getcpu(NULL, NULL, NULL), 0);

    uint32_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    good = 1;
    for (int i = 0; i < 500; i++) {
        code[0] = 0x00000513 | i << 20;     /* li a0, i */
        code[1] = 0x00008067;               /* ret */
        good &= vdso_flush_icache(code, code + 2, i & 1) == 0;
        good &= ((int (*)(void))code)() == i;
    }
    ok(good, "flush_icache");
    is(vdso_flush_icache(code, code + 2, 2), -EINVAL);
    munmap(code, PAGE);
}

static void
test_hwprobe(void)
{
    enum { N = 40 };
    struct hwprobe a[N], b[N];
    unsigned long cpus[16] = { 1 };

    if (!vdso_hwprobe) {
        tap_skip("no riscv_hwprobe");
        return;
    }
    for (int i = 0; i < N; i++)
        a[i] = b[i] = (struct hwprobe){ i < N - 3 ? i : (int64_t[]){ -1, INT64_MIN,
                                        INT64_MAX }[i - (N - 3)], 0x5555 };
    is(vdso_hwprobe(a, N, 0, NULL, 0), 0);
    is(syscall(NR_HWPROBE, b, N, 0, NULL, 0), 0);
    is(memcmp(a, b, sizeof(a)), 0);
    is(a[3].key, 3);
    is(a[3].value & 1, 1);          /* IMA */
    is(a[4].value & 3, 3);          /* F and D, C */
    ok(a[N - 3].key == -1 && a[N - 3].value == 0, "an unknown key is -1");
    for (int i = 0; i < 5; i++)
        b[i] = (struct hwprobe){ i, 0x5555 };
    is(vdso_hwprobe(b, 5, sizeof(cpus), cpus, 0), 0);   /* a set: by the call */
    is(vdso_hwprobe(b, 0, 0, NULL, 0), 0);
    cpus[0] = 0;
    if (on_quire())               /* Linux's asks for no set if its harts are all alike */
        is(vdso_hwprobe(b, 1, sizeof(cpus), cpus, 0), -EINVAL);
    is(vdso_hwprobe(b, 1, 0, NULL, 0x80000000), -EINVAL);
}

/* --- bad pointers ---------------------------------------------------------- */

/*
 * Linux's functions fault at a pointer that leads nowhere, Quire's say what the
 * call says. `answers` runs one in a child, for the fault's sake.
 */
#define answers(call, wanted) \
    do { \
        pid_t pid_ = tap_fork(); \
        if (pid_ == 0) { \
            signal(SIGSEGV, SIG_DFL); \
            signal(SIGBUS, SIG_DFL); \
            _exit((call) == (wanted) ? 0 : 1); \
        } \
        int status_ = tap_wait(pid_); \
        ok(status_ == 0 || (!on_quire() && (status_ == SIGSEGV || status_ == SIGBUS)), \
           "%s is %s: status %#x", #call, #wanted, status_); \
    } while (0)

static void
test_bad_pointers(void)
{
    char *edge = island(1), *readonly = pages(1);
    void *bad[] = { NULL, hole(), KERNEL_POINTER, LAST_POINTER, (void *)0x4000000000,
                    (void *)0x3ffffffffffffff8, edge + PAGE, edge + PAGE - 8, readonly,
                    (void *)vdso.base, (void *)(vdso.base - PAGE) };
    size_t unreadable = 7;
    struct timespec t;

    readonly[0] = 1;
    mprotect(readonly, PAGE, PROT_READ);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct timespec *at = bad[i];
        ok(1, "at %p:", bad[i]);
        answers(vdso_clock_gettime(CLOCK_MONOTONIC, at), -EFAULT);
        answers(vdso_clock_gettime(CLOCK_REALTIME, at), -EFAULT);
        answers(vdso_clock_gettime(CLOCK_THREAD_CPUTIME_ID, at), -EFAULT);
        if (at)
            answers(vdso_clock_getres(CLOCK_MONOTONIC, at), -EFAULT);
        if (at)
            answers(vdso_gettimeofday((struct timeval *)at, NULL), -EFAULT);
        if (at && bad[i] != edge + PAGE - 8)
            answers(vdso_gettimeofday(NULL, (struct timezone *)at), -EFAULT);
        if (at && bad[i] != edge + PAGE - 8)
            answers(vdso_getcpu((unsigned *)at, NULL, NULL), -EFAULT);
        if (on_quire())           /* Linux's adds up to the end, and may wrap */
            answers(vdso_hwprobe((struct hwprobe *)at, 1, 0, NULL, 0), -EFAULT);
        if (vdso_hwprobe && i < unreadable)
            answers(vdso_hwprobe(NULL, 1, 8, (unsigned long *)at, 0), -EFAULT);
    }
    if (on_quire())
        answers(vdso_hwprobe((struct hwprobe *)edge, -1UL, 0, NULL, 0), -EFAULT);
    /* Any alignment will do, and a page that is not there yet comes. */
    char *fresh = pages(2);
    is(vdso_clock_gettime(CLOCK_MONOTONIC, (struct timespec *)(fresh + PAGE - 5)), 0);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    struct timespec copy;
    memcpy(&copy, fresh + PAGE - 5, sizeof(copy));
    ok(ns(copy) > 0 && ns(copy) <= ns(t), "a page edge in the middle");
    munmap(fresh, 2 * PAGE);
}

/* --- its pages ------------------------------------------------------------- */

/* The line of /proc/self/maps with this name: its start, or 0. */
static unsigned long
mapped(const char *name, unsigned long *end, char *rights)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long start = 0, from;

    while (f && fgets(line, sizeof(line), f))
        if (strstr(line, name) && sscanf(line, "%lx-%lx %4s", &from, end, rights) == 3)
            start = from;
    if (f)
        fclose(f);
    return start;
}

static void
test_pages(void)
{
    unsigned long end = 0, data_end = 0;
    char rights[8] = "", data_rights[8] = "";
    unsigned long start = mapped("[vdso]", &end, rights);
    unsigned long data = mapped("[vvar]", &data_end, data_rights);

    ok(start == (unsigned long)vdso.base, "maps names it at %#lx", start);
    ok(!strcmp(rights, "r-xp"), "it is %s", rights);
    ok(data && data_end == start && !strcmp(data_rights, "r--p"),
       "its data, before it, is %s", data_rights);
    ok(end - start >= vdso.load->p_memsz, "all of it");
    if (!on_quire())
        return;
    fails(mprotect((void *)start, end - start, PROT_READ | PROT_WRITE), EACCES);
    fails(mprotect((void *)data, PAGE, PROT_READ | PROT_WRITE), EACCES);
    fails(mprotect((void *)data, PAGE, PROT_READ | PROT_EXEC), EACCES);
    fails(mremap((void *)data, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    pid_t pid = tap_fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile char *)vdso.base = 1;
        _exit(0);
    }
    is(tap_wait(pid), SIGSEGV);
    pid = tap_fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        ((void (*)(void))data)();
        _exit(0);
    }
    is(tap_wait(pid), SIGSEGV);
}

/* --- the C library --------------------------------------------------------- */

static long
vmstat(const char *name)
{
    FILE *f = fopen("/proc/vmstat", "r");
    char word[64];
    long value, found = -1;

    while (f && fscanf(f, "%63s %ld", word, &value) == 2)
        if (!strcmp(word, name))
            found = value;
    if (f)
        fclose(f);
    return found;
}

static int
read_clocks(int n)
{
    struct timespec t;
    struct timeval tv;
    int good = 1;

    for (int i = 0; i < n; i++) {
        good &= clock_gettime(CLOCK_MONOTONIC, &t) == 0;
        good &= clock_gettime(CLOCK_REALTIME, &t) == 0;
        good &= clock_getres(CLOCK_MONOTONIC, &t) == 0;
        good &= gettimeofday(&tv, NULL) == 0;
        good &= time(NULL) > 0;
    }
    return good;
}

/*
 * A process that may not make calls can still read the clock. Where there is
 * no seccomp, the kernel's count of copies to users shows whether it was asked.
 */
static void
test_library(void)
{
    pid_t pid = tap_fork();
    if (pid == 0) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
            syscall(SYS_exit, 77);
        syscall(SYS_exit, read_clocks(100) ? 0 : 1);
    }
    int status = tap_wait(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        long before = vmstat("ncopyout");
        ok(read_clocks(10000), "clocks are read");
        long after = vmstat("ncopyout");
        ok(before >= 0 && after - before < 5000,
           "50000 readings are not calls: the kernel copied %ld times", after - before);
    } else {
        is(status, 0);
    }
}

/* --- children -------------------------------------------------------------- */

/* Exit status 0 if the vDSO is there and works, at the address where it should be. */
static int
works_here(void)
{
    struct timespec a, b;

    return vdso_clock_gettime(CLOCK_MONOTONIC, &a) == 0 &&
           syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b) == 0 && ns(a) <= ns(b) ? 0 : 1;
}

static int
nested(void)
{
    return works_here() || tap_status_of(works_here) || works_here();
}

static int
sharing(void *unused)
{
    (void)unused;
    return works_here();
}

static void
test_children(void)
{
    is(tap_status_of(nested), 0);
    volatile int in_child = -1;
    pid_t pid = vfork();
    if (pid == 0) {
        in_child = works_here();
        _exit(0);
    }
    is(tap_wait(pid), 0);
    is(in_child, 0);
    char *stack = pages(16);
    pid = clone(sharing, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL);
    is(tap_wait(pid), 0);
    munmap(stack, 16 * PAGE);

    char *argv[] = { "vdso", "--child", NULL }, *envp[] = { NULL }, rights[8];
    for (int i = 0; i < 5; i++) {
        pid = vfork();
        if (pid == 0) {
            execve(self, argv, envp);
            _exit(99);
        }
        is(tap_wait(pid), 0);
    }
    /* A program that will do without it may. */
    pid = tap_fork();
    if (pid == 0) {
        unsigned long end, data = mapped("[vvar]", &end, rights);
        mapped("[vdso]", &end, rights);
        int gone = munmap((void *)data, end - data);
        syscall(SYS_exit, gone ? 1 : 42);
    }
    is(tap_wait(pid), 42 << 8);
    is(works_here(), 0);
}

/* --- */

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--child")) {
        vdso.base = (const char *)getauxval(AT_SYSINFO_EHDR);
        struct timespec a, b;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
        return vdso.base && !memcmp(vdso.base, ELFMAG, SELFMAG) &&
               clock_gettime(CLOCK_MONOTONIC, &b) == 0 && ns(a) <= ns(b) ? 0 : 1;
    }
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("vdso");
    test_object();
    test_clocks();
    test_gettimeofday();
    test_threads();
    test_setting();
    test_machine();
    test_hwprobe();
    test_bad_pointers();
    test_pages();
    test_library();
    test_children();
    return tap_end();
}
