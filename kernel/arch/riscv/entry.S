/*
 * Trap entry and return: the trampoline page.
 *
 * sscratch holds this hart's struct hart; sstatus.SPP tells where a trap
 * came from. Registers go into a struct trapframe: from user mode at the top
 * of the thread's kernel stack, from the kernel below the interrupted stack
 * pointer.
 *
 * An access to a CSR costs as much as twenty ordinary instructions where
 * harts are emulated, so the way in and out makes do with six. sstatus is
 * written on the way back to user mode only if it is not what the trap found:
 * hart->sstatus has what it held at the last trap from user mode, ~0 if it was
 * changed since.
 *
 * A kernel stack is the upper half of a slot of twice its size (KSTACK_SHIFT
 * in layout.h), so before anything is pushed in a trap from the kernel one
 * bit of the new sp tells whether it has left the stack; then the frame goes
 * to the hart's spare stack, and C reports the overflow.
 *
 * With strict isolation (isolation.h) user mode has a root of its own. The way
 * in then begins at trap_entry_strict and the way out ends at strict_return:
 * each changes satp, and all between them is the same. Whether there is a gate
 * costs the way out two instructions.
 */
#include "arch/riscv/csr.h"
#include "arch/riscv/layout.h"

#define HART_KERNEL_SP 64
#define HART_SPARE_SP 72
#define HART_SAVE0 80
#define HART_SAVE1 88
#define HART_SSTATUS 96
#define HART_USER_GATE 104

#define GATE_T0 0
#define GATE_TP 8
#define GATE_SATP 16
#define GATE_USER_SATP 24
#define GATE_FLUSH 32
#define GATE_HART 40

/* Offsets in struct trapframe: register xN at (N - 1) * 8. */
#define TF(n) (((n) - 1) * 8)
#define TF_EPC 248
#define TF_SSTATUS 256
#define TF_SIZE 288

    /* All but sp (x2), tp (x4). */
    .macro save_registers
    sd x1, TF(1)(sp)
    sd x3, TF(3)(sp)
    .irp n, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\n, TF(\n)(sp)
    .endr
    .endm

    .macro load_registers
    ld x1, TF(1)(sp)
    ld x3, TF(3)(sp)
    .irp n, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld x\n, TF(\n)(sp)
    .endr
    .endm

    .section .text.trampoline, "ax"
    .balign 4
    .globl trap_entry_strict
trap_entry_strict:
    csrrw tp, sscratch, tp      /* the gate; from the kernel the hart, which is one */
    sd t0, GATE_T0(tp)
    ld t0, GATE_SATP(tp)
    csrw satp, t0
    ld t0, GATE_FLUSH(tp)
    beqz t0, 1f
    sfence.vma
1:  ld t0, GATE_T0(tp)
    ld tp, GATE_HART(tp)
    j in_kernel_root

    .balign 4
    .globl trap_entry
trap_entry:
    csrrw tp, sscratch, tp
in_kernel_root:
    sd sp, HART_SAVE0(tp)
    sd t0, HART_SAVE1(tp)
    csrr t0, sstatus
    andi sp, t0, SSTATUS_SPP
    bnez sp, from_kernel

from_user:
    ld sp, HART_KERNEL_SP(tp)
    addi sp, sp, -TF_SIZE
    sd t0, TF_SSTATUS(sp)
    sd t0, HART_SSTATUS(tp)
    ld t0, HART_SAVE1(tp)
    save_registers
    csrrw t0, sscratch, tp      /* the user's tp; ours goes back */
    ld t1, HART_SAVE0(tp)       /* the user's sp */
    sd t0, TF(4)(sp)
    sd t1, TF(2)(sp)
    csrr t2, sepc
    sd t2, TF_EPC(sp)
    mv a0, sp
    mv fp, zero                 /* backtraces end here */
    call trap_from_user
    mv a0, sp

    /* a0: the trapframe, at the top of the current thread's kernel stack. */
    .globl user_return
user_return:
    mv sp, a0
    ld t0, TF_EPC(sp)
    ld t1, TF_SSTATUS(sp)
    ld t2, HART_SSTATUS(tp)
    csrw sepc, t0
    beq t1, t2, 1f
    csrw sstatus, t1
1:  load_registers
    ld tp, HART_USER_GATE(tp)
    bnez tp, strict_return
    ld x4, TF(4)(sp)
    ld x2, TF(2)(sp)
    sret

/* tp: the gate. All of the user's registers are loaded but tp and sp. */
strict_return:
    csrw sscratch, tp
    sd t0, GATE_T0(tp)
    ld t0, TF(4)(sp)
    sd t0, GATE_TP(tp)
    ld x2, TF(2)(sp)
    ld t0, GATE_USER_SATP(tp)
    csrw satp, t0
    ld t0, GATE_FLUSH(tp)
    beqz t0, 1f
    sfence.vma
1:  ld t0, GATE_T0(tp)
    ld tp, GATE_TP(tp)
    sret

from_kernel:
    csrw sscratch, tp           /* tp was the same before the exchange */
    ld sp, HART_SAVE0(tp)
    addi sp, sp, -TF_SIZE
    srli t0, sp, KSTACK_SHIFT
    andi t0, t0, 1
    beqz t0, stack_overflow
    ld t0, HART_SAVE1(tp)
    save_registers
    call save_kernel_rest
    mv a0, sp
    call trap_from_kernel
    ld t0, TF_EPC(sp)
    ld t1, TF_SSTATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    load_registers
    ld x2, TF(2)(sp)            /* tp stays: the thread may have moved harts */
    sret

stack_overflow:
    ld t0, HART_SAVE1(tp)
    ld sp, HART_SPARE_SP(tp)
    addi sp, sp, -TF_SIZE
    save_registers
    call save_kernel_rest
    mv a0, sp
    call trap_stack_overflow
    unimp

/* The rest of a frame for a trap from the kernel, whose ra is saved: sp, tp, epc, sstatus. */
save_kernel_rest:
    ld t1, HART_SAVE0(tp)
    sd tp, TF(4)(sp)
    sd t1, TF(2)(sp)
    csrr t2, sepc
    csrr t3, sstatus
    sd t2, TF_EPC(sp)
    sd t3, TF_SSTATUS(sp)
    ret
