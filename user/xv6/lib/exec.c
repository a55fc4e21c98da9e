/*
 * exec, with xv6's limits: fewer than MAXARG arguments, and all of them with
 * their pointers on one page. Nothing of what the program gives can be
 * trusted, so each pointer is tried before it is followed.
 */
#include "call.h"
#include "kernel/riscv.h"

#define MAX_ENVIRONMENT 64

/* Bytes of a string with its NUL; 0 if it is none, or longer than a page. */
static uint64
string_size(const char *s)
{
    /* No file has the descriptor -1, so nothing is looked up. */
    if (linux_call(faccessat, -1, s, 0) == -EFAULT)
        return 0;
    for (uint64 n = 0; n < PGSIZE; n++)
        if (s[n] == 0)
            return n + 1;
    return 0;
}

/* Whether argv is what xv6 would take. */
static int
arguments_fit(char **argv)
{
    uint64 left = PGSIZE / 16, argc = 0; /* in pieces of 16 bytes, to which xv6 aligns */

    for (;; argc++) {
        if (argc == MAXARG || !readable(&argv[argc]))
            return 0;
        if (!argv[argc])
            break;
        uint64 size = (string_size(argv[argc]) + 15) / 16;
        if (size == 0 || size > left)
            return 0;
        left -= size;
    }
    return ((argc + 1) * sizeof(char *) + 15) / 16 <= left;
}

/* The environment, with trace()'s mask in it if there is one. */
static char **
environment(void)
{
    static char *with_mask[MAX_ENVIRONMENT + 2];
    static char variable[32];
    const uint length = strlen(XV6_TRACE_VARIABLE);
    int n = 0;

    if (!xv6_trace_mask)
        return xv6_environment;
    for (int i = 0; xv6_environment[i] && n < MAX_ENVIRONMENT; i++)
        if (memcmp(xv6_environment[i], XV6_TRACE_VARIABLE, length) != 0)
            with_mask[n++] = xv6_environment[i];
    char digits[16];
    int ndigits = 0;
    for (uint left = (uint)xv6_trace_mask; left; left /= 10)
        digits[ndigits++] = (char)('0' + left % 10);
    strcpy(variable, XV6_TRACE_VARIABLE);
    for (int i = 0; i < ndigits; i++)
        variable[length + i] = digits[ndigits - 1 - i];
    variable[length + ndigits] = 0;
    with_mask[n++] = variable;
    with_mask[n] = 0;
    return with_mask;
}

int
exec(const char *name, char **argv)
{
    char buffer[PATH_BUFFER];
    const char *path = xv6_path(name, PATH_SEARCH, buffer);

    if (!path || !arguments_fit(argv))
        return xv6_result(SYS_exec, -1);
    xv6_ignore_sigpipe(0);
    long error = linux_call(execve, path, argv, environment());
    xv6_ignore_sigpipe(1);
    return xv6_result(SYS_exec, error);
}
