/*
 * The longest stretches for which a hart was kept from something (debug builds).
 *
 * Two kinds are measured, by the time CSR:
 *
 *      off     interrupts could not be taken: from a trap or the end of a preemption point to
 *              the next one, or to user mode (arch/riscv/stalls.h). A switch of threads does not
 *              end it, for it opens no window. The idle loop opens one before it waits.
 *      held    the running thread had to give way: from the time at which a tick that finds a
 *              better thread was due, or a wake found that the thread woken goes first, until
 *              schedule(). While nothing else is to run, or the hart idles, there is none.
 *
 * A hart that waits for another one (for a lock, for the answer to an interrupt of a shootdown) does so
 * with interrupts off, and the wait counts: it is as long as the other hart's own stretch. What one
 * hart does by itself is therefore measured on a machine of one hart. Where the machine's time is the
 * host's, a stretch includes what the host took away. With QEMU's -icount a
 * nanosecond is an instruction, and only then do the numbers mean something.
 *
 * A record is kept for each pair of a place (the innermost NKEY callers where the stretch ended) and a system
 * call; of these the NKEPT longest. Stretches under STALL_LEAST are not looked at.
 */
#ifdef DEBUG

#include "sched/stalls.h"

#include "arch/riscv/clock.h"
#include "arch/riscv/layout.h"
#include "arch/riscv/spinlock.h"
#include "arch/riscv/stalls.h"
#include "arch/riscv/trap.h"
#include "lib/string.h"
#include "sched/thread.h"

#define NKEPT 64
#define NKEY 3 /* callers that tell places apart */
#define STALL_LEAST (100 * NSEC_PER_USEC)

void (*stall_hook)(uint64_t ticks);

static struct spinlock lock = SPINLOCK_INIT("stalls");
static struct stall stalls[NSTALLS][NKEPT]; /* guarded by lock; nsec 0: none, and none after it */
static uint64_t wanted[MAX_HARTS];          /* (A) since when a hart's thread is to give way; 0: it is not */
static uint64_t least_ticks = ~0UL;         /* STALL_LEAST in ticks; constant once set */

/* What follows a call is work of the caller's: the compiler keeps the caller's frame until then. */
#define KEEP_FRAME() __asm__ volatile("")

/* The return addresses from frame pointer fp on, without the first. */
static void
find_callers(struct stall *stall, uint64_t fp)
{
    unsigned n = 0;
    bool first = true;
    memset(stall->callers, 0, sizeof(stall->callers));
    while (n < STALL_CALLERS && fp % 16 == 0 && fp >= STACK_BASE) {
        uint64_t next = *(uint64_t *)(fp - 16);
        if (!first)
            stall->callers[n++] = *(uint64_t *)(fp - 8);
        first = false;
        if (next <= fp)
            break;
        fp = next;
    }
}

static bool
same_key(const struct stall *a, const struct stall *b)
{
    return a->call == b->call && memcmp(a->callers, b->callers, NKEY * sizeof(a->callers[0])) == 0;
}

/* Where a new record goes: over the one of the same key, a free one, or the shortest. NULL: nowhere. */
static struct stall *
find_place(struct stall *kept, const struct stall *new)
{
    struct stall *shortest = &kept[0];
    for (unsigned i = 0; i < NKEPT; i++) {
        struct stall *old = &kept[i];
        if (old->nsec == 0 || same_key(old, new))
            return old;
        if (old->nsec < shortest->nsec)
            shortest = old;
    }
    if (shortest->nsec > new->nsec)
        return NULL;
    shortest->nsec = shortest->count = 0;
    return shortest;
}

static __noinline void
keep(enum stall_kind kind, uint64_t nsec, uint64_t fp)
{
    struct thread *self = current_thread();
    if (!self)
        return;
    struct stall new = {.nsec = nsec, .call = STALL_NONE, .from = this_hart()->off_from};
    if (self->mmu)
        new.call = thread_trapframe(self)->nsyscall;
    strscpy(new.name, self->name, sizeof(new.name));
    find_callers(&new, fp);
    spin_lock(&lock);
    struct stall *old = find_place(stalls[kind], &new);
    if (old) {
        new.count = old->count + 1;
        if (old->nsec < nsec)
            *old = new;
        else
            old->count = new.count;
    }
    spin_unlock(&lock);
}

/* Interrupts were off for so long. The window's own frame is between this one and the code that it stands in. */
static void
end_off(uint64_t ticks)
{
    if (unlikely(ticks >= least_ticks))
        keep(STALL_OFF, clock_scale(ticks, clock_mult, clock_shift),
             (uint64_t)__builtin_frame_address(0));
    KEEP_FRAME();
}

void
stall_wanted(uint32_t hart, uint64_t since)
{
    uint64_t none = 0;
    __atomic_compare_exchange_n(&wanted[hart], &none, since, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void
stall_given(void)
{
    uint64_t *since = &wanted[this_hart()->index];
    if (likely(__atomic_load_n(since, __ATOMIC_RELAXED) == 0))
        return;
    uint64_t start = __atomic_exchange_n(since, 0, __ATOMIC_RELAXED), now = clock_now();
    if (now > start && now - start >= STALL_LEAST)
        keep(STALL_HELD, now - start, (uint64_t)__builtin_frame_address(0));
    KEEP_FRAME();
}

bool
stalls_get(enum stall_kind kind, uint32_t i, struct stall *stall)
{
    if (i >= NKEPT)
        return false;
    spin_lock(&lock);
    *stall = stalls[kind][i];
    spin_unlock(&lock);
    return stall->nsec != 0;
}

void
stalls_clear(void)
{
    spin_lock(&lock);
    memset(stalls, 0, sizeof(stalls));
    spin_unlock(&lock);
}

void
stalls_init(void)
{
    uint64_t nsec_of_many = clock_scale(1UL << 20, clock_mult, clock_shift);
    least_ticks = (STALL_LEAST << 20) / nsec_of_many;
    stall_hook = end_off;
}

#endif
