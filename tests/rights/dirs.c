/*
 * The table of rights: removing and renaming in sticky directories, and what
 * /proc/sys/fs/protected_* says about links, pipes and files there.
 */
#include "rights.h"

#define PLACE DIR "/place"
#define VICTIM PLACE "/victim"

static const struct who callers[] = {
    ROOT,
    BARE,
    USER("ann", ANN, true),
    USER("bob", BOB, true),
    USER("eve", EVE, false),
    EVE_WITH(CAP_FOWNER),
    EVE_WITH(CAP_DAC_OVERRIDE),
    ROOT_BUT(CAP_FOWNER),
};

static void
one_place(unsigned mode, unsigned dir_owner, unsigned owner)
{
    char what[80];

    snprintf(what, sizeof(what), "%u's in %u's %05o", owner, dir_owner, mode);
    fixture(PLACE, S_IFDIR | mode, dir_owner, CLUB);
    fixture(VICTIM, S_IFREG | 0666, owner, owner);
    fixture(PLACE "/dir", S_IFDIR | 0755, owner, owner);
    fixture(PLACE "/target", S_IFREG | 0666, owner, owner);
    fixture(DIR "/open/mine", S_IFREG | 0666, EVE, EVE);
    tried(rename(DIR "/open/mine", PLACE "/target"), "rename over %s", what);
    tried(link(VICTIM, DIR "/open/link"), "link from %s", what);
    remove_fixture(DIR "/open/link");
    tried(syscall(SYS_renameat2, AT_FDCWD, VICTIM, AT_FDCWD, PLACE "/dir", 2), "exchange %s", what);
    tried(rename(PLACE "/dir", PLACE "/dir2"), "rename dir %s", what);
    tried(rename(PLACE "/dir2", DIR "/open/dir"), "move dir from %s", what);
    remove_fixture(DIR "/open/dir");
    tried(rename(VICTIM, DIR "/open/moved"), "move from %s", what);
    remove_fixture(DIR "/open/moved");
    fixture(VICTIM, S_IFREG | 0666, owner, owner);
    fixture(PLACE "/dir", S_IFDIR | 0755, owner, owner);
    tried(rmdir(PLACE "/dir"), "rmdir %s", what);
    tried(unlink(VICTIM), "unlink %s", what);
}

static void
sticky(void)
{
    static const unsigned modes[] = {0755, 0777, 01777};
    static const unsigned owners[] = {0, ANN, BOB};

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        for (size_t d = 0; d < 2; d++)
            for (size_t o = 1; o < ARRAY_SIZE(owners); o++)
                one_place(modes[m], owners[d], owners[o]);
}

/* Links, pipes and files of others in places where all may write. */

static void
protections(void)
{
    static const unsigned modes[] = {0777, 01777, 01775};
    static const unsigned owners[] = {0, ANN, EVE};
    char what[80];

    fixture(DIR "/target", S_IFREG | 0666, ANN, ANN);
    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        for (size_t d = 0; d < 2; d++)
            for (size_t o = 0; o < ARRAY_SIZE(owners); o++) {
                snprintf(what, sizeof(what), "%u's in %u's %05o", owners[o], owners[d], modes[m]);
                fixture(PLACE, S_IFDIR | modes[m], owners[d], CLUB);
                fixture(VICTIM, S_IFLNK | 0777, owners[o], owners[o]);
                tried_fd(open(VICTIM, O_RDONLY), "open through link %s", what);
                tried_fd(open(VICTIM, O_RDONLY | O_CREAT, 0600), "open O_CREAT through link %s", what);
                tried(access(VICTIM, R_OK), "access through link %s", what);
                tried(chmod(VICTIM, 0666), "chmod through link %s", what);
                tried(readlink(VICTIM, what + 64, 1), "readlink %s", what);
                what[64] = '\0';
                fixture(VICTIM, S_IFIFO | 0666, owners[o], owners[o]);
                tried_fd(open(VICTIM, O_RDWR | O_CREAT, 0600), "open O_CREAT of pipe %s", what);
                fixture(VICTIM, S_IFREG | 0666, owners[o], owners[o]);
                tried_fd(open(VICTIM, O_RDWR | O_CREAT, 0600), "open O_CREAT of file %s", what);
            }
}

static void
hard_links(void)
{
    static const unsigned modes[] = {S_IFREG | 0666, S_IFREG | 0644, S_IFREG | 04666,
                                     S_IFREG | 02666, S_IFREG | 02676, S_IFREG | 0222,
                                     S_IFIFO | 0666, S_IFLNK | 0777, S_IFDIR | 0777};
    static const unsigned owners[][2] = {{0, 0}, {ANN, ANN}, {BOB, CLUB}};
    char path[64];

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        for (size_t o = 0; o < ARRAY_SIZE(owners); o++) {
            fixture(DIR "/open/source", modes[m], owners[o][0], owners[o][1]);
            tried(link(DIR "/open/source", DIR "/open/name"), "link %06o %u:%u", modes[m],
                  owners[o][0], owners[o][1]);
            remove_fixture(DIR "/open/name");
            int fd = open(DIR "/open/source", O_PATH | O_NOFOLLOW);
            tried(linkat(fd, "", AT_FDCWD, DIR "/open/name", AT_EMPTY_PATH), "linkat empty %06o %u:%u",
                  modes[m], owners[o][0], owners[o][1]);
            remove_fixture(DIR "/open/name");
            snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
            tried(linkat(AT_FDCWD, path, AT_FDCWD, DIR "/open/name", AT_SYMLINK_FOLLOW),
                  "linkat by /proc %06o %u:%u", modes[m], owners[o][0], owners[o][1]);
            close(fd);
            remove_fixture(DIR "/open/name");
        }
}

void
dirs(void)
{
    subject("dirs");
    fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        act_as(&callers[i], sticky);
        act_as(&callers[i], protections);
        act_as(&callers[i], hard_links);
    }
}
