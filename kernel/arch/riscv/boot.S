/*
 * The first instructions.
 *
 * The firmware starts one hart at _start, in S-mode with paging off:
 * a0 = hartid, a1 = physical address of the device tree. The image may lie at
 * any multiple of 2 MiB. Here we make a first page table, jump to the address
 * the image is linked at, and call C:
 *
 *      KERNEL_BASE     the image, one 1 GiB of 2 MiB leaves from its start
 *      DIRECT_BASE     192 GiB of physical memory from the image's 1 GiB down,
 *                      in 1 GiB leaves
 *
 * all of it readable, writable and executable until mem/kspace.c builds the
 * real one. No identity mapping is needed: the instruction after the write to
 * satp faults, and stvec holds the linked address of where to go on.
 *
 * Other harts enter at start_secondary (SBI HSM) with a1 = hart index. Some
 * firmware lets a hart that it is about to start slip through to _start, in a
 * race of its own (OpenSBI before 1.2 sets the state "start pending" before
 * the address to start at), and some starts every hart there. So _start draws
 * lots: the first hart boots, any other waits until hart.c names it, and goes
 * where it should have gone.
 */
#include "arch/riscv/csr.h"
#include "arch/riscv/layout.h"

/* V R W X A D G: privileged specification 4.4.1. */
#define EARLY_LEAF 0xef

    .section .text.start, "ax"
    .globl _start
_start:
    csrw sie, zero
    csrw sip, zero
    lla t0, boot_lottery
    li t1, 1
    amoswap.w.aqrl t1, t1, (t0)
    bnez t1, late_hart
    mv s0, a0
    mv s1, a1

    lla t0, _bss
    lla t1, _ebss
1:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 1b

    /* early_image[i] -> 2 MiB leaf at image + i * 2 MiB */
    lla s2, _start              /* physical start of the image */
    lla t0, early_image
    srli t1, s2, 2
    ori t1, t1, EARLY_LEAF
    li t2, 512
    li t3, 1 << (21 - 2)
2:  sd t1, 0(t0)
    add t1, t1, t3
    addi t0, t0, 8
    addi t2, t2, -1
    bnez t2, 2b

    /* early_root[510] -> early_image: KERNEL_BASE lies in the last GiB but one */
    lla s3, early_root
    lla t0, early_image
    srli t0, t0, 2
    ori t0, t0, 1
    li t1, 510 * 8
    add t1, s3, t1
    sd t0, 0(t1)

    /* early_root[256...447] -> 1 GiB leaves from the image's GiB */
    srli s4, s2, 30
    slli s4, s4, 30
    srli t1, s4, 2
    ori t1, t1, EARLY_LEAF
    li t0, 256 * 8
    add t0, s3, t0
    li t2, 192
    li t3, 1 << (30 - 2)
3:  sd t1, 0(t0)
    add t1, t1, t3
    addi t0, t0, 8
    addi t2, t2, -1
    bnez t2, 3b

    srli s3, s3, 12
    li t0, SATP_MODE_SV39
    or s3, s3, t0
    call enter_paging

    lla tp, harts
    la t0, boot_stack_top
    mv sp, t0
    mv a0, s0
    mv a1, s1
    mv a2, s2
    mv a3, s4
    mv fp, zero                 /* which is s0 */
    call boot_main
    unimp

late_hart:
    lla t0, starting_hartid
1:  ld t1, 0(t0)
    bne t1, a0, 1b
    fence r, rw
    lla t0, starting_index
    ld a1, 0(t0)
    j start_secondary

    .section .data
    .balign 4
boot_lottery:
    .word 0

    .section .text.start, "ax"
    .globl start_secondary
start_secondary:
    csrw sie, zero
    mv s1, a1                   /* index */
    lla t0, kernel_satp
    ld s3, 0(t0)
    call enter_paging
    lla tp, harts
    lla t0, hart_struct_size
    ld t0, 0(t0)
    mul t0, t0, s1
    add tp, tp, t0
    ld sp, 64(tp)               /* hart->kernel_sp: its idle thread's stack */
    mv fp, zero
    mv a0, s1
    call secondary_main
    unimp

/*
 * Load satp with s3 and return to the linked address of the caller. Clobbers
 * t0, t1.
 */
enter_paging:
    lla t0, _start
    li t1, KERNEL_BASE
    sub t1, t1, t0              /* linked minus physical */
    add ra, ra, t1
    lla t0, 4f
    add t0, t0, t1
    csrw stvec, t0
    sfence.vma
    csrw satp, s3
    .balign 4
4:  sfence.vma
    ret


    .section .bss.stack, "aw", @nobits
    /* The boot hart's idle stack above its spare one: see KSTACK_SHIFT. */
    .balign 2 * KSTACK_SIZE
    .globl boot_spare_top, boot_stack_top
    .skip KSTACK_SIZE
boot_spare_top:
    .skip KSTACK_SIZE
boot_stack_top:
    .balign 4096
    .globl early_root
early_root:
    .skip 4096
early_image:
    .skip 4096
