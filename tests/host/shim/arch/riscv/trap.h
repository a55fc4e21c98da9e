/*
 * Stand-in for the kernel's: nobody else wants to run.
 */
#ifndef QUIRE_ARCH_TRAP_H
#define QUIRE_ARCH_TRAP_H

static inline void
preempt_point(void)
{
}

#endif
