/*
 * Directories, readable as xv6's are: 16 bytes an entry.
 *
 * The kernel gives entries of its own by getdents64, each with the position
 * after it. As many as the caller has room for are turned into xv6's, and the
 * file is put back to the position after the last of them, so that nothing
 * has to be kept between two calls, nor between processes.
 */
#include "call.h"
#include "kernel/fs.h"
#include "kernel/riscv.h"

struct linux_dirent { /* getdents64(2) */
    uint64 ino;
    uint64 next; /* position after this entry */
    ushort size;
    uchar type;
    char name[];
};

static void
convert(struct dirent *to, const struct linux_dirent *from)
{
    uint64 folded = from->ino ^ from->ino >> 16 ^ from->ino >> 32;
    int i = 0;

    to->inum = (ushort)folded ? (ushort)folded : 1; /* 0 would be no entry */
    for (; i < DIRSIZ && from->name[i]; i++)
        to->name[i] = from->name[i];
    for (; i < DIRSIZ; i++)
        to->name[i] = 0;
}

/* Whether n bytes can be written to, looking once a page. */
static int
all_writable(char *to, int n)
{
    for (int i = 0; i < n - 8; i += PGSIZE)
        if (!writable(to + i))
            return 0;
    return writable(to + n - 8);
}

long
xv6_read_directory(int fd, char *to, int n)
{
    /* Room for one entry at least: the longest name has 255 letters. */
    char buffer[512] __attribute__((aligned(8)));
    int done = 0;

    n -= n % (int)sizeof(struct dirent);
    if (n <= 0 || !all_writable(to, n))
        return -1;
    while (done < n) {
        long got = linux_call(getdents64, fd, buffer, sizeof(buffer));
        if (got < 0 && done == 0)
            return got;
        if (got <= 0)
            break;
        struct linux_dirent *entry = 0;
        long at = 0;
        for (; at < got && done < n; at += entry->size) {
            entry = (struct linux_dirent *)(buffer + at);
            struct dirent made;
            convert(&made, entry);
            memmove(to + done, &made, sizeof(made));
            done += sizeof(made);
        }
        if (at < got)
            linux_call(lseek, fd, entry->next, 0);
    }
    return done;
}
