#include "arch/riscv/spinlock.h"

#include "arch/riscv/tlb.h"

void
spin_wait(struct spinlock *lock)
{
    do {
        while (__atomic_load_n(&lock->locked, __ATOMIC_RELAXED))
            mmu_leave_retired(); /* whoever holds it may be waiting for us to leave */
    } while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE));
}
