/*
 * Credentials: the families of set*id calls, groups, what a set-id program
 * gets, and the little of capabilities that programs ask for.
 */
#include "tap.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

/* The raw calls; libc's would tell other threads. */
#define setuid_(u) syscall(SYS_setuid, u)
#define setgid_(g) syscall(SYS_setgid, g)
#define setresuid_(r, e, s) syscall(SYS_setresuid, r, e, s)
#define setresgid_(r, e, s) syscall(SYS_setresgid, r, e, s)
#define setreuid_(r, e) syscall(SYS_setreuid, r, e)
#define setregid_(r, e) syscall(SYS_setregid, r, e)

static char self[512];

static int
users(uid_t real, uid_t effective, uid_t saved)
{
    uid_t r, e, s;

    getresuid(&r, &e, &s);
    return r == real && e == effective && s == saved && getuid() == real &&
           geteuid() == effective;
}

static int
groups(gid_t real, gid_t effective, gid_t saved)
{
    gid_t r, e, s;

    getresgid(&r, &e, &s);
    return r == real && e == effective && s == saved && getgid() == real &&
           getegid() == effective;
}

static void
root_gives_up(void)
{
    ok(users(0, 0, 0) && groups(0, 0, 0), "root at first");
    is(setgid_(77), 0);
    ok(groups(77, 77, 77), "root's setgid sets all three");
    is(setuid_(1000), 0);
    ok(users(1000, 1000, 1000), "so does setuid");
    fails(setuid_(0), EPERM);
    fails(setgid_(0), EPERM);
    is(setuid_(1000), 0);
    fails(setresuid_(0, -1, -1), EPERM);
    fails(setreuid_(-1, 0), EPERM);
    fails(syscall(SYS_setgroups, 0, NULL), EPERM);
    fails(setuid_(-1), EINVAL);
    fails(setgid_(-1), EINVAL);
}

static void
saved_number(void)
{
    is(setresuid_(1, 2, 3), 0);
    ok(users(1, 2, 3), "three different users");
    is(setresuid_(-1, 3, -1), 0);
    ok(users(1, 3, 3), "to the saved one");
    is(setresuid_(-1, 1, -1), 0);
    ok(users(1, 1, 3), "to the real one");
    fails(setresuid_(-1, 2, -1), EPERM);
    is(setuid_(3), 0);
    ok(users(1, 3, 3), "setuid sets only the effective one");
    is(setresuid_(3, 1, 3), 0);
    is(setresuid_(-1, -1, -1), 0);
    ok(users(3, 1, 3), "-1 keeps");
}

static void
real_and_effective(void)
{
    is(setregid_(10, 20), 0);
    ok(groups(10, 20, 20), "setregid moves the saved one along");
    is(setreuid_(10, 20), 0);
    ok(users(10, 20, 20), "setreuid too");
    is(setreuid_(20, 10), 0);
    ok(users(20, 10, 10), "swapped");
    is(setreuid_(-1, 20), 0);
    fails(setreuid_(30, -1), EPERM);
    is(setregid_(-1, 10), 0);
    fails(setregid_(-1, 30), EPERM);
}

static void
only_effective(void)
{
    is(setresuid_(0, 1000, 0), 0);
    fails(open("root", O_RDONLY), EACCES);
    is(setresuid_(-1, 0, -1), 0);
    int fd = open("root", O_RDONLY);
    works(fd);
    close(fd);
    is(setfsuid(1000), 0);
    is(setfsuid(-1), 1000);
    fails(open("root", O_RDONLY), EACCES);
    is(setfsuid(0), 1000);
    is(setfsgid(0), 0);
}

static void
test_groups(void)
{
    gid_t list[300], got[300];

    for (int i = 0; i < 300; i++)
        list[i] = 1000 + (i * 7) % 300;
    is(setgroups(300, list), 0);
    is(getgroups(0, NULL), 300);
    is(getgroups(300, got), 300);
    int sorted = 1;
    for (int i = 1; i < 300; i++)
        sorted &= got[i] > got[i - 1];
    ok(sorted, "they come back sorted");
    fails(getgroups(299, got), EINVAL);
    fails(getgroups(-1, got), EINVAL);
    fails(syscall(SYS_setgroups, 65537, list), EINVAL);
    fails(syscall(SYS_setgroups, -1, list), EINVAL);
    list[0] = -1;
    fails(setgroups(1, list), EINVAL);
    is(getgroups(0, NULL), 300);
    is(setgroups(0, NULL), 0);
    is(getgroups(0, NULL), 0);
}

/* What a program with set-id bits finds; run as "--show". */
static int
show(void)
{
    uid_t r, e, s;

    getresuid(&r, &e, &s);
    return r == 1000 && e == 500 && s == 500 && getegid() == 600 &&
           getgid() == 1000 && getauxval(AT_SECURE) == 1 ? 61 : 62;
}

static void
set_id_program(void)
{
    char block[65536];
    int in = open(self, O_RDONLY), out = open("program", O_CREAT | O_WRONLY,
                                              0755);
    ssize_t n;

    while ((n = read(in, block, sizeof(block))) > 0)
        write(out, block, n);
    close(in);
    fchown(out, 500, 600);
    fchmod(out, 06755);
    close(out);
    pid_t pid = tap_fork();
    if (pid == 0) {
        char *argv[] = { "creds", "--show", NULL };
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        execv("program", argv);
        _exit(1);
    }
    is(WEXITSTATUS(tap_wait(pid)), 61);
}

static long
capget_(void *header, void *data)
{
    return syscall(SYS_capget, header, data);
}

static void
test_capabilities(void)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];

    is(capget_(&h, d), 0);
    ok((d[0].effective & (1 << CAP_KILL)) && (d[0].permitted & 1),
       "root has capabilities: %x", d[0].effective);
    is(syscall(SYS_capset, &h, d), 0);
    h.version = 0x12345;
    fails(capget_(&h, d), EINVAL);
    is(h.version, _LINUX_CAPABILITY_VERSION_3);
    h.pid = 4000000;
    fails(capget_(&h, d), ESRCH);
    h.pid = -1;
    fails(capget_(&h, d), EINVAL);
    fails(capget_(hole(), d), EFAULT);
    is(prctl(PR_CAPBSET_READ, CAP_KILL), 1);
    fails(prctl(PR_CAPBSET_READ, 999), EINVAL);
}

static void
no_capabilities(void)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];

    setresuid_(1000, 1000, 1000);
    is(capget_(&h, d), 0);
    is(d[0].effective, 0);
    is(d[0].permitted, 0);
    d[0].effective = d[0].permitted = 1;
    fails(syscall(SYS_capset, &h, d), EPERM);
    fails(syscall(SYS_sethostname, "x", 1), EPERM);
    fails(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0), EPERM);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--show"))
        return show();
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("creds");
    put_file("root", "", 0, 0600);
    tap_child(root_gives_up);
    tap_child(saved_number);
    tap_child(real_and_effective);
    tap_child(only_effective);
    tap_child(test_groups);
    set_id_program();
    test_capabilities();
    tap_child(no_capabilities);
    return tap_end();
}
