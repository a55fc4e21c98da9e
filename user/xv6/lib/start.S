/*
 * Where a program begins, and its stack: one page with a guard below it, as
 * xv6 lays it out, because programs of xv6 test that there is no more.
 * Arguments stay on the stack that the kernel made.
 */
    .section .bss.xv6_stack, "aw", @nobits
    .balign 4096
    .globl xv6_guard
    .hidden xv6_guard
xv6_guard:
    .skip 4096
    .skip 4096
stack_top:

    .text
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv a0, sp
    la sp, stack_top
    mv s0, zero
    mv ra, zero
    call xv6_start
