/*
 * The stress test's memory: areas whose every byte is known, and what a thread
 * does to them.
 *
 * Each thread works on an area of its own, a window of NPAGES pages at an
 * address of its own. For each page a model says whether it is mapped, what it
 * allows, and what it holds: the pattern of its tag, which is all zeros for tag
 * 0, but for one word that may have been patched. The model is private memory
 * like the pages themselves, so fork hands both on together.
 *
 * Every operation may be refused with ENOMEM (or EAGAIN, where the manual says
 * so); then reconcile() asks what is still mapped. Any other error, and any
 * other byte, is wrong().
 */
#ifndef STRESS_H
#define STRESS_H

#include "tap.h"
#include "quire.h"
#include <setjmp.h>

#define NPAGES 6144             /* of an area: 12 tables of leaves */
#define NAREAS 3                /* threads of a process */
#define NCHILDREN 4             /* that a thread may have at a time */
#define AREA_BASE 0x1000000000UL
#define AREA_STEP 0x40000000UL  /* each under an entry of its own of the root */
#define WORDS (PAGE / 8)

enum { MAPPED = 1, SKIPPED = 2, WIPED = 4, TOUCHED = 8, HUGE = 16, NOHUGE = 32 };
#define ADVISED (SKIPPED | WIPED | HUGE | NOHUGE) /* pages that differ in these are no one mapping */
#define BOTH (PROT_READ | PROT_WRITE)

struct page {
    uint64_t tag;
    uint32_t patch;
    uint16_t at;                /* the word that holds patch, plus 1; 0: none */
    uint8_t prot, flags;        /* SKIPPED, WIPED: by a child's fork */
};

struct area {
    uint8_t *base;
    struct page page[NPAGES];
};

/* What all processes of a test share. */
struct shared {
    volatile int64_t deadline;  /* of this session, as now_ns() */
    volatile int failures;
    volatile int alive;         /* processes forked and not yet reaped */
    volatile int is_quire;
    volatile uint64_t tag;      /* the last one given out */
    volatile uint64_t nops, nforks, nexecs, nkilled, nrefused;
};

struct worker {
    int slot;                   /* of its area */
    int depth;                  /* forks above it */
    int alone;                  /* the only thread of its process */
    uint64_t seed;
    struct area *area;
    pid_t child[NCHILDREN];
    int nchildren;
    const char *op;             /* what it does, for messages */
};

static struct shared *shared;
static struct area areas[NAREAS];

/* Say what is wrong, and end this process. */
static inline void __attribute__((noreturn, format(printf, 2, 3)))
wrong(const struct worker *w, const char *format, ...)
{
    char text[320];
    va_list args;
    int n = snprintf(text, sizeof(text), "# %d, depth %d, state 0x%llx, %s: ", (int)getpid(),
                     w->depth, (unsigned long long)w->seed, w->op);

    va_start(args, format);
    n += vsnprintf(text + n, sizeof(text) - n - 1, format, args);
    va_end(args);
    strcpy(text + n, "\n");
    __atomic_fetch_add(&shared->failures, 1, __ATOMIC_SEQ_CST);
    write(1, text, n + 1);
    _exit(1);
}

static inline unsigned
below(struct worker *w, unsigned n)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (w->seed >> 20) % n;
}

static inline void
refused(const struct worker *w, const char *call)
{
    if (errno != ENOMEM && errno != EAGAIN)
        wrong(w, "%s: %s", call, tap_errno_name(errno));
    __atomic_fetch_add(&shared->nrefused, 1, __ATOMIC_RELAXED);
}

/* The model. */

static inline uint8_t *
at(const struct worker *w, int page)
{
    return w->area->base + (size_t)page * PAGE;
}

/* The pattern of a tag: its first word, and what each word adds to the one before. */
#define STRIDE 0x9e3779b97f4a7c15u
#define FIRST(tag) ((tag) * STRIDE)
#define STRIDE_OF(tag) ((tag) ? STRIDE : 0)

static inline uint64_t
word_of(const struct page *p, unsigned i)
{
    return i + 1 == p->at ? p->patch : FIRST(p->tag) + i * STRIDE_OF(p->tag);
}

static inline void
empty(struct page *p)
{
    p->tag = 0;
    p->at = 0;
    p->flags &= ~TOUCHED;
}

static inline void
forget(struct worker *w, int first, int n)
{
    memset(&w->area->page[first], 0, n * sizeof(struct page));
}

static inline int
allows(const struct worker *w, int page, int prot)
{
    const struct page *p = &w->area->page[page];
    return (p->flags & MAPPED) && (p->prot & prot) == prot;
}

/* How many pages from first on, n at most, are mapped. */
static inline int
mapped_run(const struct worker *w, int first, int n)
{
    int i = 0;
    while (i < n && (w->area->page[first + i].flags & MAPPED))
        i++;
    return i;
}

/* After a call that failed: what is no longer mapped? */
static inline void
reconcile(struct worker *w, int first, int n)
{
    unsigned char resident;
    for (int i = first; i < first + n; i++)
        if ((w->area->page[i].flags & MAPPED) && mincore(at(w, i), PAGE, &resident) != 0)
            forget(w, i, 1);
}

/* A part of the area: a few pages, some tables, exactly a table, or all of it. */
static inline void
choose(struct worker *w, int *first, int *n)
{
    switch (below(w, 8)) {
    case 0:
        *first = below(w, NPAGES / 512) * 512;
        *n = 512 << below(w, 2);
        break;
    case 1:
        *first = below(w, NPAGES);
        *n = 1 + below(w, NPAGES);
        break;
    case 2:
        *first = 512 * (1 + below(w, NPAGES / 512 - 1)) - below(w, 3);
        *n = 1 + below(w, 600);
        break;
    default:
        *first = below(w, NPAGES);
        *n = 1 + below(w, 64);
    }
    if (*first + *n > NPAGES)
        *n = NPAGES - *first;
}

/* Checks. */

static inline void
check_page(const struct worker *w, int page)
{
    struct page *p = &w->area->page[page];
    const volatile uint64_t *words = (uint64_t *)at(w, page);
    uint64_t wanted = FIRST(p->tag), stride = STRIDE_OF(p->tag);

    if (!allows(w, page, PROT_READ))
        return;
    p->flags |= TOUCHED;
    for (unsigned i = 0; i < WORDS; i++, wanted += stride) {
        uint64_t got = words[i];
        if (got != wanted && got != word_of(p, i))
            wrong(w, "page %d at %p, word %u holds 0x%llx, not 0x%llx; now 0x%llx; tag 0x%llx",
                  page, (void *)words, i, (unsigned long long)got,
                  (unsigned long long)word_of(p, i), (unsigned long long)words[i],
                  (unsigned long long)p->tag);
        if (i + 1 == p->at && got != p->patch)
            wrong(w, "page %d at %p lacks its last word, %u: it holds 0x%llx, not 0x%x", page,
                  (void *)words, i, (unsigned long long)got, p->patch);
    }
}

static inline void
do_check(struct worker *w)
{
    int first, n;
    choose(w, &first, &n);
    int step = n > 128 ? 1 + below(w, 24) : 1;
    for (int i = first; i < first + n; i += step)
        check_page(w, i);
}

static inline void
check_all(struct worker *w)
{
    for (int i = 0; i < NPAGES; i++)
        if (w->area->page[i].flags & MAPPED)
            check_page(w, i);
}

/* Memory operations. */

static inline void
do_map(struct worker *w)
{
    int first, n, prot = below(w, 8) ? BOTH : PROT_READ;
    choose(w, &first, &n);
    int populate = n <= 64 && below(w, 8) == 0 ? MAP_POPULATE : 0;
    void *p = mmap(at(w, first), n * PAGE, prot,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED | populate, -1, 0);
    if (p == MAP_FAILED) {
        refused(w, "mmap");
        reconcile(w, first, n);
        return;
    }
    forget(w, first, n);
    for (int i = first; i < first + n; i++) {
        w->area->page[i].flags = MAPPED;
        w->area->page[i].prot = prot;
    }
}

static inline void
do_unmap(struct worker *w)
{
    int first, n;
    choose(w, &first, &n);
    if (munmap(at(w, first), n * PAGE) == 0)
        forget(w, first, n);
    else
        refused(w, "munmap");
}

static inline void
do_protect(struct worker *w)
{
    static const int prots[] = { PROT_NONE, PROT_READ, BOTH, BOTH, BOTH, BOTH };
    int first, n, prot = prots[below(w, ARRAY_LEN(prots))];
    choose(w, &first, &n);
    n = mapped_run(w, first, n);
    if (mprotect(at(w, first), n * PAGE, prot) != 0) {
        refused(w, "mprotect");
        return;
    }
    for (int i = first; i < first + n; i++)
        w->area->page[i].prot = prot;
}

/* Move pages that are one mapping to another place, or cut or grow them where they are. */
static inline void
do_remap(struct worker *w)
{
    int from, n, to = below(w, NPAGES);
    choose(w, &from, &n);
    const struct page *p = &w->area->page[from];
    n = mapped_run(w, from, n < 1100 ? n : 1100);
    for (int i = 1; i < n; i++)
        if (p[i].prot != p->prot || (p[i].flags ^ p->flags) & ADVISED)
            n = i;
    if (n == 0 || to + n > NPAGES || (from < to + n && to < from + n))
        return;
    void *moved = mremap(at(w, from), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                         at(w, to));
    if (moved == MAP_FAILED) {
        /* Linux may not have joined what we take for one mapping. */
        if (shared->is_quire || errno != EFAULT)
            refused(w, "mremap");
        reconcile(w, to, n);
        return;
    }
    memcpy(&w->area->page[to], p, n * sizeof(*p));
    forget(w, from, n);
}

static inline void
do_grow(struct worker *w)
{
    int page = below(w, NPAGES - 64), n = 1 + below(w, 63);
    if (!(w->area->page[page].flags & MAPPED) || mapped_run(w, page + 1, 1))
        return;
    for (int i = 1; i <= n; i++)
        if (w->area->page[page + i].flags & MAPPED)
            n = i - 1;
    void *p = mremap(at(w, page), PAGE, (n + 1) * PAGE, 0);
    if (p == MAP_FAILED) {
        refused(w, "mremap");
        return;
    }
    for (int i = 1; i <= n; i++) {
        w->area->page[page + i] = w->area->page[page];
        empty(&w->area->page[page + i]);
    }
}

static inline void
do_dontneed(struct worker *w)
{
    int first, n;
    choose(w, &first, &n);
    n = mapped_run(w, first, n);
    if (madvise(at(w, first), n * PAGE, MADV_DONTNEED) != 0) {
        refused(w, "MADV_DONTNEED");
        return;
    }
    for (int i = first; i < first + n; i++)
        empty(&w->area->page[i]);
}

/* Advice about forks, and about superpages. */
static inline void
do_advise(struct worker *w)
{
    static const struct { int advice, set, clear; } advices[] = {
        { MADV_DONTFORK, SKIPPED, 0 },   { MADV_DOFORK, 0, SKIPPED },
        { MADV_WIPEONFORK, WIPED, 0 },   { MADV_KEEPONFORK, 0, WIPED },
        { MADV_HUGEPAGE, HUGE, NOHUGE }, { MADV_NOHUGEPAGE, NOHUGE, HUGE },
    };
    int first, n, which = below(w, ARRAY_LEN(advices));
    choose(w, &first, &n);
    n = mapped_run(w, first, n);
    if (madvise(at(w, first), n * PAGE, advices[which].advice) != 0) {
        if (errno != EINVAL || which < 4)   /* a Linux without them */
            refused(w, "madvise");
        return;
    }
    for (int i = first; i < first + n; i++)
        w->area->page[i].flags = (w->area->page[i].flags & ~advices[which].clear) |
                                 advices[which].set;
}

/* Fill a page with a new pattern, or change one word of it. */
static inline void
write_page(struct worker *w, int page, int whole)
{
    struct page *p = &w->area->page[page];
    volatile uint64_t *words = (uint64_t *)at(w, page);

    if (!allows(w, page, BOTH))
        return;
    if (whole) {
        p->tag = __atomic_add_fetch(&shared->tag, 1, __ATOMIC_RELAXED) << 10;
        p->at = 0;
        uint64_t word = FIRST(p->tag);
        for (unsigned i = 0; i < WORDS; i++, word += STRIDE)
            words[i] = word;
    } else {
        unsigned old = p->at, new = 1 + below(w, WORDS);
        p->at = new;
        p->patch = below(w, ~0U);
        if (old && old != new)
            words[old - 1] = word_of(p, old - 1);
        words[new - 1] = p->patch;
    }
    p->flags |= TOUCHED;
}

static inline void
do_write(struct worker *w)
{
    int first, n, whole = below(w, 4) == 0;
    choose(w, &first, &n);
    int step = n > 1024 ? 1 + below(w, 64) : n > 64 ? 1 + below(w, 8) : 1;
    for (int i = first; i < first + n; i += step)
        write_page(w, i, whole);
}

/* A mark is its leaf's: with a part of a superpage the rest of it loses its mark, too. */
static inline void
forget_marks_beside(struct worker *w, int first, int end)
{
    const uintptr_t large = 2UL << 20;
    uintptr_t low = (uintptr_t)at(w, first) & -large;
    uintptr_t high = ((uintptr_t)at(w, end) + large - 1) & -large;

    for (int i = first - 1; i >= 0 && (uintptr_t)at(w, i) >= low; i--)
        w->area->page[i].flags &= ~TOUCHED;
    for (int i = end; i < NPAGES && (uintptr_t)at(w, i) < high; i++)
        w->area->page[i].flags &= ~TOUCHED;
}

/* Only of pages that were touched: with larger leaves the others may be told of, too. */
static inline void
do_pgaccess(struct worker *w)
{
    static __thread uint8_t bits[NPAGES / 8];
    int first, n;
    choose(w, &first, &n);
    if (!shared->is_quire)
        return;
    int error = pgaccess(at(w, first), n, bits);
    if (error && errno != EFAULT)       /* no memory for a page of the answer */
        refused(w, "pgaccess");
    for (int i = 0; i < n; i++) {
        struct page *p = &w->area->page[first + i];
        if (!error && (p->flags & TOUCHED) && !(bits[i / 8] >> i % 8 & 1))
            wrong(w, "page %d, touched, was not accessed", first + i);
        p->flags &= ~TOUCHED;
    }
    forget_marks_beside(w, first, first + n);
    if (error || pgaccess(at(w, first), n, bits) != 0)
        return;
    for (int i = 0; i < n; i++)
        if (bits[i / 8] >> i % 8 & 1)
            wrong(w, "page %d, not touched, was accessed", first + i);
}

static inline void
do_mincore(struct worker *w)
{
    static __thread unsigned char resident[NPAGES];
    int first, n;
    choose(w, &first, &n);
    int all = mapped_run(w, first, n) == n;
    errno = 0;
    int got = mincore(at(w, first), n * PAGE, resident);
    if (got != 0 && errno == EFAULT)
        return; /* no memory for a page of the answer */
    if (got != (all ? 0 : -1) || (!all && errno != ENOMEM))
        wrong(w, "mincore of %d pages at %d: %d, %s", n, first, got, tap_errno_name(errno));
    for (int i = 0; all && i < n; i++)
        if ((w->area->page[first + i].tag || w->area->page[first + i].at) && !(resident[i] & 1))
            wrong(w, "page %d, written, is not in memory", first + i);
}

static inline void
do_lock(struct worker *w)
{
    int first, n;
    choose(w, &first, &n);
    n = mapped_run(w, first, n < 64 ? n : 64);
    if (mlock(at(w, first), n * PAGE) != 0)
        refused(w, "mlock");
    if (munlock(at(w, first), n * PAGE) != 0) {
        refused(w, "munlock");
        _exit(0); /* what is locked cannot be gone on with */
    }
}

/* The kernel copies one page of ours to another, or finds that it must not. */
static inline void
do_copy(struct worker *w)
{
    int from = below(w, NPAGES), to = below(w, NPAGES), fd[2];
    if (pipe(fd) != 0) {
        if (errno != ENFILE && errno != EMFILE)
            refused(w, "pipe");
        return;
    }
    int readable = allows(w, from, PROT_READ), writable = allows(w, to, BOTH);
    ssize_t n = write(fd[1], at(w, from), PAGE);
    if (n != (ssize_t)PAGE && !(n < 0 && (errno == ENOMEM || errno == EFAULT)))
        wrong(w, "write of page %d: %zd, %s", from, n, tap_errno_name(errno));
    if (n > 0 && !readable)
        wrong(w, "write could read page %d", from);
    if (n > 0) {
        w->area->page[from].flags |= TOUCHED;
        n = read(fd[0], at(w, to), PAGE);
        if (n != (ssize_t)PAGE && !(n < 0 && errno == EFAULT))
            wrong(w, "read into page %d: %zd, %s", to, n, tap_errno_name(errno));
        if (n > 0 && !allows(w, to, PROT_WRITE))
            wrong(w, "read could write page %d", to);
        if (n > 0 && writable) {
            struct page *p = &w->area->page[to], *source = &w->area->page[from];
            p->tag = source->tag;
            p->at = source->at;
            p->patch = source->patch;
            p->flags |= TOUCHED;
        }
    }
    close(fd[0]);
    close(fd[1]);
}

static sigjmp_buf back;

static inline void
on_fault(int number)
{
    siglongjmp(back, number);
}

/* Have the stack below in memory of our own: a signal's frame must not want any. */
static void __attribute__((noinline, unused))
touch_stack(void)
{
    volatile char room[2 * 4096];

    for (size_t i = 0; i < sizeof(room); i += 512)
        room[i] = 0;
}

/* What is not allowed gives SIGSEGV. The handler and its stack are the process's: so alone. */
static inline void
do_forbidden(struct worker *w)
{
    int page = below(w, NPAGES), number;
    if (!w->alone || allows(w, page, PROT_WRITE))
        return;
    signal(SIGSEGV, on_fault);
    touch_stack();
    if ((number = sigsetjmp(back, 1)) == 0) {
        *(volatile uint8_t *)at(w, page) = 1;
        wrong(w, "page %d can be written", page);
    }
    if (number != SIGSEGV)
        wrong(w, "page %d gave signal %d", page, number);
    signal(SIGSEGV, SIG_DFL);
}

/* The heap grows, is written and checked, and shrinks again. */
static inline void
do_brk(struct worker *w)
{
    size_t n = PAGE * (2 + below(w, 700));
    if (!w->alone)
        return;
    uintptr_t old = (uintptr_t)sbrk(n);
    if (old == -1UL) {
        refused(w, "sbrk");
        return;
    }
    uint64_t *heap = (uint64_t *)((old + PAGE - 1) & -PAGE);
    n -= PAGE;
    for (size_t i = 0; i < n / 8; i += WORDS / 2)
        if (heap[i] != 0)
            wrong(w, "the new heap holds 0x%llx", (unsigned long long)heap[i]);
        else
            heap[i] = w->seed ^ i;
    for (size_t i = 0; i < n / 8; i += WORDS / 2)
        if (heap[i] != (w->seed ^ i))
            wrong(w, "the heap holds 0x%llx", (unsigned long long)heap[i]);
    if (brk((void *)old) != 0)
        refused(w, "sbrk");
}

/* Where areas lie: aligned for superpages, or not. */
static inline void
area_begin(struct worker *w, int aligned)
{
    w->area = &areas[w->slot];
    w->area->base = (uint8_t *)(AREA_BASE + w->slot * AREA_STEP + (aligned ? 0 : 37 * PAGE));
    forget(w, 0, NPAGES);
}

/* Unmap all of an area's slot. 0, or -1: it cannot be, for lack of memory. */
static inline int
slot_clear(int slot)
{
    return munmap((void *)(AREA_BASE + slot * AREA_STEP), AREA_STEP);
}

#endif
