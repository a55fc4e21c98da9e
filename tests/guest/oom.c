/*
 * Memory runs out: the process that asked for it is killed or told, alone;
 * the rest goes on, and what was held comes back.
 *
 * Linux takes long to fill a big machine, so there this runs only where
 * memory is small.
 */
#include "tap.h"
#include <sys/sysinfo.h>

static long
free_bytes(void)
{
    struct sysinfo s;

    sysinfo(&s);
    return s.freeram * s.mem_unit;
}

static long
total_bytes(void)
{
    struct sysinfo s;

    sysinfo(&s);
    return s.totalram * s.mem_unit;
}

/* Touch memory without end. */
static int
touch_all(void)
{
    for (;;) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 3;
        for (size_t i = 0; i < 1 << 20; i += PAGE)
            p[i] = 1;
    }
}

/* Let the kernel do the touching, in a call. */
static int
read_all(void)
{
    int zero = open("/dev/zero", O_RDONLY);

    for (;;) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || read(zero, p, 1 << 20) != 1 << 20)
            return 3;
    }
}

static int
ended_well(int status)
{
    return status == SIGKILL || status == 3 << 8 || status == SIGSEGV ||
           status == SIGBUS;
}

static void
test_children(void)
{
    int status = tap_status_of(touch_all);
    ok(ended_well(status), "a child that touches all memory: status %x",
       status);
    status = tap_status_of(read_all);
    ok(ended_well(status), "one that reads into all memory: status %x",
       status);
    /* Memory shared copy-on-write, then written by both. */
    size_t half = total_bytes() * 6 / 10;
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *p = mmap(NULL, half, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (size_t i = 0; i < half; i += PAGE)
            p[i] = 1;
        pid_t inner = fork();
        if (inner < 0)
            _exit(3);
        for (size_t i = 0; i < half; i += PAGE)
            p[i] = 2;
        if (inner == 0)
            _exit(0);
        int inner_status = tap_wait(inner);
        _exit(inner_status == 0 || ended_well(inner_status) ? 3 : 1);
    }
    status = tap_wait(pid);
    ok(ended_well(status), "a copy that does not fit: status %x", status);
}

/* A file system in memory fills up with an error, not with a death. */
static void
test_file(void)
{
    static char block[1 << 18];
    long total = 0, limit = total_bytes();
    ssize_t n;
    int fd = open("big", O_CREAT | O_RDWR, 0600);

    memset(block, 1, sizeof(block));
    while (total <= limit && (n = write(fd, block, sizeof(block))) > 0)
        total += n;
    int error = errno;
    ok(total <= limit && (error == ENOSPC || error == ENOMEM),
       "a file of %ld MiB, then %s", total >> 20, tap_errno_name(error));
    is(ftruncate(fd, 0), 0);
    is(write(fd, block, sizeof(block)), sizeof(block));
    close(fd);
    unlink("big");
}

/* Wait until about so much is free, for a while. Returns how much is. */
static long
await_free(long wanted)
{
    long free = free_bytes();

    for (int i = 0; i < 2000 && free < wanted - (6 << 20); i++) {
        sleep_ms(10);
        free = free_bytes();
    }
    return free;
}

int
main(void)
{
    tap_begin("oom");
    if (total_bytes() > 100L << 20 && access("/proc/frames", R_OK) != 0) {
        tap_skip("too much memory to fill here");
        return tap_end();
    }
    long before = free_bytes();
    struct gate go;
    gate_init(&go);
    pid_t bystander = tap_fork();
    if (bystander == 0) {
        gate_wait(&go);
        _exit(21);
    }
    test_children();
    await_free(before); /* a grandchild may be at it still */
    test_file();
    gate_open(&go);
    is(tap_wait(bystander), 21 << 8);
    long after = await_free(before);
    ok(after >= before - (6 << 20), "free before %ld KiB, after %ld KiB",
       before >> 10, after >> 10);
    return tap_end();
}
