/*
 * The calls, and what their arguments are. A weight is how often a call is
 * drawn, beside others; 1 for what does little.
 */
#include "fuzz.h"

#include <sys/syscall.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define C(name, weight, ...) {#name, SYS_##name, weight, {__VA_ARGS__}}

const struct call calls[] = {
    {"*fork", SPECIAL_FORK, 12, {CLONEFLAGS}},
    {"*touch", SPECIAL_TOUCH, 20, {ADDRESS, SMALL, NUMBER}},

    /* files and names */
    C(openat, 20, DIRFD, PATH, OPENFLAGS, MODE),
    C(openat2, 6, DIRFD, PATH, OPENHOW, NUMBER),
    C(close, 8, FD),
    C(close_range, 2, FD, FD, BITS),
    C(dup, 3, FD),
    C(dup3, 4, FD, FD, OPENFLAGS),
    C(pipe2, 5, BUFFER, OPENFLAGS),
    C(read, 8, FD, BUFFER, LENGTH),
    C(write, 8, FD, BUFFER, LENGTH),
    C(readv, 3, FD, IOVEC, SMALL),
    C(writev, 3, FD, IOVEC, SMALL),
    C(pread64, 3, FD, BUFFER, LENGTH, OFFSET),
    C(pwrite64, 3, FD, BUFFER, LENGTH, OFFSET),
    C(preadv2, 2, FD, IOVEC, SMALL, OFFSET, ZERO, BITS),
    C(pwritev2, 2, FD, IOVEC, SMALL, OFFSET, ZERO, BITS),
    C(sendfile, 3, FD, FD, SEEKABLE, LENGTH),
    C(copy_file_range, 2, FD, SEEKABLE, FD, SEEKABLE, LENGTH, ZERO),
    C(lseek, 3, FD, OFFSET, WHENCE),
    C(ftruncate, 5, FD, OFFSET),
    C(truncate, 3, OWNPATH, OFFSET),
    C(fallocate, 4, FD, FALLOCMODE, OFFSET, OFFSET),
    C(fsync, 1, FD),
    C(fdatasync, 1, FD),
    C(sync, 1),
    C(syncfs, 1, FD),
    C(sync_file_range, 1, FD, OFFSET, OFFSET, BITS),
    C(fadvise64, 1, FD, OFFSET, OFFSET, SMALL),
    C(readahead, 1, FD, OFFSET, LENGTH),
    C(fstat, 2, FD, BUFFER),
    C(newfstatat, 3, DIRFD, PATH, BUFFER, ATFLAGS),
    C(statx, 3, DIRFD, PATH, ATFLAGS, BITS, BUFFER),
    C(statfs, 1, PATH, BUFFER),
    C(fstatfs, 1, FD, BUFFER),
    C(faccessat, 1, DIRFD, PATH, SMALL),
    C(faccessat2, 3, DIRFD, PATH, SMALL, ATFLAGS),
    C(getdents64, 4, FD, BUFFER, LENGTH),
    C(getcwd, 2, BUFFER, LENGTH),
    C(chdir, 3, PATH),
    C(fchdir, 2, FD),
    C(chroot, 1, OWNPATH),
    C(mkdirat, 5, DIRFD, OWNPATH, MODE),
    C(mknodat, 4, DIRFD, OWNPATH, MODE, SMALL),
    C(unlinkat, 6, DIRFD, OWNPATH, ATFLAGS),
    C(symlinkat, 5, PATH, DIRFD, OWNPATH),
    C(linkat, 5, DIRFD, PATH, DIRFD, OWNPATH, ATFLAGS),
    C(renameat2, 8, DIRFD, OWNPATH, DIRFD, OWNPATH, SMALL),
    C(readlinkat, 3, DIRFD, PATH, BUFFER, LENGTH),
    C(fchmod, 2, FD, MODE),
    C(fchmodat, 2, DIRFD, OWNPATH, MODE),
    C(fchmodat2, 1, DIRFD, OWNPATH, MODE, ATFLAGS),
    C(fchown, 2, FD, UID, UID),
    C(fchownat, 3, DIRFD, OWNPATH, UID, UID, ATFLAGS),
    C(umask, 1, MODE),
    C(utimensat, 2, DIRFD, OWNPATH, TIMESPEC, ATFLAGS),
    C(setxattr, 2, OWNPATH, XATTRNAME, BUFFER, LENGTH, SMALL),
    C(fsetxattr, 1, FD, XATTRNAME, BUFFER, LENGTH, SMALL),
    C(lsetxattr, 1, OWNPATH, XATTRNAME, BUFFER, LENGTH, SMALL),
    C(getxattr, 1, PATH, XATTRNAME, BUFFER, LENGTH),
    C(fgetxattr, 1, FD, XATTRNAME, BUFFER, LENGTH),
    C(lgetxattr, 1, PATH, XATTRNAME, BUFFER, LENGTH),
    C(listxattr, 1, PATH, BUFFER, LENGTH),
    C(flistxattr, 1, FD, BUFFER, LENGTH),
    C(llistxattr, 1, PATH, BUFFER, LENGTH),
    C(removexattr, 1, OWNPATH, XATTRNAME),
    C(fremovexattr, 1, FD, XATTRNAME),
    C(lremovexattr, 1, OWNPATH, XATTRNAME),
    C(mount, 8, PATH, OWNPATH, FSTYPE, MOUNTFLAGS, MOUNTDATA),
    C(umount2, 6, OWNPATH, BITS),
    C(pivot_root, 1, OWNPATH, OWNPATH),
    C(flock, 4, FD, BITS),
    C(fcntl, 8, FD, FCNTLCMD, FLOCK),
    C(ioctl, 4, FD, IOCTLCMD, BUFFER),
    C(memfd_create, 4, OWNPATH, BITS),

    /* waiting for files */
    C(ppoll, 3, POLLFDS, SMALL, TIMESPEC, SIGSET, SIGSETSIZE),
    C(pselect6, 3, SMALL, FDSET, FDSET, FDSET, TIMESPEC, ZERO),
    C(epoll_create1, 3, BITS),
    C(epoll_ctl, 8, FD, EPOLLOP, FD, EPOLLEVENT),
    C(epoll_pwait, 3, FD, BUFFER, SMALL, SMALL, SIGSET, SIGSETSIZE),
    C(epoll_pwait2, 2, FD, BUFFER, SMALL, TIMESPEC, SIGSET, SIGSETSIZE),
    C(eventfd2, 2, NUMBER, OPENFLAGS),
    C(signalfd4, 3, FD, SIGSET, SIGSETSIZE, OPENFLAGS),
    C(timerfd_create, 2, CLOCK, OPENFLAGS),
    C(timerfd_settime, 4, FD, TIMERFLAGS, ITIMERSPEC, BUFFER),
    C(timerfd_gettime, 1, FD, BUFFER),

    /* memory */
    C(mmap, 20, ADDRESS, SPAN, PROT, MMAPFLAGS, FD, OFFSET),
    C(munmap, 8, ADDRESS, SPAN),
    C(mprotect, 8, ADDRESS, SPAN, PROT),
    C(mremap, 8, ADDRESS, SPAN, SPAN, REMAPFLAGS, ADDRESS),
    C(madvise, 10, ADDRESS, SPAN, ADVICE),
    C(mlock, 2, ADDRESS, SPAN),
    C(mlock2, 2, ADDRESS, SPAN, SMALL),
    C(munlock, 2, ADDRESS, SPAN),
    C(mlockall, 1, SMALL),
    C(munlockall, 1),
    C(mincore, 2, ADDRESS, SPAN, BUFFER),
    C(msync, 2, ADDRESS, SPAN, SMALL),
    C(brk, 2, NUMBER),
    C(membarrier, 1, MEMBARRIER, ZERO, SMALL),
    {"pgaccess", 1000, 2, {ADDRESS, SMALL, BUFFER}},

    /* processes */
    C(execve, 2, PROGRAM, ARGV, ARGV),
    C(execveat, 2, DIRFD, PROGRAM, ARGV, ARGV, ATFLAGS),
    C(exit, 1, NUMBER),
    C(wait4, 4, PID, BUFFER, BITS, BUFFER),
    C(waitid, 3, SMALL, PID, SIGINFO, BITS, BUFFER),
    C(kill, 5, WHOM, SIGNAL),
    C(tkill, 2, WHOM, SIGNAL),
    C(tgkill, 3, WHOM, WHOM, SIGNAL),
    C(rt_sigqueueinfo, 2, WHOM, SIGNAL, SIGINFO),
    C(rt_tgsigqueueinfo, 2, WHOM, WHOM, SIGNAL, SIGINFO),
    C(rt_sigaction, 4, SIGNAL, SIGACTION, BUFFER, SIGSETSIZE),
    C(rt_sigprocmask, 3, SIGHOW, SIGSET, BUFFER, SIGSETSIZE),
    C(rt_sigpending, 1, BUFFER, SIGSETSIZE),
    C(rt_sigsuspend, 1, SIGSET, SIGSETSIZE),
    C(rt_sigtimedwait, 2, SIGSET, SIGINFO, TIMESPEC, SIGSETSIZE),
    C(sigaltstack, 2, SIGSTACK, BUFFER),
    C(restart_syscall, 1),
    C(getpid, 1),
    C(getppid, 1),
    C(gettid, 1),
    C(getpgid, 1, PID),
    C(setpgid, 4, PID, PID),
    C(getsid, 1, PID),
    C(setsid, 3),
    C(unshare, 3, CLONEFLAGS),
    C(set_tid_address, 1, FUTEXWORD),
    C(set_robust_list, 1, BUFFER, LENGTH),
    C(get_robust_list, 1, PID, BUFFER, BUFFER),
    C(futex, 8, FUTEXWORD, FUTEXOP, SMALL, TIMESPEC, FUTEXWORD, SMALL),
    C(prctl, 5, PRCTLOP, NUMBER, NUMBER, ZERO, ZERO),
    C(personality, 1, BITS),

    /* identity and limits */
    C(getresuid, 1, BUFFER, BUFFER, BUFFER),
    C(getresgid, 1, BUFFER, BUFFER, BUFFER),
    C(setuid, 1, UID),
    C(setgid, 1, UID),
    C(setreuid, 2, UID, UID),
    C(setregid, 1, UID, UID),
    C(setresuid, 3, UID, UID, UID),
    C(setresgid, 1, UID, UID, UID),
    C(setfsuid, 1, UID),
    C(setfsgid, 1, UID),
    C(setgroups, 1, SMALL, IDLIST),
    C(getgroups, 1, SMALL, BUFFER),
    C(capget, 2, CAPHEADER, CAPDATA),
    C(capset, 2, CAPHEADER, CAPDATA),
    C(prlimit64, 4, PID, RESOURCE, RLIMIT, BUFFER),
    C(setrlimit, 1, RESOURCE, RLIMIT),
    C(getrlimit, 1, RESOURCE, BUFFER),
    C(getrusage, 1, WHICH, BUFFER),
    C(times, 1, BUFFER),

    /* scheduling */
    C(sched_yield, 3),
    C(sched_setaffinity, 8, PID, LENGTH, CPUSET),
    C(sched_getaffinity, 1, PID, LENGTH, BUFFER),
    C(sched_setscheduler, 4, PID, POLICY, SCHEDPARAM),
    C(sched_setparam, 2, PID, SCHEDPARAM),
    C(sched_getscheduler, 1, PID),
    C(sched_getparam, 1, PID, BUFFER),
    C(sched_rr_get_interval, 1, PID, BUFFER),
    C(sched_get_priority_max, 1, POLICY),
    C(setpriority, 3, WHICH, PID, NICE),
    C(getpriority, 1, WHICH, PID),
    C(getcpu, 1, BUFFER, BUFFER, ZERO),

    /* time */
    C(nanosleep, 2, TIMESPEC, BUFFER),
    C(clock_nanosleep, 2, CLOCK, TIMERFLAGS, TIMESPEC, BUFFER),
    C(clock_gettime, 1, CLOCK, BUFFER),
    C(clock_getres, 1, CLOCK, BUFFER),
    C(clock_settime, 1, CLOCK, TIMESPEC),
    C(gettimeofday, 1, BUFFER, BUFFER),
    C(getitimer, 1, WHICH, BUFFER),
    C(setitimer, 3, WHICH, ITIMERVAL, BUFFER),
    C(timer_create, 4, CLOCK, SIGEVENT, BUFFER),
    C(timer_settime, 5, TIMER, TIMERFLAGS, ITIMERSPEC, BUFFER),
    C(timer_gettime, 1, TIMER, BUFFER),
    C(timer_getoverrun, 1, TIMER),
    C(timer_delete, 2, TIMER),
    C(adjtimex, 1, BUFFER),

    /* the system */
    C(uname, 1, BUFFER),
    C(sysinfo, 1, BUFFER),
    C(syslog, 1, SMALL, BUFFER, LENGTH),
    C(getrandom, 1, BUFFER, LENGTH, SMALL),
    C(rseq, 1, BUFFER, LENGTH, SMALL, NUMBER),
    C(riscv_flush_icache, 1, ADDRESS, ADDRESS, SMALL),
};
const unsigned ncalls = sizeof(calls) / sizeof(calls[0]);
