/*
 * Decoders: the system as a whole, limits, usage, priorities.
 */
#include <linux/capability.h>
#include <linux/personality.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sysinfo.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "dev/kmsg.h"
#include "dev/random.h"
#include "dev/uart.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "proc/fork.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/pid.h"
#include "proc/signal.h"
#include "proc/uts.h"
#include "syscall/syscall.h"
#include "vfs/namei.h"
#include "vfs/pagecache.h"
#include "vm/uio.h"
#include "vm/usercopy.h"

#define LOADAVG_SHIFT 11 /* of sched_loadavg() */

static int64_t
sys_uname(const uint64_t *args)
{
    struct new_utsname uts;

    uts_get(&uts);
    if (current_task()->personality & UNAME26)
        strscpy(uts.release, "2.6.60-quire", sizeof(uts.release));
    return copyout(args[0], &uts, sizeof(uts));
}

static int64_t
set_uts_name(bool domain, const uint64_t *args)
{
    char name[__NEW_UTS_LEN + 1];
    int length = (int)args[1];

    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (length < 0 || length > __NEW_UTS_LEN)
        return -EINVAL;
    if (copyin(name, args[0], (size_t)length) < 0)
        return -EFAULT;
    return uts_set(domain, name, (size_t)length);
}

static int64_t
sys_sethostname(const uint64_t *args)
{
    return set_uts_name(false, args);
}

static int64_t
sys_setdomainname(const uint64_t *args)
{
    return set_uts_name(true, args);
}

static int64_t
sys_sysinfo(const uint64_t *args)
{
    struct sysinfo info;
    uint64_t loads[3], counts[FRAME_NOWNERS];
    uint32_t running;

    memset(&info, 0, sizeof(info));
    sched_loadavg(loads, &running);
    frame_counts(counts);
    info.uptime = (long)(clock_now() / NSEC_PER_SEC);
    for (int i = 0; i < 3; i++)
        info.loads[i] = loads[i] << (SI_LOAD_SHIFT - LOADAVG_SHIFT);
    info.totalram = (nframes_ram - counts[FRAME_KERNEL] - counts[FRAME_RESERVED]) * PAGE_SIZE;
    info.freeram = frame_nfree() * PAGE_SIZE;
    info.bufferram = 0;
    info.procs = (uint16_t)min(proc_nthreads, 65535U);
    info.mem_unit = 1;
    return copyout(args[0], &info, sizeof(info));
}

static int64_t
sys_getrandom(const uint64_t *args)
{
    uint64_t flags = (uint32_t)args[2];
    struct uio_segment segment;
    struct uio uio;

    if ((flags & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    size_t size = min(args[1], UIO_MAX_BYTES);
    if (!user_range(args[0], size))
        return -EFAULT;
    uio_user(&uio, &segment, args[0], size);
    return size ? random_read(&uio) : 0;
}

static int64_t
sys_reboot(const uint64_t *args)
{
    uint32_t magic2 = (uint32_t)args[1];

    if (!capable(CAP_SYS_BOOT))
        return -EPERM;
    if ((uint32_t)args[0] != LINUX_REBOOT_MAGIC1 ||
        (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
         magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
        return -EINVAL;
    switch ((uint32_t)args[2]) {
    case LINUX_REBOOT_CMD_CAD_ON:
    case LINUX_REBOOT_CMD_CAD_OFF:
        return 0;
    case LINUX_REBOOT_CMD_RESTART:
    case LINUX_REBOOT_CMD_RESTART2:
        pr_info("reboot: Restarting system");
        uart_flush();
        machine_reboot();
    case LINUX_REBOOT_CMD_HALT:
    case LINUX_REBOOT_CMD_POWER_OFF:
        pr_info("reboot: Power down");
        uart_flush();
        machine_poweroff(false);
    default:
        return -EINVAL;
    }
}

static int64_t
sys_syslog(const uint64_t *args)
{
    int type = (int)args[0];

    return kmsg_syslog(type, args[1], (int)args[2]);
}

static int64_t
sys_personality(const uint64_t *args)
{
    struct task *task = current_task();
    uint32_t old = task->personality, wanted = (uint32_t)args[0];

    if (wanted != ~0U)
        store_relaxed(&task->personality, wanted);
    return old;
}

static int64_t
sys_umask(const uint64_t *args)
{
    struct fs_context *fs = current_thread()->fs;
    SCOPED_SPIN(&fs->lock);
    uint32_t old = fs->umask;

    fs->umask = (uint32_t)args[0] & 0777;
    return old;
}

static int64_t
sys_getrusage(const uint64_t *args)
{
    struct proc *proc = current_proc();
    struct usage usage, thread = {};
    struct rusage rusage;

    proc_usage(proc, &usage);
    spin_lock(&proc->lock);
    usage_add_task(&thread, current_task());
    struct usage children = proc->children_usage;
    spin_unlock(&proc->lock);
    switch ((int)args[0]) {
    case RUSAGE_SELF:
        break;
    case RUSAGE_CHILDREN:
        usage = children;
        break;
    case RUSAGE_THREAD:
        thread.nminor = usage.nminor;
        thread.nmajor = usage.nmajor;
        thread.max_resident = usage.max_resident;
        usage = thread;
        break;
    default:
        return -EINVAL;
    }
    usage_to_rusage(&usage, &rusage);
    return copyout(args[1], &rusage, sizeof(rusage));
}

static int64_t
sys_getrlimit(const uint64_t *args)
{
    struct rlimit64 old;
    int error = limit_change(current_proc(), (unsigned)args[0], NULL, &old);

    return error ? error : copyout(args[1], &old, sizeof(old));
}

static int64_t
sys_setrlimit(const uint64_t *args)
{
    struct rlimit64 new;

    if (copyin(&new, args[1], sizeof(new)) < 0)
        return -EFAULT;
    return limit_change(current_proc(), (unsigned)args[0], &new, NULL);
}

/* May the current thread see and change another process's limits? prlimit(2). */
static int
check_prlimit(struct task *task)
{
    if (task->proc == current_proc())
        return 0;
    const struct cred *theirs = task_cred(task);
    const struct cred *mine = current_cred();
    bool same = mine->uid == theirs->uid && mine->uid == theirs->euid &&
                mine->uid == theirs->suid && mine->gid == theirs->gid &&
                mine->gid == theirs->egid && mine->gid == theirs->sgid;

    cred_put(theirs);
    return same || capable(CAP_SYS_RESOURCE) ? 0 : -EPERM;
}

static int64_t
sys_prlimit64(const uint64_t *args)
{
    int pid = (int)args[0];
    struct rlimit64 new, old;

    if (args[2] && copyin(&new, args[2], sizeof(new)) < 0)
        return -EFAULT;
    struct task *task = pid ? (pid > 0 ? pid_task((uint32_t)pid) : NULL) : current_task();
    if (!task)
        return -ESRCH;
    int error = check_prlimit(task);
    if (!error)
        error = limit_change(task->proc, (unsigned)args[1], args[2] ? &new : NULL, &old);
    if (pid)
        task_put(task);
    if (!error && args[3])
        error = copyout(args[3], &old, sizeof(old));
    return error;
}

const struct syscall_row system_syscalls[] = {
    {__NR_uname, sys_uname},
    {__NR_sethostname, sys_sethostname},
    {__NR_setdomainname, sys_setdomainname},
    {__NR_sysinfo, sys_sysinfo},
    {__NR_getrandom, sys_getrandom},
    {__NR_reboot, sys_reboot},
    {__NR_syslog, sys_syslog},
    {__NR_personality, sys_personality},
    {__NR_umask, sys_umask},
    {__NR_getrusage, sys_getrusage},
    {__NR_getrlimit, sys_getrlimit},
    {__NR_setrlimit, sys_setrlimit},
    {__NR_prlimit64, sys_prlimit64},
    {0, NULL},
};
