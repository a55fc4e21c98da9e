/*
 * Paths as xv6 has them: shorter than MAXPATH, and of names of at most DIRSIZ
 * letters, longer ones meaning the same as their first DIRSIZ.
 *
 * Linux's file systems have longer names, and programs are given such paths
 * from outside. So a path that exists as it stands is taken so; only another,
 * one that is about to be created, say, has its names cut.
 */
#include "call.h"
#include "kernel/fs.h"

static uint
length_up_to(const char *s, uint max)
{
    uint n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

/* 0 if there is something of that name, be it a link that leads nowhere. */
static long
look_up(const char *path)
{
    long error = linux_call(faccessat, AT_FDCWD, path, 0);
    char c;

    return error == -ENOENT && linux_call(readlinkat, AT_FDCWD, path, &c, 1) > 0 ? 0 : error;
}

/* Copy path with every name cut; whether there was one to cut. */
static int
cut_names(const char *path, char *to)
{
    int letters = 0, cut = 0;

    for (; *path; path++) {
        letters = *path == '/' ? 0 : letters + 1;
        if (letters <= DIRSIZ)
            *to++ = *path;
        else
            cut = 1;
    }
    *to = 0;
    return cut;
}

/* xv6 keeps its programs and README in the one directory that it starts in. */
static int
search(const char *name, char *buffer)
{
    static const char *const directories[] = {"/", "/bin/"};

    if (*name == 0 || strchr(name, '/'))
        return 0;
    for (int i = 0; i < 2; i++) {
        strcpy(buffer, directories[i]);
        strcpy(buffer + strlen(buffer), name);
        if (look_up(buffer) == 0)
            return 1;
    }
    return 0;
}

const char *
xv6_path(const char *path, int how, char buffer[PATH_BUFFER])
{
    long error = look_up(path);

    /* ENAMETOOLONG is also for 4096 bytes without a NUL; they can be read, then. */
    if (error == -EFAULT || length_up_to(path, MAXPATH) == MAXPATH)
        return 0;
    if (error == 0)
        return path;
    if (how == PATH_SEARCH && search(path, buffer))
        return buffer;
    return cut_names(path, buffer) ? buffer : path;
}
