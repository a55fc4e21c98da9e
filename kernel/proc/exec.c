/*
 * execve; see exec.h.
 */
#include "proc/exec.h"
#include <linux/futex.h>
#include <linux/personality.h>
#include "arch/riscv/csr.h"
#include "arch/riscv/machine.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/credentials.h"
#include "proc/exit.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/limits.h"
#include "proc/ptimer.h"
#include "proc/share.h"
#include "proc/signal.h"
#include "proc/vdso.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/namei.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#include <linux/signal.h>

/* Everything a new image needs, made before the old one goes. */
struct exec_state {
    struct exec_args args;
    struct exec_image image;
    struct vmspace *vm;       /* the new address space; others do not see it yet */
    struct vmspace *old_vm;   /* the old one, while the new is loaded; NULL for process 1's first */
    const struct cred *cred;
    struct spare spare;       /* what the new image may not share */
    struct fs_context *fs;    /* ours, if fs_exec_begin() is to be ended; else NULL */
};

/* vmprint=PATH: print the page table of a process that execs this. Empty: of none. */
static char vmprint_path[256];

/*
 * Does another process share our names? Then the new program gets no rights that the other
 * one lacks, for that one chooses where its names lead. If not, none will before the exec is over.
 */
static bool
shares_names(struct exec_state *state)
{
    struct fs_context *fs = current_thread()->fs;
    struct proc *proc = current_proc();
    struct task *task;
    uint32_t own = 0;
    SCOPED_SPIN(&proc->lock);

    LIST_FOREACH(task, &proc->threads, link)
        own += task->thread.fs == fs;
    if (fs_exec_begin(fs, own))
        return true;
    state->fs = fs;
    return false;
}

/* Follow #! lines until the file is none. */
static int
resolve_scripts(struct exec_state *state, const char *name, const struct exec_source *source)
{
    char interpreter[EXEC_HEADER_SIZE] __uninitialized, script[EXEC_HEADER_SIZE] __uninitialized;
    const char *found_by = source->closes_name ? NULL : name;

    for (unsigned depth = 0;; depth++) {
        if (depth > EXEC_MAX_SCRIPTS)
            return -ELOOP;
        int more = exec_script(&state->image, &state->args, found_by, interpreter);
        if (more <= 0)
            return more;
        strscpy(script, interpreter, sizeof(script));
        found_by = script;
    }
}

/* The old image cannot go on, or would not on Linux, and the new one cannot begin. */
static void
die(void)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);

    proc_begin_exit(proc, SIGSEGV);
}

/* Make the new image, in an address space of its own. */
static int
build(struct exec_state *state, const char *execfn)
{
    struct exec_image *image = &state->image;

    image->unreadable = inode_permission(image->file->inode, MAY_READ) < 0;
    state->cred = cred_for_exec(image->file, shares_names(state), &image->rights);
    state->vm = vm_create();
    if (!state->cred || !state->vm)
        return -ENOMEM;
    image->cred = state->cred;
    int error = spare_make(&state->spare);
    if (error)
        return error;

    state->old_vm = current_thread()->vm;
    vm_hide(state->vm);
    error = vm_usyscall_map(state->vm, current_proc()->pid);
    if (!error)
        error = elf_load(image, state->vm);
    int64_t vdso = error ? 0 : vdso_map(state->vm);
    image->vdso = (vaddr_t)vdso;
    if (!error && vdso < 0)
        error = (int)vdso;
    if (!error)
        error = exec_stack_build(state->vm, image, &state->args, execfn);
    if (error)
        vm_forget();
    if (error != EXEC_DOOMED)
        return error;
    die();
    return -EINVAL;
}

/* Does the robust list of the old image name locks that its end leaves behind? */
static bool
holds_robust_locks(void)
{
    struct robust_list_head head;
    vaddr_t list = current_task()->robust_list;

    return list && copyin(&head, list, sizeof(head)) == 0 &&
           ((vaddr_t)head.list.next != list || head.list_op_pending);
}

/* The old image lets go of what other processes may wait for; its address space is not seen any more. */
static void
leave_old_image(struct exec_state *state)
{
    struct task *task = current_task();
    struct vmspace *old = state->old_vm;

    if (old)
        vm_usyscall_leave(old, task->proc->pid);
    vfork_done(task);
    if (old)
        vm_put(old);
    state->old_vm = NULL;
}

/*
 * Write what the old image promised to write when it ends, in its own memory: the locks of
 * its robust list are freed, and the word of CLONE_CHILD_CLEARTID is cleared.
 */
static void
keep_promises(struct exec_state *state, bool robust)
{
    struct task *task = current_task();

    if (!robust && !task->clear_tid)
        return;
    vm_install(state->old_vm);
    if (robust)
        futex_exit_robust(task);
    task_clear_tid(task);
    vm_install(state->vm);
}

/* May others of the same user look into the new image? cred_commit() denies it to one that gains something. */
static bool
is_dumpable(const struct exec_image *image)
{
    const struct cred *cred = current_cred();

    return cred->euid == cred->uid && cred->egid == cred->gid && !image->unreadable;
}

/* Linux's programs run, and the flags that make a program easier to attack go with a set-ID bit. */
static uint32_t
personality_of(const struct exec_image *image)
{
    uint32_t flags = current_task()->personality & ~(uint32_t)PER_MASK;

    return image->rights.set_id ? flags & ~(uint32_t)PER_CLEAR_ON_SETID : flags;
}

/*
 * The new image's identity, in the order that proc/share.h promises: first its rights, then
 * its memory. Nothing here fails.
 */
static void
become(struct exec_state *state, const char *execfn)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;

    state->vm->exe = state->image.file;
    state->image.file = NULL;
    store_relaxed(&state->vm->dumpable, is_dumpable(&state->image));
    if (state->image.rights.secure)
        task->death_signal = 0;
    cred_commit(state->cred);

    spin_lock(&proc->lock);
    struct vmspace *old_vm = vm_reveal();
    if (old_vm && !task->vfork)
        usage_add_vm(&proc->dead, old_vm);
    const char *slash = strrchr(execfn, '/');
    strscpy(task->thread.name, slash ? slash + 1 : execfn, sizeof(task->thread.name));
    task->altstack = (stack_t){.ss_flags = SS_DISABLE};
    task->restart.fn = NULL;
    task->robust_list = 0;
    store_relaxed(&task->personality, personality_of(&state->image));
    proc->vdso = state->image.vdso;
    proc->exit_signal = SIGCHLD;
    spin_unlock(&proc->lock);

    state->vm = NULL;
    state->cred = NULL;
    store_relaxed(&proc->nexecs, proc->nexecs + 1);
    sighand_reset(proc->sighand, false);
    ptimer_delete_all(proc);
    fdtable_exec(task->thread.files);
}

/* Registers at the first instruction: all zero but pc and sp. */
static void
start(const struct exec_image *image)
{
    struct trapframe *tf = thread_trapframe(current_thread());

    memset(tf, 0, sizeof(*tf));
    tf->epc = image->start;
    tf->sp = image->sp;
    tf->sstatus = (csr_read("sstatus") & ~(SSTATUS_SPP | SSTATUS_SIE | SSTATUS_FS)) |
                  SSTATUS_SPIE | usercopy_user_sstatus;
    tf->nsyscall = ~0UL;
}

/* From here there is no way back, unless the process is being killed anyway. */
static int
commit(struct exec_state *state, bool robust, const char *execfn)
{
    int error = proc_end_other_threads();

    if (!error) {
        error = spare_use(&state->spare);
        if (error)
            die();
    }
    if (error) {
        vm_forget();
        return error;
    }
    keep_promises(state, robust);
    become(state, execfn);
    leave_old_image(state);
    start(&state->image);
    if (vmprint_path[0] && strcmp(execfn, vmprint_path) == 0)
        vm_print_log(current_thread()->vm, false);
    return 0;
}

static void
discard(struct exec_state *state)
{
    exec_args_free(&state->args);
    if (state->fs)
        fs_exec_end(state->fs);
    if (state->image.file)
        file_put(state->image.file);
    if (state->vm)
        vm_put(state->vm);
    if (state->cred)
        cred_put(state->cred);
    spare_free(&state->spare);
}

/* setuid(2) to a user with too many processes succeeds; exec then fails if there still are. */
static int
check_limit(void)
{
    struct task *task = current_task();

    if (task->over_nproc && cred_over_nproc(current_cred()))
        return -EAGAIN;
    task->over_nproc = false;
    return 0;
}

int
exec(const struct path *start_path, const char *name, const char *execfn, unsigned flags,
     const struct exec_source *source)
{
    struct exec_state state = {};

    exec_args_init(&state.args);
    int error = check_limit();
    if (!error)
        error = exec_args_gather(&state.args, source, execfn);
    if (!error)
        error = exec_open(&state.image, start_path, name, flags);
    if (!error)
        error = resolve_scripts(&state, execfn, source);
    bool robust = !error && holds_robust_locks();
    if (!error)
        error = build(&state, execfn);
    if (!error)
        error = commit(&state, robust, execfn);
    discard(&state);
    return error;
}

static void
exe_get(void *exe)
{
    file_get(exe);
}

static void
exe_put(void *exe)
{
    file_put(exe);
}

void
exec_init(void)
{
    vm_exe_get = exe_get;
    vm_exe_put = exe_put;
    if (!machine_bootarg("vmprint", vmprint_path, sizeof(vmprint_path)))
        vmprint_path[0] = '\0';
}
