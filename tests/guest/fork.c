/*
 * fork, vfork and clone as fork: what a child has of its own, what it
 * shares, and what it does not inherit; trees of children, orphans, and the
 * flags that make no sense.
 */
#include "tap.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

static int data = 1;
static int bss;

/* riscv64's argument order. */
static long
raw_clone(unsigned long flags, void *stack, pid_t *parent_tid, void *tls,
          pid_t *child_tid)
{
    return syscall(SYS_clone, flags, stack, parent_tid, tls, child_tid);
}

static void
test_memory(void)
{
    int stack = 3;
    int *heap = malloc(sizeof(int));
    int *private = (int *)pages(1);
    int *shared = shared_pages(1);
    struct gate go, done;

    *heap = 4;
    *private = 5;
    gate_init(&go);
    gate_init(&done);
    pid_t pid = tap_fork();
    if (pid == 0) {
        int good = data == 1 && bss == 0 && stack == 3 && *heap == 4 &&
                   *private == 5;
        data = bss = stack = *heap = *private = 99;
        gate_open(&done);
        gate_wait(&go);
        good = good && data == 99 && bss == 99 && stack == 99 &&
               *heap == 99 && *private == 99 && *shared == 6;
        *shared = 7;
        _exit(good ? 17 : 1);
    }
    gate_wait(&done);
    ok(data == 1 && bss == 0 && stack == 3 && *heap == 4 && *private == 5,
       "the parent does not see what the child writes");
    data = bss = stack = *heap = *private = 44;
    *shared = 6;
    gate_open(&go);
    int status = tap_wait(pid);
    is(WEXITSTATUS(status), 17);
    ok(*shared == 7, "a shared mapping carries writes both ways");
    ok(data == 44 && bss == 44, "the parent's own writes stand");
    data = 1;
    bss = 0;
    gate_close(&go);
    gate_close(&done);
}

static void
test_identity(void)
{
    struct { pid_t pid, ppid, tid, pgid, sid; } seen;
    int fd[2];

    works(pipe(fd));
    pid_t pid = tap_fork();
    if (pid == 0) {
        seen.pid = getpid();
        seen.ppid = getppid();
        seen.tid = syscall(SYS_gettid);
        seen.pgid = getpgrp();
        seen.sid = getsid(0);
        write(fd[1], &seen, sizeof(seen));
        _exit(0);
    }
    is(read(fd[0], &seen, sizeof(seen)), sizeof(seen));
    is(seen.pid, pid);
    is(seen.ppid, getpid());
    is(seen.tid, pid);
    is(seen.pgid, getpgrp());
    is(seen.sid, getsid(0));
    is(tap_wait(pid), 0);
    close(fd[0]);
    close(fd[1]);
}

static void
test_descriptors(void)
{
    put_file("f", "abcdefgh", 8, 0644);
    int fd = open("f", O_RDONLY | O_CLOEXEC);
    pid_t pid = tap_fork();
    if (pid == 0) {
        char c;
        int good = read(fd, &c, 1) == 1 && c == 'a' &&
                   lseek(fd, 5, SEEK_SET) == 5 &&
                   fcntl(fd, F_GETFD) == FD_CLOEXEC;
        close(fd);
        close(0);
        umask(0777);
        good = good && chdir("/") == 0;
        _exit(!good);
    }
    is(tap_wait(pid), 0);
    is(lseek(fd, 0, SEEK_CUR), 5);
    char here[128];
    ok(getcwd(here, sizeof(here)) && !strcmp(here, tap_directory),
       "a child's chdir is its own");
    mode_t mask = umask(022);
    is(mask, 022);
    works(close(fd));
}

static volatile sig_atomic_t caught;

static void
on_signal(int number)
{
    caught = number;
}

/* Exit 0 if signal state came over as it should; runs in the child. */
static int
inherited_signals(void)
{
    struct sigaction old;
    sigset_t set;
    struct itimerval timer;

    if (sigaction(SIGUSR1, NULL, &old) < 0 || old.sa_handler != on_signal)
        return 1;
    if (sigaction(SIGUSR2, NULL, &old) < 0 || old.sa_handler != SIG_IGN)
        return 2;
    if (sigprocmask(SIG_SETMASK, NULL, &set) < 0 ||
        !sigismember(&set, SIGUSR1) || sigismember(&set, SIGUSR2))
        return 3;
    if (sigpending(&set) < 0 || sigismember(&set, SIGUSR1))
        return 4;
    if (getitimer(ITIMER_REAL, &timer) < 0 || timer.it_value.tv_sec ||
        timer.it_value.tv_usec)
        return 5;
    if (getitimer(ITIMER_PROF, &timer) < 0 || timer.it_value.tv_sec)
        return 6;
    return 0;
}

static void
test_signals(void)
{
    sigset_t set, old;
    struct itimerval timer = { .it_value.tv_sec = 1000 }, off = { 0 };

    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    setitimer(ITIMER_PROF, &timer, NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(inherited_signals());
    is(tap_wait(pid), 0);
    setitimer(ITIMER_PROF, &off, NULL);
    is(caught, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    is(caught, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* Make width children to depth levels; the exit status counts processes. */
static int
tree(int depth, int width)
{
    int sum = 1;
    pid_t child[8];

    if (depth == 0)
        return sum;
    for (int i = 0; i < width; i++) {
        child[i] = fork();
        if (child[i] == 0)
            _exit(tree(depth - 1, width));
    }
    for (int i = 0; i < width; i++) {
        int status = tap_wait(child[i]);
        if (status == -1 || !WIFEXITED(status))
            return 255;
        sum += WEXITSTATUS(status);
    }
    return sum;
}

static void
test_trees(void)
{
    is(tree(1, 8), 9);
    is(tree(3, 3), 40);
    is(tree(5, 2), 63);
    is(tree(20, 1), 21);
    fails(waitpid(-1, NULL, 0), ECHILD);
}

static void
test_many(void)
{
    enum { N = 100 };
    pid_t child[N];
    struct gate go;
    int made = 0, good = 0;

    gate_init(&go);
    for (int i = 0; i < N; i++) {
        child[i] = tap_fork();
        if (child[i] == 0) {
            gate_wait(&go);
            _exit(i);
        }
        made += child[i] > 0;
    }
    is(made, N);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            if (child[i] == child[j])
                made = 0;
    ok(made, "every child alive has a number of its own");
    for (int i = 0; i < N; i++)
        gate_open(&go);
    for (int i = N - 1; i >= 0; i--) {
        int status = tap_wait(child[i]);
        good += WIFEXITED(status) && WEXITSTATUS(status) == i;
    }
    is(good, N);
    gate_close(&go);
}

static void
test_orphan(void)
{
    int fd[2];
    struct gate gone;
    pid_t seen[2] = { 0, 0 };

    pipe(fd);
    gate_init(&gone);
    pid_t pid = tap_fork();
    if (pid == 0) {
        if (fork() == 0) {
            alarm(TAP_SECONDS);
            seen[0] = getppid();
            gate_wait(&gone);
            seen[1] = getppid();
            write(fd[1], seen, sizeof(seen));
            _exit(0);
        }
        _exit(0);
    }
    is(tap_wait(pid), 0);
    gate_open(&gone);
    is(read(fd[0], seen, sizeof(seen)), sizeof(seen));
    is(seen[1], 1);
    fails(waitpid(-1, NULL, 0), ECHILD);
    gate_close(&gone);
    close(fd[0]);
    close(fd[1]);
}

static void
test_vfork(void)
{
    static volatile int written;

    written = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        written = 1;
        _exit(3);
    }
    ok(written == 1, "vfork's child ran first, in the parent's memory");
    is(WEXITSTATUS(tap_wait(pid)), 3);

    char *argv[] = { "nothing", NULL };
    volatile int error = 0;
    pid = vfork();
    if (pid == 0) {
        execv("/nonexistent/program", argv);
        error = errno;
        _exit(4);
    }
    is(error, ENOENT);
    is(WEXITSTATUS(tap_wait(pid)), 4);
    static volatile int good, i;
    for (i = 0; i < 50; i++) {
        pid = vfork();
        if (pid == 0)
            _exit(i);
        good += WEXITSTATUS(tap_wait(pid)) == i;
    }
    is(good, 50);
}

static void
test_clone_ids(void)
{
    pid_t *parent = shared_pages(1), *child = parent + 1;
    pid_t pid;

    pid = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL,
                    parent, NULL, child);
    if (pid == 0)
        _exit(*parent == getpid() && *child == getpid() ? 0 : 1);
    is(*parent, pid);
    is(tap_wait(pid), 0);
    is(*child, pid);

    pid = raw_clone(CLONE_CHILD_SETTID | SIGCHLD, NULL, NULL, NULL, hole());
    if (pid == 0)
        _exit(5);
    ok(pid > 0, "a bad child_tid pointer does not fail the call");
    is(WEXITSTATUS(tap_wait(pid)), 5);

    *child = 77;
    pid = raw_clone(CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, child);
    if (pid == 0)
        _exit(0);
    is(tap_wait(pid), 0);
    ok(*child == 77 || *child == 0, "a lone exit may clear the word or not");

    pid = raw_clone(0, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(6);
    fails(waitpid(pid, NULL, 0), ECHILD);
    int status = 0;
    is(waitpid(pid, &status, __WCLONE), pid);
    is(WEXITSTATUS(status), 6);
    signal(SIGUSR1, SIG_IGN);
    pid = raw_clone(SIGUSR1, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(7);
    is(waitpid(pid, &status, __WALL), pid);
    is(WEXITSTATUS(status), 7);
    signal(SIGUSR1, SIG_DFL);
}

static void
test_clone_flags(void)
{
    fails(raw_clone(CLONE_THREAD | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
    fails(raw_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
    fails(raw_clone(CLONE_THREAD | CLONE_SIGHAND, NULL, NULL, NULL, NULL),
          EINVAL);
    fails(raw_clone(CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL),
          EINVAL);
    fails(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL,
                    NULL, NULL), EINVAL);

    pid_t pid = raw_clone(CLONE_FILES | CLONE_FS | SIGCHLD, NULL, NULL, NULL,
                          NULL);
    if (pid == 0) {
        umask(055);
        chdir("/");
        _exit(open("/dev/null", O_RDONLY) < 0);
    }
    is(tap_wait(pid), 0);
    mode_t mask = umask(022);
    is(mask, 055);
    char here[128];
    ok(getcwd(here, sizeof(here)) && !strcmp(here, "/"),
       "CLONE_FS shares the working directory");
    chdir(tap_directory);
    int fd = open("/dev/null", O_RDONLY);
    works(close(fd - 1));
    works(close(fd));
}

static void
limited_user(void)
{
    struct rlimit limit = { 1, 1 };

    works(setrlimit(RLIMIT_NPROC, &limit));
    works(setresgid(54321, 54321, 54321));
    works(setresuid(54321, 54321, 54321));
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    ok(pid == -1 && errno == EAGAIN, "RLIMIT_NPROC holds for a user: EAGAIN");
}

int
main(void)
{
    tap_begin("fork");
    test_memory();
    test_identity();
    test_descriptors();
    test_signals();
    test_trees();
    test_many();
    test_orphan();
    test_vfork();
    test_clone_ids();
    test_clone_flags();
    tap_child(limited_user);
    return tap_end();
}
