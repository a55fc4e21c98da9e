/*
 * Sharing descriptors, names and signal actions, and ceasing to: unshare(2),
 * close_range(CLOSE_RANGE_UNSHARE), and exec, which keeps nothing that another
 * process or a thread of the old image could still change.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif
#define CLOSED 100  /* descriptors that a thread opens and closes, marks and unmarks */
#define MARKED 101
#define SHARED 102

static char self[256];
static char *const no_env[] = { NULL };

static pid_t
fork_with(unsigned long flags)
{
    pid_t pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        alarm(TAP_SECONDS);
    return pid;
}

static void *
wait_on(void *arg)
{
    gate_wait(arg);
    return NULL;
}

static void
test_arguments(void)
{
    struct gate gate;
    pthread_t thread;

    fails(unshare(1), EINVAL);
    fails(unshare(CLONE_VFORK), EINVAL);
    works(unshare(0));
    works(unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM));
    works(unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM));
    gate_init(&gate);
    pthread_create(&thread, NULL, wait_on, &gate);
    fails(unshare(CLONE_THREAD), EINVAL);
    fails(unshare(CLONE_SIGHAND), EINVAL);
    fails(unshare(CLONE_VM), EINVAL);
    works(unshare(CLONE_FILES | CLONE_FS));
    gate_open(&gate);
    pthread_join(thread, NULL);
    gate_close(&gate);

    pid_t pid = vfork();
    if (pid == 0)
        _exit(unshare(CLONE_VM) < 0 && errno == EINVAL);
    is(WEXITSTATUS(tap_wait(pid)), 1);
}

static void
unprivileged(void)
{
    works(setresuid(1000, 1000, 1000));
    fails(unshare(CLONE_NEWNS), EPERM);
    fails(unshare(CLONE_NEWUTS | CLONE_FILES), EPERM);
    fails(unshare(1 | CLONE_NEWNS), EINVAL);
}

/* What a child does to its descriptors and names, and whether the parent sees it. */
static int
seen(unsigned long shared, int (*cease)(void))
{
    char where[256];
    mode_t mask = umask(022);

    umask(mask);
    close(CLOSED);
    getcwd(where, sizeof(where));
    pid_t pid = fork_with(shared);
    if (pid == 0) {
        if (cease() < 0)
            _exit(1);
        umask(0);
        if (chdir("/") < 0)
            _exit(2);
        dup2(1, CLOSED);
        _exit(0);
    }
    is(tap_wait(pid), 0);
    char now[256];
    int files = fcntl(CLOSED, F_GETFD) >= 0;
    int names = strcmp(getcwd(now, sizeof(now)), where) != 0;
    is(umask(022) == 0, names);
    if (chdir(where) < 0)
        return -1;
    return files | names << 1;
}

static int
nothing(void)
{
    return 0;
}

static int
cease_files(void)
{
    return unshare(CLONE_FILES);
}

static int
cease_names(void)
{
    return unshare(CLONE_FS);
}

static int
cease_range(void)
{
    return syscall(SYS_close_range, 1000000, 1000001, CLOSE_RANGE_UNSHARE);
}

static void
test_ceasing(void)
{
    is(seen(0, nothing), 0);
    is(seen(CLONE_FILES | CLONE_FS, nothing), 3);
    is(seen(CLONE_FILES | CLONE_FS, cease_files), 2);
    is(seen(CLONE_FILES | CLONE_FS, cease_range), 2);
    is(seen(CLONE_FILES | CLONE_FS, cease_names), 1);
}

/* exec closes what is marked in its own table alone. */
static void
test_exec_shared_table(void)
{
    is(dup3(1, SHARED, O_CLOEXEC), SHARED);
    pid_t pid = fork_with(CLONE_FILES);
    if (pid == 0) {
        execl(self, self, "has", "102", NULL);
        _exit(9);
    }
    is(WEXITSTATUS(tap_wait(pid)), 0);
    is(fcntl(SHARED, F_GETFD), FD_CLOEXEC);
    close(SHARED);
}

/* While others look at /proc/PID/fd, a table is unshared by one user and left by the other. */
static void
test_looked_at(void)
{
    int64_t until = now_ns() + 1500000000LL;
    pid_t user = tap_fork(), looker[2];

    if (user == 0) {
        while (now_ns() < until) {
            pid_t other = fork_with(CLONE_FILES);
            if (other == 0) {
                for (volatile int i = 0; i < 2000; i++)
                    ;
                _exit(0);
            }
            for (volatile int i = 0; i < 1000; i++)
                ;
            cease_range();
            tap_wait(other);
        }
        _exit(0);
    }
    for (size_t i = 0; i < ARRAY_LEN(looker); i++) {
        looker[i] = tap_fork();
        if (looker[i])
            continue;
        char path[32];
        struct stat st;
        snprintf(path, sizeof(path), "/proc/%d/fd", user);
        int fd = open(path, O_RDONLY | O_DIRECTORY);
        while (now_ns() < until)
            fstat(fd, &st);
        _exit(0);
    }
    is(tap_wait(user), 0);
    is(tap_wait(looker[0]), 0);
    is(tap_wait(looker[1]), 0);
}

/* A look at the table of a process that execs does not make it lose its record locks. */
static void
test_locks_stay(void)
{
    volatile int *end = shared_pages(1);
    struct flock lock = { .l_type = F_WRLCK };
    int lost = 0;

    put_file("locked", "x", 1, 0644);
    pid_t pid = tap_fork();
    if (pid == 0) {
        int fd = open("locked", O_RDWR);
        if (fcntl(fd, F_SETLK, &lock) < 0)
            _exit(8);
        execl(self, self, "again", "60", NULL);
        _exit(9);
    }
    pid_t looker = tap_fork();
    if (looker == 0) {
        char path[32];
        struct stat st;
        snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        int fd = open(path, O_RDONLY | O_DIRECTORY);
        while (!*end)
            fstat(fd, &st);
        _exit(0);
    }
    int status = tap_wait(pid);
    lost = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *end = 1;
    is(lost, 0);
    is(tap_wait(looker), 0);
}

/* What the threads of an old image do to descriptors, noted where the new image finds it. */
struct notes {
    int closed, marked; /* 0: it is so; 1: perhaps; 2: it is not so */
};
static volatile struct notes *notes;

static void
pause_a_little(void)
{
    for (volatile int i = 0; i < 200; i++)
        ;
}

static void *
toggle(void *arg)
{
    (void)arg;
    for (;;) {
        notes->closed = 1;
        dup2(2, CLOSED);
        notes->closed = 2;
        pause_a_little();
        notes->closed = 1;
        close(CLOSED);
        notes->closed = 0;
        pause_a_little();
        notes->marked = 1;
        dup3(2, MARKED, 0);
        notes->marked = 2;
        pause_a_little();
        notes->marked = 1;
        fcntl(MARKED, F_SETFD, FD_CLOEXEC);
        notes->marked = 0;
        pause_a_little();
    }
    return NULL;
}

/* In the new image: are the descriptors as was noted? */
static int
compare(void)
{
    int open = fcntl(CLOSED, F_GETFD) >= 0, kept = fcntl(MARKED, F_GETFD) >= 0;

    notes = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, SHARED, 0);
    return (notes->closed == 0 && open) || (notes->closed == 2 && !open) ||
           (notes->marked == 0 && kept) || (notes->marked == 2 && !kept);
}

static void
test_siblings(void)
{
    static char *args[12];
    int wrong = 0, fd = memfd_create("notes", 0);
    int64_t until = now_ns() + 2000000000LL;

    if (ftruncate(fd, PAGE) < 0 || dup2(fd, SHARED) < 0)
        return;
    close(fd);
    close(CLOSED); /* as the notes say, should no thread come to run */
    close(MARKED);
    notes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED, 0);
    args[0] = self;
    args[1] = "compare";
    for (int i = 2; i < 11; i++) {
        args[i] = calloc(1, 100001);
        memset(args[i], 'x', 100000); /* so that exec takes its time */
    }
    for (int round = 0; round < 60 && now_ns() < until; round++) {
        notes->closed = notes->marked = 0;
        pid_t pid = tap_fork();
        if (pid == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, toggle, NULL);
            sleep_ms(1 + round % 3);
            execve(self, args, no_env);
            _exit(9);
        }
        wrong += tap_wait(pid) != 0;
    }
    is(wrong, 0);
    close(SHARED);
}

/* A process that shared the signal actions of the old image has no say in those of the new one. */
static volatile int started, delay;
static char stack[65536] __attribute__((aligned(16)));

static int
set_action(void *arg)
{
    struct { unsigned long handler, flags, mask; } action = { 0x41414140, 0, 0 };
    struct timespec little = { 0, 5000000 };

    (void)arg;
    for (int i = 0; i < 30; i++) {
        syscall(SYS_nanosleep, &little, NULL);
        syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8);
    }
    syscall(SYS_exit, 0);
    return 0;
}

static void *
make_sharer(void *arg)
{
    (void)arg;
    started = 1;
    for (int64_t until = now_ns() + delay * 1000LL; now_ns() < until;)
        ;
    clone(set_action, stack + sizeof(stack) - 64, CLONE_VM | CLONE_SIGHAND, NULL);
    pause();
    return NULL;
}

static int
has_default_action(void)
{
    struct sigaction action;

    sleep_ms(60);
    sigaction(SIGUSR1, NULL, &action);
    return action.sa_handler != SIG_DFL;
}

static void
test_actions(void)
{
    char *args[] = { self, "action", NULL };
    int wrong = 0;

    for (int round = 0; round < 20; round++) {
        delay = round * 100;
        pid_t pid = tap_fork();
        if (pid == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, make_sharer, NULL);
            while (!started)
                ;
            execve(self, args, no_env);
            _exit(9);
        }
        wrong += tap_wait(pid) != 0;
    }
    is(wrong, 0);
}

/* Execute this program n times more, asking each time whether the lock is still there. */
static int
again(int n)
{
    struct flock lock = { .l_type = F_WRLCK };
    char text[16];

    pid_t pid = tap_fork();
    if (pid == 0) {
        int fd = open("locked", O_RDWR);
        fcntl(fd, F_GETLK, &lock);
        _exit(lock.l_type == F_UNLCK);
    }
    if (tap_wait(pid) != 0)
        return 1;
    if (n == 0)
        return 0;
    snprintf(text, sizeof(text), "%d", n - 1);
    execl(self, self, "again", text, NULL);
    return 9;
}

int
main(int argc, char **argv)
{
    self[readlink("/proc/self/exe", self, sizeof(self) - 1)] = '\0';
    if (argc > 1) {
        alarm(TAP_SECONDS);
        if (!strcmp(argv[1], "has"))
            return fcntl(atoi(argv[2]), F_GETFD) >= 0;
        if (!strcmp(argv[1], "compare"))
            return compare();
        if (!strcmp(argv[1], "action"))
            return has_default_action();
        return again(atoi(argv[2]));
    }
    tap_begin("unshare");
    test_arguments();
    tap_child(unprivileged);
    test_ceasing();
    test_exec_shared_table();
    test_looked_at();
    test_locks_stay();
    test_siblings();
    test_actions();
    return tap_end();
}
