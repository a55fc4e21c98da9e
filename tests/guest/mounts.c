/*
 * Mounting: tmpfs, proc and devtmpfs on directories, what is seen across a
 * mount point, options, and taking it away again.
 */
#include "tap.h"
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static dev_t
device_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_dev;
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static long
type_of(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) < 0 ? 0 : fs.f_type;
}

/* Whether /proc/mounts has "source path type options..." for this path. */
static int
listed(const char *path, const char *type, const char *option)
{
    char line[512], want[256];
    FILE *f = fopen("/proc/mounts", "r");
    int found = 0;

    snprintf(want, sizeof(want), " %s/%s %s ", tap_directory, path, type);
    while (f && fgets(line, sizeof(line), f))
        found |= strstr(line, want) && strstr(line, option);
    if (f)
        fclose(f);
    return found;
}

static void
test_mount(void)
{
    mkdir("m", 0755);
    put_file("m/hidden", "", 0, 0644);
    dev_t outside = device_of(".");
    ino_t under = inode_of("m");
    is(mount("none", "m", "tmpfs", 0, NULL), 0);
    ok(device_of("m") != outside, "another device");
    is(type_of("m"), TMPFS_MAGIC);
    fails(access("m/hidden", F_OK), ENOENT);
    put_file("m/file", "inside", 6, 0644);
    is(access("m/file", F_OK), 0);
    is(inode_of("m/.."), inode_of("."));
    mkdir("m/d", 0755);
    is(inode_of("m/d/../.."), inode_of("."));
    ok(listed("m", "tmpfs", "rw"), "/proc/mounts lists it");
    fails(rename("m/file", "file"), EXDEV);
    fails(link("m/file", "file"), EXDEV);
    fails(rmdir("m"), EBUSY);
    fails(rename("m", "n"), EBUSY);
    char here[128], want[128];
    chdir("m/d");
    snprintf(want, sizeof(want), "%s/m/d", tap_directory);
    ok(getcwd(here, sizeof(here)) && !strcmp(here, want), "getcwd crosses it");
    fails(umount("../../m"), EBUSY);
    chdir(tap_directory);
    int fd = open("m/file", O_RDONLY);
    fails(umount("m"), EBUSY);
    close(fd);
    is(umount("m"), 0);
    is(inode_of("m"), under);
    is(access("m/hidden", F_OK), 0);
    ok(!listed("m", "tmpfs", ""), "and no more in /proc/mounts");
    fails(umount("m"), EINVAL);
}

static void
test_stacked(void)
{
    is(mount("a", "m", "tmpfs", 0, NULL), 0);
    put_file("m/first", "", 0, 0644);
    is(mount("b", "m", "tmpfs", 0, NULL), 0);
    put_file("m/second", "", 0, 0644);
    fails(access("m/first", F_OK), ENOENT);
    mkdir("m/inner", 0755);
    is(mount("c", "m/inner", "tmpfs", 0, NULL), 0);
    fails(umount("m"), EBUSY);
    is(umount("m/inner"), 0);
    is(umount("m"), 0);
    is(access("m/first", F_OK), 0);
    is(umount("m"), 0);

    /* A descriptor from before leads below; umount takes what is on top. */
    char below[64];
    int under = open("m", O_PATH);
    snprintf(below, sizeof(below), "/proc/self/fd/%d", under);
    fails(umount(below), EINVAL);
    is(mount("a", "m", "tmpfs", 0, NULL), 0);
    is(mount("b", "m", "tmpfs", 0, NULL), 0);
    is(umount(below), 0);
    is(umount2(below, MNT_DETACH), 0);
    fails(umount(below), EINVAL);
    close(under);

    /* A lazy umount lets those who are in finish. */
    is(mount("a", "m", "tmpfs", 0, NULL), 0);
    put_file("m/kept", "kept", 4, 0644);
    int fd = open("m/kept", O_RDWR);
    char text[8];
    is(umount2("m", MNT_DETACH), 0);
    fails(access("m/kept", F_OK), ENOENT);
    is(read(fd, text, 8), 4);
    is(write(fd, "more", 4), 4);
    close(fd);
    fails(umount2("m", MNT_DETACH), EINVAL);
}

static void
test_flags(void)
{
    char *argv[] = { "script", NULL };

    is(mount("none", "m", "tmpfs", 0, NULL), 0);
    put_file("m/script", "#!/none\n", 8, 0755);
    mknod("m/null", S_IFCHR | 0666, makedev(1, 3));
    is(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    fails(open("m/new", O_CREAT | O_WRONLY, 0600), EROFS);
    fails(open("m/script", O_WRONLY), EROFS);
    is(close(open("m/script", O_RDONLY)), 0);
    fails(unlink("m/script"), EROFS);
    fails(mkdir("m/dir", 0755), EROFS);
    fails(rename("m/script", "m/x"), EROFS);
    fails(chmod("m/script", 0600), EROFS);
    fails(chown("m/script", 1, 1), EROFS);
    fails(truncate("m/script", 0), EROFS);
    fails(symlink("x", "m/s"), EROFS);
    fails(utimensat(AT_FDCWD, "m/script", NULL, 0), EROFS);
    fails(access("m/script", W_OK), EROFS);
    fails(mkdir("m/script", 0755), EEXIST);
    is(close(open("m/null", O_WRONLY)), 0);     /* a device is not the disk */
    ok(listed("m", "tmpfs", " ro"), "listed as ro");
    is(mount(NULL, "m", NULL, MS_REMOUNT, NULL), 0);
    is(chmod("m/script", 0755), 0);
    int fd = open("m/script", O_WRONLY);
    fails(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
    close(fd);
    is(umount("m"), 0);

    is(mount("none", "m", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, NULL), 0);
    put_file("m/script", "#!/none\n", 8, 0755);
    fails(execv("m/script", argv), EACCES);
    fails(access("m/script", X_OK), EACCES);
    mknod("m/null", S_IFCHR | 0666, makedev(1, 3));
    fails(open("m/null", O_RDWR), EACCES);
    ok(listed("m", "tmpfs", "nosuid,nodev,noexec"), "flags are listed");
    is(umount("m"), 0);
}

static void
test_options(void)
{
    static char block[65536];
    struct stat st;
    struct statfs fs;

    is(mount("none", "m", "tmpfs", 0, "mode=1711,size=256k,uid=5,gid=6"), 0);
    stat("m", &st);
    is(st.st_mode, S_IFDIR | 01711);
    ok(st.st_uid == 5 && st.st_gid == 6, "uid= and gid=");
    statfs("m", &fs);
    is(fs.f_blocks * fs.f_bsize, 256 * 1024);
    int fd = open("m/fill", O_CREAT | O_RDWR, 0600);
    size_t total = 0;
    ssize_t n;
    while ((n = write(fd, block, sizeof(block))) > 0)
        total += n;
    is(errno, ENOSPC);
    ok(total > 128 * 1024 && total <= 256 * 1024, "%zu bytes fit", total);
    ftruncate(fd, 0);
    is(write(fd, block, sizeof(block)), sizeof(block));
    close(fd);
    is(umount("m"), 0);
    fails(mount("none", "m", "tmpfs", 0, "nosuchoption=1"), EINVAL);
    fails(mount("none", "m", "tmpfs", 0, "size=many"), EINVAL);
}

static void
test_refusals(void)
{
    put_file("f", "", 0, 0644);
    fails(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
    fails(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    fails(mount("none", "f", "tmpfs", 0, NULL), ENOTDIR);
    fails(mount("none", "m", NULL, 0, NULL), EINVAL);
    fails(mount("none", "m", hole(), 0, NULL), EFAULT);
    fails(mount("none", hole(), "tmpfs", 0, NULL), EFAULT);
    fails(mount(NULL, "m", NULL, MS_REMOUNT, NULL), EINVAL);
    fails(umount("missing"), ENOENT);
    fails(umount("f"), EINVAL);
    fails(umount2("m", 0x100), EINVAL);
    fails(umount2(hole(), 0), EFAULT);
}

static void
as_user(void)
{
    setresuid(1000, 1000, 1000);
    fails(mount("none", "m", "tmpfs", 0, NULL), EPERM);
    fails(umount("/proc"), EPERM);
}

static void
test_kinds(void)
{
    struct stat st;

    is(mount("proc", "m", "proc", 0, NULL), 0);
    is(type_of("m"), PROC_SUPER_MAGIC);
    is(access("m/self/stat", R_OK), 0);
    is(access("m/meminfo", R_OK), 0);
    is(umount("m"), 0);
    is(mount("dev", "m", "devtmpfs", 0, NULL), 0);
    is(stat("m/null", &st), 0);
    is(st.st_rdev, makedev(1, 3));
    is(stat("m/console", &st), 0);
    is(st.st_rdev, makedev(5, 1));
    is(umount("m"), 0);
}

/* The second call in a row unmounts, unless the mount was used in between. */
static void
test_expire(void)
{
    struct stat st;

    is(mount("none", "m", "tmpfs", 0, NULL), 0);
    put_file("m/f", "", 0, 0644);
    fails(umount2("m", MNT_EXPIRE | MNT_DETACH), EINVAL);
    fails(umount2("m", MNT_EXPIRE | MNT_FORCE), EINVAL);
    fails(umount2("/", MNT_EXPIRE), EINVAL);
    int fd = open("m/f", O_RDONLY);
    fails(umount2("m", MNT_EXPIRE), EBUSY);
    fails(umount2("m", MNT_EXPIRE), EBUSY);
    close(fd);
    fails(umount2("m", MNT_EXPIRE), EAGAIN);
    is(stat("m/f", &st), 0);
    fails(umount2("m", MNT_EXPIRE), EAGAIN);
    close(open("m/f", O_RDONLY));
    fails(umount2("m", MNT_EXPIRE), EAGAIN);
    is(umount2("m", MNT_EXPIRE), 0);
    fails(access("m/f", F_OK), ENOENT);
    fails(umount2("m", MNT_EXPIRE), EINVAL);
}

/* There is one devtmpfs: whether it is read-only is what the last mount of it says. */
static void
test_one_readonly(void)
{
    mkdir("m2", 0755);
    is(mount("dev", "m2", "devtmpfs", 0, NULL), 0);
    is(mount("dev", "m", "devtmpfs", MS_RDONLY, NULL), 0);
    fails(mkdir("m/of-mounts-test", 0755), EROFS);
    fails(mkdir("m2/of-mounts-test", 0755), EROFS);
    is(umount("m"), 0);
    is(mount("dev", "m", "devtmpfs", 0, NULL), 0);
    is(mkdir("m2/of-mounts-test", 0755), 0);
    is(umount("m"), 0);
    is(rmdir("m2/of-mounts-test"), 0);
    is(umount("m2"), 0);
}

int
main(void)
{
    tap_begin("mounts");
    test_mount();
    test_stacked();
    test_flags();
    test_options();
    test_refusals();
    tap_child(as_user);
    test_kinds();
    test_expire();
    test_one_readonly();
    return tap_end();
}
