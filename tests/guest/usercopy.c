/*
 * Every way a program can hand the kernel a wrong pointer: unmapped,
 * read-only where the kernel writes, no access, in the kernel's half, at
 * the end of the address space so that a sum wraps, across the edge of what
 * is mapped, a string without an end. The answer is EFAULT or a short
 * count, and nothing else is harmed.
 */
#include "tap.h"
#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/time.h>

static char *page;              /* one writable page on its own */
static char *read_only;
static char *no_access;
static char *lazy;              /* writable, and never touched */

/* Addresses where nothing can be read or written. */
static void *bad[8];
static const char *bad_name[] = {
    "NULL", "unmapped", "no access", "kernel", "last byte", "non-canonical",
    "just past a page", "top of the lower half",
};

static void
prepare(void)
{
    page = island(1);
    read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    no_access = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    lazy = pages(64);
    bad[0] = NULL;
    bad[1] = hole();
    bad[2] = no_access;
    bad[3] = KERNEL_POINTER;
    bad[4] = LAST_POINTER;
    bad[5] = (void *)0x0123456789abc000UL;
    bad[6] = page + PAGE;
    bad[7] = (void *)0x8000000000000000UL;
}

/*
 * Make the call with each bad address and check for EFAULT. The expression
 * uses p.
 */
#define each_bad(call) \
    do { \
        int wrong = 0; \
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) { \
            void *p = bad[i]; \
            errno = 0; \
            long got = (long)(call); \
            if (got != -1 || errno != EFAULT) { \
                ok(0, "%s with %s: got %ld, %s", #call, bad_name[i], got, \
                   tap_errno_name(errno)); \
                wrong = 1; \
            } \
        } \
        if (!wrong) \
            ok(1, "%s: EFAULT for every bad pointer", #call); \
    } while (0)

/* The same where NULL means "none" and is no error. */
#define each_bad_but_null(call) \
    do { \
        bad[0] = hole(); \
        each_bad(call); \
        bad[0] = NULL; \
    } while (0)

static void
test_output(void)
{
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    int dir = open(".", O_RDONLY);

    each_bad(syscall(SYS_read, zero, p, 10));
    each_bad(syscall(SYS_pread64, zero, p, 10, 0));
    each_bad(syscall(SYS_newfstatat, AT_FDCWD, ".", p, 0));
    each_bad(syscall(SYS_fstat, null, p));
    each_bad(syscall(SYS_statx, AT_FDCWD, ".", 0, 0x7ff, p));
    each_bad(syscall(SYS_statfs, ".", p));
    each_bad(syscall(SYS_fstatfs, dir, p));
    each_bad(syscall(SYS_getdents64, dir, p, 1000));
    lseek(dir, 0, SEEK_SET);
    each_bad(syscall(SYS_getcwd, p, 1000));
    each_bad(syscall(SYS_readlinkat, AT_FDCWD, "link", p, 100));
    each_bad(syscall(SYS_uname, p));
    each_bad(syscall(SYS_sysinfo, p));
    each_bad(syscall(SYS_getrusage, 0, p));
    each_bad(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, p == NULL ? hole() : p));
    each_bad(syscall(SYS_clock_gettime, CLOCK_REALTIME, p));
    each_bad_but_null(syscall(SYS_clock_getres, CLOCK_REALTIME, p));
    each_bad_but_null(syscall(SYS_gettimeofday, p, NULL));
    each_bad_but_null(syscall(SYS_times, p));
    each_bad(syscall(SYS_getitimer, 0, p));
    each_bad(syscall(SYS_pipe2, p, 0));
    each_bad(syscall(SYS_getrandom, p, 10, 0));
    each_bad(syscall(SYS_getresuid, p, page, page));
    each_bad(syscall(SYS_getresuid, page, p, page));
    each_bad(syscall(SYS_getresuid, page, page, p));
    each_bad(syscall(SYS_getresgid, page, page, p));
    each_bad(syscall(SYS_rt_sigpending, p, 8));
    each_bad_but_null(syscall(SYS_rt_sigaction, SIGUSR1, NULL, p, 8));
    each_bad_but_null(syscall(SYS_rt_sigprocmask, 0, NULL, p, 8));
    each_bad(syscall(SYS_sched_getaffinity, 0, 128, p));
    each_bad_but_null(syscall(SYS_getcpu, p, NULL));
    each_bad(syscall(SYS_prctl, 16 /* PR_GET_NAME */, p));
    is(setgroups(1, (gid_t[]){ 0 }), 0);
    each_bad(syscall(SYS_getgroups, 10, p));
    int fd[2];
    pipe(fd);
    each_bad(ioctl(fd[0], FIONREAD, p));
    close(fd[0]);
    close(fd[1]);
    close(null);
    close(zero);
    close(dir);
}

static void
test_input(void)
{
    int file = open("file", O_RDWR), fd[2];

    pipe(fd);
    each_bad(syscall(SYS_write, file, p, 10));
    each_bad(syscall(SYS_pwrite64, file, p, 10, 0));
    each_bad(syscall(SYS_write, fd[1], p, 10));
    each_bad(syscall(SYS_writev, file, p, 1));
    each_bad(syscall(SYS_readv, file, p, 1));
    each_bad(syscall(SYS_ppoll, p, 1, NULL, NULL, 0));
    each_bad_but_null(syscall(SYS_ppoll, page, 1, p, NULL, 0));
    each_bad_but_null(syscall(SYS_pselect6, 10, p, NULL, NULL, NULL, NULL));
    each_bad_but_null(syscall(SYS_pselect6, 0, NULL, NULL, NULL, p, NULL));
    each_bad(syscall(SYS_nanosleep, p, NULL));
    each_bad(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, p, NULL));
    each_bad_but_null(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8));
    each_bad_but_null(syscall(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8));
    each_bad(syscall(SYS_rt_sigsuspend, p, 8));
    each_bad(syscall(SYS_rt_sigtimedwait, p, NULL, NULL, 8));
    each_bad_but_null(syscall(SYS_sigaltstack, p, NULL));
    each_bad_but_null(syscall(SYS_utimensat, AT_FDCWD, "file", p, 0));
    each_bad_but_null(syscall(SYS_prlimit64, 0, RLIMIT_CORE, p, NULL));
    each_bad(syscall(SYS_fcntl, file, F_SETLK, p));
    each_bad(syscall(SYS_fcntl, file, F_GETLK, p));
    each_bad(syscall(SYS_sendfile, fd[1], file, p == NULL ? hole() : p, 10));
    each_bad(syscall(SYS_prctl, 15 /* PR_SET_NAME */, p));
    each_bad(syscall(SYS_sched_setaffinity, 0, 128, p));
    each_bad(syscall(SYS_setgroups, 3, p));
    each_bad(syscall(SYS_sethostname, p, 5));
    each_bad(syscall(SYS_futex, (long)p & -4L, FUTEX_WAIT, 0, NULL, NULL, 0));
    close(fd[0]);
    close(fd[1]);
    close(file);
}

static void
test_paths(void)
{
    int dir = open(".", O_RDONLY);

    each_bad(syscall(SYS_openat, dir, p, O_RDONLY, 0));
    each_bad(syscall(SYS_mkdirat, dir, p, 0755));
    each_bad(syscall(SYS_mknodat, dir, p, S_IFIFO | 0600, 0));
    each_bad(syscall(SYS_unlinkat, dir, p, 0));
    each_bad(syscall(SYS_unlinkat, dir, p, AT_REMOVEDIR));
    each_bad(syscall(SYS_symlinkat, p, dir, "x"));
    each_bad(syscall(SYS_symlinkat, "x", dir, p));
    each_bad(syscall(SYS_linkat, dir, p, dir, "x", 0));
    each_bad(syscall(SYS_linkat, dir, "file", dir, p, 0));
    each_bad(syscall(SYS_renameat2, dir, p, dir, "x", 0));
    each_bad(syscall(SYS_renameat2, dir, "file", dir, p, 0));
    each_bad(syscall(SYS_readlinkat, dir, p, page, 10));
    each_bad(syscall(SYS_newfstatat, dir, p, page, 0));
    each_bad(syscall(SYS_statx, dir, p, 0, 0x7ff, page));
    each_bad(syscall(SYS_faccessat, dir, p, 0));
    each_bad(syscall(SYS_fchmodat, dir, p, 0644));
    each_bad(syscall(SYS_fchownat, dir, p, 0, 0, 0));
    each_bad(syscall(SYS_chdir, p));
    each_bad(syscall(SYS_chroot, p));
    each_bad(syscall(SYS_truncate, p, 0));
    each_bad(syscall(SYS_statfs, p, page));
    each_bad(syscall(SYS_execve, p, NULL, NULL));
    each_bad(syscall(SYS_umount2, p, 0));
    each_bad(syscall(SYS_mount, "none", p, "tmpfs", 0, NULL));
    each_bad_but_null(syscall(SYS_mount, p, "/tmp", "tmpfs", 0, NULL));
    close(dir);
}

/* Where the kernel writes and may not: read-only pages, program text. */
static void
test_read_only(void)
{
    int zero = open("/dev/zero", O_RDONLY), file = open("file", O_RDWR);

    fails(read(zero, read_only, 10), EFAULT);
    fails(read(file, read_only, 10), EFAULT);
    fails(read(file, (void *)test_read_only, 10), EFAULT);
    fails(syscall(SYS_fstat, zero, read_only), EFAULT);
    fails(syscall(SYS_uname, read_only), EFAULT);
    fails(syscall(SYS_getcwd, read_only, 1000), EFAULT);
    fails(syscall(SYS_pipe2, read_only, 0), EFAULT);
    fails(syscall(SYS_clock_gettime, 0, read_only), EFAULT);
    is(pwrite(file, read_only, 10, 0), 10);
    is(pwrite(file, (void *)test_read_only, 10, 0), 10);
    fails(write(file, no_access, 10), EFAULT);
    close(zero);
    close(file);
}

/* An object that begins in a page and ends beyond it. */
static void
test_edges(void)
{
    char *end = page + PAGE;
    int file = open("edge", O_CREAT | O_RDWR, 0600), zero = open("/dev/zero",
                                                                 O_RDONLY);
    static char block[3 * 4096];
    ssize_t n;

    fails(syscall(SYS_newfstatat, AT_FDCWD, ".", end - 64, 0), EFAULT);
    fails(syscall(SYS_uname, end - 200), EFAULT);
    fails(syscall(SYS_clock_gettime, 0, end - 8), EFAULT);
    is(syscall(SYS_clock_gettime, 0, end - 16), 0);
    fails(syscall(SYS_pipe2, end - 4, 0), EFAULT);
    fails(syscall(SYS_getcwd, end - 3, 1000), EFAULT);
    strcpy(end - 5, "file");
    is(access(end - 5, F_OK), 0);
    memcpy(end - 4, "file", 4);
    fails(access(end - 4, F_OK), EFAULT);
    fails(mkdir(end - 4, 0755), EFAULT);
    fails(access(end - 1, F_OK), EFAULT);
    memset(page, '/', PAGE);
    fails(access(page + 1, F_OK), EFAULT);

    memset(page, 'e', PAGE);
    n = write(file, end - 64, 128);     /* Linux hangs if this is not aligned */
    ok((n > 0 && n <= 64) || (n < 0 && errno == EFAULT),
       "write across an edge gives a short count: %zd", n);
    ftruncate(file, 0);
    pwrite(file, block, sizeof(block), 0);
    lseek(file, 0, SEEK_SET);
    n = read(file, page, 2 * PAGE);
    ok((n > 0 && n <= (ssize_t)PAGE) || (n < 0 && errno == EFAULT),
       "read across an edge gives a short count: %zd", n);
    n = lseek(file, 0, SEEK_CUR);
    ok(n >= 0 && n <= (ssize_t)PAGE, "and moves no further: %zd", n);
    n = read(zero, end - 100, 200);
    ok((n > 0 && n <= 100) || (n < 0 && errno == EFAULT),
       "so with /dev/zero: %zd", n);
    n = write(file, page - 100, 200);
    ok(n < 0 && errno == EFAULT, "from before the first byte: EFAULT");
    close(file);
    close(zero);
}

/* Lengths whose end wraps around, or that no memory holds. */
static void
test_wrapping(void)
{
    int file = open("file", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    unsigned long lengths[] = { -1UL, 1UL << 63, -PAGE, -(unsigned long)page,
                                -(unsigned long)page + 1, -(unsigned long)page
                                - 1 };
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        errno = 0;
        long n = syscall(SYS_write, file, page, lengths[i]);
        if (!(n == -1 && errno == EFAULT) && !(n > 0 && n <= (long)PAGE))
            wrong++;
        errno = 0;
        n = syscall(SYS_read, zero, page, lengths[i]);
        if (!(n == -1 && errno == EFAULT) && !(n > 0 && n <= (long)PAGE))
            wrong++;
    }
    is(wrong, 0);
    struct iovec v = { page, -1UL };
    fails(writev(file, &v, 1), EINVAL);
    v.iov_len = 1UL << 63;
    fails(readv(zero, &v, 1), EINVAL);
    fails(syscall(SYS_ppoll, page, 1U << 31, NULL, NULL, 0), EINVAL);
    fails(syscall(SYS_setgroups, 1 << 30, page), EINVAL);
    fails(syscall(SYS_sethostname, page, -1), EINVAL);
    fails(syscall(SYS_sethostname, page, 65), EINVAL);
    close(file);
    close(zero);
}

/* Memory that was promised but not touched must work in any call. */
static void
test_lazy(void)
{
    int zero = open("/dev/zero", O_RDONLY), file = open("lazy", O_CREAT |
                                                        O_RDWR, 0600);
    struct stat st;

    is(write(file, lazy, 10 * PAGE), 10 * PAGE);
    is(read(zero, lazy + 10 * PAGE + 100, 5 * PAGE), 5 * PAGE);
    is(pread(file, lazy + 20 * PAGE, 10 * PAGE, 0), 10 * PAGE);
    is(syscall(SYS_uname, lazy + 32 * PAGE), 0);
    is(syscall(SYS_newfstatat, AT_FDCWD, ".", lazy + 34 * PAGE - 20, 0), 0);
    fails(access(lazy + 36 * PAGE, F_OK), ENOENT);
    char *heap = sbrk(3 * PAGE);
    is(read(zero, heap, 3 * PAGE), 3 * PAGE);
    fstat(file, &st);
    is(st.st_size, 10 * PAGE);

    /* Copy-on-write pages the kernel writes to: the child's alone. */
    memset(lazy, 1, PAGE);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(read(zero, lazy, PAGE) != PAGE || lazy[5] != 0);
    is(tap_wait(pid), 0);
    is(lazy[5], 1);
    pid = tap_fork();
    if (pid == 0) {
        sleep_ms(20);
        _exit(lazy[5] != 1);
    }
    is(read(zero, lazy, PAGE), PAGE);
    is(tap_wait(pid), 0);
    close(zero);
    close(file);
}

int
main(void)
{
    tap_begin("usercopy");
    put_file("file", "contents", 8, 0644);
    symlink("file", "link");
    prepare();
    test_output();
    test_input();
    test_paths();
    test_read_only();
    test_edges();
    test_wrapping();
    test_lazy();
    return tap_end();
}
