/*
 * USYSCALL: the page in every address space from which ugetpid() reads the
 * process's id without a trap. user/include/quire.h is the contract.
 *
 * A region of its own kind, whose object is the address space itself. Nothing
 * is allocated before the page is touched; then it gets a frame with what
 * belongs there. fork does not copy the region, for the child's says something
 * else: whoever makes an address space calls vm_usyscall_map().
 *
 * An address space belongs to the processes that run on it: one, or for the
 * time of a vfork or after clone(CLONE_VM) several. It keeps their number and the
 * sum of their ids. While there is one, the sum is its id, whoever it is; while there
 * are more the page says 0, and ugetpid() asks the kernel. A process joins before it
 * runs and leaves when it will not run there any more, so no id is ever seen by
 * another process than its own.
 */
#include "lib/errno.h"
#include "vm/leaf.h"
#include "vm/map.h"
#include "vm/region.h"

/* What the page says. vm->lock held. */
static uint32_t
answer(const struct vmspace *vm)
{
    return vm->nowners == 1 ? (uint32_t)vm->owner_ids : 0;
}

static int
usyscall_frame(void *object, uint64_t pgoff, bool write, struct frame **frame)
{
    if (pgoff || write)
        return -EFAULT;
    *frame = frame_alloc_zeroed(FRAME_ANON);
    if (!*frame)
        return -ENOMEM;
    *(uint32_t *)frame_va(*frame) = answer(object);
    return 0;
}

/* The object outlives its regions. */
static void
usyscall_count(void *object)
{
    (void)object;
}

static const struct region_ops usyscall_ops = {
    .get_frame = usyscall_frame,
    .get = usyscall_count,
    .put = usyscall_count,
};

int
vm_usyscall_map(struct vmspace *vm, uint32_t pid)
{
    const struct region model = {
        .start = USYSCALL,
        .end = USYSCALL + PAGE_SIZE,
        .flags = REGION_READ | REGION_MAY_READ | REGION_SPECIAL | REGION_DONTFORK,
        .ops = &usyscall_ops,
        .object = vm,
        .label = "[usyscall]",
        .vm = vm,
    };

    SCOPED_VM(vm);
    vm->nowners = 1;
    vm->owner_ids = pid;
    return region_place(vm, &model) ? 0 : -ENOMEM;
}

/* Write the page anew, if it has been touched. vm->lock held. */
static void
update(struct vmspace *vm)
{
    const pte_t *entry = walk(vm->mmu.root, USYSCALL, false);
    pte_t pte = entry ? pte_load(entry) : 0;

    if (pte)
        store_relaxed((uint32_t *)frame_va(leaf_frame(pte)), answer(vm));
}

void
vm_usyscall_join(struct vmspace *vm, uint32_t pid)
{
    SCOPED_LOCK(&vm->lock);
    vm->nowners++;
    vm->owner_ids += pid;
    update(vm);
}

void
vm_usyscall_leave(struct vmspace *vm, uint32_t pid)
{
    /* The only one could be joined by its own children alone. */
    if (__atomic_load_n(&vm->nowners, __ATOMIC_RELAXED) == 1)
        return;
    SCOPED_LOCK(&vm->lock);
    vm->nowners--;
    vm->owner_ids -= pid;
    update(vm);
}
