/*
 * The lock checker (debug builds): classes, and the order they are taken in.
 *
 * before[A] is the set of classes seen taken while A was held, closed under
 * "and what comes after those": so a single bit tells whether taking B under A
 * would close a cycle.
 */
#include "arch/riscv/lockcheck.h"

#ifdef DEBUG

#include "arch/riscv/hart.h"
#include "arch/riscv/panic.h"
#include "lib/atomic.h"
#include "lib/string.h"

#define MAX_CLASSES 192
#define MAX_HELD 16
#define WORDS (MAX_CLASSES / 64)

static const char *class_names[MAX_CLASSES];
static uint32_t nclasses = 1; /* 0 means "not looked up" */
static uint64_t after[MAX_CLASSES][WORDS];
static uint32_t checker_busy; /* (A) a spinlock of our own, unchecked */

/* Spinlocks held by each hart. Mutexes are in thread->held. */
static struct lockcheck *hart_held[MAX_HARTS][MAX_HELD];
static uint16_t hart_wanted[MAX_HARTS]; /* class of the spinlock that a hart waits for */

static void
checker_lock(void)
{
    while (__atomic_exchange_n(&checker_busy, 1, __ATOMIC_ACQUIRE))
        ;
}

static void
checker_unlock(void)
{
    store_release(&checker_busy, 0);
}

/* The class of a name at a nesting depth. Checker locked. */
static uint16_t
class_lookup(const char *name, unsigned depth)
{
    static uint8_t class_depth[MAX_CLASSES];
    for (uint16_t i = 1; i < nclasses; i++)
        if (class_depth[i] == depth && strcmp(class_names[i], name) == 0)
            return i;
    if (nclasses == MAX_CLASSES)
        panic("lock checker: more than %d classes of locks", MAX_CLASSES);
    class_names[nclasses] = name;
    class_depth[nclasses] = depth;
    return nclasses++;
}

static bool
test(uint16_t first, uint16_t second)
{
    return after[first][second / 64] >> (second % 64) & 1;
}

/* Note that `second` is taken while `first` is held. Checker locked. */
static void
note_order(uint16_t first, uint16_t second)
{
    if (test(first, second))
        return;
    if (first == second || test(second, first)) {
        checker_unlock();
        panic("lock checker: %s is taken while %s is held, but elsewhere %s was held when %s was "
              "taken",
              class_names[second], class_names[first], class_names[second], class_names[first]);
    }
    for (uint16_t c = 1; c < nclasses; c++) {
        if (c != first && !test(c, first))
            continue;
        after[c][second / 64] |= BIT(second % 64);
        for (unsigned w = 0; w < WORDS; w++)
            after[c][w] |= after[second][w];
    }
}

static void
note_held(uint16_t taken)
{
    struct hart *hart = this_hart();
    for (uint32_t i = 0; i < hart->spin_depth; i++)
        note_order(hart_held[hart->index][i]->class_index, taken);
    struct lockcheck_held *mutexes = hart->mutexes_held;
    for (uint32_t i = 0; mutexes && i < mutexes->count; i++)
        note_order(mutexes->held[i]->class_index, taken);
}

static void
push(struct lockcheck *check, enum lockcheck_kind kind)
{
    struct hart *hart = this_hart();
    if (kind == LOCKCHECK_SPIN) {
        if (hart->spin_depth == MAX_HELD)
            panic("lock checker: %d spinlocks held", MAX_HELD);
        hart_held[hart->index][hart->spin_depth++] = check;
        check->holder = hart;
    } else {
        struct lockcheck_held *mutexes = hart->mutexes_held;
        if (mutexes->count == ARRAY_SIZE(mutexes->held))
            panic("lock checker: one thread holds %d mutexes", (int)mutexes->count);
        mutexes->held[mutexes->count++] = check;
        check->holder = hart->current;
    }
}

/* Where the class of a lock is kept between lockcheck_acquire() and lockcheck_acquired(). */
static uint16_t *
wanted(enum lockcheck_kind kind)
{
    struct hart *hart = this_hart();
    return kind == LOCKCHECK_SPIN ? &hart_wanted[hart->index] : &hart->mutexes_held->wanted;
}

void
lockcheck_init(struct lockcheck *check, const char *name)
{
    check->name = name;
    check->class_index = 0;
    check->holder = NULL;
}

void
lockcheck_acquire(struct lockcheck *check, unsigned depth, enum lockcheck_kind kind)
{
    void *self = kind == LOCKCHECK_SPIN ? (void *)this_hart() : (void *)current_thread();
    if (__atomic_load_n(&check->holder, __ATOMIC_RELAXED) == self)
        panic("lock checker: %s is taken twice by the same holder", check->name);
    if (kind == LOCKCHECK_MUTEX)
        lockcheck_may_sleep(check->name);
    checker_lock();
    uint16_t class = class_lookup(check->name, depth);
    note_held(class);
    checker_unlock();
    *wanted(kind) = class; /* the lock itself says how its holder took it */
}

void
lockcheck_acquired(struct lockcheck *check, enum lockcheck_kind kind)
{
    check->class_index = *wanted(kind);
    push(check, kind);
}

void
lockcheck_acquire_try(struct lockcheck *check, enum lockcheck_kind kind)
{
    checker_lock();
    check->class_index = class_lookup(check->name, 0);
    checker_unlock();
    push(check, kind);
}

/* Take check off a stack of held locks; they may be let go in any order. */
static bool
pop(struct lockcheck **held, uint32_t *count, const struct lockcheck *check)
{
    for (uint32_t i = *count; i-- > 0;) {
        if (held[i] != check)
            continue;
        for (; i + 1 < *count; i++)
            held[i] = held[i + 1];
        (*count)--;
        return true;
    }
    return false;
}

void
lockcheck_release(struct lockcheck *check, enum lockcheck_kind kind)
{
    struct hart *hart = this_hart();
    bool held;
    check->holder = NULL;
    if (kind == LOCKCHECK_SPIN) {
        held = pop(hart_held[hart->index], &hart->spin_depth, check);
    } else {
        held = pop(hart->mutexes_held->held, &hart->mutexes_held->count, check);
    }
    if (!held)
        panic("lock checker: %s is let go by one who does not hold it", check->name);
}

void
lockcheck_reading(bool begins)
{
    struct hart *hart = this_hart();
    if (hart->reading == begins)
        panic("lock checker: a read section %s", begins ? "inside another" : "ends twice");
    hart->reading = begins;
}

void
lockcheck_may_sleep(const char *what)
{
    struct hart *hart = this_hart();
    if (hart->spin_depth)
        panic("lock checker: %s may sleep, but spinlock %s is held", what,
              hart_held[hart->index][hart->spin_depth - 1]->name);
    if (hart->reading)
        panic("lock checker: %s may sleep inside a read section", what);
}

#endif
