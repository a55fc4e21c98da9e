/*
 * execve; see exec.h.
 */
#include "proc/exec.h"
#include <linux/futex.h>
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
#include "proc/signal.h"
#include "proc/vdso.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#include <linux/signal.h>

/* Everything a new image needs, made before the old one goes. */
struct exec_state {
    struct exec_args args;
    struct exec_image image;
    struct vmspace *vm;       /* the new address space */
    struct vmspace *old_vm;   /* the old one, while the new is loaded */
    const struct cred *cred;
    struct fdtable *files;    /* a copy, if others share ours; else NULL */
    struct sighand *sighand;  /* likewise */
};

/* vmprint=PATH: print the page table of whoever execs this. Empty: of nobody. */
static char vmprint_path[256];

/* Load an address space in place of the current one, which is returned. */
static struct vmspace *
switch_vm(struct vmspace *vm)
{
    SCOPED_SPIN(&current_proc()->lock);
    return vm_install(vm);
}

/* Copies of what the new image may not share. 0 or -ENOMEM. */
static int
unshare(struct exec_state *state)
{
    struct fdtable *files = current_thread()->files;
    struct sighand *sighand = current_proc()->sighand;

    if (ref_count(&files->refs) > 1) {
        state->files = fdtable_copy(files);
        if (!state->files)
            return -ENOMEM;
    }
    if (ref_count(&sighand->refs) > 1) {
        state->sighand = sighand_copy(sighand);
        if (!state->sighand)
            return -ENOMEM;
    }
    return 0;
}

/* Follow #! lines until the file is none. */
static int
resolve_scripts(struct exec_state *state, const char *name)
{
    char interpreter[EXEC_HEADER_SIZE], script[EXEC_HEADER_SIZE];
    const char *found_by = name;

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

/* Make the new image, in an address space of its own. */
static int
build(struct exec_state *state, const char *execfn)
{
    struct exec_image *image = &state->image;

    state->cred = cred_for_exec(image->file, &image->secure);
    state->vm = vm_create();
    if (!state->cred || !state->vm)
        return -ENOMEM;
    image->cred = state->cred;
    int error = unshare(state);
    if (error)
        return error;

    state->old_vm = switch_vm(state->vm);
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
        switch_vm(state->old_vm);
    return error;
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

/* The old image lets go of what other processes may wait for. The old address space is loaded. */
static void
leave_old_image(struct exec_state *state, bool robust)
{
    struct task *task = current_task();

    if (robust) {
        switch_vm(state->old_vm);
        futex_exit_robust(task);
        switch_vm(state->vm);
    }
    task->robust_list = 0;
    task->clear_tid = 0;
    if (state->old_vm && !task->vfork) {
        SCOPED_SPIN(&task->proc->lock);
        usage_add_vm(&task->proc->dead, state->old_vm);
    }
    if (state->old_vm)
        vm_usyscall_leave(state->old_vm, task->proc->pid);
    vfork_done(task);
    if (state->old_vm)
        vm_put(state->old_vm);
    state->old_vm = NULL;
}

/* The new image's identity, signals and files. Nothing here fails. */
static void
become(struct exec_state *state, const char *execfn)
{
    struct task *task = current_task();
    struct proc *proc = task->proc;
    bool set_id = state->cred->euid != current_cred()->euid ||
                  state->cred->egid != current_cred()->egid;

    spin_lock(&proc->lock);
    struct fdtable *old_files = state->files ? task->thread.files : NULL;
    if (state->files)
        task->thread.files = state->files;
    struct sighand *old_sighand = state->sighand ? proc->sighand : NULL;
    if (state->sighand)
        proc->sighand = state->sighand;
    const char *slash = strrchr(execfn, '/');
    strscpy(task->thread.name, slash ? slash + 1 : execfn, sizeof(task->thread.name));
    task->altstack = (stack_t){.ss_flags = SS_DISABLE};
    task->restart.fn = NULL;
    task->keep_caps = false;
    proc->vdso = state->image.vdso;
    proc->dumpable = !set_id;
    proc->exit_signal = SIGCHLD;
    spin_unlock(&proc->lock);
    if (state->image.secure)
        task->death_signal = 0;
    cred_commit(state->cred);

    state->files = NULL;
    state->sighand = NULL;
    state->cred = NULL;
    if (old_files)
        fdtable_put(old_files);
    if (old_sighand)
        sighand_put(old_sighand);
    store_relaxed(&proc->execed, true);
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

    if (error) {
        switch_vm(state->old_vm);
        return error;
    }
    state->vm->exe = state->image.file;
    state->image.file = NULL;
    leave_old_image(state, robust);
    state->vm = NULL;
    become(state, execfn);
    start(&state->image);
    if (vmprint_path[0] && strcmp(execfn, vmprint_path) == 0)
        vm_print_log(current_thread()->vm, false);
    return 0;
}

static void
discard(struct exec_state *state)
{
    exec_args_free(&state->args);
    if (state->image.file)
        file_put(state->image.file);
    if (state->vm)
        vm_put(state->vm);
    if (state->cred)
        cred_put(state->cred);
    if (state->files)
        fdtable_put(state->files);
    if (state->sighand)
        sighand_put(state->sighand);
}

int
exec(const struct path *start_path, const char *name, const char *execfn, unsigned flags,
     const struct exec_source *source)
{
    struct exec_state state = {};

    exec_args_init(&state.args);
    int error = exec_args_gather(&state.args, source, execfn);
    if (!error)
        error = exec_open(&state.image, start_path, name, flags);
    if (!error)
        error = resolve_scripts(&state, execfn);
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
