/*
 * Showing an address space's page table: /proc/PID/pagetable and roots, the
 * call vmprint() and the boot argument vmprint=.
 */
#include "arch/riscv/klog.h"
#include "mem/pagetable.h"
#include "vm/vmspace.h"

bool
vm_print_next(struct vmspace *vm, bool users, unsigned how, struct pt_place *place, char *line,
              size_t size)
{
    SCOPED_LOCK(&vm->lock);
    paddr_t root = users ? vm->mmu.user_root : vm->mmu.root;
    return root && pt_print_next(root, how, place, line, size);
}

/* At a level that no loglevel= keeps from the console. */
void
vm_print_log(struct vmspace *vm, bool spelt)
{
    struct pt_place place = {0};
    char line[PT_PRINT_LINE];

    while (!vm_end_hook() &&
           vm_print_next(vm, false, spelt ? PT_PRINT_FLAGS : 0, &place, line, sizeof(line))) {
        printk(LOG_EMERG, "%s", line);
        preempt_point();
    }
}
