/*
 * call.h: how the library calls the kernel, and what its files share.
 *
 * The kernel has Linux's ABI, so a result from -4095 to -1 is an errno; xv6
 * knows only -1, which xv6_result() makes of it.
 *
 * A wrong pointer from the program must make a call fail, not fault. Most
 * pointers go to the kernel untouched and come back as EFAULT; where the
 * library itself has to look through one, it asks the kernel first: readable(),
 * writable(), and xv6_path() for strings.
 */
#ifndef QUIRE_XV6_CALL_H
#define QUIRE_XV6_CALL_H

#include <asm/errno.h>
#include <asm/unistd.h>

#include "kernel/types.h"
#include "kernel/param.h"
#include "kernel/syscall.h"
#include "user/user.h"

#define AT_FDCWD (-100)
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000

/* Names that only the library uses, and no program can clash with. */
#define LOCAL __attribute__((visibility("hidden")))

static inline long
call6(long number, long arg0, long arg1, long arg2, long arg3, long arg4, long arg5)
{
    register long a0 __asm__("a0") = arg0;
    register long a1 __asm__("a1") = arg1;
    register long a2 __asm__("a2") = arg2;
    register long a3 __asm__("a3") = arg3;
    register long a4 __asm__("a4") = arg4;
    register long a5 __asm__("a5") = arg5;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

#define CALL_(n, a, b, c, d, e, f, ...)                                                            \
    call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* linux(NAME, up to six arguments) */
#define linux_call(name, ...) CALL_(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* What trace() asked for, a bit for each SYS_ number. */
extern int xv6_trace_mask LOCAL;
void xv6_trace_print(int number, long result) LOCAL;

/* The end of every call: -1 for an errno, and a line where trace() wants one. */
static inline long
xv6_result(int number, long result)
{
    if (result < 0)
        result = -1;
    if (xv6_trace_mask >> number & 1)
        xv6_trace_print(number, result);
    return result;
}

/* Whether 8 bytes can be read at p: no signal mask has such a `how`. */
static inline int
readable(const void *p)
{
    return linux_call(rt_sigprocmask, 99, p, 0, 8) != -EFAULT;
}

/* Whether 8 bytes can be written at p: the old signal mask goes there. */
static inline int
writable(void *p)
{
    return linux_call(rt_sigprocmask, 0, 0, p, 8) == 0;
}

#define PATH_BUFFER (MAXPATH + 8)
enum { PATH_PLAIN, PATH_SEARCH };

/*
 * The path to give to the kernel for the path that a program gave: itself, or
 * another put into buffer. A null pointer if it is no string or too long.
 * PATH_SEARCH: a bare name that is not in the current directory is looked for
 * in / and /bin, too.
 */
const char *xv6_path(const char *path, int how, char buffer[PATH_BUFFER]) LOCAL;

/* read() of a directory: n bytes of struct dirent, or -1. */
long xv6_read_directory(int fd, char *to, int n) LOCAL;

/* SIGPIPE: ignored in programs of xv6, as before in what they exec. */
void xv6_ignore_sigpipe(int ignore) LOCAL;

extern char **xv6_environment LOCAL;
#define XV6_TRACE_VARIABLE "XV6_TRACE="

#endif
