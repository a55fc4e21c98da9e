#include "arch/riscv/spinlock.h"

#include "arch/riscv/tlb.h"

void
spin_wait(struct spinlock *lock, uint32_t ticket)
{
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        mmu_leave_retired(); /* whoever holds it may be waiting for us to leave */
}
