/*
 * A file is written or executed, never both at once: ETXTBSY to whoever comes
 * second, and an end of it when the first has gone.
 */
#include "tap.h"

#define COPY "program"

static void
copy_self(void)
{
    char buffer[65536];
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(COPY, O_CREAT | O_TRUNC | O_WRONLY, 0755);
    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        if (write(to, buffer, n) != n)
            break;
    close(from);
    close(to);
}

/* Start the copy, which says when it runs and then waits to be killed. */
static pid_t
start_copy(void)
{
    int ready[2];
    works(pipe(ready));
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], 1);
        alarm(TAP_SECONDS);
        execl(COPY, COPY, "wait", NULL);
        _exit(127);
    }
    close(ready[1]);
    char byte = 0;
    is(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void
test_running(void)
{
    pid_t child = start_copy();
    fails(open(COPY, O_WRONLY), ETXTBSY);
    fails(open(COPY, O_RDWR), ETXTBSY);
    fails(open(COPY, O_WRONLY | O_TRUNC), ETXTBSY);
    fails(open(COPY, O_RDONLY | O_TRUNC), ETXTBSY);
    fails(open(COPY, O_RDONLY | O_CREAT | O_TRUNC, 0644), ETXTBSY);
    fails(open(COPY, O_ACCMODE | O_TRUNC), ETXTBSY);
    fails(truncate(COPY, 0), ETXTBSY);
    int fd = open(COPY, O_RDONLY);
    ok(fd >= 0, "reading is allowed");
    close(fd);
    works(kill(child, SIGKILL));
    is(waitpid(child, NULL, 0), child);
    fd = open(COPY, O_WRONLY);
    ok(fd >= 0, "writing is allowed once it has ended");
    close(fd);
}

static void
test_written(void)
{
    int fd = open(COPY, O_WRONLY);
    works(fd);
    fails(execl(COPY, COPY, "wait", NULL), ETXTBSY);
    close(fd);
    pid_t child = start_copy();
    works(kill(child, SIGKILL));
    is(waitpid(child, NULL, 0), child);
    works(unlink(COPY));
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        if (write(1, "x", 1) == 1)
            pause();
        return 1;
    }
    tap_begin("txtbusy");
    copy_self();
    test_running();
    test_written();
    return tap_end();
}
