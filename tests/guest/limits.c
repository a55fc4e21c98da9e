/*
 * Resource limits: reading and changing them, who may, and what each does
 * that no other test shows (files, memory and descriptors have their own).
 */
#include "tap.h"
#include <sys/resource.h>

static void
test_values(void)
{
    struct rlimit limit, again;

    for (int i = 0; i < 16; i++) {
        int good = getrlimit(i, &limit) == 0 && limit.rlim_cur <=
                   limit.rlim_max && setrlimit(i, &limit) == 0 &&
                   getrlimit(i, &again) == 0 &&
                   again.rlim_cur == limit.rlim_cur &&
                   again.rlim_max == limit.rlim_max;
        ok(good, "limit %d: %lx of %lx", i, (long)limit.rlim_cur,
           (long)limit.rlim_max);
    }
    getrlimit(RLIMIT_STACK, &limit);
    ok(limit.rlim_cur == 8 << 20 && limit.rlim_max == RLIM_INFINITY, "stack");
    getrlimit(RLIMIT_NOFILE, &limit);
    is(limit.rlim_cur, 1024);
    getrlimit(RLIMIT_CPU, &limit);
    ok(limit.rlim_cur == RLIM_INFINITY, "CPU time");
    getrlimit(RLIMIT_FSIZE, &limit);
    ok(limit.rlim_cur == RLIM_INFINITY, "file size");
    fails(getrlimit(16, &limit), EINVAL);
    fails(getrlimit(-1, &limit), EINVAL);
    fails(setrlimit(16, &limit), EINVAL);
    limit = (struct rlimit){ 10, 5 };
    fails(setrlimit(RLIMIT_CORE, &limit), EINVAL);
}

static void
test_prlimit(void)
{
    struct rlimit new = { 100, 200 }, old, got;

    pid_t pid = tap_fork();
    if (pid == 0)
        for (;;)
            pause();
    is(prlimit(pid, RLIMIT_CORE, &new, &old), 0);
    is(prlimit(pid, RLIMIT_CORE, NULL, &got), 0);
    ok(got.rlim_cur == 100 && got.rlim_max == 200, "a child's limit is set");
    getrlimit(RLIMIT_CORE, &got);
    ok(got.rlim_cur == old.rlim_cur, "ours is as before");
    is(prlimit(0, RLIMIT_CORE, NULL, NULL), 0);
    fails(prlimit(4000000, RLIMIT_CORE, NULL, &got), ESRCH);
    fails(prlimit(-1, RLIMIT_CORE, NULL, &got), ESRCH);
    fails(prlimit(0, 99, NULL, &got), EINVAL);
    kill(pid, SIGKILL);
    tap_wait(pid);
}

static void
as_user(void)
{
    struct rlimit limit, got;

    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    limit = (struct rlimit){ 50, 100 };
    is(setrlimit(RLIMIT_CORE, &limit), 0);
    limit.rlim_cur = 100;
    is(setrlimit(RLIMIT_CORE, &limit), 0);
    limit.rlim_max = 101;
    fails(setrlimit(RLIMIT_CORE, &limit), EPERM);
    limit.rlim_max = 100;
    limit.rlim_cur = 101;
    fails(setrlimit(RLIMIT_CORE, &limit), EINVAL);
    fails(prlimit(1, RLIMIT_CORE, NULL, &got), EPERM);
    /* Inherited by a child. */
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(!(getrlimit(RLIMIT_CORE, &got) == 0 && got.rlim_max == 100));
    is(tap_wait(pid), 0);
}

static volatile sig_atomic_t warned;

static void
on_xcpu(int number)
{
    warned = number;
}

/* A second of CPU time, then SIGXCPU; the hard limit kills. */
static int
out_of_time(void)
{
    struct rlimit limit = { 1, 2 };

    signal(SIGXCPU, on_xcpu);
    setrlimit(RLIMIT_CPU, &limit);
    while (!warned)
        ;
    return warned == SIGXCPU ? 3 : 1;
}

static int
out_of_address_space(void)
{
    struct rlimit limit = { 32 << 20, 32 << 20 };

    setrlimit(RLIMIT_AS, &limit);
    if (malloc(64 << 20) || errno != ENOMEM)
        return 1;
    void *p = malloc(4 << 20);
    return p ? 5 : 2;
}

static int
file_size_kills(void)
{
    struct rlimit limit = { 10, 10 }, none = { 0, 0 };
    int fd = open("big", O_CREAT | O_RDWR, 0600);

    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &limit);
    lseek(fd, 10, SEEK_SET);
    write(fd, "x", 1);
    return 0;
}

static void
test_priority(void)
{
    errno = 0;
    is(getpriority(PRIO_PROCESS, 0), 0);
    is(setpriority(PRIO_PROCESS, 0, 5), 0);
    is(getpriority(PRIO_PROCESS, 0), 5);
    is(syscall(SYS_getpriority, PRIO_PROCESS, 0), 15);
    is(setpriority(PRIO_PROCESS, 0, 100), 0);
    is(getpriority(PRIO_PROCESS, 0), 19);
    is(setpriority(PRIO_PROCESS, 0, -100), 0);
    is(getpriority(PRIO_PROCESS, 0), -20);
    is(setpriority(PRIO_PROCESS, 0, 0), 0);
    fails(setpriority(9, 0, 0), EINVAL);
    fails(setpriority(PRIO_PROCESS, 4000000, 0), ESRCH);
    fails(getpriority(PRIO_PROCESS, 4000000), ESRCH);
    is(setpriority(PRIO_PGRP, 0, 0), 0);
    pid_t pid = tap_fork();
    if (pid == 0) {
        setresuid(1000, 1000, 1000);
        _exit(!(setpriority(PRIO_PROCESS, 0, 3) == 0 &&
                setpriority(PRIO_PROCESS, 0, 1) == -1 && errno == EACCES &&
                setpriority(PRIO_PROCESS, 1, 3) == -1 && errno == EPERM));
    }
    is(tap_wait(pid), 0);
}

int
main(void)
{
    tap_begin("limits");
    test_values();
    test_prlimit();
    tap_child(as_user);
    is(tap_status_of(out_of_time), 3 << 8);
    is(tap_status_of(out_of_address_space), 5 << 8);
    is(tap_status_of(file_size_kills), SIGXFSZ);
    test_priority();
    return tap_end();
}
