/*
 * Checks for the programs in tests/guest.
 *
 * A guest test is one static program about one subject. It prints a line
 * for every check, "ok N - text" or "not ok N - text (file:line, why)",
 * then PASS or FAIL alone on the last line, and exits 0 or 1. The same
 * binary runs on Linux, which proves the test, and on Quire, which it
 * tests; so a check states what Linux does, to the errno.
 *
 *      int
 *      main(void)
 *      {
 *          tap_begin("pipes");
 *          test_something();
 *          return tap_end();
 *      }
 *
 * The checks, each of which returns whether it held:
 *
 *      ok(condition, "text", ...)     a condition, with a text for people
 *      is(expression, number)         equality of integers
 *      works(call)                    the call did not return -1
 *      fails(call, EPERM)             it returned -1 with this errno
 *
 * Lines go out by write(2), one call each, so that a forked child never
 * repeats what its parent had buffered. Checks made in a child count when
 * the child is run with tap_child(). A process that hangs is ended by
 * alarm(2): every child that can hang is started with tap_fork(), which
 * sets its own.
 */
#ifndef TAP_H
#define TAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TAP_SECONDS tap_seconds /* a test that takes longer hangs */
#define PAGE ((size_t)4096)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Addresses in the kernel's half, where no user pointer may lead. */
#define KERNEL_POINTER ((void *)0xffffffff80000000UL)
#define LAST_POINTER ((void *)0xffffffffffffffffUL)

static int tap_count;           /* checks so far */
static int tap_failures;        /* those that did not hold */
static unsigned tap_seconds = 120;
static char tap_directory[64];  /* the scratch directory */

#define ok(condition, ...) \
    tap_check(!!(condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
#define is(expression, wanted) \
    tap_is((long long)(expression), (long long)(wanted), __FILE__, __LINE__, \
           #expression " is " #wanted)
#define works(call) \
    tap_works((long)(call), __FILE__, __LINE__, #call)
#define fails(call, error) \
    (errno = 0, tap_fails((long)(call), error, __FILE__, __LINE__, #call))

/* Print one result. why is NULL when the check held. */
static void
tap_line(const char *file, int line, const char *text, const char *why)
{
    char buffer[768];
    const char *base = strrchr(file, '/');

    tap_count++;
    if (why) {
        tap_failures++;
        snprintf(buffer, sizeof(buffer) - 1, "not ok %d - %s (%s:%d, %s)",
                 tap_count, text, base ? base + 1 : file, line, why);
    } else {
        snprintf(buffer, sizeof(buffer) - 1, "ok %d - %s", tap_count, text);
    }
    strcat(buffer, "\n");
    ssize_t n = write(1, buffer, strlen(buffer));
    (void)n;
}

static inline int __attribute__((format(printf, 5, 6)))
tap_check(int held, const char *file, int line, const char *condition,
          const char *format, ...)
{
    char text[512], why[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(why, sizeof(why), "got false: %s", condition);
    tap_line(file, line, text, held ? NULL : why);
    return held;
}

static inline int
tap_is(long long got, long long wanted, const char *file, int line,
       const char *text)
{
    char why[128];

    snprintf(why, sizeof(why), "got %lld = 0x%llx, wanted %lld = 0x%llx",
             got, got, wanted, wanted);
    tap_line(file, line, text, got == wanted ? NULL : why);
    return got == wanted;
}

static inline const char *
tap_errno_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "an unknown errno";
}

static inline int
tap_works(long got, const char *file, int line, const char *call)
{
    char why[128];
    int held = got != -1;

    snprintf(why, sizeof(why), "got %s", tap_errno_name(errno));
    tap_line(file, line, call, held ? NULL : why);
    return held;
}

static inline int
tap_fails(long got, int wanted, const char *file, int line, const char *call)
{
    char text[512], why[128];
    int error = errno;
    int held = got == -1 && error == wanted;

    snprintf(text, sizeof(text), "%s fails with %s", call,
             tap_errno_name(wanted));
    if (got == -1)
        snprintf(why, sizeof(why), "got %s", tap_errno_name(error));
    else
        snprintf(why, sizeof(why), "got %ld", got);
    tap_line(file, line, text, held ? NULL : why);
    return held;
}

/* A check that cannot be made here, and why. */
static inline void
tap_skip(const char *reason)
{
    char text[256];

    snprintf(text, sizeof(text), "# skip %s", reason);
    tap_line("", 0, text, NULL);
}

/* A kernel that delays on purpose (its boot argument hostile=) gets more time. */
static inline void
tap_be_patient(void)
{
    char line[4096] = "";
    int fd = open("/proc/cmdline", O_RDONLY);

    if (fd < 0)
        return;
    if (read(fd, line, sizeof(line) - 1) > 0 && strstr(line, "hostile="))
        tap_seconds = 900;
    close(fd);
}

/* Start a test: guard against hanging, and move to an empty directory. */
static inline void
tap_begin(const char *name)
{
    tap_be_patient();
    alarm(TAP_SECONDS);
    umask(022);
    snprintf(tap_directory, sizeof(tap_directory), "/tmp/%s.%d", name,
             (int)getpid());
    if (mkdir(tap_directory, 0755) < 0 || chdir(tap_directory) < 0) {
        perror(tap_directory);
        exit(1);
    }
}

/* End it. The value is main's. */
static inline int
tap_end(void)
{
    const char *verdict = tap_failures ? "FAIL\n" : "PASS\n";
    ssize_t n = write(1, verdict, 5);
    (void)n;
    return tap_failures != 0;
}

/* fork, with an alarm in the child, and a failed check if it fails. */
static inline pid_t
tap_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        alarm(TAP_SECONDS);
    else if (pid < 0)
        tap_fails(pid, 0, __FILE__, __LINE__, "fork()");
    return pid;
}

/* Wait for pid and return its wait status, or -1. */
static inline int
tap_wait(pid_t pid)
{
    int status;
    pid_t got;

    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    return got == pid ? status : -1;
}

/* Run function in a child; its return value is the exit status. */
static inline int
tap_status_of(int (*function)(void))
{
    pid_t pid = tap_fork();

    if (pid == 0)
        _exit(function());
    return pid < 0 ? -1 : tap_wait(pid);
}

/* Run function in a child and count the checks (up to 127) made there. */
static inline void
tap_child(void (*function)(void))
{
    pid_t pid = tap_fork();

    if (pid == 0) {
        int before = tap_count;
        tap_failures = 0;
        function();
        _exit(((tap_count - before) & 127) | (tap_failures ? 128 : 0));
    }
    int status = tap_wait(pid);
    if (status != -1 && WIFEXITED(status)) {
        tap_count += WEXITSTATUS(status) & 127;
        tap_failures += WEXITSTATUS(status) >> 7;
    } else {
        tap_is(status, 0, __FILE__, __LINE__, "status of a child with checks");
    }
}

/* Monotonic time in nanoseconds. */
static inline int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Sleep, through signals. */
static inline void
sleep_ms(int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

/* Anonymous private memory, n pages, readable and writable. */
static inline char *
pages(size_t n)
{
    void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        tap_check(0, __FILE__, __LINE__, "mmap", "%zu pages of memory", n);
        exit(tap_end());
    }
    return p;
}

/* The same, seen by children too. */
static inline void *
shared_pages(size_t n)
{
    void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        tap_check(0, __FILE__, __LINE__, "mmap", "%zu shared pages", n);
        exit(tap_end());
    }
    return p;
}

/* n pages between two that may not be touched: p[-1] and p[n * PAGE] fault. */
static inline char *
island(size_t n)
{
    char *p = pages(n + 2);

    mprotect(p, PAGE, PROT_NONE);
    mprotect(p + (n + 1) * PAGE, PAGE, PROT_NONE);
    return p + PAGE;
}

/* An address where nothing is ever mapped: below vm.mmap_min_addr. */
static inline void *
hole(void)
{
    return (void *)0x8000;
}

/* Create path with these contents; the previous file, if any, goes. */
static inline void
put_file(const char *path, const void *data, size_t size, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
        fchmod(fd, mode) < 0)
        tap_fails(-1, 0, __FILE__, __LINE__, "put_file()");
    close(fd);
}

/* Wait until the parent, or whoever, says so: a one-shot gate over a pipe. */
struct gate {
    int fd[2];
};

static inline void
gate_init(struct gate *g)
{
    if (pipe2(g->fd, O_CLOEXEC) < 0)
        tap_fails(-1, 0, __FILE__, __LINE__, "pipe2()");
}

static inline void
gate_open(struct gate *g)
{
    ssize_t n = write(g->fd[1], "g", 1);
    (void)n;
}

static inline void
gate_wait(struct gate *g)
{
    char c;

    while (read(g->fd[0], &c, 1) < 0 && errno == EINTR)
        ;
}

static inline void
gate_close(struct gate *g)
{
    close(g->fd[0]);
    close(g->fd[1]);
}

#endif
