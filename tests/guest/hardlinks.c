/*
 * Hard links that are made and removed at the same time: a tmpfs counts names
 * as inodes, and its count must be right whichever comes first. A file whose
 * last name has gone gets no new one.
 */
#include "tap.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#define SECONDS 1
#define FILES 64

static struct shared {
    int round;  /* the children begin this one ... */
    int done[2]; /* ... and have ended it */
    int stop;
} *shared;

static long
inodes_used(void)
{
    struct statfs st;

    return statfs("fs", &st) < 0 ? -1 : (long)(st.f_files - st.f_ffree);
}

static void
wait_for(int *word, int value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        sched_yield();
}

/* The name of the n-th file in a directory. */
static const char *
name(char *buf, const char *dir, int n)
{
    snprintf(buf, 16, "fs/%s/%d", dir, n);
    return buf;
}

static void
unlink_first(int n)
{
    char a[16];

    unlink(name(a, "a", n));
}

static void
unlink_second(int n)
{
    char b[16];

    unlink(name(b, "b", n));
}

static void
link_third(int n)
{
    char a[16], c[16];

    link(name(a, "a", n), name(c, "c", n));
}

static void
replace_second(int n)
{
    char b[16], d[16];

    rename(name(d, "d", n), name(b, "b", n));
}

/* Call fn for each file in each round. */
static pid_t
repeat(int index, void (*fn)(int))
{
    pid_t pid = tap_fork();

    if (pid)
        return pid;
    for (int round = 1;; round++) {
        wait_for(&shared->round, round);
        if (shared->stop)
            _exit(0);
        for (int n = 0; n < FILES; n++)
            fn(n);
        __atomic_store_n(&shared->done[index], round, __ATOMIC_RELEASE);
    }
}

static void
make(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    if (fd >= 0)
        close(fd);
}

static void
make_all(int two_names)
{
    char a[16], b[16], d[16];

    for (int n = 0; n < FILES; n++) {
        make(name(a, "a", n));
        make(name(d, "d", n));
        if (two_names)
            link(a, name(b, "b", n));
    }
}

static void
remove_all(void)
{
    char path[16];

    for (int n = 0; n < FILES; n++)
        for (const char *dir = "abcd"; *dir; dir++)
            unlink(name(path, (char[]){*dir, '\0'}, n));
}

/* Let two functions meet, over and over, on files with one name, or two. */
static void
race(const char *what, void (*first)(int), void (*second)(int), int two_names)
{
    long before = inodes_used();
    time_t end = time(NULL) + 1 + SECONDS;

    memset(shared, 0, sizeof(*shared));
    pid_t children[2] = {repeat(0, first), repeat(1, second)};
    for (int round = 1; !shared->stop; round++) {
        shared->stop = time(NULL) >= end;
        if (!shared->stop)
            make_all(two_names);
        __atomic_store_n(&shared->round, round, __ATOMIC_RELEASE);
        if (shared->stop)
            break;
        wait_for(&shared->done[0], round);
        wait_for(&shared->done[1], round);
        remove_all();
    }
    for (int i = 0; i < 2; i++)
        waitpid(children[i], NULL, 0);
    ok(inodes_used() == before, "%s: %ld inodes are used, %ld before", what, inodes_used(), before);
}

static void
test_races(void)
{
    race("two names go", unlink_first, unlink_second, 1);
    race("a name comes while the last goes", unlink_first, link_third, 0);
    race("a name goes while another is replaced", unlink_first, replace_second, 1);
}

static void
test_nameless(void)
{
    char path[64];
    int fd = open("fs", O_TMPFILE | O_RDWR, 0600);
    long before = inodes_used();

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    works(linkat(AT_FDCWD, path, AT_FDCWD, "fs/t", AT_SYMLINK_FOLLOW));
    is(inodes_used(), before);
    works(link("fs/t", "fs/u"));
    is(inodes_used(), before + 1);
    works(unlink("fs/t"));
    works(unlink("fs/u"));
    is(inodes_used(), before);
    fails(linkat(AT_FDCWD, path, AT_FDCWD, "fs/t", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    is(inodes_used(), before - 1);
}

int
main(void)
{
    tap_begin("hardlinks");
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mkdir("fs", 0700);
    works(mount("none", "fs", "tmpfs", 0, NULL));
    works(mkdir("fs/a", 0700) | mkdir("fs/b", 0700) | mkdir("fs/c", 0700) | mkdir("fs/d", 0700));
    test_nameless();
    test_races();
    works(umount("fs"));
    return tap_end();
}
