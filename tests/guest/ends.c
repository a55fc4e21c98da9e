/*
 * Stops and ends as others see them: what wait(2) says of a child that was
 * stopped and continued, what a thread's end means to the children that it
 * made, what a parent that has exec'd is told, groups that are orphaned, and
 * what a process that ends leaves behind.
 */
#include "tap.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define RACE_NS 1500000000LL
#define ALL (WUNTRACED | WCONTINUED)

static pid_t
pausing_child(void)
{
    pid_t pid = tap_fork();

    while (pid == 0)
        pause();
    return pid;
}

/* A stop is a state, not a message: SIGCONT ends it when it is sent. */
static void
test_stop_is_a_state(void)
{
    int status, stale = 0;
    siginfo_t info;
    pid_t pid = pausing_child();

    for (int i = 0; i < 100; i++) {
        kill(pid, SIGSTOP);
        waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT);
        kill(pid, SIGCONT);
        stale += waitpid(pid, &status, ALL | WNOHANG) != pid || !WIFCONTINUED(status);
    }
    is(stale, 0);
    for (int i = 0; i < 100; i++) { /* stopped again before it ran */
        kill(pid, SIGSTOP);
        stale += waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status);
        kill(pid, SIGCONT);
        kill(pid, SIGSTOP);
        stale += waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status);
        kill(pid, SIGCONT);
    }
    is(stale, 0);
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static void *
spin(void *unused)
{
    for (;;)
        sched_yield();
    return unused;
}

/* The last that is said of a child with threads, which was continued, is that. */
static void
test_last_report(void)
{
    int status, bad = 0, n = 0;
    pid_t pid = tap_fork();

    if (pid == 0) {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, spin, NULL);
        spin(NULL);
    }
    for (int64_t end = now_ns() + RACE_NS; now_ns() < end || n < 20; n++) {
        kill(pid, SIGSTOP);
        for (volatile int i = 0; i < n * 997 % 30000; i++)
            ;
        kill(pid, SIGCONT);
        bad += waitpid(pid, &status, ALL | WNOHANG) == pid && WIFSTOPPED(status);
        sched_yield();
        bad += waitpid(pid, &status, ALL | WNOHANG) == pid && WIFSTOPPED(status);
    }
    is(bad, 0);
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static volatile pid_t made;
static struct gate ready;

static void *
make_one(void *unused)
{
    made = tap_fork();
    if (made == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        gate_open(&ready);
        for (;;)
            pause();
    }
    gate_wait(&ready);
    return unused;
}

/* A thread's end is the end of a parent for the children that it made, and for no others. */
static void
test_thread_made_it(void)
{
    pthread_t thread;
    int status;

    gate_init(&ready);
    make_one(NULL);
    pid_t mine = made;
    pthread_create(&thread, NULL, make_one, NULL);
    pthread_join(thread, NULL);
    pid_t other = made;
    /* The thread lives a moment longer than the join waits. Then it is this thread's, also to __WNOTHREAD. */
    pid_t got;
    for (int64_t end = now_ns() + 5 * 1000000000LL;;) {
        got = waitpid(other, &status, __WNOTHREAD);
        if (got == other || errno != ECHILD || now_ns() > end)
            break;
        sched_yield();
    }
    is(got, other);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "the thread's child got its signal");
    is(waitpid(mine, &status, WNOHANG), 0);
    kill(mine, SIGKILL);
    tap_wait(mine);
    gate_close(&ready);
}

static int
death_signal(void)
{
    int signo = -1;

    prctl(PR_GET_PDEATHSIG, &signo);
    return signo;
}

static void *
ask(void *result)
{
    *(int *)result = death_signal();
    return NULL;
}

/* The request is the thread's own, and ends with what makes it another's. */
static void
death_signal_ends(void)
{
    pthread_t thread;
    int result = -1;

    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    is(death_signal(), SIGUSR1);
    pthread_create(&thread, NULL, ask, &result);
    pthread_join(thread, NULL);
    is(result, 0);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(death_signal());
    is(tap_wait(pid), 0);
    is(syscall(SYS_setresuid, 0, 0, 900), 0);
    is(death_signal(), SIGUSR1);
    is(syscall(SYS_setresuid, 0, 900, 900), 0);
    is(death_signal(), 0);
}

/*
 * A parent dies that may not signal its child, and one that may, of which the signal says so.
 * Returns the si_code that the child saw within so many seconds plus 1; -1: no signal came.
 */
static int
orphaned_by(uid_t user, uid_t childs, int seconds)
{
    int *shared = shared_pages(1);
    struct gate go;

    gate_init(&go);
    pid_t parent = tap_fork();
    if (parent == 0) {
        pid_t self = getpid(), pid = tap_fork();
        if (pid == 0) {
            sigset_t set;
            siginfo_t info = { .si_code = 99 };
            struct timespec soon = { seconds, 200000000 };
            sigemptyset(&set);
            sigaddset(&set, SIGUSR2);
            sigprocmask(SIG_BLOCK, &set, NULL);
            setresuid(childs, childs, childs);
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            gate_open(&go);
            while (getppid() == self)
                sched_yield();
            int got = sigtimedwait(&set, &info, &soon);
            shared[1] = info.si_pid == self;
            __atomic_store_n(&shared[0], got == SIGUSR2 ? 1 + info.si_code : -1,
                             __ATOMIC_SEQ_CST);
            _exit(0);
        }
        gate_wait(&go);
        setresuid(user, user, user);
        _exit(0);
    }
    tap_wait(parent);
    while (!__atomic_load_n(&shared[0], __ATOMIC_SEQ_CST))
        sched_yield();
    return shared[0];
}

static void
test_death_signal_needs_a_right(void)
{
    is(orphaned_by(901, 902, 0), -1);
    is(orphaned_by(901, 901, 30), 1 + SI_USER);
    is(orphaned_by(0, 902, 30), 1 + SI_USER);
}

static char self[512];

/* "--told PID": after exec, wait for the child and say by which signal we were told. */
static int
told(pid_t pid)
{
    sigset_t set, now;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    int status;
    if (waitpid(pid, &status, __WALL) != pid)
        return 9;
    sigpending(&now);
    return (sigismember(&now, SIGCHLD) ? 1 : 0) + (sigismember(&now, SIGUSR1) ? 2 : 0);
}

/* A parent that has exec'd does not get the signal that the one before asked for. */
static void
test_exit_signal_after_exec(void)
{
    for (int with_exec = 0; with_exec < 2; with_exec++) {
        pid_t parent = tap_fork();
        if (parent == 0) {
            sigset_t set;
            char number[16];
            int fd[2];
            pipe(fd);
            sigemptyset(&set);
            sigaddset(&set, SIGCHLD);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            pid_t pid = (pid_t)syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
            if (pid == 0) {
                char c;
                close(fd[1]);
                if (with_exec)
                    read(fd[0], &c, 1); /* the parent's exec closes the other end */
                _exit(0);
            }
            fcntl(fd[1], F_SETFD, FD_CLOEXEC);
            if (!with_exec)
                _exit(told(pid));
            snprintf(number, sizeof(number), "%d", (int)pid);
            execl(self, self, "--told", number, NULL);
            _exit(8);
        }
        is(WEXITSTATUS(tap_wait(parent)), with_exec ? 1 : 2);
    }
}

static volatile int *word;

static int
exec_child(void *unused)
{
    char *argv[] = { self, "--wait", NULL };

    (void)unused;
    execv(self, argv);
    _exit(9);
}

/* CLONE_CHILD_CLEARTID tells of the end of the use of the memory, be that exit or exec. */
static void
test_exec_clears_word(void)
{
    char *stack = pages(16);
    int status = 0, fd[2];

    pipe(fd);
    word = (int *)pages(1);
    *word = 77;
    pid_t pid = clone(exec_child, stack + 16 * PAGE,
                      CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, word);
    works(pid);
    while (*word)
        syscall(SYS_futex, word, FUTEX_WAIT, 77, NULL, NULL, 0);
    is(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static volatile sig_atomic_t hung;

static void
on_hangup(int signo)
{
    hung += signo == SIGHUP;
}

/* The child that is the last link to the session runs; another member is stopped. */
static void
test_orphaned_by_a_running_child(void)
{
    volatile int *shared = shared_pages(1);
    pid_t shell = tap_fork();

    if (shell == 0) {
        setsid();
        pid_t link = tap_fork();
        if (link == 0) {
            setpgid(0, 0);
            signal(SIGHUP, SIG_IGN);
            pid_t member = tap_fork();
            if (member == 0) {
                signal(SIGHUP, on_hangup);
                raise(SIGSTOP);
                shared[1] = 1 + hung;
                _exit(0);
            }
            int status;
            waitpid(member, &status, WUNTRACED);
            shared[0] = 1;
            while (!shared[1])
                sched_yield();
            _exit(0);
        }
        while (!shared[0])
            sched_yield();
        _exit(0);
    }
    tap_wait(shell);
    while (!shared[1])
        sched_yield();
    is(shared[1], 2);
}

/* A limit of running time is set for a process that is ending. */
static void
test_limit_of_the_ending(void)
{
    struct rlimit limit = { 1, RLIM_INFINITY };
    int n = 0;

    for (int64_t end = now_ns() + RACE_NS; now_ns() < end || n < 20; n++) {
        pid_t pid = tap_fork();
        if (pid == 0) {
            char *p = pages(64);
            memset(p, 1, 64 * PAGE);
            syscall(SYS_exit, 0);
        }
        int status;
        while (waitpid(pid, &status, WNOHANG) == 0) {
            limit.rlim_cur = 1;
            prlimit(pid, RLIMIT_CPU, &limit, NULL);
        }
    }
    ok(1, "%d processes ended", n);
}

static void *
open_terminal(void *unused)
{
    for (int i = 0; i < 30; i++) {
        int fd = open("/dev/tty", O_RDONLY);
        if (fd >= 0)
            close(fd);
    }
    return unused;
}

/* The last process of a session leaves it while its other thread asks for the terminal. */
static void
test_leave_session(void)
{
    int n = 0;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int64_t end = now_ns() + RACE_NS; now_ns() < end || n < 20; n++) {
        pid_t leader = fork();
        if (leader == 0) {
            setsid();
            if (fork() == 0) {
                pthread_t thread;
                while (kill(getsid(0), 0) == 0)
                    sched_yield();
                pthread_create(&thread, NULL, open_terminal, NULL);
                for (volatile int i = 0; i < n * 37 % 3000; i++)
                    ;
                setsid();
                pthread_join(thread, NULL);
            }
            _exit(0);
        }
        while (wait(NULL) > 0)
            ;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    ok(1, "%d sessions were left", n);
}

int
main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "--told"))
        return told(atoi(argv[2]));
    while (argc > 1 && !strcmp(argv[1], "--wait"))
        pause();
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 98;
    tap_begin("ends");
    test_stop_is_a_state();
    test_last_report();
    test_thread_made_it();
    tap_child(death_signal_ends);
    test_death_signal_needs_a_right();
    test_exit_signal_after_exec();
    test_exec_clears_word();
    test_orphaned_by_a_running_child();
    test_limit_of_the_ending();
    test_leave_session();
    return tap_end();
}
