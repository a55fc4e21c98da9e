/*
 * Panics and backtraces. tools/symtab makes the table of symbols.
 */
#include "arch/riscv/panic.h"

#include "arch/riscv/csr.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/image.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/trap.h"
#include "arch/riscv/layout.h"
#include "lib/refcount.h"

#define BACKTRACE_MAX 32

extern const uint64_t symtab_count, symtab_addresses[];
extern const uint32_t symtab_names[];

static uint32_t panicking; /* (A) index + 1 of the hart that panics; 0: none */

const char *
symbol_name(vaddr_t address, uint64_t *offset)
{
    if (symtab_count == 0 || address < symtab_addresses[0] || address >= (vaddr_t)_etext)
        return NULL;
    uint64_t low = 0, high = symtab_count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (symtab_addresses[middle] <= address)
            low = middle;
        else
            high = middle;
    }
    *offset = address - symtab_addresses[low];
    return (const char *)symtab_names + symtab_names[low];
}

static void
print_symbol(vaddr_t address)
{
    uint64_t offset = 0;
    const char *name = symbol_name(address, &offset);
    printk(LOG_EMERG, "  %016lx %s+0x%lx", address, name ? name : "?", offset);
}

/* A frame pointer that can be followed: in a kernel stack or the image's. */
static bool
frame_pointer_ok(uint64_t fp)
{
    return fp % 16 == 0 && fp >= STACK_BASE;
}

void
backtrace(uint64_t fp)
{
    printk(LOG_EMERG, "called from:");
    for (unsigned depth = 0; depth < BACKTRACE_MAX && frame_pointer_ok(fp); depth++) {
        /* psABI frame chain: return address at fp - 8, caller's fp at fp - 16. */
        vaddr_t ra = *(uint64_t *)(fp - 8);
        uint64_t next = *(uint64_t *)(fp - 16);
        if (ra < (vaddr_t)_text || ra >= (vaddr_t)_etext)
            break;
        print_symbol(ra - 1);
        if (next <= fp)
            break;
        fp = next;
    }
}

/* One hart reports; any other that panics meanwhile, or a panic within the panic, only stops. */
static void
claim(void)
{
    uint32_t none = 0, self = this_hart()->index + 1;
    if (!__atomic_compare_exchange_n(&panicking, &none, self, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED)) {
        if (none == self)
            machine_poweroff(true);
        for (;;)
            wfi();
    }
    klog_panicking = true;
    klog_console_level = LOG_DEBUG + 1;
    klog_set_console(NULL);
}

static void
end(void)
{
    machine_poweroff(true);
}

void
panic(const char *fmt, ...)
{
    interrupts_off();
    claim();
    va_list ap;
    va_start(ap, fmt);
    printk(LOG_EMERG, "kernel panic on hart %u:", this_hart()->index);
    vprintk(LOG_EMERG, fmt, ap);
    va_end(ap);
    backtrace((uint64_t)__builtin_frame_address(0));
    end();
    __builtin_unreachable();
}

void
ref_fault(const struct refcount *ref, const char *what, uint32_t n)
{
    panic("%s of the reference count at %p, which is %s (%u)", what, ref,
          n == 0 ? "0: the object has ended" : "damaged, or has too many", n);
}

#ifdef DEBUG
void
publish_check(const void *object)
{
    if ((vaddr_t)object - STACK_BASE < STACK_WINDOW_SIZE)
        panic("an object that others can reach lies in a kernel stack: %p", object);
}
#endif

/*
 * What the hardware found on its way to the address of a fault. Printed last, for
 * it reads more than the rest.
 */
static void
print_walk(void)
{
    enum fault_access access;
    if (trap_ops.explain_walk && trap_is_fault(csr_read("scause"), &access))
        trap_ops.explain_walk((csr_read("satp") & SATP_PPN_MASK) << PAGE_SHIFT, csr_read("stval"),
                              access);
}

void
panic_trap(const struct trapframe *tf, const char *fmt, ...)
{
    static const char *const names[31] = {
        "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1",  "a0",  "a1", "a2", "a3", "a4", "a5", "a6",
        "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
    interrupts_off();
    claim();
    va_list ap;
    va_start(ap, fmt);
    printk(LOG_EMERG, "kernel panic on hart %u:", this_hart()->index);
    vprintk(LOG_EMERG, fmt, ap);
    va_end(ap);
    printk(LOG_EMERG, "epc %016lx scause %lx stval %016lx sstatus %016lx", tf->epc,
           csr_read("scause"), csr_read("stval"), tf->sstatus);
    const uint64_t *regs = &tf->ra;
    for (unsigned i = 0; i + 2 < 31; i += 3)
        printk(LOG_EMERG, "%4s %016lx %4s %016lx %4s %016lx", names[i], regs[i], names[i + 1],
               regs[i + 1], names[i + 2], regs[i + 2]);
    printk(LOG_EMERG, "  t6 %016lx", regs[30]);
    printk(LOG_EMERG, "at:");
    print_symbol(tf->epc);
    print_symbol(tf->ra);
    backtrace(tf->s0);
    print_walk();
    end();
    __builtin_unreachable();
}
