/*
 * Where the linker put the parts of the kernel image (kernel/kernel.ld): the
 * image runs from _text to _end; each part starts on a page of its own.
 */
#ifndef QUIRE_ARCH_IMAGE_H
#define QUIRE_ARCH_IMAGE_H

extern char _text[], _etext[];             /* r-x */
extern char _trampoline[], _etrampoline[]; /* within the text: the trap entry */
extern char _data[], _edata[];             /* rw- */
extern char _bss[], _ebss[];               /* rw-, after the data */
extern char _rodata[], _erodata[];         /* r-- */
extern char _end[];

#endif
