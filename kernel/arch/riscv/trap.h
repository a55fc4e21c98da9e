/*
 * Traps: the one way into the kernel.
 *
 * entry.S saves the registers in a struct trapframe on the kernel stack and
 * calls trap_from_user() or trap_from_kernel(). What to do about each kind of
 * trap is the upper floors' business: they fill in trap_ops at boot.
 */
#ifndef QUIRE_ARCH_TRAP_H
#define QUIRE_ARCH_TRAP_H

#include "lib/types.h"

/* Registers as the user (or the interrupted kernel) had them; entry.S knows the order. */
struct trapframe {
    uint64_t ra, sp, gp, tp;
    uint64_t t0, t1, t2;
    uint64_t s0, s1;
    uint64_t a0, a1, a2, a3, a4, a5, a6, a7;
    uint64_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;
    uint64_t t3, t4, t5, t6;
    uint64_t epc;     /* where the trap happened; where to go on */
    uint64_t sstatus; /* as at the trap */
    uint64_t orig_a0; /* first argument of the system call, for a restart */
    uint64_t nsyscall; /* number of the system call, or -1 after any other trap */
} __aligned(16);

/* The same registers by number: x1 is regs[0], x31 is regs[30]. */
static inline uint64_t *
trapframe_registers(struct trapframe *tf)
{
    return &tf->ra;
}

enum fault_access { FAULT_READ, FAULT_WRITE, FAULT_EXEC };

struct trap_ops {
    /* A system call: number in nsyscall, arguments in a0..a5; puts the result in a0. */
    void (*syscall)(struct trapframe *tf);
    /*
     * A page fault at va, from user mode or from the kernel. True: go on at
     * tf->epc (a fault of the user's that cannot be resolved has posted a
     * signal; one of a user copy has moved epc to its fixup). False: a bug in
     * the kernel.
     */
    bool (*page_fault)(struct trapframe *tf, vaddr_t va, enum fault_access access, bool user);
    /* Any other exception in user mode, by its scause; posts a signal. */
    void (*user_exception)(struct trapframe *tf, uint64_t cause, uint64_t value);
    void (*external_interrupt)(void);
    void (*timer_interrupt)(void);
    void (*ipi)(void);
    /*
     * Before returning to user mode when the thread has work to do (its
     * `user_work` flags): reschedule, deliver signals, die.
     */
    void (*user_return)(struct trapframe *tf);
    /* The running thread's name, for panics. */
    const char *(*thread_name)(void);
    /* For panics: log the walk of va in the tree at root, and what stops it. */
    void (*explain_walk)(paddr_t root, vaddr_t va, enum fault_access access);
};

extern struct trap_ops trap_ops;

/* Is a trap with this scause a fault at the address in stval; if so, of which access? */
bool trap_is_fault(uint64_t cause, enum fault_access *access);

/* Set up this hart's stvec, sscratch and interrupt enables. Interrupts stay off in sstatus. */
void trap_init_hart(void);

/*
 * Go to user mode with the registers in tf, which must be the current
 * thread's (at the top of its kernel stack). Runs the user-return work first.
 */
void trap_return(struct trapframe *tf) __noreturn;

/*
 * Take pending interrupts now, then reschedule if something else should run.
 * Long kernel loops call this now and then, with no spinlock held: it may
 * sleep and change harts. (The rescheduling half is sched's, set in
 * preempt_hook.)
 */
void preempt_point(void);
/* The same at every n-th step of a loop that counts its steps in *nsteps, from 0. */
static inline void
preempt_every(unsigned *nsteps, unsigned n)
{
    if (unlikely(++*nsteps % n == 0))
        preempt_point();
}
extern void (*preempt_hook)(void);

#endif
