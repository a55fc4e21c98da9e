/*
 * The vDSO in the kernel: mapping it, and its fixups; see vdso.h.
 */
#include "proc/vdso.h"
#include "arch/riscv/clock.h"
#include "arch/riscv/layout.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "mem/frame.h"
#include "proc/task.h"
#include "vm/vmspace.h"

/* vdsoimage.S. */
extern char vdso_image[], vdso_image_end[], vdso_image_sigreturn[];
extern const struct vdso_fixup {
    uint32_t at, go_on; /* offsets in the image */
} vdso_image_fixups[], vdso_image_fixups_end[];

struct vdso_data vdso_data;

#define IMAGE_NPAGES ((size_t)(vdso_image_end - vdso_image) >> PAGE_SHIFT)

/* Objects of regions are the kernel's addresses: of vdso_data, or the image. */
static struct frame *
page_frame(void *object, uint64_t pgoff)
{
    return frame_of((vaddr_t)object + pgoff * PAGE_SIZE - image_offset);
}

static int
get_frame(void *object, uint64_t pgoff, bool write, struct frame **frame)
{
    if (write)
        return -EFAULT;
    *frame = page_frame(object, pgoff);
    frame_get(*frame);
    return 0;
}

static unsigned
get_run(void *object, uint64_t pgoff, unsigned n, struct frame **run)
{
    for (unsigned i = 0; i < n; i++)
        (void)get_frame(object, pgoff + i, false, &run[i]);
    return n;
}

/* There is one, for ever. */
static void
count(void *object)
{
    (void)object;
}

static void
identity(void *object, uint64_t *dev, uint64_t *ino)
{
    (void)object;
    *dev = *ino = 0;
}

static const struct region_ops ops = {
    .get_frame = get_frame,
    .get_run = get_run,
    .get = count,
    .put = count,
    .identity = identity,
};

int64_t
vdso_map(struct vmspace *vm)
{
    /*
     * A place for both, as if it were all data; then the image over all but the
     * first page. Beside the top of the stack they are found through tables that
     * every process has anyway, so fork and exec pay for no other.
     */
    struct map_request request = {
        .va = vm->stack_top + PAGE_SIZE,
        .size = (1 + IMAGE_NPAGES) * PAGE_SIZE,
        .flags = REGION_READ | REGION_MAY_READ | REGION_SPECIAL,
        .ops = &ops,
        .object = &vdso_data,
        .label = "[vvar]",
    };
    int64_t at = vm_map(vm, &request);

    if (at < 0)
        return at;
    request.va = (vaddr_t)at + PAGE_SIZE;
    request.size -= PAGE_SIZE;
    request.fixed = true;
    request.flags |= REGION_EXEC | REGION_MAY_EXEC;
    request.object = vdso_image;
    request.label = "[vdso]";
    return vm_map(vm, &request);
}

vaddr_t
vdso_sigreturn(vaddr_t vdso)
{
    return vdso + (vaddr_t)(vdso_image_sigreturn - vdso_image);
}

bool
vdso_fixup(struct trapframe *tf)
{
    vaddr_t vdso = current_proc()->vdso;

    for (const struct vdso_fixup *fixup = vdso_image_fixups; fixup < vdso_image_fixups_end; fixup++)
        if (tf->epc == vdso + fixup->at) {
            tf->epc = vdso + fixup->go_on;
            return true;
        }
    return false;
}

static void
fill_hwprobe(uint64_t *answers)
{
    uint64_t extensions = machine.extensions;

    answers[HWPROBE_BASE] = HWPROBE_BASE_IMA;
    answers[HWPROBE_EXT] = HWPROBE_EXT_FD | HWPROBE_EXT_C |
                           (extensions & EXT_ZBA ? HWPROBE_EXT_ZBA : 0) |
                           (extensions & EXT_ZBB ? HWPROBE_EXT_ZBB : 0) |
                           (extensions & EXT_ZBS ? HWPROBE_EXT_ZBS : 0);
    answers[HWPROBE_HIGHEST_VA] = user_top - 1;
    answers[HWPROBE_TIMEBASE] = machine.timebase;
}

/*
 * Make a frame of the kernel's image, which nobody counts, like one from the
 * allocator, with a reference that is never dropped.
 */
static void
adopt(struct frame *frame)
{
    store_relaxed(&frame->state, frame_state(0, FRAME_KERNEL, FRAME_HEAD));
    store_relaxed(&frame->refs, 1);
}

void
vdso_init(void)
{
    vdso_data.clock_base = clock_base;
    vdso_data.clock_mult = clock_mult;
    vdso_data.clock_shift = clock_shift;
    vdso_data.time_readable = clock_user_readable;
    fill_hwprobe(vdso_data.hwprobe);
    adopt(page_frame(&vdso_data, 0));
    for (uint64_t pgoff = 0; pgoff < IMAGE_NPAGES; pgoff++)
        adopt(page_frame(vdso_image, pgoff));
}
