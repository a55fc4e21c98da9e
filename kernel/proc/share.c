/*
 * What threads share, and how they cease to; see share.h.
 */
#include "proc/share.h"
#include <linux/capability.h>
#include <linux/sched.h>
#include "arch/riscv/panic.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "vfs/fdtable.h"
#include "vfs/namei.h"
#include "vm/vmspace.h"

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |     \
     CLONE_NEWCGROUP | CLONE_NEWTIME)

struct fdtable *
task_files(struct task *task)
{
    SCOPED_SPIN(&task->proc->lock);
    struct fdtable *files = task->thread.files;

    if (files)
        fdtable_get(files);
    return files;
}

struct fs_context *
task_fs(struct task *task)
{
    SCOPED_SPIN(&task->proc->lock);
    struct fs_context *fs = task->thread.fs;

    if (fs)
        fs_context_get(fs);
    return fs;
}

struct vmspace *
task_vm_locked(const struct task *task)
{
    return task->shown_vm ? task->shown_vm : task->thread.vm;
}

struct vmspace *
task_vm(struct task *task)
{
    SCOPED_SPIN(&task->proc->lock);
    struct vmspace *vm = task_vm_locked(task);

    if (vm)
        vm_get(vm);
    return vm;
}

static void
install_files(struct fdtable *files)
{
    struct thread *self = current_thread();

    spin_lock(&current_proc()->lock);
    struct fdtable *old = self->files;
    self->files = files;
    spin_unlock(&current_proc()->lock);
    fdtable_leave(old);
}

int
unshare_files(void)
{
    struct fdtable *old = current_thread()->files;

    if (fdtable_sole(old))
        return 0;
    struct fdtable *own = fdtable_copy(old);
    if (!own)
        return -ENOMEM;
    install_files(own);
    return 0;
}

int
unshare_fs(void)
{
    struct thread *self = current_thread();
    struct fs_context *old = self->fs;

    if (ref_count(&old->users) == 1)
        return 0;
    struct fs_context *own = fs_context_copy(old);
    if (!own)
        return -ENOMEM;
    spin_lock(&current_proc()->lock);
    self->fs = own;
    bool last = fs_context_leave(old);
    spin_unlock(&current_proc()->lock);
    if (last)
        fs_context_put(old);
    return 0;
}

/* What cannot be unshared is done if it is not shared. 0 or -EINVAL. */
static int
check_alone(uint64_t flags)
{
    struct proc *proc = current_proc();
    SCOPED_SPIN(&proc->lock);

    if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && proc->nthreads > 1)
        return -EINVAL;
    if ((flags & (CLONE_SIGHAND | CLONE_VM)) && ref_count(&proc->sighand->refs) > 1)
        return -EINVAL;
    if ((flags & CLONE_VM) &&
        __atomic_load_n(&current_thread()->vm->nowners, __ATOMIC_RELAXED) > 1)
        return -EINVAL;
    return 0;
}

int
unshare(uint64_t flags)
{
    if (flags & ~(uint64_t)(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES |
                            CLONE_SYSVSEM | NAMESPACES))
        return -EINVAL;
    if (flags & CLONE_NEWUSER)
        flags |= CLONE_THREAD;
    int error = check_alone(flags);
    if (error)
        return error;
    if (flags & NAMESPACES)
        return (flags & CLONE_NEWUSER) || capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    /* Both copies before either is used, so that a failure changes nothing. */
    struct fdtable *old = current_thread()->files, *files = NULL;
    if ((flags & CLONE_FILES) && !fdtable_sole(old)) {
        files = fdtable_copy(old);
        if (!files)
            return -ENOMEM;
    }
    if (flags & CLONE_FS)
        error = unshare_fs();
    if (files && !error)
        install_files(files);
    else if (files)
        fdtable_leave(files);
    return error;
}

int
spare_make(struct spare *spare)
{
    struct proc *proc = current_proc();
    struct fdtable *files = current_thread()->files;
    bool alone = __atomic_load_n(&proc->nthreads, __ATOMIC_ACQUIRE) == 1;

    /* A thread that is alone and shares nothing stays so: only it could make another user. */
    if (!alone || !fdtable_sole(files)) {
        spare->files = fdtable_prepare(files);
        if (!spare->files)
            return -ENOMEM;
    }
    if (!alone || ref_count(&proc->sighand->refs) > 1) {
        spare->sighand = sighand_create();
        if (!spare->sighand)
            return -ENOMEM;
    }
    return 0;
}

int
spare_use(struct spare *spare)
{
    struct proc *proc = current_proc();
    struct fdtable *files = current_thread()->files;
    struct sighand *sighand = proc->sighand;

    assert(proc->nthreads == 1);
    if (!fdtable_sole(files)) {
        int error = fdtable_fill(spare->files, files);
        if (error)
            return error;
        install_files(spare->files);
        spare->files = NULL;
    }
    if (ref_count(&sighand->refs) > 1) {
        sighand_fill(spare->sighand, sighand);
        spin_lock(&proc->lock);
        proc->sighand = spare->sighand;
        spin_unlock(&proc->lock);
        spare->sighand = NULL;
        sighand_put(sighand);
    }
    return 0;
}

void
spare_free(struct spare *spare)
{
    if (spare->files)
        fdtable_leave(spare->files);
    if (spare->sighand)
        sighand_put(spare->sighand);
}

void
vm_hide(struct vmspace *vm)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);

    assert(!task->shown_vm);
    task->shown_vm = vm_install(vm);
}

struct vmspace *
vm_reveal(void)
{
    struct task *task = current_task();
    struct vmspace *old = task->shown_vm;

    task->shown_vm = NULL;
    return old;
}

struct vmspace *
vm_forget(void)
{
    struct task *task = current_task();
    SCOPED_SPIN(&task->proc->lock);
    struct vmspace *new = vm_install(task->shown_vm);

    task->shown_vm = NULL;
    return new;
}

struct shares
shares_give_up(void)
{
    struct thread *self = current_thread();
    struct shares had = {.files = self->files, .fs = self->fs};

    if (self->vm)
        had.vm = vm_install(NULL);
    self->files = NULL;
    self->fs = NULL;
    /* Together with the pointer, so that fs_exec_begin() counts the same threads twice. */
    if (had.fs && !fs_context_leave(had.fs))
        had.fs = NULL;
    return had;
}
