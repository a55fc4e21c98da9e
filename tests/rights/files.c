/*
 * The table of rights: using files and directories by their permissions.
 */
#include "rights.h"
#include <sys/time.h>

#define PATH DIR "/open/file"
#define INSIDE DIR "/open/dir/file"

static const struct who callers[] = {
    ROOT,
    BARE,
    USER("ann", ANN, true),
    USER("bob", BOB, true),
    USER("eve", EVE, false),
    EVE_WITH(CAP_DAC_OVERRIDE),
    EVE_WITH(CAP_DAC_READ_SEARCH),
    EVE_WITH(CAP_FOWNER),
    {.name = "eve with all but DAC", .uid = EVE,
     .caps = ALL_CAPS & ~(BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH))},
    ROOT_BUT(CAP_DAC_OVERRIDE),
    ROOT_BUT(CAP_DAC_READ_SEARCH),
    ROOT_BUT(CAP_FOWNER),
    {.name = "root but both DAC",
     .caps = ALL_CAPS & ~(BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH))},
};

/* access() for each mask, real and effective ids, in one word: 1 where it is allowed. */
static void
masks(const char *path, const char *what)
{
    char text[20], operation[80];

    for (int effective = 0; effective < 2; effective++) {
        for (int mask = 0; mask < 8; mask++)
            text[mask] = faccessat(AT_FDCWD, path, mask, effective ? AT_EACCESS : 0) == 0 ? '1' : '0';
        text[8] = '\0';
        snprintf(operation, sizeof(operation), "%s of %s", effective ? "eaccess" : "access", what);
        told(operation, "%s", text);
    }
}

static void
use_file(const char *path, const char *what)
{
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    struct timespec old[2] = {{1, 0}, {1, 0}}, half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};

    masks(path, what);
    tried_fd(open(path, O_RDONLY), "open r of %s", what);
    tried_fd(open(path, O_WRONLY), "open w of %s", what);
    tried_fd(open(path, O_RDWR | O_NOATIME), "open rw O_NOATIME of %s", what);
    tried_fd(open(path, O_RDONLY | O_TRUNC), "open r O_TRUNC of %s", what);
    tried_fd(open(path, 3), "open 3 of %s", what);
    tried(truncate(path, 2), "truncate %s", what);
    tried(utimensat(AT_FDCWD, path, now, 0), "utimensat now %s", what);
    tried(utimensat(AT_FDCWD, path, old, 0), "utimensat old %s", what);
    tried(utimensat(AT_FDCWD, path, half, 0), "utimensat half %s", what);
    tried(utimensat(AT_FDCWD, path, none, 0), "utimensat none %s", what);
}

static void
each_file(void)
{
    static const unsigned modes[] = {0, 0400, 0200, 0111, 0040, 0026, 0755};
    static const unsigned owners[][2] = {{ANN, ANN}, {BOB, CLUB}};
    char what[64];

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        for (size_t o = 0; o < ARRAY_SIZE(owners); o++) {
            fixture(PATH, S_IFREG | modes[m], owners[o][0], owners[o][1]);
            snprintf(what, sizeof(what), "%03o %u:%u", modes[m], owners[o][0], owners[o][1]);
            use_file(PATH, what);
        }
}

/* In the parent: the permissions of a directory with a file in it. */
static long
set_dir(long mode)
{
    chown(DIR "/open/dir", BOB, CLUB);
    return chmod(DIR "/open/dir", (mode_t)mode);
}

static void
each_dir(void)
{
    static const unsigned modes[] = {0, 0700, 0500, 0030, 0001, 0005};
    char what[64];

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        fixture(DIR "/open/dir", S_IFDIR | 0700, 0, 0);
        fixture(INSIDE, S_IFREG | 0666, ANN, ANN);
        snprintf(what, sizeof(what), "dir %03o", modes[m]);
        fixture(DIR "/open/empty", S_IFDIR | modes[m], BOB, CLUB);
        by_root(set_dir, modes[m]);
        masks(DIR "/open/dir", what);
        tried_fd(open(DIR "/open/dir", O_RDONLY), "open %s", what);
        tried_fd(open(DIR "/open/dir", O_PATH), "open O_PATH %s", what);
        tried(chdir(DIR "/open/dir"), "chdir %s", what);
        tried_fd(open(INSIDE, O_RDONLY), "open in %s", what);
        tried(access(INSIDE, F_OK), "access in %s", what);
        tried(link(INSIDE, DIR "/open/dir/second"), "link in %s", what);
        tried(mkdir(DIR "/open/dir/new", 0777), "mkdir in %s", what);
        tried(rename(DIR "/open/dir/new", DIR "/open/dir/newer"), "rename in %s", what);
        tried(rmdir(DIR "/open/dir/newer"), "rmdir in %s", what);
        tried_fd(open(DIR "/open/dir/x", O_CREAT | O_RDWR, 0), "create in %s", what);
        tried(unlink(INSIDE), "unlink in %s", what);
        tried(unlink(DIR "/open/dir/missing"), "unlink a missing name in %s", what);
        tried(rename(DIR "/open/empty", DIR "/open/moved"), "rename of an empty %s", what);
        remove_fixture(DIR "/open/moved");
        chdir("/");
    }
}

void
files(void)
{
    subject("files");
    fixture(DIR "/open", S_IFDIR | 0777, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        act_as(&callers[i], each_file);
        act_as(&callers[i], each_dir);
    }
}
