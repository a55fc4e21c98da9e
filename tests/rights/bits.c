/*
 * The table of rights: owner, group and mode after chmod, chown, a write or a
 * cut; and those of what is made new.
 */
#include "rights.h"
#include <sys/mman.h>

#define PATH DIR "/open/it"

static const struct who callers[] = {
    ROOT,
    BARE,
    USER("ann", ANN, true),
    USER("eve", EVE, false),
    ANN_WITH(CAP_FSETID),
    ANN_WITH(CAP_CHOWN),
    ANN_WITH(CAP_FOWNER),
    EVE_WITH(CAP_CHOWN),
    EVE_WITH(CAP_FOWNER),
    ROOT_BUT(CAP_FSETID),
    ROOT_BUT(CAP_FOWNER),
};

/* The result of a trial on PATH with the attributes that it left. */
static void
tell_file(long result, const char *operation, const char *what)
{
    int error = errno;
    struct stat st;
    char line[128];

    memset(&st, 0, sizeof(st));
    lstat(PATH, &st);
    snprintf(line, sizeof(line), "%s %s", operation, what);
    told(line, "%s %06o %u:%u size %ld", result < 0 ? error_name(error) : "0", st.st_mode, st.st_uid,
         st.st_gid, S_ISDIR(st.st_mode) ? 0L : (long)st.st_size);
}

static long
by_descriptor(int what)
{
    int fd = open(PATH, O_RDWR);
    long result = -1;

    if (fd < 0)
        return -1;
    switch (what) {
    case 0: result = write(fd, "x", 1); break;
    case 1: result = write(fd, "x", 0); break;
    case 2: result = ftruncate(fd, 1); break;
    case 3: result = ftruncate(fd, 4); break;
    case 4: result = fallocate(fd, 0, 0, 8); break;
    case 5: result = pwrite(fd, "x", 1, 100); break;
    case 6: {
        char *p = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) {
            *p = 'y';
            result = munmap(p, 4);
        }
        break;
    }
    }
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static void
change_file(unsigned mode, unsigned uid, unsigned gid)
{
    static const char *const by_fd[] = {"write", "write of nothing", "ftruncate", "ftruncate to the same size",
                                        "fallocate", "pwrite beyond", "store"};
    static const unsigned chmods[] = {0644, 02745, 07777};
    static const int chowns[][2] = {{-1, -1}, {-1, CLUB}, {-1, BOB}, {BOB, -1}, {ANN, CLUB}};
    char what[64], operation[64];

    snprintf(what, sizeof(what), "%06o %u:%u", mode, uid, gid);
    for (size_t i = 0; i < ARRAY_SIZE(chowns); i++) {
        fixture(PATH, mode, uid, gid);
        snprintf(operation, sizeof(operation), "chown %d:%d", chowns[i][0], chowns[i][1]);
        tell_file(chown(PATH, (uid_t)chowns[i][0], (gid_t)chowns[i][1]), operation, what);
    }
    for (size_t i = 0; i < ARRAY_SIZE(chmods); i++) {
        fixture(PATH, mode, uid, gid);
        snprintf(operation, sizeof(operation), "chmod %04o", chmods[i]);
        tell_file(chmod(PATH, chmods[i]), operation, what);
    }
    if (!S_ISREG(mode))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(by_fd); i++) {
        fixture(PATH, mode, uid, gid);
        tell_file(by_descriptor((int)i), by_fd[i], what);
    }
    fixture(PATH, mode, uid, gid);
    tell_file(truncate(PATH, 1), "truncate", what);
    fixture(PATH, mode, uid, gid);
    int fd = open(PATH, O_WRONLY | O_TRUNC);
    tell_file(fd, "open O_TRUNC", what);
    close(fd);
    fixture(PATH, mode, uid, gid);
    fd = open(PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    tell_file(fd, "creat", what);
    close(fd);
}

static void
changes(void)
{
    static const unsigned modes[] = {S_IFREG | 06777, S_IFREG | 02766, S_IFREG | 04666,
                                     S_IFDIR | 06777};

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        change_file(modes[m], ANN, ANN);
        change_file(modes[m], ANN, BOB);
        if (m < 3)
            change_file(modes[m], 0, CLUB);
    }
}

/* What is made: modes and groups. */

static void
creations(void)
{
    static const unsigned dirs[][2] = {{0777, 0}, {02777, CLUB}, {02777, BOB}, {03777, EVE}};
    static const unsigned masks[] = {0, 022, 0277};
    char what[64];

    for (size_t d = 0; d < ARRAY_SIZE(dirs); d++)
        for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
            fixture(DIR "/open", S_IFDIR | dirs[d][0], 0, dirs[d][1]);
            umask(masks[m]);
            snprintf(what, sizeof(what), "in %05o of %u umask %03o", dirs[d][0], dirs[d][1], masks[m]);
            static const unsigned modes[] = {06777, 02755, 02745};
            for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                char operation[64];
                int fd = open(PATH, O_CREAT | O_EXCL | O_WRONLY, modes[i]);
                snprintf(operation, sizeof(operation), "open O_CREAT %05o", modes[i]);
                tell_file(fd, operation, what);
                close(fd);
                unlink(PATH);
                snprintf(operation, sizeof(operation), "mkdir %05o", modes[i]);
                tell_file(mkdir(PATH, modes[i]), operation, what);
                rmdir(PATH);
                snprintf(operation, sizeof(operation), "mknod file %05o", modes[i]);
                tell_file(mknod(PATH, S_IFREG | modes[i], 0), operation, what);
                unlink(PATH);
            }
            tell_file(mknod(PATH, S_IFIFO | 06777, 0), "mknod pipe", what);
            unlink(PATH);
            tell_file(mknod(PATH, S_IFSOCK | 02755, 0), "mknod socket", what);
            unlink(PATH);
            tell_file(mknod(PATH, S_IFCHR | 02755, 0x103), "mknod device", what);
            unlink(PATH);
            tell_file(symlink("x", PATH), "symlink", what);
            unlink(PATH);
            int fd = open(DIR "/open", O_TMPFILE | O_RDWR, 06777);
            struct stat st = {0};
            fstat(fd, &st);
            char operation[96];
            snprintf(operation, sizeof(operation), "O_TMPFILE %s", what);
            told(operation, "%06o %u:%u", st.st_mode, st.st_uid, st.st_gid);
            close(fd);
        }
    umask(022);
}

/* A new file's group is that of the file-system group id, whatever the others are. */
static void
by_odd_ids(void)
{
    syscall(SYS_setresgid, 7, 8, 9);
    syscall(SYS_setfsgid, 7);
    syscall(SYS_setresuid, 10, 0, 11);
    syscall(SYS_setfsuid, 11);
    int fd = open(PATH, O_CREAT | O_EXCL | O_WRONLY, 0666);
    tell_file(fd, "open O_CREAT", "by odd ids");
    tell_file(fchmod(fd, 06755), "fchmod", "by odd ids");
    tell_file(fchown(fd, -1, 7), "fchown to fsgid", "by odd ids");
    tell_file(fchown(fd, -1, 8), "fchown to egid", "by odd ids");
    tell_file(fchown(fd, 11, -1), "fchown to fsuid", "by odd ids");
    tell_file(fchown(fd, 10, -1), "fchown to uid", "by odd ids");
    close(fd);
}

void
bits(void)
{
    static const struct who makers[] = {ROOT, BARE, USER("ann", ANN, true), ROOT_BUT(CAP_FSETID),
                                        ANN_WITH(CAP_FSETID)};

    subject("bits");
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
        act_as(&callers[i], changes);
    }
    for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
        act_as(&makers[i], creations);
    fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
    act_as(&makers[0], by_odd_ids);
    fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
    act_as(&makers[3], by_odd_ids);
}
