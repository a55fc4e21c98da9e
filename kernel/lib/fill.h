/*
 * What debug kernels fill memory with. A program that finds four such bytes in
 * a row in what a call gave it has found a leak (tests/guest/whole.c, which
 * knows the range of those that may come out); a crash at an address made of
 * them tells what kind of memory was misused.
 */
#ifndef QUIRE_LIB_FILL_H
#define QUIRE_LIB_FILL_H

#define FILL_FREED_FRAME 0x01
#define FILL_FRESH_FRAME 0x05  /* allocated, not zeroed */
#define FILL_FREED_OBJECT 0x06 /* slab and kmalloc */
#define FILL_FRESH_OBJECT 0x07
#define FILL_STACK 0x08 /* what a kernel stack holds when a trap from user mode begins */
/* Local variables: the compiler's own 0xfe (-ftrivial-auto-var-init=pattern). Release kernels zero them. */

/* A word of such bytes. */
#define FILL_WORD(byte) ((byte) * 0x0101010101010101UL)

#endif
