/*
 * Thinning: taking back what superpages hold untouched.
 *
 * A superpage fault takes 512 frames where one was asked for. When memory runs
 * out, those that are still all zero are taken back before anybody is killed: a
 * page of zeroes that is gone comes back as one at the next touch.
 *
 * The leaf is cleared and flushed first, so that nobody writes while we look;
 * whoever tries faults, and waits for the address space's lock. The table for what
 * is left cannot be allocated just then, so it is made of one of the zero frames.
 * Only blocks that one leaf names are thinned, and not what is locked in memory.
 *
 * vm_thin() is for who holds an address space's lock and found no memory. A fault
 * of the user's, which holds none, goes on to other address spaces: those that ever
 * had a superpage are on a list.
 */
#include "arch/riscv/spinlock.h"
#include "lib/string.h"
#include "mem/framecheck.h"
#include "vm/leaf.h"
#include "vm/region.h"
#include "vm/superpage.h"

/* Fewer zero pages than this are not worth a superpage. */
#define MIN_ZERO 16
/* Enough for now: who asked needs a page or a table. */
#define ENOUGH (2 * BLOCK_FRAMES)

uint64_t superpage_nthinned;

static struct spinlock spaces_lock = SPINLOCK_INIT("thin spaces");
static struct list spaces = LIST_INIT(spaces); /* guarded by spaces_lock */

static bool
is_zero(const struct frame *frame)
{
    const uint64_t *words = frame_va(frame);
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++)
        if (words[i])
            return false;
    return true;
}

/* Which frames of a block are zero, a bit each; returns how many. */
static unsigned
find_zero(const struct frame *block, uint64_t zero[BLOCK_FRAMES / 64])
{
    unsigned n = 0;
    memset(zero, 0, BLOCK_FRAMES / 8);
    for (unsigned i = 0; i < BLOCK_FRAMES; i++)
        if (is_zero(&block[i])) {
            zero[i / 64] |= BIT(i % 64);
            n++;
        }
    return n;
}

/* Put a table in place of a block's leaf (cleared now), for its frames that are not zero; free the rest. */
static void
replace_leaf(pte_t *entry, pte_t leaf, const uint64_t zero[BLOCK_FRAMES / 64])
{
    struct frame *block = leaf_frame(leaf), *table = NULL;

    block_break(block);
    for (unsigned i = 0; i < BLOCK_FRAMES && !table; i++)
        if (zero[i / 64] & BIT(i % 64))
            table = &block[i];
    frame_set_owner(table, FRAME_TABLE);
    pt_init_table(table, 0);
    pte_t *entries = frame_va(table);
    for (unsigned i = 0; i < BLOCK_FRAMES; i++) {
        if (!(zero[i / 64] & BIT(i % 64)))
            pt_set(&entries[i], leaf + pte_make(i * PAGE_SIZE, 0));
        else if (&block[i] != table)
            frame_put(&block[i]);
    }
    table->nanon = table->nptes;
    pt_set(entry, pte_make(frame_pa(table), PTE_V));
}

/* Thin one superpage; returns the number of frames freed. */
static size_t
thin_block(struct vmspace *vm, pte_t *entry, vaddr_t va)
{
    uint64_t zero[BLOCK_FRAMES / 64];
    pte_t leaf = pte_load(entry);
    struct frame *block = leaf_frame(leaf);
    const struct region *region = region_find(vm, va, false);

    if (!pte_valid(leaf) || !block_is_sole(block) || !region || (region->flags & REGION_LOCKED) ||
        find_zero(block, zero) < MIN_ZERO)
        return 0;
    leaf = pte_load(entry); /* what the hardware has set meanwhile */
    pt_clear(entry);
    tlb_flush_range(&vm->mmu, va, BLOCK_SIZE);
    unsigned n = find_zero(block, zero);
    if (n < MIN_ZERO) {
        pt_set(entry, leaf);
        return 0;
    }
    leaf_account(vm, -(int64_t)n, 0);
    __atomic_fetch_add(&superpage_nthinned, 1, __ATOMIC_RELAXED);
    if (n == BLOCK_FRAMES) {
        block_put(block);
    } else {
        replace_leaf(entry, leaf, zero);
        pt_count_tables(vm->mmu.root, 1);
    }
    return n - (n < BLOCK_FRAMES);
}

size_t
vm_thin(struct vmspace *vm)
{
    struct leaf_run run;
    size_t nfreed = 0;

    for (vaddr_t va = 0; nfreed < ENOUGH && leaf_next_run(vm->mmu.root, &va, user_top, &run);)
        if (run.level == 1 && pte_maps(pte_load(run.entries)))
            nfreed += thin_block(vm, run.entries, run.va);
    return nfreed;
}

void
vm_thin_join(struct vmspace *vm)
{
    SCOPED_SPIN(&spaces_lock);
    if (list_empty(&vm->thin_link))
        list_add_tail(&spaces, &vm->thin_link);
}

void
vm_thin_leave(struct vmspace *vm)
{
    SCOPED_SPIN(&spaces_lock);
    if (!list_empty(&vm->thin_link))
        list_del(&vm->thin_link);
    list_init(&vm->thin_link);
}

/* The next address space behind `vm` (NULL: the first), with a reference; NULL: no more. */
static struct vmspace *
next_space(struct vmspace *vm)
{
    SCOPED_SPIN(&spaces_lock);
    struct list *link = vm ? vm->thin_link.next : spaces.next;
    for (; link != &spaces; link = link->next) {
        struct vmspace *next = LIST_ENTRY(link, struct vmspace, thin_link);
        if (vm_tryget(next))
            return next;
    }
    return NULL;
}

size_t
vm_thin_others(void)
{
    size_t nfreed = 0;
    struct vmspace *vm = next_space(NULL);

    while (vm) {
        if (nfreed < ENOUGH) {
            SCOPED_LOCK(&vm->lock);
            nfreed += vm_thin(vm);
        }
        struct vmspace *next = nfreed < ENOUGH ? next_space(vm) : NULL;
        vm_put(vm);
        vm = next;
    }
    return nfreed;
}
