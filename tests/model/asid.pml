/*
 * Address-space identifiers and their generations, as asid_assign() and
 * asid_prepare() of kernel/arch/riscv/tlb.c hand them out, for every
 * interleaving of three harts.
 *
 * There are fewer ASIDs than address spaces, so they run out again and again:
 * the generation grows, every space takes a new ASID at its next switch, and
 * every hart flushes all it has once, when it first loads an ASID of the new
 * generation. Meanwhile other harts go on under ASIDs of the old one.
 *
 * A hart keeps translations by ASID, and caches those of the tree that satp
 * names as soon as it can: after each change of satp and after each flush. So
 * it must flush when satp names no space at all: before that, it would cache
 * the old space's again, under an ASID that is somebody else's by now; after
 * it has loaded the new space, it would walk by way of what it remembers of
 * others under this ASID.
 *
 * Asserted: a hart whose satp names a space has no translation of another
 * under that ASID.
 *
 * WITHOUT_FLUSH  harts do not flush at a new generation
 * WITHOUT_LEAVE  they do, but while satp names the old space
 * WITHOUT_ROOT   they do, but when satp names the new space
 * WITHOUT_LOCK   two harts may hand out ASIDs at the same time
 */
#ifndef STEPS
#define STEPS 5
#endif
#define NHARTS 3
#define NSPACES 3
#define NASIDS 2
#define NONE 0

byte steps;                     /* switches so far */

byte generation = 1;            /* asid_generation */
byte next = 1;                  /* asid_next */
bool locked;                    /* asid_lock */
byte space_generation[NSPACES + 1]; /* mmu->asid, upper part; 0: none yet */
byte space_asid[NSPACES + 1];   /* ... and lower part */
byte hart_generation[NHARTS];   /* hart->asid_generation */

byte root[NHARTS];              /* satp: a space, or NONE for the kernel's */
byte asid[NHARTS];              /* satp, too */
byte tlb[NHARTS * 3];           /* [hart * 3 + ASID]: whose translation is there */

#define TLB(h, a) tlb[(h) * 3 + (a)]

inline walk(h)
{
    TLB(h, asid[h]) = (root[h] != NONE && TLB(h, asid[h]) == NONE -> root[h] : TLB(h, asid[h]))
}

/* sfence.vma without arguments */
inline flush_all(h)
{
    TLB(h, 1) = NONE;
    TLB(h, 2) = NONE;
    walk(h)
}

inline assign(space)
{
#ifndef WITHOUT_LOCK
    atomic { !locked -> locked = true };
#endif
    if
    :: space_generation[space] == generation
    :: else ->
        if
        :: next > NASIDS -> next = 1; generation++
        :: else
        fi;
        taken = next;
        next++;
        d_step { space_generation[space] = generation; space_asid[space] = taken; taken = 0 }
    fi;
    locked = false
}

inline switch_to(h, space)
{
    if
    :: space_generation[space] != generation -> assign(space)
    :: else
    fi;
    d_step {
        new_asid = space_asid[space];
        stale = hart_generation[h] != space_generation[space];
        hart_generation[h] = space_generation[space]
    };
#ifndef WITHOUT_FLUSH
#ifndef WITHOUT_ROOT
    if
    :: stale ->
#ifndef WITHOUT_LEAVE
        root[h] = NONE;
#endif
        d_step { flush_all(h) }
    :: else
    fi;
#endif
#endif
    d_step {
        root[h] = space;
        asid[h] = new_asid;
        new_asid = 0;
        stale = false;
        walk(h);
        assert(TLB(h, asid[h]) == space)
    }
#ifdef WITHOUT_ROOT
    d_step { flush_all(h) }
#endif
}

proctype hart(byte h)
{
    byte running = NONE, new_asid = 0, taken = 0;
    bool stale = false;

end_idle:
    do
    :: atomic { steps < STEPS -> steps++;
                if
                :: root[h] != 1 -> running = 1
                :: root[h] != 2 -> running = 2
                :: root[h] != 3 -> running = 3
                fi };
       switch_to(h, running);
       running = NONE
    od
}

init {
    atomic { run hart(0); run hart(1); run hart(2) }
}
