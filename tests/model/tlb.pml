/*
 * The protocol of kernel/arch/riscv/tlb.h, for every interleaving of three
 * harts: what a hart that changes or frees a page-table tree must do so that
 * no other hart, running on the tree or idling on it, ever follows what is
 * gone. The steps have the names that tlb.h and tlb.c give them.
 *
 * There are two address spaces, A and B, each with one page of memory and one
 * table that leads to it, and three frames for such pages. A hart switches to
 * a space and runs a thread of it, which touches the page (faulting a frame
 * in) or unmaps it (F1 to F4, then the frame is free), sometimes with its
 * table; or it goes idle, using no space but leaving satp as it is. Idle harts,
 * which stand for kernel threads too, may unmap the page of A. The last thread
 * of a space, or a hart that runs none of it, may end it: mmu_retire(), then
 * root and structure are free, and are at once used again for a new space.
 * After STEPS switches and unmaps all harts only take interrupts, so a hart
 * that waits for ever is a deadlock.
 *
 * Hardware is as bad as its specification allows:
 *
 *   - a store (of a page-table entry, or of hart->mmu) may stay in the hart's
 *     own buffer, unseen by others, until a fence or an atomic operation;
 *   - a hart walks the tree that satp names before anybody asks, and keeps
 *     what it finds, tables too: as early as it can, which makes it as old as
 *     it can be;
 *   - kernel code runs on whatever root satp names.
 *
 * Asserted: whoever touches a page finds a frame that belongs to that address
 * space; no hart's satp names a space of which the hart remembers a table that
 * is free, or whose root is being freed.
 *
 * WITHOUT_... leaves one step out. Each must be found out, or the model would
 * prove nothing; tests/system/test_model.py runs them all.
 *
 *   WITHOUT_F2     the flush does not mark harts that use other spaces
 *   WITHOUT_F3     no fence between changing the entry and looking for harts
 *   WITHOUT_F4     the flush interrupts nobody
 *   WITHOUT_FIRST  ... or that fence only after a first look at who used it
 *   WITHOUT_LOADED the flush of tables passes over harts that only idle on them
 *   WITHOUT_OWN    ... or over this hart, when it only idles on them
 *   WITHOUT_S2     no fence between naming the space and looking for the mark
 *   WITHOUT_S4     the mark is taken away, and nothing flushed
 *   WITHOUT_ORDER  S4 after S5: satp names a space before its old tables are
 *                  forgotten
 *   WITHOUT_S6     mmu_retire() looks at the space that a hart is to use, not
 *                  at the one that its satp still has
 *   WITHOUT_WAIT   mmu_retire() does not wait until its request is answered
 *   WITHOUT_HELP   a hart that waits in mmu_retire() answers no request itself
 */
#ifndef STEPS
#define STEPS 4
#endif
#define NHARTS 3
#define NFRAMES 3
#define NONE 0          /* no address space: the kernel's own root; no frame */
#define A 1
#define B 2
#define DEAD 4          /* in place of a frame: by way of a table that is free */

byte steps;             /* switches and unmaps so far */

/* struct hart */
byte own_mmu[NHARTS];   /* hart->mmu as the hart itself reads it */
byte mmu[NHARTS];       /* ... as others do: the same, unless it is buffered */
byte loaded[NHARTS];    /* hart->loaded: the space that satp names */
byte retiring[NHARTS];  /* the space that this hart is asked to leave */

/* struct mmu, by space */
byte used[3];           /* mmu->active: harts that ever used it, a bit each */
byte stale[3];          /* harts that must flush before they use it again */

/* Address spaces */
byte entry[3];          /* the page's entry, in memory: a frame or NONE */
byte newest[3];         /* ... as the holder of the lock last wrote it */
bool locked[3];         /* only the holder changes the entry */
byte threads[3];        /* harts that run a thread of it; [NONE]: that run none */
bool ending[3];         /* its last thread is freeing it */
byte owner[NFRAMES + 2]; /* of a frame, a space; NONE: it is free. DEAD has none. */

/* Hardware, by hart */
byte buffered[NHARTS];  /* the space whose new entry is still in the buffer */
byte tlb[NHARTS * 3];   /* [hart * 3 + space]: what it found: a frame, NONE or DEAD */

#define BIT(h) (1 << (h))
#define TLB(h, s) tlb[(h) * 3 + (s)]

/* satp needs no variable of its own: nobody can tell it from hart->loaded
 * but by looking between S5 and S6, which only makes a hart seem to be on
 * the old root for longer. So the two are one step here. */
#define satp loaded

/* Hart h walks, if it can. */
inline walk(o)
{
    TLB(o, satp[o]) = (satp[o] != NONE && TLB(o, satp[o]) == NONE -> entry[satp[o]]
                                                                  : TLB(o, satp[o]))
}

/* A fence, or an atomic operation: the hart's stores become visible. */
inline drain(h)
{
    mmu[h] = own_mmu[h];
    entry[buffered[h]] = newest[buffered[h]]; /* [NONE] is NONE */
    buffered[h] = NONE;
    walk(0); walk(1); walk(2)
}

/* mmu_switch(NULL): this hart uses no user address any more. */
inline rest(h)
{
    atomic {
        own_mmu[h] = NONE;
        if
        :: mmu[h] = NONE
        :: skip                                             /* it stays in the buffer */
        fi
    }
}

/* leave(): back to the kernel's own root. */
inline leave(h)
{
    d_step { own_mmu[h] = NONE; mmu[h] = NONE };
    satp[h] = NONE
}

/* mmu_switch(space) to another space than the present one. Interrupts are off. */
inline switch_to(h, space)
{
    atomic {
        own_mmu[h] = space;                                 /* S1 */
        if
        :: mmu[h] = space
        :: skip                                             /* it stays in the buffer */
        fi
    };
#ifndef WITHOUT_S2
    d_step { drain(h) };                                    /* S2 */
#endif
    atomic {
        if
        :: used[space] & BIT(h)
        :: else -> drain(h); used[space] = used[space] | BIT(h)
        fi
    };
    atomic {
        if
        :: stale[space] & BIT(h) ->                         /* S3 */
            drain(h);
            stale[space] = stale[space] & ~BIT(h);
            flush = true
        :: else
        fi
    };
#ifdef WITHOUT_ORDER
    d_step { satp[h] = space; walk(h); assert(TLB(h, space) != DEAD) };
#endif
    atomic {
        if
        :: flush ->                                         /* S4 */
            flush = false;
#ifndef WITHOUT_S4
            TLB(h, space) = NONE;
            walk(h)
#endif
        :: else
        fi
    };
    d_step { satp[h] = space; walk(h); assert(TLB(h, space) != DEAD) } /* S5, S6 */
}

/* mmu_leave_retired(): in the interrupt handler, and wherever a hart spins. */
inline leave_retired(h)
{
    if
    :: loaded[h] == retiring[h] -> leave(h)
    :: else
    fi;
    retiring[h] = NONE
}

#ifdef WITHOUT_S6
#define IS_ON(o, space) (mmu[o] == space)
#else
#define IS_ON(o, space) (mmu[o] == space || loaded[o] == space)
#endif
#ifdef WITHOUT_WAIT
#define HAS_LEFT(o, space) (!IS_ON(o, space))
#else
#define HAS_LEFT(o, space) (!IS_ON(o, space) && retiring[o] != space)
#endif

/*
 * mmu_retire(space): one other hart after the other. The kernel's loop spins;
 * here it waits until a turn of it would make a difference.
 */
inline retire(h, space)
{
    if
    :: loaded[h] == space -> leave(h)
    :: else
    fi;
    do
    :: atomic { other == NHARTS -> other = 0; break }
    :: atomic { other < NHARTS && (other == h || !(used[space] & BIT(other)) ||
                                   HAS_LEFT(other, space)) -> other++ }
    :: atomic { other < NHARTS && other != h && (used[space] & BIT(other)) &&
                IS_ON(other, space) && retiring[other] == NONE ->
                retiring[other] = space }
#ifndef WITHOUT_HELP
    :: retiring[h] != NONE -> leave_retired(h)
#endif
    od
}

#ifdef WITHOUT_LOADED
#define ON_TABLES(o, space) false
#else
#define ON_TABLES(o, space) (tables && loaded[o] == space)
#endif
#ifdef WITHOUT_OWN
#define OWN_TABLES(h, space) false
#else
#define OWN_TABLES(h, space) (tables && loaded[h] == space)
#endif
#define MUST_FLUSH(o, space) ((targets & BIT(o)) && (mmu[o] == space || ON_TABLES(o, space)))

/* tlb_flush_range() and tlb_flush_tables() for a space that some hart used, after F1. */
inline flush_used(h, space)
{
#ifdef WITHOUT_FIRST
    d_step { drain(h) };
#endif
    if
    :: own_mmu[h] == space || OWN_TABLES(h, space) -> d_step { TLB(h, space) = NONE; walk(h) }
#ifdef WITHOUT_F2
    :: else
#else
    :: else -> d_step { drain(h); stale[space] = stale[space] | BIT(h) }
#endif
    fi;
    targets = used[space] & ~BIT(h);
#ifndef WITHOUT_F2
#ifdef WITHOUT_F3
    stale[space] = stale[space] | targets;
#else
    d_step { drain(h); stale[space] = stale[space] | targets };  /* F2, F3 */
#endif
#endif
#ifndef WITHOUT_F4
    do
    :: atomic { other == NHARTS -> targets = 0; other = 0; break }
    :: atomic { other < NHARTS && !MUST_FLUSH(other, space) -> other++ }
    :: atomic { other < NHARTS && MUST_FLUSH(other, space) -> skip };   /* F4 */
       d_step { TLB(other, space) = NONE; walk(other); other++ } /* by its firmware; we wait */
    od;
#endif
    targets = 0
}

#define CAN_UNMAP(space) (!locked[space] && newest[space] != NONE && !ending[space])
#define FORGET_TABLE(o, space) TLB(o, space) = (TLB(o, space) == frame -> DEAD : TLB(o, space))
#define KNOWS_DEAD(o) (satp[o] != NONE && TLB(o, satp[o]) == DEAD)

/* Take the page away, or its table: change the entry, flush, free. Locked already. */
inline unmap(h, space)
{
    d_step { frame = newest[space]; newest[space] = NONE; buffered[h] = space }; /* F1 */
    if
    :: tables = true
    :: tables = false
    fi;
#ifndef WITHOUT_FIRST
#ifndef WITHOUT_F3
    d_step { drain(h) };
#endif
#endif
    if
    :: used[space] == 0
    :: else -> flush_used(h, space)
    fi;
    skip;
    d_step {
        drain(h);
        if
        :: tables -> FORGET_TABLE(0, space); FORGET_TABLE(1, space); FORGET_TABLE(2, space)
        :: else
        fi;
        assert(!KNOWS_DEAD(0) && !KNOWS_DEAD(1) && !KNOWS_DEAD(2));
        owner[frame] = NONE;
        frame = NONE;
        tables = false;
        locked[space] = false
    }
}

/* A page fault. A new right needs no flush, so it is one step. */
inline fault(h, space)
{
    atomic {
        space != NONE && !locked[space] && newest[space] == NONE ->
        if
        :: owner[1] == NONE -> newest[space] = 1
        :: owner[2] == NONE -> newest[space] = 2
        :: owner[3] == NONE -> newest[space] = 3
        fi;
        owner[newest[space]] = space;
        entry[space] = newest[space];
        walk(0); walk(1); walk(2)
    }
}

/* The end of a space: everything of it is freed, and used for a new one. */
inline end(h, space)
{
    retire(h, space);
    skip;
    d_step {
        assert(satp[0] != space && satp[1] != space && satp[2] != space);
        owner[newest[space]] = NONE;
        newest[space] = NONE;
        entry[space] = NONE;
        used[space] = 0;
        stale[space] = 0;
        /* The new space has a new ASID, under which nothing is cached. */
        TLB(0, space) = NONE;
        TLB(1, space) = NONE;
        TLB(2, space) = NONE;
        ending[space] = false
    }
}

#define CAN_END(space) (threads[space] == 0 && used[space] != 0 && !locked[space] && !ending[space])

proctype hart(byte h)
{
    byte running = NONE;
    byte frame = NONE, other = 0, targets = 0;  /* local variables of the inlines */
    bool flush = false, tables = false;

end_idle:
    do
    /* Interrupts are on here, idle or in user mode. */
    :: retiring[h] != NONE -> leave_retired(h)
    /* To a thread of A or B, from idle or from a thread of the other. */
    :: atomic { running != A && steps < STEPS && !ending[A] ->
                threads[running]--; running = A; threads[A]++; steps++ };
       switch_to(h, A)
    :: atomic { running != B && steps < STEPS && !ending[B] ->
                threads[running]--; running = B; threads[B]++; steps++ };
       switch_to(h, B)
    :: atomic { running != NONE -> threads[running]--; running = NONE; threads[NONE]++ };
       rest(h)
    /* A thread runs, in user mode or in a call. */
    :: d_step { running != NONE && TLB(h, running) != NONE ->
                assert(satp[h] == running && owner[TLB(h, running)] == running) }
    :: fault(h, running)
    :: atomic { running != NONE && steps < STEPS && CAN_UNMAP(running) ->
                locked[running] = true; steps++ };
       unmap(h, running)
    /* A kernel thread, or one of another process; for the harts are alike, on some only. */
    :: atomic { h == 0 && running == NONE && steps < STEPS && CAN_UNMAP(A) ->
                locked[A] = true; steps++ };
       unmap(h, A)
    /* Whoever has the last reference ends the space. */
    :: atomic { running != NONE && threads[running] == 1 && !locked[running] ->
                threads[running] = 0; ending[running] = true };
       end(h, running);
       atomic { running = NONE; threads[NONE]++ }
    :: atomic { h == 0 && running == NONE && CAN_END(A) -> ending[A] = true };
       end(h, A)
    :: atomic { h == 1 && running == NONE && CAN_END(B) -> ending[B] = true };
       end(h, B)
    od
}

init {
    /* A is fresh from fork: no hart has used it, but it has its page. */
    atomic {
        threads[NONE] = NHARTS;
        newest[A] = 1;
        entry[A] = 1;
        owner[1] = A;
        run hart(0);
        run hart(1);
        run hart(2)
    }
}
