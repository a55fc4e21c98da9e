/*
 * Memory in pieces of 2 MiB, whatever the kernel puts behind them, against a model
 * that knows every byte.
 *
 * A process works on a window of PIECES times 2 MiB, aligned; the model says of
 * each page whether it is mapped and what it allows, and a shadow holds what is
 * in it. Mappings, rights and advice come and go in whole pieces and in parts
 * of them; forks share what there is, and parent and child go on at the same time,
 * each checking that it sees what it wrote itself and nothing else.
 */
#include "tap.h"

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

int
main(int argc, char **argv)
{
    tap_begin("superrandom");
    int nsteps = argc > 1 ? atoi(argv[1]) : 300;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 20250418;
    uint8_t *p = mmap(NULL, (PIECES + 1) * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, (PIECES + 1) * PIECE);
    window = (uint8_t *)(((uintptr_t)p + PIECE - 1) & -PIECE);
    test_random(nsteps);
    return tap_end();
}
