/*
 * User copies: the checks and the counting around usercopy.S.
 *
 * Two modes, chosen at boot (usercopy.h says why there are two):
 *
 *      guard   SUM is set for the length of each copy
 *      open    SUM stays set. No hart is prepared for that: a copy that finds
 *              SUM clear faults, and usercopy_open_fault() sets it in the
 *              interrupted code. Every page fault from user mode sets it in
 *              the thread's frame (fault.c), so that it survives the return.
 *
 * The exception table holds pairs of offsets, see usercopy.S.
 */
#include "vm/usercopy.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/lockcheck.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/hostile.h"
#include "lib/string.h"

/* In usercopy.S. */
size_t user_copy(void *to, const void *from, size_t n);
size_t user_zero(vaddr_t to, size_t n);
ssize_t user_string(char *to, vaddr_t from, size_t size);
int user_load32(uint32_t *value, vaddr_t from);
int user_load64(uint64_t *value, vaddr_t from);
int user_store32(vaddr_t to, uint32_t value);
int user_store64(vaddr_t to, uint64_t value);
int user_cas32(vaddr_t at, uint32_t expected, uint32_t value, uint32_t *old);
int user_amo_swap(vaddr_t at, uint32_t operand, uint32_t *old);
int user_amo_add(vaddr_t at, uint32_t operand, uint32_t *old);
int user_amo_or(vaddr_t at, uint32_t operand, uint32_t *old);
int user_amo_and(vaddr_t at, uint32_t operand, uint32_t *old);
int user_amo_xor(vaddr_t at, uint32_t operand, uint32_t *old);

struct exception {
    int32_t insn;  /* from this word to the instruction */
    int32_t fixup; /* from this word to where to go on */
};

extern const struct exception __start_ex_table[], __stop_ex_table[];

static bool guard;
static struct {
    struct usercopy_stats stats;
} __cacheline counters[MAX_HARTS];

uint64_t usercopy_user_sstatus;

static inline struct usercopy_stats *
my_counters(void)
{
    return &counters[this_hart()->index].stats;
}

static inline void
user_begin(void)
{
    lockcheck_may_sleep("a user copy");
    hostile_switch();
    if (unlikely(guard))
        csr_set("sstatus", SSTATUS_SUM);
}

static inline void
user_end(void)
{
    if (unlikely(guard))
        csr_clear("sstatus", SSTATUS_SUM);
    hostile_switch();
}

/* How many of n bytes from va lie in the user half. */
static inline size_t
clip(vaddr_t va, size_t n)
{
    return va >= user_top ? 0 : min(n, user_top - va);
}

size_t
copyin_some(void *dst, vaddr_t src, size_t n)
{
    n = clip(src, n);
    user_begin();
    size_t done = user_copy(dst, (const void *)src, n);
    user_end();
    struct usercopy_stats *stats = my_counters();
    stats->ncopyin++;
    stats->copyin_bytes += done;
    return done;
}

size_t
copyout_some(vaddr_t dst, const void *src, size_t n)
{
    n = clip(dst, n);
    user_begin();
    size_t done = user_copy((void *)dst, src, n);
    user_end();
    struct usercopy_stats *stats = my_counters();
    stats->ncopyout++;
    stats->copyout_bytes += done;
    return done;
}

int
copyin(void *dst, vaddr_t src, size_t n)
{
    if (unlikely(!user_range(src, n)))
        return n ? -EFAULT : 0;
    return likely(copyin_some(dst, src, n) == n) ? 0 : -EFAULT;
}

int
copyout(vaddr_t dst, const void *src, size_t n)
{
    if (unlikely(!user_range(dst, n)))
        return n ? -EFAULT : 0;
    return likely(copyout_some(dst, src, n) == n) ? 0 : -EFAULT;
}

size_t
zeroout_some(vaddr_t dst, size_t n)
{
    n = clip(dst, n);
    user_begin();
    size_t done = user_zero(dst, n);
    user_end();
    struct usercopy_stats *stats = my_counters();
    stats->ncopyout++;
    stats->copyout_bytes += done;
    return done;
}

ssize_t
copyinstr(char *dst, vaddr_t src, size_t size)
{
    size_t room = clip(src, size);
    user_begin();
    ssize_t length = user_string(dst, src, room);
    user_end();
    struct usercopy_stats *stats = my_counters();
    stats->ncopyinstr++;
    if (likely(length >= 0))
        stats->copyin_bytes += (size_t)length + 1;
    else if (length == -ENAMETOOLONG && room < size)
        length = -EFAULT; /* it ran into the end of the user half */
    return length;
}

int
get_user32(uint32_t *value, vaddr_t src)
{
    if (unlikely(src & 3))
        return copyin(value, src, sizeof(*value));
    if (unlikely(src >= user_top))
        return -EFAULT;
    my_counters()->ncopyin++;
    user_begin();
    int error = user_load32(value, src);
    user_end();
    return error;
}

int
put_user32(vaddr_t dst, uint32_t value)
{
    if (unlikely(dst & 3))
        return copyout(dst, &value, sizeof(value));
    if (unlikely(dst >= user_top))
        return -EFAULT;
    my_counters()->ncopyout++;
    user_begin();
    int error = user_store32(dst, value);
    user_end();
    return error;
}

int
get_user64(uint64_t *value, vaddr_t src)
{
    if (unlikely(src & 7))
        return copyin(value, src, sizeof(*value));
    if (unlikely(src >= user_top))
        return -EFAULT;
    my_counters()->ncopyin++;
    user_begin();
    int error = user_load64(value, src);
    user_end();
    return error;
}

int
put_user64(vaddr_t dst, uint64_t value)
{
    if (unlikely(dst & 7))
        return copyout(dst, &value, sizeof(value));
    if (unlikely(dst >= user_top))
        return -EFAULT;
    my_counters()->ncopyout++;
    user_begin();
    int error = user_store64(dst, value);
    user_end();
    return error;
}

int
user_cmpxchg32(vaddr_t address, uint32_t expected, uint32_t value, uint32_t *old)
{
    if (unlikely((address & 3) || address >= user_top))
        return -EFAULT;
    user_begin();
    int error = user_cas32(address, expected, value, old);
    user_end();
    return error;
}

int
user_atomic32(vaddr_t address, enum user_atomic op, uint32_t operand, uint32_t *old)
{
    static int (*const amo[])(vaddr_t at, uint32_t operand, uint32_t *old) = {
        [USER_SET] = user_amo_swap, [USER_ADD] = user_amo_add,  [USER_OR] = user_amo_or,
        [USER_ANDN] = user_amo_and, [USER_XOR] = user_amo_xor,
    };

    if (unlikely((address & 3) || address >= user_top))
        return -EFAULT;
    user_begin();
    int error = amo[op](address, op == USER_ANDN ? ~operand : operand, old);
    user_end();
    return error;
}

static uint64_t
exception_insn(const struct exception *e)
{
    return (uint64_t)&e->insn + (int64_t)e->insn;
}

uint64_t
usercopy_fixup(uint64_t epc)
{
    const struct exception *low = __start_ex_table, *high = __stop_ex_table;
    while (low < high) {
        const struct exception *middle = low + (high - low) / 2;
        uint64_t insn = exception_insn(middle);
        if (insn == epc)
            return (uint64_t)&middle->fixup + (int64_t)middle->fixup;
        if (insn < epc)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

bool
usercopy_open_fault(struct trapframe *tf)
{
    if (guard) {
        csr_clear("sstatus", SSTATUS_SUM); /* the handler may sleep; tf brings it back */
        return false;
    }
    if (tf->sstatus & SSTATUS_SUM)
        return false;
    tf->sstatus |= SSTATUS_SUM;
    return true;
}

void
usercopy_stats(struct usercopy_stats *stats)
{
    *stats = (struct usercopy_stats){0};
    for (uint32_t i = 0; i < nharts; i++) {
        const struct usercopy_stats *hart = &counters[i].stats;
        stats->ncopyin += hart->ncopyin;
        stats->ncopyout += hart->ncopyout;
        stats->ncopyinstr += hart->ncopyinstr;
        stats->copyin_bytes += hart->copyin_bytes;
        stats->copyout_bytes += hart->copyout_bytes;
    }
}

void
usercopy_init(void)
{
    char mode[8];
    if (machine_bootarg("usercopy", mode, sizeof(mode)))
        guard = strcmp(mode, "guard") == 0;
#ifdef DEBUG
    else
        guard = true;
#endif
    usercopy_user_sstatus = guard ? 0 : SSTATUS_SUM;

    for (const struct exception *e = __start_ex_table; e + 1 < __stop_ex_table; e++)
        if (exception_insn(e) >= exception_insn(e + 1))
            panic("the exception table is not sorted");
}
