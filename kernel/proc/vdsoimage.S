/*
 * The vDSO's image (kernel/proc/vdso/) among the kernel's constants, on pages of
 * its own, and where in it the kernel needs to look. vdso.so and offsets.h are the build's.
 */
#include "offsets.h"

    .section .rodata.vdso, "a"
    .balign 4096
    .globl vdso_image, vdso_image_end
vdso_image:
    .incbin "vdso.so"
    .balign 4096
vdso_image_end:

    .globl vdso_image_sigreturn, vdso_image_fixups, vdso_image_fixups_end
    .set vdso_image_sigreturn, vdso_image + OFFSET_rt_sigreturn
    .set vdso_image_fixups, vdso_image + OFFSET_fixups
    .set vdso_image_fixups_end, vdso_image + OFFSET_fixups_end
