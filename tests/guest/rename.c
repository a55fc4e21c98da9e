/*
 * rename and renameat2: replacing, moving, exchanging, and the refusals.
 */
#include "tap.h"
#include <linux/fs.h>

static long
rename2(const char *from, const char *to, unsigned flags)
{
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

static nlink_t
links_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 ? 0 : st.st_nlink;
}

static void
test_files(void)
{
    char text[8];

    put_file("a", "aaa", 3, 0644);
    put_file("b", "bb", 2, 0644);
    ino_t a = inode_of("a");
    is(rename("a", "c"), 0);
    is(inode_of("a"), 0);
    is(inode_of("c"), a);
    int fd = open("b", O_RDONLY);
    is(rename("c", "b"), 0);
    is(inode_of("b"), a);
    is(inode_of("c"), 0);
    is(read(fd, text, 8), 2);           /* the replaced one lives on */
    struct stat st;
    fstat(fd, &st);
    is(st.st_nlink, 0);
    close(fd);
    is(rename("b", "b"), 0);
    link("b", "same");
    is(rename("b", "same"), 0);         /* two names of one file: nothing */
    is(inode_of("b"), a);
    is(links_of("b"), 2);
    unlink("same");

    fails(rename("missing", "x"), ENOENT);
    fails(rename("b", "missing/x"), ENOENT);
    fails(rename("b", ""), ENOENT);
    fails(rename("", "b"), ENOENT);
    fails(rename("b/", "x"), ENOTDIR);
    fails(rename("b", "x/"), ENOTDIR);
    fails(rename("b/x", "y"), ENOTDIR);
    fails(rename("b", "/proc/x"), EXDEV);
    fails(rename("b", hole()), EFAULT);
    fails(rename(KERNEL_POINTER, "b"), EFAULT);
    fails(rename(".", "x"), EBUSY);
    fails(rename("b", "."), EBUSY);
    fails(rename("b", ".."), EBUSY);
    char name[300];
    memset(name, 'n', 299);
    name[299] = 0;
    fails(rename("b", name), ENAMETOOLONG);
    is(inode_of("b"), a);
}

static void
test_directories(void)
{
    mkdir("d", 0755);
    mkdir("e", 0755);
    mkdir("d/sub", 0755);
    put_file("d/file", "", 0, 0644);
    nlink_t here = links_of(".");
    ino_t d = inode_of("d");

    fails(rename("b", "d"), EISDIR);
    fails(rename("d", "b"), ENOTDIR);
    fails(rename("e", "d"), ENOTEMPTY);
    fails(rename("d", "d/sub/x"), EINVAL);
    fails(rename("d", "d/x"), EINVAL);
    fails(rename("d/sub", "d"), ENOTEMPTY);
    fails(rename("d/.", "x"), EBUSY);
    fails(rename("d/..", "x"), EBUSY);
    is(rename("d", "e"), 0);            /* an empty directory is replaced */
    is(inode_of("e"), d);
    is(links_of("."), here - 1);
    is(links_of("e"), 3);
    mkdir("f", 0755);
    is(rename("e/sub", "f/sub"), 0);
    is(links_of("e"), 2);
    is(links_of("f"), 3);
    is(inode_of("f/sub/.."), inode_of("f"));
    is(rename("e/", "g/"), 0);
    is(inode_of("g"), d);
    is(rename("f/sub", "f/sub"), 0);
    ok(inode_of("g/file") != 0, "what was inside is still inside");

    /* The working directory moves with its directory. */
    char text[128], want[128];
    chdir("f/sub");
    is(rename("../../f", "../../h"), 0);
    snprintf(want, sizeof(want), "%s/h/sub", tap_directory);
    ok(getcwd(text, sizeof(text)) && !strcmp(text, want), "getcwd tells so");
    chdir(tap_directory);
}

static void
test_links(void)
{
    symlink("b", "s");
    ino_t s = inode_of("s"), b = inode_of("b");
    is(rename("s", "t"), 0);
    is(inode_of("t"), s);
    put_file("victim", "", 0, 0644);
    is(rename("victim", "t"), 0);       /* replaces the link, not b */
    ok(inode_of("b") == b && inode_of("t") != s, "links are not followed");
    symlink("g", "to_g");
    fails(rename("to_g/", "x"), ENOTDIR);
    fails(rename("g", "to_g"), ENOTDIR);
    unlink("to_g");
    unlink("t");
}

static void
test_flags(void)
{
    put_file("one", "1", 1, 0644);
    put_file("two", "2", 1, 0644);
    ino_t one = inode_of("one"), two = inode_of("two"), g = inode_of("g");

    fails(rename2("one", "two", RENAME_NOREPLACE), EEXIST);
    fails(rename2("one", "one", RENAME_NOREPLACE), EEXIST);
    is(inode_of("one"), one);
    is(rename2("one", "three", RENAME_NOREPLACE), 0);
    is(inode_of("three"), one);
    is(rename2("three", "one", 0), 0);
    is(rename2("one", "two", RENAME_EXCHANGE), 0);
    ok(inode_of("one") == two && inode_of("two") == one, "exchanged");
    is(rename2("one", "g", RENAME_EXCHANGE), 0);
    ok(inode_of("one") == g && inode_of("g") == two, "even with a directory");
    is(rename2("one", "g", RENAME_EXCHANGE), 0);
    is(links_of("g"), 2);
    fails(rename2("one", "missing", RENAME_EXCHANGE), ENOENT);
    fails(rename2("missing", "one", RENAME_EXCHANGE), ENOENT);
    fails(rename2("g", "g/file", RENAME_EXCHANGE), EINVAL);
    fails(rename2("g/file", "g", RENAME_EXCHANGE), EINVAL);
    fails(rename2("one", "two", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
    fails(rename2("one", "two", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
    fails(rename2("one", "two", 8), EINVAL);
    fails(rename2("one", "two", -1), EINVAL);
    fails(rename2("one", ".", RENAME_NOREPLACE), EEXIST);

    mkdir("h/deep", 0755);
    is(rename2("h/sub", "g", RENAME_EXCHANGE), 0);
    is(inode_of("h/sub"), g);
    is(inode_of("h/sub/.."), inode_of("h"));
    is(inode_of("g/.."), inode_of("."));
    is(links_of("h"), 4);
}

static void
test_at(void)
{
    int h = open("h", O_RDONLY), file = open("one", O_RDONLY);

    is(renameat(AT_FDCWD, "one", h, "moved"), 0);
    ok(inode_of("h/moved") != 0, "moved between directories by descriptor");
    is(renameat(h, "moved", AT_FDCWD, "one"), 0);
    fails(renameat(999, "one", h, "x"), EBADF);
    fails(renameat(AT_FDCWD, "one", file, "x"), ENOTDIR);
    close(h);
    close(file);
}

static void
as_user(void)
{
    works(setresgid(1000, 1000, 1000));
    works(setresuid(1000, 1000, 1000));
    fails(rename("one", "x"), EACCES);
    fails(rename("sticky/root", "sticky/x"), EPERM);
    fails(rename("sticky/mine", "sticky/root"), EPERM);
    fails(unlink("sticky/root"), EPERM);
    is(rename("sticky/mine", "sticky/yours"), 0);
    /* To give a directory a new parent, one writes to the directory. */
    fails(rename("open/locked", "open2/locked"), EACCES);
    is(rename("open/locked", "open/renamed"), 0);
    is(rename("open/free", "open2/free"), 0);
}

/* Many processes rename one name about; there is always exactly one. */
static void
test_race(void)
{
    pid_t pid[4];
    int ok_count = 0;

    mkdir("race", 0755);
    put_file("race/0", "", 0, 0644);
    for (int i = 0; i < 4; i++) {
        pid[i] = tap_fork();
        if (pid[i] == 0) {
            char from[16], to[16];
            unsigned seed = i + 1;
            int done = 0;
            for (int n = 0; n < 300; n++) {
                seed = seed * 1664525 + 1013904223;
                snprintf(from, sizeof(from), "race/%u", seed >> 8 & 3);
                snprintf(to, sizeof(to), "race/%u", seed >> 16 & 3);
                done += rename(from, to) == 0;
            }
            _exit(done > 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++)
        ok_count += WIFEXITED(tap_wait(pid[i]));
    is(ok_count, 4);
    int left = 0;
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "race/%d", i);
        left += unlink(name) == 0;
    }
    is(left, 1);
    is(rmdir("race"), 0);
}

int
main(void)
{
    tap_begin("rename");
    test_files();
    test_directories();
    test_links();
    test_flags();
    test_at();
    test_race();
    mkdir("sticky", 0777);
    chmod("sticky", 01777);
    put_file("sticky/root", "", 0, 0666);
    put_file("sticky/mine", "", 0, 0666);
    chown("sticky/mine", 1000, 1000);
    mkdir("open", 0777);
    mkdir("open2", 0777);
    mkdir("open/locked", 0755);
    mkdir("open/free", 0777);
    chmod("open", 0777);
    chmod("open2", 0777);
    chmod("open/free", 0777);
    tap_child(as_user);
    return tap_end();
}
