/*
 * Permissions, as a user who is not root sees them: owner, group and others,
 * search of directories, access(2) with real and effective numbers, sticky
 * directories, and what only an owner may change.
 */
#include "tap.h"
#include <grp.h>
#include <sys/prctl.h>

enum { USER = 1000, GROUP = 2000, EXTRA = 3000 };

static void
become(uid_t user, gid_t group, gid_t extra)
{
    if (setgroups(1, &extra) < 0 || setresgid(group, group, group) < 0 ||
        setresuid(user, user, user) < 0)
        tap_fails(-1, 0, __FILE__, __LINE__, "become()");
}

/* Create a file of this owner and mode. */
static void
file_of(const char *path, uid_t user, gid_t group, mode_t mode)
{
    put_file(path, "data", 4, mode);
    chown(path, user, group);
    chmod(path, mode);
}

static int
may(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void
prepare(void)
{
    file_of("own_r", USER, 0, 0400);
    file_of("own_w", USER, 0, 0200);
    file_of("own_none", USER, GROUP, 0077);
    file_of("group_r", 0, GROUP, 0640);
    file_of("group_none", 0, GROUP, 0606);
    file_of("extra_rw", 0, EXTRA, 0660);
    file_of("other_r", 0, 0, 0604);
    file_of("other_none", 0, 0, 0660);
    mkdir("search", 0711);
    file_of("search/known", 0, 0, 0644);
    mkdir("list", 0744);
    file_of("list/seen", 0, 0, 0644);
    mkdir("write", 0733);
    chmod("write", 0733);
    mkdir("mine", 0700);
    chown("mine", USER, 0);
    mkdir("sticky", 0777);
    chmod("sticky", 01777);
    file_of("sticky/root", 0, 0, 0666);
    file_of("sticky/user", USER, 0, 0666);
    file_of("setuid", 0, 0, 04755);
}

static void
as_user(void)
{
    become(USER, GROUP, EXTRA);
    ok(may("own_r", O_RDONLY) && !may("own_r", O_WRONLY), "owner's r--");
    ok(!may("own_w", O_RDONLY) && may("own_w", O_WRONLY), "owner's -w-");
    ok(!may("own_none", O_RDONLY), "the owner's bits count, not others'");
    ok(may("group_r", O_RDONLY) && !may("group_r", O_RDWR), "group's r--");
    ok(!may("group_none", O_RDONLY), "the group's bits count, not others'");
    ok(may("extra_rw", O_RDWR), "a supplementary group");
    ok(may("other_r", O_RDONLY) && !may("other_r", O_WRONLY), "others' r--");
    ok(!may("other_none", O_RDONLY), "nothing for others");

    ok(may("search/known", O_RDONLY), "a directory one may search");
    fails(open("search", O_RDONLY), EACCES);
    fails(open("search/unknown", O_RDONLY), ENOENT);
    ok(may("list", O_RDONLY), "a directory one may list");
    fails(open("list/seen", O_RDONLY), EACCES);
    fails(chdir("list"), EACCES);
    is(chdir("search"), 0);
    is(chdir(".."), 0);
    fails(open("list/new", O_CREAT | O_WRONLY, 0600), EACCES);
    fails(mkdir("search/new", 0700), EACCES);
    fails(unlink("search/known"), EACCES);
    fails(rmdir("search"), EACCES);
    is(close(open("write/new", O_CREAT | O_WRONLY, 0600)), 0);
    is(unlink("write/new"), 0);

    is(access("own_r", R_OK), 0);
    fails(access("own_r", W_OK), EACCES);
    fails(access("own_r", R_OK | X_OK), EACCES);
    is(access("own_none", F_OK), 0);
    fails(access("own_none", 8), EINVAL);
    fails(access("missing", F_OK), ENOENT);
    fails(access("list/seen", F_OK), EACCES);
}

static void
owners_rights(void)
{
    struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

    become(USER, GROUP, EXTRA);
    is(chmod("own_r", 0600), 0);
    fails(chmod("other_r", 0666), EPERM);
    fails(chown("own_r", 0, -1), EPERM);
    is(chown("own_r", -1, GROUP), 0);
    is(chown("own_r", -1, EXTRA), 0);
    fails(chown("own_r", -1, 4000), EPERM);
    is(chown("own_r", USER, -1), 0);
    fails(chown("other_r", -1, GROUP), EPERM);
    is(chmod("own_r", 02600), 0);               /* EXTRA is ours */
    struct stat st;
    stat("own_r", &st);
    is(st.st_mode & 07777, 02600);
    is(utimensat(AT_FDCWD, "own_r", t, 0), 0);
    fails(utimensat(AT_FDCWD, "other_r", t, 0), EPERM);
    fails(utimensat(AT_FDCWD, "other_r", NULL, 0), EACCES);
    is(utimensat(AT_FDCWD, "extra_rw", NULL, 0), 0);
    fails(utimensat(AT_FDCWD, "extra_rw", t, 0), EPERM);
    fails(truncate("other_r", 0), EACCES);
    fails(link("other_none", "write/link"), EPERM);

    fails(unlink("sticky/root"), EPERM);
    is(unlink("sticky/user"), 0);
    fails(chroot("."), EPERM);
    fails(mknod("write/dev", S_IFCHR | 0600, 0x103), EPERM);
    is(mknod("write/fifo", S_IFIFO | 0600, 0), 0);
    is(unlink("write/fifo"), 0);
}

/* access() asks for the real user, open() for the effective one. */
static void
real_and_effective(void)
{
    setgroups(0, NULL);
    works(setresgid(GROUP, 0, 0));
    works(setresuid(USER, 0, 0));
    ok(may("other_none", O_RDWR), "effective root opens");
    fails(access("other_none", R_OK), EACCES);
    is(faccessat(AT_FDCWD, "other_none", R_OK, AT_EACCESS), 0);
    is(access("own_r", R_OK), 0);
}

static void
as_root(void)
{
    ok(may("own_none", O_RDWR), "root reads and writes all");
    is(access("own_none", R_OK | W_OK), 0);
    file_of("plain", USER, USER, 0666);
    fails(access("plain", X_OK), EACCES);
    chmod("plain", 0001);
    is(access("plain", X_OK), 0);
    is(access("mine", X_OK), 0);
    is(close(open("mine/file", O_CREAT | O_RDWR, 0)), 0);
    is(unlink("mine/file"), 0);
}

int
main(void)
{
    tap_begin("access");
    prepare();
    as_root();
    tap_child(as_user);
    tap_child(owners_rights);
    chown("own_r", USER, 0);
    chmod("own_r", 0400);
    tap_child(real_and_effective);
    return tap_end();
}
