/*
 * The hostile scheduler (debug builds, boot argument hostile=SEED).
 *
 * It widens the windows between critical sections. The hooks of
 * lib/hostile.h stand
 *
 *      where a hart may be delayed         where threads may change, too
 *          a spinlock was let go               a mutex is wanted, or was let go
 *          a thread is about to be woken       a user copy begins or ends
 *          a reference was taken or dropped    a system call begins or ends
 *          inside a read section               preempt_point()
 *
 * Each hart has a generator of its own and is in one of three moods for some
 * dozens to some thousands of hooks:
 *
 *      CALM        nothing happens: this hart is the fast one of the race
 *      EVEN        every hook may strike, with a small chance
 *      PICKY       one place of code in 64 strikes with a great chance, and
 *                  for longer; the others never. A place is told by the
 *                  return addresses of the two innermost functions.
 *
 * A race needs one slow thread and one fast one, so harts in different moods
 * find more than harts that are all equally slow. The same seed gives the
 * same sequence on each hart, but not the same run: harts are not in step.
 */
#include "sched/hostile.h"

#ifdef DEBUG

#include "arch/riscv/clock.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "lib/hostile.h"
#include "lib/parse.h"
#include "sched/thread.h"
#include "sched/wait.h"

enum mood { CALM, EVEN, PICKY };

/* Guarded by: its own hart only. */
static struct generator {
    uint64_t state;
    enum mood mood;
    uint32_t nleft;  /* hooks until the mood changes */
    uint32_t choice; /* PICKY: which places strike */
} __cacheline generators[MAX_HARTS];

/* 64 random bits: a counter, mixed. */
static uint64_t
draw(struct generator *g)
{
    uint64_t x = g->state += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static void
change_mood(struct generator *g)
{
    static const enum mood moods[] = {CALM, EVEN, EVEN, PICKY};
    uint64_t x = draw(g);
    g->mood = moods[x % ARRAY_SIZE(moods)];
    g->nleft = 64U << (x >> 8) % 7;
    g->choice = (x >> 16) % 64;
}

/* The code that the hook stands in, as 6 bits: hashed from where its function and that one's caller go on. */
static uint32_t
place(const uint64_t *hook_frame)
{
    const uint64_t *frame = (const uint64_t *)hook_frame[-2];
    return ((hook_frame[-1] ^ frame[-1] * 3) * 0x9e3779b97f4a7c15) >> 58;
}

/* For how many ns this hook strikes; 0: it does not. */
static uint64_t
strike(struct generator *g, const uint64_t *hook_frame)
{
    if (g->nleft-- == 0)
        change_mood(g);
    if (g->mood == CALM)
        return 0;
    uint64_t x = draw(g);
    unsigned shift = 7;
    if (g->mood == EVEN) {
        if (x % 32)
            return 0;
    } else {
        if (place(hook_frame) != g->choice || x % 2)
            return 0;
        shift = 9;
    }
    uint64_t longest = 128UL << (x >> 8) % 11; /* as many short as long ones */
    return (longest + (x >> 16) % longest) << (shift - 7);
}

static void
spin_for(uint64_t nsec)
{
    uint64_t end = clock_now() + nsec;
    while (clock_now() < end)
        ;
}

static void
delay(void)
{
    uint64_t nsec = strike(&generators[this_hart()->index], __builtin_frame_address(0));
    if (nsec)
        spin_for(nsec);
}

static bool
may_switch(void)
{
    const struct hart *hart = this_hart();
    const struct thread *self = hart->current;
    return hart->idle && self != hart->idle && self->state == THREAD_RUNNING &&
           !hart->spin_depth && !hart->reading;
}

static void
delay_or_switch(void)
{
    struct generator *g = &generators[this_hart()->index];
    uint64_t nsec = strike(g, __builtin_frame_address(0));
    if (!nsec)
        return;
    uint64_t way = draw(g) % 4;
    if (way < 2 || !may_switch())
        spin_for(nsec);
    else if (way == 2)
        thread_yield();
    else
        sleep_until(clock_now() + nsec, WAIT_UNINTERRUPTIBLE);
}

void
hostile_init(void)
{
    char text[24];
    if (!machine_bootarg("hostile", text, sizeof(text)))
        return;
    uint64_t seed = bootarg_u64(machine.bootargs, "hostile", 0);
    for (uint32_t i = 0; i < MAX_HARTS; i++)
        generators[i].state = seed * MAX_HARTS + i;
    hostile_delay_hook = delay;
    hostile_switch_hook = delay_or_switch;
    pr_info("the hostile scheduler is on, seed %lu", seed);
}

#endif
