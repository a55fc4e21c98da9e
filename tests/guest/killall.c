/*
 * kill(-1): it reaches every process, those too that are forked meanwhile under numbers
 * that come before those of their parents. It ends although its sender forks for ever.
 */
#include "tap.h"
#include <linux/sched.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>

#define HIGH 30000    /* the number of the one that forks */
#define BETWEEN 20000 /* numbers of those that are reached before it */
#define NBETWEEN 150
#define NCHILDREN 500
#define ROUNDS 4
#define USER 1000
#define SURVIVED 7

static pid_t
fork_as(pid_t number)
{
    struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number,
                               .set_tid_size = 1 };

    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* From now on this process may be killed by one of the user's; a byte into `started` says so. */
static void
become_user(int started)
{
    if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER) || write(started, "", 1) != 1)
        _exit(1);
}

/* Wait until n processes have become the user's. */
static int
wait_started(int started, int n)
{
    char c;

    while (n > 0 && read(started, &c, 1) == 1)
        n--;
    return n;
}

/* Stay until nobody writes to the pipe any more. */
static void
stay(const int life[2])
{
    char c;

    close(life[1]);
    while (read(life[0], &c, 1) < 0)
        ;
    _exit(SURVIVED);
}

static void
fork_many(const int life[2], int started)
{
    become_user(started);
    for (int i = 0; i < NCHILDREN; i++)
        if (fork() == 0)
            stay(life);
    stay(life);
}

/* The number of processes that outlive a kill(-1). */
static int
survivors(void)
{
    int life[2], started[2], survived = 0, status;

    if (pipe(life) < 0 || pipe(started) < 0)
        return -1;
    for (int i = 0; i < NBETWEEN; i++) {
        if (fork_as(BETWEEN + i) == 0) {
            become_user(started[1]);
            stay(life);
        }
    }
    pid_t high = fork_as(HIGH);
    if (high == 0)
        fork_many(life, started[1]);
    pid_t killer = fork();
    if (killer == 0) {
        close(life[1]);
        int nmissing = wait_started(started[0], NBETWEEN + 1);
        become_user(started[1]);
        _exit(high < 0 || nmissing || kill(-1, SIGKILL) != 0);
    }
    is(tap_wait(killer), 0);
    close(life[1]);
    while (waitpid(-1, &status, 0) > 0)
        survived += WIFEXITED(status);
    close(life[0]);
    close(started[0]);
    close(started[1]);
    return survived;
}

static void *
fork_for_ever(void *started)
{
    for (bool first = true;; first = false) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
        if (first && write(*(int *)started, "", 1) != 1)
            _exit(1);
    }
    return NULL;
}

/* The end of a process whose one thread forks while the other sends to all. */
static int
forking_sender(void)
{
    int started[2];
    pthread_t thread;

    pid_t pid = tap_fork();
    if (pid == 0) {
        if (pipe(started))
            _exit(1);
        become_user(started[1]);
        if (pthread_create(&thread, NULL, fork_for_ever, &started[1]) ||
            wait_started(started[0], 2))
            _exit(1);
        for (int i = 0; i < 10; i++)
            if (kill(-1, SIGCONT) != 0)
                _exit(2);
        _exit(0);
    }
    return tap_wait(pid);
}

int
main(void)
{
    tap_begin("killall");
    works(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    for (int i = 0; i < ROUNDS; i++)
        is(survivors(), 0);
    is(forking_sender(), 0);
    return tap_end();
}
