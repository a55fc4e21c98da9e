/*
 * The system-call table, and the way in.
 *
 * Slots that no row fills hold sys_unknown(), so that the way in needs no
 * test for them. A number nobody implements is logged the first time it is
 * seen, once for all processes; a few that programs try on purpose, ready to
 * do without, are not.
 */
#include "arch/riscv/klog.h"
#include "arch/riscv/trap.h"
#include "lib/bitmap.h"
#include "lib/hostile.h"
#include "proc/signal.h"
#include "proc/task.h"
#include "sched/thread.h"
#include "syscall/syscall.h"

static syscall_fn table[NSYSCALLS];

/* Numbers already logged (atomic). */
static uint64_t logged[BITMAP_WORDS(NSYSCALLS)];

/* Programs probe for these and have another way. */
static const uint16_t quiet[] = {__NR_rseq, __NR_io_uring_setup, __NR_bpf, __NR_seccomp};

static void
log_unknown(uint64_t number)
{
    static uint32_t logged_large;

    if (number >= NSYSCALLS) {
        if (__atomic_exchange_n(&logged_large, 1, __ATOMIC_RELAXED))
            return;
    } else {
        uint64_t bit = BIT(number % 64);
        if (__atomic_fetch_or(&logged[number / 64], bit, __ATOMIC_RELAXED) & bit)
            return;
    }
    struct task *task = current_task();
    pr_warn("%s[%u]: unknown system call %ld", task->thread.name, task->tid, (long)number);
}

static int64_t
sys_unknown(const uint64_t *args)
{
    (void)args;
    uint64_t number = thread_trapframe(current_thread())->nsyscall;

    for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
        if (number == quiet[i])
            return -ENOSYS;
    log_unknown(number);
    return -ENOSYS;
}

static void
syscall_dispatch(struct trapframe *tf)
{
    uint64_t number = tf->nsyscall;
    int64_t result;

    hostile_switch();
    if (likely(number < NSYSCALLS)) {
        result = table[number](&tf->a0);
    } else {
        log_unknown(number);
        result = -ENOSYS;
    }
    tf->a0 = (uint64_t)result;
    hostile_switch();
    if (unlikely(is_restart_error(result)))
        signal_restart_pending();
}

static void
add_rows(const struct syscall_row *row)
{
    for (; row->fn; row++)
        table[row->number] = row->fn;
}

void
syscall_init(void)
{
    for (size_t i = 0; i < NSYSCALLS; i++)
        table[i] = sys_unknown;
#define ADD(rows) add_rows(rows);
    SYSCALL_ROWS(ADD)
#undef ADD
    trap_ops.syscall = syscall_dispatch;
}
