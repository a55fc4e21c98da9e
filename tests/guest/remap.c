/*
 * mremap: the order in which it looks, acts and complains. What was done before
 * an error stays done, and a program can see it.
 */
#include "tap.h"

#define RW (PROT_READ | PROT_WRITE)
#define TO (MREMAP_MAYMOVE | MREMAP_FIXED)
#define fails_map(call, error) \
    (errno = 0, tap_fails((call) == MAP_FAILED ? -1 : 0, error, __FILE__, \
                          __LINE__, #call))

static char *
map(size_t n, int flags)
{
    char *p = mmap(NULL, n * PAGE, RW, flags | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < n; i++)
        p[i * PAGE] = (char)(i + 1);
    return p;
}

/* Is something mapped at each of the n pages from p? A letter for each: m, or a dot. */
static const char *
mapped(char *p, int n)
{
    static char text[64];
    unsigned char byte;
    for (int i = 0; i < n; i++)
        text[i] = mincore(p + i * PAGE, PAGE, &byte) == 0 ? 'm' : '.';
    text[n] = '\0';
    return text;
}

#define shows(p, n, text) ok(strcmp(mapped(p, n), text) == 0, "%s: %s", text, mapped(p, n))

static void
test_arguments(void)
{
    char *p = map(4, MAP_PRIVATE), *gone = hole();

    fails_map(mremap(p, PAGE, PAGE, 8), EINVAL);
    fails_map(mremap(p, PAGE, PAGE, MREMAP_FIXED, gone), EINVAL);
    fails_map(mremap(p, PAGE, PAGE, MREMAP_DONTUNMAP), EINVAL);
    fails_map(mremap(p, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE), EINVAL);
    fails_map(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
    fails_map(mremap(p, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    fails_map(mremap(gone, PAGE, PAGE, 0), EFAULT);
    /* The source is looked for before the target is looked at. */
    fails_map(mremap(gone, PAGE, PAGE, TO, (char *)1), EFAULT);
    fails_map(mremap(gone, PAGE, PAGE, TO, gone), EFAULT);
    fails_map(mremap(p, PAGE, PAGE, TO, p + 1), EINVAL);
    fails_map(mremap(p, 2 * PAGE, 2 * PAGE, TO, p + PAGE), EINVAL);
    fails_map(mremap(p, PAGE, PAGE, TO, KERNEL_POINTER), EINVAL);
    fails_map(mremap(p, PAGE, 1UL << 50, TO, p), EINVAL);
    fails_map(mremap(p, 4 * PAGE, 1UL << 50, MREMAP_MAYMOVE), ENOMEM);
    fails_map(mremap(p, 4 * PAGE, -2 * PAGE, MREMAP_MAYMOVE), ENOMEM);
    fails_map(mremap(p, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE), EFAULT);
    shows(p, 4, "mmmm");
    fails_map(mremap(p, 1UL << 60, PAGE, 0), EINVAL);
    shows(p, 4, "mmmm");
    fails_map(mremap(p, 1UL << 60, PAGE, TO, gone), EINVAL);
    munmap(p, 4 * PAGE);
}

/* The target goes first, whatever is wrong with the source. */
static void
test_target_first(void)
{
    char *room = map(16, MAP_PRIVATE);

    munmap(room + 4 * PAGE, PAGE);
    fails_map(mremap(room + 2 * PAGE, 4 * PAGE, 4 * PAGE, TO, room + 8 * PAGE), EFAULT);
    shows(room, 16, "mmmm.mmm....mmmm");
    fails_map(mremap(room, 0, PAGE, TO, room + 12 * PAGE), EINVAL); /* private: no second one */
    shows(room + 12 * PAGE, 4, ".mmm");
    /* What is cut off goes next. */
    fails_map(mremap(room + 5 * PAGE, 9 * PAGE, 4 * PAGE, TO, room + 15 * PAGE - 4 * PAGE), EINVAL);
    shows(room + 13 * PAGE, 3, "mmm");
    fails_map(mremap(room + 2 * PAGE, 6 * PAGE, 3 * PAGE, TO, room + 13 * PAGE), EFAULT);
    shows(room, 16, "mmmm............");
    munmap(room, 16 * PAGE);
}

/* An old size of 0: a second mapping of what is shared; perhaps in place of the first. */
static void
test_second(void)
{
    char *p = map(4, MAP_SHARED);

    char *q = mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE);
    ok(q != MAP_FAILED && q[PAGE] == 2, "a second mapping");
    q[0] = 55;
    is(p[0], 55);
    munmap(q, 2 * PAGE);
    fails_map(mremap(p, 0, 4 * PAGE, TO, p), EFAULT);
    shows(p, 4, "....");

    p = map(8, MAP_SHARED);
    q = mremap(p, 0, 2 * PAGE, TO, p + 4 * PAGE);
    ok(q == p + 4 * PAGE && q[0] == 1 && q[PAGE] == 2 && p[6 * PAGE] == 7, "onto its own middle");
    fails_map(mremap(p + PAGE, 0, 2 * PAGE, TO, p), EINVAL);
    fails_map(mremap(p + 2 * PAGE, 0, 3 * PAGE, TO, p + 2 * PAGE), EFAULT);
    shows(p, 8, "mm...mmm");
    munmap(p, 8 * PAGE);

    p = map(2, MAP_PRIVATE);
    fails_map(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
    munmap(p, 2 * PAGE);
}

static void
test_kept(void)
{
    char *room = map(12, MAP_PRIVATE);

    munmap(room + 4 * PAGE, 8 * PAGE);
    char *q = mremap(room, 4 * PAGE, 4 * PAGE, TO | MREMAP_DONTUNMAP, room + 4 * PAGE);
    ok(q == room + 4 * PAGE && q[3 * PAGE] == 4 && room[3 * PAGE] == 0, "kept, right beside");
    is(madvise(room, 8 * PAGE, MADV_DONTNEED), 0);
    fails(syscall(SYS_mremap, room, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 1), EINVAL);
    munmap(room, 8 * PAGE);

    /* A part of a mapping moves, and shrinks on the way. */
    room = map(12, MAP_PRIVATE);
    q = mremap(room + 2 * PAGE, 4 * PAGE, 2 * PAGE, TO, room + 8 * PAGE);
    ok(q == room + 8 * PAGE && q[0] == 3 && q[PAGE] == 4 && q[2 * PAGE] == 11, "a part");
    shows(room, 12, "mm....mmmmmm");
    munmap(room, 12 * PAGE);
}

int
main(void)
{
    tap_begin("remap");
    test_arguments();
    test_target_first();
    test_second();
    test_kept();
    return tap_end();
}
