/*
 * Reading another process's memory: through its tree and the direct map, a
 * page at a time, so that neither side's address space is switched.
 */
#include "lib/string.h"
#include "vm/fault.h"
#include "vm/leaf.h"

/* The page at va, readable and present; NULL if it cannot be. */
static const char *
page_at(struct vmspace *vm, vaddr_t va)
{
    unsigned level;
    pte_t pte = pt_lookup(vm->mmu.root, va, &level);
    if (!(pte & PTE_R)) {
        if (vm_fault_locked(vm, va, FAULT_READ).signal)
            return NULL;
        pte = pt_lookup(vm->mmu.root, va, &level);
    }
    return phys_to_virt(pte_pa(pte) + PAGE_ALIGN_DOWN(va & (pt_span(level) - 1)));
}

size_t
vm_peek(struct vmspace *vm, vaddr_t va, void *buf, size_t n)
{
    size_t done = 0;

    SCOPED_LOCK(&vm->lock);
    while (done < n && va < user_top) {
        const char *page = page_at(vm, va);
        if (!page)
            break;
        size_t offset = va & PAGE_MASK;
        size_t part = min(n - done, PAGE_SIZE - offset);
        memcpy((char *)buf + done, page + offset, part);
        done += part;
        va += part;
    }
    return done;
}
