/*
 * The table of rights: descriptors that root has opened, used by others; and
 * what mounts forbid.
 */
#include "rights.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static int fd, pipes[2];
static const char *what;

static void
use(void)
{
    struct timespec old[2] = {{1, 0}, {1, 0}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    char byte, path[40];
    struct stat st;

    tried(read(fd, &byte, 1), "read %s", what);
    tried(write(fd, "x", 1), "write %s", what);
    tried(fchmod(fd, 0640), "fchmod %s", what);
    tried(fchown(fd, -1, CLUB), "fchown to club %s", what);
    tried(fchown(fd, ANN, -1), "fchown to ann %s", what);
    tried(fchown(fd, -1, -1), "fchown to none %s", what);
    tried(ftruncate(fd, 4), "ftruncate %s", what);
    tried(fallocate(fd, 0, 0, 4), "fallocate %s", what);
    tried(futimens(fd, old), "futimens old %s", what);
    tried(futimens(fd, now), "futimens now %s", what);
    tried(fcntl(fd, F_SETFL, O_NOATIME), "O_NOATIME %s", what);
    tried(fcntl(fd, F_SETFL, O_APPEND), "O_APPEND %s", what);
    tried(fcntl(fd, F_SETFL, 0), "no flags %s", what);
    tried(fcntl(fd, F_SETOWN, 1), "F_SETOWN init %s", what);
    tried(fchdir(fd), "fchdir %s", what);
    tried(openat(fd, "file", O_RDONLY), "openat %s", what);
    tried(fstatat(fd, "", &st, AT_EMPTY_PATH), "fstatat %s", what);
    tried(fchmodat(fd, "", 0600, AT_EMPTY_PATH), "fchmodat empty %s", what);
    tried(fchownat(fd, "", -1, CLUB, AT_EMPTY_PATH), "fchownat empty %s", what);
    tried(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, "mmap r %s", what);
    tried(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, "mmap w %s", what);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_PATH};
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        tried_fd(open(path, modes[i]), "open by /proc %d %s", modes[i], what);
    tried(truncate(path, 4), "truncate by /proc %s", what);
    tried(chmod(path, 0600), "chmod by /proc %s", what);
    tried(access(path, W_OK), "access by /proc %s", what);
    chdir("/");
}

static void
use_pipe(void)
{
    tried(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 16), "F_SETPIPE_SZ 64 KiB");
    tried(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 20), "F_SETPIPE_SZ 1 MiB");
    tried(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 21), "F_SETPIPE_SZ 2 MiB");
    tried(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 16), "F_SETPIPE_SZ 64 KiB again");
    tried(fchmod(pipes[0], 0666), "fchmod of a pipe");
    tried(fchown(pipes[0], ANN, ANN), "fchown of a pipe");
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[0]);
    tried_fd(open(path, O_RDONLY | O_NONBLOCK), "open r of a pipe by /proc");
    tried_fd(open(path, O_WRONLY | O_NONBLOCK), "open w of a pipe by /proc");
}

void
descriptors(void)
{
    static const struct who callers[] = {
        ROOT, BARE, USER("ann", ANN, true), USER("eve", EVE, false), EVE_WITH(CAP_FOWNER),
        EVE_WITH(CAP_CHOWN), EVE_WITH(CAP_DAC_OVERRIDE), EVE_WITH(CAP_DAC_READ_SEARCH),
        EVE_WITH(CAP_SYS_RESOURCE), ROOT_BUT(CAP_FOWNER), ROOT_BUT(CAP_CHOWN),
    };
    static const struct {
        const char *name;
        unsigned mode, owner;
        int flags;
    } kinds[] = {
        {"root's file, r", S_IFREG | 0600, 0, O_RDONLY},  {"root's file, rw", S_IFREG | 0600, 0, O_RDWR},
        {"root's file, path", S_IFREG | 0600, 0, O_PATH}, {"ann's file, r", S_IFREG | 04600, ANN, O_RDONLY},
        {"ann's file, w", S_IFREG | 02711, ANN, O_WRONLY}, {"root's dir", S_IFDIR | 0700, 0, O_RDONLY},
        {"ann's dir, path", S_IFDIR | 0700, ANN, O_PATH},  {"ann's pipe", S_IFIFO | 0600, ANN, O_RDWR | O_NONBLOCK},
        {"root's device", S_IFCHR | 0600, 0, O_RDWR},
    };

    subject("descriptors");
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
            fixture(DIR "/it", kinds[k].mode, kinds[k].owner, kinds[k].owner);
            if (S_ISDIR(kinds[k].mode))
                fixture(DIR "/it/file", S_IFREG | 0644, 0, 0);
            fd = open(DIR "/it", kinds[k].flags);
            what = kinds[k].name;
            act_as(&callers[i], use);
            close(fd);
        }
        pipe(pipes);
        act_as(&callers[i], use_pipe);
        close(pipes[0]);
        close(pipes[1]);
    }
}

/* Mounts. */

static void
on_mount(void)
{
    static const char *const files[] = {DIR "/mount/file", DIR "/mount/ann", DIR "/mount/null",
                                        DIR "/mount/dir"};
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        const char *path = files[f], *name = strrchr(path, '/') + 1;
        tried_fd(open(path, O_RDONLY), "open r %s on %s", name, what);
        tried_fd(open(path, O_WRONLY), "open w %s on %s", name, what);
        tried_fd(open(path, O_RDONLY | O_CREAT, 0600), "open O_CREAT %s on %s", name, what);
        tried(access(path, R_OK), "access r %s on %s", name, what);
        tried(access(path, W_OK), "access w %s on %s", name, what);
        tried(access(path, X_OK), "access x %s on %s", name, what);
        tried(chmod(path, 0755), "chmod %s on %s", name, what);
        tried(chown(path, -1, -1), "chown %s on %s", name, what);
        tried(utimensat(AT_FDCWD, path, now, 0), "utimensat %s on %s", name, what);
        tried(truncate(path, 4), "truncate %s on %s", name, what);
        tried(link(path, DIR "/mount/link"), "link %s on %s", name, what);
        tried(rename(path, DIR "/mount/new"), "rename %s on %s", name, what);
        rename(DIR "/mount/new", path);
        unlink(DIR "/mount/link");
        int in = open(path, O_RDONLY);
        void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, in, 0);
        tried(p == MAP_FAILED ? -1 : 0, "mmap x %s on %s", name, what);
        p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, in, 0);
        if (p != MAP_FAILED)
            tried(mprotect(p, 4096, PROT_READ | PROT_EXEC), "mprotect x %s on %s", name, what);
        close(in);
        if (f < 2)
            tried(execl(path, "x", NULL), "exec %s on %s", name, what);
    }
    tried(mkdir(DIR "/mount/made", 0777), "mkdir on %s", what);
    tried(rmdir(DIR "/mount/made"), "rmdir on %s", what);
    tried(unlink(DIR "/mount/none"), "unlink of no name on %s", what);
    tried(symlink("x", DIR "/mount/made"), "symlink on %s", what);
    tried(unlink(DIR "/mount/made"), "unlink on %s", what);
    tried(mknod(DIR "/mount/made", S_IFIFO | 0600, 0), "mknod on %s", what);
    unlink(DIR "/mount/made");
    tried_fd(open(DIR "/mount", O_TMPFILE | O_RDWR, 0600), "O_TMPFILE on %s", what);
    tried(umount2(DIR "/mount", MNT_EXPIRE | MNT_FORCE), "umount wrong flags %s", what);
    tried(mount(NULL, DIR "/mount", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0 &&
                  errno == EPERM ? -1 : 0, "remount %s", what);
    tried(chroot(DIR "/mount"), "chroot into %s", what);
}

void
mounts(void)
{
    static const struct who callers[] = {ROOT, BARE, USER("ann", ANN, true), EVE_WITH(CAP_DAC_OVERRIDE),
                                         EVE_WITH(CAP_SYS_ADMIN)};
    static const struct {
        const char *name;
        unsigned long flags;
    } kinds[] = {{"a plain mount", 0}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}, {"nosuid", MS_NOSUID},
                 {"a read-only mount", MS_RDONLY | MS_BIND}, {"a read-only file system", MS_RDONLY}};

    subject("mounts");
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
            fixture(DIR "/mount", S_IFDIR | 0777, 0, 0);
            mount("none", DIR "/mount", "tmpfs", kinds[k].flags & ~(MS_RDONLY | MS_BIND), "mode=0777");
            fixture(DIR "/mount/file", S_IFREG | 0755, 0, 0);
            fixture(DIR "/mount/ann", S_IFREG | 0777, ANN, ANN);
            fixture(DIR "/mount/null", S_IFCHR | 0666, ANN, 0);
            fixture(DIR "/mount/dir", S_IFDIR | 0755, ANN, 0);
            if (kinds[k].flags & MS_RDONLY)
                mount("none", DIR "/mount", NULL, MS_REMOUNT | kinds[k].flags, NULL);
            what = kinds[k].name;
            act_as(&callers[i], on_mount);
            umount2(DIR "/mount", MNT_DETACH);
        }
}
