/*
 * Printing a tree in the form that MIT's course made known as vmprint: a line
 * for each entry in use, two dots a level.
 *
 * With PT_PRINT_FLAGS a leaf's line goes on with what it allows and has seen,
 *
 *      rwxu ad     readable, writable, executable, the user's; accessed, dirty
 *
 * a dash for what is not set, and then in words what is special about it: its
 * size if it is more than a page; "cow", to be copied before a write; "aged", accessed
 * before a fork; "parked", a page that is kept but may not be touched. The line of
 * a table that is frozen (freeze.h) ends in "frozen" and how many entries name it.
 */
#include "arch/riscv/trap.h"
#include "lib/printf.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

struct printer {
    bool (*print)(void *ctx, const char *line);
    void *ctx;
    bool flags, blank;
};

static inline char
letter(pte_t pte, uint64_t flag, char name)
{
    return pte & flag ? name : '-';
}

/* Append a leaf's flags to a line. */
static size_t
spell(char *to, size_t size, pte_t pte, unsigned level)
{
    static const char *const sizes[PT_MAX_LEVELS] = {"", " 2M", " 1G", " 512G"};
    const char *leaf_size = pte_is_napot(pte) ? " 64K" : sizes[level];

    return scnprintf(to, size, " %c%c%c%c %c%c%s%s%s%s", letter(pte, PTE_R, 'r'),
                     letter(pte, PTE_W, 'w'), letter(pte, PTE_X, 'x'), letter(pte, PTE_U, 'u'),
                     letter(pte, PTE_A, 'a'), letter(pte, PTE_D, 'd'), leaf_size,
                     pte & PTE_COW ? " cow" : "", pte & PTE_AGED ? " aged" : "",
                     pte_is_parked(pte) ? " parked" : "");
}

/* False: the reader wants no more. */
static bool
print_table(const struct printer *to, paddr_t table, unsigned level, unsigned nentries)
{
    const pte_t *entries = phys_to_virt(table);

    for (unsigned i = 0; i < nentries; i++) {
        pte_t pte = pte_load(&entries[i]);
        if (pte == 0)
            continue;
        bool table = level > 0 && !pte_maps(pte);
        paddr_t pa = to->blank ? 0 : pte_pa(pte_page(&entries[i]));
        pte_t shown = to->blank ? pte & ~PTE_PPN_MASK : pte;
        char line[128];
        size_t n = 0;
        for (unsigned at = level; at < pt_levels; at++)
            n += scnprintf(line + n, sizeof(line) - n, " ..");
        n += scnprintf(line + n, sizeof(line) - n, "%u: pte 0x%016lx pa 0x%016lx", i,
                       (unsigned long)shown, (unsigned long)pa);
        if (to->flags && !table)
            spell(line + n, sizeof(line) - n, pte, level);
        else if (to->flags && pte_is_frozen(pte))
            scnprintf(line + n, sizeof(line) - n, " frozen %u",
                      __atomic_load_n(&frame_of(pte_pa(pte))->refs, __ATOMIC_RELAXED));
        if (!to->print(to->ctx, line) ||
            (table && !print_table(to, pte_pa(pte), level - 1, PT_FANOUT)))
            return false;
    }
    if (level == 0)
        preempt_point();
    return true;
}

void
pt_print(paddr_t root, unsigned how, bool (*print)(void *ctx, const char *line), void *ctx)
{
    struct printer to = {print, ctx, how & PT_PRINT_FLAGS, how & PT_PRINT_BLANK};
    char line[96];

    scnprintf(line, sizeof(line), "page table 0x%016lx", to.blank ? 0UL : (unsigned long)root);
    if (print(ctx, line))
        (void)print_table(&to, root, pt_levels - 1, how & PT_PRINT_ALL ? PT_FANOUT : PT_FANOUT / 2);
}
