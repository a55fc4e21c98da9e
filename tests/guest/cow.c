/*
 * Copy-on-write: three generations write in stripes and see only their own
 * writes; anonymous memory, data, private files, shared memory beside them.
 */
#include "tap.h"

#define NPAGES 96

static unsigned char *memory;           /* private, anonymous */
static unsigned char *shared;           /* shared, anonymous */
static unsigned char data[NPAGES * 4096] = { 1 };

/* Every page of stripe must be value, others as the table says. */
static int
holds(const unsigned char *expected)
{
    for (int i = 0; i < NPAGES; i++)
        if (memory[i * PAGE] != expected[i] ||
            memory[i * PAGE + PAGE - 1] != expected[i] ||
            data[i * PAGE + 7] != expected[i])
            return 0;
    return 1;
}

static void
write_stripe(unsigned char *expected, int first, int step, int value)
{
    for (int i = first; i < NPAGES; i += step) {
        memset(memory + i * PAGE, value, PAGE);
        data[i * PAGE + 7] = value;
        expected[i] = value;
    }
}

/*
 * A generation: checks what it was given, writes its stripe, has children
 * that do the same, and checks after them that nothing of its own changed.
 * Returns how many processes found everything right.
 */
static int
generation(int depth, const unsigned char *given, int id)
{
    unsigned char expected[NPAGES];
    pid_t child[3];
    int good = 1;

    memcpy(expected, given, NPAGES);
    good &= holds(expected);
    write_stripe(expected, id % 5, 5, 10 + depth * 40 + id);
    good &= holds(expected);
    int total = 0;
    if (depth < 3) {
        for (int i = 0; i < 3; i++) {
            child[i] = fork();
            if (child[i] == 0)
                _exit(generation(depth + 1, expected, id * 3 + i + 1));
            /* Write on while the children look. */
            write_stripe(expected, i * 7, 11, 200 + i);
        }
        for (int i = 0; i < 3; i++) {
            int status = tap_wait(child[i]);
            total += WIFEXITED(status) ? WEXITSTATUS(status) : 100;
        }
    }
    good &= holds(expected);
    return total + good;
}

static void
test_generations(void)
{
    unsigned char expected[NPAGES];

    memset(memory, 1, NPAGES * PAGE);
    for (int i = 0; i < NPAGES; i++)
        data[i * PAGE + 7] = expected[i] = 1;
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(generation(0, expected, 0));
    is(WEXITSTATUS(tap_wait(pid)), 1 + 3 + 9 + 27);
    ok(holds(expected), "the first ancestor sees none of it");
}

/* The sole owner again: after the child is gone, writes stay right. */
static void
test_sole_owner(void)
{
    int good = 1;

    for (int round = 0; round < 20; round++) {
        memset(memory, round, 8 * PAGE);
        pid_t pid = tap_fork();
        if (pid == 0)
            _exit(memory[PAGE] == round ? 0 : 1);
        good &= tap_wait(pid) == 0;
        memory[round % 8 * PAGE] = 99;
        for (int i = 0; i < 8; i++)
            good &= memory[i * PAGE] == (i == round % 8 ? 99 : round) &&
                    memory[i * PAGE + 1] == round;
    }
    ok(good, "after each child the memory is ours again");
}

/* The parent exits first: the orphan keeps the pages. */
static void
test_orphan(void)
{
    int fd[2];
    char verdict = 0;
    struct gate gone;

    pipe(fd);
    gate_init(&gone);
    memset(memory, 5, NPAGES * PAGE);
    pid_t pid = tap_fork();
    if (pid == 0) {
        memset(memory, 6, NPAGES * PAGE);
        if (fork() == 0) {
            alarm(TAP_SECONDS);
            gate_wait(&gone);
            verdict = 'y';
            for (int i = 0; i < NPAGES; i++)
                if (memory[i * PAGE] != 6)
                    verdict = 'n';
            write(fd[1], &verdict, 1);
            _exit(0);
        }
        _exit(0);
    }
    tap_wait(pid);
    memset(memory, 7, NPAGES * PAGE);
    gate_open(&gone);
    is(read(fd[0], &verdict, 1), 1);
    is(verdict, 'y');
    close(fd[0]);
    close(fd[1]);
    gate_close(&gone);
}

/* Read-only pages, shared pages and zero pages through a fork. */
static void
test_kinds(void)
{
    unsigned char *ro = (unsigned char *)pages(2), *fresh = (void *)pages(4);

    memset(ro, 3, 2 * PAGE);
    mprotect(ro, 2 * PAGE, PROT_READ);
    int sum = fresh[0] + fresh[PAGE];           /* read, never written */
    shared[0] = 1;
    pid_t pid = tap_fork();
    if (pid == 0) {
        int good = ro[0] == 3 && fresh[0] == 0;
        mprotect(ro, 2 * PAGE, PROT_READ | PROT_WRITE);
        ro[0] = 4;
        fresh[0] = 4;
        fresh[2 * PAGE] = 4;
        shared[0]++;
        shared[PAGE]++;
        _exit(!good);
    }
    is(tap_wait(pid), 0);
    ok(ro[0] == 3 && fresh[0] == 0 && fresh[2 * PAGE] == 0 && sum == 0,
       "private of every kind stays private");
    ok(shared[0] == 2 && shared[PAGE] == 1, "shared stays shared");
    mprotect(ro, 2 * PAGE, PROT_READ | PROT_WRITE);
    ro[0] = 9;
    is(ro[1], 3);
    munmap(ro, 2 * PAGE);
    munmap(fresh, 4 * PAGE);
}

/* Parent and child write to the same pages at the same time. */
static void
test_race(void)
{
    int good = 1;

    for (int round = 0; round < 10; round++) {
        memset(memory, round, NPAGES * PAGE);
        pid_t pid = tap_fork();
        int mine = pid == 0 ? 101 : 202;
        for (int i = 0; i < NPAGES; i++)
            memory[i * PAGE + 8] = mine;
        int right = 1;
        for (int i = 0; i < NPAGES; i++)
            right &= memory[i * PAGE + 8] == mine && memory[i * PAGE] == round;
        if (pid == 0)
            _exit(!right);
        good &= right && tap_wait(pid) == 0;
    }
    ok(good, "a race for the same pages mixes nothing");
}

/* vm operations on memory that is still shared with a child. */
static void
test_operations(void)
{
    struct gate go;
    int fd[2];
    char verdict = 0;

    gate_init(&go);
    pipe(fd);
    memset(memory, 8, NPAGES * PAGE);
    pid_t pid = tap_fork();
    if (pid == 0) {
        gate_wait(&go);
        verdict = 'y';
        for (int i = 0; i < NPAGES; i++)
            if (memory[i * PAGE] != 8)
                verdict = 'n';
        write(fd[1], &verdict, 1);
        _exit(0);
    }
    munmap(memory, 4 * PAGE);
    madvise(memory + 4 * PAGE, 4 * PAGE, MADV_DONTNEED);
    mprotect(memory + 8 * PAGE, 4 * PAGE, PROT_NONE);
    unsigned char *moved = mremap(memory + 12 * PAGE, 4 * PAGE, 8 * PAGE,
                                  MREMAP_MAYMOVE);
    ok(moved != MAP_FAILED && moved[0] == 8 && moved[4 * PAGE] == 0,
       "shared pages move");
    memset(moved, 1, 8 * PAGE);
    gate_open(&go);
    is(read(fd[0], &verdict, 1), 1);
    is(verdict, 'y');
    is(tap_wait(pid), 0);
    is(memory[4 * PAGE], 0);
    close(fd[0]);
    close(fd[1]);
    gate_close(&go);
}

int
main(void)
{
    tap_begin("cow");
    memory = (unsigned char *)pages(NPAGES);
    shared = shared_pages(4);
    test_generations();
    test_sole_owner();
    test_orphan();
    test_kinds();
    test_race();
    test_operations();
    return tap_end();
}
