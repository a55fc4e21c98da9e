/*
 * Superpages: memory in pieces of 2 MiB, against a model that knows every byte.
 *
 * The first half is about any kernel, whatever it puts behind large mappings. A
 * process works on a window of PIECES times 2 MiB, aligned; the model says of
 * each page whether it is mapped and what it allows, and a shadow holds what is
 * in it. Mappings, rights and advice come and go in whole pieces and in parts
 * of them; forks share what there is, and parent and child go on at the same time,
 * each checking that it sees what it wrote itself and nothing else.
 *
 * The second half looks at Quire's counters, whether there were superpages at all:
 * when one is made, split, shared and given back, and what advice does to that.
 */
#include "tap.h"
#include <sys/prctl.h>

#include "quire.h"

#define PIECE ((size_t)2 << 20)
#define PIECES 3
#define PER_PIECE (PIECE / PAGE)
#define NPAGES (PIECES * PER_PIECE)
#define GENERATIONS 3

static struct {
    uint8_t mapped, prot;
} state[NPAGES];
static uint8_t shadow[NPAGES][4096] __attribute__((aligned(4096)));
static uint8_t *window;
static uint64_t seed;

static unsigned
below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

/* Say what is wrong and end this process. */
static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("# seed state 0x%llx: %s\n", (unsigned long long)seed, text);
    fflush(stdout);
    _exit(1);
}

static uint8_t *
address(unsigned page)
{
    return window + page * PAGE;
}

static void
check_pages(unsigned first, unsigned n)
{
    for (unsigned page = first; page < first + n; page++) {
        if (!state[page].mapped || !(state[page].prot & PROT_READ) ||
            memcmp(address(page), shadow[page], PAGE) == 0)
            continue;
        unsigned i = 0;
        while (address(page)[i] == shadow[page][i])
            i++;
        wrong("page %u, byte %u holds %02x, not %02x", page, i, address(page)[i], shadow[page][i]);
    }
}

/* A range of pages: whole pieces, parts of them, or a few pages. */
static void
range(unsigned *first, unsigned *n)
{
    *first = below(NPAGES);
    *n = 1 + below(below(2) ? 4 : PER_PIECE);
    if (below(3) == 0) {
        *first -= *first % PER_PIECE;
        *n = PER_PIECE * (1 + below(2));
    }
    if (*first + *n > NPAGES)
        *n = NPAGES - *first;
}

/* Shorten a range to its mapped beginning. */
static unsigned
mapped_part(unsigned first, unsigned n)
{
    unsigned i = 0;
    while (i < n && state[first + i].mapped)
        i++;
    return i;
}

static void
forget(unsigned first, unsigned n)
{
    memset(&state[first], 0, n * sizeof(state[0]));
    memset(shadow[first], 0, n * PAGE);
}

static void
do_map(void)
{
    static const int advices[] = {MADV_NORMAL, MADV_HUGEPAGE, MADV_HUGEPAGE, MADV_NOHUGEPAGE};
    unsigned first, n;
    range(&first, &n);
    void *p = mmap(address(first), n * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p != address(first))
        wrong("mmap of %u pages at %u: errno %d", n, first, errno);
    madvise(p, n * PAGE, advices[below(ARRAY_LEN(advices))]);
    forget(first, n);
    for (unsigned i = first; i < first + n; i++)
        state[i].mapped = 1, state[i].prot = PROT_READ | PROT_WRITE;
}

static void
do_unmap(void)
{
    unsigned first, n;
    range(&first, &n);
    if (munmap(address(first), n * PAGE) != 0)
        wrong("munmap of %u pages at %u: errno %d", n, first, errno);
    forget(first, n);
}

static void
do_protect(void)
{
    static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                                PROT_READ | PROT_WRITE};
    unsigned first, n;
    range(&first, &n);
    n = mapped_part(first, n);
    if (n == 0)
        return;
    int prot = prots[below(4)];
    if (mprotect(address(first), n * PAGE, prot) != 0)
        wrong("mprotect of %u pages at %u: errno %d", n, first, errno);
    for (unsigned i = first; i < first + n; i++)
        state[i].prot = prot;
}

static void
do_discard(void)
{
    unsigned first, n;
    range(&first, &n);
    n = mapped_part(first, n);
    if (n == 0)
        return;
    if (madvise(address(first), n * PAGE, MADV_DONTNEED) != 0)
        wrong("madvise of %u pages at %u: errno %d", n, first, errno);
    memset(shadow[first], 0, n * PAGE);
}

/* Move pages of one kind elsewhere. What the kernel holds to be two mappings stays (EFAULT). */
static void
do_move(void)
{
    unsigned from, to, n, unused;
    range(&from, &n);
    range(&to, &unused);
    n = mapped_part(from, n);
    for (unsigned i = 1; i < n; i++)
        if (state[from + i].prot != state[from].prot)
            n = i;
    if (n == 0 || to + n > NPAGES || (to < from + n && from < to + n))
        return;
    munmap(address(to), n * PAGE);
    forget(to, n);
    void *p = mremap(address(from), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, address(to));
    if (p == MAP_FAILED && errno == EFAULT)
        return;
    if (p != address(to))
        wrong("mremap of %u pages from %u to %u: errno %d", n, from, to, errno);
    memcpy(&state[to], &state[from], n * sizeof(state[0]));
    memcpy(shadow[to], shadow[from], n * PAGE);
    forget(from, n);
}

/* Write some bytes, perhaps across pages, as far as it is allowed. */
static void
do_write(void)
{
    unsigned page = below(NPAGES), offset = below(PAGE);
    unsigned n = 1 + below(below(8) ? 300 : 70000);
    while (n > 0 && page < NPAGES && state[page].mapped && (state[page].prot & PROT_WRITE)) {
        unsigned part = n < PAGE - offset ? n : PAGE - offset;
        uint8_t byte = below(256);
        memset(address(page) + offset, byte, part);
        memset(shadow[page] + offset, byte, part);
        n -= part;
        page++;
        offset = 0;
    }
}

static void
do_check(void)
{
    unsigned first, n;
    range(&first, &n);
    check_pages(first, n);
}

static void run(int generation, int nsteps);

/* Share everything; both go on at once, and look that nothing of the other's came over. */
static void
do_fork(int generation, int nsteps)
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        wrong("fork: errno %d", errno);
    if (pid == 0) {
        seed += (generation + 1) * 7919;
        run(generation + 1, nsteps / 3);
        check_pages(0, NPAGES);
        _exit(0);
    }
    run(generation + 1, nsteps / 6);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        wrong("a child of generation %d ended with status 0x%x", generation + 1, status);
}

static void
run(int generation, int nsteps)
{
    static void (*const operations[])(void) = {
        do_map, do_map, do_unmap, do_protect, do_protect, do_discard, do_move, do_check,
        do_write, do_write, do_write, do_write, do_write, do_write, do_write, do_write,
    };
    for (int step = 0; step < nsteps; step++) {
        operations[below(ARRAY_LEN(operations))]();
        if (generation < GENERATIONS && below(50) == 0)
            do_fork(generation, nsteps);
    }
    if (generation == 0)
        check_pages(0, NPAGES);
}

static void
test_random(int nsteps)
{
    int status = -1;
    pid_t pid = tap_fork();
    if (pid == 0) {
        run(0, nsteps);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    is(status, 0);
}

/* What Quire counts. */

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
    int nsteps = argc > 1 ? atoi(argv[1]) : 300;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 20250418;
    uint8_t *p = mmap(NULL, (PIECES + 1) * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, (PIECES + 1) * PIECE);
    window = (uint8_t *)(((uintptr_t)p + PIECE - 1) & -PIECE);
    long anon = number_in("/proc/frames", "anon");
    test_random(nsteps);
    if (anon < 0 || counter("thp_fault_alloc") < 0) {
        tap_skip("superpages are counted by Quire");
        return tap_end();
    }
    is(number_in("/proc/frames", "anon") - anon, 0);
    test_counts();
    test_fork();
    test_advice();
    test_pgaccess();
    test_64k();
    test_full();
    test_thinning();
    return tap_end();
}
