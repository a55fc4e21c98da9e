/*
 * What entry.S calls: sort traps by cause and hand them to trap_ops.
 */
#include "arch/riscv/trap.h"

#include "arch/riscv/clock.h"
#include "arch/riscv/csr.h"
#include "arch/riscv/fp.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/stalls.h"
#include "arch/riscv/tlb.h"
#include "lib/fill.h"
#include "lib/hostile.h"
#include "lib/string.h"

struct trap_ops trap_ops;
void (*preempt_hook)(void);

void trap_from_user(struct trapframe *tf);
void trap_from_kernel(struct trapframe *tf);
void trap_stack_overflow(struct trapframe *tf) __noreturn;

_Static_assert(offsetof(struct hart, kernel_sp) == 64, "boot.S; entry.S: HART_KERNEL_SP");
_Static_assert(offsetof(struct hart, spare_sp) == 72, "entry.S: HART_SPARE_SP");
_Static_assert(offsetof(struct hart, save) == 80, "entry.S: HART_SAVE0");
_Static_assert(offsetof(struct hart, sstatus) == 96, "entry.S: HART_SSTATUS");
_Static_assert(offsetof(struct hart, user_gate) == 104, "entry.S: HART_USER_GATE");
_Static_assert(offsetof(struct trapframe, epc) == 248, "entry.S: TF_EPC");
_Static_assert(offsetof(struct trapframe, sstatus) == 256, "entry.S: TF_SSTATUS");
_Static_assert(sizeof(struct trapframe) == 288, "entry.S: TF_SIZE");

/* Kinds of exception, for panics (privileged specification, table 4.2). */
static const char *
exception_name(uint64_t cause)
{
    static const char *const names[16] = {
        "misaligned instruction", "instruction access fault", "illegal instruction",
        "breakpoint",             "misaligned load",          "load access fault",
        "misaligned store",       "store access fault",       "system call from user mode",
        "system call",            "exception 10",             "exception 11",
        "instruction page fault", "load page fault",          "exception 14",
        "store page fault"};
    return cause < ARRAY_SIZE(names) ? names[cause] : "unknown exception";
}

static void
interrupt(uint64_t cause)
{
    switch (cause & ~SCAUSE_INTERRUPT) {
    case IRQ_SOFTWARE:
        csr_clear("sip", SIE_SSIE);
        mmu_leave_retired();
        trap_ops.ipi();
        break;
    case IRQ_TIMER:
        trap_ops.timer_interrupt();
        break;
    case IRQ_EXTERNAL:
        trap_ops.external_interrupt();
        break;
    default:
        panic("interrupt %lu, which nobody enabled", cause & ~SCAUSE_INTERRUPT);
    }
}

static bool
is_page_fault(uint64_t cause, enum fault_access *access)
{
    switch (cause) {
    case EXC_INSN_PAGE:
        *access = FAULT_EXEC;
        return true;
    case EXC_LOAD_PAGE:
        *access = FAULT_READ;
        return true;
    case EXC_STORE_PAGE:
        *access = FAULT_WRITE;
        return true;
    default:
        return false;
    }
}

bool
trap_is_fault(uint64_t cause, enum fault_access *access)
{
    switch (cause) {
    case EXC_INSN_ACCESS:
        *access = FAULT_EXEC;
        return true;
    case EXC_LOAD_ACCESS:
        *access = FAULT_READ;
        return true;
    case EXC_STORE_ACCESS:
        *access = FAULT_WRITE;
        return true;
    default:
        return is_page_fault(cause, access);
    }
}

/* The first floating-point instruction of a thread: turn the registers on, all zero. */
static bool
enable_fp(struct trapframe *tf)
{
    static const struct fpstate zero;
    if ((tf->sstatus & SSTATUS_FS) != SSTATUS_FS_OFF)
        return false;
    csr_set("sstatus", SSTATUS_FS);
    hart_sstatus_changed();
    fp_load(&zero);
    tf->sstatus |= SSTATUS_FS_DIRTY;
    return true;
}

static void
user_exception(struct trapframe *tf, uint64_t cause)
{
    enum fault_access access;
    if (is_page_fault(cause, &access)) {
        trap_ops.page_fault(tf, csr_read("stval"), access, true);
        return;
    }
    if (cause == EXC_ILLEGAL && enable_fp(tf))
        return;
    trap_ops.user_exception(tf, cause, csr_read("stval"));
}

/* On the way back to user mode: whatever the thread has to do first. */
static void
trap_finish(struct trapframe *tf)
{
    struct hart *hart = this_hart();
    while (unlikely(__atomic_load_n(hart->work, __ATOMIC_RELAXED))) {
        trap_ops.user_return(tf);
        hart = this_hart();
    }
    hart->return_epc = tf->epc;
    stall_end();
}

#ifdef DEBUG

#define FILLED_STACK 8192 /* bytes; calls that reach deeper are rare */

/*
 * Fill what is below sp, so that what a call copies out without having written it can be
 * told from what it has. One piece of code, for the compiler keeps nothing there within it.
 */
static inline void
fill_stack(void)
{
    uint64_t at, end;
    __asm__ volatile("addi  %1, sp, -8\n"
                     "sub   %0, sp, %3\n"
                     "1:\n"
                     "sd    %2, 0(%0)\n"
                     "addi  %0, %0, 8\n"
                     "bleu  %0, %1, 1b\n"
                     : "=&r"(at), "=&r"(end)
                     : "r"(FILL_WORD(FILL_STACK)), "r"(FILLED_STACK)
                     : "memory");
}

#else

static inline void
fill_stack(void)
{
}

#endif

void
trap_from_user(struct trapframe *tf)
{
    stall_begin(0);
    fill_stack();
    uint64_t cause = csr_read("scause");
    if (likely(cause == EXC_ECALL_USER)) {
        tf->epc += 4;
        tf->nsyscall = tf->a7;
        tf->orig_a0 = tf->a0;
        trap_ops.syscall(tf);
    } else {
        tf->nsyscall = ~0UL;
        if (cause & SCAUSE_INTERRUPT)
            interrupt(cause);
        else
            user_exception(tf, cause);
    }
    trap_finish(tf);
}

void
trap_from_kernel(struct trapframe *tf)
{
    uint64_t cause = csr_read("scause");
    enum fault_access access;
    if (cause & SCAUSE_INTERRUPT) {
        stall_begin(0);
        interrupt(cause);
        stall_end();
        return;
    }
    vaddr_t va = csr_read("stval");
    if (is_page_fault(cause, &access) && trap_ops.page_fault) {
        /*
         * The handler may sleep. Then another thread returns to user mode from
         * here, where SPP is still set; and this one may go on on another
         * hart, and loads the frame's sstatus there.
         */
        hart_sstatus_changed();
        bool handled = trap_ops.page_fault(tf, va, access, false);
        hart_sstatus_changed();
        if (handled)
            return;
    }
    if (cause == EXC_BREAKPOINT)
        panic_trap(tf, "undefined behaviour (a trap of the sanitizer) at 0x%lx", tf->epc);
    panic_trap(tf, "%s in the kernel, address 0x%lx", exception_name(cause), va);
}

void
trap_stack_overflow(struct trapframe *tf)
{
    panic_trap(tf, "kernel stack overflow in %s", trap_ops.thread_name ? trap_ops.thread_name() : "boot");
}

void user_return(struct trapframe *tf) __noreturn;

void
trap_return(struct trapframe *tf)
{
    trap_finish(tf);
    user_return(tf);
}

void
trap_init_hart(void)
{
    csr_write("sscratch", (uint64_t)this_hart());
    hart_sstatus_changed();
    isolation_init_hart();
    clock_init_hart();
    csr_write("sie", SIE_SSIE | SIE_STIE | SIE_SEIE);
}

void
preempt_point(void)
{
    interrupts_window((vaddr_t)__builtin_return_address(0));
    if (preempt_hook)
        preempt_hook();
    hostile_switch();
}
