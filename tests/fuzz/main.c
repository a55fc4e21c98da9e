/*
 * The supervisor: runs cells one after another, ends what each leaves
 * behind, and looks whether the kernel still has all that is its own.
 *
 *      fuzz run SEED CELLS OPS [KEEP]      cells SEED, SEED + 1 ... of OPS calls a stream;
 *                                          KEEP: a file of "stream index" lines, the calls to make
 *      fuzz list SEED OPS [KEEP]           the calls of a cell, as "stream index" lines
 *      fuzz print SEED OPS [KEEP]          the same cell as a C program
 *      fuzz victim                         what exec runs
 *
 * It runs as root, in a machine of its own. It prints a line for each cell;
 * "STUCK ..." if a process cannot be ended, "LEAK ..." if frames are missing
 * (/proc/frames), and "FUZZ DONE" at last. A panic speaks for itself.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MSEC 400  /* a cell whose streams stand still for so long is over */
#define CELL_MSEC 3000
#define END_MSEC 20000  /* by then SIGKILL has ended everything */
#define LEAK_SLACK 96   /* frames of one owner that caches may still hold */
#define CHECK_EVERY 8   /* cells between two looks at the frames */
#define MAX_KEEP 65536

struct board *board;
unsigned nops_per_stream;
static uint64_t keep[MAX_KEEP];
static unsigned nkeep;
static bool keep_all = true;
static int old_pids[256];
static unsigned nold, nmounts_at_start;

static uint64_t
msec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
nap(unsigned ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&ts, NULL);
}

bool
kept(unsigned stream, unsigned index)
{
    uint64_t wanted = (uint64_t)stream << 32 | index;
    unsigned low = 0, high = nkeep;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (keep[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return keep_all || (low < nkeep && keep[low] == wanted);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void
read_keep(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned stream, index;

    if (!file)
        perror(path), exit(2);
    keep_all = false;
    while (nkeep < MAX_KEEP && fscanf(file, "%u %u", &stream, &index) == 2)
        keep[nkeep++] = (uint64_t)stream << 32 | index;
    fclose(file);
    qsort(keep, nkeep, sizeof(keep[0]), compare);
}

/* Call fn for each process there is. */
static void
each_process(void (*fn)(int pid))
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;

    if (!dir) { /* a cell has unmounted it, or mounted something over it */
        mount("proc", "/proc", "proc", 0, NULL);
        return;
    }
    while ((entry = readdir(dir)))
        if (atoi(entry->d_name) > 0)
            fn(atoi(entry->d_name));
    closedir(dir);
}

static void
note_old(int pid)
{
    if (nold < sizeof(old_pids) / sizeof(old_pids[0]))
        old_pids[nold++] = pid;
}

static bool
is_old(int pid)
{
    for (unsigned i = 0; i < nold; i++)
        if (old_pids[i] == pid)
            return true;
    return false;
}

static unsigned nalive;

static void
end_process(int pid)
{
    if (is_old(pid))
        return;
    nalive++;
    kill(pid, SIGKILL);
}

static void
show_process(int pid)
{
    char path[64], line[400];
    ssize_t n;

    if (is_old(pid))
        return;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return;
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    printf("STUCK %.*s\n", n > 0 ? (int)n : 0, line);
}

/* Wait for all that have ended. False: there is no child any more. */
static bool
reap(void)
{
    int pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    return pid == 0;
}

/* End everything that a cell has left. Exits if something does not end. */
static void
end_all(void)
{
    uint64_t start = msec();

    do {
        nalive = 0;
        each_process(end_process);
        reap();
        if (nalive && msec() - start > END_MSEC) {
            each_process(show_process);
            exit(3);
        }
        if (nalive)
            nap(2);
    } while (nalive);
}

/* The targets of all mounts, the last first, at most n; returns how many there are. */
static unsigned
mounts(char last[512])
{
    FILE *file = fopen("/proc/self/mounts", "r");
    char line[1200], source[400], target[512];
    unsigned n = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "%399s %511s", source, target) == 2) {
            n++;
            if (last)
                strcpy(last, target);
        }
    fclose(file);
    return n;
}

static void
unmount_all(void)
{
    char last[512] = "";

    while (umount2(TREE, MNT_DETACH) == 0)
        ;
    for (unsigned tries = 0; tries < 200 && mounts(last) > nmounts_at_start; tries++)
        if (umount2(last, MNT_DETACH) < 0)
            break;
}

static void
copy_self(const char *to, mode_t mode)
{
    struct stat st;
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);

    fstat(in, &st);
    if (out >= 0 && sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size)
        fchmod(out, mode);
    close(in);
    close(out);
}

static void
make_tree(void)
{
    mkdir(TREE, 0777);
    if (mount("fuzz", TREE, "tmpfs", 0, "size=24m,nr_inodes=4000,mode=777") < 0)
        perror("mount " TREE), exit(2);
    copy_self(TREE "/victim", 0755);
    copy_self(TREE "/suid", 04755);
    int fd = open(TREE "/script", O_WRONLY | O_CREAT, 0755);
    (void)!write(fd, "#!" TREE "/victim victim\n", strlen("#!" TREE "/victim victim\n"));
    fchmod(fd, 0755);
    close(fd);
    mkdir(TREE "/m", 0777);
    chmod(TREE "/m", 0777);
}

struct frames {
    char owner[16];
    long n;
};

/* /proc/frames; 0 where there is none. */
static unsigned
read_frames(struct frames *frames, unsigned max)
{
    FILE *file = fopen("/proc/frames", "r");
    unsigned n = 0;

    if (!file)
        return 0;
    while (n < max && fscanf(file, "%15s %ld", frames[n].owner, &frames[n].n) == 2)
        n++;
    fclose(file);
    return n;
}

static bool
may_grow(const char *owner)
{
    return strcmp(owner, "free") == 0 || strcmp(owner, "cached") == 0;
}

/* Compare with the frames there were at first. False: some are missing. */
static bool
check_frames(void)
{
    static struct frames base[32];
    static unsigned nbase;
    struct frames now[32];
    bool good = true;
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

    if (fd >= 0) {
        (void)!write(fd, "3", 1);
        close(fd);
    }
    unsigned n = read_frames(now, 32);
    if (!nbase) {
        nbase = n;
        memcpy(base, now, sizeof(base));
        return true;
    }
    for (unsigned i = 0; i < n; i++)
        if (!may_grow(now[i].owner) && now[i].n > base[i].n + LEAK_SLACK) {
            printf("LEAK %s: %ld frames, %ld at first\n", now[i].owner, now[i].n, base[i].n);
            good = false;
        }
    return good;
}

static void
run_cell(uint64_t seed)
{
    uint64_t start = msec(), moved = start, before = 0;

    memset(board, 0, sizeof(*board));
    make_tree();
    cell_start(seed);
    while (msec() - start < CELL_MSEC && msec() - moved < QUIET_MSEC) {
        nap(10);
        if (!reap())
            break;
        uint64_t now = board->nops;
        if (now != before)
            moved = msec();
        before = now;
    }
    end_all();
    unmount_all();
    unsigned nprocesses, nthreads;
    cell_shape(seed, &nprocesses, &nthreads);
    printf("cell %#lx: %u processes of %u threads, %lu calls\n", seed, nprocesses, nthreads,
           (unsigned long)board->nops);
    fflush(stdout);
}

static int
run(uint64_t seed, unsigned ncells)
{
    void *common = mmap((void *)ARENA_SHARED, SHARED_PAGES * 4096, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int status = 0;

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || common == MAP_FAILED)
        perror("mmap"), exit(2);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGHUP, SIG_IGN);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    (void)!write(fd, "-1000", 5);
    close(fd);
    each_process(note_old);
    nmounts_at_start = mounts(NULL);
    for (unsigned i = 0; i < ncells; i++) {
        run_cell(seed + i);
        if (i % CHECK_EVERY == CHECK_EVERY - 1 && !check_frames()) {
            status = 4;
            break;
        }
    }
    printf("FUZZ DONE status %d\n", status);
    return status;
}

/* Call fn for each call of a cell that is kept, but for those of children. */
static void
each_op(uint64_t seed, void (*fn)(const struct op *op, unsigned stream, unsigned index))
{
    unsigned nprocesses, nthreads;

    cell_shape(seed, &nprocesses, &nthreads);
    for (unsigned stream = 0; stream < nprocesses * nthreads; stream++)
        for (unsigned i = 0; i < nops_per_stream; i++) {
            struct op op;
            if (!kept(stream, i))
                continue;
            op_make(&op, seed, stream, i, stream_user(seed, stream) == 0);
            fn(&op, stream, i);
        }
}

static void
list_op(const struct op *op, unsigned stream, unsigned index)
{
    printf("%u %u %s\n", stream, index, op->call->name);
    for (unsigned i = 0; op->call->number == SPECIAL_FORK && i < 6; i++)
        printf("%u %u\n", stream, (index + 1) * 1000 + i);
}

static void
print_op(const struct op *op, unsigned stream, unsigned index)
{
    static unsigned last = ~0U;

    (void)index;
    if (stream != last)
        printf("  /* stream %u */\n", stream);
    last = stream;
    op_print(op, stream);
}

static int
victim(void)
{
    char text[512];
    int fd = open("/proc/self/maps", O_RDONLY);

    for (int i = 0; i < 3; i++)
        (void)!read(fd, text, sizeof(text));
    nap(3);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    bool running = strcmp(verb, "run") == 0;

    if (argc < 2 || strcmp(argv[0], "victim") == 0 || strcmp(argv[argc - 1], "victim") == 0)
        return victim();
    if (argc < 4 + running) {
        fprintf(stderr, "usage: fuzz run SEED CELLS OPS [KEEP] | list|print SEED OPS [KEEP]\n");
        return 2;
    }
    nops_per_stream = (unsigned)atoi(argv[3 + running]);
    if (argc > 4 + running)
        read_keep(argv[4 + running]);
    if (running)
        return run(seed, (unsigned)atoi(argv[3]));
    each_op(seed, strcmp(verb, "list") == 0 ? list_op : print_op);
    return 0;
}
