/*
 * When the kernel finds that it is itself at fault.
 */
#ifndef QUIRE_ARCH_PANIC_H
#define QUIRE_ARCH_PANIC_H

#include "lib/types.h"

struct trapframe;

/* Print the reason, a symbolised backtrace, stop the other harts, end the machine with a failure. */
void panic(const char *fmt, ...) __noreturn __printf_like(1, 2);
/*
 * The same for a trap that the kernel cannot survive: registers of the trap
 * too, and for a fault the walk of its address (trap_ops.explain_walk).
 */
void panic_trap(const struct trapframe *tf, const char *fmt, ...) __noreturn __printf_like(2, 3);
/* Print the callers of the function whose frame pointer is fp, as symbols. */
void backtrace(uint64_t fp);
/* The name of the function that holds a kernel address, its offset in *offset; NULL if none. */
const char *symbol_name(vaddr_t address, uint64_t *offset);

/* An invariant that only a bug in the kernel can break; checked in debug builds. */
#ifdef DEBUG
#define assert(condition)                                                                          \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            panic("assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__);                 \
    } while (0)
#else
#define assert(condition) ((void)sizeof(!(condition)))
#endif

#endif
