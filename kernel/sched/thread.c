/*
 * Threads: their beginnings, and the floating-point registers.
 */
#include "sched/thread.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/kspace.h"
#include "mem/slab.h"

void thread_trampoline(void);
void thread_start_returned(void) __noreturn;

int
thread_init(struct thread *thread, const char *name, void (*start)(void *), void *arg)
{
    vaddr_t stack = kstack_alloc();
    if (!stack)
        return -ENOMEM;
    thread->kstack = stack;
    thread->context = (struct context){
        .ra = (uint64_t)thread_trampoline,
        .sp = stack - sizeof(struct trapframe),
        .s = {(uint64_t)start, (uint64_t)arg},
    };
    thread->work = 0;
    thread->state = THREAD_SLEEPING;
    thread->on_hart = false;
    thread->interruptible = false;
    thread->hart = this_hart()->index;
    thread->distrust = 0;
    thread->run_nsec = thread->user_ticks = thread->system_ticks = 0;
    thread->user_told = thread->system_told = 0;
    thread->nvoluntary = thread->ninvoluntary = 0;
    thread->mutexes = (struct lockcheck_held){};
    if (!thread->affinity)
        thread->affinity = ~0UL;
    strscpy(thread->name, name, sizeof(thread->name));
    return 0;
}

void
thread_destroy(struct thread *thread)
{
    kstack_free(thread->kstack);
    thread->kstack = 0;
}

struct thread *
kthread_create(const char *name, void (*start)(void *), void *arg)
{
    struct thread *thread = kzalloc(sizeof(*thread));
    if (!thread)
        return NULL;
    if (thread_init(thread, name, start, arg) != 0) {
        kmfree(thread);
        return NULL;
    }
    thread_start(thread);
    return thread;
}

static void
kthread_free(struct thread *thread)
{
    thread_destroy(thread);
    kmfree(thread);
}

/* A kernel thread's function returned: the thread is over. */
void
thread_start_returned(void)
{
    thread_exit(kthread_free);
}

bool
thread_interrupted(void)
{
    return __atomic_load_n(&current_thread()->work, __ATOMIC_SEQ_CST) & WORK_SIGNAL;
}

void
thread_fp_sync(void)
{
    struct thread *self = current_thread();
    struct trapframe *tf = thread_trapframe(self);
    if ((tf->sstatus & SSTATUS_FS) == SSTATUS_FS_DIRTY) {
        csr_set("sstatus", SSTATUS_FS);
        hart_sstatus_changed();
        fp_save(&self->fp);
        tf->sstatus = (tf->sstatus & ~SSTATUS_FS) | SSTATUS_FS_CLEAN;
    }
}

void
thread_fp_reload(void)
{
    struct thread *self = current_thread();
    csr_set("sstatus", SSTATUS_FS);
    hart_sstatus_changed();
    fp_load(&self->fp);
    struct trapframe *tf = thread_trapframe(self);
    tf->sstatus = (tf->sstatus & ~SSTATUS_FS) | SSTATUS_FS_CLEAN;
}
