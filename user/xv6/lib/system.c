/* sysinfo() and statistics(): what the kernel counts. */
#define sysinfo linux_sysinfo
#include <linux/sysinfo.h>
#undef sysinfo

#include "call.h"
#include "kernel/sysinfo.h"

int
sysinfo(struct sysinfo *info)
{
    struct linux_sysinfo from;

    if (!writable(&info->freemem) || !writable(&info->nproc))
        return xv6_result(SYS_sysinfo, -1);
    long error = linux_call(sysinfo, &from);
    if (error == 0) {
        info->freemem = from.freeram * from.mem_unit;
        info->nproc = from.procs;
    }
    return xv6_result(SYS_sysinfo, error);
}

/* The number after "\nNAME " in text; 0 if there is none. */
static uint
value_of(const char *text, const char *name)
{
    uint length = strlen(name);

    for (; text; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (memcmp(text, name, length) == 0 && text[length] == ' ')
            return (uint)atoi(text + length + 1);
    }
    return 0;
}

static char *
put_line(char *to, const char *name, uint value)
{
    char digits[12];
    int n = 0;

    strcpy(to, name);
    to += strlen(to);
    *to++ = ':';
    *to++ = ' ';
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n > 0)
        *to++ = digits[--n];
    *to++ = '\n';
    return to;
}

/* How often user memory was copied, in lines of text; their length, or -1. */
int
statistics(void *to, int size)
{
    static char text[4096];
    char lines[64];
    long fd = linux_call(openat, AT_FDCWD, "/proc/vmstat", 0, 0), n = 0, got;

    if (fd < 0)
        return -1;
    while (n < (long)sizeof(text) - 1 &&
           (got = linux_call(read, fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += got;
    linux_call(close, fd);
    text[n] = 0;
    char *end = put_line(lines, "copyin", value_of(text, "ncopyin"));
    end = put_line(end, "copyinstr", value_of(text, "ncopyinstr"));
    n = end - lines < size ? end - lines : size;
    memmove(to, lines, (int)n);
    return (int)n;
}
