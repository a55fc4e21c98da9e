/*
 * Fork and shared page tables: what a fork shares without copying, and how
 * either side takes it apart, must never show. Regions are large enough that
 * whole tables are shared (tables of leaves, and one above them), with
 * superpages and without. What it costs is sharecount.c's.
 */
#include "sharing.h"
#include <pthread.h>
#include <sched.h>

/* Processes meet: they return once n have come. */
struct meeting {
    volatile int come;
};

static struct meeting *meetings; /* seen by children */
static int nmeetings;

/* Two new ones. */
static struct meeting *
two_meetings(void)
{
    struct meeting *m = &meetings[2 * (nmeetings++ % 500) + 2];
    m[0].come = m[1].come = 0;
    return m;
}

static void
meet(struct meeting *m, int n)
{
    __atomic_fetch_add(&m->come, 1, __ATOMIC_SEQ_CST);
    while (m->come < n)
        sched_yield();
}

/* --- three generations, in stripes ------------------------------------- */

#define MAX_PLACES 8192

/* Places `stride' bytes apart, each an int at its start and one at the end of its page. */
static struct {
    char *base;
    size_t stride;
    int n;
} stripes;

static volatile int *
place(int i)
{
    return (volatile int *)(stripes.base + i * stripes.stride);
}

static void
put(int i, int value, int *expected)
{
    place(i)[0] = place(i)[1023] = expected[i] = value;
}

static int
holds(const int *expected)
{
    for (int i = 0; i < stripes.n; i++)
        if (place(i)[0] != expected[i] || place(i)[1023] != expected[i])
            return 0;
    return 1;
}

/* Returns how many processes of this line found everything right. */
static int
generation(int depth, const int *given, int id)
{
    static int mine[4][MAX_PLACES];
    int *expected = mine[depth];
    pid_t child[2];

    memcpy(expected, given, stripes.n * sizeof(int));
    int good = holds(expected);
    for (int i = id % 7; i < stripes.n; i += 7)
        put(i, 1000 * depth + id, expected);
    good &= holds(expected);
    int total = 0;
    if (depth < 3) {
        for (int c = 0; c < 2; c++) {
            child[c] = fork();
            if (child[c] == 0)
                _exit(generation(depth + 1, expected, id * 2 + c + 1));
            for (int i = c * 5; i < stripes.n; i += 61)     /* while the child looks */
                put(i, -1000 * depth - c, expected);
        }
        for (int c = 0; c < 2; c++) {
            int status = tap_wait(child[c]);
            total += WIFEXITED(status) ? WEXITSTATUS(status) : 100;
        }
    }
    good &= holds(expected);
    return total + good;
}

static void
run_stripes(const char *what, char *base, size_t size, size_t stride, int n)
{
    static int expected[MAX_PLACES];

    stripes.base = base;
    stripes.stride = stride;
    stripes.n = n;
    for (int i = 0; i < n; i++)
        put(i, i, expected);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(generation(0, expected, 0));
    put(n / 2, -1, expected);
    int status = tap_wait(pid);
    ok(status == 15 << 8 && holds(expected), "three generations, %s: status %x", what, status);
    munmap(base, size);
}

static void
test_stripes(void)
{
    char *p = region(16 * MIB, 2 * MIB, 0);
    run_stripes("8 tables", p, 16 * MIB, PAGE, 4096);
    p = region(16 * MIB, 2 * MIB, 1);
    run_stripes("16 MiB with superpages", p, 16 * MIB, PAGE, 4096);
    p = region(10 * MIB, 2 * MIB, 0);
    munmap(p, 3 * PAGE);
    run_stripes("tables that are cut", p + 3 * PAGE, 10 * MIB - 3 * PAGE, PAGE, 5 * TABLE - 3);
    p = region(GIB, GIB, 0);
    run_stripes("100 tables under one entry of the root", p, GIB, 10 * MIB + PAGE, 100);
    p = region(3 * GIB, GIB, 0);
    run_stripes("three entries of the root", p, 3 * GIB, 8 * MIB + 5 * PAGE, 380);
}

/* --- operations on a part, while the other side writes ------------------ */

#define NPAGES (4 * TABLE)

static char *area;              /* where parent and child both work */
static char *const other_place = (char *)0x2000000000; /* where pages are moved to */
static int file;

enum { GONE = -1 };
static int view[NPAGES];        /* what this process must see: a number, or GONE */

static int
do_unmap(int first, int n)
{
    for (int i = first; i < first + n; i++)
        view[i] = GONE;
    return munmap(area + first * PAGE, n * PAGE);
}

static int
do_read_only(int first, int n)
{
    return mprotect(area + first * PAGE, n * PAGE, PROT_READ) ||
           mprotect(area + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE);
}

static int
do_no_access(int first, int n)
{
    int fd[2], error = pipe(fd) || mprotect(area + first * PAGE, n * PAGE, PROT_NONE);

    for (int i = first; i < first + n; i += n > 5 ? n / 5 : 1)
        error |= write(fd[1], area + i * PAGE, 1) != -1;
    close(fd[0]);
    close(fd[1]);
    return error || mprotect(area + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE);
}

/* Away and, but for the first page, back. */
static int
do_move(int first, int n)
{
    char *from = area + first * PAGE;
    char *p = mremap(from, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other_place);

    if (p != other_place)
        return 1;
    for (int i = 0; i < n; i++)
        if (*(int *)(p + i * PAGE) != view[first + i])
            return 2;
    view[first] = GONE;
    if (n > 1 && mremap(p + PAGE, (n - 1) * PAGE, (n - 1) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                        from + PAGE) != from + PAGE)
        return 3;
    return munmap(p, PAGE);
}

static int
do_forget(int first, int n)
{
    for (int i = first; i < first + n; i++)
        view[i] = 0;
    return madvise(area + first * PAGE, n * PAGE, MADV_DONTNEED);
}

static int
do_map_over(int first, int n)
{
    for (int i = first; i < first + n; i++)
        view[i] = 0;
    return mmap(area + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED;
}

/* The file says 7 at the start of each page, and stays so. */
static int
do_map_file(int first, int n)
{
    for (int i = first; i < first + n; i++)
        view[i] = 7;
    return mmap(area + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                file, 0) == MAP_FAILED;
}

static int
do_pgaccess(int first, int n)
{
    unsigned char bits[NPAGES / 8];

    (void)*(volatile int *)(area + first * PAGE);
    return access("/proc/frames", F_OK) == 0 &&
           (pgaccess(area + first * PAGE, n, bits) || !(bits[0] & 1));
}

static int
do_mincore(int first, int n)
{
    unsigned char resident[NPAGES];
    int error = mincore(area + first * PAGE, n * PAGE, resident);

    for (int i = 0; !error && i < n; i++)
        error = !(resident[i] & 1);
    return error;
}

static int
do_lock(int first, int n)
{
    return mlock(area + first * PAGE, n * PAGE) || munlock(area + first * PAGE, n * PAGE);
}

static const struct {
    const char *name;
    int (*fn)(int first, int n);
} operations[] = {
    { "munmap", do_unmap },     { "mprotect to read", do_read_only },
    { "mprotect to nothing", do_no_access }, { "mremap", do_move },
    { "MADV_DONTNEED", do_forget }, { "mmap over", do_map_over },
    { "a file over", do_map_file }, { "pgaccess", do_pgaccess },
    { "mincore", do_mincore },  { "mlock", do_lock },
};

static const struct { int first, n; } parts[] = {
    { TABLE + 100, 50 },                /* within a table */
    { TABLE - 3, 6 },                   /* the last of one and the first of the next */
    { TABLE, 9 },                       /* the first */
    { 2 * TABLE - 9, 9 },               /* the last */
    { TABLE, TABLE },                   /* exactly a table */
    { TABLE / 2, 2 * TABLE },           /* a half, one, a half */
    { 0, NPAGES },                      /* all */
};

static int
sees_view(void)
{
    unsigned char resident;

    for (int i = 0; i < NPAGES; i++)
        if (view[i] == GONE ? mincore(area + i * PAGE, PAGE, &resident) == 0
                            : *(volatile int *)(area + i * PAGE) != view[i])
            return 0;
    return 1;
}

/* One side's part: act or write, then look, then write to what is left and look again. */
static int
side(int acts, int which, int part, struct meeting *m)
{
    int bad = 0;

    meet(m, 2);
    if (acts)
        bad |= operations[which].fn(parts[part].first, parts[part].n) ? 1 : 0;
    for (int i = acts ? 2 : 1; i < NPAGES; i += 3)
        if (view[i] != GONE)
            *(volatile int *)(area + i * PAGE) = view[i] = 100000 * (1 + acts) + i;
    bad |= sees_view() ? 0 : 2;
    meet(m + 1, 2);
    return bad | (sees_view() ? 0 : 4);
}

/* All parts by one operation, by the child or by the parent. */
static void
run_operation(int which, int parent_acts, int huge)
{
    int bad = 0;

    for (size_t part = 0; part < ARRAY_LEN(parts); part++) {
        area = region(NPAGES * PAGE, 2 * MIB, huge);
        for (int i = 0; i < NPAGES; i++)
            *(int *)(area + i * PAGE) = view[i] = i + 1;
        struct meeting *m = two_meetings();
        pid_t pid = tap_fork();
        int wrong = side((pid != 0) == parent_acts, which, part, m);
        if (pid == 0)
            _exit(wrong);
        int status = tap_wait(pid);
        if (wrong || status) {
            ok(0, "%s by the %s, part %zu: parent %d, child's status %x", operations[which].name,
               parent_acts ? "parent" : "child", part, wrong, status);
            bad = 1;
        }
        munmap(area, NPAGES * PAGE);
    }
    ok(!bad, "%s by the %s%s", operations[which].name, parent_acts ? "parent" : "child",
       huge ? ", superpages" : "");
}

static void
test_operations(void)
{
    file = open("sevens", O_CREAT | O_RDWR, 0600);
    int seven = 7;
    for (int i = 0; i < NPAGES; i++)
        pwrite(file, &seven, sizeof(seven), i * PAGE);
    ftruncate(file, NPAGES * PAGE);
    int nhow = vmstat("table_shared") < 0 ? 2 : 4;      /* slow elsewhere, and the same */
    for (size_t which = 0; which < ARRAY_LEN(operations); which++)
        for (int how = 0; how < nhow; how++)
            run_operation(which, how & 1, how >> 1);
    close(file);
    unlink("sevens");
}

/* --- advice, orphans, races, threads ------------------------------------ */

static int
advised_child(void)
{
    unsigned char resident;

    for (int i = 0; i < NPAGES; i++) {
        int gone = mincore(area + i * PAGE, PAGE, &resident) != 0;
        if (gone != (i >= 100 && i < 110))
            return 1;
        int wiped = i >= TABLE - 5 && i < 2 * TABLE + 5;
        if (!gone && *(int *)(area + i * PAGE) != (wiped ? 0 : i + 1))
            return 2;
        if (!gone)
            *(int *)(area + i * PAGE) = -1;
    }
    return 0;
}

static void
test_advice(void)
{
    area = region(NPAGES * PAGE, 2 * MIB, 0);
    for (int i = 0; i < NPAGES; i++)
        *(int *)(area + i * PAGE) = view[i] = i + 1;
    works(madvise(area + 100 * PAGE, 10 * PAGE, MADV_DONTFORK));
    works(madvise(area + (TABLE - 5) * PAGE, (TABLE + 10) * PAGE, MADV_WIPEONFORK));
    is(tap_status_of(advised_child), 0);
    ok(sees_view(), "neighbours of what children do not get: the parent's are as they were");
    munmap(area, NPAGES * PAGE);
}

static void
test_orphan(void)
{
    int fd[2];
    char verdict = 0;
    struct gate gone;

    area = region(NPAGES * PAGE, 2 * MIB, 0);
    for (int i = 0; i < NPAGES; i++)
        *(int *)(area + i * PAGE) = view[i] = i + 1;
    pipe(fd);
    gate_init(&gone);
    pid_t pid = tap_fork();
    if (pid == 0) {
        if (fork() == 0) {
            alarm(TAP_SECONDS);
            gate_wait(&gone);
            verdict = sees_view() ? 'y' : 'n';
            for (int i = 0; i < NPAGES; i++)
                *(int *)(area + i * PAGE) = 5;
            write(fd[1], &verdict, 1);
        }
        _exit(0);
    }
    tap_wait(pid);
    for (int i = 0; i < NPAGES; i += 2)
        *(int *)(area + i * PAGE) = 6;
    munmap(area, NPAGES * PAGE);
    gate_open(&gone);
    is(read(fd[0], &verdict, 1), 1);
    is(verdict, 'y');
    close(fd[0]);
    close(fd[1]);
    gate_close(&gone);
}

/* Parent and two children write the same pages, each in its own order. */
static int
racer(int who, struct meeting *m)
{
    meet(m, 3);
    for (int k = 0; k < NPAGES; k++) {
        int i = who == 0 ? k : who == 1 ? NPAGES - 1 - k : (k * 517) % NPAGES;
        ((volatile int *)(area + i * PAGE))[who] = 100 + who;
    }
    for (int i = 0; i < NPAGES; i++)
        for (int j = 0; j < 4; j++)
            if (((volatile int *)(area + i * PAGE))[j] != (j == who ? 100 + who : j == 3 ? i : 0))
                return 1;
    return 0;
}

static void
test_race(void)
{
    int bad = 0;

    for (int round = 0; round < 6; round++) {
        area = region(NPAGES * PAGE, 2 * MIB, round & 1);
        for (int i = 0; i < NPAGES; i++)
            ((int *)(area + i * PAGE))[3] = i;
        struct meeting *m = two_meetings();
        pid_t one = tap_fork(), two = one ? tap_fork() : -1;
        if (one == 0 || two == 0)
            _exit(racer(one == 0 ? 1 : 2, m));
        bad |= racer(0, m);
        bad |= tap_wait(one) != 0;
        bad |= tap_wait(two) != 0;
        munmap(area, NPAGES * PAGE);
    }
    is(bad, 0);
}

/* A thread writes while another forks: nothing of it reaches the children later. */
static volatile int stop;

static void *
scribble(void *unused)
{
    (void)unused;
    for (int n = 1; !stop; n++)
        for (int i = 0; i < NPAGES && !stop; i += 7)
            *(volatile int *)(area + i * PAGE) = n;
    return NULL;
}

static int
still(void)
{
    static int seen[NPAGES];

    for (int i = 0; i < NPAGES; i++)
        seen[i] = *(volatile int *)(area + i * PAGE);
    for (int round = 0; round < 3; round++) {
        sched_yield();
        for (int i = 0; i < NPAGES; i++)
            if (seen[i] != *(volatile int *)(area + i * PAGE))
                return 1;
    }
    return 0;
}

static void
test_threads(void)
{
    pthread_t thread;
    int bad = 0;

    area = region(NPAGES * PAGE, 2 * MIB, 0);
    for (int i = 0; i < NPAGES; i++)
        *(int *)(area + i * PAGE) = 1;
    pthread_create(&thread, NULL, scribble, NULL);
    for (int round = 0; round < 20; round++)
        bad += tap_status_of(still) != 0;
    stop = 1;
    pthread_join(thread, NULL);
    is(bad, 0);
    munmap(area, NPAGES * PAGE);
}

static void
test_all(void)
{
    alarm(3 * TAP_SECONDS);
    test_stripes();
    test_operations();
    test_advice();
    test_orphan();
    test_race();
    test_threads();
}

int
main(void)
{
    static struct account before, after;

    tap_begin("sharing");
    alarm(4 * TAP_SECONDS);
    meetings = shared_pages(1);
    memset(meetings, 0, PAGE);
    tap_child(test_advice);             /* what is made once and kept */
    if (account_read(&before) < 0) {
        tap_child(test_all);
        return tap_end();
    }
    account_settle(&before, &after);    /* what the account itself needs */
    account_begin(&before);
    tap_child(test_all);
    account_settle(&before, &after);
    account_alike(&before, &after, 1);
    return tap_end();
}
