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
#include "vm/fault.h"

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

/*
 * What becomes of an error. Memory that is short only until a killed process has ended fails
 * no call: the call is made again.
 */
static __noinline int64_t
after_error(struct trapframe *tf, int64_t result)
{
    unsigned ntries = 0;

    /* After rt_sigreturn nsyscall is no number: the result is the program's a0, and no error. */
    while (result == -ENOMEM && tf->nsyscall < NSYSCALLS && vm_oom_retry(ntries++))
        result = table[tf->nsyscall](&tf->a0);
    if (is_restart_error(result))
        signal_restart_pending();
    return result;
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
    if (unlikely(result < 0))
        result = after_error(tf, result);
    tf->a0 = (uint64_t)result;
    hostile_switch();
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
