/*
 * USYSCALL, the page that ugetpid() reads (user/include/quire.h): right in
 * whatever fork, vfork, clone and exec make, and nobody's to change.
 *
 * Quire only.
 */
#include "tap.h"
#include "quire.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

static char self[512];

static int
page_says(void)
{
    return ((const volatile struct usyscall *)USYSCALL)->pid;
}

/* Exit status 0 if the page and ugetpid() are right and the page needs no help. */
static int
alone(void)
{
    return page_says() == getpid() && ugetpid() == getpid() ? 0 : 1;
}

static int
generations(void)
{
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid < 0 || alone())
            return 1;
        if (pid)
            return tap_wait(pid) == 0 && alone() == 0 ? 0 : 2;
    }
    return 0;
}

static int
touched_then_forked(void)
{
    return alone() || tap_status_of(alone) || alone();
}

static void
test_vfork(void)
{
    char *argv[] = { "usyscall", "--alone", NULL }, *envp[] = { NULL };
    volatile int in_page = -1, in_child = -1, child_pid = -1;

    pid_t pid = vfork();
    if (pid == 0) {
        in_page = page_says();
        in_child = ugetpid();
        child_pid = getpid();
        _exit(0);
    }
    is(tap_wait(pid), 0);
    is(in_page, 0);
    is(in_child, pid);
    is(child_pid, pid);
    is(alone(), 0);

    pid = vfork();
    if (pid == 0) {
        execve(self, argv, envp);
        _exit(1);
    }
    is(alone(), 0);             /* it has an address space of its own already */
    is(tap_wait(pid), 0);
}

static int *shared;             /* [0]: the child's answer, [1]: go on */

static int
sharing_child(void *unused)
{
    (void)unused;
    shared[0] = ugetpid();
    while (__atomic_load_n(&shared[1], __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    return ugetpid() == getpid() ? 0 : 1;
}

static void
test_clone_vm(void)
{
    char *stack = pages(16);

    shared = shared_pages(1);
    pid_t pid = clone(sharing_child, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL);
    ok(pid > 0, "a process shares the address space");
    is(page_says(), 0);
    is(ugetpid(), getpid());
    __atomic_store_n(&shared[1], 1, __ATOMIC_RELEASE);
    is(tap_wait(pid), 0);
    is(shared[0], pid);
    is(alone(), 0);
}

/* The one who made the address space goes first: the page is the other's then. */
static int
outliving_child(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000 && page_says() == 0; i++)
        sleep_ms(1);
    shared[0] = page_says();
    shared[2] = getpid();
    __atomic_store_n(&shared[1], 1, __ATOMIC_RELEASE);
    _exit(0);
}

static int
parent_that_goes(void)
{
    char *stack = pages(16);

    (void)page_says();
    pid_t pid = clone(outliving_child, stack + 16 * PAGE, CLONE_VM, NULL);
    syscall(SYS_exit_group, pid < 0);
    return 1;
}

static void
test_outlived(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    shared = shared_pages(1);
    is(tap_status_of(parent_that_goes), 0);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
        ;
    is(shared[1], 1);
    is(shared[0], shared[2]);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void *
thread(void *failures)
{
    for (int i = 0; i < 1000; i++)
        if (ugetpid() != getpid())
            __atomic_fetch_add((int *)failures, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Threads, while another thread of theirs forks and vforks. */
static void
test_threads(void)
{
    pthread_t threads[4];
    int failures = 0;

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, thread, &failures);
    for (int i = 0; i < 20; i++) {
        pid_t pid = i & 1 ? vfork() : fork();
        if (pid == 0)
            _exit(ugetpid() != (int)syscall(SYS_getpid));
        failures += tap_wait(pid) != 0;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    is(failures, 0);
    is(alone(), 0);
}

static int
store(void)
{
    *(volatile int *)USYSCALL = 1;
    return 0;
}

static int
jump(void)
{
    ((void (*)(void))USYSCALL)();
    return 0;
}

static int
above(void)
{
    return *(volatile int *)(USYSCALL + PAGE);
}

static int
below(void)
{
    return *(volatile int *)(USYSCALL - PAGE);
}

static void
test_protected(void)
{
    void *page = (void *)USYSCALL, *mine = pages(1);
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    int zero[2];

    is(WTERMSIG(tap_status_of(store)), SIGSEGV);
    is(WTERMSIG(tap_status_of(jump)), SIGSEGV);
    is(WTERMSIG(tap_status_of(above)), SIGSEGV);
    is(WTERMSIG(tap_status_of(below)), SIGSEGV);
    works(pipe(zero));
    is(write(zero[1], "wxyz", 4), 4);
    fails(read(zero[0], page, 4), EFAULT);
    fails(munmap(page, PAGE), EPERM);
    fails(munmap((char *)page - PAGE, 3 * PAGE), EPERM);
    fails(mprotect(page, PAGE, PROT_READ | PROT_WRITE), EACCES);
    fails(mprotect(page, PAGE, PROT_NONE), EACCES);
    fails(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mine), EFAULT);
    mine = pages(1); /* a fixed target is unmapped before the old range is asked about */
    fails(mremap(mine, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page), ENOMEM);
    for (int i = -1; i <= 2; i++) {
        char *at = (char *)page + i * (long)PAGE;
        ok(mmap(at, PAGE, PROT_READ, anonymous | MAP_FIXED, -1, 0) == MAP_FAILED,
           "nothing is mapped %d pages from it", i);
        void *p = mmap(at, PAGE, PROT_READ, anonymous, -1, 0);
        ok(p != MAP_FAILED && p != at, "nor when asked politely");
        munmap(p, PAGE);
    }
    works(madvise(page, PAGE, MADV_DONTNEED));
    fails(madvise(page, PAGE, MADV_DOFORK), EINVAL);
    is(alone(), 0);
    is(tap_status_of(alone), 0);
    for (size_t i = 1; i < PAGE / sizeof(int); i++)
        if (((const volatile int *)page)[i])
            is(i, 0);
}

static void
test_maps(void)
{
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && start == USYSCALL)
            found += end == start + PAGE && !strcmp(rights, "r--p");
    }
    fclose(maps);
    is(found, 1);
}

static int
call_getpid(void)
{
    return (int)quire_call(SYS_getpid, 0, 0, 0);
}

/* Nanoseconds that a thousand calls take, at best. Inlined, as ugetpid() is to be. */
static inline __attribute__((always_inline)) long
thousand(int (*call)(void))
{
    long best = 1L << 40;

    for (int round = 0; round < 50; round++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < 1000; i++)
            call();
        clock_gettime(CLOCK_MONOTONIC, &to);
        long took = (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec;
        best = took < best ? took : best;
    }
    return best;
}

static void
test_speed(void)
{
    long without = thousand(ugetpid), with = thousand(call_getpid);

    ok(20 * without <= with, "1000 in %ld ns, with traps in %ld ns", without, with);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--alone"))
        return alone();
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("usyscall");
    if (access("/proc/frames", F_OK) < 0) {
        tap_skip("not Quire");
        return tap_end();
    }
    is(tap_status_of(alone), 0);        /* before and after its first touch here */
    is(alone(), 0);
    is(tap_status_of(generations), 0);
    is(tap_status_of(touched_then_forked), 0);
    test_vfork();
    test_clone_vm();
    test_outlived();
    test_threads();
    test_protected();
    test_maps();
    test_speed();
    return tap_end();
}
