/*
 * Showing an address space's page table: /proc/PID/pagetable, the call
 * vmprint() and the boot argument vmprint=.
 */
#include "arch/riscv/klog.h"
#include "mem/pagetable.h"
#include "vm/vmspace.h"

void
vm_print(struct vmspace *vm, bool spelt, void (*print)(void *ctx, const char *line), void *ctx)
{
    SCOPED_LOCK(&vm->lock);
    pt_print(vm->mmu.root, spelt ? PT_PRINT_FLAGS : 0, print, ctx);
}

/* At a level that no loglevel= keeps from the console. */
static void
log_line(void *ctx, const char *line)
{
    (void)ctx;
    printk(LOG_EMERG, "%s", line);
}

void
vm_print_log(struct vmspace *vm, bool spelt)
{
    vm_print(vm, spelt, log_line, NULL);
}
