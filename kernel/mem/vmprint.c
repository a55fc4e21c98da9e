/*
 * Printing a tree in the form that MIT's course made known as vmprint: a line
 * for each entry in use, two dots a level.
 */
#include "lib/printf.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

struct printer {
    void (*print)(void *ctx, const char *line);
    void *ctx;
};

static void
print_table(const struct printer *to, paddr_t table, unsigned level, unsigned nentries)
{
    const pte_t *entries = phys_to_virt(table);

    for (unsigned i = 0; i < nentries; i++) {
        pte_t pte = pte_load(&entries[i]);
        if (pte == 0)
            continue;
        char line[96];
        size_t n = 0;
        for (unsigned at = level; at < pt_levels; at++)
            n += scnprintf(line + n, sizeof(line) - n, " ..");
        scnprintf(line + n, sizeof(line) - n, "%u: pte 0x%016lx pa 0x%016lx", i, (unsigned long)pte,
                  (unsigned long)pte_pa(pte));
        to->print(to->ctx, line);
        if (level > 0 && pte_is_table(pte))
            print_table(to, pte_pa(pte), level - 1, PT_FANOUT);
    }
}

void
pt_print(paddr_t root, bool all, void (*print)(void *ctx, const char *line), void *ctx)
{
    struct printer to = {print, ctx};
    char line[96];

    scnprintf(line, sizeof(line), "page table 0x%016lx", (unsigned long)root);
    print(ctx, line);
    print_table(&to, root, pt_levels - 1, all ? PT_FANOUT : PT_FANOUT / 2);
}
