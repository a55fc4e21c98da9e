/*
 * Directories: making, removing, listing, and the ways of path lookup
 * through dots, slashes and symbolic links. rename is in rename.c.
 */
#include "tap.h"
#include <dirent.h>
#include <limits.h>
#include <sys/syscall.h>

struct record {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[];
} __attribute__((packed));

static char buffer[65536];

static nlink_t
links_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 ? 0 : st.st_nlink;
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static void
test_mkdir_rmdir(void)
{
    struct stat st;
    nlink_t before = links_of(".");

    is(mkdir("d", 0777), 0);
    is(stat("d", &st), 0);
    is(st.st_mode, S_IFDIR | 0755);
    is(st.st_nlink, 2);
    is(links_of("."), before + 1);
    is(mkdir("d/e/", 01777), 0);
    stat("d/e", &st);
    is(st.st_mode, S_IFDIR | 01755);
    is(links_of("d"), 3);
    fails(mkdir("d", 0777), EEXIST);
    fails(mkdir("/", 0777), EEXIST);
    fails(mkdir(".", 0777), EEXIST);
    fails(mkdir("d/..", 0777), EEXIST);
    fails(mkdir("", 0777), ENOENT);
    fails(mkdir("x/y", 0777), ENOENT);
    put_file("f", "", 0, 0644);
    fails(mkdir("f", 0777), EEXIST);
    fails(mkdir("f/y", 0777), ENOTDIR);
    symlink("nowhere", "s");
    fails(mkdir("s", 0777), EEXIST);
    fails(mkdir("s/", 0777), EEXIST);
    fails(mkdir(hole(), 0777), EFAULT);

    fails(rmdir("d"), ENOTEMPTY);
    fails(rmdir("d/."), EINVAL);
    fails(rmdir("d/e/.."), ENOTEMPTY);
    fails(rmdir("/"), EBUSY);
    fails(rmdir("."), EINVAL);
    fails(rmdir("f"), ENOTDIR);
    fails(rmdir("missing"), ENOENT);
    fails(rmdir("f/x"), ENOTDIR);
    fails(rmdir(""), ENOENT);
    is(rmdir("d/e/"), 0);
    is(links_of("d"), 2);
    is(rmdir("d"), 0);
    is(links_of("."), before);
    unlink("f");
    unlink("s");
}

static void
test_unlink(void)
{
    mkdir("d", 0755);
    put_file("f", "", 0, 0644);
    fails(unlink("d"), EISDIR);
    fails(unlink("d/"), EISDIR);
    fails(unlink("f/"), ENOTDIR);
    fails(unlink("missing"), ENOENT);
    fails(unlink("missing/"), ENOENT);
    fails(unlink(""), ENOENT);
    fails(unlink("."), EISDIR);
    fails(unlink("/"), EISDIR);
    fails(unlink("d/.."), EISDIR);
    fails(unlink("f/x"), ENOTDIR);
    fails(unlink(hole()), EFAULT);
    fails(unlinkat(AT_FDCWD, "d", 0), EISDIR);
    fails(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
    fails(unlinkat(AT_FDCWD, "f", 1), EINVAL);
    fails(unlinkat(999, "f", 0), EBADF);
    is(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), 0);
    is(unlink("f"), 0);
    fails(unlink("f"), ENOENT);
}

static void
test_link(void)
{
    struct stat st;
    ino_t inode;

    put_file("f", "data", 4, 0644);
    mkdir("d", 0755);
    symlink("f", "s");
    is(link("f", "d/g"), 0);
    stat("f", &st);
    is(st.st_nlink, 2);
    inode = st.st_ino;
    is(inode_of("d/g"), inode);
    fails(link("f", "d/g"), EEXIST);
    fails(link("f", "s"), EEXIST);
    fails(link("d", "dd"), EPERM);
    fails(link("missing", "x"), ENOENT);
    fails(link("f", "missing/x"), ENOENT);
    fails(link("f", "x/"), ENOENT);
    fails(link("f", ""), ENOENT);
    fails(link("f/", "x"), ENOTDIR);
    fails(link("f", "/dev/x"), EXDEV);
    fails(link("f", hole()), EFAULT);
    is(link("s", "hard_s"), 0);         /* the link, not what it leads to */
    lstat("hard_s", &st);
    ok(S_ISLNK(st.st_mode) && st.st_nlink == 2, "link() does not follow");
    is(linkat(AT_FDCWD, "s", AT_FDCWD, "hard_f", AT_SYMLINK_FOLLOW), 0);
    is(inode_of("hard_f"), inode);
    fails(linkat(AT_FDCWD, "s", AT_FDCWD, "y", 1), EINVAL);
    is(unlink("f"), 0);
    is(links_of("d/g"), 2);
    is(unlink("hard_f"), 0);
    is(links_of("d/g"), 1);
    is(unlink("d/g"), 0);
    is(rmdir("d"), 0);
    unlink("s");
    unlink("hard_s");
}

static void
test_symlink(void)
{
    struct stat st;
    char text[64], big[5000];

    is(symlink("target", "s"), 0);
    lstat("s", &st);
    is(st.st_mode, S_IFLNK | 0777);
    is(st.st_size, 6);
    memset(text, 'z', sizeof(text));
    is(readlink("s", text, 64), 6);
    ok(!memcmp(text, "targetz", 7), "the text, without a NUL");
    is(readlink("s", text, 3), 3);
    fails(readlink("s", text, 0), EINVAL);
    fails(syscall(SYS_readlinkat, AT_FDCWD, "s", text, -1), EINVAL);
    fails(readlink("s", hole(), 10), EFAULT);
    fails(readlink(".", text, 64), EINVAL);
    fails(readlink("missing", text, 64), ENOENT);
    fails(symlink("x", "s"), EEXIST);
    fails(symlink("", "t"), ENOENT);
    fails(symlink("x", ""), ENOENT);
    fails(symlink("x", "missing/t"), ENOENT);
    memset(big, 'b', sizeof(big));
    big[4095] = 0;
    is(symlink(big, "big"), 0);
    is(readlink("big", buffer, sizeof(buffer)), 4095);
    fails(stat("big", &st), ENAMETOOLONG);
    big[4095] = 'b';
    big[4096] = 0;
    fails(symlink(big, "bigger"), ENAMETOOLONG);
    unlink("big");
    fails(stat("s", &st), ENOENT);
    put_file("target", "t", 1, 0644);
    is(stat("s", &st), 0);
    is(st.st_size, 1);
    is(unlink("s"), 0);
    is(lstat("target", &st), 0);
    unlink("target");
}

/* A chain of n links to a file. */
static int
chain(int n)
{
    char from[16] = "file", to[16];
    struct stat st;
    int result;

    for (int i = 0; i < n; i++) {
        snprintf(to, sizeof(to), "chain%d", i);
        symlink(from, to);
        strcpy(from, to);
    }
    errno = 0;
    result = stat(from, &st) < 0 ? -errno : 0;
    for (int i = 0; i < n; i++) {
        snprintf(to, sizeof(to), "chain%d", i);
        unlink(to);
    }
    return result;
}

static void
test_walk(void)
{
    struct stat st;

    put_file("file", "", 0, 0644);
    is(chain(1), 0);
    is(chain(40), 0);
    is(chain(41), -ELOOP);
    symlink("self", "self");
    fails(stat("self", &st), ELOOP);
    fails(stat("self/x", &st), ELOOP);
    is(lstat("self", &st), 0);
    unlink("self");

    mkdir("a", 0755);
    mkdir("a/b", 0755);
    symlink("a/b", "ab");
    symlink("..", "a/b/up");
    symlink(tap_directory, "abs");
    symlink("/", "root");
    is(inode_of("a/b/.."), inode_of("a"));
    is(inode_of("ab/.."), inode_of("a"));
    is(inode_of("ab/up"), inode_of("a"));
    is(inode_of("ab/up/b/up/b/../b"), inode_of("a/b"));
    is(inode_of("abs/abs/abs/a"), inode_of("a"));
    is(inode_of("root/tmp"), inode_of("/tmp"));
    is(inode_of("/../../.."), inode_of("/"));
    is(inode_of("a//b///"), inode_of("a/b"));
    is(inode_of("./a/./b/."), inode_of("a/b"));
    is(lstat("ab", &st), 0);
    ok(S_ISLNK(st.st_mode), "lstat stops at a link");
    is(lstat("ab/", &st), 0);
    ok(S_ISDIR(st.st_mode), "but not before a slash");
    fails(stat("file/", &st), ENOTDIR);
    fails(lstat("file/.", &st), ENOTDIR);
    fails(stat("a/c/..", &st), ENOENT);
    unlink("root");
    unlink("abs");
    unlink("a/b/up");
    unlink("ab");
    rmdir("a/b");
    rmdir("a");
    unlink("file");
}

static void
test_cwd(void)
{
    char here[PATH_MAX], deep[64];

    mkdir("c", 0755);
    put_file("f", "", 0, 0644);
    is(chdir("c"), 0);
    ok(getcwd(here, sizeof(here)) && strstr(here, "/c"), "getcwd follows");
    snprintf(deep, sizeof(deep), "%s/c", tap_directory);
    is(syscall(SYS_getcwd, here, strlen(deep) + 1), strlen(deep) + 1);
    fails(syscall(SYS_getcwd, here, strlen(deep)), ERANGE);
    fails(syscall(SYS_getcwd, here, 0), ERANGE);
    fails(syscall(SYS_getcwd, hole(), 100), EFAULT);
    is(rmdir("../c"), 0);
    fails(syscall(SYS_getcwd, here, 100), ENOENT);
    fails(open("x", O_CREAT | O_RDWR, 0600), ENOENT);
    fails(mkdir("x", 0755), ENOENT);
    is(chdir("."), 0);
    is(chdir(".."), 0);
    ok(getcwd(here, sizeof(here)) && !strcmp(here, tap_directory),
       ".. leads out of a directory that is gone");
    fails(chdir("missing"), ENOENT);
    fails(chdir("f"), ENOTDIR);
    fails(chdir(""), ENOENT);
    fails(chdir(hole()), EFAULT);
    int fd = open("f", O_RDONLY);
    fails(fchdir(fd), ENOTDIR);
    fails(fchdir(999), EBADF);
    close(fd);
    fd = open("/", O_RDONLY);
    is(fchdir(fd), 0);
    is(syscall(SYS_getcwd, here, 100), 2);
    close(fd);
    is(chdir(tap_directory), 0);
    unlink("f");
}

/* Read a directory with buffers of this size; return how many names. */
static int
list(const char *path, size_t size, int *wrong)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY), n, names = 0;
    char found[512] = { 0 };

    *wrong = 0;
    while ((n = syscall(SYS_getdents64, fd, buffer, size)) > 0) {
        for (int at = 0; at < n;) {
            struct record *r = (void *)(buffer + at);
            int index;
            *wrong += r->reclen % 8 || strlen(r->name) + 20 > r->reclen ||
                      !r->ino;
            if (sscanf(r->name, "name%d", &index) == 1)
                *wrong += found[index]++ || r->type != DT_REG;
            else
                *wrong += r->type != DT_DIR;
            names++;
            at += r->reclen;
        }
    }
    *wrong += n < 0;
    close(fd);
    return names;
}

static void
test_getdents(void)
{
    char name[32];
    int wrong;

    mkdir("many", 0755);
    is(list("many", 1000, &wrong), 2);
    is(wrong, 0);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "many/name%d", i);
        put_file(name, "", 0, 0644);
    }
    is(list("many", sizeof(buffer), &wrong), 302);
    is(wrong, 0);
    is(list("many", 40, &wrong), 302);
    is(wrong, 0);
    is(list("many", 777, &wrong), 302);
    is(wrong, 0);

    int fd = open("many", O_RDONLY);
    fails(syscall(SYS_getdents64, fd, buffer, 23), EINVAL);
    fails(syscall(SYS_getdents64, fd, buffer, 0), EINVAL);
    fails(syscall(SYS_getdents64, fd, hole(), 1000), EFAULT);
    fails(syscall(SYS_getdents64, fd, KERNEL_POINTER, 1000), EFAULT);
    fails(syscall(SYS_getdents64, 999, buffer, 1000), EBADF);
    int file = open("many/name0", O_RDONLY);
    fails(syscall(SYS_getdents64, file, buffer, 1000), ENOTDIR);
    close(file);
    close(fd);
}

static void
test_seekdir(void)
{
    DIR *dir = opendir("many");
    struct dirent *entry;
    long place[400];
    char names[400][16], name[32];
    int n = 0, good = 1;

    for (;;) {
        place[n] = telldir(dir);
        if (!(entry = readdir(dir)))
            break;
        strcpy(names[n++], entry->d_name);
    }
    is(n, 302);
    for (int i = n - 1; i >= 0; i -= 13) {
        seekdir(dir, place[i]);
        entry = readdir(dir);
        good &= entry && !strcmp(entry->d_name, names[i]);
    }
    ok(good, "seekdir leads back to each name");
    rewinddir(dir);
    for (n = 0; readdir(dir); n++)
        ;
    is(n, 302);

    /* Removing while reading loses and repeats nothing that stays. */
    rewinddir(dir);
    int removed = 0, seen = 0;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        seen++;
        snprintf(name, sizeof(name), "many/%s", entry->d_name);
        removed += unlink(name) == 0;
    }
    is(seen, 300);
    is(removed, 300);
    closedir(dir);
    is(list("many", 1000, &n), 2);
    is(rmdir("many"), 0);
    mkdir("gone", 0755);
    int fd = open("gone", O_RDONLY);
    rmdir("gone");
    fails(syscall(SYS_getdents64, fd, buffer, 1000), ENOENT);
    close(fd);
}

static void
test_mknod(void)
{
    struct stat st;

    is(mknod("fifo", S_IFIFO | 0666, 0), 0);
    stat("fifo", &st);
    is(st.st_mode, S_IFIFO | 0644);
    is(mknod("null", S_IFCHR | 0600, 0x103), 0);
    stat("null", &st);
    ok(S_ISCHR(st.st_mode) && st.st_rdev == 0x103, "a device node");
    int fd = open("null", O_RDWR);
    is(write(fd, "x", 1), 1);
    is(read(fd, buffer, 1), 0);
    close(fd);
    is(mknod("plain", 0600, 0), 0);
    stat("plain", &st);
    is(st.st_mode, S_IFREG | 0600);
    fails(mknod("dir", S_IFDIR | 0700, 0), EPERM);
    fails(mknod("link", S_IFLNK | 0700, 0), EINVAL);
    fails(mknod("plain", S_IFIFO, 0), EEXIST);
    is(mknod("odd", S_IFCHR | 0600, 0xee00ee), 0);
    fails(open("odd", O_RDONLY), ENXIO);
}

int
main(void)
{
    tap_begin("dirs");
    test_mkdir_rmdir();
    test_unlink();
    test_link();
    test_symlink();
    test_walk();
    test_cwd();
    test_getdents();
    test_seekdir();
    test_mknod();
    return tap_end();
}
