/*
 * Saying why: a user's fault in words.
 *
 * "store to 0x3ff0001000: level 0 entry is read-only (mapped file libc.so.6
 * +0x1000)": what was tried, the entry that stopped it, and what the address
 * is part of.
 */
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/leaf.h"
#include "vm/region.h"

struct text {
    char *buf;
    size_t size, length;
};

static void __printf_like(2, 3)
say(struct text *text, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text->length += vscnprintf(text->buf + text->length, text->size - text->length, fmt, ap);
    va_end(ap);
}

/* What it is about a leaf that stops the access. `permitted`: by its region. */
static const char *
leaf_refusal(pte_t pte, enum fault_access access, bool permitted)
{
    if (!pte_valid(pte))
        return "allows no access";
    if (!(pte & PTE_U))
        return "is not the user's";
    switch (access) {
    case FAULT_READ:
        return pte & PTE_R ? NULL : "is not readable";
    case FAULT_WRITE:
        return pte & PTE_W ? NULL : permitted ? "is copy-on-write" : "is read-only";
    case FAULT_EXEC:
        return pte & PTE_X ? NULL : "is not executable";
    }
    return NULL;
}

/* The walk, as far as it goes. */
static void
say_walk(struct text *text, const struct vmspace *vm, vaddr_t va, enum fault_access access,
         bool permitted)
{
    const pte_t *table = phys_to_virt(vm->mmu.root);
    for (unsigned level = pt_levels; level-- > 0;) {
        pte_t pte = pte_load(&table[pt_index(va, level)]);
        if (level > 0 && pte != 0 && !pte_maps(pte)) {
            table = phys_to_virt(pte_pa(pte));
            continue;
        }
        const char *refusal = pte ? leaf_refusal(pte, access, permitted) : "is empty";
        say(text, "level %u entry %s", level, refusal ? refusal : "allows it by now");
        return;
    }
}

/* The last part of a path. */
static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void
say_region(struct text *text, const struct region *region, vaddr_t va)
{
    unsigned long offset = va - region->start;
    char name[128];
    if (region->label) {
        say(text, "%s +0x%lx", region->label, offset);
    } else if (region->ops && region->ops->name &&
               region->ops->name(region->object, name, sizeof(name)) >= 0) {
        say(text, "mapped file %s +0x%lx", base_name(name),
            offset + (unsigned long)(region->pgoff << PAGE_SHIFT));
    } else {
        say(text, "anonymous memory +0x%lx", offset);
    }
}

static bool
region_permits(const struct region *region, enum fault_access access)
{
    uint32_t needed = access == FAULT_WRITE  ? REGION_WRITE
                      : access == FAULT_EXEC ? REGION_EXEC
                                             : REGION_READ | REGION_WRITE;
    return region->flags & needed;
}

/* What is at va, or near it, by the region that is or the next one. */
static void
say_place(struct text *text, const struct region *region, vaddr_t va, enum fault_access access)
{
    if (region && va >= region->start) {
        uint32_t flags = region->flags;
        if (!region_permits(region, access))
            say(text, ", mapped %c%c%c", flags & REGION_READ ? 'r' : '-',
                flags & REGION_WRITE ? 'w' : '-', flags & REGION_EXEC ? 'x' : '-');
        else if (region->ops)
            say(text, ", the file has no such page or memory is out");
        else
            say(text, ", memory is out");
        say(text, " (");
        say_region(text, region, va);
        say(text, ")");
        return;
    }
    say(text, ", nothing is mapped there");
    if (region && (region->flags & REGION_STACK))
        say(text, " (0x%lx bytes below the stack, which must not grow so far)",
            (unsigned long)(region->start - va));
}

const char *
vm_explain(struct vmspace *vm, vaddr_t va, enum fault_access access, char *buf, size_t size)
{
    static const char *const verbs[] = {
        [FAULT_READ] = "load from", [FAULT_WRITE] = "store to", [FAULT_EXEC] = "jump to",
    };
    struct text text = {buf, size, 0};
    if (size == 0)
        return buf;

    say(&text, "%s 0x%lx: ", verbs[access], (unsigned long)va);
    if (va >= user_top) {
        say(&text, va >= KERNEL_HALF ? "the kernel's half" : "no canonical address");
        return buf;
    }
    SCOPED_LOCK(&vm->lock);
    const struct region *region = region_find(vm, va, true);
    bool permitted = region && va >= region->start && region_permits(region, access);
    say_walk(&text, vm, va, access, permitted);
    say_place(&text, region, va, access);
    return buf;
}
