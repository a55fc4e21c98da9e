/*
 * The instructions that touch user memory: all of them are in this file.
 *
 * Each one that may fault has an entry in the exception table: where it is
 * and where to go on, both as 32-bit offsets from the entry's own words. As
 * the instructions follow one another here, so do the entries: the table is
 * sorted as it stands, and usercopy_fixup() searches it by halves.
 *
 * A copy goes by rounds of 64 bytes; registers advance only when a round is
 * through. So when an access cannot be, its fixup is to go on from the start
 * of the round byte by byte, which meets the same fault at the exact byte,
 * and then the count is exact.
 *
 * Source and destination that are not aligned to each other are copied by
 * aligned loads, shifted together. An aligned word never crosses a page, and
 * each word that is loaded holds a byte that was asked for, so no fault comes
 * from this that the caller did not ask for.
 */
    .macro user fixup, insn:vararg
.Luser\@:
    \insn
    .pushsection __ex_table, "a"
    .balign 4
    .word .Luser\@ - .
    .word \fixup - .
    .popsection
    .endm

    .text

/*
 * size_t user_copy(void *to, const void *from, size_t n): bytes copied before
 * the first that could not be. Either may be the user's.
 *
 * a0 to, a1 from, a2 bytes left, a3 bytes asked for.
 */
    .balign 8
    .globl user_copy
user_copy:
    mv a3, a2
    or t0, a0, a1
    andi t0, t0, 7
    beqz t0, .Lcopy_aligned
    li t1, 16
    bltu a2, t1, .Lcopy_bytes
.Lcopy_head:
    andi t0, a0, 7
    beqz t0, .Lcopy_to_aligned
    user .Lcopy_end, lbu t1, 0(a1)
    user .Lcopy_end, sb t1, 0(a0)
    addi a0, a0, 1
    addi a1, a1, 1
    addi a2, a2, -1
    j .Lcopy_head
.Lcopy_to_aligned:
    andi t6, a1, 7
    bnez t6, .Lcopy_shift

.Lcopy_aligned:
    li t4, 64
    bltu a2, t4, .Lcopy_words
.Lcopy_round:
    user .Lcopy_bytes, ld a4, 0(a1)
    user .Lcopy_bytes, ld a5, 8(a1)
    user .Lcopy_bytes, ld a6, 16(a1)
    user .Lcopy_bytes, ld a7, 24(a1)
    user .Lcopy_bytes, ld t0, 32(a1)
    user .Lcopy_bytes, ld t1, 40(a1)
    user .Lcopy_bytes, ld t2, 48(a1)
    user .Lcopy_bytes, ld t3, 56(a1)
    user .Lcopy_bytes, sd a4, 0(a0)
    user .Lcopy_bytes, sd a5, 8(a0)
    user .Lcopy_bytes, sd a6, 16(a0)
    user .Lcopy_bytes, sd a7, 24(a0)
    user .Lcopy_bytes, sd t0, 32(a0)
    user .Lcopy_bytes, sd t1, 40(a0)
    user .Lcopy_bytes, sd t2, 48(a0)
    user .Lcopy_bytes, sd t3, 56(a0)
    addi a2, a2, -64
    addi a1, a1, 64
    addi a0, a0, 64
    bgeu a2, t4, .Lcopy_round
.Lcopy_words:
    li t4, 8
    bltu a2, t4, .Lcopy_bytes
.Lcopy_word:
    user .Lcopy_bytes, ld a4, 0(a1)
    user .Lcopy_bytes, sd a4, 0(a0)
    addi a2, a2, -8
    addi a1, a1, 8
    addi a0, a0, 8
    bgeu a2, t4, .Lcopy_word
.Lcopy_bytes:
    beqz a2, .Lcopy_end
.Lcopy_byte:
    user .Lcopy_end, lbu t1, 0(a1)
    user .Lcopy_end, sb t1, 0(a0)
    addi a2, a2, -1
    addi a1, a1, 1
    addi a0, a0, 1
    bnez a2, .Lcopy_byte
.Lcopy_end:
    sub a0, a3, a2
    ret

/*
 * to is aligned, from is t6 bytes past a word: each word stored is made of
 * two loaded ones. t0: the one loaded last; a4, a5: the shifts (modulo 64).
 */
.Lcopy_shift:
    sub a1, a1, t6
    slli a4, t6, 3
    neg a5, a4
    user .Lcopy_shift_end, ld t0, 0(a1)
    li a6, 32
    bltu a2, a6, .Lcopy_shift_words
.Lcopy_shift_round:
    user .Lcopy_shift_end, ld t1, 8(a1)
    user .Lcopy_shift_end, ld t2, 16(a1)
    user .Lcopy_shift_end, ld t3, 24(a1)
    user .Lcopy_shift_end, ld t4, 32(a1)
    srl t0, t0, a4
    sll t5, t1, a5
    or t0, t0, t5
    srl t1, t1, a4
    sll t5, t2, a5
    or t1, t1, t5
    srl t2, t2, a4
    sll t5, t3, a5
    or t2, t2, t5
    srl t3, t3, a4
    sll t5, t4, a5
    or t3, t3, t5
    user .Lcopy_shift_end, sd t0, 0(a0)
    user .Lcopy_shift_end, sd t1, 8(a0)
    user .Lcopy_shift_end, sd t2, 16(a0)
    user .Lcopy_shift_end, sd t3, 24(a0)
    mv t0, t4
    addi a2, a2, -32
    addi a1, a1, 32
    addi a0, a0, 32
    bgeu a2, a6, .Lcopy_shift_round
.Lcopy_shift_words:
    li a6, 8
    bltu a2, a6, .Lcopy_shift_end
.Lcopy_shift_word:
    user .Lcopy_shift_end, ld t1, 8(a1)
    srl t0, t0, a4
    sll t5, t1, a5
    or t0, t0, t5
    user .Lcopy_shift_end, sd t0, 0(a0)
    mv t0, t1
    addi a2, a2, -8
    addi a1, a1, 8
    addi a0, a0, 8
    bgeu a2, a6, .Lcopy_shift_word
.Lcopy_shift_end:
    add a1, a1, t6
    j .Lcopy_bytes

/*
 * size_t user_zero(vaddr_t to, size_t n): bytes zeroed before the first that
 * could not be.
 */
    .balign 8
    .globl user_zero
user_zero:
    mv a3, a1
    li t1, 8
    bltu a1, t1, .Lzero_bytes
.Lzero_head:
    andi t0, a0, 7
    beqz t0, .Lzero_aligned
    user .Lzero_end, sb zero, 0(a0)
    addi a0, a0, 1
    addi a1, a1, -1
    j .Lzero_head
.Lzero_aligned:
    li t2, 64
    bltu a1, t2, .Lzero_words
.Lzero_round:
    user .Lzero_bytes, sd zero, 0(a0)
    user .Lzero_bytes, sd zero, 8(a0)
    user .Lzero_bytes, sd zero, 16(a0)
    user .Lzero_bytes, sd zero, 24(a0)
    user .Lzero_bytes, sd zero, 32(a0)
    user .Lzero_bytes, sd zero, 40(a0)
    user .Lzero_bytes, sd zero, 48(a0)
    user .Lzero_bytes, sd zero, 56(a0)
    addi a1, a1, -64
    addi a0, a0, 64
    bgeu a1, t2, .Lzero_round
.Lzero_words:
    bltu a1, t1, .Lzero_bytes
.Lzero_word:
    user .Lzero_bytes, sd zero, 0(a0)
    addi a1, a1, -8
    addi a0, a0, 8
    bgeu a1, t1, .Lzero_word
.Lzero_bytes:
    beqz a1, .Lzero_end
.Lzero_byte:
    user .Lzero_end, sb zero, 0(a0)
    addi a1, a1, -1
    addi a0, a0, 1
    bnez a1, .Lzero_byte
.Lzero_end:
    sub a0, a3, a1
    ret

/*
 * ssize_t user_string(char *to, vaddr_t from, size_t size): copy up to and
 * with the first NUL. Its index, -EFAULT, or -ENAMETOOLONG if it is not among
 * the first size bytes.
 *
 * By words once the source is aligned: w has a zero byte if and only if
 * (w - 0x01...01) & ~w & 0x80...80 is not zero.
 */
    .balign 8
    .globl user_string
user_string:
    mv a3, a0
    li t1, 8
.Lstring_head:
    andi t0, a1, 7
    beqz t0, .Lstring_aligned
    beqz a2, .Lstring_long
    user .Lfault, lbu t0, 0(a1)
    sb t0, 0(a0)
    beqz t0, .Lstring_end
    addi a2, a2, -1
    addi a1, a1, 1
    addi a0, a0, 1
    j .Lstring_head
.Lstring_aligned:
    bltu a2, t1, .Lstring_bytes
    li t5, 0x01010101
    slli t6, t5, 32
    or t5, t5, t6
    slli t6, t5, 7
.Lstring_word:
    user .Lfault, ld t2, 0(a1)
    sub t3, t2, t5
    not t4, t2
    and t3, t3, t4
    and t3, t3, t6
    bnez t3, .Lstring_bytes
    andi t4, a0, 7
    bnez t4, .Lstring_scatter
    sd t2, 0(a0)
.Lstring_next:
    addi a2, a2, -8
    addi a1, a1, 8
    addi a0, a0, 8
    bgeu a2, t1, .Lstring_word
.Lstring_bytes:
    beqz a2, .Lstring_long
    user .Lfault, lbu t0, 0(a1)
    sb t0, 0(a0)
    beqz t0, .Lstring_end
    addi a2, a2, -1
    addi a1, a1, 1
    addi a0, a0, 1
    j .Lstring_bytes
.Lstring_scatter:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    sb t2, \n(a0)
    srli t2, t2, 8
    .endr
    j .Lstring_next
.Lstring_end:
    sub a0, a0, a3
    ret
.Lstring_long:
    li a0, -36                  /* ENAMETOOLONG */
    ret

/* int user_loadNN(void *value, vaddr_t from), int user_storeNN(vaddr_t to, uintNN_t value): 0 or -EFAULT. */
    .balign 8
    .globl user_load32
user_load32:
    user .Lfault, lw t0, 0(a1)
    sw t0, 0(a0)
    li a0, 0
    ret
    .globl user_load64
user_load64:
    user .Lfault, ld t0, 0(a1)
    sd t0, 0(a0)
    li a0, 0
    ret
    .globl user_store32
user_store32:
    user .Lfault, sw a1, 0(a0)
    li a0, 0
    ret
    .globl user_store64
user_store64:
    user .Lfault, sd a1, 0(a0)
    li a0, 0
    ret

/*
 * int user_cas32(vaddr_t at, uint32_t expected, uint32_t value, uint32_t *old).
 * 32-bit arguments come sign-extended, as lr.w leaves what it loads.
 */
    .globl user_cas32
user_cas32:
    user .Lfault, lr.w.aqrl t0, (a0)
    bne t0, a1, .Lcas_other
    user .Lfault, sc.w.aqrl t1, a2, (a0)
    bnez t1, user_cas32
    sw t0, 0(a3)
    li a0, 0
    ret
.Lcas_other:
    sw t0, 0(a3)
    li a0, -11                  /* EAGAIN */
    ret

/* int user_amo_OP(vaddr_t at, uint32_t operand, uint32_t *old). */
    .irp op, swap, add, or, and, xor
    .globl user_amo_\op
user_amo_\op:
    user .Lfault, amo\op\().w.aqrl t0, a1, (a0)
    sw t0, 0(a2)
    li a0, 0
    ret
    .endr

.Lfault:
    li a0, -14                  /* EFAULT */
    ret
