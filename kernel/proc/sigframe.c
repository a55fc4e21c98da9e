/*
 * A handler's frame on the user stack; see sigdeliver.h.
 *
 *      higher   what the program had there
 *               struct ucontext    mask, alternate stack, all registers
 *      sp ->    siginfo_t          sp is 16-byte aligned
 *
 * This is Linux's struct rt_sigframe of riscv64, which debuggers and unwinders
 * know. The handler returns to a function of the vDSO that calls
 * rt_sigreturn(2) and tells unwinders where in this frame each register lies
 * (vdso/sigreturn.S).
 */
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <linux/signal.h>
#include "arch/riscv/csr.h"
#include "lib/string.h"
#include "proc/sigdeliver.h"
#include "proc/signal.h"
#include "proc/vdso.h"
#include "vm/usercopy.h"

struct sigframe {
    siginfo_t info;
    struct ucontext uc;
};
_Static_assert(sizeof(siginfo_t) == 128, "rt_sigframe: siginfo");
_Static_assert(offsetof(struct sigframe, uc.uc_mcontext) == 304, "rt_sigframe: sigcontext");
_Static_assert(sizeof(struct sigframe) == 1088, "rt_sigframe");

/* What of the frame is used; behind it is room for wider floating-point registers. */
#define FRAME_USED                                                                                 \
    (offsetof(struct sigframe, uc.uc_mcontext.sc_fpregs) + sizeof(struct __riscv_d_ext_state))

#define FRAME_RESERVED offsetof(struct sigframe, uc.uc_mcontext.sc_fpregs.q.reserved) /* zero */

#define NREGISTERS 31 /* x1 to x31, after pc in user_regs_struct, in both in order */

static bool
on_altstack(const stack_t *stack, vaddr_t sp)
{
    vaddr_t base = (vaddr_t)stack->ss_sp;

    return !(stack->ss_flags & SS_DISABLE) && !(stack->ss_flags & SS_AUTODISARM) && sp > base &&
           sp - base <= stack->ss_size;
}

/* Where the frame goes; 0: there is no room. */
static vaddr_t
frame_address(const struct task *task, const struct trapframe *tf, const struct sigaction *action)
{
    const stack_t *stack = &task->altstack;
    vaddr_t sp = tf->sp;
    bool already = on_altstack(stack, sp);

    if (already && !on_altstack(stack, sp - sizeof(struct sigframe)))
        return 0;
    if ((action->sa_flags & SA_ONSTACK) && !already && !(stack->ss_flags & SS_DISABLE))
        sp = (vaddr_t)stack->ss_sp + stack->ss_size;
    return ALIGN_DOWN(sp - sizeof(struct sigframe), 16);
}

static void
save_registers(struct sigcontext *context, struct trapframe *tf)
{
    context->sc_regs.pc = tf->epc;
    memcpy(&context->sc_regs.ra, trapframe_registers(tf), NREGISTERS * sizeof(uint64_t));
    if ((tf->sstatus & SSTATUS_FS) == SSTATUS_FS_OFF) {
        memset(&context->sc_fpregs.d, 0, sizeof(context->sc_fpregs.d));
        return;
    }
    thread_fp_sync();
    const struct fpstate *fp = &current_thread()->fp;
    memcpy(context->sc_fpregs.d.f, fp->f, sizeof(fp->f));
    context->sc_fpregs.q.f[32] = (uint32_t)fp->fcsr; /* fcsr, and the padding behind it */
}

static void
restore_registers(struct trapframe *tf, const struct sigcontext *context)
{
    const struct __riscv_d_ext_state *saved = &context->sc_fpregs.d;
    bool off = (tf->sstatus & SSTATUS_FS) == SSTATUS_FS_OFF;

    tf->epc = context->sc_regs.pc;
    memcpy(trapframe_registers(tf), &context->sc_regs.ra, NREGISTERS * sizeof(uint64_t));
    if (off && mem_is_zero(saved->f, sizeof(saved->f)) && !saved->fcsr)
        return;
    struct fpstate *fp = &current_thread()->fp;
    memcpy(fp->f, saved->f, sizeof(fp->f));
    fp->fcsr = saved->fcsr;
    thread_fp_reload();
}

int
sigframe_push(struct trapframe *tf, int signo, const siginfo_t *info,
              const struct sigaction *action, uint64_t mask)
{
    struct task *task = current_task();
    struct sigframe frame __uninitialized;
    vaddr_t address = frame_address(task, tf, action);

    if (!address)
        return -EFAULT;
    frame.info = *info;
    memset(&frame.uc, 0, offsetof(struct ucontext, uc_mcontext));
    frame.uc.uc_stack = task->altstack;
    frame.uc.uc_sigmask.sig[0] = mask;
    save_registers(&frame.uc.uc_mcontext, tf);
    if (copyout(address, &frame, FRAME_USED) < 0 ||
        zeroout_some(address + FRAME_RESERVED, sizeof(frame) - FRAME_RESERVED) <
            sizeof(frame) - FRAME_RESERVED)
        return -EFAULT;
    if (task->altstack.ss_flags & SS_AUTODISARM)
        task->altstack = (stack_t){.ss_flags = SS_DISABLE};

    tf->ra = vdso_sigreturn(task->proc->vdso);
    tf->sp = address;
    tf->a0 = (uint64_t)signo;
    tf->a1 = address + offsetof(struct sigframe, info);
    tf->a2 = address + offsetof(struct sigframe, uc);
    tf->epc = (uint64_t)action->sa_handler;
    return 0;
}

int64_t
sigframe_return(struct trapframe *tf)
{
    struct sigframe frame __uninitialized;

    if (copyin(&frame, tf->sp, FRAME_USED) < 0) {
        signal_force(SIGSEGV, SI_KERNEL, 0);
        return 0;
    }
    restore_registers(tf, &frame.uc.uc_mcontext);
    sigaltstack_set(&frame.uc.uc_stack, NULL, tf->sp);
    signal_set_mask(frame.uc.uc_sigmask.sig[0]);
    tf->nsyscall = ~0UL; /* a0 is the program's, no call's result */
    return (int64_t)tf->a0;
}

int
sigaltstack_set(const stack_t *new, stack_t *old, vaddr_t sp)
{
    stack_t *stack = &current_task()->altstack;
    bool active = on_altstack(stack, sp);

    if (old) {
        memset(old, 0, sizeof(*old));
        old->ss_sp = stack->ss_sp;
        old->ss_size = stack->ss_size;
        old->ss_flags = stack->ss_flags | (active ? SS_ONSTACK : 0);
    }
    if (!new)
        return 0;
    if (active)
        return -EPERM;
    int mode = new->ss_flags & ~SS_FLAG_BITS;
    if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        *stack = (stack_t){.ss_flags = SS_DISABLE | (new->ss_flags & SS_FLAG_BITS)};
        return 0;
    }
    if (new->ss_size < MINSIGSTKSZ)
        return -ENOMEM;
    *stack = *new;
    stack->ss_flags = new->ss_flags & SS_FLAG_BITS;
    return 0;
}
