/*
 * Where signal handlers return to: one page of code, the same frame in every
 * process, mapped by exec. It holds
 *
 *      li   a7, 139     (rt_sigreturn)
 *      ecall
 *
 * and nothing else; debuggers know these two instructions.
 */
#include "arch/riscv/panic.h"
#include "lib/errno.h"
#include "mem/frame.h"
#include "proc/exec.h"
#include "vm/vmspace.h"

static struct frame *trampoline;

static int
trampoline_frame(void *object, uint64_t pgoff, bool write, struct frame **frame)
{
    (void)object;
    if (pgoff || write)
        return -EFAULT;
    frame_get(trampoline);
    *frame = trampoline;
    return 0;
}

/* There is one, for ever. */
static void
trampoline_count(void *object)
{
    (void)object;
}

static void
trampoline_identity(void *object, uint64_t *dev, uint64_t *ino)
{
    (void)object;
    *dev = *ino = 0;
}

static const struct region_ops trampoline_ops = {
    .get_frame = trampoline_frame,
    .get = trampoline_count,
    .put = trampoline_count,
    .identity = trampoline_identity,
};

int64_t
trampoline_map(struct vmspace *vm)
{
    struct map_request request = {
        .size = PAGE_SIZE,
        .flags = REGION_READ | REGION_EXEC | REGION_MAY_READ | REGION_MAY_EXEC | REGION_SPECIAL,
        .ops = &trampoline_ops,
        .object = trampoline,
        .label = "[vdso]",
    };
    return vm_map(vm, &request);
}

void
trampoline_init(void)
{
    trampoline = frame_alloc_zeroed(FRAME_KERNEL);
    if (!trampoline)
        panic("no memory for the signal trampoline");
    uint32_t *code = frame_va(trampoline);
    code[0] = 0x08b00893; /* addi a7, zero, 139 */
    code[1] = 0x00000073; /* ecall */
}
