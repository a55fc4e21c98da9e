/*
 * Changing threads, and the floating-point registers.
 */
    .text

/*
 * void swtch(struct context *from, struct context *to)
 *
 * Save the registers that C functions keep in *from and load them from *to:
 * it returns in the other thread.
 */
    .globl swtch
swtch:
    sd ra, 0(a0)
    sd sp, 8(a0)
    sd s0, 16(a0)
    sd s1, 24(a0)
    sd s2, 32(a0)
    sd s3, 40(a0)
    sd s4, 48(a0)
    sd s5, 56(a0)
    sd s6, 64(a0)
    sd s7, 72(a0)
    sd s8, 80(a0)
    sd s9, 88(a0)
    sd s10, 96(a0)
    sd s11, 104(a0)
    ld ra, 0(a1)
    ld sp, 8(a1)
    ld s0, 16(a1)
    ld s1, 24(a1)
    ld s2, 32(a1)
    ld s3, 40(a1)
    ld s4, 48(a1)
    ld s5, 56(a1)
    ld s6, 64(a1)
    ld s7, 72(a1)
    ld s8, 80(a1)
    ld s9, 88(a1)
    ld s10, 96(a1)
    ld s11, 104(a1)
    ret

/* A new thread starts here: s0 = function, s1 = argument, both set by thread_init(). */
    .globl thread_trampoline
thread_trampoline:
    call thread_first_run
    mv a0, s1
    mv t0, s0
    mv fp, zero
    jalr t0
    call thread_start_returned

    .altmacro
    .macro each_fp op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op f\n, (8 * \n)(a0)
    .endr
    .endm

/* void fp_save(struct fpstate *), void fp_load(const struct fpstate *): sstatus.FS must be on. */
    .globl fp_save
fp_save:
    each_fp fsd
    frcsr t0
    sd t0, 256(a0)
    ret

    .globl fp_load
fp_load:
    each_fp fld
    ld t0, 256(a0)
    fscsr t0
    ret
