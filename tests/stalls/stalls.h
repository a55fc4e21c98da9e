/*
 * Calls with large arguments, and what held the hart meanwhile.
 *
 * On a debug kernel each job begins with /proc/stalls cleared and ends with its lines, each
 * behind the job's name:
 *
 *      stall JOB KIND NSEC COUNT CALL NAME FROM FUNCTION...
 *
 * A neighbour that never rests wants the same hart. Then the same calls are made by a child
 * which is killed a moment after it has begun. "kill JOB NSEC PLAIN" gives the time until
 * waitpid() returned, and the same for a child that had prepared as much and was asleep: what the
 * first one is longer, the call took to end. Time is the machine's: under -icount, instructions.
 *
 *      PROGRAM [--all] [JOB]
 *
 * With --all the sizes are the largest that a gigabyte of memory can build.
 */
#ifndef STALLS_H
#define STALLS_H

#include "tap.h"

#define MIB (1UL << 20)
#define KILL_AFTER_MS 3

static int all; /* the largest sizes */

/* How many: a number for each run, and the largest. */
static size_t
many(size_t some, size_t most)
{
    return all ? most : some;
}

/* A call that has to succeed: one that was refused would hold nothing, and prove nothing. */
#define must(call) check((intptr_t)(call) != -1, #call)

static void
check(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    _exit(1);
}

static void
read_all(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY);
    must(fd);
    while (read(fd, text, sizeof(text)) > 0)
        ;
    close(fd);
}

static void
list(const char *directory)
{
    static char entries[1 << 20];
    int fd = open(directory, O_RDONLY | O_DIRECTORY);
    must(fd);
    while (syscall(SYS_getdents64, fd, entries, sizeof(entries)) > 0)
        ;
    close(fd);
}

struct job {
    const char *name;
    void (*prepare)(void), (*call)(void);
    int kill; /* the call is long enough to be killed in */
};

static void none(void) { }
static void rest(void) { pause(); }

static void
report(const char *job)
{
    char line[512];
    FILE *stalls = fopen("/proc/stalls", "r");
    while (stalls && fgets(line, sizeof(line), stalls)) {
        printf("stall %s %s", job, line);
        fflush(stdout);
    }
    if (stalls)
        fclose(stalls);
}

static void
clear(void)
{
    int fd = open("/proc/stalls", O_WRONLY);
    write(fd, "0", 1);
    close(fd);
}

/* A process that never rests. */
static pid_t neighbour;

static void
start_neighbour(void)
{
    pid_t parent = getpid();
    neighbour = fork();
    if (neighbour == 0) {
        while (getppid() == parent)
            ;
        _exit(0);
    }
}

/* The child prepares, says so and makes the call, or sleeps; it is killed a moment later. In ns. */
static int64_t
kill_in(const struct job *job, void (*call)(void))
{
    int ready[2];
    char c;

    pipe(ready);
    pid_t pid = fork();
    if (pid == 0) {
        job->prepare();
        write(ready[1], "r", 1);
        call();
        _exit(0);
    }
    read(ready[0], &c, 1);
    close(ready[0]);
    close(ready[1]);
    sleep_ms(KILL_AFTER_MS);
    kill(neighbour, SIGSTOP); /* it would have every other turn */
    int64_t start = now_ns();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int64_t end = now_ns();
    kill(neighbour, SIGCONT);
    return end - start;
}

static int
run_jobs(const struct job *jobs, size_t njobs, int argc, char **argv)
{
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0)
            all = 1;
        else
            only = argv[i];
    }
    chdir("/tmp");
    start_neighbour();
    for (size_t i = 0; i < njobs; i++) {
        if (only && strcmp(only, jobs[i].name))
            continue;
        clear();
        int64_t start = now_ns();
        pid_t pid = fork();
        if (pid == 0) {
            jobs[i].prepare();
            jobs[i].call();
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        check(status == 0, jobs[i].name);
        printf("job %s %ld\n", jobs[i].name, (long)(now_ns() - start));
        report(jobs[i].name);
        if (jobs[i].kill) {
            long killed = kill_in(&jobs[i], jobs[i].call);
            printf("kill %s %ld %ld\n", jobs[i].name, killed, (long)kill_in(&jobs[i], rest));
            fflush(stdout);
        }
    }
    puts("done");
    return 0;
}

#endif
