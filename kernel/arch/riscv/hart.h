/*
 * Per-hart data.
 *
 * In the kernel tp always holds this hart's struct hart; in user mode tp is
 * the program's. sscratch always holds ours.
 *
 * The kernel runs with interrupts disabled: they are taken in user mode, in
 * the idle loop, and at preempt_point(), nowhere else. So what only its own
 * hart touches needs no lock, code between two preemption points is never
 * interrupted, and a spinlock need not save the interrupt state. A thread
 * changes harts only where it may sleep or at a preemption point: do not keep
 * this_hart() across one.
 *
 * Harts are numbered twice: `hartid` is the hardware's (device tree, SBI,
 * PLIC), `index` is ours, dense from 0 (the boot hart), and indexes arrays and
 * cpumask_t.
 */
#ifndef QUIRE_ARCH_HART_H
#define QUIRE_ARCH_HART_H

#include "arch/riscv/isolation.h"
#include "lib/types.h"

#define MAX_HARTS 64

typedef uint64_t cpumask_t; /* bit i: the hart of index i */

struct lockcheck_held;
struct mmu;
struct thread;

struct hart {
    /* entry.S knows these by offset; see the assertions in isolation.c and trap.c. */
    struct gate gate;   /* its satp is what satp holds in the kernel */
    uint64_t kernel_sp; /* top of the current thread's kernel stack */
    uint64_t spare_sp;  /* top of the stack for reporting stack overflow */
    uint64_t save[2];   /* scratch for the trap entry */
    uint64_t sstatus;   /* at the last trap from user mode; ~0: changed since (hart_sstatus_changed) */
    struct gate *user_gate; /* strict isolation: the way to user mode; NULL: shared */

    struct thread *current; /* the thread that runs here */
    uint64_t *work;         /* its thread->work: what it must do before user mode */
    struct thread *idle;    /* this hart's idle thread */
    struct mmu *mmu;        /* (A) whose user addresses it uses, or is about to; NULL: nobody's */
    struct mmu *loaded;     /* (A) the address space in satp; NULL: the kernel's own root */
    uint32_t index;
    uint32_t hartid;
    uint64_t off_since; /* debug builds: time CSR at which interrupts went off (stalls.h) */
    vaddr_t off_from;   /* debug builds: the preemption point where they did; 0: a trap */
    uint32_t spin_depth; /* debug builds: spinlocks held */
    bool reading;        /* debug builds: in a read section (vfs/deferred.h) */
    struct lockcheck_held *mutexes_held; /* debug builds: by the current thread */
    bool online;
    uint64_t asid_generation; /* of the last local flush of all ASIDs */
    uint64_t return_epc;      /* where user mode was last resumed; see sched/account.c */
} __cacheline;

extern struct hart harts[MAX_HARTS];
extern const uint64_t hart_struct_size; /* for boot.S */
extern uint32_t nharts;        /* harts found and started; constant after boot */
extern cpumask_t harts_online; /* atomic */

register struct hart *hart_register __asm__("tp");

/* The hart this code runs on, valid until the next point that may sleep. */
static inline struct hart *
this_hart(void)
{
    return hart_register;
}

/* The running thread; stays the same whatever the hart. */
static inline struct thread *
current_thread(void)
{
    return hart_register->current;
}

/*
 * Whoever writes sstatus, or the copy in a user trap frame that the way back
 * to user mode will load, says so: the way back then loads it.
 */
static inline void
hart_sstatus_changed(void)
{
    hart_register->sstatus = ~0UL;
}

/*
 * Start every other hart of the device tree through SBI HSM and wait until
 * each runs its idle loop. Called once, by the boot hart, when the
 * scheduler is ready.
 */
void harts_start_secondary(void);
/* What a secondary hart does once its kernel stack and page table are set; sched's idle loop. */
extern void (*hart_main)(void);
/* A kernel stack's top, or 0; kstack_alloc() of the floor above. */
extern vaddr_t (*hart_stack_alloc)(void);

#endif
