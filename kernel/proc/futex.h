/*
 * Futexes: sleeping on a word of user memory.
 *
 * A waiter is listed in one of many buckets, by the word's key: the address
 * space and the address for private memory, the object and the offset for
 * shared mappings, so that two processes meet on the same word wherever each
 * has it mapped. The bucket's lock makes "compare the word, then sleep" one
 * step towards wakers.
 */
#ifndef QUIRE_PROC_FUTEX_H
#define QUIRE_PROC_FUTEX_H

#include "lib/types.h"

struct task;

/* futex(2): wait_flags 0 or WAIT_WALL, and what they make of the deadline (sched/wait.h). */
int64_t futex_wait(vaddr_t address, bool shared, uint32_t expected, uint32_t bitset,
                   unsigned wait_flags, uint64_t deadline);
int64_t futex_wake(vaddr_t address, bool shared, uint32_t nwake, uint32_t bitset);
/* Wake nwake, move nmove to address2. compare: only if the word is `expected`, else -EAGAIN. */
int64_t futex_requeue(vaddr_t address, vaddr_t address2, bool shared, uint32_t nwake,
                      uint32_t nmove, bool compare, uint32_t expected);
int64_t futex_wake_op(vaddr_t address, vaddr_t address2, bool shared, uint32_t nwake,
                      uint32_t nwake2, uint32_t operation);
/* At exit: mark the owned locks of the robust list dead, and wake. */
void futex_exit_robust(struct task *task);

void futex_init(void);

#endif
