/*
 * The kernel from its first C function to the first process.
 *
 * kernel_main() runs on the boot hart, as what will be its idle thread, and
 * brings the floors up from below. What may sleep (file systems, the first
 * process) runs in a kernel thread, start_up().
 */
#include "arch/riscv/clock.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/tlb.h"
#include "dev/kmsg.h"
#include "dev/mem.h"
#include "dev/plic.h"
#include "dev/random.h"
#include "dev/rtc.h"
#include "dev/tty.h"
#include "dev/uart.h"
#include "fs/devtmpfs.h"
#include "fs/epoll.h"
#include "fs/initramfs.h"
#include "fs/pipe.h"
#include "fs/procfs.h"
#include "fs/tmpfs.h"
#include "lib/parse.h"
#include "mem/frame.h"
#include "mem/kspace.h"
#include "mem/slab.h"
#include "proc/init.h"
#include "proc/task.h"
#include "sched/hostile.h"
#include "sched/stalls.h"
#include "sched/thread.h"
#include "sched/worker.h"
#include "syscall/syscall.h"
#include "vfs/mount.h"
#include "vfs/vfs.h"
#include "vm/vmspace.h"

void kernel_main(void) __noreturn;

/* loglevel=N, quiet: what of the log reaches the console (Linux's rule: quiet is 4). */
static void
set_console_level(void)
{
    if (bootarg_has(machine.bootargs, "quiet"))
        klog_console_level = LOG_WARNING;
    klog_console_level = bootarg_u64(machine.bootargs, "loglevel", klog_console_level);
}

static void
announce(void)
{
    pr_info("Quire on %s: %u hart%s, %lu MiB in %u bank%s, %s", machine.model, machine.nharts,
            machine.nharts == 1 ? "" : "s", nframes_ram >> (20 - PAGE_SHIFT), machine.nram,
            machine.nram == 1 ? "" : "s", machine.isa);
    pr_info("boot arguments: %s", machine.bootargs);
}

/* Fill the root from the initrd, and give its memory to the allocator. */
static void
unpack_initrd(void)
{
    if (!machine.initrd.size)
        return;
    int error = initramfs_unpack(phys_to_virt(machine.initrd.start), machine.initrd.size);
    if (error)
        pr_err("the initrd cannot be unpacked whole: error %d", -error);
    frame_release_range(machine.initrd.start, machine.initrd.size);
}

/* The part of the start that may sleep. */
static void
start_up(void *unused)
{
    int error = mount_root("rootfs");
    if (error)
        panic("the root file system cannot be mounted: error %d", -error);
    unpack_initrd();
    frame_fail_after(bootarg_u64(machine.bootargs, "failalloc", 0), false);
    proc_start_init();
}

/* What every hart but the boot hart does once it is up. */
static void
secondary_hart(void)
{
    plic_init_hart();
    sched_start_hart();
}

static void
init_devices(void)
{
    plic_init();
    plic_init_hart();
    rtc_init(); /* before random_init(), which stirs the time in */
    random_init();
    kmsg_init();
    mem_dev_init();
    tty_dev_init();
    uart_start();
}

static void
init_filesystems(void)
{
    tmpfs_init();
    devtmpfs_init();
    procfs_init();
    pipe_init();
    epoll_init();
}

void
kernel_main(void)
{
    clock_init();
    set_console_level();
    frame_init();
    kspace_init();
    slab_init();
    kstack_init();
    mmu_init();
    machine_reset_init(machine.test_device.size
                           ? ioremap(machine.test_device.start, machine.test_device.size)
                           : NULL);
    uart_init();
    announce();
    sched_init();
    hostile_init();
    stalls_init();
    vm_init();
    vfs_init();
    init_devices();
    init_filesystems();
    proc_init();
    syscall_init();
    hart_main = secondary_hart;
    harts_start_secondary();
    vm_oom_start();
    worker_start();
    if (!kthread_create("start", start_up, NULL))
        panic("no memory for the first thread");
    sched_start_hart();
}
