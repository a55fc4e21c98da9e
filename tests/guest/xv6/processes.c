/* usertests: processes and pipes. */
#include "usertests.h"

/* Bytes in order, in pieces of all sizes, through a pipe. */
enum { PIECES = 5, PIECE = 1033 };
static int fds[2];
static char bytes[PIECE];

static void
write_pieces(void *unused)
{
    (void)unused;
    close(fds[0]);
    for (int piece = 0, next = 0; piece < PIECES; piece++) {
        for (int i = 0; i < PIECE; i++)
            bytes[i] = (char)next++;
        CHECK(write(fds[1], bytes, PIECE) == PIECE);
    }
}

void
test_pipe1(void)
{
    int total = 0, ask = 1, n;

    CHECK(pipe(fds) == 0);
    start(write_pieces, 0);
    close(fds[1]);
    while ((n = read(fds[0], bytes, ask)) > 0) {
        for (int i = 0; i < n; i++)
            CHECK(bytes[i] == (char)(total + i));
        total += n;
        ask = ask * 2 < PIECE ? ask * 2 : PIECE;
    }
    CHECK(total == PIECES * PIECE);
    close(fds[0]);
    expect_status(0);
}

static void
spin(void *unused)
{
    (void)unused;
    for (;;)
        getpid();
}

void
test_killstatus(void)
{
    for (int i = 0; i < 50; i++) {
        int pid = start(spin, 0);
        if (i % 10 == 0)
            sleep(1);
        CHECK(kill(pid) == 0);
        expect_status(-1);
    }
    CHECK(kill(-1) == -1 && kill(0) == -1);
}

/* More that only compute than there are processors: each gets its turn. */
static void
speak_and_compute(void *unused)
{
    (void)unused;
    write(fds[1], "x", 1);
    for (volatile int i = 0;; i++)
        ;
}

void
test_preempt(void)
{
    enum { N = 6 };
    int pids[N];
    char c;

    CHECK(pipe(fds) == 0);
    for (int i = 0; i < N; i++)
        pids[i] = start(speak_and_compute, 0);
    for (int i = 0; i < N; i++)
        CHECK(read(fds[0], &c, 1) == 1);
    for (int i = 0; i < N; i++)
        CHECK(kill(pids[i]) == 0);
    for (int i = 0; i < N; i++)
        expect_status(-1);
}

static void
exit_with(void *status)
{
    exit(*(int *)status);
}

void
test_exitwait(void)
{
    for (int i = 0; i < 100; i++)
        CHECK(status_of(exit_with, &i) == i);
    for (int i = -300; i < 1000; i += 100)
        CHECK(status_of(exit_with, &i) == i);
    CHECK(wait(0) == -1);
}

/* Children that outlive their parents, and parents that outlive theirs. */
void
test_reparent(void)
{
    int first = getpid();

    for (int i = 0; i < 200; i++) {
        int pid = fork();
        CHECK(pid >= 0);
        if (pid) {
            CHECK(wait(0) == pid);
            continue;
        }
        if (fork() < 0)
            kill(first);
        exit(0);
    }
}

void
test_twochildren(void)
{
    for (int i = 0; i < 200; i++) {
        int none = 0;
        start(exit_with, &none);
        start(exit_with, &none);
        expect_status(0);
        expect_status(0);
    }
}

static void
fork_often(void *unused)
{
    int none = 0;

    (void)unused;
    for (int i = 0; i < 200; i++)
        CHECK(status_of(exit_with, &none) == 0);
}

void
test_forkfork(void)
{
    start(fork_often, 0);
    start(fork_often, 0);
    expect_status(0);
    expect_status(0);
}

/* Everybody forks until nobody can: the table of processes is full all the time. */
static void
fork_without_end(void *unused)
{
    (void)unused;
    while (!exists("stop"))
        if (fork() < 0)
            close(open("stop", O_CREATE | O_RDWR));
    exit(0);
}

void
test_forkforkfork(void)
{
    start(fork_without_end, 0);
    sleep(10);
    close(open("stop", O_CREATE | O_RDWR));
    expect_status(0);
    sleep(5); /* the orphans have seen it by now */
    CHECK(unlink("stop") == 0);
}

/* A parent may exit while its children do. */
static void
leave_two(void *unused)
{
    (void)unused;
    fork();
    fork();
    exit(0);
}

void
test_reparent2(void)
{
    for (int i = 0; i < 200; i++)
        CHECK(status_of(leave_two, 0) == 0);
}

void
test_forktest(void)
{
    int n = 0, pid;

    while (n < 1000 && (pid = fork()) >= 0) {
        if (pid == 0)
            exit(0);
        n++;
    }
    CHECK(n > 0 && n < 1000);
    for (int i = 0; i < n; i++)
        CHECK(wait(0) > 0);
    CHECK(wait(0) == -1);
}

void
test_exectest(void)
{
    char *arguments[] = {"echo", "OK", 0};
    char text[8];
    int pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        close(1);
        if (open("echo-ok", O_CREATE | O_WRONLY) != 1)
            exit(2);
        exec("echo", arguments);
        exit(3);
    }
    expect_status(0);
    int fd = open("echo-ok", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 3);
    CHECK(memcmp(text, "OK\n", 3) == 0);
    close(fd);
    CHECK(unlink("echo-ok") == 0);
    CHECK(exec("nosuchprogram", arguments) == -1);
}

/* Arguments that exec has no room for: the caller goes on. */
void
test_bigargtest(void)
{
    static char *arguments[MAXARG + 1], longest[PGSIZE / 16];

    memset(longest, ' ', sizeof(longest) - 1);
    for (int i = 0; i < MAXARG - 1; i++)
        arguments[i] = longest;
    CHECK(exec("echo", arguments) == -1);
    for (int i = 0; i < MAXARG; i++)
        arguments[i] = "";
    CHECK(exec("echo", arguments) == -1);
}

/* A pipe that nobody reads refuses; one that nobody writes ends. */
void
test_pipeends(void)
{
    char c;

    CHECK(pipe(fds) == 0);
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) == -1);
    close(fds[1]);
    CHECK(pipe(fds) == 0);
    close(fds[1]);
    CHECK(read(fds[0], &c, 1) == 0);
    close(fds[0]);
}
