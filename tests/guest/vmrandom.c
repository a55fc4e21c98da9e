/*
 * Random mmap, munmap, mprotect, mremap, madvise and fork against a model
 * that knows every byte.
 *
 * A process works on a window of NPAGES pages. Its model says of each page
 * whether it is mapped, what it allows, and what it holds: private pages have
 * their bytes in the model itself, which fork copies with everything else, and
 * shared ones in a pool that all processes map. Now and then a process
 * forks and waits: the child checks that it sees what its parent saw, goes on
 * for itself, and ends; then the parent checks that only shared pages changed.
 *
 * Bytes are written and read directly where the model allows it. Where it does
 * not, an access must give SIGSEGV and a system call EFAULT.
 */
#include "tap.h"
#include <setjmp.h>

#define NPAGES 384
#define NSHARED 1024 /* pages of shared memory that may ever be made */
#define NSTEPS 400   /* for the first process; each generation does half */
#define GENERATIONS 4
#define PRIVATE (-1)

struct page {
    int mapped;
    int prot;
    int shared; /* its page in the pool, or PRIVATE */
};

struct pool {
    int used;
    uint8_t bytes[NSHARED][4096];
};

static struct page state[NPAGES];
static uint8_t private[NPAGES][4096];
static struct pool *pool;
static uint8_t *window;
static int probe[2]; /* a pipe */
static uint64_t seed;
static sigjmp_buf back;

static unsigned
below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static void
on_fault(int number)
{
    siglongjmp(back, number);
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
address(int page)
{
    return window + (size_t)page * PAGE;
}

static uint8_t *
expected(int page)
{
    return state[page].shared == PRIVATE ? private[page] : pool->bytes[state[page].shared];
}

static int
allows(int page, int prot)
{
    return state[page].mapped && (state[page].prot & prot) == prot;
}

/* Checks. */

static void
check_forbidden(int page, int writing)
{
    volatile uint8_t *p = address(page) + below(PAGE);
    int number = sigsetjmp(back, 1);
    if (number == 0) {
        if (writing)
            *p = 1;
        else
            (void)*p;
        wrong("page %d can be %s", page, writing ? "written" : "read");
    }
    if (number != SIGSEGV)
        wrong("page %d gave signal %d", page, number);
}

static void
check_page(int page)
{
    if (!allows(page, PROT_READ)) {
        if (below(4) == 0)
            check_forbidden(page, 0);
        errno = 0;
        if (write(probe[1], address(page) + below(PAGE), 1) != -1 || errno != EFAULT)
            wrong("a call can read page %d", page);
    } else if (memcmp(address(page), expected(page), PAGE) != 0) {
        unsigned i = 0;
        while (address(page)[i] == expected(page)[i])
            i++;
        wrong("page %d, byte %u holds %02x, not %02x", page, i, address(page)[i],
              expected(page)[i]);
    }
    if (!allows(page, PROT_WRITE) && below(8) == 0)
        check_forbidden(page, 1);
}

static void
check_all(void)
{
    for (int page = 0; page < NPAGES; page++)
        check_page(page);
}

/* Operations. */

static void
range(int *first, int *n)
{
    *first = below(NPAGES);
    *n = 1 + below(below(8) ? 12 : 120);
    if (*first + *n > NPAGES)
        *n = NPAGES - *first;
}

static void
forget(int first, int n)
{
    for (int i = first; i < first + n; i++) {
        state[i] = (struct page){.shared = PRIVATE};
        memset(private[i], 0, PAGE);
    }
}

static void
do_map(void)
{
    int first, n;
    range(&first, &n);
    int shared = below(4) == 0 && pool->used + n <= NSHARED;
    int prot = below(4) ? PROT_READ | PROT_WRITE : PROT_READ;
    void *p = mmap(address(first), n * PAGE, prot,
                   (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p != address(first))
        wrong("mmap of %d pages at %d: errno %d", n, first, errno);
    forget(first, n);
    for (int i = first; i < first + n; i++)
        state[i] = (struct page){1, prot, shared ? pool->used++ : PRIVATE};
}

static void
do_unmap(void)
{
    int first, n;
    range(&first, &n);
    if (munmap(address(first), n * PAGE) != 0)
        wrong("munmap of %d pages at %d: errno %d", n, first, errno);
    forget(first, n);
}

static void
do_protect(void)
{
    static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                                PROT_READ | PROT_WRITE};
    int first, n;
    range(&first, &n);
    for (int i = first; i < first + n; i++)
        if (!state[i].mapped)
            n = i - first;
    if (n == 0)
        return;
    int prot = prots[below(4)];
    if (mprotect(address(first), n * PAGE, prot) != 0)
        wrong("mprotect of %d pages at %d: errno %d", n, first, errno);
    for (int i = first; i < first + n; i++)
        state[i].prot = prot;
}

/* Move one page elsewhere; a private one may grow on the way. */
static void
do_remap(void)
{
    int from = below(NPAGES), to = below(NPAGES);
    int n = state[from].shared == PRIVATE ? 1 + below(4) : 1;
    if (!state[from].mapped || to + n > NPAGES || (from >= to && from < to + n))
        return;
    void *p = mremap(address(from), PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, address(to));
    if (p != address(to))
        wrong("mremap of page %d to %d: errno %d", from, to, errno);
    struct page page = state[from];
    forget(to, n);
    memcpy(private[to], private[from], PAGE);
    for (int i = to; i < to + n; i++)
        state[i] = page;
    forget(from, 1);
}

static void
do_forget(void)
{
    int first, n;
    range(&first, &n);
    madvise(address(first), n * PAGE, MADV_DONTNEED);
    for (int i = first; i < first + n; i++)
        memset(private[i], 0, PAGE);
}

/* Write some bytes, perhaps across pages, as far as it is allowed. */
static void
do_write(void)
{
    int page = below(NPAGES);
    unsigned offset = below(PAGE), n = 1 + below(below(4) ? 200 : 9000);
    while (n > 0 && page < NPAGES && allows(page, PROT_WRITE | PROT_READ)) {
        unsigned part = n < PAGE - offset ? n : PAGE - offset;
        uint8_t byte = below(256);
        memset(address(page) + offset, byte, part);
        memset(expected(page) + offset, byte, part);
        n -= part;
        page++;
        offset = 0;
    }
}

static void
do_check(void)
{
    int first, n;
    range(&first, &n);
    for (int i = first; i < first + n; i++)
        check_page(i);
}

static void run(int generation);

static void
do_fork(int generation)
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        wrong("fork: errno %d", errno);
    if (pid == 0) {
        seed += generation * 7919;
        check_all();
        run(generation + 1);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        wrong("a child of generation %d ended with status 0x%x", generation + 1, status);
    check_all();
}

static void
run(int generation)
{
    static void (*const operations[])(void) = {
        do_map, do_map, do_unmap, do_protect, do_protect, do_remap, do_remap, do_forget,
        do_write, do_write, do_write, do_write, do_write, do_write, do_write, do_check,
    };
    int nsteps = NSTEPS >> (generation + (generation > 0));
    for (int step = 0; step < nsteps; step++) {
        operations[below(ARRAY_LEN(operations))]();
        if (generation < GENERATIONS && below(60) == 0)
            do_fork(generation);
    }
    check_all();
}

int
main(int argc, char **argv)
{
    tap_begin("vmrandom");
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240229;
    pipe(probe);
    pool = mmap(NULL, sizeof(*pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    window = mmap(NULL, NPAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(window, NPAGES * PAGE);
    forget(0, NPAGES);
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);

    pid_t pid = tap_fork();
    if (pid == 0) {
        run(0);
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    is(status, 0);
    return tap_end();
}
