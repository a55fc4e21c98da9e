/*
 * Plain stores that other harts may see at any moment.
 *
 * GCC 12 compiles __atomic_store_n() for RISC-V to an AMO, which costs
 * thirty times a store where harts are emulated and is no stronger than what
 * the memory model asks of an aligned store with the right fence before it
 * (unprivileged specification, table A.6). Loads and read-modify-write
 * operations are the compiler's own.
 */
#ifndef QUIRE_LIB_ATOMIC_H
#define QUIRE_LIB_ATOMIC_H

/* Store a naturally aligned word whole, in no order with others. */
#define store_relaxed(address, value) (*(volatile __typeof__(*(address)) *)(address) = (value))

/* Store it after everything that came before: the other side loads with __ATOMIC_ACQUIRE. */
#define store_release(address, value)                                                              \
    do {                                                                                           \
        __atomic_thread_fence(__ATOMIC_RELEASE);                                                   \
        store_relaxed(address, value);                                                             \
    } while (0)

#endif
