/*
 * The kernel's own address space.
 *
 * The tree is built as an Sv39 one. All of the kernel half lies under the last
 * entry of an Sv48 root, so for Sv48 a root with that one entry is put above
 * it, and if the hart refuses to load that, we are back at Sv39 with nothing
 * to undo.
 *
 * The direct map is never executable, and the firmware's memory is in it only
 * because it lies in the same large page: physical memory protection keeps us
 * out of there.
 */
#include "mem/kspace.h"
#include "arch/riscv/csr.h"
#include "arch/riscv/image.h"
#include "arch/riscv/isolation.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/layout.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/tlb.h"
#include "lib/string.h"
#include "mem/explainwalk.h"
#include "mem/frame.h"
#include "mem/pagetable.h"

#define LEVEL_2M 1
#define LEVEL_1G 2
#define MAX_WINDOWS 64

paddr_t kernel_root;
uint64_t kspace_global = PTE_G;
struct spinlock kspace_lock = SPINLOCK_INIT("kernel tree");

/* Strict isolation: a tree that maps the trampoline page and the gate page. */
static paddr_t trampoline_root;

/* The root entries that every process shares. Constant after boot. */
static uint16_t shared_entries[PT_FANOUT];
static unsigned nshared_entries;

/* Device registers that are mapped. Guarded by kspace_lock. */
static struct device_window {
    paddr_t start, end;
    vaddr_t va;
} windows[MAX_WINDOWS];
static unsigned nwindows;
static vaddr_t device_next = DEVICE_BASE;

/* Map at boot, when nothing may fail. */
static void
map(paddr_t root, vaddr_t va, paddr_t pa, uint64_t size, uint64_t rights, unsigned max_level)
{
    if (size == 0)
        return;
    int error = pt_map(root, va, pa, size, rights | kspace_global, max_level);
    if (error)
        panic("cannot map the kernel's memory at 0x%lx: error %d", va, error);
}

static void
map_image(paddr_t root, const char *start, const char *end, uint64_t rights)
{
    vaddr_t va = (vaddr_t)start;
    map(root, va, va - image_offset, PAGE_ALIGN_UP((vaddr_t)end) - va, rights, LEVEL_2M);
}

/* Make the tables right under the root for a window that is filled later. */
static void
make_window(paddr_t root, vaddr_t start, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += pt_span(LEVEL_1G))
        if (!pt_walk_level(root, start + done, LEVEL_2M, true))
            panic("no memory for the kernel's page tables");
}

static int
check_leaf(void *ctx, pte_t *entry, vaddr_t va, unsigned level)
{
    pte_t pte = pte_load(entry);
    if ((pte & PTE_W) && (pte & PTE_X))
        panic("the kernel's page at 0x%lx (level %u) is both writable and executable", va, level);
    if (pte & PTE_U)
        panic("the kernel's page at 0x%lx (level %u) is open to users", va, level);
    return 0;
}

/* Note which root entries processes share; they must all be there by now. */
static void
note_shared_entries(paddr_t root)
{
    const pte_t *entries = phys_to_virt(root);
    nshared_entries = 0;
    for (unsigned i = PT_FANOUT / 2; i < PT_FANOUT; i++)
        if (entries[i])
            shared_entries[nshared_entries++] = i;
}

static void
load(paddr_t root, bool sv48)
{
    kernel_root = root;
    pt_levels = sv48 ? 4 : 3;
    user_top = 1UL << (PAGE_SHIFT + pt_levels * PT_FANOUT_SHIFT - 1);
    note_shared_entries(root);
    mmu_set_kernel_root(root, sv48);
    mmu_load_kernel();
}

/* Put an Sv48 root above the tree and try to load it. */
static void
try_sv48(paddr_t sv39_root)
{
    pt_levels = 4;
    paddr_t root = pt_create();
    if (!root)
        panic("no memory for the kernel's page tables");
    pte_t *entries = phys_to_virt(root);
    pt_set(&entries[PT_FANOUT - 1], pte_make(sv39_root, PTE_V));
    load(root, true);
    if ((csr_read("satp") & ~0UL << 60) == SATP_MODE_SV48)
        return;
    pr_warn("paging=sv48: this machine has no Sv48; Sv39 it is");
    load(sv39_root, false);
    frame_free(frame_of(root));
}

static void
map_trampoline(void)
{
    trampoline_root = pt_create();
    if (!trampoline_root)
        panic("no memory for the kernel's page tables");
    map(trampoline_root, (vaddr_t)_trampoline, (vaddr_t)_trampoline - image_offset,
        _etrampoline - _trampoline, PTE_X, 0);
    map(trampoline_root, (vaddr_t)gates, (vaddr_t)gates - image_offset, PAGE_SIZE, PTE_R | PTE_W,
        0);
}

void
kspace_share_trampoline(paddr_t root)
{
    unsigned index = pt_index((vaddr_t)_trampoline, pt_levels - 1);
    ((pte_t *)phys_to_virt(root))[index] = ((pte_t *)phys_to_virt(trampoline_root))[index];
}

void
kspace_init(void)
{
    isolation_init();
    if (isolation_strict)
        kspace_global = 0;
    paddr_t root = pt_create();
    if (!root)
        panic("no memory for the kernel's page tables");
    for (unsigned i = 0; i < machine.nram; i++)
        map(root, (vaddr_t)phys_to_virt(machine.ram[i].start), machine.ram[i].start,
            machine.ram[i].size, PTE_R | PTE_W, LEVEL_1G);
    map_image(root, _text, _etext, PTE_R | PTE_X);
    map_image(root, _data, _ebss, PTE_R | PTE_W);
    map_image(root, _rodata, _erodata, PTE_R);
    make_window(root, DEVICE_BASE, DEVICE_SIZE);
    make_window(root, STACK_BASE, STACK_WINDOW_SIZE);
    pt_visit(root, KERNEL_HALF, -KERNEL_HALF, check_leaf, NULL);
    load(root, false);
    trap_ops.explain_walk = explain_walk;

    char paging[8];
    if (machine_bootarg("paging", paging, sizeof(paging)) && strcmp(paging, "sv48") == 0)
        try_sv48(root);
    if (isolation_strict) {
        map_trampoline();
        isolation_init_hart();
    }
}

#ifdef DEBUG

void
virt_to_phys_refuse(const void *va)
{
    const vaddr_t at = (vaddr_t)va;
    const bool stack = at - STACK_BASE < STACK_WINDOW_SIZE;

    panic("virt_to_phys of %p, which is no address of the direct map but %s: pages that are next "
          "to each other there need not be so in memory",
          va, stack ? "a kernel stack's" : at >= KERNEL_BASE ? "the image's"
              : at < user_top ? "a user's" : "a window's");
}

#endif

void
kspace_share(paddr_t root)
{
    const pte_t *from = phys_to_virt(kernel_root);
    pte_t *to = phys_to_virt(root);

    for (unsigned i = 0; i < nshared_entries; i++)
        to[shared_entries[i]] = from[shared_entries[i]];
}

/* Where in the device window to map [start, end): 0 if it is full. kspace_lock held. */
static vaddr_t
window_place(paddr_t start, paddr_t end)
{
    vaddr_t va = device_next;
    uint64_t large = pt_span(LEVEL_2M);

    /* What holds a large page is placed so that it can be one. */
    if (end - start >= large)
        va = ALIGN_UP(va - start % large, large) + start % large;
    if (nwindows == MAX_WINDOWS || !range_below(va - DEVICE_BASE, end - start, DEVICE_SIZE))
        return 0;
    return va;
}

volatile void *
ioremap(paddr_t pa, uint64_t size)
{
    paddr_t start = PAGE_ALIGN_DOWN(pa), end = PAGE_ALIGN_UP(pa + size);
    if (size == 0 || end <= start)
        return NULL;

    SCOPED_SPIN(&kspace_lock);
    for (unsigned i = 0; i < nwindows; i++)
        if (start >= windows[i].start && end <= windows[i].end)
            return (volatile void *)(windows[i].va + (pa - windows[i].start));
    vaddr_t va = window_place(start, end);
    if (!va || pt_map(kernel_root, va, start, end - start, PTE_R | PTE_W | kspace_global, LEVEL_2M))
        return NULL;
    windows[nwindows++] = (struct device_window){start, end, va};
    device_next = va + (end - start);
    /* Hardware may remember that there was nothing here. */
    tlb_flush_kernel(va, end - start);
    return (volatile void *)(va + (pa - start));
}
