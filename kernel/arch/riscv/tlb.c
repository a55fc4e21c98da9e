/*
 * Loading address spaces and flushing translations; the protocol is in tlb.h.
 */
#include "arch/riscv/tlb.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/isolation.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/spinlock.h"
#include "lib/atomic.h"
#include "lib/bits.h"

/*
 * A flush of more pages than this is one flush of all. Each sfence.vma waits for
 * all stores before it, so that two cost twice one. With Svinval the waiting is
 * done once for all pages; the number stays small even so, for QEMU drops its
 * whole TLB at each instruction of either kind, whatever page it names.
 */
#define FLUSH_PAGES_MAX 1
#define SVINVAL_PAGES_MAX 4

uint64_t kernel_satp; /* boot.S loads it on secondary harts */
static uint64_t satp_mode = SATP_MODE_SV39;
static uint64_t asid_max; /* greatest ASID; 0: the hart has none */
static uint64_t asids_each = 1; /* ASIDs of an address space; with two the first is even */
static uint64_t asid_generation = 1;
static uint64_t asid_next = 1;
static struct spinlock asid_lock = SPINLOCK_INIT("asid");
static struct mmu *retiring[MAX_HARTS]; /* (A) what hart i must leave; NULL: nothing */

uint64_t tlb_nflush_local, tlb_nflush_remote;

static void
sfence_all(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

static void
sfence_asid(uint64_t asid)
{
    __asm__ volatile("sfence.vma zero, %0" : : "r"(asid) : "memory");
}

static void
sfence_page(vaddr_t va)
{
    __asm__ volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}

static bool
has_svinval(void)
{
    return machine.extensions & EXT_SVINVAL;
}

static bool
too_large(uint64_t size)
{
    return size > (has_svinval() ? SVINVAL_PAGES_MAX : FLUSH_PAGES_MAX) * PAGE_SIZE;
}

/* Flush a few pages of every address space on this hart. */
static void
sfence_pages(vaddr_t start, size_t size)
{
    if (!has_svinval()) {
        for (size_t offset = 0; offset < size; offset += PAGE_SIZE)
            sfence_page(start + offset);
        return;
    }
    __asm__ volatile(".option push; .option arch, +svinval\n\t"
                     "sfence.w.inval; .option pop" : : : "memory");
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE)
        __asm__ volatile(".option push; .option arch, +svinval\n\t"
                         "sinval.vma %0, zero; .option pop" : : "r"(start + offset) : "memory");
    __asm__ volatile(".option push; .option arch, +svinval\n\t"
                     "sfence.inval.ir; .option pop" : : : "memory");
}

static cpumask_t
own_bit(void)
{
    return BIT(this_hart()->index);
}

void
mmu_init(void)
{
    uint64_t satp = csr_read("satp");
    csr_write("satp", satp | SATP_ASID_MASK << SATP_ASID_SHIFT);
    asid_max = csr_read("satp") >> SATP_ASID_SHIFT & SATP_ASID_MASK;
    csr_write("satp", satp);
    sfence_all();
    if (isolation_strict)
        asids_each = asid_next = 2;
    if (asid_max < 2 * asids_each - 1)
        asid_max = 0; /* not even one for a process, beside the kernel's 0 */
    pr_info("%s isolation, %lu ASIDs%s", isolation_strict ? "strict" : "shared",
            asid_max ? asid_max + 1 : 0, has_svinval() ? ", Svinval" : "");
}

void
mmu_set_kernel_root(paddr_t root, bool sv48)
{
    satp_mode = sv48 ? SATP_MODE_SV48 : SATP_MODE_SV39;
    kernel_satp = satp_mode | root >> PAGE_SHIFT;
}

void
mmu_load_kernel(void)
{
    csr_write("satp", kernel_satp);
    sfence_all();
    this_hart()->gate.satp = kernel_satp;
}

/* An ASID of the present generation for mmu. */
static void
asid_assign(struct mmu *mmu)
{
    SCOPED_SPIN(&asid_lock);
    if (mmu->asid >> 16 == asid_generation)
        return;
    if (asid_next + asids_each - 1 > asid_max) {
        asid_next = asids_each;
        store_release(&asid_generation, asid_generation + 1);
    }
    store_release(&mmu->asid, asid_generation << 16 | asid_next);
    asid_next += asids_each;
}

/* Choose the ASID that this hart is about to load. *flush: what the TLB has of it is another's. */
static uint64_t
asid_prepare(struct hart *hart, struct mmu *mmu, bool *flush)
{
    if (asid_max == 0)
        return 0;
    if (unlikely(__atomic_load_n(&mmu->asid, __ATOMIC_ACQUIRE) >> 16 !=
                 __atomic_load_n(&asid_generation, __ATOMIC_ACQUIRE)))
        asid_assign(mmu);
    uint64_t asid = __atomic_load_n(&mmu->asid, __ATOMIC_ACQUIRE);
    *flush = hart->asid_generation != asid >> 16;
    hart->asid_generation = asid >> 16;
    return asid & SATP_ASID_MASK;
}

static uint64_t
make_satp(uint64_t asid, paddr_t root)
{
    return satp_mode | asid << SATP_ASID_SHIFT | root >> PAGE_SHIFT;
}

/* Write satp if it has to change; NULL: the kernel's own root. */
static void
load(struct hart *hart, struct mmu *mmu, uint64_t asid)
{
    uint64_t satp = mmu ? make_satp(asid, mmu->root) : kernel_satp;
    if (hart->gate.satp != satp) {
        hart->gate.satp = satp;
        csr_write("satp", satp); /* S5 */
    }
    store_release(&hart->loaded, mmu); /* S6 */
    if (hart->user_gate) {
        hart->user_gate->satp = satp;
        hart->user_gate->user_satp = mmu ? make_satp(asid_max ? asid + 1 : 0, mmu->user_root) : 0;
        hart->user_gate->flush = asid_max == 0;
    }
}

void
mmu_switch(struct mmu *mmu)
{
    struct hart *hart = this_hart();
    if (hart->mmu == mmu)
        return;
    if (!mmu) {
        store_release(&hart->mmu, NULL);
        return;
    }
    store_relaxed(&hart->mmu, mmu);          /* S1 */
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* S2 */
    cpumask_t self = BIT(hart->index);
    if (!(__atomic_load_n(&mmu->active, __ATOMIC_RELAXED) & self))
        __atomic_fetch_or(&mmu->active, self, __ATOMIC_SEQ_CST);
    bool stale = __atomic_load_n(&mmu->stale, __ATOMIC_RELAXED) & self;
    if (stale)
        __atomic_fetch_and(&mmu->stale, ~self, __ATOMIC_SEQ_CST); /* S3 */
    bool new_generation = false;
    uint64_t asid = asid_prepare(hart, mmu, &new_generation);
    load(hart, mmu, asid);
    /*
     * S4, before the first use all the same. Not before satp is another: the hart may look
     * ahead, and remember the old space's translations under its ASID, which can be ours.
     */
    if (unlikely(new_generation)) {
        sfence_all();
    } else if (stale || asid_max == 0) {
        sfence_asid(asid);
        if (asids_each == 2)
            sfence_asid(asid + 1);
    }
    if (unlikely(__atomic_load_n(&mmu->icache_stale, __ATOMIC_RELAXED) & self)) {
        __atomic_fetch_and(&mmu->icache_stale, ~self, __ATOMIC_SEQ_CST);
        __asm__ volatile("fence.i" : : : "memory");
    }
}

/* Go back to the kernel's own root. */
static void
leave(struct hart *hart)
{
    store_release(&hart->mmu, NULL);
    load(hart, NULL, 0);
    if (asid_max == 0)
        sfence_all();
}

void
mmu_leave_retired(void)
{
    struct hart *hart = this_hart();
    struct mmu *mmu = __atomic_load_n(&retiring[hart->index], __ATOMIC_ACQUIRE);
    if (!mmu)
        return;
    if (hart->loaded == mmu)
        leave(hart);
    store_release(&retiring[hart->index], NULL);
}

/* Is another hart on mmu, about to be, or still answering our request to leave it? */
static bool
is_on(struct hart *other, struct mmu *mmu)
{
    return __atomic_load_n(&other->mmu, __ATOMIC_ACQUIRE) == mmu ||
           __atomic_load_n(&other->loaded, __ATOMIC_ACQUIRE) == mmu ||
           __atomic_load_n(&retiring[other->index], __ATOMIC_ACQUIRE) == mmu;
}

void
mmu_retire(struct mmu *mmu)
{
    if (this_hart()->loaded == mmu)
        leave(this_hart());
    cpumask_t others = __atomic_load_n(&mmu->active, __ATOMIC_SEQ_CST) & ~own_bit();
    for (; others; others &= others - 1) {
        struct hart *other = &harts[ctz64(others)];
        while (is_on(other, mmu)) {
            struct mmu *none = NULL;
            if (__atomic_compare_exchange_n(&retiring[other->index], &none, mmu, false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
                sbi_send_ipi(BIT(other->index));
            mmu_leave_retired(); /* two harts may wait for each other */
        }
    }
}

/*
 * Steps F2 to F4: mark every other hart, and return those that use mmu (or, if
 * tables go, have it in satp), for the caller to interrupt. Only a hart itself takes its mark away:
 * one that we took away might be a later flush's. So a hart that was
 * interrupted flushes once more when it next comes back; that is harmless.
 */
static cpumask_t
flush_targets(struct mmu *mmu, bool tables)
{
    cpumask_t others = __atomic_load_n(&mmu->active, __ATOMIC_RELAXED) & ~own_bit();
    if (this_hart()->mmu != mmu)
        __atomic_fetch_or(&mmu->stale, own_bit(), __ATOMIC_SEQ_CST);
    if (!others)
        return 0;
    __atomic_fetch_or(&mmu->stale, others, __ATOMIC_SEQ_CST); /* F2, F3 */
    cpumask_t loaded = 0;
    for (cpumask_t rest = others; rest; rest &= rest - 1) {
        struct hart *other = &harts[ctz64(rest)];
        if (__atomic_load_n(&other->mmu, __ATOMIC_SEQ_CST) == mmu || /* F4 */
            (tables && __atomic_load_n(&other->loaded, __ATOMIC_SEQ_CST) == mmu))
            loaded |= BIT(other->index);
    }
    return loaded;
}

static void
flush_remote(cpumask_t targets, vaddr_t start, uint64_t size)
{
    if (!targets)
        return;
    __atomic_fetch_add(&tlb_nflush_remote, 1, __ATOMIC_RELAXED);
    sbi_remote_fence(targets, start, size, ~0UL);
}

static void
count_local(void)
{
    __atomic_fetch_add(&tlb_nflush_local, 1, __ATOMIC_RELAXED);
}

void
tlb_flush_range(struct mmu *mmu, vaddr_t start, size_t size)
{
    if (too_large(size)) {
        tlb_flush_all(mmu);
        return;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* F3, before the first look at who used it */
    if (__atomic_load_n(&mmu->active, __ATOMIC_RELAXED) == 0)
        return;
    if (this_hart()->mmu == mmu) {
        sfence_pages(start, size);
        count_local();
    }
    flush_remote(flush_targets(mmu, false), start, size);
}

void
tlb_flush_page(struct mmu *mmu, vaddr_t va)
{
    tlb_flush_range(mmu, PAGE_ALIGN_DOWN(va), PAGE_SIZE);
}

static void
flush_all(struct mmu *mmu, bool tables)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* F3, before the first look at who used it */
    if (__atomic_load_n(&mmu->active, __ATOMIC_RELAXED) == 0)
        return;
    if (this_hart()->mmu == mmu || (tables && this_hart()->loaded == mmu)) {
        sfence_all();
        count_local();
    }
    flush_remote(flush_targets(mmu, tables), 0, ~0UL);
}

void
tlb_flush_all(struct mmu *mmu)
{
    flush_all(mmu, false);
}

void
tlb_flush_tables(struct mmu *mmu)
{
    flush_all(mmu, true);
}

void
tlb_flush_kernel(vaddr_t start, size_t size)
{
    if (too_large(size))
        sfence_all();
    else
        sfence_pages(start, size);
    cpumask_t others = __atomic_load_n(&harts_online, __ATOMIC_ACQUIRE) & ~own_bit();
    if (others)
        sbi_remote_fence(others, start, size, ~0UL);
}

void
tlb_flush_local_page(vaddr_t va)
{
    sfence_page(va);
}

void
icache_flush(struct mmu *mmu)
{
    __asm__ volatile("fence rw, rw\n\tfence.i" : : : "memory");
    cpumask_t others = ~own_bit();
    __atomic_fetch_or(&mmu->icache_stale, others, __ATOMIC_SEQ_CST);
    cpumask_t loaded = 0;
    cpumask_t rest = __atomic_load_n(&mmu->active, __ATOMIC_SEQ_CST) & others;
    for (; rest; rest &= rest - 1)
        if (__atomic_load_n(&harts[ctz64(rest)].mmu, __ATOMIC_SEQ_CST) == mmu)
            loaded |= BIT(ctz64(rest));
    if (loaded)
        sbi_remote_fence_i(loaded);
}
