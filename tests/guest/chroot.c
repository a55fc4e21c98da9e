/*
 * chroot: a new root for path lookup, that .. does not leave.
 */
#include "tap.h"

static ino_t
inode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static ino_t outside, jail;

static void
inside(void)
{
    char text[256];

    is(chroot("jail"), 0);
    is(inode_of("/"), jail);
    is(inode_of("/.."), jail);
    is(inode_of("/../../sub/.."), jail);
    is(access("/sub/file", F_OK), 0);
    fails(access("/tmp", F_OK), ENOENT);
    is(access("/link", F_OK), 0);       /* an absolute link stays inside */
    is(inode_of("."), outside);         /* the working directory stays */
    is(syscall(SYS_getcwd, text, sizeof(text)) > 0, 1);
    ok(!strncmp(text, "(unreachable)", 13), "getcwd tells: %s", text);
    is(chdir("/sub"), 0);
    ok(getcwd(text, sizeof(text)) && !strcmp(text, "/sub"), "at %s", text);
    is(chdir(".."), 0);
    is(chdir("../.."), 0);
    is(inode_of("."), jail);
    pid_t pid = tap_fork();
    if (pid == 0)
        _exit(inode_of("/") != jail);
    is(tap_wait(pid), 0);
    is(readlink("/link", text, sizeof(text)), 9);
    is(chroot("/sub"), 0);
    is(access("/file", F_OK), 0);
    fails(chroot("/file"), ENOTDIR);
    fails(chroot("/missing"), ENOENT);
    fails(chroot(""), ENOENT);
    is(access("../jail/sub", F_OK), 0); /* root has the well-known way out */
}

static void
as_user(void)
{
    setresuid(1000, 1000, 1000);
    fails(chroot("jail"), EPERM);
}

/* The other processes have the root they had. */
static void
test_others(void)
{
    is(access("/tmp", F_OK), 0);
    is(inode_of("."), outside);
}

int
main(void)
{
    tap_begin("chroot");
    mkdir("jail", 0755);
    mkdir("jail/sub", 0755);
    put_file("jail/sub/file", "x", 1, 0644);
    symlink("/sub/file", "jail/link");
    outside = inode_of(".");
    jail = inode_of("jail");
    tap_child(inside);
    test_others();
    tap_child(as_user);
    return tap_end();
}
