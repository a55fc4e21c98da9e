/*
 * Decoders: making, changing, ending and waiting for processes.
 */
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/exec.h"
#include "proc/exit.h"
#include "proc/fork.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/share.h"
#include "syscall/filearg.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

static int64_t
sys_getpid(const uint64_t *args)
{
    (void)args;
    return current_proc()->pid;
}

static int64_t
sys_gettid(const uint64_t *args)
{
    (void)args;
    return current_task()->tid;
}

static int64_t
sys_getppid(const uint64_t *args)
{
    (void)args;
    return __atomic_load_n(&current_proc()->parent_pid, __ATOMIC_RELAXED);
}

static int64_t
sys_set_tid_address(const uint64_t *args)
{
    struct task *task = current_task();

    task->clear_tid = args[0];
    return task->tid;
}

static int64_t
sys_setpgid(const uint64_t *args)
{
    return group_set((int)args[0], (int)args[1]);
}

static int64_t
sys_getpgid(const uint64_t *args)
{
    return group_get_id((int)args[0]);
}

static int64_t
sys_getsid(const uint64_t *args)
{
    return session_get_id((int)args[0]);
}

static int64_t
sys_setsid(const uint64_t *args)
{
    (void)args;
    return session_create();
}

/* clone(flags, stack, parent_tid, tls, child_tid): riscv has the order of CLONE_BACKWARDS. */
static int64_t
sys_clone(const uint64_t *args)
{
    struct clone_request request = {
        .flags = (uint32_t)args[0] & ~(uint64_t)CSIGNAL,
        .exit_signal = (int)(args[0] & CSIGNAL),
        .stack = args[1],
        .parent_tid = args[2],
        .tls = args[3],
        .child_tid = args[4],
    };
    return task_clone(&request);
}

/* Fetch a structure whose size the user gives: newer ones may be longer, if the rest is zero. */
static int
get_struct(void *to, size_t known, vaddr_t user, size_t size)
{
    uint8_t rest[64];

    memset(to, 0, known);
    if (copyin(to, user, min(size, known)) < 0)
        return -EFAULT;
    for (size_t at = known; at < size; at += sizeof(rest)) {
        size_t n = min(size - at, sizeof(rest));
        if (copyin(rest, user + at, n) < 0)
            return -EFAULT;
        if (!mem_is_zero(rest, n))
            return -E2BIG;
    }
    return 0;
}

/* What clone3 refuses of its own; clone3(2). */
static bool
clone_args_valid(const struct clone_args *ca)
{
    bool stack = ca->stack != 0, size = ca->stack_size != 0;

    if (ca->flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)))
        return false;
    if ((ca->flags & (CLONE_THREAD | CLONE_PARENT)) && ca->exit_signal)
        return false;
    if (ca->flags >> 34) /* above CLONE_INTO_CGROUP */
        return false;
    return stack == size && range_below(ca->stack, ca->stack_size, user_top) &&
           ca->exit_signal <= _NSIG && ca->set_tid_size <= 1 &&
           (ca->set_tid != 0) == (ca->set_tid_size != 0);
}

static int64_t
sys_clone3(const uint64_t *args)
{
    struct clone_args ca;
    uint32_t tid;

    if (args[1] > PAGE_SIZE)
        return -E2BIG;
    if (args[1] < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    int error = get_struct(&ca, sizeof(ca), args[0], args[1]);
    if (error)
        return error;
    if (!clone_args_valid(&ca))
        return -EINVAL;
    if (ca.set_tid && get_user32(&tid, ca.set_tid) < 0)
        return -EFAULT;
    struct clone_request request = {
        .flags = ca.flags,
        .exit_signal = (int)ca.exit_signal,
        .stack = ca.stack ? ca.stack + ca.stack_size : 0,
        .parent_tid = ca.parent_tid,
        .tls = ca.tls,
        .child_tid = ca.child_tid,
        .set_tid = ca.set_tid ? (int32_t *)&tid : NULL,
    };
    return task_clone(&request);
}

static int64_t
sys_unshare(const uint64_t *args)
{
    return unshare(args[0]);
}

static int64_t
sys_execve(const uint64_t *args)
{
    struct exec_source source = {.argv = args[1], .envp = args[2]};
    char *name = get_path(args[0]);

    if (is_err(name))
        return ptr_err(name);
    int error = exec(NULL, name, name, 0, &source);
    kmfree(name);
    return error;
}

/* What AT_EXECFN shows of a file named through a descriptor. */
static void
describe(char *to, size_t size, int dirfd, const char *name)
{
    snprintf(to, size, name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, name);
}

static int64_t
sys_execveat(const uint64_t *args)
{
    struct exec_source source = {.argv = args[2], .envp = args[3]};
    unsigned flags = (unsigned)args[4];
    struct at_name at __uninitialized;

    if (flags & ~(unsigned)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    char *shown = kmalloc(PATH_MAX);
    if (!shown)
        return -ENOMEM;
    int error = at_begin(&at, (int)args[0], args[1]);
    if (!error) {
        if (at.start) {
            describe(shown, PATH_MAX, (int)args[0], at.name);
            source.closes_name = fd_get_cloexec((int)args[0]) == 1;
        } else {
            strscpy(shown, at.name, PATH_MAX);
        }
        error = exec(at.start, at.name, shown, flags, &source);
        at_end(&at);
    }
    kmfree(shown);
    return error;
}

static int64_t
sys_exit(const uint64_t *args)
{
    task_exit((int)(args[0] & 0xff) << 8);
}

static int64_t
sys_exit_group(const uint64_t *args)
{
    proc_exit((int)(args[0] & 0xff) << 8);
}

static int
put_rusage(vaddr_t user, const struct usage *usage)
{
    struct rusage rusage;

    if (!user)
        return 0;
    usage_to_rusage(usage, &rusage);
    return copyout(user, &rusage, sizeof(rusage));
}

static int64_t
sys_wait4(const uint64_t *args)
{
    int pid = (int)args[0];
    uint32_t options = (uint32_t)args[2];
    struct wait_result result __uninitialized; /* all that is read, if there is a pid */

    if (options & ~(uint32_t)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    struct wait_request request = {.kind = WAIT_ANY, .options = options | WEXITED};
    if (pid > 0) {
        request.kind = WAIT_PID;
        request.id = (uint32_t)pid;
    } else if (pid != -1) {
        request.kind = WAIT_GROUP;
        request.id = pid ? (uint32_t)-pid : current_proc()->pgid;
    }
    int error = wait_for_child(&request, &result);
    if (error)
        return error;
    if (!result.pid)
        return 0;
    if (args[1] && put_user32(args[1], (uint32_t)result.raw) < 0)
        return -EFAULT;
    if (put_rusage(args[3], &result.usage) < 0)
        return -EFAULT;
    return result.pid;
}

static int
waitid_target(struct wait_request *request, int type, int id)
{
    switch (type) {
    case P_ALL:
        request->kind = WAIT_ANY;
        return 0;
    case P_PID:
        request->kind = WAIT_PID;
        request->id = (uint32_t)id;
        return id > 0 ? 0 : -EINVAL;
    case P_PGID:
        request->kind = WAIT_GROUP;
        request->id = id ? (uint32_t)id : current_proc()->pgid;
        return id >= 0 ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* Check what waitid asks for, and wait. result->pid is 0 if there is nobody to tell of. */
static int
wait_as_asked(int type, int id, uint32_t options, struct wait_result *result)
{
    struct wait_request request = {.options = options};

    result->pid = 0;
    if ((options & ~(uint32_t)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
                               __WCLONE | __WALL)) ||
        !(options & (WEXITED | WSTOPPED | WCONTINUED)))
        return -EINVAL;
    int error = waitid_target(&request, type, id);
    return error ? error : wait_for_child(&request, result);
}

static int64_t
sys_waitid(const uint64_t *args)
{
    struct wait_result result;
    int error = wait_as_asked((int)args[0], (int)args[1], (uint32_t)args[3], &result);
    siginfo_t info = {};

    if (!error && result.pid) {
        info.si_signo = SIGCHLD;
        info.si_code = result.code;
        info.si_pid = (int)result.pid;
        info.si_uid = result.uid;
        info.si_status = result.status;
        if (put_rusage(args[4], &result.usage) < 0)
            return -EFAULT;
    }
    /* Linux fills in no more than these fields, and with zeros after an error. */
    if (args[2] && copyout(args[2], &info, offsetof(siginfo_t, si_status) + sizeof(int)) < 0)
        return -EFAULT;
    return error;
}

const struct syscall_row process_syscalls[] = {
    {__NR_getpid, sys_getpid},
    {__NR_gettid, sys_gettid},
    {__NR_getppid, sys_getppid},
    {__NR_set_tid_address, sys_set_tid_address},
    {__NR_setpgid, sys_setpgid},
    {__NR_getpgid, sys_getpgid},
    {__NR_getsid, sys_getsid},
    {__NR_setsid, sys_setsid},
    {__NR_clone, sys_clone},
    {__NR_clone3, sys_clone3},
    {__NR_unshare, sys_unshare},
    {__NR_execve, sys_execve},
    {__NR_execveat, sys_execveat},
    {__NR_exit, sys_exit},
    {__NR_exit_group, sys_exit_group},
    {__NR_wait4, sys_wait4},
    {__NR_waitid, sys_waitid},
    {0, NULL},
};
