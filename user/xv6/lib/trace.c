/*
 * trace(mask): from now on, in this program and in what it forks and execs, a
 * line on descriptor 2 for each call whose bit is set.
 */
#include "call.h"

int xv6_trace_mask;

static const char *const names[] = {
    [SYS_fork] = "fork",         [SYS_exit] = "exit",         [SYS_wait] = "wait",
    [SYS_pipe] = "pipe",         [SYS_read] = "read",         [SYS_kill] = "kill",
    [SYS_exec] = "exec",         [SYS_fstat] = "fstat",       [SYS_chdir] = "chdir",
    [SYS_dup] = "dup",           [SYS_getpid] = "getpid",     [SYS_sbrk] = "sbrk",
    [SYS_sleep] = "sleep",       [SYS_uptime] = "uptime",     [SYS_open] = "open",
    [SYS_write] = "write",       [SYS_mknod] = "mknod",       [SYS_unlink] = "unlink",
    [SYS_link] = "link",         [SYS_mkdir] = "mkdir",       [SYS_close] = "close",
    [SYS_trace] = "trace",       [SYS_sysinfo] = "sysinfo",   [SYS_sigalarm] = "sigalarm",
    [SYS_sigreturn] = "sigreturn", [SYS_symlink] = "symlink", [SYS_mmap] = "mmap",
    [SYS_munmap] = "munmap",     [SYS_pgaccess] = "pgaccess",
};

void
xv6_trace_print(int number, long result)
{
    const char *name = (uint)number < sizeof(names) / sizeof(names[0]) ? names[number] : 0;

    fprintf(2, "%d: syscall %s -> %d\n", (int)linux_call(getpid), name, (int)result);
}

int
trace(int mask)
{
    xv6_trace_mask = mask;
    return xv6_result(SYS_trace, 0);
}
