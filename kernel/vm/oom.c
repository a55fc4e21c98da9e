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
 * A system call that fails with -ENOMEM while killed processes still end is made again
 * when they have ended (vm_oom_retry): the memory that it lacked is on its way.
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
#define CALL_TRIES 8 /* of a call that fails while one process after the other is killed */
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
static uint64_t last_kill; /* (atomic) when a process was last killed; 0: never */

static struct vmspace *
no_pick(void)
{
    return NULL;
}

struct vmspace *(*vm_oom_pick)(void) = no_pick;

void
vm_oom_victim(bool ended)
{
    __atomic_fetch_add(&nvictims, ended ? -1U : 1U, __ATOMIC_RELAXED);
}

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

/* Are processes still ending that were killed, and not too long ago? */
static bool
are_ending(void)
{
    return __atomic_load_n(&nvictims, __ATOMIC_RELAXED) > 0 &&
           clock_now() - __atomic_load_n(&last_kill, __ATOMIC_RELAXED) < PATIENCE;
}

bool
vm_oom_retry(unsigned ntries)
{
    uint64_t killed = __atomic_load_n(&last_kill, __ATOMIC_RELAXED), now = clock_now();

    if (likely(killed == 0) || now - killed >= PATIENCE || ntries >= CALL_TRIES)
        return false;
    if (!are_ending())
        return ntries == 0; /* they had not ended yet when the call failed */
    for (uint64_t end = now + PATIENCE; now < end && are_ending() && !vm_end_hook(); now = clock_now())
        (void)sleep_until(now + PAUSE, WAIT_UNINTERRUPTIBLE);
    return !vm_end_hook();
}

/* Can a fault be served? What caches hold comes back by asking for it. */
static bool
can_serve(void)
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

/* Two looks: the one allocation that a debug kernel lets fail on purpose is no shortage. */
static bool
have_memory(void)
{
    return can_serve() || can_serve();
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

/* Do one thing about the shortage. */
static void
act(void)
{
    if (have_memory() || are_ending())
        return;
    if (vm_thin_others() > 0)
        return;
    __atomic_store_n(&last_kill, clock_now(), __ATOMIC_RELAXED);
    vm_oom_victim(false); /* until all are killed: the first may have ended before the last is chosen */
    struct vmspace *vm = vm_oom_pick();
    if (vm) {
        reap(vm);
        vm_put(vm);
    } else {
        __atomic_fetch_add(&nhopeless, 1, __ATOMIC_RELAXED);
    }
    vm_oom_victim(true);
}

static void
killer(void *unused)
{
    for (;;) {
        spin_lock(&lock);
        while (!wanted)
            (void)wait_on(&asked, &lock, WAIT_UNINTERRUPTIBLE, DEADLINE_NEVER);
        wanted = false;
        spin_unlock(&lock);
        act();
    }
}

void
vm_oom_start(void)
{
    if (!kthread_create("oom killer", killer, NULL))
        panic("no memory for the thread that deals with its lack");
}
