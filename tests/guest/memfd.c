/*
 * memfd_create: files without names, and their seals.
 */
#include "tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/sendfile.h>

#define RUN 42 /* the exit status of this program as a program in a memfd */

#define NOEXEC_SEAL 8   /* MFD_NOEXEC_SEAL */
#define SEAL_EXEC 0x20  /* F_SEAL_EXEC */

static char buffer[3 * 4096];

static void
test_file(void)
{
    char link[64], target[300], longest[260];
    struct stat st;
    int fd = memfd_create("some name", MFD_CLOEXEC);

    works(fd);
    is(fcntl(fd, F_GETFD), FD_CLOEXEC);
    is(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    is(fstat(fd, &st), 0);
    ok(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0777 && st.st_size == 0 && st.st_nlink == 0,
       "an empty file that nobody links to (%o)", st.st_mode);
    is(write(fd, "hello", 5), 5);
    is(pread(fd, buffer, 10, 0), 5);
    is(lseek(fd, 0, SEEK_END), 5);
    is(ftruncate(fd, 10000), 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ok(p != MAP_FAILED && !memcmp(p, "hello", 6), "mapped");
    p[4096] = 'x';
    is(pread(fd, buffer, 1, 4096), 1);
    is(buffer[0], 'x');
    munmap(p, 8192);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = 0;
    ok(!strcmp(target, "/memfd:some name (deleted)"), "/proc says %s", target);
    int again = open(link, O_RDONLY);
    works(again);
    is(read(again, buffer, 5), 5);
    ok(!memcmp(buffer, "hello", 5), "the same file, opened again");
    fails(write(again, "x", 1), EBADF);
    close(again);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(pwrite(fd, "child", 5, 0) != 5);
    is(tap_wait(pid), 0);
    pread(fd, buffer, 5, 0);
    ok(!memcmp(buffer, "child", 5), "shared with a child");
    close(fd);

    memset(longest, 'n', sizeof(longest));
    longest[249] = 0;
    fd = memfd_create(longest, 0);
    works(fd);
    close(fd);
    longest[249] = 'n';
    longest[250] = 0;
    fails(memfd_create(longest, 0), EINVAL);
    fails(memfd_create("x", 0x80), EINVAL);
    fails(memfd_create(hole(), 0), EFAULT);
    fails(memfd_create(hole(), 0x80), EINVAL);
    fd = memfd_create("", 0);
    works(fd);
    close(fd);
}

static void
test_sealing(void)
{
    int fd = memfd_create("plain", 0), pipes[2];

    is(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    close(fd);
    pipe(pipes);
    fails(fcntl(pipes[0], F_GET_SEALS), EINVAL);
    fails(fcntl(pipes[1], F_ADD_SEALS, F_SEAL_WRITE), EINVAL);

    fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    is(fcntl(fd, F_GET_SEALS), 0);
    fails(fcntl(fd, F_ADD_SEALS, 0x100), EINVAL);
    is(ftruncate(fd, 6000), 0);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    fails(ftruncate(fd, 5999), EPERM);
    is(ftruncate(fd, 6001), 0);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    is(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
    fails(ftruncate(fd, 6002), EPERM);
    is(ftruncate(fd, 6001), 0);
    fails(fallocate(fd, 0, 0, 7000), EPERM);
    is(pwrite(fd, buffer, 6001, 0), 6001);
    fails(pwrite(fd, buffer, 10, 6000), EPERM);
    fails(pwrite(fd, buffer, 6002, 0), EPERM);
    fails(pwrite(fd, buffer, 1, 10000), EPERM);
    is(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);

    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    char *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    munmap(p, 4096);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    q[0] = 1;                                   /* a private page is nobody's business */
    munmap(q, 4096);
    fails(pwrite(fd, buffer, 1, 0), EPERM);
    fails(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
          EPERM);
    fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EPERM);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)                        /* from Linux 6.7 on */
        fails(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

static void
test_future_write(void)
{
    int fd = memfd_create("future", MFD_ALLOW_SEALING);

    ftruncate(fd, 4096);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    p[0] = 'a';                                 /* the mapping from before still writes */
    is(pread(fd, buffer, 1, 0), 1);
    is(buffer[0], 'a');
    fails(pwrite(fd, buffer, 1, 0), EPERM);
    fails(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
          EPERM);
    close(fd);
    munmap(p, 4096);

    fd = memfd_create("noexec", NOEXEC_SEAL);
    struct stat st;
    if (fd < 0 && errno == EINVAL)
        return;                                 /* before Linux 6.3 */
    fstat(fd, &st);
    is(st.st_mode & 0777, 0666);
    is(fcntl(fd, F_GET_SEALS), SEAL_EXEC);
    fails(fchmod(fd, 0777), EPERM);
    is(fchmod(fd, 0600), 0);
    fails(memfd_create("both", NOEXEC_SEAL | 0x10), EINVAL);
    close(fd);
    fd = memfd_create("exec", MFD_ALLOW_SEALING);
    is(fcntl(fd, F_ADD_SEALS, SEAL_EXEC), 0);   /* an executable is sealed whole */
    is(fcntl(fd, F_GET_SEALS),
       SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
    close(fd);
}

/*
 * Sealing against mmap: one of the two is refused, and a sealed file never changes, whether
 * the mapping is read first or written, here or in a child.
 */
static volatile int raced;
static atomic_int race_round, race_done, sealed;

static void *
sealer(void *unused)
{
    (void)unused;
    for (int round = 1;; round++) {
        int wanted;
        while ((wanted = atomic_load(&race_round)) < round) {
            if (wanted < 0)
                return NULL;
            sched_yield();
        }
        for (volatile int i = rand() % 2000; i > 0; i--)
            ;
        atomic_store(&sealed, fcntl(raced, F_ADD_SEALS, F_SEAL_WRITE) == 0);
        atomic_store(&race_done, round);
    }
}

static void
test_seal_race(void)
{
    int nboth = 0, nneither = 0, nwrong = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, sealer, NULL);
    for (int round = 1; round <= 400; round++) {
        raced = memfd_create("raced", MFD_ALLOW_SEALING);
        ftruncate(raced, 4096);
        atomic_store(&race_round, round);
        for (volatile int i = rand() % 2000; i > 0; i--)
            ;
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, raced, 0);
        nwrong += p == MAP_FAILED && errno != EPERM;
        while (atomic_load(&race_done) < round)
            sched_yield();
        nboth += p != MAP_FAILED && atomic_load(&sealed);
        nneither += p == MAP_FAILED && !atomic_load(&sealed);
        if (p != MAP_FAILED)
            munmap(p, 4096);
        close(raced);
    }
    atomic_store(&race_round, -1);
    pthread_join(thread, NULL);
    is(nboth, 0);
    is(nneither, 0);
    is(nwrong, 0);

    /* What splits and copies of a mapping count, they count no more once they are gone. */
    int fd = memfd_create("counted", MFD_ALLOW_SEALING);
    ftruncate(fd, 3 * 4096);
    char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    mprotect(p + 4096, 4096, PROT_READ);
    munmap(p, 4096);
    munmap(p + 2 * 4096, 4096);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);     /* read-only, but may become writable */
    p = mremap(p + 4096, 4096, 2 * 4096, MREMAP_MAYMOVE);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    pid_t pid = tap_fork();
    if (pid == 0) {
        munmap(p, 2 * 4096);
        _exit(0);
    }
    is(tap_wait(pid), 0);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    munmap(p, 2 * 4096);
    is(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    close(fd);
}

/* The exit status of the program behind fd; errno if it cannot be executed. */
static int
run_fd(int fd)
{
    char *argv[] = { "memfd", "run", NULL }, *envp[] = { NULL };
    pid_t pid = tap_fork();

    if (pid == 0) {
        syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
        _exit(errno);
    }
    return WEXITSTATUS(tap_wait(pid));
}

/* The descriptor that memfd_create() gives does not keep the file from being executed. */
static void
test_executed(void)
{
    char buffer[65536], path[32];
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY), fd = memfd_create("program", 0);

    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        is(write(fd, buffer, n), n);
    close(from);
    is(run_fd(fd), RUN);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int writer = open(path, O_RDWR);
    works(writer);
    is(run_fd(fd), ETXTBSY);
    close(writer);
    is(run_fd(fd), RUN);
    close(fd);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "run"))
        return RUN;
    tap_begin("memfd");
    test_file();
    test_sealing();
    test_future_write();
    test_seal_race();
    test_executed();
    return tap_end();
}
