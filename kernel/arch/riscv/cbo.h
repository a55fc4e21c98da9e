/*
 * Cache-block operations (CMO specification).
 */
#ifndef QUIRE_ARCH_CBO_H
#define QUIRE_ARCH_CBO_H

/*
 * cbo.zero (Zicboz): clear the cache block at `to`. Firmware allows it to
 * supervisors (menvcfg.CBZE) where its device tree announces the extension.
 */
static inline void
cbo_zero(void *to)
{
    __asm__ volatile(".insn i 0x0f, 2, x0, %0, 4" : : "r"(to) : "memory");
}

#endif
