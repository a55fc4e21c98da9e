/*
 * Set-ID bits: when exec honours them, and what a new image hides from others.
 *
 * Not on a mount that is in no tree, not for a process whose names another one
 * leads, and by the file's mode and owner as they stood at one moment.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#define USER 1000
#define OTHER 2000
#define PROGRAM "program"

static char *const report[] = { PROGRAM, "report", NULL };
static char *const no_env[] = { NULL };

/* Copy this program to an open file. */
static void
copy_self(int to)
{
    char buffer[65536];
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY);

    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        if (write(to, buffer, n) != n)
            break;
    close(from);
}

static void
make_program(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);

    copy_self(fd);
    works(fchmod(fd, mode));
    close(fd);
}

static void
become(int uid)
{
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        _exit(90);
    prctl(PR_SET_DUMPABLE, 1);
}

/* What the program reports about itself: euid 0 or not, and its dumpable. */
#define ROOT 1
#define DUMPABLE 2

static int
play(void)
{
    return 10 + (geteuid() == 0 ? ROOT : 0) + (prctl(PR_GET_DUMPABLE) == 1 ? DUMPABLE : 0);
}

/* The exit status of the program, executed by USER as fd (path "") or by a path. */
static int
status_of(int fd, const char *path)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        become(USER);
        syscall(SYS_execveat, fd, path, report, no_env, *path ? 0 : AT_EMPTY_PATH);
        _exit(91);
    }
    int status = tap_wait(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What makes an image easier to attack does not pass a set-ID bit, whoever runs it. */
static int
personality_after(mode_t mode)
{
    works(chmod(PROGRAM, mode));
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *const argv[] = { PROGRAM, "personality", NULL };
        personality(ADDR_NO_RANDOMIZE | UNAME26 | PER_LINUX32);
        execve(PROGRAM, argv, no_env);
        _exit(91);
    }
    return tap_wait(pid) >> 8;
}

static void
test_personality(void)
{
    is(personality_after(0755), 10 + 3);
    is(personality_after(04755), 10 + 2);
}

static int
play_personality(void)
{
    int now = personality(0xffffffff);

    return 10 + (now & ADDR_NO_RANDOMIZE ? 1 : 0) + (now & UNAME26 ? 2 : 0) + (now & PER_MASK ? 4 : 0);
}

static void
test_plain(void)
{
    make_program(PROGRAM, 0755);
    is(status_of(AT_FDCWD, PROGRAM), 10 + DUMPABLE);
    works(chmod(PROGRAM, 04755));
    is(status_of(AT_FDCWD, PROGRAM), 10 + ROOT);
    works(chmod(PROGRAM, 0711));
    is(status_of(AT_FDCWD, PROGRAM), 10);
    works(chmod(PROGRAM, 04711));
    is(status_of(AT_FDCWD, PROGRAM), 10 + ROOT);
    works(chmod(PROGRAM, 04755));
}

/* A memfd lies on a mount that is in no tree. */
static void
test_nameless(void)
{
    char path[32];
    int fd = memfd_create("program", 0);

    copy_self(fd);
    works(fchmod(fd, 06755));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int program = open(path, O_RDONLY);
    close(fd);
    is(status_of(program, ""), 10 + DUMPABLE);
    close(program);
}

/* A mount that has been taken off is reached by a descriptor still. */
static void
test_detached(void)
{
    works(mkdir("mounted", 0755));
    works(mount("none", "mounted", "tmpfs", 0, "mode=0755"));
    make_program("mounted/program", 04755);
    int dir = open("mounted", O_RDONLY | O_DIRECTORY);
    is(status_of(dir, PROGRAM), 10 + ROOT);
    works(umount2("mounted", MNT_DETACH));
    is(status_of(dir, PROGRAM), 10 + DUMPABLE);
    close(dir);
    works(rmdir("mounted"));
}

/* clone(2) as fork does, with flags more; and the alarm. */
static pid_t
fork_with(unsigned long flags)
{
    pid_t pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        alarm(TAP_SECONDS);
    return pid;
}

/* The program's status if it is executed by a child that shares flags with its parent. */
static int
status_sharing(unsigned long flags)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        become(USER);
        pid_t child = fork_with(flags);
        if (child == 0) {
            execve(PROGRAM, report, no_env);
            _exit(91);
        }
        int status = tap_wait(child);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 92);
    }
    int status = tap_wait(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *
sleep_on(void *arg)
{
    gate_open(arg);
    pause();
    return NULL;
}

/* Threads of the process itself share its names, too, and end. */
static int
status_with_thread(void)
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        pthread_t thread;
        struct gate ready;
        become(USER);
        gate_init(&ready);
        pthread_create(&thread, NULL, sleep_on, &ready);
        gate_wait(&ready);
        execve(PROGRAM, report, no_env);
        _exit(91);
    }
    int status = tap_wait(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* While another process looks at its names, which is no sharing. */
static void
test_looked_at(void)
{
    volatile int *end = shared_pages(1);
    pid_t watched = tap_fork();

    if (watched == 0) {
        int with_rights = 0;
        for (int i = 0; i < 40; i++)
            with_rights += status_sharing(0) == 10 + ROOT;
        _exit(with_rights);
    }
    pid_t looker = tap_fork();
    if (looker == 0) {
        char path[32], text[256];
        for (pid_t pid = watched; !*end; pid = pid < watched + 130 ? pid + 1 : watched) {
            snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
            if (readlink(path, text, sizeof(text)) < 0)
                continue;
            snprintf(path, sizeof(path), "/proc/%d/root", pid);
            if (readlink(path, text, sizeof(text)) < 0)
                continue;
        }
        _exit(0);
    }
    is(WEXITSTATUS(tap_wait(watched)), 40);
    *end = 1;
    is(tap_wait(looker), 0);
}

static void
test_shared_names(void)
{
    is(status_sharing(0), 10 + ROOT);
    is(status_sharing(CLONE_FILES), 10 + ROOT);
    is(status_sharing(CLONE_FS), 10 + DUMPABLE);
    is(status_with_thread(), 10 + ROOT);
    test_looked_at();
}

/* A user's set-user-ID program, which root takes over again and again, never runs as root. */
static void
test_taken_over(void)
{
    volatile int *end = shared_pages(1);
    int fd = open(PROGRAM, O_RDONLY);

    works(fchown(fd, USER, USER)); /* it is root's, and set-user-ID, before */
    pid_t owner = tap_fork();
    if (owner == 0) {
        while (!*end) {
            fchown(fd, USER, USER);
            fchmod(fd, 04755);
            for (volatile int i = 0; i < 20; i++)
                ;
            fchown(fd, 0, 0);
        }
        _exit(0);
    }
    pid_t runner = tap_fork();
    if (runner == 0) {
        become(OTHER);
        int64_t until = now_ns() + 2500000000LL;
        int as_root = 0;
        while (now_ns() < until) {
            pid_t pid = vfork();
            if (pid == 0) {
                execve(PROGRAM, report, no_env);
                _exit(0);
            }
            int status = tap_wait(pid);
            as_root |= WIFEXITED(status) && WEXITSTATUS(status) >= 10 &&
                       ((WEXITSTATUS(status) - 10) & ROOT);
        }
        _exit(as_root);
    }
    int status = tap_wait(runner);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "never as root: status 0x%x", status);
    *end = 1;
    is(tap_wait(owner), 0);
    close(fd);
}

/* dumpable belongs to the memory: one that shares it sees the other's change. */
static void
test_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 1);
    pid_t pid = vfork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        _exit(0);
    }
    is(tap_wait(pid), 0);
    is(prctl(PR_GET_DUMPABLE), 0);
    works(prctl(PR_SET_DUMPABLE, 1));
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        _exit(0);
    }
    is(tap_wait(pid), 0);
    is(prctl(PR_GET_DUMPABLE), 1);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "report"))
        return play();
    if (argc > 1 && !strcmp(argv[1], "personality"))
        return play_personality();
    tap_begin("setid");
    test_plain();
    test_personality();
    test_nameless();
    test_detached();
    test_shared_names();
    test_taken_over();
    test_dumpable();
    return tap_end();
}
