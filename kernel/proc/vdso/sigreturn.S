/*
 * Where signal handlers return to:
 *
 *      li   a7, 139     (rt_sigreturn)
 *      ecall
 *
 * and nothing else; debuggers know these two instructions.
 *
 * Everybody who unwinds a stack comes through here from a handler to what the
 * signal interrupted, with sp at the struct rt_sigframe that
 * kernel/proc/sigframe.c made, and needs to be told that this is a signal's
 * frame (augmentation S: the address found is the very instruction, not one
 * after a call), and where each register lies. None of it stands at a fixed
 * distance from the interrupted sp, so every rule is an expression: "at sp + n".
 * The interrupted pc is a register of its own beside ra: DWARF column 64, which
 * the RISC-V compilers keep for that.
 */
#include <asm/unistd.h>

#define SIGCONTEXT 304 /* in struct rt_sigframe: sigframe.c asserts it */
#define FPREGS (SIGCONTEXT + 32 * 8) /* pc and 31 registers before them */

/* DWARF 5, 7.7.1, 7.24: DW_OP_breg2 (sp) with an offset of two bytes of SLEB128. */
#define AT_SP(n) 0x72, ((n) & 0x7f) | 0x80, (n) >> 7
#define DW_OP_deref 0x06
#define DW_CFA_def_cfa_expression 0x0f
#define DW_CFA_expression 0x10
#define PC_COLUMN 64

    .text
    .balign 4
    .globl __vdso_rt_sigreturn
    .type __vdso_rt_sigreturn, @function
    .cfi_sections .eh_frame
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column PC_COLUMN
    /* The CFA is the sp that was interrupted: x2, after pc and x1. */
    .cfi_escape DW_CFA_def_cfa_expression, 4, AT_SP(SIGCONTEXT + 2 * 8), DW_OP_deref
    .cfi_escape DW_CFA_expression, PC_COLUMN, 3, AT_SP(SIGCONTEXT)
    .altmacro
    .macro saved column, offset
    .cfi_escape DW_CFA_expression, \column, 3, AT_SP(\offset)
    .endm
    .set i, 1
    .rept 31
    saved %i, %(SIGCONTEXT + i * 8)
    .set i, i + 1
    .endr
    .set i, 0
    .rept 32
    saved %(32 + i), %(FPREGS + i * 8)
    .set i, i + 1
    .endr
    /* Unwinders look a return address up by the byte before it, so that must be in here too. */
    .option push
    .option norvc
    nop
__vdso_rt_sigreturn:
    li a7, __NR_rt_sigreturn
    ecall
    .option pop
    .cfi_endproc
    .size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn

    .section .note.GNU-stack, "", @progbits
