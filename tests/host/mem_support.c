/*
 * What kernel/mem needs from below it, on the host.
 *
 * Harts are threads, so the fence that the firmware makes other harts execute
 * is Linux's membarrier(2), which does the same to the other threads.
 */
#include "host.h"

#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "arch/riscv/cbo.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/trap.h"
#include "mem.h"
#include "mem/frame.h"
#include "mem/slab.h"

struct machine machine;
__thread struct hart host_hart;
cpumask_t harts_online = 1;
uint32_t host_cbo_size;
char host_log[256];
char host_panic_message[512];
jmp_buf host_panic_return;
int host_panic_expected;

static char *arena;

static void
make_arena(void)
{
    if (arena)
        return;
    char *memory = mmap(NULL, 2 * HOST_RAM_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    arena = (char *)ALIGN_UP((uintptr_t)memory, HOST_RAM_SIZE);
}

void *
phys_to_virt(paddr_t pa)
{
    make_arena();
    return arena + (pa - HOST_RAM_BASE);
}

paddr_t
virt_to_phys(const void *va)
{
    make_arena();
    if ((uintptr_t)va == DIRECT_BASE)
        return HOST_RAM_BASE;
    return (paddr_t)((const char *)va - arena) + HOST_RAM_BASE;
}

void
host_mem_init(uint64_t size)
{
    machine.nram = 1;
    machine.ram[0] = (struct phys_range){HOST_RAM_BASE, size};
    machine.nreserved = 1;
    machine.reserved[0] = (struct phys_range){HOST_RAM_BASE, 1 << 20};
    machine.nharts = 4;
    frame_init();
}

void
panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(host_panic_message, sizeof(host_panic_message), fmt, ap);
    va_end(ap);
    if (host_panic_expected)
        longjmp(host_panic_return, 1);
    fprintf(stderr, "panic: %s\n", host_panic_message);
    abort();
}

void
printk(int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(host_log, sizeof(host_log), fmt, ap);
    va_end(ap);
}

const char *
symbol_name(vaddr_t address, uint64_t *offset)
{
    return NULL;
}

void
sbi_remote_fence(cpumask_t mask, vaddr_t start, uint64_t size, uint64_t asid)
{
    static bool registered;
    if (!__atomic_exchange_n(&registered, true, __ATOMIC_SEQ_CST))
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void
preempt_point(void)
{
}

bool
host_in_child(void (*fn)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status == 0;
}
