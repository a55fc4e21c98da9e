/*
 * What threads share and others look at: descriptors, names, memory.
 *
 * A thread points to its descriptor table, its fs context and its address
 * space; other threads and processes may point to the same ones (clone(2)).
 * Three rules hold for these pointers:
 *
 *      The thread itself reads its own without a lock, for no other thread
 *      changes them.
 *      Another thread reads them by task_files(), task_fs() and task_vm()
 *      alone: under proc->lock, with a reference before the lock is let go.
 *      They change in share.c alone: the thread itself stores them under
 *      proc->lock, and drops what it had after that.
 *
 * A right to look into a process belongs to its image, and exec changes both.
 * exec first publishes the credentials, then the address space, whose
 * `dumpable` is set before (exec.c). So an observer that takes the object first
 * and asks for its rights afterwards never sees the new image by the old
 * image's rights: with the new address space in its hand it meets the new
 * credentials.
 */
#ifndef QUIRE_PROC_SHARE_H
#define QUIRE_PROC_SHARE_H

#include "lib/types.h"

struct fdtable;
struct fs_context;
struct sighand;
struct task;
struct vmspace;

/* A thread's table, context or address space with a reference; NULL: it has none any more. */
struct fdtable *task_files(struct task *task);
struct fs_context *task_fs(struct task *task);
struct vmspace *task_vm(struct task *task);
/* The address space without a reference; proc->lock held, for as long as it is used. */
struct vmspace *task_vm_locked(const struct task *task);
/* The current thread goes on with a table, a context of its own. 0, -ENOMEM. */
int unshare_files(void);
int unshare_fs(void);
/* unshare(2). 0, -EINVAL, -EPERM, -ENOMEM. */
int unshare(uint64_t flags);

/*
 * For exec. What it may not share with others is got ready by spare_make() while it can
 * still fail without harm, and taken into use by spare_use() once the thread is the only one
 * of its process: what is shared then is shared with another process. spare_use() fails only
 * if another process has since opened more files than there is memory to copy.
 */
struct spare {
    struct fdtable *files;   /* NULL: none will be needed */
    struct sighand *sighand;
};
int spare_make(struct spare *spare); /* 0, -ENOMEM */
int spare_use(struct spare *spare);  /* 0, -ENOMEM */
void spare_free(struct spare *spare);

/*
 * For exec. The current thread runs on vm, whose reference is taken over, while others
 * still see its old address space. It ends with vm_reveal(), which shows vm to all, or
 * vm_forget(), which goes back; each returns the address space that was left. proc->lock
 * held for vm_reveal().
 */
void vm_hide(struct vmspace *vm);
struct vmspace *vm_reveal(void);
struct vmspace *vm_forget(void);

/* The current thread ends: it gives up its pointers. What it had, for the caller to drop. */
struct shares {
    struct vmspace *vm;
    struct fdtable *files;
    struct fs_context *fs; /* NULL too if it has other users */
};
/* proc->lock held. */
struct shares shares_give_up(void);

#endif
