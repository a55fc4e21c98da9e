/*
 * The protocol of kernel/sched/sched.c, for every interleaving of two harts
 * with three threads: choose, switch, wake, steal, move to another hart and
 * change of affinity. The steps have the names that sched.c gives them.
 *
 * A hart runs a thread or its idle thread. A thread yields, sleeps, wakes
 * another, or changes where it or another may run; an idle hart runs what is
 * ready or steals. After STEPS such actions no new one begins, and all that
 * has begun ends.
 *
 * Asserted: the registers of a thread are live on one hart at most; a thread
 * that was switched away from is not RUNNING; a thread goes into one tree
 * once, by the one that owns it, and comes out on a hart that it may run on.
 *
 * WITHOUT_... leaves one step out. Each must be found out, or the model would
 * prove nothing; tests/system/test_model.py runs them all.
 *
 *   WITHOUT_LOCK     the queue's lock is let go between the choice of the next
 *                    thread and the switch
 *   WITHOUT_AFTER    a thread that must go is placed before the switch
 *   WITHOUT_RECHECK  place() does not look at the affinity under the lock of
 *                    the queue that the thread goes into
 *   WITHOUT_AGAIN    runqueue_lock_of() does not look whether the thread is
 *                    still of the queue that it has locked
 *   WITHOUT_MOVING   a thread between two queues is READY
 *   WITHOUT_REQUEUE  a new affinity leaves a waiting thread where it waits
 *   WITHOUT_ON_HART  a wake puts a thread into a tree that has not switched
 *                    away yet
 */
#ifndef STEPS
#define STEPS 3
#endif
#define NTHREADS 3
#define IDLE 3          /* in place of a thread: the hart's idle thread */
#define NONE 255

mtype = { READY, RUNNING, SLEEPING, MOVING };

byte steps;             /* actions so far */

/* struct runqueue */
bool locked[2];
byte nready[2];

/* struct thread, by thread; [IDLE] is written, never read */
mtype state[4];
bool on_hart[4];
byte hart[4];           /* whose queue */
byte affinity[4];       /* a bit a hart */
byte tree[4];           /* the hart in whose tree it is, or NONE */

/* Hardware: on which hart a thread's registers are live, or NONE. */
byte live[4];

#define BIT(h) (1 << (h))

#define lock(q) atomic { !locked[q] -> locked[q] = true }
#define unlock(q) locked[q] = false

inline runqueue_add(q, t)
{
    d_step { assert(tree[t] == NONE); tree[t] = q; nready[q]++ }
}

inline runqueue_remove(q, t)
{
    d_step { assert(tree[t] == q); tree[t] = NONE; nready[q]-- }
}

/* Any hart that the thread may run on. */
inline choose_hart(t)
{
    if
    :: affinity[t] & BIT(0) -> target = 0
    :: affinity[t] & BIT(1) -> target = 1
    fi
}

#ifdef WITHOUT_MOVING
#define BETWEEN READY
#else
#define BETWEEN MOVING
#endif

/* Put a thread that belongs to this hart into a queue. */
inline place(t)
{
    do
    :: to = hart[t];
       lock(to);
       if
#ifdef WITHOUT_RECHECK
       :: true ->
#else
       :: affinity[t] & BIT(to) ->
#endif
           state[t] = READY;
           runqueue_add(to, t);
           unlock(to);
           break
#ifndef WITHOUT_RECHECK
       :: else ->
           choose_hart(t);
           hart[t] = target;
           unlock(to)
#endif
       fi
    od
}

/* From a queue whose lock is held to another's. In no tree. */
inline send(q, t)
{
    state[t] = BETWEEN;
    hart[t] = target;
    unlock(q);
    place(t)
}

/* runqueue_lock_of(): `from` is the queue that guards the thread, locked. */
inline lock_of(t)
{
    do
    :: from = hart[t];
       lock(from);
       if
#ifdef WITHOUT_AGAIN
       :: true -> break
#else
       :: hart[t] == from -> break
       :: else -> unlock(from)
#endif
       fi
    od
}

#ifdef WITHOUT_ON_HART
#define GOES_ON(t) false
#else
#define GOES_ON(t) on_hart[t]
#endif

inline wake(t)
{
    lock_of(t);
    if
    :: state[t] == SLEEPING && GOES_ON(t) -> state[t] = RUNNING; unlock(from)
    :: state[t] == SLEEPING && !GOES_ON(t) ->
        choose_hart(t);
        if
        :: target != from -> send(from, t)
        :: else -> state[t] = READY; runqueue_add(from, t); unlock(from)
        fi
    :: else -> unlock(from)
    fi
}

/* Of another thread, or of the caller: then schedule() must follow. */
inline set_affinity(t, mask)
{
    lock_of(t);
    affinity[t] = mask;
    if
    :: affinity[t] & BIT(from) -> unlock(from)
#ifdef WITHOUT_REQUEUE
    :: else -> unlock(from)
#else
    :: !(affinity[t] & BIT(from)) && state[t] == READY ->
        runqueue_remove(from, t);
        choose_hart(t);
        send(from, t)
    :: else -> unlock(from)
#endif
    fi
}

inline steal(h)
{
    if
    :: atomic { nready[1 - h] && !locked[1 - h] -> locked[1 - h] = true };
       from = 1 - h;
       if
       :: tree[0] == from && (affinity[0] & BIT(h)) -> next = 0
       :: tree[1] == from && (affinity[1] & BIT(h)) -> next = 1
       :: tree[2] == from && (affinity[2] & BIT(h)) -> next = 2
       :: else -> next = NONE
       fi;
       if
       :: next != NONE -> runqueue_remove(from, next); target = h; send(from, next)
       :: else -> unlock(from)
       fi
    :: else
    fi
}

inline pick_next(h)
{
    if
    :: tree[0] == h -> next = 0
    :: tree[1] == h -> next = 1
    :: tree[2] == h -> next = 2
    :: else -> next = IDLE
    fi;
    if
    :: next != IDLE -> runqueue_remove(h, next); assert(affinity[next] & BIT(h))
    :: else
    fi
}

/* In the thread that arrives. */
inline finish_switch(h)
{
    d_step {
        assert(self == IDLE || state[self] != RUNNING);
        leaves = (self == IDLE -> READY : state[self]);
        on_hart[self] = false
    };
    unlock(h);
    if
    :: leaves == MOVING -> place(self)
    :: else
    fi;
    self = next
}

inline schedule(h)
{
    lock(h);
    if
    :: self != IDLE && state[self] == RUNNING && !(affinity[self] & BIT(h)) ->
#ifdef WITHOUT_AFTER
        choose_hart(self);
        send(h, self);
        lock(h);
#else
        state[self] = MOVING;
#endif
        pick_next(h)
    :: self != IDLE && state[self] == RUNNING && (affinity[self] & BIT(h)) ->
        if
        :: nready[h] -> state[self] = READY; runqueue_add(h, self); pick_next(h)
        :: else -> next = self
        fi
    :: else -> pick_next(h)
    fi;
#ifdef WITHOUT_LOCK
    unlock(h);
    lock(h);
#endif
    if
    :: next == self ->
        if
        :: self != IDLE -> state[self] = RUNNING
        :: else
        fi;
        unlock(h)
    :: else ->
        state[next] = RUNNING;
        on_hart[next] = true;
        d_step {                                            /* swtch */
            live[self] = NONE;
            assert(next == IDLE || live[next] == NONE);
            live[next] = h
        };
        finish_switch(h)
    fi
}

proctype run_hart(byte h)
{
    byte self = IDLE, next = NONE;
    byte from = 0, to = 0, target = 0, other = 0;  /* local variables of the inlines */
    mtype leaves = READY;

end_hart:
    do
    :: self == IDLE && nready[h] -> schedule(h)
    :: atomic { self == IDLE && steps < STEPS && nready[1 - h] -> steps++ }; steal(h)
    /* Preempted, or it has a new affinity and leaves the kernel. */
    :: self != IDLE && (nready[h] || !(affinity[self] & BIT(h))) -> schedule(h)
    :: atomic { self != IDLE && steps < STEPS -> steps++ };
       state[self] = SLEEPING;
       if
       :: schedule(h)
       :: state[self] = RUNNING                             /* what it waits for is there */
       fi
    :: atomic { self != IDLE && steps < STEPS -> steps++ };
       if
       :: other = 0
       :: other = 1
       :: other = 2
       fi;
       if
       :: wake(other)
       :: set_affinity(other, BIT(0))
       :: set_affinity(other, BIT(1))
       fi
    od
}

init {
    atomic {
        live[0] = NONE; live[1] = NONE; live[2] = NONE;
        tree[0] = NONE; tree[1] = NONE; tree[2] = NONE;
        affinity[0] = 3; affinity[1] = 3; affinity[2] = 3;
        state[2] = SLEEPING;
        state[0] = READY; tree[0] = 0;
        state[1] = READY; tree[1] = 0; nready[0] = 2;
        run run_hart(0);
        run run_hart(1)
    }
}
