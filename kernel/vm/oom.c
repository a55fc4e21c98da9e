/*
 * Out of memory: the killer.
 *
 * A fault that finds no memory, of user mode or of a user copy, cannot fail: it
 * asks here, sleeps for a moment, and is tried again. It may hold mutexes
 * meanwhile, so it does nothing about the shortage itself. One kernel thread,
 * the killer, does, and holds nothing:
 *
 *      is there memory after all?          done
 *      are processes that it killed        wait for them, for PATIENCE at most; one of
 *      still ending?                       them may wait for a mutex of a waiting thread
 *      do superpages hold untouched pages? take these back (thin.c)
 *      else                                kill the processes of one address space, and
 *                                          take its pages away at once (reap)
 *
 * Which address space it is proc/ decides (vm_oom_pick), and it kills every process
 * that runs there, for one that lived on would keep the memory. `nvictims` counts
 * the processes killed that have not ended yet: a process has ended when it has
 * let go of its memory and its files.
 *
 * Reaping does not wait for the victims: it empties the tree, whatever their threads
 * do. An address space that is marked `ending` serves no fault any more, so what
 * was taken away is not seen as zeros. The mark is never removed. It cannot reach
 * a process that goes on: a thread of one that joined too late to be killed ends
 * at its next fault.
 */
#include "arch/riscv/clock.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "mem/frame.h"
#include "sched/thread.h"
#include "sched/wait.h"
#include "vm/fault.h"
#include "vm/gather.h"
#include "vm/leaf.h"
#include "vm/region.h"
#include "vm/superpage.h"

#define PATIENCE (5 * NSEC_PER_SEC)
#define PAUSE NSEC_PER_MSEC /* how often a waiting thread tries again */
#define REAP_TRIES 10       /* to get the address space's lock, a pause between two */
#define RUNS_AT_ONCE 16     /* runs of leaves that are taken away between two preemption points */
#define ENOUGH 8            /* frames: a fault needs a page and tables */

static struct spinlock lock = SPINLOCK_INIT("out of memory");
static struct waitq asked = {.lock = SPINLOCK_INIT("oom killer"),
                             .entries = LIST_INIT(asked.entries)};
static bool wanted;        /* (lock) a thread has asked since the killer last looked */
static uint32_t nvictims;  /* (atomic) */
static uint64_t nhopeless; /* (atomic) how often there was no process left to kill */

static struct vmspace *
no_pick(void)
{
    return NULL;
}

struct vmspace *(*vm_oom_pick)(void) = no_pick;

bool
vm_oom_wait(struct vmspace *vm)
{
    uint64_t before = __atomic_load_n(&nhopeless, __ATOMIC_RELAXED);

    if (vm_end_hook() || __atomic_load_n(&vm->ending, __ATOMIC_RELAXED))
        return false;
    spin_lock(&lock);
    wanted = true;
    wake_all(&asked);
    spin_unlock(&lock);
    (void)sleep_until(clock_now() + PAUSE, WAIT_UNINTERRUPTIBLE);
    return !vm_end_hook() && __atomic_load_n(&nhopeless, __ATOMIC_RELAXED) == before;
}

void
vm_oom_victim(bool ended)
{
    __atomic_fetch_add(&nvictims, ended ? -1U : 1U, __ATOMIC_RELAXED);
}

/* Can a fault be served? What caches hold comes back by asking for it. */
static bool
have_memory(void)
{
    struct frame *frames[ENOUGH];
    unsigned n = 0;

    while (n < ENOUGH && (frames[n] = frame_alloc(0, FRAME_BUFFER)))
        n++;
    bool enough = n == ENOUGH;
    while (n > 0)
        frame_free(frames[--n]);
    return enough;
}

/* Take away every page of an address space that is ending. vm->lock held. */
static void
zap_all(struct vmspace *vm)
{
    struct gather gather;
    struct leaf_run run;
    unsigned nruns = 0;

    gather_begin(&gather, vm);
    for (vaddr_t va = 0; leaf_next_run(vm->mmu.root, &va, user_top, &run);) {
        uint64_t size = run.level ? pt_span(run.level) : run.n * PAGE_SIZE;
        leaf_zap(&gather, run.va, run.va + size);
        if (++nruns % RUNS_AT_ONCE == 0) {
            gather_end(&gather);
            preempt_point();
        }
    }
    gather_tables(&gather, 0, user_top);
    gather_end(&gather);
}

static void
reap(struct vmspace *vm)
{
    for (unsigned i = 0; i < REAP_TRIES; i++) {
        if (mutex_trylock(&vm->lock)) {
            zap_all(vm);
            vm_unlock(vm);
            return;
        }
        (void)sleep_until(clock_now() + PAUSE, WAIT_UNINTERRUPTIBLE);
    }
}

/* Do one thing about the shortage. *since: when the last process was killed. */
static void
act(uint64_t *since)
{
    if (have_memory())
        return;
    if (__atomic_load_n(&nvictims, __ATOMIC_RELAXED) > 0 && clock_now() - *since < PATIENCE)
        return;
    if (vm_thin_others() > 0)
        return;
    struct vmspace *vm = vm_oom_pick();
    *since = clock_now();
    if (!vm) {
        __atomic_fetch_add(&nhopeless, 1, __ATOMIC_RELAXED);
        return;
    }
    reap(vm);
    vm_put(vm);
}

static void
killer(void *unused)
{
    uint64_t since = 0;

    for (;;) {
        spin_lock(&lock);
        while (!wanted)
            (void)wait_on(&asked, &lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
        wanted = false;
        spin_unlock(&lock);
        act(&since);
    }
}

void
vm_oom_start(void)
{
    if (!kthread_create("oom killer", killer, NULL))
        panic("no memory for the thread that deals with its lack");
}
