/*
 * Where a walk may go: openat2's RESOLVE flags in all combinations, ".." out of
 * a bind mount's part of a tree, and both against renames.
 */
#include "tap.h"
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/mount.h>

static int box;                 /* O_PATH descriptor of "box" */

/* openat2; the descriptor is closed at once. 0, or an errno. */
static int
try(int dirfd, const char *name, uint64_t flags, uint64_t resolve)
{
    struct open_how how = { .flags = flags, .resolve = resolve,
                            .mode = flags & O_CREAT ? 0600 : 0 };
    int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

#define BEN RESOLVE_BENEATH
#define ROOT RESOLVE_IN_ROOT
#define NX RESOLVE_NO_XDEV
#define NM RESOLVE_NO_MAGICLINKS
#define NS RESOLVE_NO_SYMLINKS

/*
 * box/{f, d/f, abs -> /f, up -> ../outside, in -> d/f, self -> /proc/self/fd/N of outside,
 * m (a mount)/f, m/out -> ../f}, outside
 */
static void
test_table(void)
{
    static const struct { const char *name; uint64_t resolve; int error; } table[] = {
        { "f", BEN, 0 }, { "f", ROOT, 0 }, { "f", NX | NM | NS, 0 },
        { "/f", BEN, EXDEV }, { "/f", ROOT, 0 }, { "/d/../f", ROOT, 0 },
        { "../outside", BEN, EXDEV }, { "../outside", ROOT, ENOENT },
        { "../f", ROOT, 0 }, { "/../../f", ROOT, 0 }, { "d/../../f", ROOT, 0 },
        { "d/../../box/f", BEN, EXDEV }, { "d/../f", BEN, 0 }, { "d/..", BEN, 0 },
        { "d/../..", BEN, EXDEV }, { "..", BEN, EXDEV }, { "..", ROOT, 0 },
        { "..", 0, 0 }, { ".", BEN, 0 }, { "/", ROOT, 0 }, { "/", BEN, EXDEV },
        { "abs", BEN, EXDEV }, { "abs", ROOT, 0 }, { "abs", NS, ELOOP },
        { "abs", 0, ENOENT }, { "up", BEN, EXDEV }, { "up", ROOT, ENOENT },
        { "up", 0, 0 }, { "up", NX, 0 }, { "in", BEN, 0 }, { "in", ROOT, 0 },
        { "in", NS, ELOOP }, { "in", NM, 0 }, { "in", NX, 0 },
        { "in/x", NS, ELOOP }, { "in/x", BEN, ENOTDIR },
        { "m/f", NX, EXDEV }, { "m", NX, EXDEV }, { "m/f", BEN, 0 },
        { "m/f", ROOT, 0 }, { "m/out", BEN, 0 }, { "m/out", ROOT, 0 },
        { "m/../f", BEN, 0 }, { "m/../f", ROOT, 0 }, { "m/../f", NX, EXDEV },
        { "m/../../outside", BEN, EXDEV }, { "m/../../outside", ROOT, ENOENT },
        { "m/../..", ROOT, 0 }, { "self", NM, ELOOP }, { "self", BEN, EXDEV },
        { "self", ROOT, ENOENT }, { "self", NS, ELOOP }, { "self", NX, EXDEV },
        { "self", 0, 0 }, { "none", BEN, ENOENT }, { "f/x", ROOT, ENOTDIR },
        { "f/..", BEN, ENOTDIR }, { "/", NX, 0 }, { "/proc/version", NX, EXDEV },
        { "f", BEN | ROOT, EINVAL }, { "f", 1 << 10, EINVAL },
        { "abs", BEN | NS, ELOOP }, { "/f", ROOT | NX | NM | NS, 0 },
        { "m/f", ROOT | NX, EXDEV }, { "self", BEN | NM, EXDEV },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int error = try(box, table[i].name, O_RDONLY, table[i].resolve);
        ok(error == table[i].error, "%s with %#lx: %s, not %s", table[i].name,
           (unsigned long)table[i].resolve, strerrorname_np(table[i].error),
           strerrorname_np(error));
    }
    is(try(99, "/f", O_RDONLY, ROOT), EBADF);
    is(try(99, "/f", O_RDONLY, BEN), EXDEV);
    is(try(99, "/tmp", O_RDONLY, 0), 0);
    is(try(99, "f", O_RDONLY, BEN), EBADF);

    /* What is made is made within. */
    is(try(box, "/new", O_RDWR | O_CREAT, ROOT), 0);
    is(access("box/new", F_OK), 0);
    is(unlink("box/new"), 0);
    is(try(box, "abs2", O_RDWR | O_CREAT, ROOT), 0);
    is(unlink("box/new"), 0);
    is(try(box, "../new", O_RDWR | O_CREAT, BEN), EXDEV);
    is(try(box, "up2", O_RDWR | O_CREAT, BEN), EXDEV);
    is(try(box, "/", O_RDWR | O_TMPFILE, ROOT), 0);
    is(try(box, "..", O_RDWR | O_TMPFILE, BEN), EXDEV);
    fails(access("new", F_OK), ENOENT);

    int file = open("box/f", O_RDONLY);
    is(try(file, "x", O_RDONLY, BEN), ENOTDIR);
    close(file);

    /* Cached: what a look has just found is there; what must be made never is. */
    is(try(box, "d/f", O_RDONLY, 0), 0);
    is(try(box, "d/f", O_RDONLY, RESOLVE_CACHED), 0);
    is(try(box, "d/f", O_RDONLY, RESOLVE_CACHED | BEN), 0);
    is(try(box, "d/f", O_RDWR | O_CREAT, RESOLVE_CACHED), EAGAIN);
    is(try(box, "d/f", O_RDWR | O_TRUNC, RESOLVE_CACHED), EAGAIN);
    is(try(box, "..", O_RDONLY, RESOLVE_CACHED | BEN), EAGAIN);
    is(try(box, "d/../../f", O_RDONLY, RESOLVE_CACHED | BEN), EAGAIN);
    is(try(box, "..", O_RDONLY, RESOLVE_CACHED | ROOT), 0);
}

static void
make_box(void)
{
    char target[64];

    mkdir("box", 0755);
    mkdir("box/d", 0755);
    mkdir("box/m", 0755);
    put_file("box/f", "f", 1, 0644);
    put_file("box/d/f", "f", 1, 0644);
    put_file("outside", "o", 1, 0644);
    symlink("/f", "box/abs");
    symlink("/new", "box/abs2");
    symlink("../outside", "box/up");
    symlink("../new", "box/up2");
    symlink("d/f", "box/in");
    snprintf(target, sizeof(target), "/proc/self/fd/%d", open("outside", O_RDONLY));
    symlink(target, "box/self");
    is(mount("none", "box/m", "tmpfs", 0, NULL), 0);
    put_file("box/m/f", "f", 1, 0644);
    symlink("../f", "box/m/out");
    box = open("box", O_PATH | O_DIRECTORY);
}

static volatile int stop;

static void *
move_about(void *unused)
{
    while (!stop) {
        rename("out/in/a/b", "out/b");
        rename("out/b", "out/in/a/b");
    }
    return unused;
}

/* A directory moves out of the scope while a walk stands in it. */
static void
test_scope_race(void)
{
    char path[2048] = "a/b";
    pthread_t mover;
    int escaped = 0, odd = 0;

    mkdir("out", 0755);
    mkdir("out/in", 0755);
    mkdir("out/in/a", 0755);
    mkdir("out/in/a/b", 0755);
    put_file("secret", "s", 1, 0600);
    put_file("out/secret", "s", 1, 0600);
    for (int i = 0; i < 400; i++)
        strcat(path, "/.");
    strcat(path, "/../../secret");
    int in = open("out/in", O_PATH);
    stop = 0;
    pthread_create(&mover, NULL, move_about, NULL);
    int64_t end = now_ns() + 1500000000;
    do {
        for (int i = 0; i < 40; i++) {
            int error = try(in, path, O_RDONLY, i % 2 ? ROOT : BEN);
            escaped += error == 0;
            odd += error != 0 && error != ENOENT && error != EAGAIN && error != EXDEV;
        }
    } while (now_ns() < end);
    stop = 1;
    pthread_join(mover, NULL);
    is(escaped, 0);
    is(odd, 0);
    close(in);
}

/* ".." in a directory that was moved out of the part which a bind mount shows. */
static void
test_moved_out(void)
{
    struct gate ready, moved;
    char here[256];

    mkdir("A", 0755);
    mkdir("A/jail", 0755);
    mkdir("A/jail/x", 0755);
    mkdir("A/jail/x/y", 0755);
    mkdir("A/C", 0755);
    mkdir("B", 0755);
    put_file("A/C/secret", "s", 1, 0644);
    is(mount("A/jail", "B", NULL, MS_BIND, NULL), 0);
    gate_init(&ready);
    gate_init(&moved);
    pid_t pid = tap_fork();
    if (pid == 0) {
        if (chdir("B") || chroot(".") || chdir("x/y"))
            _exit(100);
        gate_open(&ready);
        gate_wait(&moved);
        struct stat st;
        int wrong = stat("..", &st) == 0 || errno != ENOENT;
        wrong |= stat("../..", &st) == 0 || errno != ENOENT ? 2 : 0;
        wrong |= open("../../secret", O_RDONLY) >= 0 || errno != ENOENT ? 4 : 0;
        wrong |= mkdir("../../made", 0755) == 0 || errno != ENOENT ? 8 : 0;
        wrong |= access("../y", F_OK) == 0 || chdir("..") == 0 || errno != ENOENT ? 16 : 0;
        wrong |= syscall(SYS_getcwd, here, sizeof(here)) < 0 || strcmp(here, "(unreachable)/") ? 32 : 0;
        _exit(wrong);
    }
    gate_wait(&ready);
    is(rename("A/jail/x", "A/C/x"), 0);
    gate_open(&moved);
    is(tap_wait(pid), 0);
    /* Back in its place it has its parent again. */
    chdir("B");
    is(rename("../A/C/x", "../A/jail/x"), 0);
    is(access("x/y/../../x", F_OK), 0);
    chdir("..");
    is(umount("B"), 0);
}

/* A mount on a walk's root: ".." stays on top of it. */
static void
test_covered_root(void)
{
    struct stat st, top;

    pid_t pid = tap_fork();
    if (pid == 0) {
        if (mkdir("r", 0755) || chroot("r") || chdir("/") ||
            mount("none", "/", "tmpfs", 0, NULL) || chdir("/..") || mkdir("in", 0755))
            _exit(1);
        stat(".", &top);
        _exit(stat("in/../..", &st) || st.st_dev != top.st_dev || st.st_ino != top.st_ino);
    }
    is(tap_wait(pid), 0);
    umount("r");
}

int
main(void)
{
    tap_begin("resolve");
    is(mount("none", ".", "tmpfs", 0, NULL), 0);
    chdir(tap_directory);
    make_box();
    test_table();
    test_scope_race();
    test_moved_out();
    test_covered_root();
    chdir("/");
    umount2(tap_directory, MNT_DETACH);
    return tap_end();
}
