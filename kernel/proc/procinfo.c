/*
 * Answers to the floors below about processes; see procinfo.h and
 * fs/procfs.h.
 */
#include "proc/procinfo.h"
#include <linux/capability.h>
#include <linux/resource.h>
#include "dev/tty.h"
#include "fs/pipe.h"
#include "fs/procfs.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "proc/access.h"
#include "proc/clock.h"
#include "proc/group.h"
#include "proc/limits.h"
#include "proc/oom.h"
#include "proc/pid.h"
#include "proc/share.h"
#include "proc/signal.h"
#include "proc/uts.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vfs/locks.h"
#include "vfs/user.h"
#include "vm/vmspace.h"

/* Does the number that `id` was made for still name what it named then? Asked after a lookup. */
static bool
still_same(const struct proc_id *id)
{
    return pid_serial((uint32_t)(id->tid ? id->tid : id->tgid)) == id->serial;
}

/* The process, with a reference; NULL: it has gone. */
static struct proc *
find_proc(const struct proc_id *id)
{
    struct proc *proc = pid_proc((uint32_t)id->tgid);

    if (proc && !still_same(id)) {
        proc_put(proc);
        return NULL;
    }
    return proc;
}

/* The thread, or for a process without its main thread any other. With a reference. */
static struct task *
find_task(const struct proc_id *id)
{
    struct task *task = pid_task((uint32_t)(id->tid ? id->tid : id->tgid));
    struct proc *proc = task || (id->tid && id->tid != id->tgid) ? NULL : find_proc(id);

    if (proc) {
        spin_lock(&proc->lock);
        task = LIST_FIRST(&proc->threads, struct task, link);
        if (task)
            task_get(task);
        spin_unlock(&proc->lock);
        proc_put(proc);
    }
    if (task && (task->proc->pid != (uint32_t)id->tgid || !still_same(id))) {
        task_put(task);
        return NULL;
    }
    return task;
}

static int
next_process(int from)
{
    struct proc *proc = pid_next_proc(from > 0 ? (uint32_t)from : 1);

    if (!proc)
        return 0;
    int pid = (int)proc->pid;
    proc_put(proc);
    return pid;
}

static int
next_thread(const struct proc_id *id, int from)
{
    struct proc *proc = find_proc(id);
    int tgid = id->tgid;
    struct task *task;
    uint32_t best = 0;

    if (!proc)
        return 0;
    spin_lock(&proc->lock);
    LIST_FOREACH(task, &proc->threads, link)
        if ((int)task->tid >= from && (!best || task->tid < best))
            best = task->tid;
    spin_unlock(&proc->lock);
    /* A main thread that has ended still shows. */
    if (from <= tgid && (!best || proc->pid < best))
        best = proc->pid;
    proc_put(proc);
    return (int)best;
}

static int
process_of(int tid)
{
    struct task *task = pid_task((uint32_t)tid);

    if (!task)
        return 0;
    int tgid = (int)task->proc->pid;
    task_put(task);
    return tgid;
}

/* Is there a process tgid, with a thread tid if that is not 0? */
static bool
bears_numbers(int tgid, int tid)
{
    struct proc *proc = pid_proc((uint32_t)tgid);
    bool found = proc && (!tid || tid == tgid);

    if (proc)
        proc_put(proc);
    if (!proc || found)
        return found;
    struct task *task = pid_task((uint32_t)tid);
    if (!task)
        return false;
    found = task->proc->pid == (uint32_t)tgid;
    task_put(task);
    return found;
}

static bool
identify(struct proc_id *id)
{
    id->serial = pid_serial((uint32_t)(id->tid ? id->tid : id->tgid));
    return bears_numbers(id->tgid, id->tid) && still_same(id);
}

static bool
exists(const struct proc_id *id)
{
    return bears_numbers(id->tgid, id->tid) && still_same(id);
}

static char
state_of(const struct task *task)
{
    if (task->left)
        return 'Z';
    if (task->stopped)
        return 'T';
    if (task->thread.state != THREAD_SLEEPING)
        return 'R';
    return task->thread.interruptible ? 'S' : 'D';
}

/* The parts that are a thread's. lock held. */
static void
fill_thread(struct proc_info *info, struct task *task)
{
    const struct thread *thread = &task->thread;

    info->pid = (int)task->tid;
    memcpy(info->comm, thread->name, sizeof(info->comm));
    info->state = state_of(task);
    info->nice = thread->nice;
    info->policy = thread->policy;
    info->rt_priority = thread->rt_priority;
    info->hart = thread->hart;
    info->affinity = thread->affinity;
    info->pending = task->pending.set;
    info->blocked = task->blocked;
    info->no_new_privs = task->no_new_privs;
    info->personality = __atomic_load_n(&task->personality, __ATOMIC_RELAXED);
    info->started = task->started;
    if (thread->fs)
        info->umask = thread->fs->umask;
    const struct vmspace *vm = task_vm_locked(task);
    info->dumpable = !vm || vm->dumpable;
}

static void
fill_usage(struct proc_info *info, const struct usage *usage)
{
    info->user = usage->user;
    info->system = usage->system;
    info->minor_faults = usage->nminor;
    info->major_faults = usage->nmajor;
    info->nvoluntary = usage->nvoluntary;
    info->ninvoluntary = usage->ninvoluntary;
}

/* The parts that are the process's. lock held. */
static void
fill_process(struct proc_info *info, struct proc *proc)
{
    const struct usage *children = &proc->children_usage;

    info->pid = info->tgid = (int)proc->pid;
    info->pgrp = (int)proc->pgid;
    info->session = (int)proc->sid;
    info->tty_pgrp = -1;
    const struct tty *tty = proc->group && !proc->no_tty ? proc->group->session->tty : NULL;
    if (tty) {
        info->tty = tty->rdev;
        info->tty_pgrp = tty->pgrp ? (int)pid_of_key(tty->pgrp) : -1;
    }
    memcpy(info->comm, proc->name, sizeof(info->comm));
    info->state = 'Z';
    info->nthreads = proc->nthreads + (!proc->leader || proc->leader->left);
    info->exit_signal = proc->exit_signal;
    info->exit_code = proc->nthreads ? 0 : proc->exit_status;
    info->started = proc->started;
    info->child_user = children->user;
    info->child_system = children->system;
    info->child_minor_faults = children->nminor;
    info->child_major_faults = children->nmajor;
    info->shared_pending = proc->pending.set;
    if (proc->sighand)
        sighand_sets(proc->sighand, &info->ignored, &info->caught);
    if (proc->leader) {
        const struct cred *cred = task_cred(proc->leader);
        info->nqueued = cred->user->nsignals;
        cred_put(cred);
    }
    memcpy(info->limits, proc->limits, sizeof(info->limits));
    info->oom_score_adj = proc->oom_score_adj;
}

static int
fill_info(const struct proc_id *id, struct proc_info *info)
{
    struct proc *proc = find_proc(id);
    int tgid = id->tgid, tid = id->tid;
    struct task *task = NULL, *each;
    struct usage usage;

    memset(info, 0, sizeof(*info));
    if (!proc)
        return -ESRCH;
    proc_usage(proc, &usage);
    spin_lock(&proc->lock);
    if (!tid || tid == tgid)
        task = proc->leader;
    else
        LIST_FOREACH(each, &proc->threads, link)
            if (each->tid == (uint32_t)tid)
                task = each;
    bool found = task || !tid || tid == tgid;
    if (found) {
        fill_process(info, proc);
        if (tid && task) {
            usage = (struct usage){.nminor = usage.nminor, .nmajor = usage.nmajor};
            usage_add_task(&usage, task);
        }
        fill_usage(info, &usage);
        if (task)
            fill_thread(info, task);
        if (!tid)
            info->pid = tgid;
    }
    spin_unlock(&proc->lock);
    info->ppid = (int)__atomic_load_n(&proc->parent_pid, __ATOMIC_RELAXED);
    proc_put(proc);
    return found ? 0 : -ESRCH;
}

static struct vmspace *
info_vm(const struct proc_id *id)
{
    struct task *task = find_task(id);
    struct vmspace *vm = task ? task_vm(task) : NULL;

    if (task)
        task_put(task);
    return vm;
}

static struct fdtable *
info_files(const struct proc_id *id)
{
    struct task *task = find_task(id);
    struct fdtable *files = task ? task_files(task) : NULL;

    if (task)
        task_put(task);
    return files;
}

static const struct cred *
info_cred(const struct proc_id *id)
{
    struct task *task = find_task(id);
    const struct cred *cred = task ? task_cred(task) : NULL;

    if (task)
        task_put(task);
    return cred;
}

/* Root or current directory of a thread. */
static int
info_path(const struct proc_id *id, bool root, struct path *path)
{
    struct task *task = find_task(id);
    struct fs_context *fs = task ? task_fs(task) : NULL;

    if (task)
        task_put(task);
    if (!fs)
        return task ? -ENOENT : -ESRCH;
    spin_lock(&fs->lock);
    *path = root ? fs->root : fs->cwd;
    path_get(path);
    spin_unlock(&fs->lock);
    fs_context_put(fs);
    return 0;
}

static int
info_root(const struct proc_id *id, struct path *path)
{
    return info_path(id, true, path);
}

static int
info_cwd(const struct proc_id *id, struct path *path)
{
    return info_path(id, false, path);
}

static int
info_exe(const struct proc_id *id, struct path *path)
{
    struct vmspace *vm = info_vm(id);

    if (!vm)
        return -ENOENT;
    mutex_lock(&vm->lock);
    const struct file *exe = vm->exe;
    if (exe) {
        *path = exe->path;
        path_get(path);
    }
    mutex_unlock(&vm->lock);
    vm_put(vm);
    return exe ? 0 : -ENOENT;
}

static bool
may_inspect(const struct proc_id *id, const struct vmspace *vm)
{
    struct task *task = find_task(id);

    if (!task)
        return false;
    struct vmspace *now = vm ? NULL : task_vm(task);
    bool allowed = access_inspect(task, vm ? vm : now, ACCESS_BY_FS_IDS);
    if (now)
        vm_put(now);
    task_put(task);
    return allowed;
}

static bool
dumpable(const struct proc_id *id)
{
    struct vmspace *vm = info_vm(id);
    bool is = vm && __atomic_load_n(&vm->dumpable, __ATOMIC_RELAXED) == 1;

    if (vm)
        vm_put(vm);
    return is;
}

static bool
is_own(const struct proc_id *id)
{
    return current_task() && (uint32_t)id->tgid == current_proc()->pid && still_same(id);
}

static int
set_name(const struct proc_id *id, const char *name)
{
    struct task *task = find_task(id);

    if (!task)
        return -ESRCH;
    bool own = task->proc == current_proc();
    if (own)
        strscpy(task->thread.name, name, sizeof(task->thread.name));
    task_put(task);
    return own ? 0 : -EINVAL;
}

static int
oom_score_of(const struct proc_id *id)
{
    struct proc *proc = find_proc(id);

    if (!proc)
        return -ESRCH;
    int score = oom_score(proc);
    proc_put(proc);
    return score;
}

static int
set_oom_score_adj(const struct proc_id *id, int value)
{
    struct proc *proc = find_proc(id);

    if (!proc)
        return -ESRCH;
    bool any = capable(CAP_SYS_RESOURCE);
    bool allowed = any || value >= __atomic_load_n(&proc->oom_score_adj_min, __ATOMIC_RELAXED);
    if (allowed)
        store_relaxed(&proc->oom_score_adj, value);
    if (any)
        store_relaxed(&proc->oom_score_adj_min, value);
    proc_put(proc);
    return allowed ? 0 : -EACCES;
}

static int
current_tgid(void)
{
    return current_task() ? (int)current_proc()->pid : 0;
}

static int
current_tid(void)
{
    return current_task() ? (int)current_task()->tid : 0;
}

static int
set_uts(bool domain, const char *name)
{
    return uts_set(domain, name, strlen(name));
}

static void
counts(uint64_t *nforks, uint32_t *nthreads, uint32_t *nblocked, int *last_pid)
{
    *nforks = __atomic_load_n(&proc_nforks, __ATOMIC_RELAXED);
    *nthreads = __atomic_load_n(&proc_nthreads, __ATOMIC_RELAXED);
    *nblocked = 0;
    *last_pid = (int)pid_last();
}

static uint64_t
boot_time(void)
{
    return clock_realtime_offset() / NSEC_PER_SEC;
}

static void
send_sigpipe(void)
{
    siginfo_t info;

    siginfo_user(&info, SIGPIPE, SI_USER);
    signal_task(current_task(), SIGPIPE, &info);
}

static uint64_t
size_limit(void)
{
    return limit_soft(RLIMIT_FSIZE);
}

static void
size_exceeded(void)
{
    if (current_task())
        signal_task(current_task(), SIGXFSZ, NULL);
}

void
procinfo_init(void)
{
    procfs_ops = (struct procfs_ops){
        .next_process = next_process,
        .next_thread = next_thread,
        .process_of = process_of,
        .identify = identify,
        .info = fill_info,
        .exists = exists,
        .vm = info_vm,
        .files = info_files,
        .cred = info_cred,
        .root = info_root,
        .cwd = info_cwd,
        .exe = info_exe,
        .may_inspect = may_inspect,
        .dumpable = dumpable,
        .is_own = is_own,
        .set_name = set_name,
        .oom_score = oom_score_of,
        .set_oom_score_adj = set_oom_score_adj,
        .current_tgid = current_tgid,
        .current_tid = current_tid,
        .uts = uts_get,
        .set_uts = set_uts,
        .counts = counts,
        .boot_time = boot_time,
        .pid_max = PID_MAX,
    };
    pipe_sigpipe = send_sigpipe;
    locks_pid = current_tgid;
    file_size_limit = size_limit;
    file_size_exceeded = size_exceeded;
}
