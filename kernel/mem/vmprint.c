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
 *
 * The lines come one by one, from a place in the tree that still means something when the
 * tree has changed: between two lines other threads may use it.
 */
#include "lib/printf.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

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

static bool
names_table(pte_t pte, unsigned depth)
{
    return pte != 0 && depth + 1 < pt_levels && !pte_maps(pte);
}

/* Go on behind the entry at the place: to its neighbour, or behind its table. */
static void
step(struct pt_place *place)
{
    uint64_t span = pt_span(pt_levels - 1 - place->depth);

    place->va = ALIGN_DOWN(place->va, span) + span;
    while (place->depth > 0 && pt_index(place->va, pt_levels - 1 - place->depth) == 0)
        place->depth--;
}

/* The entry at the place; NULL: its table has gone, and the place is behind that now. */
static const pte_t *
entry_at(paddr_t root, struct pt_place *place)
{
    paddr_t table = root;

    for (unsigned depth = 0;; depth++) {
        const pte_t *entry =
            (const pte_t *)phys_to_virt(table) + pt_index(place->va, pt_levels - 1 - depth);
        if (depth == place->depth)
            return entry;
        pte_t pte = pte_load(entry);
        if (!names_table(pte, depth)) {
            place->depth = depth;
            step(place);
            return NULL;
        }
        table = pte_pa(pte);
    }
}

static void
print_entry(const pte_t *entry, const struct pt_place *place, unsigned how, char *line, size_t size)
{
    unsigned level = pt_levels - 1 - place->depth;
    bool blank = how & PT_PRINT_BLANK;
    pte_t pte = pte_load(entry);
    paddr_t pa = blank ? 0 : pte_pa(pte_page(entry));
    pte_t shown = blank ? pte & ~PTE_PPN_MASK : pte;
    size_t n = 0;

    for (unsigned i = 0; i <= place->depth; i++)
        n += scnprintf(line + n, size - n, " ..");
    n += scnprintf(line + n, size - n, "%u: pte 0x%016lx pa 0x%016lx", pt_index(place->va, level),
                   (unsigned long)shown, (unsigned long)pa);
    if (!(how & PT_PRINT_FLAGS))
        return;
    if (!names_table(pte, place->depth))
        spell(line + n, size - n, pte, level);
    else if (pte_is_frozen(pte))
        scnprintf(line + n, size - n, " frozen %u",
                  __atomic_load_n(&frame_of(pte_pa(pte))->refs, __ATOMIC_RELAXED));
}

bool
pt_print_next(paddr_t root, unsigned how, struct pt_place *place, char *line, size_t size)
{
    uint64_t top = pt_span(pt_levels - 1) * (how & PT_PRINT_ALL ? PT_FANOUT : PT_FANOUT / 2);

    if (!place->begun) {
        scnprintf(line, size, "page table 0x%016lx",
                  how & PT_PRINT_BLANK ? 0UL : (unsigned long)root);
        place->begun = true;
        return true;
    }
    while (place->va < top) {
        const pte_t *entry = entry_at(root, place);
        if (!entry)
            continue;
        pte_t pte = pte_load(entry);
        if (pte != 0)
            print_entry(entry, place, how, line, size);
        if (names_table(pte, place->depth))
            place->depth++;
        else
            step(place);
        if (pte != 0)
            return true;
    }
    return false;
}
