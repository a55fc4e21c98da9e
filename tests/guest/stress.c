/*
 * The stress test: processes and threads that map, touch, share and give back
 * memory at random, while there is hardly any left.
 *
 *      stress [SECONDS [SEED [LEAVE]]]
 *
 * A session keeps a handful of processes going until its time is up. Each does
 * random things to an area of memory whose every byte it knows (stress.h), and
 * forks children that go on with their copy of it, that run another program, or
 * that are killed; some have threads with areas of their own. Their parents may
 * wait for them, or be gone before. On Quire a hog takes all memory but LEAVE
 * MiB (or so many as the seed says), so that much of what is asked for is
 * refused, and who touches more than there is is killed: that is allowed.
 * Wrong contents, other errors, deaths by other signals, or a process that
 * does not end are not; and after each session /proc/frames has what it had.
 *
 * Each session says its seed. What happens depends on the harts' timing, too,
 * so a seed does not repeat a session, but it repeats its kind.
 */
#include "tap.h"
#include "account.h"
#include "stress.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>

#define SHARED_FD 100           /* the shared page's file, kept open by exec */
#define NTOP 5                  /* processes that a session begins with */
#define MAX_ALIVE 20
#define MAX_DEPTH 7
#define SESSION_SECONDS 10
#define GRACE_SECONDS 40        /* for the last to end, on a slow machine */

static char self[512];
static int in_use[NAREAS];      /* slots, by the threads of this process */
static struct account before, after;

static void run(struct worker *w, int nsteps);

/* A child has ended: as it may? */
static void
judge(const struct worker *w, pid_t pid, int status)
{
    __atomic_fetch_sub(&shared->alive, 1, __ATOMIC_RELAXED);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        __atomic_fetch_add(&shared->nkilled, 1, __ATOMIC_RELAXED);
        return;
    }
    /* 127: the C library's start was refused memory. 1: wrong() has told. */
    if (status != 0 && status != 127 << 8 && status != 1 << 8)
        wrong(w, "child %d ended with status 0x%x", (int)pid, status);
}

/* Wait for children: for all of them, or for those that have ended. */
static void
reap(struct worker *w, int all)
{
    for (int i = 0; i < w->nchildren;) {
        int status;
        pid_t got = waitpid(w->child[i], &status, all ? 0 : WNOHANG);
        if (got < 0)
            wrong(w, "waitpid: %s", tap_errno_name(errno));
        if (got == 0) {
            i++;
            continue;
        }
        judge(w, w->child[i], status);
        w->child[i] = w->child[--w->nchildren];
    }
}

/* The only thread of a new process: other threads' areas are in an unknown state. */
static void
begin_child(struct worker *w)
{
    w->depth++;
    w->nchildren = 0;
    w->alone = 1;
    w->seed = w->seed * 6364136223846793005u + getpid() + 1;
    for (int i = 0; i < NAREAS; i++) {
        if (i != w->slot && in_use[i] && slot_clear(i) != 0)
            _exit(0);
        in_use[i] = i == w->slot;
    }
    for (int i = 0; i < NPAGES; i++) {
        struct page *p = &w->area->page[i];
        if (p->flags & SKIPPED)
            forget(w, i, 1);
        else if (p->flags & WIPED)
            empty(p);
    }
    w->op = "inheriting";
    if (below(w, 8) == 0)
        check_all(w);
    else
        do_check(w);
}

static void
do_fork(struct worker *w)
{
    reap(w, 0);
    if (w->nchildren == NCHILDREN || shared->alive >= MAX_ALIVE || w->depth >= MAX_DEPTH)
        return;
    __atomic_fetch_add(&shared->alive, 1, __ATOMIC_RELAXED);
    pid_t pid = fork();
    if (pid < 0) {
        __atomic_fetch_sub(&shared->alive, 1, __ATOMIC_RELAXED);
        refused(w, "fork");
        return;
    }
    if (pid == 0) {
        begin_child(w);
        run(w, 5 + below(w, 60));
        if (below(w, 3) == 0)
            _exit(0);           /* whatever children it has are orphans now */
        reap(w, 1);
        _exit(0);
    }
    __atomic_fetch_add(&shared->nforks, 1, __ATOMIC_RELAXED);
    w->child[w->nchildren++] = pid;
}

/* A program in a child: one that goes on like this, or one that just ends. */
static void
do_exec(struct worker *w)
{
    char seed[32], depth[16], *const envp[] = { NULL };
    char *const argv[] = { self, (char *)(below(w, 3) ? "--exit" : "--go-on"), seed, depth, NULL };

    reap(w, 0);
    if (w->nchildren == NCHILDREN || shared->alive >= MAX_ALIVE)
        return;
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)w->seed);
    snprintf(depth, sizeof(depth), "%d", w->depth + 1);
    __atomic_fetch_add(&shared->alive, 1, __ATOMIC_RELAXED);
    pid_t pid = below(w, 2) ? vfork() : fork();
    if (pid == 0) {
        execve(self, argv, envp);
        /* EFAULT: the kernel could not bring in the arguments. */
        _exit(errno == ENOMEM || errno == EAGAIN || errno == EFAULT ? 0 : errno);
    }
    if (pid < 0) {
        __atomic_fetch_sub(&shared->alive, 1, __ATOMIC_RELAXED);
        refused(w, "fork");
        return;
    }
    __atomic_fetch_add(&shared->nexecs, 1, __ATOMIC_RELAXED);
    w->child[w->nchildren++] = pid;
}

static void
do_kill(struct worker *w)
{
    if (w->nchildren > 0 && below(w, 2) && kill(w->child[below(w, w->nchildren)], SIGKILL) != 0)
        wrong(w, "kill: %s", tap_errno_name(errno));
}

static void
do_wait(struct worker *w)
{
    reap(w, below(w, 3) == 0);
}

/* Look at somebody's memory through /proc, who may be ending. */
static void
do_look(struct worker *w)
{
    static const char *const names[] = { "maps", "statm", "status", "pagetable", "stat" };
    char path[64], text[512];
    pid_t pid = w->nchildren ? w->child[below(w, w->nchildren)] : getppid();

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, names[below(w, ARRAY_LEN(names))]);
    int fd = open(path, O_RDONLY);
    for (int i = 0; fd >= 0 && i < 6 && read(fd, text, sizeof(text)) > 0; i++)
        ;
    if (fd >= 0)
        close(fd);
}

static const struct {
    const char *name;
    void (*fn)(struct worker *w);
    int weight;
} operations[] = {
    { "mmap", do_map, 10 },      { "munmap", do_unmap, 5 },    { "mprotect", do_protect, 8 },
    { "mremap", do_remap, 6 },   { "growing", do_grow, 3 },    { "dontneed", do_dontneed, 4 },
    { "madvise", do_advise, 4 }, { "write", do_write, 25 },    { "check", do_check, 15 },
    { "pgaccess", do_pgaccess, 4 }, { "mincore", do_mincore, 3 }, { "mlock", do_lock, 2 },
    { "copy", do_copy, 6 },      { "forbidden", do_forbidden, 3 }, { "brk", do_brk, 2 },
    { "fork", do_fork, 16 },     { "exec", do_exec, 6 },       { "kill", do_kill, 2 },
    { "wait", do_wait, 4 },      { "look", do_look, 2 },
};

static void
step(struct worker *w)
{
    static int all;

    if (!all)
        for (size_t i = 0; i < ARRAY_LEN(operations); i++)
            all += operations[i].weight;
    int pick = below(w, all);
    size_t i = 0;
    while ((pick -= operations[i].weight) >= 0)
        i++;
    w->op = operations[i].name;
    operations[i].fn(w);
    __atomic_fetch_add(&shared->nops, 1, __ATOMIC_RELAXED);
}

static void
go(struct worker *w, int nsteps)
{
    for (int i = 0; i < nsteps && now_ns() < shared->deadline && !shared->failures; i++)
        step(w);
}

/* A thread: an area of its own, children of its own. */
static void *
thread(void *argument)
{
    struct worker w = *(struct worker *)argument;

    area_begin(&w, below(&w, 2));
    go(&w, 10 + below(&w, 60));
    w.op = "a thread's end";
    reap(&w, 1);
    if (below(&w, 30) == 0)
        _exit(0);               /* of all the process's */
    if (slot_clear(w.slot) == 0)
        in_use[w.slot] = 0;
    return NULL;
}

/* nsteps of this process's first thread; now and then others go beside it. */
static void
run(struct worker *w, int nsteps)
{
    pthread_t id[NAREAS];
    struct worker other[NAREAS];
    pthread_attr_t attr;
    int n = 0, wanted = below(w, 3) ? 0 : 1 + below(w, NAREAS - 1);

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    w->alone = wanted == 0;
    for (int slot = 0; slot < NAREAS && n < wanted; slot++) {
        if (in_use[slot])
            continue;
        other[n] = (struct worker){ .slot = slot, .depth = w->depth, .seed = w->seed + slot * 77 + 1 };
        in_use[slot] = 1;
        if (pthread_create(&id[n], &attr, thread, &other[n]) == 0)
            n++;
        else
            in_use[slot] = 0;
    }
    go(w, nsteps);
    w->op = "the end";
    do_check(w);
    if (below(w, 8) == 0)
        _exit(0);               /* whatever the others are at */
    for (int i = 0; i < n; i++)
        pthread_join(id[i], NULL);
    w->alone = 1;
}

/* A process of its own, from the session or from exec. */
static int
begin(uint64_t seed, int depth)
{
    struct worker w = { .depth = depth, .seed = seed * 0x9e3779b97f4a7c15u | 1, .op = "beginning" };

    in_use[0] = 1;
    area_begin(&w, below(&w, 3));
    do_map(&w);
    do_write(&w);
    run(&w, 20 + below(&w, 200));
    reap(&w, 1);
    return 0;
}

/* Take memory until so many MiB are left, and hold it. */
static void
hog(int leave)
{
    struct sysinfo s;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        sysinfo(&s);
        if (s.freeram * s.mem_unit >> 20 <= (unsigned long)leave) {
            sleep_ms(200);
            continue;
        }
        char *p = mmap(NULL, 1 << 20, BOTH, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (size_t i = 0; p != MAP_FAILED && i < 1 << 20; i += PAGE)
            p[i] = 1;
    }
}

/* The last seconds of a session: everybody ends. 0, or how many did not. */
static int
await_end(struct worker *w)
{
    int64_t limit = shared->deadline + GRACE_SECONDS * 1000000000LL;

    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0)
            return 0;
        if (pid > 0)
            judge(w, pid, status);
        else if (now_ns() > limit)
            return shared->alive ? shared->alive : 1;
        else
            sleep_ms(5);
    }
}

/* One session, in the process that adopts all orphans. Returns how many did not end. */
static int
session(uint64_t seed, double seconds, int leave)
{
    struct worker w = { .seed = seed | 1, .op = "session" };
    int n = 0;

    shared->deadline = now_ns() + (int64_t)(seconds * 1e9);
    shared->alive = 0;
    if (leave <= 0)
        leave = 8 + below(&w, 40);
    pid_t pig = shared->is_quire ? fork() : 0;
    if (pig == 0 && shared->is_quire)
        hog(leave);
    while (now_ns() < shared->deadline && !shared->failures) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0 && pid != pig)
            judge(&w, pid, status);
        if (pid > 0 || shared->alive >= NTOP) {
            sleep_ms(2);
            continue;
        }
        __atomic_fetch_add(&shared->alive, 1, __ATOMIC_RELAXED);
        pid = fork();
        if (pid == 0)
            _exit(begin(seed + 1000003 * ++n, 0));
        n++;
        if (pid < 0)
            __atomic_fetch_sub(&shared->alive, 1, __ATOMIC_RELAXED);
    }
    if (pig > 0) {
        kill(pig, SIGKILL);
        shared->alive++;        /* it is not counted, and judge() will count it out */
    }
    return await_end(&w);
}

/* The frames are as before, but for slabs that are not full. */
static int
settled(void)
{
    account_settle(&before, &after);
    for (int i = 0; i < after.n; i++) {
        long more = after.frames[i] - before.frames[i];
        if (!strcmp(after.name[i], "slab") && labs(more) <= 400) {
            after.frames[i] -= more;
            after.frames[0] += more;
        }
    }
    if (ok(account_alike(&before, &after, 0), "frames as before"))
        return 1;
    account_alike(&before, &after, 1);
    return 0;
}

/* Run sessions for so many seconds; each leaves the frames as it found them. */
static void
sessions(double seconds, uint64_t seed, int leave)
{
    double each = seconds / 3 < 1 ? 1 : seconds / 3 > SESSION_SECONDS ? SESSION_SECONDS : seconds / 3;
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);

    is(session(seed, 1, leave), 0); /* what is made once and kept */
    account_read(&before);
    account_settle(&before, &after);    /* what the account itself needs */
    account_begin(&before);
    do {
        uint64_t old = shared->nops;
        int left = session(++seed, each, leave);
        ok(left == 0 && !shared->failures, "session %llu: %llu operations, %d left",
           (unsigned long long)seed, (unsigned long long)(shared->nops - old), left);
        if (left || shared->failures)
            break;
        if (shared->is_quire && !settled())
            break;
    } while (now_ns() < end);
    ok(1, "%llu forks, %llu execs, %llu killed, %llu refused", (unsigned long long)shared->nforks,
       (unsigned long long)shared->nexecs, (unsigned long long)shared->nkilled,
       (unsigned long long)shared->nrefused);
}

static struct shared *
map_shared(void)
{
    void *p = mmap(NULL, PAGE, BOTH, MAP_SHARED, SHARED_FD, 0);

    return p == MAP_FAILED ? NULL : p;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--exit"))
        return 0;
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 127;             /* memory is out */
    if (argc > 3 && !strcmp(argv[1], "--go-on")) {
        shared = map_shared();
        return shared ? begin(strtoull(argv[2], NULL, 0), atoi(argv[3])) : 0;
    }
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    int leave = argc > 3 ? atoi(argv[3]) : 0;

    tap_begin("stress");
    alarm((int)seconds + TAP_SECONDS + GRACE_SECONDS);
    int fd = memfd_create("stress", 0);
    ftruncate(fd, PAGE);
    dup2(fd, SHARED_FD);
    close(fd);
    shared = map_shared();
    shared->is_quire = access("/proc/frames", R_OK) == 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sessions(seconds, seed, leave);
    return tap_end();
}
