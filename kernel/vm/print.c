/*
 * Showing an address space's page table: /proc/PID/pagetable and roots, the
 * call vmprint() and the boot argument vmprint=.
 */
#include "arch/riscv/isolation.h"
#include "arch/riscv/klog.h"
#include "mem/pagetable.h"
#include "vm/vmspace.h"

void
vm_print(struct vmspace *vm, bool spelt, bool blank, bool (*print)(void *ctx, const char *line),
         void *ctx)
{
    SCOPED_LOCK(&vm->lock);
    pt_print(vm->mmu.root, (spelt ? PT_PRINT_FLAGS : 0) | (blank ? PT_PRINT_BLANK : 0), print, ctx);
}

void
vm_print_roots(struct vmspace *vm, bool (*print)(void *ctx, const char *line), void *ctx)
{
    unsigned how = PT_PRINT_ALL | PT_PRINT_FLAGS;

    SCOPED_LOCK(&vm->lock);
    if (!print(ctx, isolation_strict ? "isolation: strict" : "isolation: shared"))
        return;
    pt_print(vm->mmu.root, how, print, ctx);
    if (vm->mmu.user_root)
        pt_print(vm->mmu.user_root, how, print, ctx);
}

/* At a level that no loglevel= keeps from the console. */
static bool
log_line(void *ctx, const char *line)
{
    (void)ctx;
    printk(LOG_EMERG, "%s", line);
    return !vm_end_hook();
}

void
vm_print_log(struct vmspace *vm, bool spelt)
{
    vm_print(vm, spelt, false, log_line, NULL);
}
