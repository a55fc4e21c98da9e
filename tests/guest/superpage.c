/*
 * Superpages by Quire's counters (Quire only): when one is made, split, shared and
 * given back, what advice and the lack of memory do to that, and the same of leaves of
 * 64 KiB on harts with Svnapot. That no byte is ever wrong is superrandom's to show.
 */
#include "tap.h"
#include <sys/prctl.h>

#include "quire.h"

#define PIECE ((size_t)2 << 20)
#define PER_PIECE (PIECE / PAGE)

/* The number behind `name` at the start of a line of a file in /proc; -1: no such file or line. */
static long
number_in(const char *path, const char *name)
{
    char line[256];
    long number = -1;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, strlen(name)) == 0 && strchr(" \t:", line[strlen(name)]))
            number = strtol(line + strlen(name) + strspn(line + strlen(name), " \t:"), NULL, 10);
    if (f)
        fclose(f);
    return number;
}

static long
counter(const char *name)
{
    return number_in("/proc/vmstat", name);
}

/* Lines of this process's page table that have a word. */
static int
leaves_with(const char *word)
{
    char line[256];
    int n = 0;
    FILE *f = fopen("/proc/self/pagetable", "r");
    while (f && fgets(line, sizeof(line), f))
        n += strstr(line, word) != NULL;
    if (f)
        fclose(f);
    return n;
}

/* Fresh memory of whole pieces, aligned. */
static uint8_t *
pieces(unsigned n, int flags)
{
    uint8_t *p = mmap(NULL, (n + 1) * PIECE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    uint8_t *aligned = (uint8_t *)(((uintptr_t)p + PIECE - 1) & -PIECE);
    if (aligned > p)
        munmap(p, aligned - p);
    munmap(aligned + n * PIECE, p + PIECE - aligned);
    return aligned;
}

static void
test_counts(void)
{
    long anon = number_in("/proc/frames", "anon"), rss = number_in("/proc/self/status", "VmRSS");
    long made = counter("thp_fault_alloc"), split = counter("thp_split_pmd");
    long huge = number_in("/proc/meminfo", "AnonHugePages");

    uint8_t *p = pieces(4, 0);
    for (int i = 0; i < 4; i++)
        p[i * PIECE + 12345] = i + 1;
    is(counter("thp_fault_alloc") - made, 4);
    is(number_in("/proc/meminfo", "AnonHugePages") - huge, 4 * 2048);
    is(number_in("/proc/self/status", "VmRSS") - rss, 4 * 2048);
    is(leaves_with(" 2M"), 4);
    is(p[12344] + p[12345] + p[3 * PIECE + 12345], 1 + 4);

    works(mprotect(p + PIECE, PIECE, PROT_READ));
    works(mprotect(p + PIECE, PIECE, PROT_READ | PROT_WRITE));
    is(counter("thp_split_pmd") - split, 0);
    works(mprotect(p + PIECE + 5 * PAGE, PAGE, PROT_READ));
    is(counter("thp_split_pmd") - split, 1);
    is(leaves_with(" 2M"), 3);
    works(madvise(p + 2 * PIECE + PAGE, PAGE, MADV_DONTNEED));
    is(counter("thp_split_pmd") - split, 2);
    is(number_in("/proc/self/status", "VmRSS") - rss, 4 * 2048 - 4);
    is(p[2 * PIECE + 12345 % PAGE + PAGE], 0);
    works(munmap(p, 4 * PIECE));
    is(number_in("/proc/self/status", "VmRSS") - rss, 0);
    is(number_in("/proc/meminfo", "AnonHugePages") - huge, 0);
    is(number_in("/proc/frames", "anon") - anon, 0);
}

/* Fork shares a superpage; whoever writes while both have it splits; alone again, nobody does. */
static void
test_fork(void)
{
    uint8_t *p = pieces(1, 0);
    int status, done[2], go[2];
    char c = 0;

    p[0] = 1, p[PIECE - 1] = 2;
    long split = counter("thp_split_pmd"), made = counter("thp_fault_alloc");
    works(pipe(done));
    works(pipe(go));
    pid_t pid = tap_fork();
    if (pid == 0) {
        int good = p[0] == 1 && p[PIECE - 1] == 2;
        p[7 * PAGE] = 3;
        good = good && counter("thp_split_pmd") - split == 1 && p[0] == 1 && p[7 * PAGE] == 3;
        write(done[1], &c, 1);
        read(go[0], &c, 1);
        _exit(!(good && p[0] == 1 && p[PIECE - 1] == 2));
    }
    read(done[0], &c, 1);
    is(p[7 * PAGE], 0);
    is(leaves_with(" 2M"), 1);
    p[0] = 9;
    is(leaves_with(" 2M"), 0);
    write(go[1], &c, 1);
    waitpid(pid, &status, 0);
    is(status, 0);
    is(p[0] + p[PIECE - 1], 9 + 2);
    is(counter("thp_split_pmd") - split, 2);
    is(counter("thp_fault_alloc") - made, 0);

    uint8_t *q = pieces(1, 0);
    q[0] = 5;
    split = counter("thp_split_pmd");
    pid = tap_fork();
    if (pid == 0)
        _exit(q[0] != 5);
    waitpid(pid, &status, 0);
    is(status, 0);
    q[1] = 6;
    is(counter("thp_split_pmd") - split, 0);
    is(leaves_with(" 2M"), 1);
    munmap(p, PIECE);
    munmap(q, PIECE);
    close(done[0]), close(done[1]), close(go[0]), close(go[1]);
}

static long
made_by_touching(uint8_t *p, int writing)
{
    long made = counter("thp_fault_alloc");
    if (writing)
        p[3 * PAGE] = 1;
    else
        (void)*(volatile uint8_t *)(p + 3 * PAGE);
    made = counter("thp_fault_alloc") - made;
    munmap(p, PIECE);
    return made;
}

static void
test_advice(void)
{
    is(made_by_touching(pieces(1, 0), 1), 1);
    is(made_by_touching(pieces(1, 0), 0), 0);
    is(made_by_touching(pieces(1, MAP_STACK), 1), 0);
    uint8_t *p = pieces(1, 0);
    works(madvise(p, PIECE, MADV_NOHUGEPAGE));
    is(made_by_touching(p, 1), 0);
    p = pieces(1, 0);
    works(madvise(p, PIECE, MADV_NOHUGEPAGE));
    works(madvise(p, PIECE, MADV_HUGEPAGE));
    is(made_by_touching(p, 1), 1);
    p = pieces(1, 0);
    works(mprotect(p + PAGE, PAGE, PROT_READ)); /* two regions and more: none covers it */
    is(made_by_touching(p, 1), 0);

    works(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    is(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    is(made_by_touching(pieces(1, 0), 1), 0);
    works(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    is(made_by_touching(pieces(1, 0), 1), 1);
    fails(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
}

/* Each page of a superpage says what its leaf says. */
static void
test_pgaccess(void)
{
    uint8_t *p = pieces(2, 0), bits[2 * PER_PIECE / 8];
    unsigned n = 0;

    p[0] = p[PIECE] = 1;
    works(pgaccess(p, 2 * PER_PIECE, bits));
    works(pgaccess(p, 2 * PER_PIECE, bits));
    for (size_t i = 0; i < sizeof(bits); i++)
        n += __builtin_popcount(bits[i]);
    is(n, 0);
    (void)*(volatile uint8_t *)(p + PIECE + 77 * PAGE);
    works(pgaccess(p + 3 * PAGE, 2 * PER_PIECE - 3, bits));
    for (size_t i = 0; i < sizeof(bits); i++)
        n += __builtin_popcount(bits[i]);
    is(n, PER_PIECE);
    is(leaves_with(" 2M"), 2);
    munmap(p, 2 * PIECE);
}

/* Count the pages that pgaccess() reports. */
static int
accessed(uint8_t *p, int npages)
{
    uint8_t bits[PER_PIECE / 8] = {0};
    int n = 0;
    if (pgaccess(p, npages, bits) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(bits); i++)
        n += __builtin_popcount(bits[i]);
    return n;
}

/* Leaves of 64 KiB, where the harts have Svnapot: as one, until a part is changed. */
static void
test_64k(void)
{
    long anon = number_in("/proc/frames", "anon");
    long made = counter("superpage_64k"), rss = number_in("/proc/self/status", "VmRSS");
    uint8_t *p = pieces(1, 0);
    int status;

    munmap(p + PIECE - PAGE, PAGE);
    p[5 * PAGE] = 1;
    if (counter("superpage_64k") == made) {
        tap_skip("these harts have no Svnapot");
        munmap(p, PIECE);
        return;
    }
    is(leaves_with(" 64K"), 16);
    is(number_in("/proc/self/status", "VmRSS") - rss, 64);
    is(accessed(p, 64), 16);
    is(accessed(p, 64), 0);
    (void)*(volatile uint8_t *)(p + 9 * PAGE);
    is(accessed(p + 3 * PAGE, 5), 5);
    is(accessed(p, 64), 11);
    is(leaves_with(" 64K"), 0);

    p[20 * PAGE] = 2;
    is(leaves_with(" 64K"), 16);
    works(mprotect(p + 16 * PAGE, PAGE, PROT_NONE));
    works(munmap(p + 31 * PAGE, PAGE));
    is(leaves_with(" 64K"), 0);
    p[40 * PAGE] = 3;
    pid_t pid = tap_fork();
    if (pid == 0) {
        p[40 * PAGE]++;
        p[41 * PAGE] = 5;
        _exit(p[5 * PAGE] + p[20 * PAGE] + p[40 * PAGE] != 1 + 2 + 4);
    }
    waitpid(pid, &status, 0);
    is(status, 0);
    is(p[5 * PAGE] + p[20 * PAGE] + p[40 * PAGE] + p[41 * PAGE], 1 + 2 + 3);
    p[50 * PAGE] = 6;
    works(madvise(p + 48 * PAGE, 2 * PAGE, MADV_DONTNEED));
    is(p[48 * PAGE] + p[50 * PAGE], 6);
    is(counter("superpage_64k") - made, 4);
    munmap(p, PIECE);
    is(number_in("/proc/self/status", "VmRSS") - rss, 0);
    is(number_in("/proc/frames", "anon") - anon, 0);
}

/* Write to a page in each piece, a different one in each. */
static void
touch_pieces(uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i += PIECE)
        p[i + i / PIECE * PAGE % PIECE] = i / PIECE + 1;
}

static unsigned
wrong_pieces(const uint8_t *p, size_t size)
{
    unsigned n = 0;
    for (size_t i = 0; i < size; i += PIECE)
        n += p[i + i / PIECE * PAGE % PIECE] != (uint8_t)(i / PIECE + 1);
    return n;
}

/* Fill fresh memory page by page, and see that it is what was written. */
static int
fill_pages(size_t size)
{
    uint8_t *q = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (q == MAP_FAILED)
        return 0;
    madvise(q, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += PAGE)
        q[i] = i / PAGE;
    for (size_t i = 0; i < size; i += PAGE)
        if (q[i] != (uint8_t)(i / PAGE))
            return 0;
    return 1;
}

/*
 * Superpages of which a page each is touched have all the memory they may. Who
 * fills half of it page by page is not killed for that: the same process, or another.
 */
static void
test_thinning(void)
{
    size_t total = number_in("/proc/meminfo", "MemTotal") * 1024;
    size_t size = total / 8 * 7 / PIECE * PIECE, half = total / 2 / PAGE * PAGE;
    long anon = number_in("/proc/frames", "anon"), thinned = counter("superpage_thinned");
    int status;

    for (int other = 0; other < 2; other++) {
        pid_t pid = tap_fork();
        if (pid == 0) {
            uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            touch_pieces(p, size);
            pid_t filler = other ? fork() : 0;
            if (filler == 0 && other)
                munmap(p, size);
            int good = filler != 0 || fill_pages(half);
            if (filler == 0 && other)
                _exit(!good);
            if (filler)
                good = waitpid(filler, &status, 0) == filler && status == 0;
            _exit(good ? wrong_pieces(p, size) != 0 : 2);
        }
        waitpid(pid, &status, 0);
        is(status, 0);
        ok(counter("superpage_thinned") > thinned, "superpages were thinned");
        thinned = counter("superpage_thinned");
        is(number_in("/proc/frames", "anon") - anon, 0);
    }
}

/* Far more pieces than there is memory for: what is not touched keeps nobody from his pages. */
static void
test_full(void)
{
    size_t size = number_in("/proc/meminfo", "MemTotal") * 1024 * 2 / PIECE * PIECE;
    long anon = number_in("/proc/frames", "anon");
    int status;
    pid_t pid = tap_fork();
    if (pid == 0) {
        uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            _exit(1);
        for (size_t i = 0; i < size; i += PIECE)
            p[i] = p[i + PAGE] = i / PIECE + 1;
        for (size_t i = 0; i < size; i += PIECE)
            if (p[i] != (uint8_t)(i / PIECE + 1) || p[i + PAGE] != p[i] || p[i + 2 * PAGE] != 0)
                _exit(2);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    is(status, 0);
    ok(counter("thp_fault_fallback") > 0, "some were not made for want of memory");
    is(number_in("/proc/frames", "anon") - anon, 0);
}

/* For the test of the boot argument: how many of two are made, one of them asked for. */
static int
print_mode(void)
{
    uint8_t *p = pieces(1, 0);
    long made = made_by_touching(p, 1);
    p = pieces(1, 0);
    madvise(p, PIECE, MADV_HUGEPAGE);
    printf("superpages: %ld\n", made + made_by_touching(p, 1));
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "modes") == 0)
        return print_mode();
    tap_begin("superpage");
    test_counts();
    test_fork();
    test_advice();
    test_pgaccess();
    test_64k();
    test_full();
    test_thinning();
    return tap_end();
}
