/*
 * The mount tree: what can be bound, moved and taken off, and what cannot,
 * because it hangs nowhere; deep trees; and mounts against other changes of
 * names.
 */
#include "tap.h"
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mount.h>

static int
lines_of_mounts(void)
{
    FILE *f = fopen("/proc/self/mounts", "r");
    int c, n = 0;

    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static const char *
by_descriptor(int fd)
{
    static char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

/* Every mount call on a file that is in no mount of the tree. */
static void
refuse_all(int fd, int bind_error)
{
    const char *p = by_descriptor(fd);

    fails(mount(p, "file", NULL, MS_BIND, NULL), bind_error);
    fails(mount(p, "file", NULL, MS_BIND | MS_REC, NULL), bind_error);
    fails(mount(p, p, NULL, MS_BIND, NULL), ENOENT);
    fails(mount("file", p, NULL, MS_BIND, NULL), ENOENT);
    fails(mount("dir", p, NULL, MS_BIND, NULL), ENOENT);
    fails(mount("none", p, "tmpfs", 0, NULL), ENOENT);
    fails(mount("dir", p, NULL, MS_MOVE, NULL), ENOENT);
    fails(mount(p, "file", NULL, MS_MOVE, NULL), EINVAL);
    fails(mount(p, "dir", NULL, MS_MOVE, NULL), EINVAL);
    fails(umount2(p, 0), EINVAL);
    fails(umount2(p, MNT_DETACH), EINVAL);
    fails(mount(NULL, p, NULL, MS_REMOUNT, NULL), EINVAL);
    fails(mount(NULL, p, NULL, MS_REMOUNT | MS_BIND, NULL), EINVAL);
    fails(mount(NULL, p, NULL, MS_PRIVATE, NULL), EINVAL);
    fails(syscall(SYS_pivot_root, p, "dir"), ENOTDIR);
    fails(syscall(SYS_pivot_root, "dir", p), ENOTDIR);
}

static void
test_nameless(void)
{
    int ends[2], fd;

    is(pipe(ends), 0);
    refuse_all(ends[0], EINVAL);
    refuse_all(eventfd(0, 0), EINVAL);
    refuse_all((int)syscall(SYS_memfd_create, "m", 0), EINVAL);
    refuse_all(open(".", O_TMPFILE | O_RDWR, 0600), ENOENT);
    put_file("gone", "", 0, 0600);
    fd = open("gone", O_RDWR);
    unlink("gone");
    refuse_all(fd, ENOENT);

    mkdir("gone", 0755);
    fd = open("gone", O_RDONLY);
    rmdir("gone");
    fails(mount(by_descriptor(fd), "dir", NULL, MS_BIND, NULL), ENOENT);
    fails(mount("dir", by_descriptor(fd), NULL, MS_BIND, NULL), ENOENT);
    fails(mount("none", by_descriptor(fd), "tmpfs", 0, NULL), ENOENT);
    for (int i = 3; i < 16; i++)
        close(i);
}

/* A mount that was taken off lazily: its files work, but nothing can be mounted on it or of it. */
static void
test_detached(void)
{
    char here[128];

    mkdir("m", 0755);
    is(mount("none", "m", "tmpfs", 0, NULL), 0);
    mkdir("m/d", 0755);
    mkdir("m/s", 0755);
    is(mount("none", "m/s", "tmpfs", 0, NULL), 0);
    int root = open("m", O_RDONLY), d = open("m/d", O_RDONLY);
    chdir("m/d");
    is(umount2("../../m", MNT_DETACH), 0);
    fails(mount("none", by_descriptor(d), "tmpfs", 0, NULL), ENOENT);
    fails(mount(by_descriptor(d), tap_directory, NULL, MS_BIND, NULL), EINVAL);
    fails(mount(by_descriptor(root), tap_directory, NULL, MS_MOVE, NULL), EINVAL);
    fails(mount(NULL, by_descriptor(root), NULL, MS_REMOUNT | MS_RDONLY, NULL), EINVAL);
    fails(umount2(by_descriptor(root), MNT_DETACH), EINVAL);
    is(mkdir("new", 0755), 0);
    ok(syscall(SYS_getcwd, here, sizeof(here)) > 0 && !strcmp(here, "(unreachable)/d"),
       "getcwd where no name leads");
    memset(here, 0, sizeof(here));
    ok(readlink("/proc/self/cwd", here, sizeof(here)) > 0 && !strcmp(here, "/d"),
       "the link to it shows how far the names lead");
    is(chdir(".."), 0);
    is(chdir(".."), 0);
    is(access("d/new", F_OK), 0);
    is(access("s/..", F_OK), 0);                /* what hung on it came off, too */
    is(mkdir("s/under", 0755), 0);
    chdir(tap_directory);
    is(fchdir(d), 0);
    is(access("new", F_OK), 0);
    chdir(tap_directory);
    close(d);
    close(root);
}

static void
test_deep(void)
{
    enum { LEVELS = 150 };
    int before = lines_of_mounts(), nested = 0;
    struct stat st, other;

    mkdir("deep", 0755);
    mkdir("copy", 0755);
    chdir("deep");
    for (; nested < LEVELS; nested++)
        if (mkdir("m", 0755) || mount("none", "m", "tmpfs", 0, "size=64k") || chdir("m"))
            break;
    put_file("bottom", "", 0, 0644);
    stat("bottom", &st);
    chdir(tap_directory);
    is(nested, LEVELS);
    is(mount("deep", "copy", NULL, MS_BIND | MS_REC, NULL), 0);
    is(lines_of_mounts(), before + 2 * LEVELS + 1);
    chdir("copy");
    for (int i = 0; i < LEVELS; i++)
        chdir("m");
    ok(stat("bottom", &other) == 0 && other.st_ino == st.st_ino, "the copy is as deep");
    chdir(tap_directory);
    /* Of part of the tree: only what is below. */
    mkdir("part", 0755);
    is(mount("deep/m/m", "part", NULL, MS_BIND | MS_REC, NULL), 0);
    is(lines_of_mounts(), before + 3 * LEVELS);
    is(umount2("part", MNT_DETACH), 0);
    is(umount2("copy", MNT_DETACH), 0);
    is(lines_of_mounts(), before + LEVELS);
    fails(mount("deep/m", "deep/m/m/m", NULL, MS_MOVE, NULL), ELOOP);
    is(umount2("deep/m", MNT_DETACH), 0);
    is(lines_of_mounts(), before);
}

/* A link that is mounted is followed like any other. */
static void
test_mounted_link(void)
{
    put_file("one", "1", 1, 0644);
    put_file("two", "22", 2, 0644);
    symlink("two", "link");
    int fd = open("link", O_PATH | O_NOFOLLOW);
    is(mount(by_descriptor(fd), "one", NULL, MS_BIND, NULL), 0);
    struct stat st;
    is(stat("one", &st), 0);
    is(st.st_size, 2);
    is(lstat("one", &st), 0);
    ok(S_ISLNK(st.st_mode), "lstat shows the link");
    is(umount2("one", UMOUNT_NOFOLLOW), 0);
    close(fd);
}

static void
test_nosymfollow(void)
{
    struct stat st;

    mkdir("n", 0755);
    is(mount("none", "n", "tmpfs", 256 /* MS_NOSYMFOLLOW */, NULL), 0);
    symlink("file", "n/link");
    put_file("n/file", "", 0, 0644);
    fails(open("n/link", O_RDONLY), ELOOP);
    fails(stat("n/link", &st), ELOOP);
    is(lstat("n/link", &st), 0);
    is(umount("n"), 0);
}

/* Read-only is refused while a file is open for writing, also through a mount taken off. */
static void
test_hidden_writer(void)
{
    mkdir("w", 0755);
    mkdir("w2", 0755);
    is(mount("none", "w", "tmpfs", 0, NULL), 0);
    is(mount("w", "w2", NULL, MS_BIND, NULL), 0);
    int fd = open("w2/file", O_CREAT | O_WRONLY, 0600);
    is(umount2("w2", MNT_DETACH), 0);
    fails(mount(NULL, "w", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
    close(fd);
    is(mount(NULL, "w", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    is(umount("w"), 0);
}

/* What is mounted on the directory of a process comes off when that has ended. */
static void
test_on_process(void)
{
    int before = lines_of_mounts();
    char path[64];
    struct gate end;

    gate_init(&end);
    pid_t pid = tap_fork();
    if (pid == 0) {
        gate_wait(&end);
        _exit(0);
    }
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    is(mount("none", path, "tmpfs", 0, NULL), 0);
    is(lines_of_mounts(), before + 1);
    gate_open(&end);
    tap_wait(pid);
    fails(access(path, F_OK), ENOENT);
    is(lines_of_mounts(), before);
    gate_close(&end);
}

int
main(void)
{
    tap_begin("mounttree");
    is(mount("none", ".", "tmpfs", 0, NULL), 0);
    is(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    chdir(tap_directory);
    mkdir("dir", 0755);
    put_file("file", "", 0, 0644);
    test_nameless();
    test_detached();
    test_deep();
    test_mounted_link();
    test_nosymfollow();
    test_hidden_writer();
    test_on_process();
    chdir("/");
    is(umount(tap_directory), 0);
    return tap_end();
}
