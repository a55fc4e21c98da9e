/*
 * mmap, munmap, mprotect, mremap and their kin on anonymous memory, with
 * the shape of /proc/self/maps. Files are in mapfile.c.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/resource.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static sigjmp_buf back;

static void
on_fault(int number)
{
    siglongjmp(back, number);
}

/* The signal that reading (or writing) the byte gives, or 0. */
static int
touch(volatile char *p, int write)
{
    int number = sigsetjmp(back, 1);

    if (number)
        return number;
    if (write)
        *p = *p + 1;
    else
        (void)*p;
    return 0;
}

/* Which of n pages from p may be read (r), written (w), or neither (-). */
static const char *
shape(char *p, int n)
{
    static char text[64];

    for (int i = 0; i < n; i++) {
        char *page = p + i * PAGE;
        text[i] = touch(page, 1) == 0 ? 'w' : touch(page, 0) == 0 ? 'r' : '-';
    }
    text[n] = 0;
    return text;
}

#define shaped(p, wanted) \
    ({ const char *s = shape(p, strlen(wanted)); \
       ok(!strcmp(s, wanted), "shape %s, wanted %s", s, wanted); })

#define fails_map(call, error) \
    (errno = 0, tap_fails((long)(call) == (long)MAP_FAILED ? -1 : 0, error, \
                          __FILE__, __LINE__, #call))

static void
test_anonymous(void)
{
    char *p = mmap(NULL, 5 * PAGE + 1, RW, ANON, -1, 0);
    int zeros = 1;

    ok(p != MAP_FAILED && ((long)p & 4095) == 0, "mmap gives a page address");
    shaped(p, "wwwwww");
    munmap(p, 6 * PAGE);
    p = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    for (size_t i = 0; i < 64 * PAGE; i++)
        zeros &= p[i] == 0;
    ok(zeros, "fresh memory is zero");
    memset(p, 5, 64 * PAGE);
    is(munmap(p, 64 * PAGE), 0);
    is(touch(p, 0), SIGSEGV);
    p = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    for (size_t i = 0; i < 64 * PAGE; i++)
        zeros &= p[i] == 0;
    ok(zeros, "and so it is the second time");
    munmap(p, 64 * PAGE);
    /* Far more than there is, as long as nobody touches it. */
    p = mmap(NULL, 1UL << 33, RW, ANON | MAP_NORESERVE, -1, 0);
    ok(p != MAP_FAILED, "8 GiB of address space");
    shaped(p + (1UL << 32), "ww");
    is(munmap(p, 1UL << 33), 0);
    p = mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0);
    shaped(p, "-");
    munmap(p, PAGE);
    p = mmap(NULL, PAGE, PROT_READ, ANON, -1, 0);
    shaped(p, "r");
    munmap(p, PAGE);
    p = mmap(NULL, PAGE, PROT_WRITE, ANON, -1, 0);
    is(touch(p, 1), 0);
    munmap(p, PAGE);
}

static void
test_refusals(void)
{
    char *p = pages(4);

    fails_map(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    fails_map(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    fails_map(mmap(NULL, PAGE, RW, 0, 0, 0), EINVAL);
    fails_map(mmap(NULL, PAGE, RW, 0, 999, 0), EBADF);
    fails_map(mmap(NULL, -1UL, RW, ANON, -1, 0), ENOMEM);
    fails_map(mmap(NULL, 1UL << 62, RW, ANON, -1, 0), ENOMEM);
    fails_map(mmap(NULL, -PAGE, RW, ANON, -1, 0), ENOMEM);
    fails_map(mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    fails_map(mmap((void *)0xffffffff80000000UL, PAGE, RW, ANON | MAP_FIXED,
                   -1, 0), ENOMEM);
    fails_map(mmap((void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
    fails_map(mmap(p, -PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
    fails_map(syscall(SYS_mmap, 0, PAGE, RW, ANON, -1, 1), EINVAL);
    fails_map(mmap(NULL, PAGE, RW, MAP_PRIVATE, 999, 0), EBADF);
    fails_map(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);

    fails(munmap(p + 1, PAGE), EINVAL);
    fails(munmap(p, 0), EINVAL);
    fails(munmap(p, -1UL), EINVAL);
    fails(munmap(KERNEL_POINTER, PAGE), EINVAL);
    is(munmap(p, 4 * PAGE), 0);
    is(munmap(p, 4 * PAGE), 0);         /* nothing there is no error */
    /* Without MAP_FIXED a bad hint is only a hint. */
    p = mmap((void *)0xffffffff80000123UL, PAGE, RW, ANON, -1, 0);
    ok(p != MAP_FAILED && touch(p, 1) == 0, "a bad hint is overlooked");
    munmap(p, PAGE);
}

static void
test_fixed(void)
{
    char *p = pages(8);

    memset(p, 1, 8 * PAGE);
    ok(mmap(p + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) ==
       p + 2 * PAGE, "MAP_FIXED replaces");
    ok(p[2 * PAGE] == 0 && p[4 * PAGE - 1] == 0 && p[2 * PAGE - 1] == 1 &&
       p[4 * PAGE] == 1, "exactly what it covers");
    fails_map(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    fails_map(mmap(p + 7 * PAGE, 4 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1,
                   0), EEXIST);
    munmap(p + 3 * PAGE, 2 * PAGE);
    ok(mmap(p + 3 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) ==
       p + 3 * PAGE, "MAP_FIXED_NOREPLACE fills a gap exactly");
    munmap(p + 5 * PAGE, PAGE);
    ok(mmap(p + 5 * PAGE, PAGE, RW, ANON, -1, 0) == p + 5 * PAGE,
       "a free hint is taken");
    munmap(p, 8 * PAGE);
}

static void
test_splitting(void)
{
    char *p = pages(10);

    for (int i = 0; i < 10; i++)
        p[i * PAGE] = i + 1;
    is(munmap(p + 3 * PAGE, 2 * PAGE), 0);
    shaped(p, "www--wwwww");
    is(munmap(p + 2 * PAGE, 4 * PAGE), 0);
    shaped(p, "ww----wwww");
    is(mprotect(p + 7 * PAGE, PAGE, PROT_READ), 0);
    shaped(p, "ww----wrww");
    is(mprotect(p, PAGE, PROT_NONE), 0);
    shaped(p, "-w----wrww");
    is(mprotect(p, PAGE, RW), 0);
    is(mprotect(p + 6 * PAGE, 4 * PAGE, PROT_READ), 0);
    shaped(p, "ww----rrrr");
    is(mprotect(p + 6 * PAGE, 4 * PAGE, RW), 0);
    shaped(p, "ww----wwww");
    ok(p[0] && p[PAGE] && p[6 * PAGE] >= 7 && p[9 * PAGE] >= 10,
       "the bytes are those from before");
    is(munmap(p, 1), 0);                /* a length is rounded up */
    shaped(p, "-w----wwww");
    is(munmap(p, 10 * PAGE), 0);
    shaped(p, "----------");
}

static void
test_mprotect(void)
{
    char *p = pages(4);

    fails(mprotect(p + 1, PAGE, RW), EINVAL);
    fails(mprotect(p, PAGE, 0x100), EINVAL);
    is(mprotect(p, 0, RW), 0);
    fails(mprotect(p, -PAGE, PROT_READ), ENOMEM);
    fails(mprotect(KERNEL_POINTER, PAGE, RW), ENOMEM);
    munmap(p + 2 * PAGE, PAGE);
    fails(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
    shaped(p, "rr-w");                  /* up to the hole it was done */
    fails(mprotect(p + 2 * PAGE, PAGE, RW), ENOMEM);
    is(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC), 0);
    shaped(p, "rr-w");
    munmap(p, 4 * PAGE);

    /* Code written, then run. */
    uint32_t *code = (uint32_t *)pages(1);
    code[0] = 0x02a00513;               /* li a0, 42 */
    code[1] = 0x00008067;               /* ret */
    is(mprotect(code, PAGE, PROT_READ | PROT_EXEC), 0);
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    is(((int (*)(void))code)(), 42);
    is(touch((char *)code, 1), SIGSEGV);
    munmap(code, PAGE);
}

static void
test_mremap(void)
{
    char *p = pages(8), *q;

    memset(p, 7, 8 * PAGE);
    ok(mremap(p, 8 * PAGE, 3 * PAGE, 0) == p, "shrinking stays in place");
    shaped(p, "www-");
    fails_map(mremap(p, 3 * PAGE, 0, 0), EINVAL);
    fails_map(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
    fails_map(mremap(p, 3 * PAGE, PAGE, 8), EINVAL);
    fails_map(mremap(p, 3 * PAGE, 4 * PAGE, MREMAP_FIXED, p), EINVAL);
    fails_map(mremap(hole(), PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    fails_map(mremap(p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE), EFAULT);
    ok(mmap(p + 3 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) ==
       p + 3 * PAGE, "something in the way");
    fails_map(mremap(p, 3 * PAGE, 4 * PAGE, 0), ENOMEM);
    q = mremap(p, 3 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
    ok(q != MAP_FAILED && q != p, "growing moves");
    ok(q[1] == 7 && q[3 * PAGE - 1] == 7 && q[3 * PAGE] == 0 &&
       q[20 * PAGE - 1] == 0, "the bytes move along, the rest is zero");
    shaped(p, "---r");
    munmap(p, 4 * PAGE);
    p = pages(30);
    memset(p, 1, 30 * PAGE);
    ok(mremap(q, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
              p + 5 * PAGE) == p + 5 * PAGE, "MREMAP_FIXED goes there");
    ok(p[5 * PAGE - 1] == 1 && p[5 * PAGE + 1] == 7 && p[8 * PAGE] == 0 &&
       p[25 * PAGE] == 1, "and replaces what was there");
    is(touch(q, 0), SIGSEGV);
    fails_map(mremap(p, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                     p + 5 * PAGE), EINVAL);
    munmap(p, 30 * PAGE);
}

static void
test_madvise(void)
{
    char *p = pages(4);
    unsigned char core[8];

    memset(p, 9, 4 * PAGE);
    is(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
    ok(p[0] == 9 && p[PAGE] == 0 && p[3 * PAGE - 1] == 0 && p[3 * PAGE] == 9,
       "MADV_DONTNEED makes zeros again");
    is(madvise(p, 4 * PAGE, MADV_NORMAL), 0);
    is(madvise(p, 4 * PAGE, MADV_WILLNEED), 0);
    fails(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    fails(madvise(p, PAGE, 9999), EINVAL);
    fails(madvise(p, -PAGE, MADV_DONTNEED), EINVAL);
    is(madvise(p, 0, MADV_DONTNEED), 0);
    munmap(p + 2 * PAGE, PAGE);
    fails(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
    ok(p[0] == 0 && p[3 * PAGE] == 0, "on both sides of a hole");
    munmap(p, 4 * PAGE);

    p = pages(4);
    p[0] = p[2 * PAGE] = 1;
    is(mincore(p, 4 * PAGE, core), 0);
    ok((core[0] & 1) == 1 && (core[1] & 1) == 0 && (core[2] & 1) == 1 &&
       (core[3] & 1) == 0, "mincore tells what was touched");
    fails(mincore(p + 1, PAGE, core), EINVAL);
    fails(mincore(p, 4 * PAGE, hole()), EFAULT);
    munmap(p + PAGE, PAGE);
    fails(mincore(p, 4 * PAGE, core), ENOMEM);
    munmap(p, 4 * PAGE);
}

static void
test_limits(void)
{
    struct rlimit limit = { 64 << 20, 64 << 20 };

    works(setrlimit(RLIMIT_AS, &limit));
    fails_map(mmap(NULL, 64 << 20, RW, ANON, -1, 0), ENOMEM);
    char *p = mmap(NULL, 16 << 20, RW, ANON, -1, 0);
    ok(p != MAP_FAILED, "within RLIMIT_AS");
    fails_map(mremap(p, 16 << 20, 64 << 20, MREMAP_MAYMOVE), ENOMEM);
    is(munmap(p, 16 << 20), 0);
}

/* Find the line of /proc/self/maps that starts with p. */
static int
maps_line(char *p, char *line, size_t size)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char start[32];
    int found = 0;

    snprintf(start, sizeof(start), "%08lx-", (long)p);
    while (!found && f && fgets(line, size, f))
        found = !strncmp(line, start, strlen(start));
    line[strcspn(line, "\n")] = 0;
    if (f)
        fclose(f);
    return found;
}

static void
test_maps(void)
{
    char line[512], want[128];
    char *p = island(4);

    mprotect(p + 2 * PAGE, PAGE, PROT_READ);
    ok(maps_line(p, line, sizeof(line)), "the region has a line");
    snprintf(want, sizeof(want), "%08lx-%08lx rw-p 00000000 00:00 0",
             (long)p, (long)p + 2 * PAGE);
    ok(!strncmp(line, want, strlen(want)), "it is %s", line);
    ok(maps_line(p + 2 * PAGE, line, sizeof(line)), "the read-only part too");
    snprintf(want, sizeof(want), "%08lx-%08lx r--p", (long)p + 2 * PAGE,
             (long)p + 3 * PAGE);
    ok(!strncmp(line, want, strlen(want)), "it is %s", line);

    FILE *f = fopen("/proc/self/maps", "r");
    int stack = 0, heap = 0, text = 0, order = 1;
    unsigned long last = 0, start, end;
    char rights[8];
    sbrk(PAGE);
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "%lx-%lx %7s", &start, &end, rights);
        order &= start >= last && end > start;
        last = end;
        stack += strstr(line, "[stack]") != NULL && (char *)start <= (char *)&f
                 && (char *)&f < (char *)end;
        heap += strstr(line, "[heap]") != NULL;
        text += start <= (unsigned long)test_maps &&
                (unsigned long)test_maps < end &&
                !strcmp(rights, "r-xp") && strstr(line, "mmap") != NULL;
    }
    fclose(f);
    ok(order, "the lines are in order and do not overlap");
    is(stack, 1);
    is(heap, 1);
    is(text, 1);
}

int
main(void)
{
    tap_begin("mmap");
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    test_anonymous();
    test_refusals();
    test_fixed();
    test_splitting();
    test_mprotect();
    test_mremap();
    test_madvise();
    tap_child(test_limits);
    test_maps();
    return tap_end();
}
